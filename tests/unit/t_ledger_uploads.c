#include "t_fixture.h"

#include <string.h>

/* ---- preconditions ---- */

/* A promise for "a" with a condition, and what would settle it. */
static jf_err_t *begin(jf_settle_t *settlement, jf_fixture_t *fixture, jf_precondition_t condition,
                       apr_time_t now_us)
{
    jf_reserve_t want = jf_fixture_reserve("a", 5, fixture->pool);
    apr_int64_t promised_bytes;
    want.precondition = condition;
    *settlement = jf_fixture_settle(want.object, 5, fixture->pool);
    settlement->precondition = condition;
    return jf_ledger_reserve(&promised_bytes, fixture->ledger, &want, now_us, fixture->pool);
}

static jf_err_t *finish(jf_fixture_t *fixture, const jf_settle_t *settlement, apr_time_t now_us)
{
    jf_file_t file;
    const char *replaced;
    int created;
    return jf_ledger_settle(&file, &replaced, &created, fixture->ledger, settlement, now_us,
                            fixture->pool);
}

static void test_precondition_is_judged_before_the_promise(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_settle_t settlement;
    jf_test_refused(begin(&settlement, fixture, jf_fixture_if_any(), JF_NOW_US),
                    JF_ERR_PRECONDITION, "no file");
    jf_fixture_row(fixture, "a", 5, JF_NOW_US + 1);
    jf_test_refused(begin(&settlement, fixture, jf_fixture_if_none(), JF_NOW_US),
                    JF_ERR_PRECONDITION, "a file");
    jf_test_refused(begin(&settlement, fixture, jf_fixture_if_any(), JF_NOW_US + 1),
                    JF_ERR_PRECONDITION, "an expired file");
    jf_fixture_expect(fixture, 5, 0, 1);
    jf_test_ok(begin(&settlement, fixture, jf_fixture_if_none(), JF_NOW_US + 1), "expired");
    jf_test_ok(finish(fixture, &settlement, JF_NOW_US + 1), "expired");
    jf_fixture_expect(fixture, 5, 0, 1);
}

static void test_precondition_is_judged_again_with_the_commit(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_precondition_t always = {0};
    jf_settle_t settlement;
    const char *object;
    jf_test_ok(begin(&settlement, fixture, jf_fixture_if_none(), JF_NOW_US), "none");
    jf_fixture_row(fixture, "a", 4, JF_NEVER);
    jf_test_refused(finish(fixture, &settlement, JF_NOW_US), JF_ERR_PRECONDITION, "one came");
    jf_fixture_expect(fixture, 4, 5, 1); /* the promise stays until it is taken back */
    jf_ledger_cancel(fixture->ledger, settlement.object);
    jf_fixture_expect(fixture, 4, 0, 1);

    jf_test_ok(begin(&settlement, fixture, jf_fixture_if_any(), JF_NOW_US), "any");
    jf_test_ok(jf_ledger_file_remove(&object, fixture->ledger, JF_ALICE, "a", &always, JF_NOW_US,
                                     fixture->pool),
               "remove");
    jf_test_refused(finish(fixture, &settlement, JF_NOW_US), JF_ERR_PRECONDITION, "it went");
    jf_fixture_expect(fixture, 0, 5, 0);
}

static int see(void *baton, const jf_file_t *current)
{
    *(jf_file_t *)baton = *current;
    return 0;
}

static void test_precondition_sees_the_whole_file(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_file_t seen = {0};
    jf_settle_t settlement;
    jf_file_t file = jf_fixture_row(fixture, "a", 5, JF_NEVER);
    jf_precondition_t condition = {see, &seen};
    jf_test_refused(begin(&settlement, fixture, condition, JF_NOW_US), JF_ERR_PRECONDITION, "see");
    assert_string_equal(seen.object, file.object);
    assert_string_equal(seen.token, file.token);
    assert_int_equal(seen.size_bytes, 5);
    assert_int_equal(seen.created_us, JF_NOW_US);
}

/* ---- promises of a process ---- */

static void test_promises_of_one_instance_go_together(void **state)
{
    jf_fixture_t *fixture = *state;
    apr_pool_t *pool = fixture->pool;
    static const char *const instances[] = {"dead", "alive", "dead"};
    const char *paths[] = {"a", "b", "c"};
    const char *objects[3];
    apr_array_header_t *list;
    jf_fixture_row(fixture, "a", 5, JF_NEVER);
    for (int i = 0; i < 3; i++) {
        jf_reserve_t want = jf_fixture_reserve(paths[i], 10, pool);
        apr_int64_t promised_bytes;
        want.instance = instances[i];
        objects[i] = want.object;
        jf_test_ok(jf_ledger_reserve(&promised_bytes, fixture->ledger, &want, JF_NOW_US, pool),
                   paths[i]);
    }
    jf_fixture_expect(fixture, 5, 25, 1);
    jf_test_ok(jf_ledger_instances(&list, fixture->ledger, pool), "instances");
    assert_int_equal(list->nelts, 2);

    jf_test_ok(jf_ledger_cancel_instance(&list, fixture->ledger, "dead", pool), "cancel");
    assert_int_equal(list->nelts, 2);
    assert_string_not_equal(APR_ARRAY_IDX(list, 0, const char *),
                            APR_ARRAY_IDX(list, 1, const char *));
    for (int i = 0; i < 2; i++) {
        const char *object = APR_ARRAY_IDX(list, i, const char *);
        assert_true(strcmp(object, objects[0]) == 0 || strcmp(object, objects[2]) == 0);
    }
    jf_fixture_expect(fixture, 5, 10, 1);
    jf_test_ok(jf_ledger_cancel_instance(&list, fixture->ledger, "dead", pool), "again");
    assert_int_equal(list->nelts, 0);
    jf_test_ok(jf_ledger_instances(&list, fixture->ledger, pool), "instances");
    assert_int_equal(list->nelts, 1);
    assert_string_equal(APR_ARRAY_IDX(list, 0, const char *), "alive");
}

static const struct CMUnitTest tests[] = {
    JF_FIXTURE_TEST(test_precondition_is_judged_before_the_promise),
    JF_FIXTURE_TEST(test_precondition_is_judged_again_with_the_commit),
    JF_FIXTURE_TEST(test_precondition_sees_the_whole_file),
    JF_FIXTURE_TEST(test_promises_of_one_instance_go_together),
};

JF_TEST_MAIN(tests)
