/*
 * What a flush tidies up: accounts that nobody needs, and what processes that are no more have
 * left.
 */
#include "t_counted.h"

#include <signal.h>
#include <sys/wait.h>

static const jf_traffic_key_t monthly = {1, JF_PERIOD_MONTH};

/* ---- accounts that nobody needs ---------------------------------------------------------------
 */

static void test_account_goes_when_it_is_idle(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_counted_make_areas(fixture, 1);
    jf_counted_add(fixture, &monthly, 5, JF_NOW_US);
    assert_int_equal(jf_counted_flush(fixture, IDLE_US - 1).freed_accounts, 0);
    jf_counted_add(fixture, &monthly, 5, JF_NOW_US + 1);
    assert_int_equal(jf_counted_flush(fixture, IDLE_US).freed_accounts, 0);
    assert_int_equal(jf_counted_flush(fixture, IDLE_US + 1).freed_accounts, 1);
    assert_null(jf_counted_account(fixture, &monthly));
    assert_int_equal(jf_counted_sent(fixture, 1), 10);
}

static void test_account_stays_while_there_is_a_transfer(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_transfer_t transfer;
    jf_transfer_request_t request = {monthly, JF_TRANSFER_UPLOAD, -1, JF_UNLIMITED, 0, 0};
    jf_counted_make_areas(fixture, 1);
    jf_test_ok(
        jf_transfer_begin(&transfer, fixture->service->traffic, &request, JF_NOW_US, fixture->pool),
        "begin");
    for (int i = 1; i < 5; i++) {
        assert_int_equal(jf_counted_flush(fixture, JF_NOW_US + i * 3600 * SECOND_US).freed_accounts,
                         0);
    }
    jf_transfer_progress(&transfer, 77, JF_NOW_US);
    assert_int_equal(jf_counted_flush(fixture, IDLE_US).freed_accounts, 0);
    jf_transfer_end(&transfer);
    assert_int_equal(jf_counted_flush(fixture, IDLE_US).freed_accounts, 1);
    assert_int_equal(jf_counted_sums(fixture, 1).received_bytes, 77);
}

/* What was staged for a batch that failed, and was then corrected to nothing, must not look like
 * something of the area that has the place next. */
static void test_freed_account_has_nothing_staged(void **state)
{
    jf_fixture_t *fixture = *state;
    static const jf_traffic_amount_t back = {
        .sent_bytes = -7, .charged_bytes = -7, .downloads = -1};
    jf_traffic_flush_t result;
    jf_counted_make_areas(fixture, 1);
    jf_counted_add(fixture, &monthly, 7, JF_NOW_US);
    jf_ledger_stop(fixture->ledger);
    jf_test_refused(jf_traffic_flush(&result, fixture->service->traffic, JF_NOW_US, fixture->pool),
                    JF_ERR_UNAVAILABLE, "flush");
    jf_test_ok(
        jf_traffic_count(fixture->service->traffic, &monthly, &back, JF_NOW_US, fixture->pool),
        "back");
    const jf_account_t *account = jf_counted_account(fixture, &monthly);
    assert_int_equal(account->staged[JF_COUNT_SENT], 7);
    assert_int_equal(jf_counted_flush(fixture, IDLE_US).freed_accounts, 1);
    assert_int_equal(account->staged[JF_COUNT_SENT], account->written[JF_COUNT_SENT]);
    assert_int_equal(account->staged[JF_COUNT_DOWNLOADS], account->written[JF_COUNT_DOWNLOADS]);
}

/* A thread that was killed while it was counting keeps the account for two minutes, not for ever.
 */
static void test_forgotten_pin(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_counted_make_areas(fixture, 1);
    jf_counted_add(fixture, &monthly, 5, JF_NOW_US);
    jf_counted_account(fixture, &monthly)->pins = 1;
    assert_int_equal(jf_counted_flush(fixture, IDLE_US).freed_accounts, 0);
    assert_int_equal(jf_counted_flush(fixture, IDLE_US + JF_TRAFFIC_IDLE_US - 1).freed_accounts, 0);
    assert_int_equal(jf_counted_account(fixture, &monthly)->pins, 1);
    /* One who comes back from a pause in time starts it anew. */
    jf_counted_add(fixture, &monthly, 5, IDLE_US);
    assert_int_equal(jf_counted_flush(fixture, IDLE_US + JF_TRAFFIC_IDLE_US - 1).freed_accounts, 0);
    apr_time_t seen_us = IDLE_US + JF_TRAFFIC_IDLE_US;
    assert_int_equal(jf_counted_flush(fixture, seen_us).freed_accounts, 0);
    assert_int_equal(jf_counted_flush(fixture, seen_us + JF_TRAFFIC_IDLE_US - 1).freed_accounts, 0);
    assert_int_equal(jf_counted_flush(fixture, seen_us + JF_TRAFFIC_IDLE_US).freed_accounts, 1);
    assert_int_equal(jf_counted_sent(fixture, 1), 10);
}

/* One who was freeing the account has died in the middle. */
static void test_mark_that_was_left(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_counted_make_areas(fixture, 1);
    jf_counted_add(fixture, &monthly, 5, JF_NOW_US);
    *jf_counted_word(fixture, &monthly) |= JF_KEY_FREEING;
    jf_counted_add(fixture, &monthly, 20, JF_NOW_US);
    assert_int_equal(jf_counted_charged(fixture, &monthly, JF_NOW_US), 25);
    *jf_counted_word(fixture, &monthly) |= JF_KEY_FREEING;
    assert_int_equal(jf_counted_flush(fixture, JF_NOW_US).accounts, 1);
    jf_counted_add(fixture, &monthly, 300, JF_NOW_US);
    assert_int_equal(jf_counted_account(fixture, &monthly)->counted[JF_COUNT_SENT], 325);
    jf_counted_flush(fixture, JF_NOW_US);
    assert_int_equal(jf_counted_sent(fixture, 1), 325);
    *jf_counted_word(fixture, &monthly) |= JF_KEY_FREEING;
    assert_int_equal(jf_counted_flush(fixture, IDLE_US).freed_accounts, 1);
}

/* ---- processes that are no more ---------------------------------------------------------------
 */

/* Four downloads and four uploads. */
static int begin_and_die(void *baton)
{
    jf_fixture_t *fixture = baton;
    static jf_transfer_t transfers[8];
    jf_transfer_request_t request = {monthly, JF_TRANSFER_DOWNLOAD, 100, 100000, 1, 1};
    if (jf_counted_open(fixture)) {
        return 1;
    }
    for (size_t i = 0; i < JF_TEST_COUNT(transfers); i++) {
        request.direction = i % 2 ? JF_TRANSFER_UPLOAD : JF_TRANSFER_DOWNLOAD;
        if (jf_transfer_begin(&transfers[i], fixture->service->traffic, &request, JF_NOW_US,
                              fixture->pool)) {
            return 2;
        }
        jf_transfer_progress(&transfers[i], 30, JF_NOW_US);
    }
    raise(SIGKILL);
    return 3;
}

static void murder(jf_fixture_t *fixture)
{
    int status = jf_crowd_child(begin_and_die, fixture);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* While somebody lives who does not know them, the next flush takes them back. */
static void test_transfers_of_the_dead_are_taken_back(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_transfer_t transfer;
    jf_transfer_request_t request = {monthly, JF_TRANSFER_DOWNLOAD, 100, 100000, 1, 1};
    jf_traffic_t *traffic;
    jf_counted_make_areas(fixture, 1);
    jf_test_ok(jf_counted_open(fixture), "open");
    traffic = fixture->service->traffic;
    jf_test_ok(jf_transfer_begin(&transfer, traffic, &request, JF_NOW_US, fixture->pool), "begin");
    murder(&(jf_fixture_t){
        .pool = fixture->pool, .directory = fixture->directory, .database = fixture->database});
    const jf_account_t *account = jf_counted_account(fixture, &monthly);
    assert_int_equal(jf_account_promised(account), 100 + 4 * 70);
    assert_int_equal(jf_transfer_sharers(&transfer), 5);
    assert_int_equal(jf_account_sharers(account, JF_TRANSFER_UPLOAD), 4);

    assert_int_equal(jf_counted_flush(fixture, JF_NOW_US).dead_transfers, 8);
    assert_int_equal(jf_account_promised(account), 100);
    assert_int_equal(jf_account_transfers(account), 1);
    assert_int_equal(jf_transfer_sharers(&transfer), 1);
    assert_int_equal(jf_account_sharers(account, JF_TRANSFER_UPLOAD), 0);
    assert_int_equal(jf_traffic_active(traffic, fixture->pool)->nelts, 1);
    jf_transfer_end(&transfer);
    assert_int_equal(jf_counted_flush(fixture, JF_NOW_US).dead_transfers, 0);
    jf_counted_expect_nothing_held(fixture, &monthly);
    assert_int_equal(jf_counted_sent(fixture, 1), 120);
    assert_int_equal(jf_counted_sums(fixture, 1).received_bytes, 120);
}

/* The first who comes after all are dead clears the table without a flush, also of what was not in
 * the list. */
static void test_cold_start(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_counted_make_areas(fixture, 1);
    for (int i = 0; i < 3; i++) {
        murder(fixture);
        jf_test_ok(jf_counted_open(fixture), "open");
        jf_account_t *account = jf_counted_account(fixture, &monthly);
        assert_non_null(account);
        jf_counted_expect_nothing_held(fixture, &monthly);
        account->unlisted = 3;
        jf_account_promise(account, 3);
        account->pins = 3;
        jf_fixture_close(fixture);
        jf_test_ok(jf_counted_open(fixture), "open");
        account = jf_counted_account(fixture, &monthly);
        jf_counted_expect_nothing_held(fixture, &monthly);
        assert_int_equal(account->unlisted, 0);
        assert_int_equal(account->pins, 0);
        jf_counted_flush(fixture, IDLE_US);
        assert_int_equal(jf_counted_sent(fixture, 1), 120 * (i + 1));
        jf_fixture_close(fixture);
    }
}

/* The index of the dead goes to the next process, which is alive. */
static void test_next_process_with_the_same_index(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_traffic_t *first;
    jf_counted_make_areas(fixture, 1);
    jf_test_ok(jf_counted_open(fixture), "open");
    murder(&(jf_fixture_t){
        .pool = fixture->pool, .directory = fixture->directory, .database = fixture->database});
    jf_test_ok(jf_traffic_open(&first, fixture->directory, fixture->ledger, fixture->pool), "open");
    assert_int_equal(first->owner, 2);
    jf_counted_expect_nothing_held(fixture, &monthly);
    jf_traffic_close(first);
}

/* More processes than there are indexes: whoever has none is not listed, and counts all the same.
 */
static void test_process_without_an_index(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_traffic_t *traffics[SMALL_PROCESSES];
    jf_transfer_t transfer;
    jf_transfer_request_t request = {monthly, JF_TRANSFER_DOWNLOAD, 100, 1000, 1, 1};
    jf_counted_make_areas(fixture, 1);
    for (int i = 0; i < SMALL_PROCESSES; i++) {
        jf_test_ok(
            jf_traffic_open(&traffics[i], fixture->directory, fixture->ledger, fixture->pool),
            "open");
    }
    jf_traffic_t *last = traffics[SMALL_PROCESSES - 1];
    jf_test_ok(jf_transfer_begin(&transfer, last, &request, JF_NOW_US, fixture->pool), "begin");
    jf_transfer_progress(&transfer, 40, JF_NOW_US);
    jf_counted_flush(fixture, IDLE_US);
    const jf_account_t *account = jf_counted_account(fixture, &monthly);
    assert_int_equal(jf_traffic_active(last, fixture->pool)->nelts, 0);
    assert_int_equal(jf_account_promised(account), 60);
    assert_int_equal(jf_account_sharers(account, JF_TRANSFER_DOWNLOAD), 1);
    jf_transfer_end(&transfer);
    jf_counted_expect_nothing_held(fixture, &monthly);
    assert_int_equal(account->unlisted, 0);
    assert_int_equal(jf_counted_sent(fixture, 1), 40);
    for (int i = 0; i < SMALL_PROCESSES; i++) {
        jf_traffic_close(traffics[i]);
    }
}

/* Somebody was killed after he had added to the account and before he noted it in the list. */
static void test_what_nobody_holds_is_cleared(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_transfer_t transfer;
    jf_transfer_request_t request = {monthly, JF_TRANSFER_DOWNLOAD, 100, 1000, 1, 1};
    jf_counted_make_areas(fixture, 1);
    jf_test_ok(
        jf_transfer_begin(&transfer, fixture->service->traffic, &request, JF_NOW_US, fixture->pool),
        "begin");
    jf_account_t *account = jf_counted_account(fixture, &monthly);
    jf_account_promise(account, 5);
    jf_account_hold(account, 1);
    jf_account_share(account, JF_TRANSFER_DOWNLOAD, 1);
    jf_account_share(account, JF_TRANSFER_UPLOAD, 1);
    jf_counted_flush(fixture, JF_NOW_US);
    assert_int_equal(jf_account_promised(account), 105); /* who knows whose it is */
    jf_transfer_end(&transfer);
    account->unlisted = 1;
    jf_counted_flush(fixture, JF_NOW_US);
    assert_int_equal(jf_account_promised(account), 5);
    account->unlisted = 0;
    jf_counted_flush(fixture, JF_NOW_US);
    jf_counted_expect_nothing_held(fixture, &monthly);
}

static const struct CMUnitTest tests[] = {
    JF_COUNTED_TEST(test_account_goes_when_it_is_idle),
    JF_COUNTED_TEST(test_account_stays_while_there_is_a_transfer),
    JF_COUNTED_TEST(test_freed_account_has_nothing_staged),
    JF_COUNTED_TEST(test_forgotten_pin),
    JF_COUNTED_TEST(test_mark_that_was_left),
    JF_SMALL_CLOSED_TEST(test_transfers_of_the_dead_are_taken_back),
    JF_SMALL_CLOSED_TEST(test_cold_start),
    JF_SMALL_CLOSED_TEST(test_next_process_with_the_same_index),
    JF_SMALL_TEST(test_process_without_an_index),
    JF_COUNTED_TEST(test_what_nobody_holds_is_cleared),
};

JF_TEST_MAIN(tests)
