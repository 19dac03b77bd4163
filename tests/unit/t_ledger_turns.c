/*
 * Ledgers of several processes that take turns.
 */
#include "t_crowd.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include <apr_atomic.h>
#include <apr_proc_mutex.h>
#include <apr_strings.h>

#define THREADS 16
#define ADD_BYTES 10
#define FITTING 21
#define QUOTA (FITTING * ADD_BYTES + 5)

/* ---- turns -------------------------------------------------------------------------------------
 */

static apr_proc_mutex_t *make_turn(apr_pool_t *pool)
{
    apr_proc_mutex_t *turn = NULL;
    assert_int_equal(apr_proc_mutex_create(&turn, NULL, APR_LOCK_PROC_PTHREAD, pool), APR_SUCCESS);
    return turn;
}

/* As another process has it. */
static jf_ledger_t *open_other(const jf_fixture_t *fixture, apr_proc_mutex_t *turn)
{
    jf_ledger_t *ledger = NULL;
    jf_test_ok(jf_ledger_open(&ledger, fixture->database, JF_DURABILITY_RELAXED, fixture->pool),
               "other");
    jf_ledger_take_turns(ledger, turn);
    return ledger;
}

typedef struct race_t {
    jf_ledger_t *ledgers[2];
    jf_add_t adds[2 * THREADS];
    volatile apr_uint32_t taken;
    volatile apr_uint32_t wrong;
} race_t;

static void add_within_quota(void *baton, int number, apr_pool_t *pool)
{
    race_t *race = baton;
    for (int i = 0; i < 2; i++) {
        jf_file_t file;
        const char *replaced;
        int created;
        jf_err_t *err = jf_ledger_add(&file, &replaced, &created, race->ledgers[number % 2],
                                      &race->adds[2 * number + i], JF_NOW_US, pool);
        if (!err) {
            apr_atomic_inc32(&race->taken);
        } else if (err->code != JF_ERR_QUOTA) {
            apr_atomic_inc32(&race->wrong);
        }
    }
}

static void test_two_ledgers_together_fill_the_quota(void **state)
{
    jf_fixture_t *fixture = *state;
    race_t race = {.taken = 0};
    apr_proc_mutex_t *turn = make_turn(fixture->pool);
    race.ledgers[0] = fixture->ledger;
    race.ledgers[1] = open_other(fixture, turn);
    jf_ledger_take_turns(fixture->ledger, turn);
    for (int i = 0; i < 2 * THREADS; i++) {
        race.adds[i] =
            jf_fixture_add(apr_psprintf(fixture->pool, "%d", i), ADD_BYTES, fixture->pool);
        race.adds[i].quota_bytes = QUOTA;
    }
    jf_crowd_threads(THREADS, add_within_quota, &race);
    jf_ledger_close(race.ledgers[1]);
    assert_int_equal(race.wrong, 0);
    assert_int_equal(race.taken, FITTING);
    jf_fixture_expect(fixture, FITTING * ADD_BYTES, 0, FITTING);
    assert_int_equal(apr_proc_mutex_trylock(turn), APR_SUCCESS); /* nobody has kept it */
    assert_int_equal(apr_proc_mutex_unlock(turn), APR_SUCCESS);
}

typedef struct processes_t {
    jf_fixture_t *fixture;
    apr_proc_mutex_t *turn;
} processes_t;

static int add_in_process(void *baton, int number)
{
    const processes_t *processes = baton;
    jf_fixture_t *fixture = processes->fixture;
    if (jf_fixture_open(fixture, JF_DURABILITY_RELAXED)) {
        return 1;
    }
    jf_ledger_take_turns(fixture->ledger, processes->turn);
    for (int i = 0; i < 8; i++) {
        const char *path = apr_psprintf(fixture->pool, "%d-%d", number, i);
        jf_add_t add = jf_fixture_add(path, ADD_BYTES, fixture->pool);
        jf_file_t file;
        const char *replaced;
        int created;
        add.quota_bytes = QUOTA;
        jf_err_t *err = jf_ledger_add(&file, &replaced, &created, fixture->ledger, &add, JF_NOW_US,
                                      fixture->pool);
        if (err && err->code != JF_ERR_QUOTA) {
            return 2;
        }
    }
    return 0;
}

static void test_processes_together_fill_the_quota(void **state)
{
    processes_t processes = {*state, make_turn(((jf_fixture_t *)*state)->pool)};
    assert_int_equal(jf_crowd_children(4, add_in_process, &processes), 4);
    jf_test_ok(jf_fixture_open(processes.fixture, JF_DURABILITY_RELAXED), "open");
    jf_fixture_expect(processes.fixture, FITTING * ADD_BYTES, 0, FITTING);
}

/* ---- who keeps the turn ------------------------------------------------------------------------
 */

static apr_interval_time_t write_and_measure(jf_fixture_t *fixture, jf_ledger_t *ledger)
{
    apr_time_t begin_us = apr_time_now();
    jf_test_ok(jf_ledger_area_set_quota(ledger, JF_ALICE, 1, JF_NOW_US, fixture->pool), "a write");
    return apr_time_now() - begin_us;
}

static int take_the_turn_and_die(void *baton)
{
    return apr_proc_mutex_lock(baton) != APR_SUCCESS;
}

static void test_turn_of_a_dead_process_is_free(void **state)
{
    jf_fixture_t *fixture = *state;
    apr_proc_mutex_t *turn = make_turn(fixture->pool);
    jf_ledger_take_turns(fixture->ledger, turn);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(jf_crowd_child(take_the_turn_and_die, turn), 0);
        assert_in_range(write_and_measure(fixture, fixture->ledger), 0, 700000);
    }
}

typedef struct stuck_t {
    apr_proc_mutex_t *turn;
    int told[2];
    int end[2];
} stuck_t;

static int keep_the_turn(void *baton)
{
    stuck_t *stuck = baton;
    char nothing = 0;
    close(stuck->end[1]);
    if (apr_proc_mutex_lock(stuck->turn) != APR_SUCCESS || write(stuck->told[1], "", 1) != 1) {
        return 1;
    }
    return read(stuck->end[0], &nothing, 1) != 0;
}

/* SQLite's lock is free, so whoever has waited long enough for the turn does without. */
static void test_turn_of_a_stuck_process_costs_a_second(void **state)
{
    jf_fixture_t *fixture = *state;
    stuck_t stuck = {.turn = make_turn(fixture->pool)};
    char told;
    int status;
    assert_int_equal(pipe(stuck.told) + pipe(stuck.end), 0);
    pid_t pid = fork();
    if (pid == 0) {
        _exit(keep_the_turn(&stuck));
    }
    assert_int_equal(read(stuck.told[0], &told, 1), 1);
    jf_ledger_take_turns(fixture->ledger, stuck.turn);
    assert_in_range(write_and_measure(fixture, fixture->ledger), 800000, 2500000);
    close(stuck.end[1]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_in_range(write_and_measure(fixture, fixture->ledger), 0, 700000);
    close(stuck.end[0]);
    close(stuck.told[0]);
    close(stuck.told[1]);
}

typedef struct pair_t {
    jf_fixture_t *fixture;
    jf_ledger_t *other;
    int end[2];
    apr_interval_time_t waited_us;
    volatile apr_uint32_t wrong;
} pair_t;

/* A condition that takes its time. */
static int stay(void *baton, const jf_file_t *current)
{
    char nothing;
    (void)current;
    while (read(*(int *)baton, &nothing, 1) == -1 && errno == EINTR) {
    }
    return 1;
}

/* One holds the transaction for a while, the other waits for it by the turn. */
static void hold_or_wait(void *baton, int number, apr_pool_t *pool)
{
    pair_t *pair = baton;
    jf_precondition_t condition = {stay, &pair->end[0]};
    const char *object;
    jf_err_t *err = NULL;
    if (number == 0) {
        err = jf_ledger_file_remove(&object, pair->other, JF_ALICE, "there", &condition, JF_NOW_US,
                                    pool);
    } else if (number == 1) {
        usleep(100000);
        apr_time_t begin_us = apr_time_now();
        err = jf_ledger_area_set_quota(pair->fixture->ledger, JF_ALICE, 1, JF_NOW_US, pool);
        pair->waited_us = apr_time_now() - begin_us;
    } else {
        usleep(300000);
        close(pair->end[1]);
    }
    if (err) {
        apr_atomic_inc32(&pair->wrong);
    }
}

static void test_turn_is_kept_until_the_commit(void **state)
{
    pair_t pair = {.fixture = *state};
    apr_proc_mutex_t *turn = make_turn(pair.fixture->pool);
    jf_fixture_row(pair.fixture, "there", 1, JF_NEVER);
    pair.other = open_other(pair.fixture, turn);
    jf_ledger_take_turns(pair.fixture->ledger, turn);
    assert_int_equal(pipe(pair.end), 0);
    jf_crowd_threads(3, hold_or_wait, &pair);
    close(pair.end[0]);
    jf_ledger_close(pair.other);
    assert_int_equal(pair.wrong, 0);
    assert_in_range(pair.waited_us, 100000, 700000);
}

static const struct CMUnitTest tests[] = {
    JF_FIXTURE_TEST(test_two_ledgers_together_fill_the_quota),
    JF_FIXTURE_CLOSED_TEST(test_processes_together_fill_the_quota),
    JF_FIXTURE_TEST(test_turn_of_a_dead_process_is_free),
    JF_FIXTURE_TEST(test_turn_of_a_stuck_process_costs_a_second),
    JF_FIXTURE_TEST(test_turn_is_kept_until_the_commit),
};

JF_TEST_MAIN(tests)
