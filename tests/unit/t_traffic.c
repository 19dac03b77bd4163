/*
 * Counting in one process: accounts, periods, and tables that are full.
 */
#include "t_counted.h"

#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <apr_strings.h>

#define AREAS 60
#define PAGE_AREAS 500
#define PAGE_BYTES 4096

static const jf_traffic_key_t monthly = {1, JF_PERIOD_MONTH};
static const jf_traffic_key_t daily = {1, JF_PERIOD_DAY};
static const jf_traffic_key_t other = {2, JF_PERIOD_MONTH};

/* ---- counting ---------------------------------------------------------------------------------
 */

static void count(jf_fixture_t *fixture, const jf_traffic_key_t *key,
                  const jf_traffic_amount_t *amount)
{
    jf_test_ok(jf_traffic_count(fixture->service->traffic, key, amount, JF_NOW_US, fixture->pool),
               "count");
}

static void test_every_kind_is_counted_for_its_area(void **state)
{
    jf_fixture_t *fixture = *state;
    static const jf_traffic_amount_t download = {
        .sent_bytes = 100, .charged_bytes = 70, .downloads = 1};
    static const jf_traffic_amount_t upload = {.received_bytes = 30, .uploads = 1};
    jf_counted_make_areas(fixture, 2);
    for (int i = 0; i < 3; i++) {
        count(fixture, &monthly, &download);
    }
    count(fixture, &daily, &upload);
    count(fixture, &other, &upload);
    assert_int_equal(jf_counted_sent(fixture, 1), 0);

    assert_int_equal(jf_counted_flush(fixture, JF_NOW_US).accounts, 3);
    jf_traffic_amount_t sums = jf_counted_sums(fixture, 1);
    assert_int_equal(sums.sent_bytes, 300);
    assert_int_equal(sums.received_bytes, 30);
    assert_int_equal(sums.downloads, 3);
    assert_int_equal(sums.uploads, 1);
    sums = jf_counted_sums(fixture, 2);
    assert_int_equal(sums.sent_bytes, 0);
    assert_int_equal(sums.received_bytes, 30);
    assert_int_equal(sums.downloads, 0);
    assert_int_equal(sums.uploads, 1);
    assert_int_equal(jf_counted_charged(fixture, &monthly, JF_NOW_US), 210);
    assert_int_equal(jf_counted_ledger_charged(fixture, &monthly, JF_NOW_US), 210);
    assert_int_equal(jf_counted_charged(fixture, &daily, JF_NOW_US), 0);
}

static void test_charge_is_known_at_once_and_for_ever(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_counted_make_areas(fixture, 1);
    assert_int_equal(jf_counted_charged(fixture, &monthly, JF_NOW_US), 0);
    for (int i = 1; i <= 4; i++) {
        jf_counted_add(fixture, &monthly, 1000, JF_NOW_US);
        assert_int_equal(jf_counted_charged(fixture, &monthly, JF_NOW_US), i * 1000);
        jf_counted_flush(fixture, JF_NOW_US);
        assert_int_equal(jf_counted_charged(fixture, &monthly, JF_NOW_US), i * 1000);
        if (i % 2 == 0) {
            assert_int_equal(jf_counted_flush(fixture, IDLE_US).freed_accounts, 1);
            assert_null(jf_counted_account(fixture, &monthly));
        }
        assert_int_equal(jf_counted_charged(fixture, &monthly, JF_NOW_US), i * 1000);
        assert_int_equal(jf_counted_ledger_charged(fixture, &monthly, JF_NOW_US), i * 1000);
    }
    assert_int_equal(jf_counted_sent(fixture, 1), 4000);
}

static void test_totals_only_grow(void **state)
{
    jf_fixture_t *fixture = *state;
    static const jf_traffic_amount_t amount = {1, 2, 0, 1, 1};
    jf_traffic_totals_t totals;
    jf_counted_make_areas(fixture, AREAS);
    for (int i = 1; i <= AREAS; i++) {
        count(fixture, &(jf_traffic_key_t){i, JF_PERIOD_MONTH}, &amount);
        jf_counted_flush(fixture, i % 20 ? JF_NOW_US : IDLE_US);
        jf_traffic_totals(&totals, fixture->service->traffic);
        assert_int_equal(totals.sent_bytes, i);
        assert_int_equal(totals.received_bytes, i * 2);
        assert_int_equal(totals.downloads, i);
        assert_int_equal(totals.uploads, i);
        assert_int_equal(totals.accounts, i % 20);
        assert_int_equal(totals.accounts_max, SMALL_ACCOUNTS);
    }
}

/* What was estimated too high stands still until the truth is there. */
static void test_totals_never_go_down(void **state)
{
    jf_fixture_t *fixture = *state;
    static const apr_int64_t changes[][2] = {
        {100, 100}, {-30, 100}, {20, 100}, {20, 110}, {-5, 110}};
    jf_counted_make_areas(fixture, 1);
    for (size_t i = 0; i < JF_TEST_COUNT(changes); i++) {
        jf_traffic_totals_t totals;
        jf_traffic_amount_t amount = {.sent_bytes = changes[i][0]};
        count(fixture, &monthly, &amount);
        jf_traffic_totals(&totals, fixture->service->traffic);
        assert_int_equal(totals.sent_bytes, changes[i][1]);
    }
    jf_counted_flush(fixture, JF_NOW_US);
    assert_int_equal(jf_counted_sent(fixture, 1), 105);
}

/* ---- periods ----------------------------------------------------------------------------------
 */

static void test_each_period_begins_with_nothing_charged(void **state)
{
    jf_fixture_t *fixture = *state;
    apr_time_t end_us = jf_period_end(JF_PERIOD_DAY, JF_NOW_US);
    jf_counted_make_areas(fixture, 1);
    jf_counted_add(fixture, &daily, 500, end_us - 1);
    jf_counted_add(fixture, &monthly, 3, end_us - 1);
    assert_int_equal(jf_counted_charged(fixture, &daily, end_us - 1), 500);
    assert_int_equal(jf_counted_charged(fixture, &daily, end_us), 0);

    jf_counted_add(fixture, &daily, 20, end_us);
    assert_int_equal(jf_counted_charged(fixture, &daily, end_us), 20);
    assert_int_equal(jf_counted_charged(fixture, &monthly, end_us), 3);
    jf_counted_flush(fixture, end_us);
    assert_int_equal(jf_counted_ledger_charged(fixture, &daily, end_us), 20);
    assert_int_equal(jf_counted_sent(fixture, 1), 523);
}

/* Requests carry the time of their beginning: some are a little late. */
static void test_latecomers_count_for_the_new_period(void **state)
{
    jf_fixture_t *fixture = *state;
    apr_time_t end_us = jf_period_end(JF_PERIOD_DAY, JF_NOW_US);
    jf_counted_make_areas(fixture, 1);
    jf_counted_add(fixture, &daily, 20, end_us);
    jf_counted_add(fixture, &daily, 1, end_us - 3600 * SECOND_US);
    assert_int_equal(jf_counted_charged(fixture, &daily, end_us), 21);
    assert_int_equal(jf_counted_charged(fixture, &daily, end_us - 1), 21);
}

/* Its account was freed and is made again by a latecomer: what was charged to the new period before
 * still counts. */
static void test_latecomers_do_not_forget_the_new_period(void **state)
{
    jf_fixture_t *fixture = *state;
    apr_time_t end_us = jf_period_end(JF_PERIOD_DAY, JF_NOW_US);
    jf_counted_make_areas(fixture, 1);
    jf_counted_add(fixture, &daily, 20, end_us);
    assert_int_equal(jf_counted_flush(fixture, end_us + JF_TRAFFIC_IDLE_US).freed_accounts, 1);
    jf_counted_add(fixture, &daily, 1, end_us - 1);
    assert_int_equal(jf_counted_charged(fixture, &daily, end_us), 20);
    jf_counted_flush(fixture, end_us);
    jf_counted_add(fixture, &daily, 300, end_us + 1);
    assert_int_equal(jf_counted_charged(fixture, &daily, end_us), 320);
    jf_counted_flush(fixture, end_us);
    assert_int_equal(jf_counted_ledger_charged(fixture, &daily, end_us), 320);
    assert_int_equal(jf_counted_sent(fixture, 1), 321);
}

/* The end of a period is the last that is written, and is on another page than the rest for one of
 * some accounts. */
static jf_traffic_key_t key_across_pages(jf_fixture_t *fixture)
{
    for (int i = 1; i <= PAGE_AREAS; i++) {
        jf_traffic_key_t key = {i, JF_PERIOD_DAY};
        jf_counted_add(fixture, &key, 5, JF_NOW_US);
        const jf_account_t *account = jf_counted_account(fixture, &key);
        if ((uintptr_t)&account->charged_base / PAGE_BYTES !=
            (uintptr_t)&account->period_end_us / PAGE_BYTES) {
            return key;
        }
    }
    fail_msg("no account is across pages");
    return monthly;
}

typedef struct death_t {
    jf_fixture_t *fixture;
    jf_traffic_key_t key;
    apr_time_t now_us;
} death_t;

/* Dies when it writes to the second page. */
static int begin_period_and_die(void *baton)
{
    static const jf_traffic_amount_t amount = {.sent_bytes = 1};
    const death_t *death = baton;
    jf_fixture_t *fixture = death->fixture;
    signal(SIGSEGV, SIG_DFL);
    if (jf_counted_open(fixture)) {
        return 1;
    }
    char *page = (char *)&jf_counted_account(fixture, &death->key)->charged_base;
    page -= (uintptr_t)page % PAGE_BYTES;
    return mprotect(page, PAGE_BYTES, PROT_READ) == 0 &&
                   !jf_traffic_count(fixture->service->traffic, &death->key, &amount, death->now_us,
                                     fixture->pool)
               ? 0
               : 2;
}

static void test_period_whose_beginner_is_killed(void **state)
{
    death_t death = {.fixture = *state, .now_us = jf_period_end(JF_PERIOD_DAY, JF_NOW_US)};
    jf_fixture_t *fixture = death.fixture;
    jf_counted_make_areas(fixture, PAGE_AREAS);
    death.key = key_across_pages(fixture);
    jf_fixture_close(fixture);
    int status = jf_crowd_child(begin_period_and_die, &death);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    jf_test_ok(jf_counted_open(fixture), "open");
    jf_counted_add(fixture, &death.key, 7, death.now_us);
    assert_int_equal(jf_counted_charged(fixture, &death.key, death.now_us), 7);
}

/* A clock that was a year ahead must not stop quotas from being renewed for a year. */
static void test_clock_that_was_far_ahead(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_counted_make_areas(fixture, 1);
    jf_counted_add(fixture, &monthly, 20, JF_NOW_US + 366 * 24 * 3600 * SECOND_US);
    jf_counted_add(fixture, &monthly, 3, JF_NOW_US);
    assert_int_equal(jf_counted_charged(fixture, &monthly, JF_NOW_US), 3);
}

/* ---- no room ----------------------------------------------------------------------------------
 */

static apr_int64_t amount_of(int area, int round)
{
    return 1000 * area + round;
}

static void test_full_table_counts_in_the_ledger(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_traffic_totals_t totals;
    apr_int64_t all_bytes = 0;
    jf_counted_make_areas(fixture, AREAS);
    for (int round = 1; round <= 2; round++) {
        for (int i = 1; i <= AREAS; i++) {
            jf_traffic_key_t key = {i, JF_PERIOD_MONTH};
            jf_counted_add(fixture, &key, amount_of(i, round), JF_NOW_US);
            all_bytes += amount_of(i, round);
        }
    }
    jf_traffic_totals(&totals, fixture->service->traffic);
    assert_int_equal(totals.accounts, SMALL_ACCOUNTS);
    assert_int_equal(totals.sent_bytes, all_bytes);
    assert_int_equal(totals.downloads, 2 * AREAS);
    assert_int_equal(jf_counted_flush(fixture, JF_NOW_US).accounts, SMALL_ACCOUNTS);
    for (int i = 1; i <= AREAS; i++) {
        jf_traffic_key_t key = {i, JF_PERIOD_MONTH};
        apr_int64_t bytes = amount_of(i, 1) + amount_of(i, 2);
        assert_int_equal(jf_counted_sent(fixture, i), bytes);
        assert_int_equal(jf_counted_sums(fixture, i).downloads, 2);
        assert_int_equal(jf_counted_charged(fixture, &key, JF_NOW_US), bytes);
        assert_int_equal(jf_counted_ledger_charged(fixture, &key, JF_NOW_US), bytes);
    }
}

static void test_room_comes_back(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_traffic_key_t last = {AREAS, JF_PERIOD_MONTH};
    jf_transfer_t transfer;
    jf_transfer_request_t request = {last, JF_TRANSFER_DOWNLOAD, 10, JF_UNLIMITED, 0, 0};
    jf_counted_make_areas(fixture, AREAS);
    for (int i = 1; i <= AREAS; i++) {
        jf_counted_add(fixture, &(jf_traffic_key_t){i, JF_PERIOD_MONTH}, 7, JF_NOW_US);
    }
    jf_test_refused(
        jf_transfer_begin(&transfer, fixture->service->traffic, &request, JF_NOW_US, fixture->pool),
        JF_ERR_BUSY, "no room");
    /* What is not in the ledger yet stays, however old it is. */
    assert_int_equal(
        jf_counted_flush(fixture, JF_NOW_US + JF_TRAFFIC_IDLE_CROWDED_US - 1).freed_accounts, 0);
    assert_int_equal(
        jf_counted_flush(fixture, JF_NOW_US + JF_TRAFFIC_IDLE_CROWDED_US).freed_accounts,
        SMALL_ACCOUNTS);
    jf_test_ok(
        jf_transfer_begin(&transfer, fixture->service->traffic, &request, JF_NOW_US, fixture->pool),
        "room");
    jf_transfer_end(&transfer);
    assert_int_equal(jf_counted_charged(fixture, &last, JF_NOW_US), 7);
    assert_int_equal(jf_counted_sent(fixture, AREAS), 7);
}

/* A key has no room for such a number; nobody will ever have it. */
static void test_number_that_fits_no_key(void **state)
{
    jf_fixture_t *fixture = *state;
    static const apr_int64_t ids[] = {0, -1, (apr_int64_t)1 << 39, APR_INT64_MAX};
    for (size_t i = 0; i < JF_TEST_COUNT(ids); i++) {
        jf_traffic_totals_t totals;
        jf_counted_add(fixture, &(jf_traffic_key_t){ids[i], JF_PERIOD_MONTH}, 1, JF_NOW_US);
        jf_traffic_totals(&totals, fixture->service->traffic);
        assert_int_equal(totals.accounts, 0);
    }
}

static void test_ledger_that_cannot_be_asked(void **state)
{
    jf_fixture_t *fixture = *state;
    apr_pool_t *pool = fixture->pool;
    static const jf_traffic_amount_t amount = {.sent_bytes = 5};
    const char *moved = apr_pstrcat(pool, fixture->database, ".moved", NULL);
    jf_traffic_t *traffic;
    jf_ledger_t *ledger;
    jf_counted_make_areas(fixture, 2);
    jf_counted_add(fixture, &monthly, 4, JF_NOW_US);

    assert_int_equal(rename(fixture->database, moved), 0);
    jf_test_ok(jf_ledger_open(&ledger, fixture->database, JF_DURABILITY_FULL, pool), "ledger");
    jf_test_ok(jf_traffic_open(&traffic, fixture->directory, ledger, pool), "open");
    jf_test_ok(jf_traffic_count(traffic, &monthly, &amount, JF_NOW_US, pool), "an account");
    jf_test_refused(jf_traffic_count(traffic, &other, &amount, JF_NOW_US, pool), JF_ERR_UNAVAILABLE,
                    "a new account");
    assert_int_equal(rename(moved, fixture->database), 0);
    jf_test_ok(jf_traffic_count(traffic, &other, &amount, JF_NOW_US, pool), "a new account");
    jf_traffic_close(traffic);
    jf_ledger_close(ledger);
    jf_counted_flush(fixture, JF_NOW_US);
    assert_int_equal(jf_counted_sent(fixture, 1), 9);
    assert_int_equal(jf_counted_sent(fixture, 2), 5);
}

static const struct CMUnitTest tests[] = {
    JF_COUNTED_TEST(test_every_kind_is_counted_for_its_area),
    JF_SMALL_TEST(test_charge_is_known_at_once_and_for_ever),
    JF_SMALL_TEST(test_totals_only_grow),
    JF_COUNTED_TEST(test_totals_never_go_down),
    JF_COUNTED_TEST(test_each_period_begins_with_nothing_charged),
    JF_COUNTED_TEST(test_latecomers_count_for_the_new_period),
    JF_COUNTED_TEST(test_latecomers_do_not_forget_the_new_period),
    JF_COUNTED_TEST(test_period_whose_beginner_is_killed),
    JF_COUNTED_TEST(test_clock_that_was_far_ahead),
    JF_SMALL_TEST(test_full_table_counts_in_the_ledger),
    JF_SMALL_TEST(test_room_comes_back),
    JF_SMALL_TEST(test_number_that_fits_no_key),
    JF_COUNTED_TEST(test_ledger_that_cannot_be_asked),
};

JF_TEST_MAIN(tests)
