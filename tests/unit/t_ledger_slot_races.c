/*
 * Many at the same time at one slot, in threads and in processes: clients do repeat a PUT whose
 * connection broke, and each slot makes one file all the same.
 */
#include "t_crowd.h"
#include "t_granter.h"

#include <apr_atomic.h>
#include <apr_strings.h>

#define THREADS 8
#define PROCESSES 6
#define ROUNDS 15

static const jf_precondition_t always = {0};

/* Threads cannot use cmocka's assertions: they count. */
typedef struct race_t {
    jf_fixture_t *fixture;
    jf_granter_upload_t *uploads[THREADS];
    jf_slot_t slots[THREADS];
    apr_int64_t quota_bytes;
    volatile apr_uint32_t won;
    volatile apr_uint32_t wrong;
} race_t;

/* @return 1 if the upload has the slot, 0 if it was refused as it should be, -1 for any other end
 */
static int try_slot(jf_granter_upload_t *upload, jf_ledger_t *ledger, apr_pool_t *pool)
{
    jf_err_t *err = jf_granter_begin(upload, ledger, pool);
    if (!err) {
        err = jf_granter_end(upload, ledger, pool);
        jf_ledger_cancel(ledger, upload->reserve.object);
    }
    if (!err) {
        return 1;
    }
    int is_quota = err->code == JF_ERR_QUOTA && upload->reserve.quota_bytes != JF_UNLIMITED;
    return err->code == JF_ERR_USED || is_quota ? 0 : -1;
}

static void compete(void *baton, int number, apr_pool_t *pool)
{
    race_t *race = baton;
    int result = try_slot(race->uploads[number], race->fixture->ledger, pool);
    if (result != 0) {
        apr_atomic_inc32(result > 0 ? &race->won : &race->wrong);
    }
}

/* All threads at one token; @a is_one_path as with a slot granted here. */
static void run_race(jf_fixture_t *fixture, const char *token, int is_one_path,
                     apr_int64_t quota_bytes)
{
    race_t state = {.fixture = fixture};
    jf_file_t file;
    for (int i = 0; i < THREADS; i++) {
        const char *path = is_one_path ? "a" : apr_psprintf(fixture->pool, "a%d", i);
        state.uploads[i] = jf_granter_upload(token, path, 10, fixture->pool);
        state.uploads[i]->reserve.quota_bytes = quota_bytes;
    }
    jf_crowd_threads(THREADS, compete, &state);
    assert_int_equal(state.wrong, 0);
    assert_int_equal(state.won, 1);
    jf_fixture_expect(fixture, 10, 0, 1);
    jf_test_ok(jf_ledger_file_by_token(&file, fixture->ledger, token, JF_NOW_US, fixture->pool),
               "the winner's file");
    jf_test_ok(jf_ledger_file_remove(&file.object, fixture->ledger, JF_ALICE, file.path, &always,
                                     JF_NOW_US, fixture->pool),
               file.path);
}

static void test_of_many_threads_one_has_the_slot(void **state)
{
    for (int i = 0; i < ROUNDS; i++) {
        run_race(*state, jf_granter_grant(*state, "a", 10).token, 1, JF_UNLIMITED);
        jf_granter_expect_rows(*state, 0, i + 1);
    }
}

/* Nothing fits but what the slot has promised. */
static void test_of_many_threads_one_has_the_slot_in_a_full_area(void **state)
{
    for (int i = 0; i < ROUNDS; i++) {
        run_race(*state, jf_granter_grant(*state, "a", 10).token, 1, 10);
        jf_granter_expect_rows(*state, 0, i + 1);
    }
}

static void test_of_many_threads_one_has_the_slot_of_another_server(void **state)
{
    jf_fixture_t *fixture = *state;
    for (int i = 0; i < ROUNDS; i++) {
        run_race(fixture, jf_granter_token(fixture->pool), 0, JF_UNLIMITED);
        jf_granter_expect_rows(fixture, 0, i + 1);
    }
}

typedef struct contest_t {
    jf_fixture_t *fixture;
    const char *token;
    const char *path; /* NULL: each process has its own */
} contest_t;

static int contend(void *baton, int number)
{
    const contest_t *contest = baton;
    jf_fixture_t *fixture = contest->fixture;
    if (jf_fixture_open(fixture, JF_DURABILITY_FULL)) {
        return 100;
    }
    const char *path = contest->path ? contest->path : apr_psprintf(fixture->pool, "%d", number);
    jf_granter_upload_t *upload = jf_granter_upload(contest->token, path, 10, fixture->pool);
    int result = try_slot(upload, fixture->ledger, fixture->pool);
    return result > 0 ? 0 : 1 - result;
}

static void run_contest(const contest_t *contest)
{
    jf_fixture_t *fixture = contest->fixture;
    jf_file_t file;
    jf_fixture_close(fixture);
    assert_int_equal(jf_crowd_children(PROCESSES, contend, (void *)contest), 1);
    jf_test_ok(jf_fixture_open(fixture, JF_DURABILITY_RELAXED), "open");
    jf_fixture_expect(fixture, 10, 0, 1);
    jf_granter_expect_rows(fixture, 0, 1);
    jf_test_ok(
        jf_ledger_file_by_token(&file, fixture->ledger, contest->token, JF_NOW_US, fixture->pool),
        "the winner's file");
}

static void test_of_many_processes_one_has_the_slot(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_slot_t slot = jf_granter_grant(fixture, "a", 10);
    run_contest(&(contest_t){fixture, slot.token, slot.path});
}

static void test_of_many_processes_one_has_the_slot_of_another_server(void **state)
{
    jf_fixture_t *fixture = *state;
    run_contest(&(contest_t){fixture, jf_granter_token(fixture->pool), NULL});
}

/* ---- granting ---- */

static void grant(void *baton, int number, apr_pool_t *pool)
{
    race_t *race = baton;
    jf_err_t *err = jf_ledger_slot_grant(race->fixture->ledger, &race->slots[number],
                                         race->quota_bytes, JF_NOW_US, pool);
    if (!err) {
        apr_atomic_inc32(&race->won);
    } else if (err->code != (race->quota_bytes ? JF_ERR_QUOTA : JF_ERR_TOO_MANY)) {
        apr_atomic_inc32(&race->wrong);
    }
}

static void run_grants(race_t *state, apr_int64_t size_bytes)
{
    for (int i = 0; i < THREADS; i++) {
        state->slots[i] = jf_granter_slot("a", size_bytes, state->fixture->pool);
    }
    jf_crowd_threads(THREADS, grant, state);
    assert_int_equal(state->wrong, 0);
}

static void test_threads_together_are_granted_no_more_than_the_quota(void **state)
{
    race_t race = {.fixture = *state, .quota_bytes = 39};
    run_grants(&race, 10);
    assert_int_equal(race.won, 3);
    jf_fixture_expect(race.fixture, 0, 30, 0);
}

static void test_threads_together_are_granted_no_more_than_so_many(void **state)
{
    race_t race = {.fixture = *state};
    for (int i = 0; i < JF_SLOTS_PER_AREA_MAX - 2; i++) {
        jf_granter_grant(race.fixture, "a", 0);
    }
    run_grants(&race, 0);
    assert_int_equal(race.won, 2);
    jf_granter_expect_rows(race.fixture, JF_SLOTS_PER_AREA_MAX, 0);
}

/* ---- uploads and the sweep ---- */

static void expire_until_all_have_won(race_t *race, apr_pool_t *pool)
{
    int count;
    while (apr_atomic_read32(&race->won) < THREADS - 1 && apr_atomic_read32(&race->wrong) == 0) {
        if (jf_ledger_slot_expire(&count, race->fixture->ledger, 1, JF_SLOT_END_US, pool)) {
            apr_atomic_inc32(&race->wrong);
        }
    }
}

/* Thread 0 lets all slots expire, the others upload to one each. */
static void use_or_expire(void *baton, int number, apr_pool_t *pool)
{
    race_t *race = baton;
    if (number == 0) {
        expire_until_all_have_won(race, pool);
        return;
    }
    int result = try_slot(race->uploads[number], race->fixture->ledger, pool);
    apr_atomic_inc32(result > 0 ? &race->won : &race->wrong);
}

static void test_uploads_end_well_while_their_slots_expire(void **state)
{
    jf_fixture_t *fixture = *state;
    for (int round = 0; round < ROUNDS; round++) {
        race_t race = {.fixture = fixture};
        apr_array_header_t *objects;
        for (int i = 0; i < THREADS; i++) {
            jf_slot_t slot = jf_granter_grant(fixture, apr_psprintf(fixture->pool, "%d", i), 10);
            race.uploads[i] = jf_granter_upload(slot.token, slot.path, 10, fixture->pool);
        }
        jf_crowd_threads(THREADS, use_or_expire, &race);
        assert_int_equal(race.wrong, 0);
        jf_granter_expire(fixture, THREADS, JF_SLOT_END_US);
        jf_fixture_expect(fixture, 10 * (THREADS - 1), 0, THREADS - 1);
        jf_test_ok(jf_ledger_area_remove(&objects, fixture->ledger, JF_ALICE, fixture->pool),
                   "the area");
        jf_granter_expect_rows(fixture, 0, (round + 1) * (THREADS - 1));
    }
}

static const struct CMUnitTest tests[] = {
    JF_FIXTURE_TEST(test_of_many_threads_one_has_the_slot),
    JF_FIXTURE_TEST(test_of_many_threads_one_has_the_slot_in_a_full_area),
    JF_FIXTURE_TEST(test_of_many_threads_one_has_the_slot_of_another_server),
    JF_FIXTURE_TEST(test_of_many_processes_one_has_the_slot),
    JF_FIXTURE_TEST(test_of_many_processes_one_has_the_slot_of_another_server),
    JF_FIXTURE_TEST(test_threads_together_are_granted_no_more_than_the_quota),
    JF_FIXTURE_TEST(test_threads_together_are_granted_no_more_than_so_many),
    JF_FIXTURE_TEST(test_uploads_end_well_while_their_slots_expire),
};

JF_TEST_MAIN(tests)
