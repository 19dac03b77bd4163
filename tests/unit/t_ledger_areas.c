#include "t_crowd.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_strings.h>
#include <sqlite3.h>

/* ---- looking up ---- */

static void test_area_that_was_never_used_is_not_found(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_area_t area;
    apr_array_header_t *list;
    jf_test_refused(jf_ledger_area_get(&area, fixture->ledger, JF_ALICE, fixture->pool),
                    JF_ERR_NOT_FOUND, "get");
    jf_test_refused(jf_ledger_area_remove(&list, fixture->ledger, JF_ALICE, fixture->pool),
                    JF_ERR_NOT_FOUND, "remove");
    jf_test_ok(jf_ledger_area_list(&list, fixture->ledger, "", 10, fixture->pool), "list");
    assert_int_equal(list->nelts, 0);
    jf_test_ok(
        jf_ledger_file_list(&list, fixture->ledger, JF_ALICE, "", "", 10, JF_NOW_US, fixture->pool),
        "files");
    assert_int_equal(list->nelts, 0);
}

static void test_first_promise_creates_the_area(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_reserve_t reserve = jf_fixture_reserve("a", 7, fixture->pool);
    apr_int64_t promised_bytes;
    jf_test_ok(
        jf_ledger_reserve(&promised_bytes, fixture->ledger, &reserve, JF_NOW_US, fixture->pool),
        "reserve");
    jf_area_t area = jf_fixture_area(fixture, JF_ALICE);
    assert_string_equal(area.jid, JF_ALICE);
    assert_int_equal(area.created_us, JF_NOW_US);
    assert_int_equal(area.quota_bytes, JF_QUOTA_DEFAULT);
    jf_fixture_expect(fixture, 0, 7, 0);
}

static void test_refused_promise_creates_no_area(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_reserve_t reserve = jf_fixture_reserve("a", 7, fixture->pool);
    apr_int64_t promised_bytes;
    jf_area_t area;
    reserve.quota_bytes = 6;
    jf_test_refused(
        jf_ledger_reserve(&promised_bytes, fixture->ledger, &reserve, JF_NOW_US, fixture->pool),
        JF_ERR_QUOTA, "reserve");
    jf_test_refused(jf_ledger_area_get(&area, fixture->ledger, JF_ALICE, fixture->pool),
                    JF_ERR_NOT_FOUND, "get");
}

static void test_areas_are_listed_in_order_and_in_pages(void **state)
{
    jf_fixture_t *fixture = *state;
    static const char *const jids[] = {"z@a", "B@a", "a@b", "a@a", "\xC3\xBC@a", "a"};
    static const char *const sorted[] = {"B@a", "a", "a@a", "a@b", "z@a", "\xC3\xBC@a"};
    for (size_t i = 0; i < JF_TEST_COUNT(jids); i++) {
        jf_test_ok(jf_ledger_area_set_quota(fixture->ledger, jids[i], 1, JF_NOW_US, fixture->pool),
                   jids[i]);
    }
    const char *after = "";
    size_t seen = 0;
    apr_array_header_t *page;
    do {
        jf_test_ok(jf_ledger_area_list(&page, fixture->ledger, after, 2, fixture->pool), after);
        for (int i = 0; i < page->nelts; i++) {
            after = APR_ARRAY_IDX(page, i, jf_area_t).jid;
            assert_true(seen < JF_TEST_COUNT(sorted));
            assert_string_equal(after, sorted[seen++]);
        }
    } while (page->nelts > 0);
    assert_int_equal(seen, JF_TEST_COUNT(sorted));
}

static void test_totals_add_up_all_areas(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_totals_t totals;
    jf_test_ok(jf_ledger_totals(&totals, fixture->ledger, fixture->pool), "of nothing");
    assert_int_equal(totals.areas + totals.files + totals.used_bytes + totals.uploads_in_flight, 0);

    jf_fixture_row(fixture, "a", 5, JF_NEVER);
    jf_fixture_row(fixture, "b", 6, JF_NEVER);
    jf_test_ok(jf_ledger_area_set_quota(fixture->ledger, JF_BOB, 1, JF_NOW_US, fixture->pool),
               "bob");
    jf_reserve_t reserve = jf_fixture_reserve("c", 7, fixture->pool);
    apr_int64_t promised_bytes;
    jf_test_ok(
        jf_ledger_reserve(&promised_bytes, fixture->ledger, &reserve, JF_NOW_US, fixture->pool),
        "reserve");
    jf_test_ok(jf_ledger_totals(&totals, fixture->ledger, fixture->pool), "of two");
    assert_int_equal(totals.areas, 2);
    assert_int_equal(totals.files, 2);
    assert_int_equal(totals.used_bytes, 11);
    assert_int_equal(totals.uploads_in_flight, 1);
}

/* ---- quota of the operator ---- */

static void test_quota_of_the_operator_is_kept(void **state)
{
    jf_fixture_t *fixture = *state;
    static const apr_int64_t quotas[] = {0, 1, INT64_MAX, JF_UNLIMITED, JF_QUOTA_DEFAULT, 500};
    for (size_t i = 0; i < JF_TEST_COUNT(quotas); i++) {
        jf_test_ok(jf_ledger_area_set_quota(fixture->ledger, JF_ALICE, quotas[i],
                                            JF_NOW_US + (apr_time_t)i, fixture->pool),
                   "set");
        jf_area_t area = jf_fixture_area(fixture, JF_ALICE);
        assert_int_equal(area.quota_bytes, quotas[i]);
        assert_int_equal(area.created_us, JF_NOW_US);
    }
}

static void test_impossible_quota_is_refused(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_area_t area;
    assert_non_null(
        jf_ledger_area_set_quota(fixture->ledger, JF_ALICE, -3, JF_NOW_US, fixture->pool));
    jf_test_refused(jf_ledger_area_get(&area, fixture->ledger, JF_ALICE, fixture->pool),
                    JF_ERR_NOT_FOUND, "after the refusal");
}

static void expect_transfer(jf_transfer_limit_t found, jf_transfer_limit_t expected)
{
    assert_int_equal(found.quota_bytes, expected.quota_bytes);
    assert_int_equal(found.period, expected.period);
}

static void test_transfer_quota_of_the_operator_is_kept(void **state)
{
    jf_fixture_t *fixture = *state;
    static const jf_transfer_limit_t limits[] = {
        {0, 1},
        {INT64_MAX, JF_PERIOD_MONTH},
        {JF_UNLIMITED, JF_PERIOD_WEEK},
        {JF_QUOTA_DEFAULT, JF_PERIOD_DAY},
        {500, JF_PERIOD_DEFAULT},
        {JF_QUOTA_DEFAULT, JF_PERIOD_DEFAULT},
    };
    for (size_t i = 0; i < JF_TEST_COUNT(limits); i++) {
        jf_test_ok(jf_ledger_area_set_transfer(fixture->ledger, JF_ALICE, &limits[i],
                                               JF_NOW_US + (apr_time_t)i, fixture->pool),
                   "set");
        jf_area_t area = jf_fixture_area(fixture, JF_ALICE);
        expect_transfer(area.transfer, limits[i]);
        assert_int_equal(area.quota_bytes, JF_QUOTA_DEFAULT);
        assert_int_equal(area.created_us, JF_NOW_US);
    }
}

static void test_impossible_transfer_quota_is_refused(void **state)
{
    jf_fixture_t *fixture = *state;
    static const jf_transfer_limit_t limits[] = {{-3, JF_PERIOD_DAY}, {5, JF_PERIOD_MONTH + 1}};
    jf_area_t area;
    for (size_t i = 0; i < JF_TEST_COUNT(limits); i++) {
        assert_non_null(jf_ledger_area_set_transfer(fixture->ledger, JF_ALICE, &limits[i],
                                                    JF_NOW_US, fixture->pool));
        jf_test_refused(jf_ledger_area_get(&area, fixture->ledger, JF_ALICE, fixture->pool),
                        JF_ERR_NOT_FOUND, "after the refusal");
    }
}

/* However a file is found, it says what its area may transfer. */
static void test_files_know_the_transfer_quota_of_their_area(void **state)
{
    jf_fixture_t *fixture = *state;
    apr_pool_t *pool = fixture->pool;
    static const jf_transfer_limit_t limits[] = {
        {JF_QUOTA_DEFAULT, JF_PERIOD_DEFAULT}, {700, JF_PERIOD_WEEK}, {JF_UNLIMITED, 60}};
    jf_file_t put = jf_fixture_row(fixture, "a", 5, JF_NEVER), file;
    apr_array_header_t *list;
    for (size_t i = 0; i < JF_TEST_COUNT(limits); i++) {
        jf_test_ok(
            jf_ledger_area_set_transfer(fixture->ledger, JF_ALICE, &limits[i], JF_NOW_US, pool),
            "set");
        jf_test_ok(jf_ledger_file_by_token(&file, fixture->ledger, put.token, JF_NOW_US, pool),
                   "link");
        expect_transfer(file.transfer, limits[i]);
        jf_test_ok(jf_ledger_file_by_path(&file, fixture->ledger, JF_ALICE, "a", JF_NOW_US, pool),
                   "path");
        expect_transfer(file.transfer, limits[i]);
        jf_test_ok(
            jf_ledger_file_list(&list, fixture->ledger, JF_ALICE, "", "", 9, JF_NOW_US, pool),
            "list");
        expect_transfer(APR_ARRAY_IDX(list, 0, jf_file_t).transfer, limits[i]);
        jf_test_ok(jf_ledger_file_each(&list, fixture->ledger, "", 9, pool), "each");
        expect_transfer(APR_ARRAY_IDX(list, 0, jf_file_t).transfer, limits[i]);
        jf_test_ok(jf_ledger_area_list(&list, fixture->ledger, "", 9, pool), "areas");
        expect_transfer(APR_ARRAY_IDX(list, 0, jf_area_t).transfer, limits[i]);
        expect_transfer(jf_fixture_row(fixture, "a", 5, JF_NEVER).transfer, limits[i]);
    }
}

/* ---- removal ---- */

static int has_text(const apr_array_header_t *texts, const char *text)
{
    for (int i = 0; i < texts->nelts; i++) {
        if (strcmp(APR_ARRAY_IDX(texts, i, const char *), text) == 0) {
            return 1;
        }
    }
    return 0;
}

static void test_removed_area_hands_over_all_its_objects(void **state)
{
    jf_fixture_t *fixture = *state;
    apr_pool_t *pool = fixture->pool;
    jf_file_t first = jf_fixture_row(fixture, "a", 5, JF_NEVER);
    jf_file_t expired = jf_fixture_row(fixture, "b", 6, JF_NOW_US - 1);
    jf_reserve_t upload = jf_fixture_reserve("c", 7, pool);
    jf_reserve_t of_bob = jf_fixture_reserve("a", 8, pool);
    of_bob.jid = JF_BOB;
    apr_int64_t promised_bytes;
    jf_test_ok(jf_ledger_reserve(&promised_bytes, fixture->ledger, &upload, JF_NOW_US, pool), "c");
    jf_test_ok(jf_ledger_reserve(&promised_bytes, fixture->ledger, &of_bob, JF_NOW_US, pool),
               "bob");

    apr_array_header_t *objects;
    jf_test_ok(jf_ledger_area_remove(&objects, fixture->ledger, JF_ALICE, pool), "remove");
    assert_int_equal(objects->nelts, 3);
    assert_true(has_text(objects, first.object));
    assert_true(has_text(objects, expired.object));
    assert_true(has_text(objects, upload.object));

    jf_file_t file;
    jf_area_t area;
    jf_test_refused(jf_ledger_file_by_token(&file, fixture->ledger, first.token, JF_NOW_US, pool),
                    JF_ERR_NOT_FOUND, "the link");
    jf_test_refused(jf_ledger_area_get(&area, fixture->ledger, JF_ALICE, pool), JF_ERR_NOT_FOUND,
                    "the area");
    assert_int_equal(jf_fixture_area(fixture, JF_BOB).reserved_bytes, 8);
}

static void test_upload_into_a_removed_area_is_not_found(void **state)
{
    jf_fixture_t *fixture = *state;
    apr_pool_t *pool = fixture->pool;
    jf_reserve_t upload = jf_fixture_reserve("a", 7, pool);
    jf_settle_t settle = jf_fixture_settle(upload.object, 7, pool);
    apr_array_header_t *objects;
    apr_int64_t promised_bytes;
    jf_file_t file;
    const char *replaced;
    int created;
    jf_test_ok(jf_ledger_reserve(&promised_bytes, fixture->ledger, &upload, JF_NOW_US, pool), "a");
    jf_test_ok(jf_ledger_area_remove(&objects, fixture->ledger, JF_ALICE, pool), "remove");

    /* The same person comes back: the old promise is no good. */
    jf_fixture_row(fixture, "new", 1, JF_NEVER);
    jf_test_refused(
        jf_ledger_extend(&promised_bytes, fixture->ledger, upload.object, 8, 9, JF_UNLIMITED, pool),
        JF_ERR_NOT_FOUND, "extend");
    jf_test_refused(
        jf_ledger_settle(&file, &replaced, &created, fixture->ledger, &settle, JF_NOW_US, pool),
        JF_ERR_NOT_FOUND, "settle");
    jf_ledger_cancel(fixture->ledger, upload.object);
    jf_fixture_expect(fixture, 1, 0, 1);
}

/* ---- checking and repairing ---- */

static void test_wrong_sums_are_found_and_repaired(void **state)
{
    jf_fixture_t *fixture = *state;
    static const char *const damages[] = {
        "UPDATE area SET used_bytes = used_bytes + 1",
        "UPDATE area SET file_count = 0",
        "UPDATE area SET reserved_bytes = 99",
        "UPDATE area SET used_bytes = 0, file_count = 7, reserved_bytes = 3",
    };
    jf_fixture_row(fixture, "a", 5, JF_NEVER);
    jf_reserve_t replacement = jf_fixture_reserve("a", 8, fixture->pool);
    apr_int64_t promised_bytes;
    jf_test_ok(
        jf_ledger_reserve(&promised_bytes, fixture->ledger, &replacement, JF_NOW_US, fixture->pool),
        "replace");
    sqlite3 *stranger = jf_crowd_stranger(fixture);
    for (size_t i = 0; i < JF_TEST_COUNT(damages); i++) {
        apr_array_header_t *findings;
        jf_fixture_expect(fixture, 5, 3, 1);
        jf_crowd_exec(stranger, damages[i]);
        jf_test_ok(jf_ledger_check(&findings, fixture->ledger, fixture->pool), damages[i]);
        assert_int_equal(findings->nelts, 1);
        assert_non_null(strstr(APR_ARRAY_IDX(findings, 0, const char *), JF_ALICE));
        jf_test_ok(jf_ledger_repair_sums(fixture->ledger, fixture->pool), damages[i]);
    }
    sqlite3_close(stranger);
    jf_fixture_expect(fixture, 5, 3, 1);
}

/* ---- backup ---- */

static const char *backup_path(const jf_fixture_t *fixture)
{
    return apr_pstrcat(fixture->pool, fixture->directory, "/backup.db", NULL);
}

static void test_backup_is_a_ledger_with_the_same_files(void **state)
{
    jf_fixture_t *fixture = *state;
    const char *path = backup_path(fixture);
    jf_file_t file = jf_fixture_row(fixture, "a", 5, JF_NEVER);
    mode_t mask = umask(022);
    jf_test_ok(jf_ledger_backup(fixture->ledger, path, fixture->pool), path);
    umask(mask);
    jf_fixture_row(fixture, "later", 6, JF_NEVER);

    jf_ledger_t *copy;
    jf_file_t found;
    jf_area_t area;
    jf_test_ok(jf_ledger_create(path, fixture->pool), "upgrade of the copy");
    jf_test_ok(jf_ledger_open(&copy, path, JF_DURABILITY_FULL, fixture->pool), path);
    jf_test_ok(jf_ledger_file_by_token(&found, copy, file.token, JF_NOW_US, fixture->pool), "link");
    assert_string_equal(found.object, file.object);
    jf_test_ok(jf_ledger_area_get(&area, copy, JF_ALICE, fixture->pool), "area");
    assert_int_equal(area.used_bytes, 5);
    jf_ledger_close(copy);

    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 077, 0);
}

/* "Copies the ledger into a new file": what is there already is somebody's, the ledger above all.
 */
static void test_backup_overwrites_nothing(void **state)
{
    jf_fixture_t *fixture = *state;
    const char *path = backup_path(fixture);
    sqlite3 *other;
    jf_fixture_row(fixture, "a", 5, JF_NEVER);
    assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
    jf_crowd_exec(other, "CREATE TABLE precious (x)");

    const char *targets[] = {
        path, fixture->database, fixture->directory,
        apr_pstrcat(fixture->pool, fixture->directory, "/absent/backup.db", NULL)};
    for (size_t i = 0; i < JF_TEST_COUNT(targets); i++) {
        assert_non_null(jf_ledger_backup(fixture->ledger, targets[i], fixture->pool));
    }
    jf_crowd_exec(other, "INSERT INTO precious VALUES (1)");
    sqlite3_close(other);
    jf_fixture_expect(fixture, 5, 0, 1);
}

/* Whatever is said about a file that is there: "done" without a copy is the worst of all. */
static void test_backup_into_a_locked_database_is_no_success(void **state)
{
    jf_fixture_t *fixture = *state;
    const char *path = backup_path(fixture);
    sqlite3 *other;
    jf_fixture_row(fixture, "a", 5, JF_NEVER);
    assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
    jf_crowd_exec(other, "CREATE TABLE t (x); BEGIN EXCLUSIVE");
    assert_non_null(jf_ledger_backup(fixture->ledger, path, fixture->pool));
    sqlite3_close(other);
}

static const struct CMUnitTest tests[] = {
    JF_FIXTURE_TEST(test_area_that_was_never_used_is_not_found),
    JF_FIXTURE_TEST(test_first_promise_creates_the_area),
    JF_FIXTURE_TEST(test_refused_promise_creates_no_area),
    JF_FIXTURE_TEST(test_areas_are_listed_in_order_and_in_pages),
    JF_FIXTURE_TEST(test_totals_add_up_all_areas),
    JF_FIXTURE_TEST(test_quota_of_the_operator_is_kept),
    JF_FIXTURE_TEST(test_impossible_quota_is_refused),
    JF_FIXTURE_TEST(test_transfer_quota_of_the_operator_is_kept),
    JF_FIXTURE_TEST(test_impossible_transfer_quota_is_refused),
    JF_FIXTURE_TEST(test_files_know_the_transfer_quota_of_their_area),
    JF_FIXTURE_TEST(test_removed_area_hands_over_all_its_objects),
    JF_FIXTURE_TEST(test_upload_into_a_removed_area_is_not_found),
    JF_FIXTURE_TEST(test_wrong_sums_are_found_and_repaired),
    JF_FIXTURE_TEST(test_backup_is_a_ledger_with_the_same_files),
    JF_FIXTURE_TEST(test_backup_overwrites_nothing),
    JF_FIXTURE_TEST(test_backup_into_a_locked_database_is_no_success),
};

JF_TEST_MAIN(tests)
