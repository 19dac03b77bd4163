/*
 * Transfers in progress: what they promise, what they share, and the list of them.
 */
#include "t_counted.h"

static const jf_traffic_key_t monthly = {1, JF_PERIOD_MONTH};

static jf_transfer_request_t download(apr_int64_t size_bytes, apr_int64_t quota_bytes)
{
    return (jf_transfer_request_t){monthly, JF_TRANSFER_DOWNLOAD, size_bytes, quota_bytes, 1, 0};
}

static jf_transfer_request_t paced(apr_int64_t area_id, jf_period_t period,
                                   jf_direction_t direction)
{
    return (jf_transfer_request_t){{area_id, period}, direction, -1, JF_UNLIMITED, 0, 1};
}

static jf_transfer_t begin(jf_fixture_t *fixture, jf_transfer_request_t request)
{
    jf_transfer_t transfer;
    jf_test_ok(
        jf_transfer_begin(&transfer, fixture->service->traffic, &request, JF_NOW_US, fixture->pool),
        "begin");
    return transfer;
}

static void expect_refused(jf_fixture_t *fixture, jf_transfer_request_t request,
                           apr_int64_t used_bytes)
{
    jf_transfer_t transfer;
    jf_err_t *err =
        jf_transfer_begin(&transfer, fixture->service->traffic, &request, JF_NOW_US, fixture->pool);
    jf_test_refused(err, JF_ERR_TRANSFER_QUOTA, "begin");
    assert_int_equal(err->limit_bytes, request.quota_bytes);
    assert_int_equal(err->used_bytes, used_bytes);
}

static void expect_account(jf_fixture_t *fixture, apr_int64_t charged_bytes,
                           apr_int64_t promised_bytes)
{
    assert_int_equal(jf_counted_charged(fixture, &monthly, JF_NOW_US), charged_bytes);
    assert_int_equal(jf_account_promised(jf_counted_account(fixture, &monthly)), promised_bytes);
}

/* ---- promises ---------------------------------------------------------------------------------
 */

static void test_promise_becomes_a_charge(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_counted_make_areas(fixture, 1);
    jf_transfer_t transfer = begin(fixture, download(1000, 5000));
    expect_account(fixture, 0, 1000);
    jf_transfer_progress(&transfer, 300, JF_NOW_US);
    expect_account(fixture, 300, 700);
    jf_transfer_progress(&transfer, 200, JF_NOW_US); /* it was an estimate */
    expect_account(fixture, 200, 800);
    jf_transfer_progress(&transfer, 1200, JF_NOW_US); /* framing that nobody had foreseen */
    expect_account(fixture, 1200, 0);
    jf_transfer_progress(&transfer, 900, JF_NOW_US);
    expect_account(fixture, 900, 100);
    jf_transfer_settle(&transfer, 950, 1, JF_NOW_US);
    expect_account(fixture, 950, 0);
    jf_transfer_progress(&transfer, 940, JF_NOW_US);
    expect_account(fixture, 940, 0);
    jf_transfer_end(&transfer);
    expect_account(fixture, 940, 0);
    jf_counted_expect_nothing_held(fixture, &monthly);
    jf_counted_flush(fixture, JF_NOW_US);
    assert_int_equal(jf_counted_sent(fixture, 1), 940);
    assert_int_equal(jf_counted_sums(fixture, 1).downloads, 1);
}

static void test_end_alone_gives_the_promise_back(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_counted_make_areas(fixture, 1);
    for (int i = 0; i < 3; i++) {
        jf_transfer_t transfer = begin(fixture, download(1000, 5000));
        jf_transfer_progress(&transfer, 10, JF_NOW_US);
        jf_transfer_end(&transfer);
        expect_account(fixture, 10 * (i + 1), 0);
    }
    jf_counted_expect_nothing_held(fixture, &monthly);
    jf_counted_flush(fixture, JF_NOW_US);
    assert_int_equal(jf_counted_sums(fixture, 1).downloads, 0);
}

/* A download is let in while there is anything left, and never more than one too much. */
static void test_quota_is_for_what_is_charged_and_promised(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_counted_make_areas(fixture, 1);
    expect_refused(fixture, download(1, 0), 0);
    jf_transfer_t first = begin(fixture, download(600, 1000));
    jf_transfer_t second = begin(fixture, download(399, 1000));
    jf_transfer_t third = begin(fixture, download(5000, 1000));
    expect_refused(fixture, download(1, 1000), 5999);
    jf_transfer_progress(&third, 500, JF_NOW_US);
    expect_refused(fixture, download(1, 1000), 5999);
    jf_transfer_settle(&third, 500, 1, JF_NOW_US);
    expect_refused(fixture, download(1, 1000), 1499);
    jf_transfer_settle(&second, 0, 0, JF_NOW_US);
    expect_refused(fixture, download(1, 1000), 1100);
    jf_transfer_settle(&first, 499, 1, JF_NOW_US);
    jf_transfer_t fourth = begin(fixture, download(1, 1000));
    expect_refused(fixture, download(1, 1000), 1000);
    jf_transfer_end(&first);
    jf_transfer_end(&second);
    jf_transfer_end(&third);
    jf_transfer_settle(&fourth, 1, 1, JF_NOW_US);
    jf_transfer_end(&fourth);
    expect_refused(fixture, download(1, 1000), 1000);
    jf_counted_expect_nothing_held(fixture, &monthly);
    jf_counted_flush(fixture, JF_NOW_US);
    assert_int_equal(jf_counted_ledger_charged(fixture, &monthly, JF_NOW_US), 1000);
    assert_int_equal(jf_counted_sums(fixture, 1).downloads, 3);
}

static void test_what_is_not_limited_promises_nothing(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_transfer_request_t unlimited = download(1000, JF_UNLIMITED);
    jf_transfer_request_t unknown = download(-1, 1);
    jf_transfer_request_t owner = download(1000, 1);
    jf_transfer_request_t upload = download(1000, 1);
    owner.is_charged = 0;
    upload.direction = JF_TRANSFER_UPLOAD;
    const jf_transfer_request_t *const all[] = {&unknown, &owner, &upload, &unlimited};
    static const apr_int64_t charged_bytes[] = {70, 70, 70, 140};
    jf_counted_make_areas(fixture, 1);
    for (size_t i = 0; i < JF_TEST_COUNT(all); i++) {
        jf_transfer_t transfer = begin(fixture, *all[i]);
        expect_account(fixture, i ? charged_bytes[i - 1] : 0, 0);
        jf_transfer_progress(&transfer, 30, JF_NOW_US);
        jf_transfer_settle(&transfer, 70, 1, JF_NOW_US);
        expect_account(fixture, charged_bytes[i], 0);
        jf_transfer_end(&transfer);
    }
    jf_counted_flush(fixture, JF_NOW_US);
    jf_traffic_amount_t sums = jf_counted_sums(fixture, 1);
    assert_int_equal(sums.sent_bytes, 210);
    assert_int_equal(sums.downloads, 3);
    assert_int_equal(sums.received_bytes, 70);
    assert_int_equal(sums.uploads, 1);
}

/* A request for a part of the file, or one that is answered with 304, gives the rest back at once.
 */
static void test_promise_is_for_what_is_expected(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_counted_make_areas(fixture, 1);
    jf_transfer_t transfer = begin(fixture, download(1000, 5000));
    jf_transfer_expect(&transfer, 200);
    expect_account(fixture, 0, 200);
    jf_transfer_progress(&transfer, 50, JF_NOW_US);
    expect_account(fixture, 50, 150);
    apr_array_header_t *active = jf_traffic_active(fixture->service->traffic, fixture->pool);
    assert_int_equal(APR_ARRAY_IDX(active, 0, jf_active_t).size_bytes, 200);
    jf_transfer_expect(&transfer, 0);
    expect_account(fixture, 50, 0);
    jf_transfer_settle(&transfer, 50, 1, JF_NOW_US);
    jf_transfer_expect(&transfer, 1000);
    expect_account(fixture, 50, 0);
    jf_transfer_end(&transfer);
    jf_counted_expect_nothing_held(fixture, &monthly);

    jf_transfer_t unlimited = begin(fixture, download(1000, JF_UNLIMITED));
    jf_transfer_expect(&unlimited, 10);
    expect_account(fixture, 50, 0);
    jf_transfer_end(&unlimited);
}

/* A download that goes on is charged to the period that its bytes are sent in. */
static void test_promise_lasts_into_the_next_period(void **state)
{
    jf_fixture_t *fixture = *state;
    apr_time_t end_us = jf_period_end(JF_PERIOD_MONTH, JF_NOW_US);
    jf_counted_make_areas(fixture, 1);
    jf_transfer_t transfer = begin(fixture, download(1000, 5000));
    jf_transfer_progress(&transfer, 300, JF_NOW_US);
    jf_transfer_progress(&transfer, 400, end_us);
    assert_int_equal(jf_counted_charged(fixture, &monthly, end_us), 100);
    assert_int_equal(jf_account_promised(jf_counted_account(fixture, &monthly)), 600);
    jf_transfer_settle(&transfer, 250, 1, end_us + SECOND_US);
    assert_int_equal(jf_counted_charged(fixture, &monthly, end_us), 0); /* never less */
    jf_transfer_end(&transfer);
    jf_counted_flush(fixture, end_us);
    assert_int_equal(jf_counted_sent(fixture, 1), 250);
}

/* ---- shares -----------------------------------------------------------------------------------
 */

static void test_shares_are_by_area_period_and_direction(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_transfer_t downloads[5], others[4];
    jf_counted_make_areas(fixture, 2);
    others[0] = begin(fixture, paced(1, JF_PERIOD_MONTH, JF_TRANSFER_UPLOAD));
    others[1] = begin(fixture, paced(1, JF_PERIOD_DAY, JF_TRANSFER_DOWNLOAD));
    others[2] = begin(fixture, paced(2, JF_PERIOD_MONTH, JF_TRANSFER_DOWNLOAD));
    others[3] = begin(fixture, download(5, JF_UNLIMITED));
    for (int i = 0; i < 5; i++) {
        downloads[i] = begin(fixture, paced(1, JF_PERIOD_MONTH, JF_TRANSFER_DOWNLOAD));
        assert_int_equal(jf_transfer_sharers(&downloads[0]), i + 1);
    }
    for (int i = 0; i < 4; i++) {
        assert_int_equal(jf_transfer_sharers(&others[i]), i == 3 ? 5 : 1);
    }
    for (int i = 0; i < 5; i++) {
        jf_transfer_settle(&downloads[i], 10, 1, JF_NOW_US);
        assert_int_equal(jf_transfer_sharers(&others[3]), 5 - i); /* until it ends */
        jf_transfer_end(&downloads[i]);
        assert_int_equal(jf_transfer_sharers(&others[3]), i < 4 ? 4 - i : 1);
    }
    expect_refused(fixture, (jf_transfer_request_t){monthly, JF_TRANSFER_DOWNLOAD, 1, 0, 1, 1}, 0);
    assert_int_equal(
        jf_account_sharers(jf_counted_account(fixture, &monthly), JF_TRANSFER_DOWNLOAD), 0);
}

/* ---- the list ---------------------------------------------------------------------------------
 */

static void test_list_says_what_is_going_on(void **state)
{
    jf_fixture_t *fixture = *state;
    const jf_traffic_t *traffic = fixture->service->traffic;
    jf_counted_make_areas(fixture, 2);
    jf_transfer_t first = begin(fixture, download(5000, JF_UNLIMITED));
    jf_transfer_t second = begin(fixture, paced(2, JF_PERIOD_MONTH, JF_TRANSFER_UPLOAD));
    jf_transfer_progress(&first, 900, JF_NOW_US + SECOND_US / 2);
    jf_transfer_progress(&second, 7, JF_NOW_US);
    apr_array_header_t *active = jf_traffic_active(traffic, fixture->pool);
    assert_int_equal(active->nelts, 2);
    const jf_active_t *one = &APR_ARRAY_IDX(active, 0, jf_active_t);
    assert_int_equal(one->area_id, 1);
    assert_int_equal(one->direction, JF_TRANSFER_DOWNLOAD);
    assert_int_equal(one->is_paced, 0);
    assert_int_equal(one->size_bytes, 5000);
    assert_int_equal(one->done_bytes, 900);
    assert_int_equal(one->bytes_per_s, 0); /* half a second says little */
    assert_int_equal(one->started_us, JF_NOW_US);
    const jf_active_t *two = &APR_ARRAY_IDX(active, 1, jf_active_t);
    assert_int_equal(two->area_id, 2);
    assert_int_equal(two->direction, JF_TRANSFER_UPLOAD);
    assert_int_equal(two->is_paced, 1);
    assert_int_equal(two->size_bytes, -1);
    assert_int_equal(two->done_bytes, 7);

    jf_transfer_end(&first);
    active = jf_traffic_active(traffic, fixture->pool);
    assert_int_equal(active->nelts, 1);
    assert_int_equal(APR_ARRAY_IDX(active, 0, jf_active_t).area_id, 2);
    jf_transfer_end(&second);
    jf_counted_expect_nothing_held(fixture, &monthly);
}

static void test_speed_is_of_the_last_second_or_more(void **state)
{
    jf_fixture_t *fixture = *state;
    static const struct {
        apr_time_t after_us;
        apr_int64_t done_bytes;
        apr_int64_t bytes_per_s;
    } steps[] = {
        {999999, 900, 0},      {1000000, 1000, 1000}, {1500000, 9000, 1000},
        {3000000, 5000, 2000}, {4000000, 4900, 0}, /* corrected */
        {5000000, 7000, 2100}, {0, 7001, 2100},    /* a clock that was set back */
    };
    jf_counted_make_areas(fixture, 1);
    jf_transfer_t transfer = begin(fixture, download(-1, JF_UNLIMITED));
    for (size_t i = 0; i < JF_TEST_COUNT(steps); i++) {
        jf_transfer_progress(&transfer, steps[i].done_bytes, JF_NOW_US + steps[i].after_us);
        apr_array_header_t *active = jf_traffic_active(fixture->service->traffic, fixture->pool);
        assert_int_equal(APR_ARRAY_IDX(active, 0, jf_active_t).bytes_per_s, steps[i].bytes_per_s);
    }
    jf_transfer_end(&transfer);
}

/* Whoever finds no room in the list is let in all the same, and holds the same. */
static void test_full_list(void **state)
{
    jf_fixture_t *fixture = *state;
    const jf_traffic_t *traffic = fixture->service->traffic;
    jf_transfer_t transfers[SMALL_LISTINGS + 3];
    jf_transfer_request_t request = download(100, 100000);
    int count = JF_TEST_COUNT(transfers);
    request.is_paced = 1;
    jf_counted_make_areas(fixture, 1);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < count; i++) {
            transfers[i] = begin(fixture, request);
            jf_transfer_progress(&transfers[i], 40, JF_NOW_US);
        }
        assert_int_equal(jf_traffic_active(traffic, fixture->pool)->nelts, SMALL_LISTINGS);
        expect_account(fixture, 40 * count * (round + 1), 60 * count);
        assert_int_equal(jf_transfer_sharers(&transfers[0]), count);
        jf_counted_flush(fixture, IDLE_US);
        expect_account(fixture, 40 * count * (round + 1), 60 * count);
        for (int i = 0; i < count; i++) {
            jf_transfer_end(&transfers[(i * 7 + round) % count]);
        }
        jf_counted_expect_nothing_held(fixture, &monthly);
        assert_int_equal(jf_counted_account(fixture, &monthly)->unlisted, 0);
        jf_counted_flush(fixture, JF_NOW_US);
        assert_int_equal(jf_counted_sent(fixture, 1), 40 * count * (round + 1));
    }
}

static const struct CMUnitTest tests[] = {
    JF_COUNTED_TEST(test_promise_becomes_a_charge),
    JF_COUNTED_TEST(test_end_alone_gives_the_promise_back),
    JF_COUNTED_TEST(test_quota_is_for_what_is_charged_and_promised),
    JF_COUNTED_TEST(test_what_is_not_limited_promises_nothing),
    JF_COUNTED_TEST(test_promise_is_for_what_is_expected),
    JF_COUNTED_TEST(test_promise_lasts_into_the_next_period),
    JF_COUNTED_TEST(test_shares_are_by_area_period_and_direction),
    JF_COUNTED_TEST(test_list_says_what_is_going_on),
    JF_COUNTED_TEST(test_speed_is_of_the_last_second_or_more),
    JF_SMALL_TEST(test_full_list),
};

JF_TEST_MAIN(tests)
