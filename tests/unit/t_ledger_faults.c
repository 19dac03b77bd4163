/*
 * A ledger that is locked, full, unwritable or not there: nothing changes, the error says why, and
 * it works again as soon as the cause is gone.
 */
#include "t_crowd.h"
#include "t_fault.h"
#include "t_granter.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include <apr_strings.h>
#include <sqlite3.h>

#include "jf_sqlite.h"

#define THREADS 8

/* The journal of a ledger, empty: so that nothing has to be read from it while it is broken. */
static const char *empty_journal(const jf_fixture_t *fixture)
{
    sqlite3 *stranger = jf_crowd_stranger(fixture);
    jf_crowd_exec(stranger, "PRAGMA wal_checkpoint(TRUNCATE)");
    sqlite3_close(stranger);
    return apr_pstrcat(fixture->pool, fixture->database, "-wal", NULL);
}

static jf_err_t *set_quota(jf_fixture_t *fixture, apr_int64_t quota_bytes)
{
    return jf_ledger_area_set_quota(fixture->ledger, JF_ALICE, quota_bytes, JF_NOW_US,
                                    fixture->pool);
}

static const char *reserve(jf_fixture_t *fixture, const char *path, apr_int64_t size_bytes)
{
    jf_reserve_t want = jf_fixture_reserve(path, size_bytes, fixture->pool);
    apr_int64_t promised_bytes;
    jf_test_ok(jf_ledger_reserve(&promised_bytes, fixture->ledger, &want, JF_NOW_US, fixture->pool),
               path);
    return want.object;
}

/* ---- a commit that fails ---- */

static void test_failed_commit_changes_nothing(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_fault_t fault;
    jf_test_ok(set_quota(fixture, 1), "before");
    const char *journal = empty_journal(fixture);

    jf_fault_begin(&fault, journal, journal, O_RDONLY);
    jf_err_t *unwritable = set_quota(fixture, 2);
    jf_fault_end(&fault);
    jf_fault_begin(&fault, journal, "/dev/full", O_RDWR);
    jf_err_t *full = set_quota(fixture, 3);
    jf_fault_end(&fault);

    jf_test_refused(unwritable, JF_ERR_UNAVAILABLE, "a journal that cannot be written");
    jf_test_refused(full, JF_ERR_DISK_FULL, "a full disk");
    assert_int_equal(jf_fixture_area(fixture, JF_ALICE).quota_bytes, 1);
    jf_test_ok(set_quota(fixture, 4), "after");
    assert_int_equal(jf_fixture_area(fixture, JF_ALICE).quota_bytes, 4);
}

typedef struct settler_t {
    jf_ledger_t *ledger;
    const jf_settle_t *settlements;
    jf_err_code_t codes[THREADS];
} settler_t;

static void settle(void *baton, int number, apr_pool_t *pool)
{
    settler_t *settler = baton;
    jf_file_t file;
    const char *replaced;
    int created;
    jf_err_t *err = jf_ledger_settle(&file, &replaced, &created, settler->ledger,
                                     &settler->settlements[number], JF_NOW_US, pool);
    settler->codes[number] = err ? err->code : 0;
}

/* Holds the ledger's lock until those who want to write have queued up behind it. */
static void *unlock_later(void *stranger)
{
    usleep(200000);
    sqlite3_exec(stranger, "COMMIT", NULL, NULL, NULL);
    return NULL;
}

/* All create the same file if there is none. Whoever comes second in the transaction meets a file
 * that never comes to be: "it exists" would be a lie. */
static void test_failed_commit_fails_all_who_share_it(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_settle_t settlements[THREADS];
    settler_t settler = {.ledger = fixture->ledger, .settlements = settlements};
    jf_fault_t fault;
    pthread_t unlocker;
    for (int i = 0; i < THREADS; i++) {
        settlements[i] = jf_fixture_settle(reserve(fixture, "a", 5), 5, fixture->pool);
        settlements[i].precondition = jf_fixture_if_none();
    }
    const char *journal = empty_journal(fixture);
    sqlite3 *stranger = jf_crowd_stranger(fixture);
    jf_crowd_exec(stranger, "BEGIN IMMEDIATE");
    jf_fault_begin(&fault, journal, journal, O_RDONLY);
    assert_int_equal(pthread_create(&unlocker, NULL, unlock_later, stranger), 0);
    jf_crowd_threads(THREADS, settle, &settler);
    pthread_join(unlocker, NULL);
    jf_fault_end(&fault);
    sqlite3_close(stranger);

    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(settler.codes[i], JF_ERR_UNAVAILABLE);
    }
    jf_fixture_expect(fixture, 0, 5 * THREADS, 0);
}

/* The client is told that it failed and comes again: the slot must still be there. */
static void test_failed_commit_uses_no_slot_up(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_slot_t slot = jf_granter_grant(fixture, "a", 5);
    jf_granter_upload_t *upload = jf_granter_upload(slot.token, "a", 5, fixture->pool);
    jf_fault_t fault;
    int count;
    jf_test_ok(jf_granter_begin(upload, fixture->ledger, fixture->pool), "begin");
    const char *journal = empty_journal(fixture);

    jf_fault_begin(&fault, journal, journal, O_RDONLY);
    jf_err_t *errors[] = {
        jf_granter_end(upload, fixture->ledger, fixture->pool),
        jf_granter_try(fixture, "b", 1, JF_UNLIMITED),
        jf_ledger_slot_expire(&count, fixture->ledger, 9, JF_SLOT_END_US, fixture->pool)};
    jf_fault_end(&fault);

    for (size_t i = 0; i < JF_TEST_COUNT(errors); i++) {
        jf_test_refused(errors[i], JF_ERR_UNAVAILABLE, "a journal that cannot be written");
    }
    jf_granter_expect_rows(fixture, 1, 0);
    jf_fixture_expect(fixture, 0, 5, 0);
    jf_test_ok(jf_granter_get(fixture, slot.token, JF_NOW_US), "the slot");
    jf_test_ok(jf_granter_end(upload, fixture->ledger, fixture->pool), "end");
    jf_granter_expect_rows(fixture, 0, 1);
    jf_fixture_expect(fixture, 5, 0, 1);
}

/* ---- promises that cannot be taken back now ---- */

static void test_cancel_that_fails_is_done_later(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_fault_t fault;
    const char *objects[] = {reserve(fixture, "a", 5), reserve(fixture, "b", 6),
                             reserve(fixture, "c", 7)};
    const char *journal = empty_journal(fixture);

    jf_test_ok(jf_ledger_retry_cancels(fixture->ledger, fixture->pool), "nothing to do");
    jf_fault_begin(&fault, journal, journal, O_RDONLY);
    jf_ledger_cancel(fixture->ledger, objects[0]);
    jf_ledger_cancel(fixture->ledger, objects[1]);
    jf_err_t *too_early = jf_ledger_retry_cancels(fixture->ledger, fixture->pool);
    jf_fault_end(&fault);

    jf_test_refused(too_early, JF_ERR_UNAVAILABLE, "too early");
    jf_fixture_expect(fixture, 0, 18, 0);
    jf_test_ok(jf_ledger_retry_cancels(fixture->ledger, fixture->pool), "now");
    jf_fixture_expect(fixture, 0, 7, 0);
    jf_ledger_cancel(fixture->ledger, objects[2]);
    jf_fixture_expect(fixture, 0, 0, 0);
}

/* Closing while something is still remembered leaks nothing: the sanitizers look at this one. */
static void test_close_forgets_what_was_remembered(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_fault_t fault;
    const char *object = reserve(fixture, "a", 5);
    const char *journal = empty_journal(fixture);
    jf_fault_begin(&fault, journal, journal, O_RDONLY);
    jf_ledger_cancel(fixture->ledger, object);
    jf_fault_end(&fault);
    jf_fixture_close(fixture);
    jf_test_ok(jf_fixture_open(fixture, JF_DURABILITY_FULL), "open");
    jf_fixture_expect(fixture, 0, 5, 0);
}

/* ---- a ledger that somebody has locked ---- */

typedef struct waiting_t {
    jf_fixture_t *fixture;
    jf_ledger_t *other;
    const char *object;
    jf_err_code_t codes[3];
    apr_interval_time_t waited_us[3];
} waiting_t;

static jf_err_t *begin_directly(const char *database, apr_pool_t *pool)
{
    jf_sqlite_t *db;
    JF_TRY(jf_sqlite_open(&db, database, JF_SQLITE_WRITE, NULL, 0, pool));
    jf_err_t *err = jf_sqlite_exec(db, "BEGIN IMMEDIATE", pool);
    jf_sqlite_close(db);
    return err;
}

static void wait_for_lock(void *baton, int number, apr_pool_t *pool)
{
    waiting_t *waiting = baton;
    jf_err_t *err = NULL;
    apr_time_t start_us = apr_time_now();
    if (number == 0) {
        err = begin_directly(waiting->fixture->database, pool);
    } else if (number == 1) {
        err = jf_ledger_area_set_quota(waiting->other, JF_ALICE, 9, JF_NOW_US, pool);
    } else {
        jf_ledger_cancel(waiting->fixture->ledger, waiting->object);
    }
    waiting->waited_us[number] = apr_time_now() - start_us;
    waiting->codes[number] = err ? err->code : 0;
}

static void test_lock_is_waited_for_until_the_deadline(void **state)
{
    jf_fixture_t *fixture = *state;
    waiting_t waiting = {.fixture = fixture, .object = reserve(fixture, "a", 5)};
    jf_test_ok(jf_ledger_open(&waiting.other, fixture->database, JF_DURABILITY_FULL, fixture->pool),
               "another process's ledger");
    sqlite3 *stranger = jf_crowd_stranger(fixture);
    jf_crowd_exec(stranger, "BEGIN IMMEDIATE");
    jf_crowd_threads(3, wait_for_lock, &waiting);
    jf_fixture_expect(fixture, 0, 5, 0); /* reading does not wait */
    jf_crowd_exec(stranger, "ROLLBACK");
    sqlite3_close(stranger);

    for (int i = 0; i < 3; i++) {
        assert_in_range(waiting.waited_us[i], JF_SQLITE_BUSY_US, JF_SQLITE_BUSY_US * 3 / 2);
    }
    assert_int_equal(waiting.codes[0], JF_ERR_BUSY);
    assert_int_equal(waiting.codes[1], JF_ERR_BUSY);
    jf_test_ok(jf_ledger_retry_cancels(fixture->ledger, fixture->pool), "the cancel");
    jf_fixture_expect(fixture, 0, 0, 0);
    jf_test_ok(jf_ledger_area_set_quota(waiting.other, JF_ALICE, 9, JF_NOW_US, fixture->pool),
               "the quota");
    jf_ledger_close(waiting.other);
}

static void test_short_lock_is_not_noticed(void **state)
{
    jf_fixture_t *fixture = *state;
    pthread_t unlocker;
    jf_test_ok(set_quota(fixture, 1), "before");
    sqlite3 *stranger = jf_crowd_stranger(fixture);
    jf_crowd_exec(stranger, "BEGIN IMMEDIATE");
    assert_int_equal(pthread_create(&unlocker, NULL, unlock_later, stranger), 0);
    jf_test_ok(set_quota(fixture, 2), "meanwhile");
    pthread_join(unlocker, NULL);
    sqlite3_close(stranger);
}

/* ---- a ledger that is not there ---- */

static void test_missing_ledger_is_tried_again_each_time(void **state)
{
    jf_fixture_t *fixture = *state;
    apr_pool_t *pool = fixture->pool;
    const char *path = apr_pstrcat(pool, fixture->directory, "/new.db", NULL);
    jf_ledger_t *ledger;
    jf_area_t area;
    jf_test_ok(jf_ledger_open(&ledger, path, JF_DURABILITY_FULL, pool), "nothing is opened yet");
    int descriptors = jf_fault_count_descriptors();
    for (int i = 0; i < 100; i++) {
        jf_test_refused(jf_ledger_area_get(&area, ledger, JF_ALICE, pool), JF_ERR_UNAVAILABLE,
                        "reading");
        jf_test_refused(jf_ledger_area_set_quota(ledger, JF_ALICE, 1, JF_NOW_US, pool),
                        JF_ERR_UNAVAILABLE, "writing");
    }
    assert_int_equal(jf_fault_count_descriptors(), descriptors);
    assert_false(jf_fixture_exists(path));

    jf_test_ok(jf_ledger_create(path, pool), "it comes");
    jf_test_refused(jf_ledger_area_get(&area, ledger, JF_ALICE, pool), JF_ERR_NOT_FOUND, "reading");
    jf_test_ok(jf_ledger_area_set_quota(ledger, JF_ALICE, 1, JF_NOW_US, pool), "writing");
    jf_test_ok(jf_ledger_area_get(&area, ledger, JF_ALICE, pool), "reading");
    jf_ledger_close(ledger);
}

static void test_damaged_ledger_is_unavailable(void **state)
{
    jf_fixture_t *fixture = *state;
    apr_pool_t *pool = fixture->pool;
    apr_array_header_t *list;
    jf_totals_t totals;
    jf_file_t file;
    int count;
    FILE *database = fopen(fixture->database, "r+");
    assert_non_null(database);
    assert_int_equal(fwrite(jf_fixture_bytes(5, 8192, pool), 8192, 1, database), 1);
    fclose(database);

    jf_test_ok(jf_fixture_open(fixture, JF_DURABILITY_FULL), "open");
    jf_ledger_t *ledger = fixture->ledger;
    jf_err_t *errors[] = {
        set_quota(fixture, 1),
        jf_ledger_totals(&totals, ledger, pool),
        jf_ledger_area_list(&list, ledger, "", 1, pool),
        jf_ledger_file_by_token(&file, ledger, "x", JF_NOW_US, pool),
        jf_ledger_file_list(&list, ledger, JF_ALICE, "", "", 1, JF_NOW_US, pool),
        jf_ledger_file_expire(&list, ledger, 1, JF_NOW_US, pool),
        jf_ledger_instances(&list, ledger, pool),
        jf_ledger_area_meet(ledger, JF_ALICE, JF_NOW_US, pool),
        jf_granter_try(fixture, "x", 1, JF_UNLIMITED),
        jf_granter_get(fixture, "x", JF_NOW_US),
        jf_ledger_slot_expire(&count, ledger, 1, JF_NOW_US, pool),
        jf_ledger_check(&list, ledger, pool),
    };
    for (size_t i = 0; i < JF_TEST_COUNT(errors); i++) {
        jf_test_refused(errors[i], JF_ERR_UNAVAILABLE, "a damaged ledger");
    }
}

static void test_closed_ledger_leaves_no_descriptor(void **state)
{
    jf_fixture_t *fixture = *state;
    int descriptors = jf_fault_count_descriptors();
    for (int i = 0; i < 50; i++) {
        jf_test_ok(jf_fixture_open(fixture, JF_DURABILITY_RELAXED), "open");
        jf_fixture_row(fixture, "a", i, JF_NEVER);
        jf_fixture_area(fixture, JF_ALICE);
        jf_fixture_close(fixture);
    }
    assert_int_equal(jf_fault_count_descriptors(), descriptors);
}

static const struct CMUnitTest tests[] = {
    JF_FIXTURE_TEST(test_failed_commit_changes_nothing),
    JF_FIXTURE_TEST(test_failed_commit_fails_all_who_share_it),
    JF_FIXTURE_TEST(test_failed_commit_uses_no_slot_up),
    JF_FIXTURE_TEST(test_cancel_that_fails_is_done_later),
    JF_FIXTURE_TEST(test_close_forgets_what_was_remembered),
    JF_FIXTURE_TEST(test_lock_is_waited_for_until_the_deadline),
    JF_FIXTURE_TEST(test_short_lock_is_not_noticed),
    JF_FIXTURE_CLOSED_TEST(test_missing_ledger_is_tried_again_each_time),
    JF_FIXTURE_CLOSED_TEST(test_damaged_ledger_is_unavailable),
    JF_FIXTURE_CLOSED_TEST(test_closed_ledger_leaves_no_descriptor),
};

JF_TEST_MAIN(tests)
