/*
 * The queue of writers in one process: the first that waits writes for all, and nobody is
 * forgotten.
 */
#include "t_crowd.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <apr_atomic.h>
#include <sqlite3.h>

#define THREADS 16
#define CROWD 300 /* more than one batch */

/* Threads cannot use cmocka's assertions: they count. */
typedef struct crowd_t {
    jf_fixture_t *fixture;
    sqlite3 *stranger;
    int turns;                  /* writes of each thread */
    volatile apr_uint32_t done; /* operations, in the order in which they are run */
    volatile apr_uint32_t wrong;
    volatile apr_uint32_t there; /* threads that have said who they are */
    pthread_t runners[CROWD];    /* who ran the operation of thread number i */
    pthread_t threads[CROWD];    /* thread number i */
    apr_uint32_t order[CROWD];   /* when it was run */
} crowd_t;

typedef struct member_t {
    crowd_t *crowd;
    int number;
} member_t;

/* A condition that never holds. It is judged by whoever writes for all. */
static int note(void *baton, const jf_file_t *current)
{
    const member_t *member = baton;
    crowd_t *crowd = member->crowd;
    (void)current;
    crowd->runners[member->number] = pthread_self();
    crowd->order[member->number] = apr_atomic_inc32(&crowd->done);
    return 0;
}

static void write_once(crowd_t *crowd, int number, apr_pool_t *pool)
{
    member_t member = {crowd, number};
    jf_precondition_t condition = {note, &member};
    const char *object;
    crowd->threads[number] = pthread_self();
    apr_atomic_inc32(&crowd->there);
    jf_err_t *err = jf_ledger_file_remove(&object, crowd->fixture->ledger, JF_ALICE, "there",
                                          &condition, JF_NOW_US, pool);
    if (!err || err->code != JF_ERR_PRECONDITION) {
        apr_atomic_inc32(&crowd->wrong);
    }
}

static crowd_t *make_crowd(jf_fixture_t *fixture)
{
    crowd_t *crowd = apr_pcalloc(fixture->pool, sizeof(*crowd));
    crowd->fixture = fixture;
    jf_fixture_row(fixture, "there", 1, JF_NEVER);
    crowd->stranger = jf_crowd_stranger(fixture);
    return crowd;
}

static void end_crowd(crowd_t *crowd, int done)
{
    sqlite3_close(crowd->stranger);
    assert_int_equal(crowd->wrong, 0);
    assert_int_equal(crowd->done, done);
    jf_fixture_expect(crowd->fixture, 1, 0, 1);
}

/* Thread 0 lets all others gather behind a lock, and opens it. */
static void write_or_open(void *baton, int number, apr_pool_t *pool)
{
    crowd_t *crowd = baton;
    if (number > 0) {
        write_once(crowd, number, pool);
        return;
    }
    usleep(500000);
    sqlite3_exec(crowd->stranger, "COMMIT", NULL, NULL, NULL);
}

static int count_leaders(const crowd_t *crowd)
{
    int leaders = 0;
    for (int i = 1; i < CROWD; i++) {
        leaders += pthread_equal(crowd->runners[i], crowd->threads[i]) != 0;
    }
    return leaders;
}

/* The first is alone, the others make two batches: who is first in a batch writes for all in it. */
static void test_crowd_is_written_in_few_batches(void **state)
{
    crowd_t *crowd = make_crowd(*state);
    jf_crowd_exec(crowd->stranger, "BEGIN IMMEDIATE");
    jf_crowd_threads(CROWD, write_or_open, crowd);
    end_crowd(crowd, CROWD - 1);
    assert_in_range(count_leaders(crowd), 3, 4);
    for (int i = 1; i < CROWD; i++) {
        for (int j = 1; j < CROWD; j++) {
            /* A leader is the first of those for whom it writes. */
            int is_led = pthread_equal(crowd->runners[j], crowd->threads[i]) && j != i;
            assert_true(!is_led || crowd->order[i] < crowd->order[j]);
        }
    }
}

static void write_often(void *baton, int number, apr_pool_t *pool)
{
    crowd_t *crowd = baton;
    for (int i = 0; i < crowd->turns; i++) {
        write_once(crowd, number, pool);
        if (i % 7 == number % 7) {
            usleep(100);
        }
        apr_pool_clear(pool);
    }
}

static void test_nobody_is_forgotten(void **state)
{
    crowd_t *crowd = make_crowd(*state);
    crowd->turns = 200;
    jf_crowd_threads(THREADS, write_often, crowd);
    end_crowd(crowd, THREADS * crowd->turns);
}

static void no_handler(int signal)
{
    (void)signal;
}

/* Thread 0 wakes the others up for nothing: who waits goes on waiting. */
static void write_or_disturb(void *baton, int number, apr_pool_t *pool)
{
    crowd_t *crowd = baton;
    if (number > 0) {
        write_once(crowd, number, pool);
        return;
    }
    while (apr_atomic_read32(&crowd->there) < THREADS - 1) {
        usleep(1000);
    }
    for (int i = 0; i < 20; i++) {
        usleep(10000);
        for (int j = 1; j < THREADS; j++) {
            (void)pthread_kill(crowd->threads[j], SIGUSR1);
        }
    }
    sqlite3_exec(crowd->stranger, "COMMIT", NULL, NULL, NULL);
}

static void test_signals_disturb_nobody(void **state)
{
    crowd_t *crowd = make_crowd(*state);
    struct sigaction action = {.sa_handler = no_handler}; /* without SA_RESTART */
    struct sigaction before;
    assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
    jf_crowd_exec(crowd->stranger, "BEGIN IMMEDIATE");
    jf_crowd_threads(THREADS, write_or_disturb, crowd);
    assert_int_equal(sigaction(SIGUSR1, &before, NULL), 0);
    end_crowd(crowd, THREADS - 1);
}

static const struct CMUnitTest tests[] = {
    JF_FIXTURE_TEST(test_crowd_is_written_in_few_batches),
    JF_FIXTURE_TEST(test_nobody_is_forgotten),
    JF_FIXTURE_TEST(test_signals_disturb_nobody),
};

JF_TEST_MAIN(tests)
