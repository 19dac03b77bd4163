/*
 * Thousands of random operations on one area: files that nothing was promised to, beside promises
 * and slots. What the transaction will say is reckoned from the rows, and whoever asks early is
 * never refused what would be taken.
 */
#include "t_crowd.h"
#include "t_granter.h"

#include <apr_strings.h>
#include <sqlite3.h>

#define STEPS 12000
#define CHECK_EVERY 100
#define PROMISES 4
#define SLOTS 4
#define SIZE_MAX_BYTES 40
#define CONFIGURED_QUOTA 150

static const char *const paths[] = {"a", "b", "c", "d"};

typedef struct model_t {
    jf_fixture_t *fixture;
    apr_pool_t *pool; /* of the step */
    sqlite3 *stranger;
    uint32_t random;
    apr_time_t now_us;
    jf_reserve_t promises[PROMISES]; /* object NULL: none */
    jf_slot_t slots[SLOTS];          /* token NULL: none yet */
    int taken;
    int refused;
    int refused_early;
} model_t;

static apr_int64_t draw(model_t *model, int below)
{
    return jf_test_draw(&model->random, (uint32_t)below);
}

static const char *draw_path(model_t *model)
{
    return paths[draw(model, JF_TEST_COUNT(paths))];
}

static apr_int64_t ask(const model_t *model, const char *format, const char *argument)
{
    return jf_crowd_number(model->stranger, apr_psprintf(model->pool, format, argument));
}

/* ---- reckoning ---------------------------------------------------------------------------------
 */

static apr_int64_t quota(const model_t *model)
{
    return ask(model, "SELECT coalesce((SELECT quota_bytes FROM area), %s)",
               APR_STRINGIFY(CONFIGURED_QUOTA));
}

static apr_int64_t taken_bytes(const model_t *model)
{
    return ask(model, "SELECT coalesce(sum(used_bytes + reserved_bytes), 0) FROM area%s", "");
}

/* What the upload gives back: the promise of its slot, or the file that it replaces. */
static apr_int64_t given_back(const model_t *model, const char *path, const jf_slot_t *slot)
{
    return slot ? ask(model,
                      "SELECT coalesce(sum(size_bytes), 0) FROM reservation WHERE object ="
                      " (SELECT object FROM slot WHERE token = '%s')",
                      slot->token)
                : ask(model, "SELECT coalesce(sum(size_bytes), 0) FROM file WHERE path = '%s'",
                      path);
}

static int has_room(const model_t *model, const jf_add_t *add, const jf_slot_t *slot)
{
    apr_int64_t room_bytes = quota(model) - taken_bytes(model);
    apr_int64_t is_credit_taken =
        ask(model, "SELECT count(*) FROM reservation WHERE credit_bytes > 0 AND path = '%s'",
            add->path);
    return add->settle.size_bytes <= (room_bytes > 0 ? room_bytes : 0) +
                                         (is_credit_taken ? 0 : given_back(model, add->path, slot));
}

static int is_there(const model_t *model, const char *path)
{
    jf_file_t file;
    return !jf_ledger_file_by_path(&file, model->fixture->ledger, JF_ALICE, path, model->now_us,
                                   model->pool);
}

static int is_used(const model_t *model, const jf_slot_t *slot)
{
    return slot && ask(model, "SELECT count(*) FROM used_slot WHERE token = '%s'", slot->token) > 0;
}

/* ---- operations --------------------------------------------------------------------------------
 */

/* In this order: a used slot, the quota, the conditions. */
static jf_err_code_t reckon(const model_t *model, const jf_add_t *add, const jf_slot_t *slot,
                            int wants_none, int wants_any)
{
    int there = is_there(model, add->path);
    if (is_used(model, slot)) {
        return JF_ERR_USED;
    }
    if (!has_room(model, add, slot)) {
        return JF_ERR_QUOTA;
    }
    return (there && (wants_none || slot)) || (!there && wants_any) ? JF_ERR_PRECONDITION : 0;
}

static void do_add(model_t *model, const jf_slot_t *slot)
{
    jf_slot_use_t use = {slot ? slot->token : NULL, JF_NEVER, JF_NEVER};
    apr_int64_t size_bytes =
        slot && draw(model, 3) ? slot->size_bytes : draw(model, SIZE_MAX_BYTES);
    jf_add_t add = jf_fixture_add(slot ? slot->path : draw_path(model), size_bytes, model->pool);
    int condition = (int)draw(model, 5);
    add.quota_bytes = CONFIGURED_QUOTA;
    add.settle.expires_us = draw(model, 3) ? JF_NEVER : model->now_us + draw(model, 20);
    if (slot) {
        add.settle.slot = &use;
        add.settle.token = slot->token;
    }
    if (condition < 2) {
        add.settle.precondition = condition ? jf_fixture_if_any() : jf_fixture_if_none();
    }
    jf_err_code_t expected = reckon(model, &add, slot, condition == 0, condition == 1);
    apr_int64_t before_bytes = taken_bytes(model);
    jf_file_t file;
    const char *replaced;
    int created;
    jf_err_t *early = jf_ledger_foresee(model->fixture->ledger, &add, model->now_us, model->pool);
    jf_err_t *err = jf_ledger_add(&file, &replaced, &created, model->fixture->ledger, &add,
                                  model->now_us, model->pool);
    if (expected) {
        jf_test_refused(err, expected, add.path);
        assert_int_equal(taken_bytes(model), before_bytes);
    } else {
        jf_test_ok(err, add.path);
        jf_test_ok(early, "foreseen");
        assert_true(taken_bytes(model) <= before_bytes || taken_bytes(model) <= quota(model));
    }
    model->taken += !err;
    model->refused += !!err;
    model->refused_early += !!early;
}

static void do_promise(model_t *model, int number)
{
    jf_reserve_t *promise = &model->promises[number];
    apr_int64_t promised_bytes;
    if (!promise->object) {
        *promise =
            jf_fixture_reserve(draw_path(model), draw(model, SIZE_MAX_BYTES), model->fixture->pool);
        promise->quota_bytes = CONFIGURED_QUOTA;
        if (jf_ledger_reserve(&promised_bytes, model->fixture->ledger, promise, model->now_us,
                              model->pool)) {
            promise->object = NULL;
        }
    } else if (draw(model, 2)) {
        jf_ledger_cancel(model->fixture->ledger, promise->object);
        promise->object = NULL;
    } else {
        jf_settle_t settle = jf_fixture_settle(promise->object, promise->need_bytes, model->pool);
        jf_file_t file;
        const char *replaced;
        int created;
        jf_test_ok(jf_ledger_settle(&file, &replaced, &created, model->fixture->ledger, &settle,
                                    model->now_us, model->pool),
                   "a promise is kept");
        promise->object = NULL;
    }
}

/* Granted here, or by another server, of which nobody here knows. */
static void do_grant(model_t *model, int number)
{
    jf_slot_t slot = jf_granter_slot(draw_path(model), draw(model, SIZE_MAX_BYTES), model->pool);
    slot.expires_us = model->now_us + 100;
    slot.token = apr_pstrdup(model->fixture->pool, slot.token);
    if (draw(model, 3) && jf_ledger_slot_grant(model->fixture->ledger, &slot, CONFIGURED_QUOTA,
                                               model->now_us, model->pool)) {
        return;
    }
    model->slots[number] = slot;
}

static void do_something_else(model_t *model)
{
    static const apr_int64_t quotas[] = {JF_QUOTA_DEFAULT, JF_QUOTA_DEFAULT, 60, 200};
    jf_ledger_t *ledger = model->fixture->ledger;
    apr_array_header_t *objects;
    const char *object;
    int count;
    switch (draw(model, 5)) {
    case 0:
        (void)jf_ledger_file_remove(&object, ledger, JF_ALICE, draw_path(model),
                                    &(jf_precondition_t){0}, model->now_us, model->pool);
        break;
    case 1:
        jf_test_ok(jf_ledger_file_expire(&objects, ledger, 99, model->now_us, model->pool), "");
        break;
    case 2:
        jf_test_ok(jf_ledger_slot_expire(&count, ledger, 99, model->now_us, model->pool), "");
        break;
    case 3:
        jf_test_ok(jf_ledger_area_set_quota(ledger, JF_ALICE, quotas[draw(model, 4)], model->now_us,
                                            model->pool),
                   "a quota");
        break;
    default:
        model->now_us += draw(model, 10);
    }
}

static void do_step(model_t *model)
{
    const jf_slot_t *slot = &model->slots[draw(model, SLOTS)];
    apr_int64_t kind = draw(model, 10);
    if (kind < 4) {
        do_add(model, NULL);
    } else if (kind < 5 && slot->token) {
        do_add(model, slot);
    } else if (kind < 7) {
        do_promise(model, (int)draw(model, PROMISES));
    } else if (kind < 8) {
        do_grant(model, (int)draw(model, SLOTS));
    } else {
        do_something_else(model);
    }
}

static void test_random_adds_are_judged_as_reckoned(void **state)
{
    model_t model = {.fixture = *state, .random = 7, .now_us = JF_NOW_US};
    model.stranger = jf_crowd_stranger(model.fixture);
    apr_pool_create(&model.pool, model.fixture->pool);
    jf_fixture_row(model.fixture, "a", 1, JF_NEVER);
    for (int i = 0; i < STEPS; i++) {
        do_step(&model);
        if (i % CHECK_EVERY == 0) {
            jf_area_t area = jf_fixture_area(model.fixture, JF_ALICE);
            jf_fixture_expect(model.fixture, area.used_bytes, area.reserved_bytes, area.file_count);
        }
        apr_pool_clear(model.pool);
    }
    sqlite3_close(model.stranger);
    /* All ways were gone. */
    assert_true(model.taken > STEPS / 10);
    assert_true(model.refused > STEPS / 10);
    assert_in_range(model.refused_early, 1, model.refused);
}

static const struct CMUnitTest tests[] = {
    JF_FIXTURE_TEST(test_random_adds_are_judged_as_reckoned),
};

JF_TEST_MAIN(tests)
