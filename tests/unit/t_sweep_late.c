/*
 * Objects whose rows come late: an upload without a promise writes its object first, and until the
 * row is committed nothing in the ledger tells it from an orphan.
 */
#include "t_crowd.h"

#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <apr_strings.h>
#include <sqlite3.h>

#include "jf_sweep.h"

typedef struct late_t {
    jf_fixture_t *fixture;
    sqlite3 *stranger;
    const char *object;
    int was_known;
    int is_known;
    jf_err_t *err;
} late_t;

/* Thread 0 is still writing the row when thread 1 looks. */
static void commit_or_look(void *baton, int number, apr_pool_t *pool)
{
    late_t *late = baton;
    if (number == 0) {
        usleep(200000);
        sqlite3_exec(late->stranger, "COMMIT", NULL, NULL, NULL);
        return;
    }
    jf_ledger_t *ledger = late->fixture->ledger;
    late->err = jf_ledger_object_is_known(&late->was_known, ledger, late->object, pool);
    if (!late->err) {
        late->err = jf_ledger_object_is_known_for_good(&late->is_known, ledger, late->object, pool);
    }
    late->err = jf_err_copy(late->err, late->fixture->pool);
}

/* A row of the object, by somebody who has not committed it yet. */
static const char *row_of(const char *object, apr_pool_t *pool)
{
    return apr_psprintf(pool,
                        "BEGIN IMMEDIATE;"
                        "INSERT INTO file (area_id, path, token, object, size_bytes, media_type,"
                        " created_us) SELECT id, 'late', 'late', '%s', 1, 'x', 0 FROM area",
                        object);
}

static late_t look_while_row_is_written(jf_fixture_t *fixture, const char *object)
{
    late_t late = {.fixture = fixture, .object = object, .was_known = -1, .is_known = -1};
    late.stranger = jf_crowd_stranger(fixture);
    jf_crowd_exec(late.stranger, row_of(object, fixture->pool));
    jf_crowd_threads(2, commit_or_look, &late);
    sqlite3_close(late.stranger);
    return late;
}

static void test_object_that_becomes_known_is_known_for_good(void **state)
{
    jf_fixture_t *fixture = *state;
    const char *object = jf_fixture_new_name(fixture->pool);
    int is_known = -1;
    jf_fixture_row(fixture, "a", 1, JF_NEVER);
    late_t late = look_while_row_is_written(fixture, object);
    jf_test_ok(late.err, "look");
    assert_int_equal(late.was_known, 0);
    assert_int_equal(late.is_known, 1);
    jf_test_ok(jf_ledger_object_is_known_for_good(
                   &is_known, fixture->ledger, jf_fixture_new_name(fixture->pool), fixture->pool),
               "another");
    assert_int_equal(is_known, 0);
    jf_reserve_t reserve = jf_fixture_reserve("b", 1, fixture->pool);
    apr_int64_t promised_bytes;
    jf_test_ok(
        jf_ledger_reserve(&promised_bytes, fixture->ledger, &reserve, JF_NOW_US, fixture->pool),
        "b");
    jf_test_ok(jf_ledger_object_is_known_for_good(&is_known, fixture->ledger, reserve.object,
                                                  fixture->pool),
               "a promise");
    assert_int_equal(is_known, 1);
}

/* Set: what happens when the next object is removed. */
static late_t *at_next_removal;
static pthread_t committer;

static void *commit_later(void *baton)
{
    late_t *late = baton;
    usleep(200000);
    sqlite3_exec(late->stranger, "COMMIT", NULL, NULL, NULL);
    return NULL;
}

/* Takes the place of the C library's: from nowhere else can be seen that the sweep has come to the
 * orphans. */
int unlinkat(int fd, const char *name, int flag)
{
    late_t *late = at_next_removal;
    at_next_removal = NULL;
    if (late) {
        jf_crowd_exec(late->stranger, row_of(late->object, late->fixture->pool));
        assert_int_equal(pthread_create(&committer, NULL, commit_later, late), 0);
    }
    return (int)syscall(SYS_unlinkat, fd, name, flag);
}

static const char *write_object(jf_fixture_t *fixture, const char *directory)
{
    const char *name =
        apr_pstrcat(fixture->pool, directory, jf_fixture_new_name(fixture->pool) + 2, NULL);
    jf_object_t *object = jf_fixture_new_object(fixture, name, fixture->pool);
    jf_test_ok(jf_store_write(object, "x", 1), "write");
    jf_test_ok(jf_store_finish(object), "finish");
    jf_store_keep(object);
    return name;
}

/* Between the two looks at one object its row is committed. */
static void test_sweep_keeps_what_becomes_known_while_it_looks(void **state)
{
    jf_fixture_t *fixture = *state;
    late_t late = {.fixture = fixture};
    jf_sweep_t sweep = {.service = fixture->service};
    jf_sweep_result_t result;
    apr_array_header_t *findings;
    apr_time_t late_us = apr_time_now() + 2 * JF_ORPHAN_AGE_US;
    jf_fixture_put(fixture, "a", "x", 1);
    const char *orphan = write_object(fixture, "00");
    late.object = write_object(fixture, "ff");
    late.stranger = jf_crowd_stranger(fixture);
    at_next_removal = &late;
    jf_test_ok(jf_sweep_round(&result, &sweep, late_us, JF_ORPHAN_AGE_US, fixture->pool), "sweep");
    assert_null(at_next_removal);
    pthread_join(committer, NULL);
    sqlite3_close(late.stranger);
    assert_int_equal(result.orphans, 1);
    assert_false(jf_fixture_exists(jf_fixture_object_path(fixture, orphan)));
    assert_true(jf_fixture_exists(jf_fixture_object_path(fixture, late.object)));
    jf_test_ok(jf_ledger_check(&findings, fixture->ledger, fixture->pool), "check");
    assert_int_equal(findings->nelts, 0);
}

/* As between the object and its row: nothing knows it, and it is too young to be an orphan. */
static void test_sweep_keeps_a_young_object_without_a_row(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_sweep_t sweep = {.service = fixture->service};
    jf_sweep_result_t result;
    jf_add_t add = jf_fixture_add("a", 1, fixture->pool);
    const char *replaced;
    jf_file_t file;
    int created;
    add.settle.object = write_object(fixture, "7f");
    /* As late as it may still become a file, and a minute more. */
    apr_time_t late_us = apr_time_now() + JF_ADD_AGE_MAX_US + apr_time_from_sec(60);
    jf_test_ok(jf_sweep_round(&result, &sweep, late_us, JF_ORPHAN_AGE_US, fixture->pool), "sweep");
    assert_int_equal(result.orphans, 0);
    jf_test_ok(
        jf_ledger_add(&file, &replaced, &created, fixture->ledger, &add, JF_NOW_US, fixture->pool),
        "add");
    jf_fixture_expect_content(fixture, &file, "x", 1);
}

static const struct CMUnitTest tests[] = {
    JF_FIXTURE_TEST(test_object_that_becomes_known_is_known_for_good),
    JF_FIXTURE_TEST(test_sweep_keeps_what_becomes_known_while_it_looks),
    JF_FIXTURE_TEST(test_sweep_keeps_a_young_object_without_a_row),
};

JF_TEST_MAIN(tests)
