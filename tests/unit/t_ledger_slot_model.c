/*
 * Thousands of random operations on one area with slots, each compared with a model: slots that are
 * granted, used, expire and are forgotten, uploads that race for them, an owner who deletes and
 * replaces what came. Files without slots are in t_ledger_model.c.
 */
#include "t_crowd.h"
#include "t_granter.h"

#include <string.h>

#include <apr_strings.h>

#define SLOTS 8
#define UPLOADS 10
#define STEPS 6000
#define CHECK_EVERY 200
#define SIZE_MAX_BYTES 40
#define CONFIGURED_QUOTA 200

/* A slot from its grant until its place is taken by another; its file, once it is used. */
typedef struct model_slot_t {
    const char *token; /* NULL before the first grant */
    const char *path;
    apr_int64_t promised_bytes;
    apr_time_t expires_us;
    int is_granted; /* here, and neither used nor expired */
    int is_used;    /* and not forgotten */
    apr_time_t forget_us;
    int has_file;
    apr_int64_t file_bytes;
    apr_time_t file_expires_us;
} model_slot_t;

typedef struct model_upload_t {
    jf_granter_upload_t *upload; /* NULL: none */
    int slot;
    apr_int64_t credit_bytes;
} model_upload_t;

typedef struct model_t {
    jf_fixture_t *fixture;
    uint32_t random;
    apr_time_t now_us;
    apr_int64_t quota_bytes; /* JF_QUOTA_DEFAULT: the configured one */
    int paths;               /* made so far */
    int used_elsewhere;      /* tokens whose slots are not in the model any more */
    model_slot_t slots[SLOTS];
    model_upload_t uploads[UPLOADS];
} model_t;

/* ---- the model ---- */

static apr_int64_t draw(model_t *model, apr_int64_t below)
{
    return jf_test_draw(&model->random, (uint32_t)below);
}

static apr_int64_t used(const model_t *model)
{
    apr_int64_t sum = 0;
    for (int i = 0; i < SLOTS; i++) {
        sum += model->slots[i].has_file ? model->slots[i].file_bytes : 0;
    }
    return sum;
}

static apr_int64_t reserved(const model_t *model)
{
    apr_int64_t sum = 0;
    for (int i = 0; i < SLOTS; i++) {
        sum += model->slots[i].is_granted ? model->slots[i].promised_bytes : 0;
    }
    for (int i = 0; i < UPLOADS; i++) {
        const model_upload_t *upload = &model->uploads[i];
        if (upload->upload && upload->upload->promised_bytes > upload->credit_bytes) {
            sum += upload->upload->promised_bytes - upload->credit_bytes;
        }
    }
    return sum;
}

static apr_int64_t room(const model_t *model)
{
    apr_int64_t quota_bytes =
        model->quota_bytes == JF_QUOTA_DEFAULT ? CONFIGURED_QUOTA : model->quota_bytes;
    if (quota_bytes == JF_UNLIMITED) {
        return INT64_MAX / 4;
    }
    apr_int64_t room_bytes = quota_bytes - used(model) - reserved(model);
    return room_bytes > 0 ? room_bytes : 0;
}

static apr_int64_t credit_for(const model_t *model, int slot)
{
    for (int i = 0; i < UPLOADS; i++) {
        const model_upload_t *upload = &model->uploads[i];
        if (upload->upload && upload->slot == slot && upload->credit_bytes > 0) {
            return 0;
        }
    }
    return model->slots[slot].is_granted ? model->slots[slot].promised_bytes : 0;
}

static void end_promise(model_t *model, int slot)
{
    model->slots[slot].is_granted = 0;
    for (int i = 0; i < UPLOADS; i++) {
        if (model->uploads[i].slot == slot) {
            model->uploads[i].credit_bytes = 0;
        }
    }
}

static int is_taken(const model_slot_t *slot)
{
    return slot->is_used || slot->has_file;
}

static int has_upload(const model_t *model, int slot)
{
    for (int i = 0; i < UPLOADS; i++) {
        if (model->uploads[i].upload && model->uploads[i].slot == slot) {
            return 1;
        }
    }
    return 0;
}

static void drop_upload(model_upload_t *upload)
{
    *upload = (model_upload_t){.slot = -1};
}

static void expect_code(const jf_err_t *err, int is_refused, jf_err_code_t code)
{
    if (is_refused) {
        jf_test_refused(err, code, "an operation that the model refuses");
    } else {
        jf_test_ok(err, "an operation that the model does");
    }
}

/* ---- operations, done to the ledger and to the model ---- */

static int random_slot(model_t *model)
{
    return (int)draw(model, SLOTS);
}

/* A new slot in the place of one that is over: granted here, or by another server. */
static void do_grant(model_t *model)
{
    int number = random_slot(model);
    model_slot_t *old = &model->slots[number];
    apr_pool_t *pool = model->fixture->pool;
    int is_to_be_forgotten = old->is_used && old->forget_us != JF_NEVER;
    if (old->is_granted || old->has_file || is_to_be_forgotten || has_upload(model, number)) {
        return;
    }
    jf_slot_t slot = jf_granter_slot(apr_psprintf(pool, "chat/%d", model->paths++),
                                     draw(model, SIZE_MAX_BYTES), pool);
    int is_ours = draw(model, 4) > 0;
    slot.expires_us = model->now_us + 1 + draw(model, 60);
    if (is_ours) {
        apr_int64_t room_bytes = room(model);
        jf_err_t *err = jf_ledger_slot_grant(model->fixture->ledger, &slot, CONFIGURED_QUOTA,
                                             model->now_us, pool);
        expect_code(err, slot.size_bytes > room_bytes, JF_ERR_QUOTA);
        if (err) {
            return;
        }
    }
    model->used_elsewhere += old->is_used;
    *old = (model_slot_t){.token = slot.token,
                          .path = slot.path,
                          .promised_bytes = slot.size_bytes,
                          .expires_us = slot.expires_us,
                          .is_granted = is_ours,
                          .forget_us = draw(model, 2) ? JF_NEVER : slot.expires_us};
}

static void do_begin(model_t *model, model_upload_t *place)
{
    int number = random_slot(model);
    const model_slot_t *slot = &model->slots[number];
    if (place->upload || !slot->token) {
        return;
    }
    apr_int64_t size_bytes = draw(model, 3) ? slot->promised_bytes : draw(model, SIZE_MAX_BYTES);
    jf_granter_upload_t *upload =
        jf_granter_upload(slot->token, slot->path, size_bytes, model->fixture->pool);
    upload->now_us = model->now_us;
    upload->use.forget_us = slot->forget_us;
    upload->reserve.instance = draw(model, 2) ? "one" : "other";
    upload->reserve.quota_bytes = CONFIGURED_QUOTA;
    apr_int64_t credit_bytes = credit_for(model, number);
    apr_int64_t limit_bytes = room(model) + credit_bytes;
    jf_err_t *err = jf_granter_begin(upload, model->fixture->ledger, model->fixture->pool);
    if (is_taken(slot)) {
        jf_test_refused(err, JF_ERR_USED, "a used slot");
        return;
    }
    expect_code(err, size_bytes > limit_bytes, JF_ERR_QUOTA);
    if (!err) {
        assert_int_equal(upload->promised_bytes, size_bytes);
        *place = (model_upload_t){upload, number, credit_bytes};
    }
}

static void do_end(model_t *model, model_upload_t *place)
{
    jf_granter_upload_t *upload = place->upload;
    if (!upload) {
        return;
    }
    model_slot_t *slot = &model->slots[place->slot];
    upload->now_us = model->now_us;
    upload->settle.size_bytes = draw(model, upload->promised_bytes + 1);
    upload->settle.expires_us = draw(model, 3) ? JF_NEVER : model->now_us + 1 + draw(model, 80);
    jf_err_t *err = jf_granter_end(upload, model->fixture->ledger, model->fixture->pool);
    expect_code(err, is_taken(slot), JF_ERR_USED);
    if (err) {
        return;
    }
    assert_string_equal(upload->file.token, slot->token);
    assert_int_equal(upload->created, 1);
    assert_null(upload->replaced);
    end_promise(model, place->slot);
    drop_upload(place);
    slot->is_used = 1;
    slot->has_file = 1;
    slot->file_bytes = upload->settle.size_bytes;
    slot->file_expires_us = upload->settle.expires_us;
}

static void do_cancel(model_t *model, model_upload_t *place)
{
    if (place->upload) {
        jf_ledger_cancel(model->fixture->ledger, place->upload->reserve.object);
        drop_upload(place);
    }
}

static void do_cancel_instance(model_t *model)
{
    const char *instance = draw(model, 2) ? "one" : "other";
    apr_array_header_t *objects;
    int count = 0;
    jf_test_ok(
        jf_ledger_cancel_instance(&objects, model->fixture->ledger, instance, model->fixture->pool),
        instance);
    for (int i = 0; i < UPLOADS; i++) {
        model_upload_t *place = &model->uploads[i];
        if (place->upload && strcmp(place->upload->reserve.instance, instance) == 0) {
            drop_upload(place);
            count++;
        }
    }
    assert_int_equal(objects->nelts, count);
}

static int is_over(apr_time_t expires_us, apr_time_t now_us)
{
    return expires_us != JF_NEVER && expires_us <= now_us;
}

static void do_expire(model_t *model)
{
    apr_array_header_t *objects;
    int files = 0;
    int slots = 0;
    model->now_us += draw(model, 30);
    for (int i = 0; i < SLOTS; i++) {
        model_slot_t *slot = &model->slots[i];
        if (slot->is_granted && is_over(slot->expires_us, model->now_us)) {
            end_promise(model, i);
            slots++;
        }
        if (slot->is_used && is_over(slot->forget_us, model->now_us)) {
            slot->is_used = 0;
            slots++;
        }
        if (slot->has_file && is_over(slot->file_expires_us, model->now_us)) {
            slot->has_file = 0;
            files++;
        }
    }
    jf_test_ok(jf_ledger_file_expire(&objects, model->fixture->ledger, SLOTS, model->now_us,
                                     model->fixture->pool),
               "files");
    assert_int_equal(objects->nelts, files);
    assert_int_equal(jf_granter_expire(model->fixture, 1000, model->now_us), slots);
}

/* The owner deletes a file, or puts a smaller one in its place. */
static void do_change(model_t *model)
{
    model_slot_t *slot = &model->slots[random_slot(model)];
    apr_pool_t *pool = model->fixture->pool;
    jf_precondition_t always = {0};
    const char *object;
    if (!slot->has_file) {
        return;
    }
    if (draw(model, 2)) {
        jf_test_ok(jf_ledger_file_remove(&object, model->fixture->ledger, JF_ALICE, slot->path,
                                         &always, model->now_us, pool),
                   "remove");
        slot->has_file = 0;
        return;
    }
    slot->file_bytes = draw(model, slot->file_bytes + 1);
    jf_granter_upload_t *upload = jf_granter_upload("", slot->path, slot->file_bytes, pool);
    upload->reserve.slot = upload->settle.slot = NULL;
    upload->settle.expires_us = slot->file_expires_us;
    upload->now_us = model->now_us;
    jf_test_ok(jf_granter_begin(upload, model->fixture->ledger, pool), "replace");
    jf_test_ok(jf_granter_end(upload, model->fixture->ledger, pool), "replace");
    assert_string_equal(upload->file.token, slot->token);
}

static void do_set_quota(model_t *model)
{
    static const apr_int64_t quotas[] = {
        JF_QUOTA_DEFAULT, JF_QUOTA_DEFAULT, JF_UNLIMITED, 0, 80, 150};
    model->quota_bytes = quotas[draw(model, (apr_int64_t)JF_TEST_COUNT(quotas))];
    jf_test_ok(jf_ledger_area_set_quota(model->fixture->ledger, JF_ALICE, model->quota_bytes,
                                        model->now_us, model->fixture->pool),
               "set quota");
}

/* A person leaves and comes back; what was used stays used. */
static void do_remove_area(model_t *model)
{
    apr_array_header_t *objects;
    int count = 0;
    for (int i = 0; i < SLOTS; i++) {
        count += model->slots[i].is_granted + model->slots[i].has_file;
        model->slots[i].is_granted = model->slots[i].has_file = 0;
    }
    for (int i = 0; i < UPLOADS; i++) {
        count += model->uploads[i].upload != NULL;
        drop_upload(&model->uploads[i]);
    }
    jf_test_ok(
        jf_ledger_area_remove(&objects, model->fixture->ledger, JF_ALICE, model->fixture->pool),
        "remove the area");
    assert_int_equal(objects->nelts, count);
    do_set_quota(model);
}

/* ---- after each step ---- */

static void check_tokens(model_t *model)
{
    for (int i = 0; i < SLOTS; i++) {
        const model_slot_t *slot = &model->slots[i];
        if (!slot->token) {
            continue;
        }
        jf_err_t *err = jf_granter_get(model->fixture, slot->token, model->now_us);
        int is_live = slot->is_granted && slot->expires_us > model->now_us;
        expect_code(err, !is_live, is_taken(slot) ? JF_ERR_USED : JF_ERR_NOT_FOUND);
    }
}

static void check_all(model_t *model)
{
    int open_slots = 0;
    int used_tokens = model->used_elsewhere;
    int files = 0;
    for (int i = 0; i < SLOTS; i++) {
        open_slots += model->slots[i].is_granted;
        used_tokens += model->slots[i].is_used;
        files += model->slots[i].has_file;
    }
    check_tokens(model);
    jf_granter_expect_rows(model->fixture, open_slots, used_tokens);
    jf_fixture_expect(model->fixture, used(model), reserved(model), files);
}

static void take_step(model_t *model)
{
    model_upload_t *place = &model->uploads[draw(model, UPLOADS)];
    apr_int64_t kind = draw(model, 200);
    if (kind < 50) {
        do_grant(model);
    } else if (kind < 105) {
        do_begin(model, place);
    } else if (kind < 140) {
        do_end(model, place);
    } else if (kind < 155) {
        do_cancel(model, place);
    } else if (kind < 175) {
        do_change(model);
    } else if (kind < 190) {
        do_expire(model);
    } else if (kind < 195) {
        do_cancel_instance(model);
    } else if (kind < 199) {
        do_set_quota(model);
    } else {
        do_remove_area(model);
    }
}

static void run_model(jf_fixture_t *fixture, uint32_t seed)
{
    model_t model = {
        .fixture = fixture, .random = seed, .now_us = JF_NOW_US, .quota_bytes = JF_QUOTA_DEFAULT};
    do_set_quota(&model);
    for (int i = 1; i <= STEPS; i++) {
        take_step(&model);
        jf_area_t area = jf_fixture_area(fixture, JF_ALICE);
        assert_int_equal(area.used_bytes, used(&model));
        assert_int_equal(area.reserved_bytes, reserved(&model));
        if (i % CHECK_EVERY == 0) {
            check_all(&model);
        }
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
