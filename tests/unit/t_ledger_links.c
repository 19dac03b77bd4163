#include "t_fixture.h"

#include <string.h>

#include <apr_strings.h>

#include "jf_digest.h"
#include "jf_ledger_private.h"

#define MANY 20000

static jf_sqlite_stamp_t stamp_of(apr_uint64_t number)
{
    return (jf_sqlite_stamp_t){.words = {number}};
}

static jf_file_t file_of(const char *token, apr_pool_t *pool)
{
    return (jf_file_t){
        .area_id = 7,
        .jid = JF_ALICE,
        .path = apr_pstrcat(pool, "docs/", token, ".txt", NULL),
        .token = token,
        .object = "0123456789abcdef",
        .size_bytes = 5,
        .media_type = "text/plain",
        .sha256 = (const unsigned char *)jf_fixture_bytes(1, JF_SHA256_BYTES, pool),
        .created_us = JF_NOW_US,
        .expires_us = JF_NEVER,
    };
}

/* ---- the table ---- */

static void test_what_was_put_comes_back_under_its_stamp_only(void **state)
{
    apr_pool_t *pool = ((jf_fixture_t *)*state)->pool;
    jf_ledger_links_t *links = jf_ledger_links_make(pool);
    jf_sqlite_stamp_t first = stamp_of(1), second = stamp_of(2);
    jf_file_t with_digest = file_of("a", pool), without = file_of("b", pool), found;
    without.sha256 = NULL;
    jf_ledger_links_put(links, &with_digest, &first);
    jf_ledger_links_put(links, &without, &first);
    assert_int_equal(jf_ledger_links_get(&found, links, "a", &first, pool), 1);
    jf_fixture_expect_same(&found, &with_digest);
    assert_int_equal(jf_ledger_links_get(&found, links, "b", &first, pool), 1);
    jf_fixture_expect_same(&found, &without);
    assert_int_equal(jf_ledger_links_get(&found, links, "c", &first, pool), 0);
    assert_int_equal(jf_ledger_links_get(&found, links, "a", &second, pool), 0);
    jf_ledger_links_free(links);
}

static void test_found_file_outlives_its_place(void **state)
{
    apr_pool_t *pool = ((jf_fixture_t *)*state)->pool;
    jf_ledger_links_t *links = jf_ledger_links_make(pool);
    jf_sqlite_stamp_t first = stamp_of(1), second = stamp_of(2);
    jf_file_t old = file_of("a", pool), new = old, found;
    new.object = "fedcba9876543210";
    jf_ledger_links_put(links, &old, &first);
    assert_int_equal(jf_ledger_links_get(&found, links, "a", &first, pool), 1);
    jf_ledger_links_put(links, &new, &second);
    jf_fixture_expect_same(&found, &old);
    assert_int_equal(jf_ledger_links_get(&found, links, "a", &first, pool), 0);
    assert_int_equal(jf_ledger_links_get(&found, links, "a", &second, pool), 1);
    jf_ledger_links_free(links);
    jf_fixture_expect_same(&found, &new);
}

static void test_table_stays_right_when_it_overflows(void **state)
{
    apr_pool_t *pool = ((jf_fixture_t *)*state)->pool;
    jf_ledger_links_t *links = jf_ledger_links_make(pool);
    jf_sqlite_stamp_t stamp = stamp_of(1);
    int kept = 0;
    for (int i = 0; i < MANY; i++) {
        jf_file_t file = file_of(apr_itoa(pool, i), pool), found;
        jf_ledger_links_put(links, &file, &stamp);
        assert_int_equal(jf_ledger_links_get(&found, links, file.token, &stamp, pool), 1);
    }
    for (int i = 0; i < MANY; i++) {
        jf_file_t file = file_of(apr_itoa(pool, i), pool), found;
        if (jf_ledger_links_get(&found, links, file.token, &stamp, pool)) {
            jf_fixture_expect_same(&found, &file);
            kept++;
        }
    }
    assert_in_range(kept, 3000, 4096);
    jf_ledger_links_free(links);
}

static void test_very_long_names_are_not_kept(void **state)
{
    apr_pool_t *pool = ((jf_fixture_t *)*state)->pool;
    jf_ledger_links_t *links = jf_ledger_links_make(pool);
    jf_sqlite_stamp_t stamp = stamp_of(1);
    jf_file_t file = file_of("a", pool), found;
    char *path = apr_palloc(pool, 2000);
    memset(path, 'p', 1999);
    path[1999] = '\0';
    file.path = path;
    jf_ledger_links_put(links, &file, &stamp);
    assert_int_equal(jf_ledger_links_get(&found, links, "a", &stamp, pool), 0);
    jf_ledger_links_free(links);
}

/* ---- the stamp ---- */

static jf_err_t *by_token(jf_file_t *file, jf_fixture_t *fixture, const char *token,
                          apr_time_t now_us)
{
    return jf_ledger_file_by_token(file, fixture->ledger, token, now_us, fixture->pool);
}

/* 1 if the next reader would not ask SQLite. */
static int is_remembered(jf_fixture_t *fixture, const char *token)
{
    jf_sqlite_stamp_t stamp;
    jf_file_t file;
    return jf_ledger_stamp(&stamp, fixture->ledger) &&
           jf_ledger_links_get(&file, fixture->ledger->links, token, &stamp, fixture->pool);
}

/* The first finding starts the watch, the second is remembered. */
static jf_file_t remembered_row(jf_fixture_t *fixture, const char *path, apr_time_t expires_us)
{
    jf_file_t row = jf_fixture_row(fixture, path, 5, expires_us), found;
    jf_test_ok(by_token(&found, fixture, row.token, JF_NOW_US), path);
    jf_test_ok(by_token(&found, fixture, row.token, JF_NOW_US), path);
    assert_int_equal(is_remembered(fixture, row.token), 1);
    return row;
}

static void test_link_is_remembered_and_found_again(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_file_t row = remembered_row(fixture, "a", JF_NEVER), found;
    jf_test_ok(by_token(&found, fixture, row.token, JF_NOW_US), "again");
    jf_fixture_expect_same(&found, &row);
}

static void test_every_write_of_this_process_is_noticed(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_file_t row = remembered_row(fixture, "a", JF_NEVER);
    jf_fixture_row(fixture, "b", 5, JF_NEVER);
    assert_int_equal(is_remembered(fixture, row.token), 0);
}

static void write_elsewhere(const jf_fixture_t *fixture, const char *sql)
{
    sqlite3 *other;
    assert_int_equal(sqlite3_open(fixture->database, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(other);
}

static void test_every_write_of_others_is_noticed(void **state)
{
    static const char *const writes[] = {
        "UPDATE file SET media_type = 'audio/ogg'",
        "PRAGMA wal_checkpoint(TRUNCATE); UPDATE file SET media_type = 'audio/mp4'",
        "VACUUM",
        "DELETE FROM file",
    };
    jf_fixture_t *fixture = *state;
    jf_file_t row = remembered_row(fixture, "a", JF_NEVER), found;
    for (size_t i = 0; i < sizeof(writes) / sizeof(writes[0]); i++) {
        (void)by_token(&found, fixture, row.token, JF_NOW_US);
        assert_int_equal(is_remembered(fixture, row.token), 1);
        write_elsewhere(fixture, writes[i]);
        assert_int_equal(is_remembered(fixture, row.token), 0);
    }
    jf_test_refused(by_token(&found, fixture, row.token, JF_NOW_US), JF_ERR_NOT_FOUND, "deleted");
}

/* An empty log looks the same whatever the database holds. */
static void test_nothing_is_remembered_while_the_log_is_empty(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_file_t row = remembered_row(fixture, "a", JF_NEVER), found;
    jf_sqlite_stamp_t stamp;
    write_elsewhere(fixture, "PRAGMA wal_checkpoint(TRUNCATE)");
    assert_int_equal(jf_ledger_stamp(&stamp, fixture->ledger), 0);
    jf_test_ok(by_token(&found, fixture, row.token, JF_NOW_US), "read as ever");
    jf_fixture_expect_same(&found, &row);
}

static void test_remembered_link_expires_in_time(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_file_t row = remembered_row(fixture, "a", JF_NOW_US + 1000), found;
    jf_test_ok(by_token(&found, fixture, row.token, JF_NOW_US + 999), "still there");
    jf_test_refused(by_token(&found, fixture, row.token, JF_NOW_US + 1000), JF_ERR_NOT_FOUND,
                    "expired");
    assert_int_equal(is_remembered(fixture, row.token), 1);
}

static const struct CMUnitTest tests[] = {
    JF_FIXTURE_TEST(test_what_was_put_comes_back_under_its_stamp_only),
    JF_FIXTURE_TEST(test_found_file_outlives_its_place),
    JF_FIXTURE_TEST(test_table_stays_right_when_it_overflows),
    JF_FIXTURE_TEST(test_very_long_names_are_not_kept),
    JF_FIXTURE_TEST(test_link_is_remembered_and_found_again),
    JF_FIXTURE_TEST(test_every_write_of_this_process_is_noticed),
    JF_FIXTURE_TEST(test_every_write_of_others_is_noticed),
    JF_FIXTURE_TEST(test_nothing_is_remembered_while_the_log_is_empty),
    JF_FIXTURE_TEST(test_remembered_link_expires_in_time),
};

JF_TEST_MAIN(tests)
