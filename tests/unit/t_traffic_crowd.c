/*
 * Many processes with many threads count while others flush, free accounts, and are killed: in the
 * end the ledger has what was counted, to the byte.
 */
#include "t_counted.h"

#include <sys/mman.h>
#include <unistd.h>

#define WORKERS 3
#define THREADS 3
#define AREAS 40
#define ROUNDS 12
/* All threads of a process but one rest after so many, so that accounts become idle. */
#define PAUSE_COUNTS 16
/* An estimate is too large by so much, until it is corrected. */
#define ESTIMATE_BYTES 7

/* What a thread has counted. It notes an amount in begun before and in done after it has counted
 * it: if it is killed, the truth is one of the two. */
typedef struct note_t {
    apr_int64_t begun[AREAS];
    apr_int64_t done[AREAS];
} note_t;

/* In memory that all processes share. */
typedef struct crowd_t {
    apr_uint32_t areas;
    apr_uint32_t counts; /* of each thread, at least */
    int round;
    apr_uint32_t wrong;
    apr_uint32_t running; /* workers that have not ended */
    apr_uint32_t counted; /* by all of them */
    apr_uint32_t flushes;
    apr_int32_t needed; /* accounts to free or flushers to kill before the workers end */
    note_t notes[ROUNDS][WORKERS][THREADS];
} crowd_t;

static crowd_t *new_crowd(apr_uint32_t areas, apr_uint32_t counts, apr_uint32_t running)
{
    crowd_t *crowd = jf_counted_share(sizeof(*crowd));
    crowd->areas = areas;
    crowd->counts = counts;
    crowd->running = running;
    return crowd;
}

/* ---- flushing ---------------------------------------------------------------------------------
 */

/* For the flusher everything that is not in use is idle. */
static int flush_once(jf_traffic_t *traffic, crowd_t *crowd)
{
    apr_pool_t *pool;
    jf_traffic_flush_t result;
    apr_pool_create(&pool, NULL);
    if (jf_traffic_flush(&result, traffic, IDLE_US, pool)) {
        jf_add(&crowd->wrong, 1);
    }
    jf_add(&crowd->flushes, 1);
    apr_pool_destroy(pool);
    return result.freed_accounts;
}

static void flush_until_all_have_ended(jf_traffic_t *traffic, void *baton)
{
    crowd_t *crowd = baton;
    while (jf_get(&crowd->running)) {
        jf_add(&crowd->needed, -flush_once(traffic, crowd));
        usleep(200);
    }
}

static void flush_until_killed(jf_traffic_t *traffic, void *baton)
{
    for (;;) {
        flush_once(traffic, baton);
    }
}

/* While it lives, the table is in use. */
static void stand_by(jf_traffic_t *traffic, void *baton)
{
    (void)traffic;
    (void)baton;
    for (;;) {
        pause();
    }
}

/* ---- counting ---------------------------------------------------------------------------------
 */

typedef struct worker_t {
    jf_traffic_t *traffic;
    crowd_t *crowd;
    note_t *notes; /* of its threads */
} worker_t;

static jf_err_t *count_once(jf_traffic_t *traffic, const jf_traffic_key_t *key, apr_int64_t bytes,
                            apr_pool_t *pool)
{
    jf_traffic_amount_t amount = {.sent_bytes = bytes, .charged_bytes = bytes};
    return jf_traffic_count(traffic, key, &amount, JF_NOW_US, pool);
}

/* One that is broken off, and was estimated on the way. */
static jf_err_t *transfer_once(jf_traffic_t *traffic, const jf_traffic_key_t *key,
                               apr_int64_t bytes, apr_pool_t *pool)
{
    jf_transfer_t transfer;
    jf_transfer_request_t request = {*key, JF_TRANSFER_DOWNLOAD, 2 * bytes, APR_INT64_MAX, 1, 1};
    jf_err_t *err = jf_transfer_begin(&transfer, traffic, &request, JF_NOW_US, pool);
    if (err && err->code == JF_ERR_BUSY) {
        return count_once(traffic, key, bytes, pool); /* the table is full */
    }
    JF_TRY(err);
    jf_transfer_progress(&transfer, bytes + ESTIMATE_BYTES, JF_NOW_US);
    jf_transfer_settle(&transfer, bytes, 0, JF_NOW_US);
    jf_transfer_end(&transfer);
    return NULL;
}

static void count_many(void *baton, int thread, apr_pool_t *pool)
{
    const worker_t *worker = baton;
    crowd_t *crowd = worker->crowd;
    note_t *note = &worker->notes[thread];
    uint32_t random = (uint32_t)(note - &crowd->notes[0][0][0]);
    for (apr_uint32_t i = 0; i < crowd->counts || jf_get(&crowd->needed) > 0; i++) {
        int area = jf_test_draw(&random, crowd->areas);
        jf_traffic_key_t key = {area + 1,
                                jf_test_draw(&random, 2) ? JF_PERIOD_MONTH : JF_PERIOD_DAY};
        apr_int64_t bytes = 1 + jf_test_draw(&random, 1 << 20);
        jf_set(&note->begun[area], note->begun[area] + bytes);
        if (i % 2 ? count_once(worker->traffic, &key, bytes, pool)
                  : transfer_once(worker->traffic, &key, bytes, pool)) {
            jf_add(&crowd->wrong, 1);
        }
        jf_set(&note->done[area], note->done[area] + bytes);
        jf_add(&crowd->counted, 1);
        apr_pool_clear(pool);
        if (thread && i % PAUSE_COUNTS == 0) {
            usleep((useconds_t)jf_test_draw(&random, 1000));
        }
    }
}

/* The baton is the worker's notes; they say who it is. */
typedef struct job_t {
    crowd_t *crowd;
    note_t *notes;
} job_t;

static void work(jf_traffic_t *traffic, void *baton)
{
    const job_t *job = baton;
    worker_t worker = {traffic, job->crowd, job->notes};
    jf_crowd_threads(THREADS, count_many, &worker);
    jf_add(&job->crowd->running, -1);
}

static void start_workers(pid_t workers[WORKERS], const jf_fixture_t *fixture, crowd_t *crowd)
{
    for (int i = 0; i < WORKERS; i++) {
        job_t job = {crowd, crowd->notes[crowd->round][i]};
        workers[i] = jf_counted_start(fixture, work, &job);
    }
}

static void expect_end_of_workers(const pid_t workers[WORKERS])
{
    for (int i = 0; i < WORKERS; i++) {
        jf_counted_expect_end(workers[i]);
    }
}

/* ---- what it must come to ---------------------------------------------------------------------
 */

static void expect_area(const crowd_t *crowd, jf_fixture_t *fixture, int area)
{
    apr_int64_t least_bytes = 0, most_bytes = 0;
    for (int i = 0; i < ROUNDS * WORKERS * THREADS; i++) {
        const note_t *note = &crowd->notes[0][0][0] + i;
        least_bytes += note->done[area];
        most_bytes += note->begun[area];
        most_bytes += note->begun[area] == note->done[area] ? 0 : ESTIMATE_BYTES;
    }
    jf_traffic_key_t monthly = {area + 1, JF_PERIOD_MONTH}, daily = {area + 1, JF_PERIOD_DAY};
    apr_int64_t sent_bytes = jf_counted_sent(fixture, area + 1);
    assert_true(sent_bytes >= least_bytes && sent_bytes <= most_bytes);
    apr_int64_t charged_bytes = jf_counted_charged(fixture, &monthly, JF_NOW_US) +
                                jf_counted_charged(fixture, &daily, JF_NOW_US);
    assert_true(charged_bytes >= least_bytes && charged_bytes <= most_bytes);
    assert_int_equal(jf_counted_ledger_charged(fixture, &monthly, JF_NOW_US) +
                         jf_counted_ledger_charged(fixture, &daily, JF_NOW_US),
                     charged_bytes);
    jf_counted_expect_nothing_held(fixture, &monthly);
    jf_counted_expect_nothing_held(fixture, &daily);
}

static void expect_all(crowd_t *crowd, jf_fixture_t *fixture)
{
    assert_int_equal(crowd->wrong, 0);
    jf_test_ok(jf_counted_open(fixture), "open");
    jf_counted_flush(fixture, JF_NOW_US);
    for (apr_uint32_t i = 0; i < crowd->areas; i++) {
        expect_area(crowd, fixture, (int)i);
    }
    munmap(crowd, sizeof(*crowd));
}

/* The machine may be slow. */
static void wait_for_more(const apr_uint32_t *number, apr_uint32_t more)
{
    apr_uint32_t end = jf_get(number) + more;
    while (jf_get(number) < end) {
        usleep(1000);
    }
}

/* ---- tests ------------------------------------------------------------------------------------
 */

static void check_crowd(jf_fixture_t *fixture, apr_uint32_t areas, apr_uint32_t counts)
{
    crowd_t *crowd = new_crowd(areas, counts, WORKERS);
    crowd->needed = 50;
    pid_t workers[WORKERS];
    jf_counted_make_crowded(fixture, AREAS);
    pid_t flusher = jf_counted_start(fixture, flush_until_all_have_ended, crowd);
    start_workers(workers, fixture, crowd);
    expect_end_of_workers(workers);
    jf_counted_expect_end(flusher);
    expect_all(crowd, fixture);
}

/* Each flush finds accounts to free that are needed again at once. */
static void test_nothing_is_lost_while_accounts_come_and_go(void **state)
{
    check_crowd(*state, 12, 8000);
}

static void test_nothing_is_lost_when_there_is_no_room(void **state)
{
    check_crowd(*state, AREAS, 150);
}

static void test_nothing_is_lost_when_workers_are_killed(void **state)
{
    jf_fixture_t *fixture = *state;
    crowd_t *crowd = new_crowd(12, UINT32_MAX, 1);
    uint32_t random = 1;
    jf_counted_make_crowded(fixture, AREAS);
    pid_t bystander = jf_counted_start(fixture, stand_by, NULL);
    pid_t flusher = jf_counted_start(fixture, flush_until_all_have_ended, crowd);
    for (crowd->round = 0; crowd->round < ROUNDS; crowd->round++) {
        pid_t workers[WORKERS];
        start_workers(workers, fixture, crowd);
        wait_for_more(&crowd->counted, 1000);
        usleep((useconds_t)(10000 + jf_test_draw(&random, 10000)));
        for (int i = 0; i < WORKERS; i++) {
            jf_counted_kill(workers[i]);
        }
    }
    jf_set(&crowd->running, 0);
    jf_counted_expect_end(flusher);
    expect_all(crowd, fixture);
    jf_counted_kill(bystander);
}

static void test_nothing_is_lost_when_flushers_are_killed(void **state)
{
    jf_fixture_t *fixture = *state;
    crowd_t *crowd = new_crowd(12, 8000, WORKERS);
    uint32_t random = 2;
    pid_t workers[WORKERS];
    crowd->needed = 10;
    jf_counted_make_crowded(fixture, AREAS);
    start_workers(workers, fixture, crowd);
    while (jf_get(&crowd->running)) {
        pid_t flusher = jf_counted_start(fixture, flush_until_killed, crowd);
        wait_for_more(&crowd->flushes, 1);
        usleep((useconds_t)(3000 + jf_test_draw(&random, 6000)));
        jf_counted_kill(flusher);
        jf_add(&crowd->needed, -1);
    }
    expect_end_of_workers(workers);
    expect_all(crowd, fixture);
}

static const struct CMUnitTest tests[] = {
    JF_FIXTURE_CLOSED_TEST(test_nothing_is_lost_while_accounts_come_and_go),
    JF_FIXTURE_CLOSED_TEST(test_nothing_is_lost_when_there_is_no_room),
    JF_FIXTURE_CLOSED_TEST(test_nothing_is_lost_when_workers_are_killed),
    JF_FIXTURE_CLOSED_TEST(test_nothing_is_lost_when_flushers_are_killed),
};

JF_TEST_MAIN(tests)
