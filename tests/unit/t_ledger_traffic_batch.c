/*
 * Batches of traffic: each is written whole or not at all, together with its number, whatever is in
 * it.
 */
#include "t_books.h"
#include "t_crowd.h"
#include "t_fault.h"

#include <fcntl.h>

#include <apr_strings.h>
#include <sqlite3.h>

/* ---- the largest numbers ---- */

/* One absurd number must not keep all others out of the ledger. */
static void test_sums_stop_at_the_largest_number(void **state)
{
    jf_fixture_t *fixture = *state;
    apr_int64_t alice = jf_books_area(fixture, JF_ALICE), bob = jf_books_area(fixture, JF_BOB);
    const jf_traffic_entry_t entries[] = {{alice, APR_INT64_MAX, APR_INT64_MIN, APR_INT64_MAX,
                                           APR_INT64_MAX, JF_PERIOD_MONTH, JF_BOOKS_START_US,
                                           APR_INT64_MAX},
                                          jf_books_entry(bob, 1, 1)};
    for (int i = 1; i <= 2; i++) {
        jf_test_ok(jf_books_write(fixture, i, JF_NOW_US, entries, 2), "the largest");
    }
    jf_traffic_day_t day = jf_books_day(fixture, alice, 0);
    assert_true(day.sent_bytes == APR_INT64_MAX && day.received_bytes == APR_INT64_MIN);
    assert_true(day.downloads == APR_INT64_MAX && day.uploads == APR_INT64_MAX);
    assert_true(jf_books_charged(fixture, alice, JF_PERIOD_MONTH, JF_BOOKS_START_US) ==
                APR_INT64_MAX);
    assert_int_equal(jf_books_day(fixture, bob, 0).sent_bytes, 2);
}

static void test_numbers_beyond_floats_are_exact(void **state)
{
    jf_fixture_t *fixture = *state;
    apr_int64_t area_id = jf_books_area(fixture, JF_ALICE);
    jf_books_write_one(fixture, JF_NOW_US, jf_books_entry(area_id, APR_INT64_MAX - 2, 0));
    jf_books_write_one(fixture, JF_NOW_US, jf_books_entry(area_id, 1, 0));
    assert_true(jf_books_day(fixture, area_id, 0).sent_bytes == APR_INT64_MAX - 1);
}

static void test_any_time_has_a_day(void **state)
{
    jf_fixture_t *fixture = *state;
    apr_int64_t area_id = jf_books_area(fixture, JF_ALICE);
    jf_books_write_one(fixture, APR_INT64_MIN, jf_books_entry(area_id, 1, 0));
    assert_true(jf_books_day(fixture, area_id, 0).day_us < -1000000 * JF_BOOKS_DAY_US);
    jf_books_write_one(fixture, APR_INT64_MAX, jf_books_entry(area_id, 2, 0));
    assert_int_equal(jf_books_days(fixture, area_id, 10)->nelts, 1);
    assert_true(jf_books_day(fixture, area_id, 0).day_us > 1000000 * JF_BOOKS_DAY_US);
}

/* ---- the number of a batch ---- */

static void test_batch_without_a_number_changes_no_number(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_traffic_entry_t entry = jf_books_entry(jf_books_area(fixture, JF_ALICE), 1, 1);
    jf_test_ok(jf_books_write(fixture, 77, JF_NOW_US, &entry, 1), "numbered");
    jf_books_write_one(fixture, JF_NOW_US, entry);
    assert_int_equal(jf_books_number(fixture), 77);
    jf_test_ok(jf_books_write(fixture, 78, JF_NOW_US, &entry, 0), "empty");
    assert_int_equal(jf_books_number(fixture), 78);
}

/* If only one of both were there after a crash, a batch would be lost or come twice. */
static void test_number_and_amounts_are_written_together(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_traffic_entry_t entry = jf_books_entry(jf_books_area(fixture, JF_ALICE), 10, 10);
    jf_test_ok(jf_books_write(fixture, 1, JF_NOW_US, &entry, 1), "first");

    sqlite3 *stranger = jf_crowd_stranger(fixture);
    static const char *const obstacles[] = {
        "CREATE TRIGGER obstacle BEFORE UPDATE ON ledger BEGIN SELECT raise(ABORT, 'no'); END",
        "CREATE TRIGGER obstacle BEFORE UPDATE ON traffic BEGIN SELECT raise(ABORT, 'no'); END",
        "CREATE TRIGGER obstacle BEFORE UPDATE ON charge BEGIN SELECT raise(ABORT, 'no'); END",
    };
    entry.charged_bytes = 20;
    for (size_t i = 0; i < JF_TEST_COUNT(obstacles); i++) {
        jf_crowd_exec(stranger, obstacles[i]);
        assert_non_null(jf_books_write(fixture, 2, JF_NOW_US, &entry, 1));
        jf_crowd_exec(stranger, "DROP TRIGGER obstacle");
        assert_int_equal(jf_books_number(fixture), 1);
        assert_int_equal(jf_books_day(fixture, entry.area_id, 0).sent_bytes, 10);
        assert_int_equal(
            jf_books_charged(fixture, entry.area_id, JF_PERIOD_MONTH, JF_BOOKS_START_US), 10);
    }
    sqlite3_close(stranger);
    jf_test_ok(jf_books_write(fixture, 2, JF_NOW_US, &entry, 1), "again");
    assert_int_equal(jf_books_number(fixture), 2);
    assert_int_equal(jf_books_day(fixture, entry.area_id, 0).sent_bytes, 20);
}

static void test_full_disk_writes_nothing_and_later_all(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_traffic_entry_t entry = jf_books_entry(jf_books_area(fixture, JF_ALICE), 10, 10);
    jf_fault_t fault;
    const char *journal = apr_pstrcat(fixture->pool, fixture->database, "-wal", NULL);
    sqlite3 *stranger = jf_crowd_stranger(fixture);
    jf_crowd_exec(stranger, "PRAGMA wal_checkpoint(TRUNCATE)");
    sqlite3_close(stranger);

    jf_fault_begin(&fault, journal, "/dev/full", O_RDWR);
    jf_err_t *err = jf_books_write(fixture, 1, JF_NOW_US, &entry, 1);
    jf_fault_end(&fault);
    jf_test_refused(err, JF_ERR_DISK_FULL, "full");
    assert_int_equal(jf_books_number(fixture), 0);
    assert_int_equal(jf_books_days(fixture, entry.area_id, 10)->nelts, 0);
    jf_test_ok(jf_books_write(fixture, 1, JF_NOW_US, &entry, 1), "room again");
    assert_int_equal(jf_books_number(fixture), 1);
    assert_int_equal(jf_books_day(fixture, entry.area_id, 0).sent_bytes, 10);
}

static const struct CMUnitTest tests[] = {
    JF_FIXTURE_TEST(test_sums_stop_at_the_largest_number),
    JF_FIXTURE_TEST(test_numbers_beyond_floats_are_exact),
    JF_FIXTURE_TEST(test_any_time_has_a_day),
    JF_FIXTURE_TEST(test_batch_without_a_number_changes_no_number),
    JF_FIXTURE_TEST(test_number_and_amounts_are_written_together),
    JF_FIXTURE_TEST(test_full_disk_writes_nothing_and_later_all),
};

JF_TEST_MAIN(tests)
