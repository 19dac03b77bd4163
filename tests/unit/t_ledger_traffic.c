/*
 * Traffic in the ledger: days add up and go after a while, and what is charged is what was charged
 * last.
 */
#include "t_books.h"
#include "t_crowd.h"

#include <apr_strings.h>
#include <sqlite3.h>

#define UNKNOWN_AREA 4711

static apr_int64_t count_rows(const jf_fixture_t *fixture, const char *table)
{
    sqlite3 *stranger = jf_crowd_stranger(fixture);
    apr_int64_t count =
        jf_crowd_number(stranger, apr_pstrcat(fixture->pool, "SELECT count(*) FROM ", table, NULL));
    sqlite3_close(stranger);
    return count;
}

/* ---- days ---- */

static void test_nothing_was_transferred_at_first(void **state)
{
    jf_fixture_t *fixture = *state;
    apr_int64_t area_id = jf_books_area(fixture, JF_ALICE);
    apr_array_header_t *periods;
    assert_int_equal(jf_books_number(fixture), 0);
    assert_int_equal(jf_books_days(fixture, area_id, 10)->nelts, 0);
    assert_int_equal(jf_books_charged(fixture, area_id, JF_PERIOD_MONTH, JF_BOOKS_START_US), 0);
    jf_test_ok(jf_ledger_traffic_periods(&periods, fixture->ledger, area_id, fixture->pool),
               "periods");
    assert_int_equal(periods->nelts, 0);
}

static void test_batches_of_a_day_add_up(void **state)
{
    jf_fixture_t *fixture = *state;
    apr_int64_t alice = jf_books_area(fixture, JF_ALICE), bob = jf_books_area(fixture, JF_BOB);
    const jf_traffic_entry_t entries[] = {
        {alice, 1000, 20, 3, 1, JF_PERIOD_MONTH, JF_BOOKS_START_US, 900},
        {bob, 5, 0, 1, 0, JF_PERIOD_DAY, JF_BOOKS_START_US, 5},
        /* Of another kind of period. */
        {alice, 100, 7, 2, 4, JF_PERIOD_DAY, JF_BOOKS_START_US, 100},
    };
    for (int i = 1; i <= 3; i++) {
        jf_test_ok(jf_books_write(fixture, i, JF_NOW_US + i, entries, 3), "a batch");
    }
    jf_traffic_day_t day = jf_books_day(fixture, alice, 0);
    assert_int_equal(day.day_us, JF_NOW_US / JF_BOOKS_DAY_US * JF_BOOKS_DAY_US);
    assert_int_equal(day.sent_bytes, 3300);
    assert_int_equal(day.received_bytes, 81);
    assert_int_equal(day.downloads, 15);
    assert_int_equal(day.uploads, 15);
    assert_int_equal(jf_books_day(fixture, bob, 0).sent_bytes, 15);
    assert_int_equal(jf_books_charged(fixture, alice, JF_PERIOD_MONTH, JF_BOOKS_START_US), 900);
    assert_int_equal(jf_books_charged(fixture, alice, JF_PERIOD_DAY, JF_BOOKS_START_US), 100);
    assert_int_equal(jf_books_number(fixture), 3);
}

static void test_days_are_listed_from_the_newest(void **state)
{
    jf_fixture_t *fixture = *state;
    apr_int64_t area_id = jf_books_area(fixture, JF_ALICE);
    static const int days[] = {0, 3, 1, 7};
    static const int sorted[] = {7, 3, 1, 0};
    apr_time_t midnight_us = JF_NOW_US / JF_BOOKS_DAY_US * JF_BOOKS_DAY_US;
    for (size_t i = 0; i < JF_TEST_COUNT(days); i++) {
        /* The first moment of a day and its last are of that day. */
        jf_books_write_one(fixture, midnight_us + days[i] * JF_BOOKS_DAY_US,
                           jf_books_entry(area_id, 10 * days[i] + 1, 0));
        jf_books_write_one(fixture, midnight_us + (days[i] + 1) * JF_BOOKS_DAY_US - 1,
                           jf_books_entry(area_id, 1, 0));
    }
    assert_int_equal(jf_books_days(fixture, area_id, 100)->nelts, JF_TEST_COUNT(days));
    assert_int_equal(jf_books_days(fixture, area_id, 2)->nelts, 2);
    for (size_t i = 0; i < JF_TEST_COUNT(sorted); i++) {
        jf_traffic_day_t day = jf_books_day(fixture, area_id, (int)i);
        assert_int_equal(day.day_us, midnight_us + sorted[i] * JF_BOOKS_DAY_US);
        assert_int_equal(day.sent_bytes, 10 * sorted[i] + 2);
    }
}

static void test_corrections_are_taken_off(void **state)
{
    jf_fixture_t *fixture = *state;
    apr_int64_t area_id = jf_books_area(fixture, JF_ALICE);
    jf_books_write_one(fixture, JF_NOW_US, jf_books_entry(area_id, 1000, 1000));
    jf_books_write_one(fixture, JF_NOW_US, jf_books_entry(area_id, -300, 700));
    assert_int_equal(jf_books_day(fixture, area_id, 0).sent_bytes, 700);
    assert_int_equal(jf_books_charged(fixture, area_id, JF_PERIOD_MONTH, JF_BOOKS_START_US), 700);
    /* Over midnight: the sum of both days is right. */
    jf_books_write_one(fixture, JF_NOW_US + JF_BOOKS_DAY_US, jf_books_entry(area_id, -200, 500));
    assert_int_equal(jf_books_day(fixture, area_id, 0).sent_bytes, -200);
    assert_int_equal(jf_books_day(fixture, area_id, 1).sent_bytes, 700);
}

/* An account that has only charged, or nothing, is no day with traffic. */
static void test_nothing_makes_no_day(void **state)
{
    jf_fixture_t *fixture = *state;
    apr_int64_t area_id = jf_books_area(fixture, JF_ALICE);
    jf_books_write_one(fixture, JF_NOW_US, jf_books_entry(area_id, 0, 40));
    assert_int_equal(jf_books_days(fixture, area_id, 10)->nelts, 0);
    assert_int_equal(jf_books_charged(fixture, area_id, JF_PERIOD_MONTH, JF_BOOKS_START_US), 40);
}

static void test_days_before_the_epoch_are_days(void **state)
{
    jf_fixture_t *fixture = *state;
    apr_int64_t area_id = jf_books_area(fixture, JF_ALICE);
    jf_books_write_one(fixture, -1, jf_books_entry(area_id, 1, 0));
    jf_books_write_one(fixture, 0, jf_books_entry(area_id, 2, 0));
    assert_int_equal(jf_books_day(fixture, area_id, 0).day_us, 0);
    assert_int_equal(jf_books_day(fixture, area_id, 1).day_us, -JF_BOOKS_DAY_US);
}

static void test_days_are_kept_for_400(void **state)
{
    jf_fixture_t *fixture = *state;
    apr_int64_t alice = jf_books_area(fixture, JF_ALICE), bob = jf_books_area(fixture, JF_BOB);
    for (int day = 0; day < JF_TRAFFIC_DAYS_KEPT + 3; day++) {
        jf_books_write_one(fixture, JF_NOW_US + day * JF_BOOKS_DAY_US,
                           jf_books_entry(alice, day + 1, 0));
        if (day == 1 || day == 100) {
            jf_books_write_one(fixture, JF_NOW_US + day * JF_BOOKS_DAY_US,
                               jf_books_entry(bob, 1, 0));
        }
    }
    const apr_array_header_t *days = jf_books_days(fixture, alice, 1000);
    assert_int_equal(days->nelts, JF_TRAFFIC_DAYS_KEPT);
    assert_int_equal(APR_ARRAY_IDX(days, 0, jf_traffic_day_t).sent_bytes, JF_TRAFFIC_DAYS_KEPT + 3);
    assert_int_equal(APR_ARRAY_IDX(days, days->nelts - 1, jf_traffic_day_t).sent_bytes, 4);
    /* Also of those who have no traffic any more. */
    assert_int_equal(jf_books_days(fixture, bob, 1000)->nelts, 1);
}

/* More than one batch takes away at once. */
static void test_many_old_days_go_by_and_by(void **state)
{
    jf_fixture_t *fixture = *state;
    apr_int64_t area_id = jf_books_area(fixture, JF_ALICE);
    sqlite3 *stranger = jf_crowd_stranger(fixture);
    jf_crowd_exec(stranger, "WITH RECURSIVE day (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM day"
                            " LIMIT 2500) INSERT INTO traffic SELECT 1, n, 1, 1, 1, 1 FROM day");
    sqlite3_close(stranger);
    assert_int_equal(area_id, 1);
    for (int i = 0; i < 3; i++) {
        jf_books_write_one(fixture, JF_NOW_US, jf_books_entry(area_id, 1, 0));
    }
    assert_int_equal(jf_books_days(fixture, area_id, 10)->nelts, 1);
}

/* ---- whose ---- */

static void test_areas_that_are_gone_are_left_out(void **state)
{
    jf_fixture_t *fixture = *state;
    apr_int64_t alice = jf_books_area(fixture, JF_ALICE), bob = jf_books_area(fixture, JF_BOB);
    const jf_traffic_entry_t entries[] = {jf_books_entry(bob, 10, 10),
                                          jf_books_entry(UNKNOWN_AREA, 5, 5),
                                          jf_books_entry(alice, 20, 20)};
    apr_array_header_t *objects;
    jf_test_ok(jf_books_write(fixture, 1, JF_NOW_US, entries, 3), "both are there");
    jf_test_ok(jf_ledger_area_remove(&objects, fixture->ledger, JF_BOB, fixture->pool), "bob");
    assert_int_equal(count_rows(fixture, "traffic"), 1);
    assert_int_equal(count_rows(fixture, "charge"), 1);
    jf_test_ok(jf_books_write(fixture, 2, JF_NOW_US, entries, 3), "one is gone");
    assert_int_equal(jf_books_day(fixture, alice, 0).sent_bytes, 40);
    assert_int_equal(jf_books_number(fixture), 2);
    assert_int_equal(count_rows(fixture, "traffic"), 1);
    assert_int_equal(count_rows(fixture, "charge"), 1);
}

static void test_who_comes_back_has_nothing_transferred(void **state)
{
    jf_fixture_t *fixture = *state;
    apr_int64_t before = jf_books_area(fixture, JF_ALICE);
    apr_array_header_t *objects;
    jf_books_write_one(fixture, JF_NOW_US, jf_books_entry(before, 10, 10));
    jf_test_ok(jf_ledger_area_remove(&objects, fixture->ledger, JF_ALICE, fixture->pool), "alice");
    apr_int64_t after = jf_books_area(fixture, JF_ALICE);
    /* What was counted for the old area comes in a little late. */
    jf_books_write_one(fixture, JF_NOW_US, jf_books_entry(before, 10, 10));
    assert_int_not_equal(after, before);
    assert_int_equal(jf_books_days(fixture, after, 10)->nelts, 0);
    assert_int_equal(jf_books_charged(fixture, after, JF_PERIOD_MONTH, JF_BOOKS_START_US), 0);
}

/* ---- what is charged ---- */

static void test_charge_is_the_one_of_the_newest_period(void **state)
{
    jf_fixture_t *fixture = *state;
    apr_int64_t area_id = jf_books_area(fixture, JF_ALICE);
    jf_traffic_entry_t entry = jf_books_entry(area_id, 1, 50);
    jf_books_write_one(fixture, JF_NOW_US, entry);
    entry.charged_bytes = 60;
    jf_books_write_one(fixture, JF_NOW_US, entry);
    assert_int_equal(jf_books_charged(fixture, area_id, JF_PERIOD_MONTH, JF_BOOKS_START_US), 60);

    entry.period_start_us = JF_BOOKS_START_US + 1000;
    entry.charged_bytes = 7;
    jf_books_write_one(fixture, JF_NOW_US, entry);
    assert_int_equal(jf_books_charged(fixture, area_id, JF_PERIOD_MONTH, JF_BOOKS_START_US + 1000),
                     7);
    assert_int_equal(jf_books_charged(fixture, area_id, JF_PERIOD_MONTH, JF_BOOKS_START_US), 0);

    entry.period_start_us = JF_BOOKS_START_US;
    entry.charged_bytes = 61;
    jf_books_write_one(fixture, JF_NOW_US, entry);
    assert_int_equal(jf_books_charged(fixture, area_id, JF_PERIOD_MONTH, JF_BOOKS_START_US + 1000),
                     7);
    assert_int_equal(jf_books_charged(fixture, area_id, JF_PERIOD_MONTH, JF_BOOKS_START_US), 0);
    assert_int_equal(jf_books_charged(fixture, area_id, JF_PERIOD_DAY, JF_BOOKS_START_US + 1000),
                     0);
    assert_int_equal(count_rows(fixture, "charge"), 1);
    assert_int_equal(jf_books_day(fixture, area_id, 0).sent_bytes, 4);
}

static void test_charge_is_never_negative(void **state)
{
    jf_fixture_t *fixture = *state;
    apr_int64_t area_id = jf_books_area(fixture, JF_ALICE);
    jf_books_write_one(fixture, JF_NOW_US, jf_books_entry(area_id, 1, -5));
    assert_int_equal(jf_books_charged(fixture, area_id, JF_PERIOD_MONTH, JF_BOOKS_START_US), 0);
    jf_books_write_one(fixture, JF_NOW_US, jf_books_entry(area_id, 1, 5));
    jf_books_write_one(fixture, JF_NOW_US, jf_books_entry(area_id, 1, -5));
    assert_int_equal(jf_books_charged(fixture, area_id, JF_PERIOD_MONTH, JF_BOOKS_START_US), 0);
}

static void test_periods_are_listed_from_the_newest(void **state)
{
    jf_fixture_t *fixture = *state;
    apr_int64_t area_id = jf_books_area(fixture, JF_ALICE);
    static const jf_period_t kinds[] = {JF_PERIOD_MONTH, 3600, JF_PERIOD_WEEK};
    apr_array_header_t *periods;
    for (size_t i = 0; i < JF_TEST_COUNT(kinds); i++) {
        jf_traffic_entry_t entry = jf_books_entry(area_id, 1, 10 * (apr_int64_t)i);
        entry.period = kinds[i];
        entry.period_start_us = jf_period_start(kinds[i], JF_NOW_US);
        jf_books_write_one(fixture, JF_NOW_US, entry);
    }
    jf_test_ok(jf_ledger_traffic_periods(&periods, fixture->ledger, area_id, fixture->pool),
               "periods");
    static const jf_period_t sorted[] = {3600, JF_PERIOD_WEEK, JF_PERIOD_MONTH};
    static const int bytes[] = {10, 20, 0};
    assert_int_equal(periods->nelts, JF_TEST_COUNT(sorted));
    for (size_t i = 0; i < JF_TEST_COUNT(sorted); i++) {
        jf_traffic_period_t period = APR_ARRAY_IDX(periods, (int)i, jf_traffic_period_t);
        assert_int_equal(period.period, sorted[i]);
        assert_int_equal(period.start_us, jf_period_start(sorted[i], JF_NOW_US));
        assert_int_equal(period.charged_bytes, bytes[i]);
    }
}

static const struct CMUnitTest tests[] = {
    JF_FIXTURE_TEST(test_nothing_was_transferred_at_first),
    JF_FIXTURE_TEST(test_batches_of_a_day_add_up),
    JF_FIXTURE_TEST(test_days_are_listed_from_the_newest),
    JF_FIXTURE_TEST(test_corrections_are_taken_off),
    JF_FIXTURE_TEST(test_nothing_makes_no_day),
    JF_FIXTURE_TEST(test_days_before_the_epoch_are_days),
    JF_FIXTURE_TEST(test_days_are_kept_for_400),
    JF_FIXTURE_TEST(test_many_old_days_go_by_and_by),
    JF_FIXTURE_TEST(test_areas_that_are_gone_are_left_out),
    JF_FIXTURE_TEST(test_who_comes_back_has_nothing_transferred),
    JF_FIXTURE_TEST(test_charge_is_the_one_of_the_newest_period),
    JF_FIXTURE_TEST(test_charge_is_never_negative),
    JF_FIXTURE_TEST(test_periods_are_listed_from_the_newest),
};

JF_TEST_MAIN(tests)
