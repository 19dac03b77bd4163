#include "jf_test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_strings.h>
#include <openssl/evp.h>

#include "part_file.h"
#include "t_directory.h"

#define URL "https://example.org/x/report.pdf"
#define ETAG "\"abc\""
#define MODIFIED_US apr_time_from_sec(1000000000)

/* ---- files ---- */

/** In a fresh directory that goes with the pool. */
static const char *make_destination(apr_pool_t *pool)
{
    return apr_pstrcat(pool, t_directory_make(pool), "/report.pdf", NULL);
}

static const char *with(const char *path, const char *ending, apr_pool_t *pool)
{
    return apr_pstrcat(pool, path, ending, NULL);
}

static void put(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/** What is in a file; NULL if there is none. */
static const char *look(const char *path, apr_pool_t *pool)
{
    FILE *file = fopen(path, "r");
    if (!file) {
        return NULL;
    }
    char *text = apr_pcalloc(pool, 4096);
    size_t length = fread(text, 1, 4095, file);
    assert_true(length < 4095);
    fclose(file);
    return text;
}

static void expect_file(const char *path, const char *text, apr_pool_t *pool)
{
    const char *got = look(path, pool);
    if (!got || strcmp(got, text) != 0) {
        fail_msg("%s has \"%s\", not \"%s\"", path, got ? got : "(no file)", text);
    }
}

static void expect_none(const char *destination, const char *ending, apr_pool_t *pool)
{
    struct stat found;
    const char *path = with(destination, ending, pool);
    if (lstat(path, &found) == 0) {
        fail_msg("%s exists", path);
    }
}

/* ---- parts ---- */

static part_origin_t origin_of(apr_int64_t size_bytes)
{
    return (part_origin_t){.url = URL, .etag = ETAG, .size_bytes = size_bytes};
}

static part_file_t *open_part(const char *destination, apr_pool_t *pool)
{
    part_file_t *part = NULL;
    jf_test_ok(part_file_open(&part, destination, 0, pool), destination);
    return part;
}

static void add(part_file_t *part, const char *text)
{
    jf_test_ok(part_file_write(part, text, strlen(text)), text);
}

/** Begins a download, as if the tool had been killed after some bytes. */
static void leave_part(const char *destination, const part_origin_t *origin, const char *text,
                       apr_pool_t *pool)
{
    part_file_t *part = open_part(destination, pool);
    jf_test_ok(part_file_restart(part, origin), "restart");
    add(part, text);
    part_file_close(part);
}

static void expect_digest(part_file_t *part, const char *text)
{
    unsigned char sha256[JF_SHA256_BYTES];
    unsigned char sha3[PART_SHA3_BYTES];
    unsigned char expected[EVP_MAX_MD_SIZE];
    jf_test_ok(part_file_end_digest(sha256, sha3, part), "digest");
    assert_true(EVP_Digest(text, strlen(text), expected, NULL, EVP_sha256(), NULL));
    assert_memory_equal(sha256, expected, JF_SHA256_BYTES);
}

static void refuse_to_open(const char *destination, jf_err_code_t code, apr_pool_t *pool)
{
    part_file_t *part = NULL;
    jf_test_refused(part_file_open(&part, destination, 0, pool), code, destination);
    assert_null(part);
}

static void test_a_download_gets_its_name_date_and_digest(void **state)
{
    apr_pool_t *pool = *state;
    const char *destination = make_destination(pool);
    part_origin_t origin = origin_of(11);
    part_file_t *part = open_part(destination, pool);
    assert_null(part->origin.url);
    jf_test_ok(part_file_restart(part, &origin), "restart");
    add(part, "hello ");
    add(part, "world");
    expect_file(with(destination, ".part", pool), "hello world", pool);
    expect_digest(part, "hello world");
    jf_test_ok(part_file_finish(part, destination, 0, MODIFIED_US), "finish");

    struct stat found;
    expect_file(destination, "hello world", pool);
    expect_none(destination, ".part", pool);
    expect_none(destination, ".part.json", pool);
    assert_int_equal(stat(destination, &found), 0);
    assert_int_equal(found.st_mtime, apr_time_sec(MODIFIED_US));
}

static void test_a_later_run_goes_on(void **state)
{
    apr_pool_t *pool = *state;
    const char *destination = make_destination(pool);
    part_origin_t origin = origin_of(11);
    client_t client = {.pool = pool};
    leave_part(destination, &origin, "hello ", pool);

    assert_string_equal(part_file_url(destination, pool), URL);
    part_file_t *part = open_part(destination, pool);
    assert_int_equal(part->size_bytes, 6);
    assert_int_equal(part->origin.size_bytes, 11);
    assert_string_equal(part->origin.url, URL);
    assert_string_equal(part->origin.etag, ETAG);
    assert_null(part->origin.last_modified);
    jf_test_ok(part_file_load(part, &client), "load");
    add(part, "world");
    expect_digest(part, "hello world");
    jf_test_ok(part_file_finish(part, destination, 0, 0), "finish");
    expect_file(destination, "hello world", pool);
}

static void test_both_digests_are_computed(void **state)
{
    static const unsigned char sha3_of_abc[] = {
        0x3a, 0x98, 0x5d, 0xa7, 0x4f, 0xe2, 0x25, 0xb2, 0x04, 0x5c, 0x17,
        0x2d, 0x6b, 0xd3, 0x90, 0xbd, 0x85, 0x5f, 0x08, 0x6e, 0x3e, 0x9d,
        0x52, 0x5b, 0x46, 0xbf, 0xe2, 0x45, 0x11, 0x43, 0x15, 0x32,
    };
    apr_pool_t *pool = *state;
    unsigned char sha256[JF_SHA256_BYTES];
    unsigned char sha3[PART_SHA3_BYTES];
    part_origin_t origin = origin_of(3);
    part_file_t *part;
    jf_test_ok(part_file_open(&part, make_destination(pool), 1, pool), "open");
    jf_test_ok(part_file_restart(part, &origin), "restart");
    add(part, "abc");
    jf_test_ok(part_file_end_digest(sha256, sha3, part), "digest");
    assert_memory_equal(sha3, sha3_of_abc, sizeof(sha3));
    part_file_remove(part);
}

static void test_a_restart_forgets_all(void **state)
{
    apr_pool_t *pool = *state;
    const char *destination = make_destination(pool);
    part_origin_t first = origin_of(100);
    part_origin_t second = {.url = URL, .last_modified = "a date", .size_bytes = -1};
    leave_part(destination, &first, "something long", pool);

    part_file_t *part = open_part(destination, pool);
    jf_test_ok(part_file_restart(part, &second), "restart");
    add(part, "short");
    expect_file(with(destination, ".part", pool), "short", pool);
    expect_digest(part, "short");
    part_file_close(part);

    part = open_part(destination, pool);
    assert_null(part->origin.etag);
    assert_string_equal(part->origin.last_modified, "a date");
    assert_int_equal(part->origin.size_bytes, -1);
}

static void test_an_existing_file_is_never_replaced_unasked(void **state)
{
    apr_pool_t *pool = *state;
    const char *destination = make_destination(pool);
    part_origin_t origin = origin_of(3);
    part_file_t *part = open_part(destination, pool);
    jf_test_ok(part_file_restart(part, &origin), "restart");
    add(part, "new");
    put(destination, "old"); /* made by somebody meanwhile */

    jf_test_refused(part_file_finish(part, destination, 0, 0), JF_ERR_PRECONDITION, "finish");
    expect_file(destination, "old", pool);
    expect_file(with(destination, ".part", pool), "new", pool);
    jf_test_ok(part_file_finish(part, destination, 1, 0), "overwrite");
    expect_file(destination, "new", pool);
    expect_none(destination, ".part", pool);
}

static void test_a_symbolic_link_is_not_written_through(void **state)
{
    apr_pool_t *pool = *state;
    const char *destination = make_destination(pool);
    const char *target = with(destination, ".target", pool);
    part_origin_t origin = origin_of(3);
    put(target, "target");
    assert_int_equal(symlink(target, destination), 0);
    part_file_t *part = open_part(destination, pool);
    jf_test_ok(part_file_restart(part, &origin), "restart");
    add(part, "new");
    jf_test_refused(part_file_finish(part, destination, 0, 0), JF_ERR_PRECONDITION, "finish");
    jf_test_ok(part_file_finish(part, destination, 1, 0), "overwrite");
    expect_file(target, "target", pool);
    expect_file(destination, "new", pool);
}

static void test_two_downloads_do_not_mix(void **state)
{
    apr_pool_t *pool = *state;
    const char *destination = make_destination(pool);
    part_file_t *part = open_part(destination, pool);
    refuse_to_open(destination, JF_ERR_BUSY, pool);
    part_file_close(part);
    part_file_remove(open_part(destination, pool));
}

static void test_files_of_others_are_left_alone(void **state)
{
    static const char *const sidecars[] = {
        "",
        "{}",
        "[]",
        "notes of mine",
        "{\"url\":\"" URL "\",\"size_bytes\":5}",
        "{\"jabberfiles_part\":2,\"url\":\"" URL "\",\"size_bytes\":5}",
        "{\"jabberfiles_part\":1,\"size_bytes\":5}",
        "{\"jabberfiles_part\":1,\"url\":5,\"size_bytes\":5}",
        "{\"jabberfiles_part\":1,\"url\":\"" URL "\",\"size_bytes\":\"5\"}",
        "{\"jabberfiles_part\":1,\"url\":\"" URL "\",\"url\":\"x\",\"size_bytes\":5}",
    };
    apr_pool_t *pool = *state;
    const char *destination = make_destination(pool);
    const char *path = with(destination, ".part", pool);
    const char *sidecar = with(destination, ".part.json", pool);

    put(path, "mine");
    refuse_to_open(destination, JF_ERR_PRECONDITION, pool);
    expect_file(path, "mine", pool);
    for (size_t i = 0; i < JF_TEST_COUNT(sidecars); i++) {
        put(sidecar, sidecars[i]);
        refuse_to_open(destination, JF_ERR_PRECONDITION, pool);
        assert_null(part_file_url(destination, pool));
        expect_file(path, "mine", pool);
        expect_file(sidecar, sidecars[i], pool);
    }
}

static void test_planted_links_are_not_followed(void **state)
{
    apr_pool_t *pool = *state;
    const char *destination = make_destination(pool);
    const char *path = with(destination, ".part", pool);
    const char *sidecar = with(destination, ".part.json", pool);
    const char *target = with(destination, ".target", pool);
    part_origin_t origin = origin_of(11);
    put(target, "precious");

    assert_int_equal(symlink(target, path), 0);
    refuse_to_open(destination, JF_ERR_IO, pool);
    assert_int_equal(unlink(path), 0);

    leave_part(destination, &origin, "hello ", pool); /* for a good .part.json */
    assert_int_equal(unlink(path), 0);
    assert_int_equal(link(target, path), 0);
    refuse_to_open(destination, JF_ERR_PRECONDITION, pool);
    assert_int_equal(unlink(path), 0);

    assert_int_equal(unlink(sidecar), 0);
    assert_int_equal(symlink(target, sidecar), 0);
    refuse_to_open(destination, JF_ERR_PRECONDITION, pool);
    expect_file(target, "precious", pool);
}

static void test_a_pipe_or_directory_is_refused(void **state)
{
    apr_pool_t *pool = *state;
    const char *destination = make_destination(pool);
    const char *path = with(destination, ".part", pool);
    assert_int_equal(mkfifo(path, 0600), 0);
    refuse_to_open(destination, JF_ERR_PRECONDITION, pool);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    refuse_to_open(destination, JF_ERR_IO, pool);
}

static void test_what_cannot_be_of_the_origin_is_forgotten(void **state)
{
    apr_pool_t *pool = *state;
    const char *destination = make_destination(pool);
    part_origin_t origin = origin_of(5);
    leave_part(destination, &origin, "more than five", pool);
    part_file_t *part = open_part(destination, pool);
    assert_null(part->origin.url);
    assert_null(part->origin.etag);
}

static void test_a_complete_part_still_asks_for_a_byte(void **state)
{
    apr_pool_t *pool = *state;
    const char *destination = make_destination(pool);
    part_origin_t origin = origin_of(5);
    leave_part(destination, &origin, "hello", pool);
    part_file_t *part = open_part(destination, pool);
    assert_int_equal(part->size_bytes, 4);
    expect_file(part->path, "hell", pool);
}

static void test_validators_that_could_not_be_sent_are_dropped(void **state)
{
    static const struct {
        const char *etag;
        const char *last_modified;
    } cases[] = {
        {"W/\\\"abc\\\"", "x\\r\\nEvil: y"},
        {"\\\"a\\u0001\\\"", "\\u007f"},
        {"\\\"a\\\" b\\\"", "\\n"},
        {"abc", "\\u202e"},
    };
    apr_pool_t *pool = *state;
    const char *destination = make_destination(pool);
    const char *sidecar = with(destination, ".part.json", pool);
    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        put(sidecar, apr_psprintf(pool,
                                  "{\"jabberfiles_part\":1,\"url\":\"%s\",\"etag\":\"%s\","
                                  "\"last_modified\":\"%s\",\"size_bytes\":9}",
                                  URL, cases[i].etag, cases[i].last_modified));
        part_file_t *part = open_part(destination, pool);
        assert_string_equal(part->origin.url, URL);
        assert_null(part->origin.etag);
        assert_null(part->origin.last_modified);
        part_file_remove(part);
    }
}

static void test_the_link_is_for_nobody_elses_eyes(void **state)
{
    apr_pool_t *pool = *state;
    struct stat found;
    const char *destination = make_destination(pool);
    part_origin_t origin = origin_of(5);
    leave_part(destination, &origin, "x", pool);
    assert_int_equal(stat(with(destination, ".part.json", pool), &found), 0);
    assert_int_equal(found.st_mode & 0777, 0600);
}

static void test_what_is_empty_or_unwanted_is_removed(void **state)
{
    apr_pool_t *pool = *state;
    const char *destination = make_destination(pool);
    part_origin_t origin = origin_of(5);
    part_file_close(open_part(destination, pool));
    expect_none(destination, ".part", pool);

    part_file_t *part = open_part(destination, pool);
    jf_test_ok(part_file_restart(part, &origin), "restart");
    part_file_close(part);
    expect_none(destination, ".part", pool);
    expect_none(destination, ".part.json", pool);

    leave_part(destination, &origin, "x", pool);
    part_file_remove(open_part(destination, pool));
    expect_none(destination, ".part", pool);
    expect_none(destination, ".part.json", pool);
}

static void test_a_stream_cannot_begin_anew(void **state)
{
    apr_pool_t *pool = *state;
    int ends[2];
    char got[8] = "";
    part_file_t *part;
    part_origin_t origin = origin_of(5);
    assert_int_equal(pipe(ends), 0);
    jf_test_ok(part_file_open_stream(&part, ends[1], 0, pool), "open");
    jf_test_ok(part_file_restart(part, &origin), "restart");
    add(part, "hello");
    jf_test_refused(part_file_restart(part, &origin), JF_ERR_IO, "restart");
    expect_digest(part, "hello");
    jf_test_ok(part_file_finish(part, "-", 0, 0), "finish");
    assert_int_equal(read(ends[0], got, sizeof(got)), 5);
    assert_string_equal(got, "hello");
    close(ends[0]);
    close(ends[1]);
}

static void test_a_full_disk_is_told(void **state)
{
    apr_pool_t *pool = *state;
    part_file_t *part;
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_true(full >= 0);
    jf_test_ok(part_file_open_stream(&part, full, 0, pool), "open");
    jf_test_refused(part_file_write(part, "x", 1), JF_ERR_DISK_FULL, "/dev/full");
    assert_int_equal(part->size_bytes, 0);
    close(full);

    part = open_part(make_destination(pool), pool);
    jf_test_ok(part_file_check_room(part, 1), "1 byte");
    jf_err_t *err = part_file_check_room(part, INT64_MAX);
    jf_test_refused(err, JF_ERR_DISK_FULL, "all bytes");
    assert_int_equal(err->required_bytes, INT64_MAX);
    assert_true(err->limit_bytes > 0);
}

static void test_strong_entity_tags(void **state)
{
    static const char *const strong[] = {"\"\"", "\"abc\"", "\"a-b:c/d\"", "\"W/x\""};
    static const char *const others[] = {"",          "\"",           "abc",         "W/\"abc\"",
                                         "\"abc",     "abc\"",        "\"a\"b\"",    "\"a b\"",
                                         "\"a\x01\"", "\"a\r\nX: \"", "\"a\", \"b\""};

    (void)state;
    for (size_t i = 0; i < JF_TEST_COUNT(strong); i++) {
        assert_int_equal(part_file_is_strong_etag(strong[i]), 1);
    }
    for (size_t i = 0; i < JF_TEST_COUNT(others); i++) {
        assert_int_equal(part_file_is_strong_etag(others[i]), 0);
    }
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_a_download_gets_its_name_date_and_digest),
    JF_TEST(test_a_later_run_goes_on),
    JF_TEST(test_both_digests_are_computed),
    JF_TEST(test_a_restart_forgets_all),
    JF_TEST(test_an_existing_file_is_never_replaced_unasked),
    JF_TEST(test_a_symbolic_link_is_not_written_through),
    JF_TEST(test_two_downloads_do_not_mix),
    JF_TEST(test_files_of_others_are_left_alone),
    JF_TEST(test_planted_links_are_not_followed),
    JF_TEST(test_a_pipe_or_directory_is_refused),
    JF_TEST(test_what_cannot_be_of_the_origin_is_forgotten),
    JF_TEST(test_a_complete_part_still_asks_for_a_byte),
    JF_TEST(test_validators_that_could_not_be_sent_are_dropped),
    JF_TEST(test_the_link_is_for_nobody_elses_eyes),
    JF_TEST(test_what_is_empty_or_unwanted_is_removed),
    JF_TEST(test_a_stream_cannot_begin_anew),
    JF_TEST(test_a_full_disk_is_told),
    JF_TEST(test_strong_entity_tags),
};

JF_TEST_MAIN(tests)
