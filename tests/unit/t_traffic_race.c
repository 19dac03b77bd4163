/*
 * Many at once, where time and quotas end: periods that begin while others count, and downloads
 * that are let in while others are charged.
 */
#include "t_counted.h"

#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include "jf_units.h"

#define WORKERS 3
#define THREADS 3

/* In memory that all processes share. */
#define PERIODS 10
typedef struct crowd_t {
    apr_time_t now_us;
    apr_uint32_t wrong;
    apr_uint32_t running; /* workers that have not ended */
    apr_uint32_t next;    /* worker that will be started */
    apr_int64_t counted[PERIODS][WORKERS * THREADS];
} crowd_t;

typedef struct worker_t {
    jf_traffic_t *traffic;
    crowd_t *crowd;
    int number;
} worker_t;

/* Everything that is not in use is idle, and a pin is never old. */
static void flush_until_all_have_ended(jf_traffic_t *traffic, void *baton)
{
    crowd_t *crowd = baton;
    while (jf_get(&crowd->running)) {
        apr_pool_t *pool;
        jf_traffic_flush_t result;
        apr_pool_create(&pool, NULL);
        if (jf_traffic_flush(&result, traffic, jf_get(&crowd->now_us) + JF_TRAFFIC_IDLE_US, pool)) {
            jf_add(&crowd->wrong, 1);
        }
        apr_pool_destroy(pool);
        usleep(200);
    }
}

/* Starts a flusher and the workers; @a meanwhile runs here until all have ended. */
static void run(jf_fixture_t *fixture, crowd_t *crowd, void (*work)(jf_traffic_t *, void *),
                void (*meanwhile)(crowd_t *crowd))
{
    pid_t workers[WORKERS];
    crowd->now_us = JF_NOW_US;
    crowd->running = WORKERS;
    jf_counted_make_crowded(fixture, 1);
    pid_t flusher = jf_counted_start(fixture, flush_until_all_have_ended, crowd);
    for (int i = 0; i < WORKERS; i++) {
        workers[i] = jf_counted_start(fixture, work, crowd);
    }
    if (meanwhile) {
        meanwhile(crowd);
    }
    for (int i = 0; i < WORKERS; i++) {
        jf_counted_expect_end(workers[i]);
    }
    jf_counted_expect_end(flusher);
    assert_int_equal(crowd->wrong, 0);
    jf_test_ok(jf_counted_open(fixture), "open");
    jf_counted_flush(fixture, crowd->now_us);
}

static void work_in_threads(jf_traffic_t *traffic, crowd_t *crowd,
                            void (*work)(void *baton, int number, apr_pool_t *pool))
{
    worker_t worker = {traffic, crowd, (int)jf_add(&crowd->next, 1) - 1};
    jf_crowd_threads(THREADS, work, &worker);
    jf_add(&crowd->running, -1);
}

/* ---- periods ----------------------------------------------------------------------------------
 */

static const jf_traffic_key_t secondly = {1, 1};

static void count_until_the_end(void *baton, int number, apr_pool_t *pool)
{
    const worker_t *worker = baton;
    crowd_t *crowd = worker->crowd;
    int thread = worker->number * THREADS + number;
    uint32_t random = (uint32_t)thread;
    for (;;) {
        apr_time_t now_us = jf_get(&crowd->now_us);
        int period = (int)((now_us - JF_NOW_US) / SECOND_US);
        jf_traffic_amount_t amount = {.sent_bytes = 1 + jf_test_draw(&random, 1000)};
        amount.charged_bytes = amount.sent_bytes;
        if (period == PERIODS) {
            return;
        }
        if (jf_traffic_count(worker->traffic, &secondly, &amount, now_us, pool)) {
            jf_add(&crowd->wrong, 1);
        }
        jf_add(&crowd->counted[period][thread], amount.sent_bytes);
        apr_pool_clear(pool);
    }
}

static void work_until_the_end(jf_traffic_t *traffic, void *baton)
{
    work_in_threads(traffic, baton, count_until_the_end);
}

static apr_int64_t sum_of(const crowd_t *crowd, int period)
{
    apr_int64_t sum_bytes = 0;
    for (int i = 0; i < WORKERS * THREADS; i++) {
        sum_bytes += jf_get(&crowd->counted[period][i]);
    }
    return sum_bytes;
}

static void let_time_pass(crowd_t *crowd)
{
    for (int period = 0; period < PERIODS; period++) {
        while (sum_of(crowd, period) == 0) {
            usleep(1000);
        }
        usleep(5000);
        jf_add(&crowd->now_us, SECOND_US);
    }
}

/* Whoever has looked at the clock before a period ends and counts after it is charged to the new
 * one. */
static void test_periods_begin_while_others_count(void **state)
{
    jf_fixture_t *fixture = *state;
    crowd_t *crowd = jf_counted_share(sizeof(*crowd));
    apr_int64_t sum_bytes = 0;
    run(fixture, crowd, work_until_the_end, let_time_pass);
    for (int period = 0; period < PERIODS; period++) {
        sum_bytes += sum_of(crowd, period);
    }
    assert_int_equal(jf_counted_sent(fixture, 1), sum_bytes);
    apr_int64_t last_bytes = sum_of(crowd, PERIODS - 1);
    apr_int64_t charged_bytes =
        jf_counted_charged(fixture, &secondly, JF_NOW_US + (PERIODS - 1) * SECOND_US);
    assert_true(charged_bytes >= last_bytes);
    assert_true(charged_bytes <= last_bytes + WORKERS * THREADS * 1000);
    munmap(crowd, sizeof(*crowd));
}

/* ---- quotas -----------------------------------------------------------------------------------
 */

#define QUOTA_BYTES 5000000
#define SIZE_BYTES 1000

static const jf_traffic_key_t monthly = {1, JF_PERIOD_MONTH};

static jf_err_t *download(jf_traffic_t *traffic, uint32_t *random, apr_pool_t *pool)
{
    jf_transfer_t transfer;
    jf_transfer_request_t request = {
        monthly, JF_TRANSFER_DOWNLOAD, 1 + jf_test_draw(random, SIZE_BYTES), QUOTA_BYTES, 1, 1};
    apr_int64_t done_bytes = 0;
    JF_TRY(jf_transfer_begin(&transfer, traffic, &request, JF_NOW_US, pool));
    while (done_bytes < request.size_bytes) {
        done_bytes += 1 + jf_test_draw(random, SIZE_BYTES / 2);
        if (done_bytes > request.size_bytes) {
            done_bytes = request.size_bytes;
        }
        jf_transfer_progress(&transfer, done_bytes, JF_NOW_US);
    }
    jf_transfer_settle(&transfer, done_bytes, 1, JF_NOW_US);
    jf_transfer_end(&transfer);
    return NULL;
}

/* Promises that become charges may count twice for a moment, so it tries again. */
static void download_until_refused(void *baton, int number, apr_pool_t *pool)
{
    const worker_t *worker = baton;
    uint32_t random = (uint32_t)(worker->number * THREADS + number);
    for (int refused = 0; refused < 100;) {
        const jf_err_t *err = download(worker->traffic, &random, pool);
        refused = err ? refused + 1 : 0;
        if (err && err->code != JF_ERR_TRANSFER_QUOTA) {
            jf_add(&worker->crowd->wrong, 1);
        }
        apr_pool_clear(pool);
    }
}

static void work_until_refused(jf_traffic_t *traffic, void *baton)
{
    work_in_threads(traffic, baton, download_until_refused);
}

static void test_processes_never_charge_more_than_one_download_too_much(void **state)
{
    jf_fixture_t *fixture = *state;
    crowd_t *crowd = jf_counted_share(sizeof(*crowd));
    run(fixture, crowd, work_until_refused, NULL);
    assert_in_range(jf_counted_charged(fixture, &monthly, JF_NOW_US), QUOTA_BYTES,
                    QUOTA_BYTES + SIZE_BYTES - 1);
    jf_counted_expect_nothing_held(fixture, &monthly);
    munmap(crowd, sizeof(*crowd));
}

/* All begin at the same time, and none goes on before all have tried. */
static void begin_once(void *baton, int number, apr_pool_t *pool)
{
    const worker_t *worker = baton;
    jf_transfer_t transfer;
    jf_transfer_request_t request = {monthly, JF_TRANSFER_DOWNLOAD, 100, 399, 1, 0};
    (void)number;
    const jf_err_t *err = jf_transfer_begin(&transfer, worker->traffic, &request, JF_NOW_US, pool);
    jf_add(err ? &worker->crowd->wrong : &worker->crowd->next, 1);
}

static void test_of_many_so_many_are_admitted_as_fit(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_counted_make_areas(fixture, 1);
    for (int i = 0; i < 50; i++) {
        crowd_t crowd = {0};
        worker_t worker = {fixture->service->traffic, &crowd, 0};
        jf_crowd_threads(8, begin_once, &worker);
        assert_int_equal(crowd.next, 4);
        assert_int_equal(crowd.wrong, 4);
        jf_fixture_close(fixture); /* nobody is left, so nothing is held */
        jf_test_ok(jf_counted_open(fixture), "open");
        jf_counted_expect_nothing_held(fixture, &monthly);
    }
}

/* The end of the quota is where it matters, so it is there all the time: what is charged before is
 * forgotten by a month that begins. */
static void test_quota_ends_many_times(void **state)
{
    jf_fixture_t *fixture = *state;
    apr_time_t month_us = jf_period_end(JF_PERIOD_MONTH, JF_NOW_US) + 3 * 24 * 3600 * SECOND_US;
    jf_counted_make_areas(fixture, 1);
    for (int i = 0; i < 100; i++) {
        crowd_t crowd = {0};
        worker_t worker = {fixture->service->traffic, &crowd, i};
        jf_counted_add(fixture, &monthly, QUOTA_BYTES - 20 * SIZE_BYTES, JF_NOW_US);
        jf_crowd_threads(8, download_until_refused, &worker);
        assert_int_equal(crowd.wrong, 0);
        assert_in_range(jf_counted_charged(fixture, &monthly, JF_NOW_US), QUOTA_BYTES,
                        QUOTA_BYTES + SIZE_BYTES - 1);
        jf_counted_expect_nothing_held(fixture, &monthly);
        jf_counted_add(fixture, &monthly, 0, month_us);
        jf_counted_add(fixture, &monthly, 0, JF_NOW_US);
    }
}

#define CHANGES 100000

/* The first has the whole quota, partly as a promise, partly as a charge. It changes all the time;
 * nobody else is ever let in. */
static void change_or_try(void *baton, int number, apr_pool_t *pool)
{
    const worker_t *worker = baton;
    crowd_t *crowd = worker->crowd;
    uint32_t random = 1;
    jf_transfer_t transfer;
    jf_transfer_request_t request = {
        monthly, JF_TRANSFER_DOWNLOAD, number ? 1 : QUOTA_BYTES, QUOTA_BYTES, 1, 0};
    if (number == 0) {
        const jf_err_t *err =
            jf_transfer_begin(&transfer, worker->traffic, &request, JF_NOW_US, pool);
        jf_set(&crowd->running, 1);
        for (int i = 0; !err && i < CHANGES; i++) {
            jf_transfer_progress(&transfer, jf_test_draw(&random, QUOTA_BYTES), JF_NOW_US);
        }
        jf_set(&crowd->running, 2);
        return;
    }
    while (jf_get(&crowd->running) == 0) {
        sched_yield();
    }
    while (jf_get(&crowd->running) == 1) {
        const jf_err_t *err =
            jf_transfer_begin(&transfer, worker->traffic, &request, JF_NOW_US, pool);
        jf_add(err ? &crowd->next : &crowd->wrong, 1);
        apr_pool_clear(pool);
    }
}

static void test_promise_that_becomes_a_charge_is_never_missed(void **state)
{
    jf_fixture_t *fixture = *state;
    crowd_t crowd = {0};
    worker_t worker = {fixture->service->traffic, &crowd, 0};
    jf_counted_make_areas(fixture, 1);
    jf_crowd_threads(3, change_or_try, &worker);
    assert_int_equal(crowd.wrong, 0);
}

/* ---- what is taken back of the dead, while others live ----------------------------------------
 */

#define TRANSFERS 20000

static void hold_or_bury(void *baton, int number, apr_pool_t *pool)
{
    const worker_t *worker = baton;
    crowd_t *crowd = worker->crowd;
    jf_transfer_request_t request = {monthly, JF_TRANSFER_DOWNLOAD, 10, QUOTA_BYTES, 1, 1};
    for (int i = 0; number && i < TRANSFERS; i++) {
        jf_transfer_t transfer;
        if (jf_transfer_begin(&transfer, worker->traffic, &request, JF_NOW_US, pool)) {
            jf_add(&crowd->wrong, 1);
            break;
        }
        const jf_account_t *account = transfer.account;
        if (jf_account_transfers(account) != 1 ||
            jf_account_sharers(account, JF_TRANSFER_DOWNLOAD) != 1 ||
            jf_account_promised(account) != 10) {
            jf_add(&crowd->wrong, 1);
        }
        jf_transfer_end(&transfer);
    }
    if (number) {
        jf_set(&crowd->running, 0);
    }
    while (jf_get(&crowd->running)) {
        jf_traffic_bury(worker->traffic, pool);
        apr_pool_clear(pool);
    }
}

static void test_transfers_of_the_living_are_left_alone(void **state)
{
    jf_fixture_t *fixture = *state;
    crowd_t crowd = {.running = 1};
    worker_t worker = {fixture->service->traffic, &crowd, 0};
    jf_counted_make_areas(fixture, 1);
    jf_crowd_threads(2, hold_or_bury, &worker);
    assert_int_equal(crowd.wrong, 0);
    jf_counted_expect_nothing_held(fixture, &monthly);
}

/* ---- the list ---------------------------------------------------------------------------------
 */

#define LISTED_AREAS 6

/* Areas that take turns, each with a size of its own, so that the list shows which belongs to it.
 */
static void begin_or_look(void *baton, int number, apr_pool_t *pool)
{
    const worker_t *worker = baton;
    crowd_t *crowd = worker->crowd;
    for (int i = 0; number && i < TRANSFERS; i++) {
        jf_transfer_t transfer;
        jf_transfer_request_t request = {.key = {1 + i % LISTED_AREAS, JF_PERIOD_MONTH},
                                         .quota_bytes = JF_UNLIMITED};
        request.size_bytes = 1000 * request.key.area_id;
        if (jf_transfer_begin(&transfer, worker->traffic, &request, JF_NOW_US, pool)) {
            jf_add(&crowd->wrong, 1);
            break;
        }
        jf_transfer_end(&transfer);
    }
    if (number) {
        jf_set(&crowd->running, 0);
    }
    while (jf_get(&crowd->running)) {
        const apr_array_header_t *active = jf_traffic_active(worker->traffic, pool);
        for (int i = 0; i < active->nelts; i++) {
            const jf_active_t *one = &APR_ARRAY_IDX(active, i, jf_active_t);
            if (one->size_bytes != 1000 * one->area_id) {
                jf_add(&crowd->wrong, 1);
            }
        }
        apr_pool_clear(pool);
    }
}

static void test_list_never_mixes_transfers_up(void **state)
{
    jf_fixture_t *fixture = *state;
    crowd_t crowd = {.running = 1};
    worker_t worker = {fixture->service->traffic, &crowd, 0};
    jf_counted_make_areas(fixture, LISTED_AREAS);
    jf_crowd_threads(2, begin_or_look, &worker);
    assert_int_equal(crowd.wrong, 0);
}

static const struct CMUnitTest tests[] = {
    JF_FIXTURE_CLOSED_TEST(test_periods_begin_while_others_count),
    JF_FIXTURE_CLOSED_TEST(test_processes_never_charge_more_than_one_download_too_much),
    JF_SMALL_TEST(test_of_many_so_many_are_admitted_as_fit),
    JF_COUNTED_TEST(test_quota_ends_many_times),
    JF_COUNTED_TEST(test_promise_that_becomes_a_charge_is_never_missed),
    JF_SMALL_TEST(test_transfers_of_the_living_are_left_alone),
    JF_SMALL_TEST(test_list_never_mixes_transfers_up),
};

JF_TEST_MAIN(tests)
