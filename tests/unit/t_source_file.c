#include "jf_test.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_file_io.h>
#include <apr_strings.h>
#include <openssl/evp.h>

#include "source_file.h"

static int idle_count;

static void count_idle(void *baton)
{
    (void)baton;
    idle_count++;
}

static client_t *make_client(const options_t *options, apr_pool_t *pool)
{
    client_t *client = apr_pcalloc(pool, sizeof(*client));
    *client = (client_t){.pool = pool, .options = options, .idle = count_idle};
    idle_count = 0;
    return client;
}

static const options_t quiet = {.is_quiet = 1};

static apr_status_t remove_file(void *path)
{
    return unlink(path) == 0 ? APR_SUCCESS : APR_EGENERAL;
}

/* A file that goes with the pool; its name ends in @a ending. */
static const char *make_file(const char *ending, const char *data, size_t size, apr_pool_t *pool)
{
    const char *directory;
    apr_file_t *file;
    assert_int_equal(apr_temp_dir_get(&directory, pool), APR_SUCCESS);
    const char *path =
        apr_psprintf(pool, "%s/jabberfiles-t_source_file-%d%s", directory, (int)getpid(), ending);
    assert_int_equal(apr_file_open(&file, path,
                                   APR_FOPEN_CREATE | APR_FOPEN_TRUNCATE | APR_FOPEN_WRITE,
                                   APR_FPROT_OS_DEFAULT, pool),
                     APR_SUCCESS);
    apr_pool_cleanup_register(pool, path, remove_file, apr_pool_cleanup_null);
    assert_int_equal(apr_file_write_full(file, data, size, NULL), APR_SUCCESS);
    assert_int_equal(apr_file_close(file), APR_SUCCESS);
    return path;
}

static void check_digests(const source_file_t *source, const char *data, size_t size)
{
    unsigned char sha256[EVP_MAX_MD_SIZE];
    assert_true(EVP_Digest(data, size, sha256, NULL, EVP_sha256(), NULL));
    assert_int_equal(source->has_digest, 1);
    assert_memory_equal(source->sha256, sha256, sizeof(source->sha256));
}

static apr_int64_t read_all(source_file_t *source)
{
    char buffer[1000];
    apr_int64_t total_bytes = 0;
    apr_ssize_t count;
    jf_err_t *err = NULL;
    while ((count = source_file_read(source, buffer, sizeof(buffer), &err)) > 0) {
        total_bytes += count;
    }
    jf_test_ok(err, source->path);
    assert_int_equal(count, 0);
    return total_bytes;
}

static void test_a_file_is_known_when_it_is_open(void **state)
{
    static const char data[] = "some content";
    const char *path = make_file(".png", data, sizeof(data), *state);
    client_t *client = make_client(&quiet, *state);
    source_file_t *source;
    jf_test_ok(source_file_open(&source, client, path, *state), path);
    assert_int_equal(source->size_bytes, sizeof(data));
    assert_string_equal(source->media_type, "image/png");
    assert_non_null(strstr(path, source->name));
    assert_true(source->modified_us > 0);
    assert_true(idle_count > 0);
    check_digests(source, data, sizeof(data));
    assert_int_equal(read_all(source), sizeof(data));
    jf_test_ok(source_file_seek(source, 5, *state), path);
    assert_int_equal(read_all(source), sizeof(data) - 5);
}

static void test_an_empty_file(void **state)
{
    const char *path = make_file("", "", 0, *state);
    source_file_t *source;
    jf_test_ok(source_file_open(&source, make_client(&quiet, *state), path, *state), path);
    assert_int_equal(source->size_bytes, 0);
    assert_string_equal(source->media_type, "application/octet-stream");
    check_digests(source, "", 0);
}

static void test_names_and_types_that_were_chosen(void **state)
{
    static const options_t options = {.name = "b.pdf", .media_type = "text/x-special"};
    const char *path = make_file(".png", "", 0, *state);
    source_file_t *source;
    jf_test_ok(source_file_open(&source, make_client(&options, *state), path, *state), path);
    assert_string_equal(source->name, "b.pdf");
    assert_string_equal(source->media_type, "text/x-special");
}

static void test_names_that_no_area_has(void **state)
{
    static const char *const names[] = {"", ".", "..", "a/b", "/", "a\nb", "\xff", "\u202egpj.exe"};
    const char *path = make_file("", "", 0, *state);

    for (size_t i = 0; i < JF_TEST_COUNT(names); i++) {
        options_t options = {.name = names[i]};
        source_file_t *source;
        const jf_err_t *err =
            source_file_open(&source, make_client(&options, *state), path, *state);
        if (!err || err->code != JF_ERR_INVALID) {
            fail_msg("\"%s\" is no name", names[i]);
        }
    }
}

static void test_what_cannot_be_uploaded(void **state)
{
    source_file_t *source;
    client_t *client = make_client(&quiet, *state);
    jf_test_refused(source_file_open(&source, client, "/", *state), JF_ERR_INVALID, "/");
    jf_test_refused(source_file_open(&source, client, "/nowhere/x", *state), JF_ERR_IO, "missing");
}

static void test_a_change_is_noticed(void **state)
{
    const char *path = make_file("", "four", 4, *state);
    source_file_t *source;
    jf_test_ok(source_file_open(&source, make_client(&quiet, *state), path, *state), path);
    jf_test_ok(source_file_check(source, *state), path);
    assert_int_equal(truncate(path, 5), 0);
    jf_test_refused(source_file_check(source, *state), JF_ERR_IO, path);
}

/* A pipe at the place of standard input, with @a size bytes in it and its end; the other one comes
 * back when the pool goes. */
static apr_status_t restore_input(void *saved)
{
    dup2(*(int *)saved, STDIN_FILENO);
    close(*(int *)saved);
    return APR_SUCCESS;
}

static void pipe_in(const char *data, size_t size, apr_pool_t *pool)
{
    int ends[2];
    int *saved = apr_palloc(pool, sizeof(*saved));
    *saved = dup(STDIN_FILENO);
    apr_pool_cleanup_register(pool, saved, restore_input, apr_pool_cleanup_null);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], data, size), size);
    close(ends[1]);
    dup2(ends[0], STDIN_FILENO);
    close(ends[0]);
}

static void test_standard_input_is_known_at_its_end(void **state)
{
    source_file_t *source;
    pipe_in("piped", 5, *state);
    jf_test_ok(source_file_open(&source, make_client(&quiet, *state), "-", *state), "-");
    assert_string_equal(source->name, "stdin");
    assert_int_equal(source->size_bytes, -1);
    assert_int_equal(source->has_digest, 0);
    jf_test_ok(source_file_seek(source, 0, *state), "begin");
    assert_int_equal(read_all(source), 5);
    assert_int_equal(source->size_bytes, 5);
    check_digests(source, "piped", 5);
    jf_test_refused(source_file_seek(source, 0, *state), JF_ERR_IO, "again");
}

static void test_standard_input_can_be_spooled(void **state)
{
    source_file_t *source;
    client_t *client = make_client(&quiet, *state);
    pipe_in("piped", 5, *state);
    jf_test_ok(source_file_open(&source, client, "-", *state), "-");
    jf_test_ok(source_file_spool(source, client, *state), "-");
    assert_int_equal(source->size_bytes, 5);
    check_digests(source, "piped", 5);
    for (int i = 0; i < 2; i++) {
        jf_test_ok(source_file_seek(source, 0, *state), "again");
        assert_int_equal(read_all(source), 5);
    }
}

static void test_what_others_are_told(void **state)
{
    const char *path = make_file(".png", "x", 1, *state);
    source_file_t *source;
    jf_test_ok(source_file_open(&source, make_client(&quiet, *state), path, *state), path);
    const shared_file_t *shared = source_file_shared(source, "https://h/x", *state);
    assert_string_equal(shared->url, "https://h/x");
    assert_string_equal(shared->name, source->name);
    assert_string_equal(shared->media_type, "image/png");
    assert_int_equal(shared->size_bytes, 1);
    assert_int_equal(shared->date_us, source->modified_us);
    assert_memory_equal(shared->sha256, source->sha256, JF_SHA256_BYTES);
    assert_null(shared->description);
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_a_file_is_known_when_it_is_open),
    JF_TEST(test_an_empty_file),
    JF_TEST(test_names_and_types_that_were_chosen),
    JF_TEST(test_names_that_no_area_has),
    JF_TEST(test_what_cannot_be_uploaded),
    JF_TEST(test_a_change_is_noticed),
    JF_TEST(test_standard_input_is_known_at_its_end),
    JF_TEST(test_standard_input_can_be_spooled),
    JF_TEST(test_what_others_are_told),
};

JF_TEST_MAIN(tests)
