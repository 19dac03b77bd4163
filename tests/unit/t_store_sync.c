/*
 * Many objects that are made durable at the same time: what is synced and in which order, and who
 * hears of it when it fails. The calls of the C library are replaced by ones that write into the
 * calling thread's trace: "r" writing has begun, "o" object synced, "d" its directory, "?" anything
 * else.
 */
#include "t_crowd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <apr_atomic.h>
#include <apr_strings.h>

#include "jf_token.h"

#define THREADS 16
#define ROUNDS 50
#define SMALL_BYTES 4096
#define LARGE_BYTES (1 << 20)

/* ---- what a thread syncs ---- */

typedef struct trace_t {
    const char *path; /* of the object that this thread is about */
    apr_size_t size_bytes;
    char events[16];
    int is_early;    /* something was synced before the whole object was there */
    char fails_with; /* this event fails with error */
    int error;
    sem_t *reached; /* not NULL: the first sync tells that it has begun, and waits */
    sem_t *released;
} trace_t;

static _Thread_local trace_t *trace;

static char kind_of_descriptor(const char *object, int fd)
{
    char path[PATH_MAX] = "";
    char link[64];
    char whole[PATH_MAX];
    apr_snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    if (readlink(link, path, sizeof(path) - 1) < 0 || !realpath(object, whole)) {
        return '?';
    }
    if (strcmp(path, whole) == 0) {
        return 'o';
    }
    *strrchr(whole, '/') = '\0';
    return strcmp(path, whole) == 0 ? 'd' : '?';
}

static void wait_for(sem_t *semaphore)
{
    while (sem_wait(semaphore) != 0 && errno == EINTR) {
    }
}

/* @return 0, or -1 with errno if the call is to fail. */
static int observe(char event)
{
    struct stat st;
    size_t length = strlen(trace->events);
    if (length < sizeof(trace->events) - 1) {
        trace->events[length] = event;
    }
    trace->is_early |= stat(trace->path, &st) != 0 || st.st_size != (off_t)trace->size_bytes;
    if (trace->reached) {
        sem_post(trace->reached);
        trace->reached = NULL;
        wait_for(trace->released);
    }
    errno = trace->error;
    return event == trace->fails_with ? -1 : 0;
}

int fsync(int fd)
{
    if (trace && observe(kind_of_descriptor(trace->path, fd)) != 0) {
        return -1;
    }
    return (int)syscall(SYS_fsync, fd);
}

int sync_file_range(int fd, off_t offset, off_t count, unsigned flags)
{
    if (trace && observe('r') != 0) {
        return -1;
    }
    return (int)syscall(SYS_sync_file_range, fd, offset, count, flags);
}

/* ---- making objects ---- */

/* Runs in any thread, so it asserts nothing. */
static jf_err_t *make_object(trace_t *own, jf_fixture_t *fixture, apr_pool_t *pool)
{
    jf_object_t *object;
    const char *name;
    JF_TRY(jf_token_hex(&name, pool));
    JF_TRY(jf_store_new_object(&object, fixture->service->store, name, pool));
    JF_TRY(jf_store_write(object, jf_fixture_bytes(1, own->size_bytes, pool), own->size_bytes));
    own->path = jf_store_path(fixture->service->store, name, pool);
    trace = own;
    jf_err_t *err = jf_store_finish(object);
    trace = NULL;
    if (!err) {
        jf_store_keep(object);
    }
    return err;
}

static void expect_events(jf_fixture_t *fixture, apr_size_t size_bytes, const char *events)
{
    trace_t own = {.size_bytes = size_bytes};
    jf_test_ok(make_object(&own, fixture, fixture->pool), events);
    assert_string_equal(own.events, events);
    assert_false(own.is_early);
}

static void open_durable(jf_fixture_t *fixture)
{
    jf_test_ok(jf_fixture_open(fixture, JF_DURABILITY_FULL), "a durable store");
}

/* ---- the order ---- */

static void test_alone_the_object_comes_first(void **state)
{
    jf_fixture_t *fixture = *state;
    open_durable(fixture);
    expect_events(fixture, SMALL_BYTES, "od");
    expect_events(fixture, 0, "od");
    expect_events(fixture, LARGE_BYTES, "od");
}

/* The first of two threads stops where it syncs; what the second one makes is in its company. */
typedef struct company_t {
    jf_fixture_t *fixture;
    sem_t reached;
    sem_t released;
    trace_t first;
    trace_t small;
    trace_t large;
    volatile apr_uint32_t failures;
} company_t;

static void sync_in_company(void *baton, int number, apr_pool_t *pool)
{
    company_t *company = baton;
    jf_err_t *err = NULL;
    if (number == 0) {
        err = make_object(&company->first, company->fixture, pool);
    } else {
        wait_for(&company->reached);
        err = make_object(&company->small, company->fixture, pool);
        if (!err) {
            err = make_object(&company->large, company->fixture, pool);
        }
        sem_post(&company->released);
    }
    if (err) {
        apr_atomic_inc32(&company->failures);
    }
}

static void test_in_company_the_directory_of_a_small_object_comes_first(void **state)
{
    company_t company = {.fixture = *state,
                         .first = {.size_bytes = SMALL_BYTES},
                         .small = {.size_bytes = SMALL_BYTES},
                         .large = {.size_bytes = LARGE_BYTES}};
    open_durable(company.fixture);
    assert_int_equal(sem_init(&company.reached, 0, 0), 0);
    assert_int_equal(sem_init(&company.released, 0, 0), 0);
    company.first.reached = &company.reached;
    company.first.released = &company.released;
    jf_crowd_threads(2, sync_in_company, &company);
    assert_int_equal(company.failures, 0);
    assert_string_equal(company.first.events, "od");
    assert_string_equal(company.small.events, "rdo");
    assert_string_equal(company.large.events, "od");
    assert_false(company.first.is_early || company.small.is_early || company.large.is_early);
    expect_events(company.fixture, SMALL_BYTES, "od");
    sem_destroy(&company.reached);
    sem_destroy(&company.released);
}

/* ---- many, and failures among them ---- */

typedef struct failure_t {
    char event;
    int error;
    int is_harmless;
    jf_err_code_t code;
} failure_t;

/* What is only a beginning may fail. */
static const failure_t failures[] = {
    {.is_harmless = 1},
    {'o', EIO, 0, JF_ERR_IO},
    {'d', ENOSPC, 0, JF_ERR_DISK_FULL},
    {.event = 'r', .error = ENOSYS, .is_harmless = 1},
};

typedef struct crowd_t {
    jf_fixture_t *fixture;
    volatile apr_uint32_t wrong;
} crowd_t;

/* 1 if both were synced, in one of the two orders, and nothing more after a failure. */
static int is_right_trace(const trace_t *own, const failure_t *failure)
{
    const char *events = own->events;
    size_t length = strlen(events);
    int is_order_right = strncmp(events, "od", length) == 0 || strncmp(events, "rdo", length) == 0;
    int is_end_right = failure->is_harmless
                           ? strcmp(events, "od") == 0 || strcmp(events, "rdo") == 0
                           : length > 0 && events[length - 1] == failure->event;
    return is_order_right && is_end_right && !own->is_early;
}

static int is_right_result(const jf_err_t *err, const failure_t *failure)
{
    return failure->is_harmless
               ? err == NULL
               : err && err->code == failure->code && err->status == failure->error;
}

static void make_many(void *baton, int number, apr_pool_t *pool)
{
    crowd_t *crowd = baton;
    for (int i = 0; i < ROUNDS; i++) {
        const failure_t *failure = &failures[(number + i) % (int)JF_TEST_COUNT(failures)];
        trace_t own = {
            .size_bytes = SMALL_BYTES, .fails_with = failure->event, .error = failure->error};
        apr_pool_t *round;
        apr_pool_create(&round, pool);
        jf_err_t *err = make_object(&own, crowd->fixture, round);
        if (!is_right_trace(&own, failure) || !is_right_result(err, failure)) {
            apr_atomic_inc32(&crowd->wrong);
        }
        apr_pool_destroy(round);
    }
}

static void test_failure_reaches_the_one_whose_it_is(void **state)
{
    crowd_t crowd = {.fixture = *state};
    open_durable(crowd.fixture);
    jf_crowd_threads(THREADS, make_many, &crowd);
    assert_int_equal(crowd.wrong, 0);
    /* Half of them failed, and nothing is left of those. */
    assert_int_equal(jf_fixture_count_objects(crowd.fixture), THREADS * ROUNDS / 2);
    /* Nobody is taken for syncing who has failed. */
    expect_events(crowd.fixture, SMALL_BYTES, "od");
}

static const struct CMUnitTest tests[] = {
    JF_FIXTURE_CLOSED_TEST(test_alone_the_object_comes_first),
    JF_FIXTURE_CLOSED_TEST(test_in_company_the_directory_of_a_small_object_comes_first),
    JF_FIXTURE_CLOSED_TEST(test_failure_reaches_the_one_whose_it_is),
};

JF_TEST_MAIN(tests)
