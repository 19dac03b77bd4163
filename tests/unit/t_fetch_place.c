#include "jf_test.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <apr_strings.h>

#include "fetch_private.h"
#include "part_file.h"
#include "t_directory.h"

#define URL "https://example.org/x/report.pdf"

static void put(const char *directory, const char *name, apr_pool_t *pool)
{
    FILE *file = fopen(apr_pstrcat(pool, directory, "/", name, NULL), "w");
    assert_non_null(file);
    assert_int_equal(fclose(file), 0);
}

/** A download of @a url that goes by the name, and was broken. */
static void leave_part(const char *directory, const char *name, const char *url, apr_pool_t *pool)
{
    part_origin_t origin = {.url = url, .size_bytes = 10};
    part_file_t *part;
    const char *path = apr_pstrcat(pool, directory, "/", name, NULL);
    jf_test_ok(part_file_open(&part, path, 0, pool), path);
    jf_test_ok(part_file_restart(part, &origin), path);
    jf_test_ok(part_file_write(part, "x", 1), path);
    part_file_close(part);
}

static void expect_place(const fetch_t *fetch, const char *name, const char *expected,
                         apr_pool_t *pool)
{
    const char *destination = NULL;
    shared_file_t seen = {.url = URL, .name = name};
    jf_test_ok(fetch_place(&destination, fetch, &seen, pool), name);
    assert_string_equal(destination, apr_pstrcat(pool, fetch->directory, "/", expected, NULL));
}

static void test_names_are_safe_whoever_made_them(void **state)
{
    static const shared_file_t file = {.url = URL};
    fetch_t fetch = {.file = &file, .directory = "/nowhere"};

    expect_place(&fetch, "report.pdf", "report.pdf", *state);
    expect_place(&fetch, "../../.bashrc", "bashrc", *state);
    expect_place(&fetch, "/etc/passwd", "passwd", *state);
    expect_place(&fetch, "..", "download", *state);
    expect_place(&fetch, NULL, "download", *state);
}

static void test_directories(void **state)
{
    static const struct {
        const char *directory;
        const char *expected;
    } cases[] = {{".", "a"}, {"in", "in/a"}, {"in/", "in/a"}, {"/", "/a"}, {"..", "../a"}};
    static const shared_file_t file = {.url = URL};
    shared_file_t seen = {.url = URL, .name = "a"};

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        fetch_t fetch = {.file = &file, .directory = cases[i].directory};
        const char *destination;
        jf_test_ok(fetch_place(&destination, &fetch, &seen, *state), cases[i].directory);
        assert_string_equal(destination, cases[i].expected);
    }
}

static void test_copies_are_numbered(void **state)
{
    static const shared_file_t file = {.url = URL};
    apr_pool_t *pool = *state;
    fetch_t fetch = {.file = &file, .directory = t_directory_make(pool), .is_renaming = 1};

    expect_place(&fetch, "a.tar.gz", "a.tar.gz", pool);
    put(fetch.directory, "a.tar.gz", pool);
    expect_place(&fetch, "a.tar.gz", "a.tar-1.gz", pool);
    put(fetch.directory, "a.tar-1.gz", pool);
    expect_place(&fetch, "a.tar.gz", "a.tar-2.gz", pool);
    put(fetch.directory, "bare", pool);
    expect_place(&fetch, "bare", "bare-1", pool);
    fetch.may_overwrite = 1;
    expect_place(&fetch, "bare", "bare", pool);
    fetch.may_overwrite = fetch.is_renaming = 0;
    expect_place(&fetch, "bare", "bare", pool);
}

static void test_broken_download_of_the_same_link_is_found_again(void **state)
{
    static const shared_file_t file = {.url = URL};
    apr_pool_t *pool = *state;
    fetch_t fetch = {.file = &file, .directory = t_directory_make(pool), .is_renaming = 1};

    leave_part(fetch.directory, "a.txt", "https://example.org/other", pool);
    expect_place(&fetch, "a.txt", "a-1.txt", pool);
    leave_part(fetch.directory, "a-1.txt", URL, pool);
    expect_place(&fetch, "a.txt", "a-1.txt", pool);
}

static void test_what_exists_is_refused_unless_it_may_go(void **state)
{
    static const shared_file_t file = {.url = URL};
    apr_pool_t *pool = *state;
    fetch_t fetch = {.file = &file, .directory = t_directory_make(pool)};
    const char *path = apr_pstrcat(pool, fetch.directory, "/a", NULL);

    jf_test_ok(fetch_place_check(path, &fetch, pool), "nothing");
    assert_int_equal(symlink("nowhere", path), 0);
    jf_test_refused(fetch_place_check(path, &fetch, pool), JF_ERR_PRECONDITION, "link");
    fetch.may_overwrite = 1;
    jf_test_ok(fetch_place_check(path, &fetch, pool), "overwrite");
}

static void test_directories_and_devices_are_no_destination(void **state)
{
    static const char *const outputs[] = {"/", "/dev/null", "/tmp"};
    static const shared_file_t file = {.url = URL};
    shared_file_t seen = {.url = URL, .name = "a"};

    for (size_t i = 0; i < JF_TEST_COUNT(outputs); i++) {
        fetch_t fetch = {.file = &file, .directory = ".", .output = outputs[i], .may_overwrite = 1};
        const char *destination;
        jf_test_refused(fetch_place(&destination, &fetch, &seen, *state), JF_ERR_INVALID,
                        outputs[i]);
    }
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_names_are_safe_whoever_made_them),
    JF_TEST(test_directories),
    JF_TEST(test_copies_are_numbered),
    JF_TEST(test_broken_download_of_the_same_link_is_found_again),
    JF_TEST(test_what_exists_is_refused_unless_it_may_go),
    JF_TEST(test_directories_and_devices_are_no_destination),
};

JF_TEST_MAIN(tests)
