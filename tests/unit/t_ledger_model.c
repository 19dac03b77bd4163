/*
 * Thousands of random operations on one area, each compared with a model that is too simple to be
 * wrong: arrays of files and promises, and sums made anew each time.
 */
#include "t_fixture.h"

#include <apr_strings.h>

#define PATHS 3
#define PROMISES 6
#define STEPS 10000
#define CHECK_EVERY 250
#define SIZE_MAX_BYTES 60
#define CONFIGURED_QUOTA 100

static const char *const paths[PATHS] = {"a", "b", "c"};

typedef struct model_file_t {
    int is_there;
    apr_int64_t size_bytes;
    apr_time_t expires_us;
    const char *token;
    const char *object;
} model_file_t;

typedef struct model_promise_t {
    int is_there;
    int path;
    apr_int64_t size_bytes;
    apr_int64_t credit_bytes;
    const char *object;
} model_promise_t;

typedef struct model_t {
    jf_fixture_t *fixture;
    apr_pool_t *pool; /* cleared now and then; objects and tokens live in the fixture's */
    uint32_t random;
    apr_time_t now_us;
    apr_int64_t quota_bytes; /* JF_QUOTA_DEFAULT: the configured one */
    model_file_t files[PATHS];
    model_promise_t promises[PROMISES];
} model_t;

/* ---- the model ---- */

static apr_int64_t draw(model_t *model, apr_int64_t below)
{
    return jf_test_draw(&model->random, (uint32_t)below);
}

static apr_int64_t larger(apr_int64_t a, apr_int64_t b)
{
    return a > b ? a : b;
}

static apr_int64_t used(const model_t *model)
{
    apr_int64_t sum = 0;
    for (int i = 0; i < PATHS; i++) {
        sum += model->files[i].is_there ? model->files[i].size_bytes : 0;
    }
    return sum;
}

static apr_int64_t cost(const model_promise_t *promise)
{
    return promise->is_there ? larger(0, promise->size_bytes - promise->credit_bytes) : 0;
}

static apr_int64_t reserved(const model_t *model)
{
    apr_int64_t sum = 0;
    for (int i = 0; i < PROMISES; i++) {
        sum += cost(&model->promises[i]);
    }
    return sum;
}

static apr_int64_t quota(const model_t *model)
{
    return model->quota_bytes == JF_QUOTA_DEFAULT ? CONFIGURED_QUOTA : model->quota_bytes;
}

/* The largest promise that @a candidate could have, if what it has were given back. */
static apr_int64_t largest(const model_t *model, const model_promise_t *candidate)
{
    if (quota(model) == JF_UNLIMITED) {
        return INT64_MAX / 4;
    }
    apr_int64_t others = used(model) + reserved(model) - cost(candidate);
    apr_int64_t room = quota(model) - others + candidate->credit_bytes;
    apr_int64_t unchanged = candidate->is_there
                                ? larger(candidate->size_bytes, candidate->credit_bytes)
                                : candidate->credit_bytes;
    return larger(room, unchanged);
}

static apr_int64_t credit_for(const model_t *model, int path)
{
    for (int i = 0; i < PROMISES; i++) {
        const model_promise_t *promise = &model->promises[i];
        if (promise->is_there && promise->path == path && promise->credit_bytes > 0) {
            return 0;
        }
    }
    return model->files[path].is_there ? model->files[path].size_bytes : 0;
}

/* The file at @a path now has this size; no promise can count on more. */
static void limit_credit(model_t *model, int path, apr_int64_t size_bytes)
{
    for (int i = 0; i < PROMISES; i++) {
        model_promise_t *promise = &model->promises[i];
        if (promise->path == path && promise->credit_bytes > size_bytes) {
            promise->credit_bytes = size_bytes;
        }
    }
}

static int is_expired(const model_t *model, int path)
{
    const model_file_t *file = &model->files[path];
    return file->expires_us != JF_NEVER && file->expires_us <= model->now_us;
}

static void drop_file(model_t *model, int path)
{
    model->files[path].is_there = 0;
    limit_credit(model, path, 0);
}

static void drop_promise(model_promise_t *promise)
{
    promise->is_there = 0;
    promise->credit_bytes = 0;
}

/* ---- operations, done to the ledger and to the model ---- */

static void expect_code(const jf_err_t *err, int is_refused, jf_err_code_t code)
{
    if (is_refused) {
        jf_test_refused(err, code, "an operation that the model refuses");
    } else {
        jf_test_ok(err, "an operation that the model does");
    }
}

static void do_reserve(model_t *model, model_promise_t *promise)
{
    if (promise->is_there) {
        return;
    }
    promise->path = (int)draw(model, PATHS);
    promise->credit_bytes = credit_for(model, promise->path);
    jf_reserve_t want =
        jf_fixture_reserve(paths[promise->path], draw(model, SIZE_MAX_BYTES), model->fixture->pool);
    want.want_bytes = want.need_bytes + draw(model, 2) * draw(model, SIZE_MAX_BYTES);
    want.quota_bytes = CONFIGURED_QUOTA;
    promise->object = want.object;
    apr_int64_t promised_bytes = -1;
    apr_int64_t limit_bytes = largest(model, promise);
    jf_err_t *err = jf_ledger_reserve(&promised_bytes, model->fixture->ledger, &want, model->now_us,
                                      model->pool);
    expect_code(err, want.need_bytes > limit_bytes, JF_ERR_QUOTA);
    if (err) {
        drop_promise(promise);
        return;
    }
    promise->is_there = 1;
    promise->size_bytes = want.want_bytes < limit_bytes ? want.want_bytes : limit_bytes;
    assert_int_equal(promised_bytes, promise->size_bytes);
}

static void do_extend(model_t *model, model_promise_t *promise)
{
    if (!promise->is_there) {
        return;
    }
    apr_int64_t need_bytes = promise->size_bytes + draw(model, SIZE_MAX_BYTES);
    apr_int64_t want_bytes = need_bytes + draw(model, SIZE_MAX_BYTES);
    apr_int64_t promised_bytes = -1;
    apr_int64_t limit_bytes = largest(model, promise);
    jf_err_t *err = jf_ledger_extend(&promised_bytes, model->fixture->ledger, promise->object,
                                     need_bytes, want_bytes, CONFIGURED_QUOTA, model->pool);
    expect_code(err, need_bytes > limit_bytes, JF_ERR_QUOTA);
    if (!err) {
        promise->size_bytes = want_bytes < limit_bytes ? want_bytes : limit_bytes;
        assert_int_equal(promised_bytes, promise->size_bytes);
    }
}

static void do_settle(model_t *model, model_promise_t *promise)
{
    if (!promise->is_there) {
        return;
    }
    model_file_t *file = &model->files[promise->path];
    jf_settle_t settle = jf_fixture_settle(promise->object, draw(model, promise->size_bytes + 1),
                                           model->fixture->pool);
    settle.expires_us = draw(model, 3) ? JF_NEVER : model->now_us + 1 + draw(model, 50);
    int was_there = file->is_there && !is_expired(model, promise->path);
    jf_file_t now;
    const char *replaced;
    int created = -1;
    jf_test_ok(jf_ledger_settle(&now, &replaced, &created, model->fixture->ledger, &settle,
                                model->now_us, model->pool),
               "settle");
    assert_int_equal(created, !was_there);
    assert_int_equal(replaced != NULL, file->is_there);
    if (file->is_there) {
        assert_string_equal(replaced, file->object);
    }
    assert_string_equal(now.token, was_there ? file->token : settle.token);

    drop_promise(promise);
    if (file->is_there && !was_there) {
        drop_file(model, promise->path);
    }
    *file = (model_file_t){1, settle.size_bytes, settle.expires_us,
                           was_there ? file->token : settle.token, promise->object};
    limit_credit(model, promise->path, settle.size_bytes);
}

static void do_cancel(model_t *model, model_promise_t *promise)
{
    if (promise->object) {
        jf_ledger_cancel(model->fixture->ledger, promise->object); /* perhaps a second time */
        drop_promise(promise);
    }
}

static void do_remove(model_t *model)
{
    int path = (int)draw(model, PATHS);
    jf_precondition_t always = {0};
    const char *object;
    jf_err_t *err = jf_ledger_file_remove(&object, model->fixture->ledger, JF_ALICE, paths[path],
                                          &always, model->now_us, model->pool);
    int is_refused = !model->files[path].is_there || is_expired(model, path);
    expect_code(err, is_refused, JF_ERR_NOT_FOUND);
    if (!is_refused) {
        assert_string_equal(object, model->files[path].object);
        drop_file(model, path);
    }
}

static void do_expire(model_t *model)
{
    apr_array_header_t *objects;
    int count = 0;
    model->now_us += draw(model, 40);
    jf_test_ok(
        jf_ledger_file_expire(&objects, model->fixture->ledger, PATHS, model->now_us, model->pool),
        "expire");
    for (int i = 0; i < PATHS; i++) {
        if (model->files[i].is_there && is_expired(model, i)) {
            drop_file(model, i);
            count++;
        }
    }
    assert_int_equal(objects->nelts, count);
}

static void do_set_quota(model_t *model)
{
    static const apr_int64_t quotas[] = {
        JF_QUOTA_DEFAULT, JF_QUOTA_DEFAULT, JF_UNLIMITED, 0, 40, 150};
    model->quota_bytes = quotas[draw(model, (apr_int64_t)JF_TEST_COUNT(quotas))];
    jf_test_ok(jf_ledger_area_set_quota(model->fixture->ledger, JF_ALICE, model->quota_bytes,
                                        model->now_us, model->pool),
               "set quota");
}

/* A person leaves and comes back. */
static void do_remove_area(model_t *model)
{
    apr_array_header_t *objects;
    int count = 0;
    for (int i = 0; i < PATHS; i++) {
        count += model->files[i].is_there;
        model->files[i].is_there = 0;
    }
    for (int i = 0; i < PROMISES; i++) {
        count += model->promises[i].is_there;
        drop_promise(&model->promises[i]);
    }
    jf_test_ok(jf_ledger_area_remove(&objects, model->fixture->ledger, JF_ALICE, model->pool),
               "remove the area");
    assert_int_equal(objects->nelts, count);
    do_set_quota(model);
}

/* ---- after each step ---- */

/* A promise is the only thing that takes bytes, and it takes no more than the quota leaves. */
static void check_growth(const model_t *model, int may_grow, apr_int64_t taken_before)
{
    apr_int64_t taken = used(model) + reserved(model);
    if (taken > taken_before) {
        assert_true(may_grow);
        assert_true(quota(model) == JF_UNLIMITED || taken <= quota(model));
    }
}

static void check_area(model_t *model, int is_thorough)
{
    jf_area_t area;
    jf_test_ok(jf_ledger_area_get(&area, model->fixture->ledger, JF_ALICE, model->pool), "area");
    assert_int_equal(area.used_bytes, used(model));
    assert_int_equal(area.reserved_bytes, reserved(model));
    if (is_thorough) {
        apr_array_header_t *findings;
        jf_test_ok(jf_ledger_check(&findings, model->fixture->ledger, model->pool), "check");
        assert_int_equal(findings->nelts, 0);
        apr_pool_clear(model->pool);
    }
}

static void take_step(model_t *model)
{
    model_promise_t *promise = &model->promises[draw(model, PROMISES)];
    apr_int64_t kind = draw(model, 100);
    apr_int64_t taken_before = used(model) + reserved(model);
    if (kind < 35) {
        do_reserve(model, promise);
    } else if (kind < 50) {
        do_extend(model, promise);
    } else if (kind < 70) {
        do_settle(model, promise);
    } else if (kind < 80) {
        do_cancel(model, promise);
    } else if (kind < 88) {
        do_remove(model);
    } else if (kind < 95) {
        do_expire(model);
    } else if (kind < 99) {
        do_set_quota(model);
    } else {
        do_remove_area(model);
    }
    check_growth(model, kind < 50, taken_before);
}

static void run_model(jf_fixture_t *fixture, uint32_t seed)
{
    model_t model = {
        .fixture = fixture, .random = seed, .now_us = JF_NOW_US, .quota_bytes = JF_QUOTA_DEFAULT};
    apr_pool_create(&model.pool, fixture->pool);
    do_set_quota(&model);
    for (int i = 1; i <= STEPS; i++) {
        take_step(&model);
        check_area(&model, i % CHECK_EVERY == 0);
    }
}

static void test_random_operations_1(void **state)
{
    run_model(*state, 1);
}

static void test_random_operations_2(void **state)
{
    run_model(*state, 20261122);
}

static void test_random_operations_3(void **state)
{
    run_model(*state, 3141592653U);
}

static const struct CMUnitTest tests[] = {
    JF_FIXTURE_TEST(test_random_operations_1),
    JF_FIXTURE_TEST(test_random_operations_2),
    JF_FIXTURE_TEST(test_random_operations_3),
};

JF_TEST_MAIN(tests)
