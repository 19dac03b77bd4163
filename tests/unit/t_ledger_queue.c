/*
 * Many writers at the same time: threads whose wishes are committed together, and processes.
 */
#include "t_crowd.h"

#include <string.h>

#include <apr_atomic.h>
#include <apr_strings.h>

#include "jf_token.h"

#define THREADS 16
#define WRITES 50
#define PROCESSES 8

/* Threads cannot use cmocka's assertions: they count what is wrong. */
typedef struct work_t {
    jf_fixture_t *fixture;
    volatile apr_uint32_t wrong;
    volatile apr_uint32_t done;
} work_t;

static void count_if(volatile apr_uint32_t *counter, int condition)
{
    if (condition) {
        apr_atomic_inc32(counter);
    }
}

static int has_code(const jf_err_t *err, jf_err_code_t code)
{
    return err && err->code == code;
}

static jf_reserve_t promise(const char *path, apr_int64_t size_bytes, apr_int64_t quota_bytes,
                            apr_pool_t *pool)
{
    jf_reserve_t reserve = {
        .instance = "one",
        .jid = JF_ALICE,
        .path = path,
        .need_bytes = size_bytes,
        .want_bytes = size_bytes,
        .quota_bytes = quota_bytes,
    };
    if (jf_token_hex(&reserve.object, pool)) {
        reserve.object = ""; /* the ledger refuses the second of that name */
    }
    return reserve;
}

static jf_err_t *make_file(int *created, jf_ledger_t *ledger, const char *path,
                           apr_int64_t size_bytes, jf_precondition_t condition, apr_pool_t *pool)
{
    jf_reserve_t reserve = promise(path, size_bytes, JF_UNLIMITED, pool);
    jf_settle_t settle = {.object = reserve.object,
                          .size_bytes = size_bytes,
                          .media_type = JF_MEDIA_TYPE,
                          .expires_us = JF_NEVER,
                          .precondition = condition};
    jf_file_t file;
    const char *replaced;
    apr_int64_t promised_bytes;
    reserve.precondition = condition;
    JF_TRY(jf_token_link(&settle.token, JF_NOW_US, pool));
    JF_TRY(jf_ledger_reserve(&promised_bytes, ledger, &reserve, JF_NOW_US, pool));
    jf_err_t *err = jf_ledger_settle(&file, &replaced, created, ledger, &settle, JF_NOW_US, pool);
    if (err) {
        jf_ledger_cancel(ledger, reserve.object);
    }
    return err;
}

/* ---- what succeeds and what fails, mixed ---- */

static void write_mixed(void *baton, int number, apr_pool_t *pool)
{
    work_t *work = baton;
    jf_ledger_t *ledger = work->fixture->ledger;
    for (int i = 0; i < WRITES; i++) {
        const char *path = apr_psprintf(pool, "%02d", number);
        jf_reserve_t greedy = promise("greedy", 1, 0, pool);
        apr_int64_t promised_bytes;
        int created = -1;
        jf_file_t found;

        count_if(&work->wrong,
                 !has_code(jf_ledger_reserve(&promised_bytes, ledger, &greedy, JF_NOW_US, pool),
                           JF_ERR_QUOTA));
        /* One that SQLite itself refuses is its own fault alone, too. */
        count_if(&work->wrong, !jf_ledger_area_set_quota(ledger, JF_ALICE, -3, JF_NOW_US, pool));
        count_if(&work->wrong,
                 !!make_file(&created, ledger, path, i, (jf_precondition_t){0}, pool));
        count_if(&work->wrong, created != (i == 0));
        count_if(&work->wrong,
                 !has_code(make_file(&created, ledger, path, 1, jf_fixture_if_none(), pool),
                           JF_ERR_PRECONDITION));
        /* What was acknowledged is seen by the next who asks. */
        count_if(&work->wrong,
                 jf_ledger_file_by_path(&found, ledger, JF_ALICE, path, JF_NOW_US, pool) ||
                     found.size_bytes != i);
    }
}

static void test_failing_writes_do_not_harm_their_neighbours(void **state)
{
    work_t work = {.fixture = *state};
    jf_fixture_row(work.fixture, "first", 1, JF_NEVER);
    jf_crowd_threads(THREADS, write_mixed, &work);
    assert_int_equal(work.wrong, 0);
    jf_fixture_expect(work.fixture, 1 + THREADS * (WRITES - 1), 0, 1 + THREADS);
}

/* ---- one of many ---- */

static void create_if_none(void *baton, int number, apr_pool_t *pool)
{
    work_t *work = baton;
    int created = 0;
    jf_err_t *err =
        make_file(&created, work->fixture->ledger, "a", number, jf_fixture_if_none(), pool);
    count_if(&work->done, created);
    count_if(&work->wrong, err ? err->code != JF_ERR_PRECONDITION : !created);
}

static void test_of_many_creations_one_succeeds(void **state)
{
    jf_fixture_t *fixture = *state;
    for (int i = 0; i < 20; i++) {
        work_t work = {.fixture = fixture};
        apr_array_header_t *objects;
        jf_crowd_threads(THREADS, create_if_none, &work);
        assert_int_equal(work.wrong, 0);
        assert_int_equal(work.done, 1);
        jf_area_t area = jf_fixture_area(fixture, JF_ALICE);
        jf_fixture_expect(fixture, area.used_bytes, 0, 1);
        jf_test_ok(jf_ledger_area_remove(&objects, fixture->ledger, JF_ALICE, fixture->pool),
                   "the area");
    }
}

/* ---- a quota that is too small for all ---- */

static void reserve_ten(void *baton, int number, apr_pool_t *pool)
{
    work_t *work = baton;
    jf_reserve_t reserve = promise(apr_psprintf(pool, "%d", number), 10, 95, pool);
    apr_int64_t promised_bytes;
    jf_err_t *err =
        jf_ledger_reserve(&promised_bytes, work->fixture->ledger, &reserve, JF_NOW_US, pool);
    count_if(&work->done, !err);
    count_if(&work->wrong, err && err->code != JF_ERR_QUOTA);
}

static void test_threads_together_stay_within_the_quota(void **state)
{
    work_t work = {.fixture = *state};
    jf_crowd_threads(THREADS, reserve_ten, &work);
    assert_int_equal(work.wrong, 0);
    assert_int_equal(work.done, 9);
    jf_fixture_expect(work.fixture, 0, 90, 0);
}

static int reserve_in_process(void *baton, int number)
{
    jf_fixture_t *fixture = baton;
    if (jf_fixture_open(fixture, JF_DURABILITY_FULL)) {
        return 1;
    }
    for (int i = 0; i < PROCESSES; i++) {
        const char *path = apr_psprintf(fixture->pool, "%d-%d", number, i);
        jf_reserve_t reserve = promise(path, 10, 195, fixture->pool);
        apr_int64_t promised_bytes;
        jf_err_t *err =
            jf_ledger_reserve(&promised_bytes, fixture->ledger, &reserve, JF_NOW_US, fixture->pool);
        if (err && err->code != JF_ERR_QUOTA) {
            return 2;
        }
    }
    return 0;
}

static void test_processes_together_stay_within_the_quota(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_totals_t totals;
    assert_int_equal(jf_crowd_children(PROCESSES, reserve_in_process, fixture), PROCESSES);
    jf_test_ok(jf_fixture_open(fixture, JF_DURABILITY_FULL), "open");
    jf_fixture_expect(fixture, 0, 190, 0);
    jf_test_ok(jf_ledger_totals(&totals, fixture->ledger, fixture->pool), "totals");
    assert_int_equal(totals.uploads_in_flight, 19);
}

/* ---- reading while others write ---- */

#define LINKS 4
#define READS 300

typedef struct links_t {
    work_t work;
    const char *tokens[LINKS];
} links_t;

/* The first threads write, the others read: a link is always there and always whole. */
static void replace_or_read(void *baton, int number, apr_pool_t *pool)
{
    links_t *links = baton;
    jf_ledger_t *ledger = links->work.fixture->ledger;
    for (int i = 0; i < READS; i++) {
        jf_file_t file;
        int created = -1;
        if (number < LINKS) {
            count_if(&links->work.wrong,
                     make_file(&created, ledger, apr_psprintf(pool, "%d", number), 100 + i,
                               (jf_precondition_t){0}, pool) ||
                         created != 0);
        } else {
            count_if(
                &links->work.wrong,
                jf_ledger_file_by_token(&file, ledger, links->tokens[i % LINKS], JF_NOW_US, pool) ||
                    file.size_bytes < 99 || !jf_token_is_hex(file.object));
        }
        if (i % 50 == 49) {
            apr_pool_clear(pool);
        }
    }
}

static void test_links_work_while_their_content_is_replaced(void **state)
{
    links_t links = {.work = {.fixture = *state}};
    for (int i = 0; i < LINKS; i++) {
        const char *path = apr_psprintf(links.work.fixture->pool, "%d", i);
        links.tokens[i] = jf_fixture_row(links.work.fixture, path, 99, JF_NEVER).token;
    }
    jf_crowd_threads(THREADS, replace_or_read, &links);
    assert_int_equal(links.work.wrong, 0);
    jf_fixture_expect(links.work.fixture, LINKS * (100 + READS - 1), 0, LINKS);
}

/* More readers than connections: they wait for each other and do not fail. */
static void test_sixty_readers_share_the_connections(void **state)
{
    links_t links = {.work = {.fixture = *state}};
    for (int i = 0; i < LINKS; i++) {
        const char *path = apr_psprintf(links.work.fixture->pool, "%d", i);
        links.tokens[i] = jf_fixture_row(links.work.fixture, path, 99, JF_NEVER).token;
    }
    jf_crowd_threads(60 + LINKS, replace_or_read, &links);
    assert_int_equal(links.work.wrong, 0);
}

/* ---- stopping ---- */

static void test_stopped_ledger_only_reads(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_ledger_t *ledger = fixture->ledger;
    apr_pool_t *pool = fixture->pool;
    jf_file_t file = jf_fixture_row(fixture, "a", 5, JF_NEVER);
    jf_reserve_t reserve = jf_fixture_reserve("b", 7, pool);
    apr_int64_t promised_bytes;
    jf_test_ok(jf_ledger_reserve(&promised_bytes, ledger, &reserve, JF_NOW_US, pool), "b");

    jf_ledger_stop(ledger);
    jf_ledger_cancel(ledger, reserve.object);
    jf_test_refused(jf_ledger_area_set_quota(ledger, JF_ALICE, 1, JF_NOW_US, pool),
                    JF_ERR_UNAVAILABLE, "set quota");
    jf_test_refused(
        jf_ledger_extend(&promised_bytes, ledger, reserve.object, 8, 9, JF_UNLIMITED, pool),
        JF_ERR_UNAVAILABLE, "extend");
    jf_test_ok(jf_ledger_file_by_token(&file, ledger, file.token, JF_NOW_US, pool), "read");
    assert_int_equal(jf_fixture_area(fixture, JF_ALICE).quota_bytes, JF_QUOTA_DEFAULT);
    jf_fixture_expect(fixture, 5, 7, 1);
}

static const struct CMUnitTest tests[] = {
    JF_FIXTURE_TEST(test_failing_writes_do_not_harm_their_neighbours),
    JF_FIXTURE_TEST(test_of_many_creations_one_succeeds),
    JF_FIXTURE_TEST(test_threads_together_stay_within_the_quota),
    JF_FIXTURE_CLOSED_TEST(test_processes_together_stay_within_the_quota),
    JF_FIXTURE_TEST(test_links_work_while_their_content_is_replaced),
    JF_FIXTURE_TEST(test_sixty_readers_share_the_connections),
    JF_FIXTURE_TEST(test_stopped_ledger_only_reads),
};

JF_TEST_MAIN(tests)
