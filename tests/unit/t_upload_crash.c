/*
 * kill -9 in the middle of an upload: what was acknowledged is there and whole, what was not has
 * left nothing, and what was there before is still there.
 */
#include "t_crowd.h"

#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <apr_strings.h>

#include "jf_sweep.h"

#define LENGTH 150000
#define SMALL_LENGTH 15000
#define A_LONG_TIME_US (3600 * APR_USEC_PER_SEC)

typedef enum {
    IN_RESERVE,    /* in the transaction that promises the bytes, if one does */
    AFTER_BEGIN,   /* the object is there and empty; that of a small one comes at the end */
    HALF_WRITTEN,  /* some bytes are in the object, some in memory */
    ALL_WRITTEN,   /* all bytes are there, but not as a file */
    IN_SETTLE,     /* the object is durable, the row is in a transaction */
    BEFORE_UNLINK, /* the row is committed, the old object is still there */
    AFTER_FINISH,
    POINT_COUNT
} point_t;

typedef struct crash_t {
    jf_fixture_t *fixture;
    jf_durability_t durability;
    point_t point;
    apr_size_t length;
    int judged; /* number of times that the precondition was judged */
} crash_t;

static void die_at(const crash_t *crash, point_t point)
{
    if (crash->point == point) {
        raise(SIGKILL);
    }
}

/* ---- the child ---------------------------------------------------------------------------------
 */

static int dies_when_a_file_is_removed;

/* Takes the place of the C library's: the moment between the commit and the removal of the old
 * object can be seen from nowhere else. */
int unlinkat(int fd, const char *name, int flag)
{
    if (dies_when_a_file_is_removed) {
        raise(SIGKILL);
    }
    return (int)syscall(SYS_unlinkat, fd, name, flag);
}

static int judge(void *baton, const jf_file_t *current)
{
    crash_t *crash = baton;
    (void)current;
    die_at(crash, crash->judged++ || crash->length == SMALL_LENGTH ? IN_SETTLE : IN_RESERVE);
    return 1;
}

static int upload_and_die(void *baton)
{
    crash_t *crash = baton;
    apr_pool_t *pool = crash->fixture->pool;
    apr_size_t half = crash->length / 2;
    const char *data = jf_fixture_bytes(2, crash->length, pool);
    jf_upload_request_t request = jf_fixture_request("a", (apr_int64_t)crash->length);
    jf_upload_t *upload;
    jf_file_t file;
    int created;
    request.precondition = (jf_precondition_t){judge, crash};
    if (jf_fixture_open(crash->fixture, crash->durability) ||
        jf_upload_begin(&upload, crash->fixture->service, &request, JF_NOW_US, pool)) {
        return 1;
    }
    die_at(crash, AFTER_BEGIN);
    if (jf_upload_write(upload, data, half)) {
        return 2;
    }
    die_at(crash, HALF_WRITTEN);
    if (jf_upload_write(upload, data + half, crash->length - half)) {
        return 3;
    }
    die_at(crash, ALL_WRITTEN);
    dies_when_a_file_is_removed = crash->point == BEFORE_UNLINK;
    if (jf_upload_finish(&file, &created, upload, JF_NOW_US)) {
        return 4;
    }
    raise(SIGKILL);
    return 5;
}

/* ---- the parent --------------------------------------------------------------------------------
 */

static void sweep(jf_fixture_t *fixture, apr_time_t now_us)
{
    jf_sweep_t state = {.service = fixture->service};
    jf_sweep_result_t result;
    jf_test_ok(jf_sweep_round(&result, &state, now_us, A_LONG_TIME_US, fixture->pool), "sweep");
}

/* Alice has a file "a" with content @a seed, or none if @a seed is 0. */
static void expect_file(jf_fixture_t *fixture, unsigned seed, apr_size_t length)
{
    jf_file_t file;
    jf_err_t *err =
        jf_ledger_file_by_path(&file, fixture->ledger, JF_ALICE, "a", JF_NOW_US, fixture->pool);
    if (seed) {
        jf_test_ok(err, "a");
        jf_fixture_expect_content(fixture, &file, jf_fixture_bytes(seed, length, fixture->pool),
                                  length);
    } else {
        jf_test_refused(err, JF_ERR_NOT_FOUND, "a");
    }
}

static void expect_totals(jf_fixture_t *fixture, int files, apr_size_t length)
{
    jf_totals_t totals;
    apr_array_header_t *findings;
    jf_test_ok(jf_ledger_totals(&totals, fixture->ledger, fixture->pool), "totals");
    assert_int_equal(totals.uploads_in_flight, 0);
    assert_int_equal(totals.files, files);
    assert_int_equal(totals.used_bytes, files * (apr_int64_t)length);
    jf_test_ok(jf_ledger_check(&findings, fixture->ledger, fixture->pool), "check");
    assert_int_equal(findings->nelts, 0);
}

static void check_crash(jf_fixture_t *fixture, point_t point, jf_durability_t durability,
                        apr_size_t length, int replaces)
{
    crash_t crash = {fixture, durability, point, length, 0};
    if (replaces) {
        jf_test_ok(jf_fixture_open(fixture, JF_DURABILITY_FULL), "open");
        jf_fixture_put(fixture, "a", jf_fixture_bytes(1, length, fixture->pool), length);
        jf_fixture_close(fixture);
    }
    int status = jf_crowd_child(upload_and_die, &crash);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);

    /* Without an old object there is nothing to remove, and without a promise nothing to judge at
     * first: then the child dies after finish. */
    unsigned seed = point >= BEFORE_UNLINK || (point == IN_RESERVE && length == SMALL_LENGTH) ? 2
                    : replaces                                                                ? 1
                                                                                              : 0;
    jf_test_ok(jf_fixture_open(fixture, durability), "open");
    expect_file(fixture, seed, length);
    sweep(fixture, JF_NOW_US);
    expect_file(fixture, seed, length);
    expect_totals(fixture, seed != 0, length);
    /* Nobody promised the object of a small one, so that it stays until it is old enough. */
    int is_orphaned =
        point == BEFORE_UNLINK || (point == IN_SETTLE && length <= JF_UPLOAD_SMALL_BYTES);
    if (!is_orphaned) {
        assert_int_equal(jf_fixture_count_objects(fixture), seed != 0);
    }
    sweep(fixture, apr_time_now() + 2 * JF_ORPHAN_AGE_US);
    expect_file(fixture, seed, length);
    assert_int_equal(jf_fixture_count_objects(fixture), seed != 0);
    if (seed) {
        jf_test_ok(jf_service_remove_area(fixture->service, JF_ALICE, fixture->pool), "alice");
    }
    jf_fixture_close(fixture);
}

static void test_kill_at_every_point(void **state)
{
    for (int point = 0; point < POINT_COUNT; point++) {
        for (int replaces = 0; replaces <= 1; replaces++) {
            check_crash(*state, (point_t)point, JF_DURABILITY_FULL, LENGTH, replaces);
            check_crash(*state, (point_t)point, JF_DURABILITY_RELAXED, LENGTH, replaces);
            check_crash(*state, (point_t)point, JF_DURABILITY_FULL, SMALL_LENGTH, replaces);
            check_crash(*state, (point_t)point, JF_DURABILITY_RELAXED, SMALL_LENGTH, replaces);
        }
    }
}

/* ---- a storm -----------------------------------------------------------------------------------
 */

#define ROUNDS 6
#define THREADS 4
#define ACKNOWLEDGED_BEFORE_KILL 12

typedef struct storm_t {
    jf_fixture_t *fixture;
    int round;
    int tell; /* descriptor for the numbers of what was acknowledged */
} storm_t;

static const char *path_of(int number, apr_pool_t *pool)
{
    return apr_psprintf(pool, "%d", number);
}

static apr_size_t length_of(int number)
{
    return (apr_size_t)(number * 7919 % 200000);
}

static void upload_until_killed(void *baton, int thread, apr_pool_t *pool)
{
    storm_t *storm = baton;
    for (int i = 0;; i++) {
        int number = (storm->round * THREADS + thread) * 10000 + i, created;
        apr_size_t length = length_of(number);
        jf_upload_request_t request =
            jf_fixture_request(path_of(number, pool), i % 2 ? (apr_int64_t)length : -1);
        jf_upload_t *upload;
        jf_file_t file;
        if (jf_upload_begin(&upload, storm->fixture->service, &request, JF_NOW_US, pool) ||
            jf_upload_write(upload, jf_fixture_bytes((unsigned)number, length, pool), length) ||
            jf_upload_finish(&file, &created, upload, JF_NOW_US) ||
            write(storm->tell, &number, sizeof(number)) != sizeof(number)) {
            _exit(1);
        }
        apr_pool_clear(pool);
    }
}

/* Starts uploads in a child process, kills it, and collects what it has acknowledged. */
static void rage(storm_t *storm, apr_array_header_t *acknowledged)
{
    int tell[2], number, status;
    assert_int_equal(pipe(tell), 0);
    pid_t pid = fork();
    if (pid == 0) {
        storm->tell = tell[1];
        if (!jf_fixture_open(storm->fixture, JF_DURABILITY_FULL)) {
            jf_crowd_threads(THREADS, upload_until_killed, storm);
        }
        _exit(2);
    }
    close(tell[1]);
    for (int i = 0; i < ACKNOWLEDGED_BEFORE_KILL; i++) {
        assert_int_equal(read(tell[0], &number, sizeof(number)), sizeof(number));
        APR_ARRAY_PUSH(acknowledged, int) = number;
    }
    usleep((useconds_t)(7000 * storm->round));
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    while (read(tell[0], &number, sizeof(number)) == sizeof(number)) {
        APR_ARRAY_PUSH(acknowledged, int) = number;
    }
    close(tell[0]);
}

static void expect_acknowledged(jf_fixture_t *fixture, int number)
{
    const char *path = path_of(number, fixture->pool);
    jf_file_t file;
    jf_test_ok(
        jf_ledger_file_by_path(&file, fixture->ledger, JF_ALICE, path, JF_NOW_US, fixture->pool),
        path);
    jf_fixture_expect_content(fixture, &file,
                              jf_fixture_bytes((unsigned)number, length_of(number), fixture->pool),
                              length_of(number));
}

static void test_storm_of_kills_loses_nothing_that_was_acknowledged(void **state)
{
    jf_fixture_t *fixture = *state;
    apr_array_header_t *acknowledged = apr_array_make(fixture->pool, 100, sizeof(int));
    for (int round = 0; round < ROUNDS; round++) {
        storm_t storm = {.fixture = fixture, .round = round};
        rage(&storm, acknowledged);
    }

    jf_totals_t totals;
    jf_test_ok(jf_fixture_open(fixture, JF_DURABILITY_FULL), "open");
    sweep(fixture, JF_NOW_US);
    for (int i = 0; i < acknowledged->nelts; i++) {
        expect_acknowledged(fixture, APR_ARRAY_IDX(acknowledged, i, int));
    }
    jf_test_ok(jf_ledger_totals(&totals, fixture->ledger, fixture->pool), "totals");
    assert_int_equal(totals.uploads_in_flight, 0);
    /* Each kill may have hit uploads that were committed and not yet acknowledged. */
    assert_in_range(totals.files, acknowledged->nelts, acknowledged->nelts + ROUNDS * THREADS);
    /* Nor do they who have just written the object of a small one. */
    assert_in_range(jf_fixture_count_objects(fixture), totals.files,
                    totals.files + ROUNDS * THREADS);
    sweep(fixture, apr_time_now() + 2 * JF_ORPHAN_AGE_US);
    assert_int_equal(jf_fixture_count_objects(fixture), totals.files);
    jf_area_t area = jf_fixture_area(fixture, JF_ALICE);
    jf_fixture_expect(fixture, area.used_bytes, 0, totals.files);
}

static const struct CMUnitTest tests[] = {
    JF_FIXTURE_CLOSED_TEST(test_kill_at_every_point),
    JF_FIXTURE_CLOSED_TEST(test_storm_of_kills_loses_nothing_that_was_acknowledged),
};

JF_TEST_MAIN(tests)
