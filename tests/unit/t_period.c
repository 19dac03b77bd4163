/*
 * Periods: what is accepted, and that each moment is in exactly one. libc's calendar is the judge.
 */
#include "jf_test.h"

#include <time.h>

#include <apr_strings.h>

#include "jf_period.h"

#define SECOND_US APR_INT64_C(1000000)
#define DAY_US (APR_INT64_C(86400) * SECOND_US)
#define DRAWS 20000

static const jf_period_t periods[] = {
    1, 7, 60, 86399, JF_PERIOD_DAY, 604800, JF_PERIOD_WEEK, JF_PERIOD_MONTH, JF_PERIOD_SECONDS_MAX};

/* A moment in UTC, as libc counts. */
static apr_time_t utc(int year, int month, int day, int hour, int minute, int second)
{
    struct tm calendar = {.tm_year = year - 1900,
                          .tm_mon = month - 1,
                          .tm_mday = day,
                          .tm_hour = hour,
                          .tm_min = minute,
                          .tm_sec = second};
    return (apr_time_t)timegm(&calendar) * SECOND_US;
}

static void expect_period(jf_period_t period, apr_time_t now_us, apr_time_t start_us,
                          apr_time_t end_us)
{
    apr_time_t found_start_us = jf_period_start(period, now_us);
    apr_time_t found_end_us = jf_period_end(period, now_us);
    if (found_start_us != start_us || found_end_us != end_us) {
        fail_msg("period %u at %" APR_TIME_T_FMT " is %" APR_TIME_T_FMT " to %" APR_TIME_T_FMT
                 ", not %" APR_TIME_T_FMT " to %" APR_TIME_T_FMT,
                 (unsigned)period, now_us, found_start_us, found_end_us, start_us, end_us);
    }
}

/* From the first microsecond to the last. */
static void expect_from_to(jf_period_t period, apr_time_t start_us, apr_time_t end_us)
{
    const apr_time_t moments[] = {start_us, start_us + 1, start_us + (end_us - start_us) / 2,
                                  end_us - 1};
    for (size_t i = 0; i < JF_TEST_COUNT(moments); i++) {
        expect_period(period, moments[i], start_us, end_us);
    }
}

/* ---- words ---- */

static void test_periods_are_accepted(void **state)
{
    static const struct {
        const char *text;
        jf_period_t period;
    } cases[] = {
        {"day", JF_PERIOD_DAY},
        {"Day", JF_PERIOD_DAY},
        {"week", JF_PERIOD_WEEK},
        {"WEEK", JF_PERIOD_WEEK},
        {"month", JF_PERIOD_MONTH},
        {"mOnTh", JF_PERIOD_MONTH},
        {"1", 1},
        {"86400", JF_PERIOD_DAY},
        {"24h", JF_PERIOD_DAY},
        {"1d", JF_PERIOD_DAY},
        {"90", 90},
        {"36h", 129600},
        {"5m", 300},
        {"1w", 604800},
        {"180d", JF_PERIOD_SECONDS_MAX},
        {"15552000", JF_PERIOD_SECONDS_MAX},
    };
    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        jf_period_t period = JF_PERIOD_DEFAULT;
        jf_test_ok(jf_period_parse(&period, cases[i].text, *state), cases[i].text);
        if (period != cases[i].period) {
            fail_msg("\"%s\" is %u", cases[i].text, (unsigned)period);
        }
    }
}

static void test_nonsense_is_refused(void **state)
{
    static const char *const cases[] = {
        "",     " ",       "0",        "-1",       "0d",       "days",       "day ",
        " day", "weekly",  "year",     "never",    "default",  "unlimited",  "1.5d",
        "181d", "26w",     "15552001", "16777214", "16777215", "4294967297", "99999999999999999999",
        "1M",   "month\n", "\xff",
    };
    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        jf_period_t period = 4711;
        jf_test_refused(jf_period_parse(&period, cases[i], *state), JF_ERR_INVALID, cases[i]);
        assert_int_equal(period, 4711);
    }
}

static void test_what_is_written_can_be_read(void **state)
{
    assert_string_equal(jf_period_format(JF_PERIOD_DAY, *state), "day");
    assert_string_equal(jf_period_format(JF_PERIOD_WEEK, *state), "week");
    assert_string_equal(jf_period_format(JF_PERIOD_MONTH, *state), "month");
    assert_string_equal(jf_period_format(604800, *state), "604800");
    for (size_t i = 0; i < JF_TEST_COUNT(periods); i++) {
        const char *text = jf_period_format(periods[i], *state);
        jf_period_t period = JF_PERIOD_DEFAULT;
        jf_test_ok(jf_period_parse(&period, text, *state), text);
        assert_int_equal(period, periods[i]);
    }
}

/* ---- the calendar ---- */

static void test_day_begins_at_midnight(void **state)
{
    (void)state;
    expect_from_to(JF_PERIOD_DAY, utc(2026, 11, 23, 0, 0, 0), utc(2026, 11, 24, 0, 0, 0));
    expect_from_to(JF_PERIOD_DAY, 0, DAY_US);
    expect_from_to(JF_PERIOD_DAY, -DAY_US, 0);
}

static void test_week_begins_on_monday(void **state)
{
    (void)state;
    expect_from_to(JF_PERIOD_WEEK, utc(2026, 11, 23, 0, 0, 0), utc(2026, 11, 30, 0, 0, 0));
    expect_from_to(JF_PERIOD_WEEK, utc(2024, 12, 30, 0, 0, 0), utc(2025, 1, 6, 0, 0, 0));
    expect_from_to(JF_PERIOD_WEEK, utc(2024, 2, 26, 0, 0, 0), utc(2024, 3, 4, 0, 0, 0));
    expect_from_to(JF_PERIOD_WEEK, utc(1969, 12, 29, 0, 0, 0), utc(1970, 1, 5, 0, 0, 0));
    expect_from_to(JF_PERIOD_WEEK, utc(1900, 1, 1, 0, 0, 0), utc(1900, 1, 8, 0, 0, 0));
}

static void test_month_begins_on_the_first(void **state)
{
    static const int years[] = {1600, 1700, 1899, 1900, 1968, 1969, 1970, 1999,
                                2000, 2023, 2024, 2038, 2100, 2400, 9999, 31415};
    (void)state;
    for (size_t i = 0; i < JF_TEST_COUNT(years); i++) {
        for (int month = 1; month <= 12; month++) {
            expect_from_to(JF_PERIOD_MONTH, utc(years[i], month, 1, 0, 0, 0),
                           utc(years[i], month + 1, 1, 0, 0, 0));
        }
    }
}

static void test_february_has_its_leap_day(void **state)
{
    static const struct {
        int year;
        int days;
    } cases[] = {{1900, 28}, {1972, 29}, {2000, 29}, {2023, 28}, {2024, 29}, {2100, 28}};
    (void)state;
    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        apr_time_t start_us = utc(cases[i].year, 2, 1, 0, 0, 0);
        expect_from_to(JF_PERIOD_MONTH, start_us, start_us + cases[i].days * DAY_US);
        expect_period(JF_PERIOD_MONTH, utc(cases[i].year, 3, 1, 0, 0, 0) - 1, start_us,
                      start_us + cases[i].days * DAY_US);
    }
}

static void test_seconds_are_counted_from_the_epoch(void **state)
{
    (void)state;
    expect_from_to(1, 1700000000 * SECOND_US, 1700000001 * SECOND_US);
    expect_from_to(1, -SECOND_US, 0);
    expect_from_to(7, 7 * SECOND_US, 14 * SECOND_US);
    expect_from_to(7, -7 * SECOND_US, 0);
    /* A week of seconds is no calendar's week: the epoch was a Thursday. */
    expect_from_to(604800, utc(2026, 11, 19, 0, 0, 0), utc(2026, 11, 26, 0, 0, 0));
    expect_from_to(JF_PERIOD_SECONDS_MAX, 0, JF_PERIOD_SECONDS_MAX * SECOND_US);
}

/* ---- any time ---- */

/* A random moment within some hundred thousand years around the epoch. */
static apr_time_t any_time(uint32_t *random)
{
    apr_time_t time_us = jf_test_draw(random, 1 << 21);
    time_us = time_us * (1 << 21) + jf_test_draw(random, 1 << 21);
    time_us = time_us * (1 << 20) + jf_test_draw(random, 1 << 20);
    return time_us - (APR_INT64_C(1) << 61);
}

static void expect_neighbours(jf_period_t period, apr_time_t now_us)
{
    apr_time_t start_us = jf_period_start(period, now_us);
    apr_time_t end_us = jf_period_end(period, now_us);
    if (start_us > now_us || now_us >= end_us || start_us % SECOND_US != 0) {
        fail_msg("period %u: %" APR_TIME_T_FMT " is not in %" APR_TIME_T_FMT " to %" APR_TIME_T_FMT,
                 (unsigned)period, now_us, start_us, end_us);
    }
    expect_from_to(period, start_us, end_us);
    assert_int_equal(jf_period_start(period, end_us), end_us);
    assert_int_equal(jf_period_end(period, start_us - 1), start_us);
}

static void expect_first(jf_period_t period, apr_time_t start_us)
{
    time_t secs = (time_t)(start_us / SECOND_US);
    struct tm calendar;
    assert_non_null(gmtime_r(&secs, &calendar));
    assert_int_equal(calendar.tm_hour + calendar.tm_min + calendar.tm_sec, 0);
    assert_int_equal(period == JF_PERIOD_WEEK ? calendar.tm_wday : calendar.tm_mday, 1);
}

static void test_each_moment_is_in_one_period(void **state)
{
    uint32_t random = 20261123;
    (void)state;
    for (size_t i = 0; i < JF_TEST_COUNT(periods); i++) {
        for (int draw = 0; draw < DRAWS; draw++) {
            apr_time_t now_us = any_time(&random);
            expect_neighbours(periods[i], now_us);
            if (periods[i] == JF_PERIOD_WEEK || periods[i] == JF_PERIOD_MONTH) {
                expect_first(periods[i], jf_period_start(periods[i], now_us));
            }
        }
    }
}

static void test_every_month_of_a_cycle_follows_the_last(void **state)
{
    apr_time_t now_us = utc(1800, 1, 1, 0, 0, 0);
    (void)state;
    for (int month = 0; month < 400 * 12; month++) {
        apr_time_t next_us = utc(1800, month + 2, 1, 0, 0, 0);
        expect_from_to(JF_PERIOD_MONTH, now_us, next_us);
        now_us = next_us;
    }
}

/* Nobody lives then, but nothing may overflow: there, periods are cut off. */
static void test_ends_of_time_are_in_a_period(void **state)
{
    static const apr_time_t moments[] = {APR_INT64_MIN, APR_INT64_MIN + 1, APR_INT64_MAX - 1,
                                         APR_INT64_MAX};
    (void)state;
    for (size_t i = 0; i < JF_TEST_COUNT(periods); i++) {
        for (size_t j = 0; j < JF_TEST_COUNT(moments); j++) {
            apr_time_t start_us = jf_period_start(periods[i], moments[j]);
            apr_time_t end_us = jf_period_end(periods[i], moments[j]);
            assert_true(start_us <= moments[j] && moments[j] <= end_us && start_us < end_us);
        }
        assert_int_equal(jf_period_start(periods[i], APR_INT64_MIN), APR_INT64_MIN);
        assert_int_equal(jf_period_end(periods[i], APR_INT64_MAX), APR_INT64_MAX);
    }
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_periods_are_accepted),
    JF_TEST(test_nonsense_is_refused),
    JF_TEST(test_what_is_written_can_be_read),
    JF_TEST(test_day_begins_at_midnight),
    JF_TEST(test_week_begins_on_monday),
    JF_TEST(test_month_begins_on_the_first),
    JF_TEST(test_february_has_its_leap_day),
    JF_TEST(test_seconds_are_counted_from_the_epoch),
    JF_TEST(test_each_moment_is_in_one_period),
    JF_TEST(test_every_month_of_a_cycle_follows_the_last),
    JF_TEST(test_ends_of_time_are_in_a_period),
};

JF_TEST_MAIN(tests)
