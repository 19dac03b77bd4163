#include "t_fixture.h"

#include <string.h>

#include <apr_strings.h>

/* ---- the arithmetic of quota, as stories ---- */

typedef enum { END, RESERVE, EXTEND, SETTLE, CANCEL, REMOVE, EXPIRE, SET_QUOTA } step_kind_t;

/* One step and how things stand after it. In SET_QUOTA, need_bytes is the area's own quota. */
typedef struct step_t {
    step_kind_t kind;
    int upload; /* number of a promise within the story */
    const char *path;
    apr_int64_t need_bytes; /* SETTLE: the size of the file */
    apr_int64_t want_bytes;
    int code; /* 0: success */
    apr_int64_t promised_bytes;
    apr_int64_t used_bytes;
    apr_int64_t reserved_bytes;
} step_t;

typedef struct story_t {
    const char *name;
    apr_int64_t quota_bytes;
    step_t steps[9];
} story_t;

static const story_t stories[] = {
    {"the quota can be used to the last byte",
     100,
     {{RESERVE, 0, "a", 100, 100, 0, 100, 0, 100},
      {RESERVE, 1, "b", 1, 1, JF_ERR_QUOTA, 0, 0, 100},
      {RESERVE, 1, "b", 0, 0, 0, 0, 0, 100},
      {SETTLE, 0, NULL, 100, 0, 0, 0, 100, 0},
      {SETTLE, 1, NULL, 0, 0, 0, 0, 100, 0},
      {RESERVE, 2, "c", 1, 1, JF_ERR_QUOTA, 0, 100, 0}}},
    {"one byte too many is refused",
     100,
     {{RESERVE, 0, "a", 60, 60, 0, 60, 0, 60},
      {RESERVE, 1, "b", 41, 41, JF_ERR_QUOTA, 0, 0, 60},
      {RESERVE, 1, "b", 40, 40, 0, 40, 0, 100}}},
    {"a quota of nothing admits empty files",
     0,
     {{RESERVE, 0, "a", 1, 1, JF_ERR_QUOTA, 0, 0, 0},
      {RESERVE, 0, "a", 0, 10, 0, 0, 0, 0},
      {SETTLE, 0, NULL, 0, 0, 0, 0, 0, 0}}},
    {"what is promised and not needed comes back",
     100,
     {{RESERVE, 0, "a", 80, 80, 0, 80, 0, 80},
      {SETTLE, 0, NULL, 30, 0, 0, 0, 30, 0},
      {RESERVE, 1, "b", 70, 70, 0, 70, 30, 70},
      {CANCEL, 1, NULL, 0, 0, 0, 0, 30, 0},
      {CANCEL, 1, NULL, 0, 0, 0, 0, 30, 0}}},
    {"no file is larger than its promise",
     100,
     {{RESERVE, 0, "a", 30, 30, 0, 30, 0, 30},
      {SETTLE, 0, NULL, 31, 0, JF_ERR_QUOTA, 0, 0, 30},
      {SETTLE, 0, NULL, 30, 0, 0, 0, 30, 0},
      {SETTLE, 0, NULL, 30, 0, JF_ERR_NOT_FOUND, 0, 30, 0}}},
    {"a promise is cut to what is there",
     100,
     {{RESERVE, 0, "a", 10, 1000, 0, 100, 0, 100},
      {RESERVE, 1, "b", 0, 1000, 0, 0, 0, 100},
      {CANCEL, 0, NULL, 0, 0, 0, 0, 0, 0},
      {EXTEND, 1, NULL, 1, 50, 0, 50, 0, 50}}},
    {"a promise grows to the exact quota",
     100,
     {{RESERVE, 0, "a", 0, 10, 0, 10, 0, 10},
      {EXTEND, 0, NULL, 50, 60, 0, 60, 0, 60},
      {EXTEND, 0, NULL, 101, 200, JF_ERR_QUOTA, 0, 0, 60},
      {RESERVE, 1, "b", 30, 30, 0, 30, 0, 90},
      {EXTEND, 0, NULL, 71, 200, JF_ERR_QUOTA, 0, 0, 90},
      {EXTEND, 0, NULL, 70, 200, 0, 70, 0, 100}}},
    {"a replacement counts the difference",
     100,
     {{RESERVE, 0, "a", 60, 60, 0, 60, 0, 60},
      {SETTLE, 0, NULL, 60, 0, 0, 0, 60, 0},
      {RESERVE, 1, "a", 101, 101, JF_ERR_QUOTA, 0, 60, 0},
      {RESERVE, 1, "a", 100, 100, 0, 100, 60, 40},
      {RESERVE, 2, "b", 1, 1, JF_ERR_QUOTA, 0, 60, 40},
      {SETTLE, 1, NULL, 100, 0, 0, 0, 100, 0}}},
    {"a smaller replacement promises nothing more",
     100,
     {{RESERVE, 0, "a", 100, 100, 0, 100, 0, 100},
      {SETTLE, 0, NULL, 100, 0, 0, 0, 100, 0},
      {RESERVE, 1, "a", 20, 20, 0, 20, 100, 0},
      {SETTLE, 1, NULL, 20, 0, 0, 0, 20, 0}}},
    {"a replacement of unknown length grows from within its credit",
     100,
     {{RESERVE, 0, "a", 60, 60, 0, 60, 0, 60},
      {SETTLE, 0, NULL, 60, 0, 0, 0, 60, 0},
      {RESERVE, 1, "a", 0, 10, 0, 10, 60, 0},
      {EXTEND, 1, NULL, 60, 60, 0, 60, 60, 0},
      {EXTEND, 1, NULL, 101, 101, JF_ERR_QUOTA, 0, 60, 0},
      {EXTEND, 1, NULL, 80, 200, 0, 100, 60, 40},
      {SETTLE, 1, NULL, 81, 0, 0, 0, 81, 0}}},
    {"one of two replacements has the credit, and is first",
     100,
     {{RESERVE, 0, "a", 60, 60, 0, 60, 0, 60},
      {SETTLE, 0, NULL, 60, 0, 0, 0, 60, 0},
      {RESERVE, 1, "a", 60, 60, 0, 60, 60, 0},
      {RESERVE, 2, "a", 41, 41, JF_ERR_QUOTA, 0, 60, 0},
      {RESERVE, 2, "a", 40, 40, 0, 40, 60, 40},
      {SETTLE, 1, NULL, 60, 0, 0, 0, 60, 40},
      {SETTLE, 2, NULL, 40, 0, 0, 0, 40, 0}}},
    {"one of two replacements has the credit, and is second",
     100,
     {{RESERVE, 0, "a", 60, 60, 0, 60, 0, 60},
      {SETTLE, 0, NULL, 60, 0, 0, 0, 60, 0},
      {RESERVE, 1, "a", 60, 60, 0, 60, 60, 0},
      {RESERVE, 2, "a", 40, 40, 0, 40, 60, 40},
      {SETTLE, 2, NULL, 40, 0, 0, 0, 40, 20},
      {SETTLE, 1, NULL, 60, 0, 0, 0, 60, 0}}},
    {"a credit that is given back goes to the next",
     100,
     {{RESERVE, 0, "a", 60, 60, 0, 60, 0, 60},
      {SETTLE, 0, NULL, 60, 0, 0, 0, 60, 0},
      {RESERVE, 1, "a", 60, 60, 0, 60, 60, 0},
      {CANCEL, 1, NULL, 0, 0, 0, 0, 60, 0},
      {RESERVE, 2, "a", 100, 100, 0, 100, 60, 40}}},
    {"a deleted file takes the credit along",
     100,
     {{RESERVE, 0, "a", 60, 60, 0, 60, 0, 60},
      {SETTLE, 0, NULL, 60, 0, 0, 0, 60, 0},
      {RESERVE, 1, "a", 100, 100, 0, 100, 60, 40},
      {REMOVE, 0, "a", 0, 0, 0, 0, 0, 100},
      {RESERVE, 2, "a", 1, 1, JF_ERR_QUOTA, 0, 0, 100},
      {SETTLE, 1, NULL, 100, 0, 0, 0, 100, 0}}},
    {"a file that expires takes the credit along",
     100,
     {{RESERVE, 0, "short-lived", 60, 60, 0, 60, 0, 60},
      {SETTLE, 0, NULL, 60, 0, 0, 0, 60, 0},
      {RESERVE, 1, "short-lived", 70, 70, 0, 70, 60, 10},
      {EXPIRE, 0, NULL, 0, 0, 0, 0, 0, 70},
      {SETTLE, 1, NULL, 70, 0, 0, 0, 70, 0}}},
    {"a lowered quota stops growth and nothing else",
     100,
     {{RESERVE, 0, "a", 60, 60, 0, 60, 0, 60},
      {SETTLE, 0, NULL, 60, 0, 0, 0, 60, 0},
      {SET_QUOTA, 0, NULL, 50, 0, 0, 0, 60, 0},
      {RESERVE, 1, "b", 1, 1, JF_ERR_QUOTA, 0, 60, 0},
      {RESERVE, 1, "b", 0, 9, 0, 0, 60, 0},
      {RESERVE, 2, "a", 61, 61, JF_ERR_QUOTA, 0, 60, 0},
      {RESERVE, 2, "a", 60, 70, 0, 60, 60, 0},
      {SETTLE, 2, NULL, 60, 0, 0, 0, 60, 0}}},
    {"a promise made before the quota was lowered is kept",
     100,
     {{RESERVE, 0, "a", 60, 60, 0, 60, 0, 60},
      {SET_QUOTA, 0, NULL, 50, 0, 0, 0, 0, 60},
      {EXTEND, 0, NULL, 61, 61, JF_ERR_QUOTA, 0, 0, 60},
      {SETTLE, 0, NULL, 60, 0, 0, 0, 60, 0}}},
    {"the operator's quota comes before the configuration's",
     100,
     {{SET_QUOTA, 0, NULL, 10, 0, 0, 0, 0, 0},
      {RESERVE, 0, "a", 11, 11, JF_ERR_QUOTA, 0, 0, 0},
      {SET_QUOTA, 0, NULL, JF_UNLIMITED, 0, 0, 0, 0, 0},
      {RESERVE, 0, "a", 101, 101, 0, 101, 0, 101},
      {EXTEND, 0, NULL, 1000, 2000, 0, 2000, 0, 2000},
      {SET_QUOTA, 0, NULL, JF_QUOTA_DEFAULT, 0, 0, 0, 0, 2000},
      {CANCEL, 0, NULL, 0, 0, 0, 0, 0, 0},
      {RESERVE, 1, "a", 101, 101, JF_ERR_QUOTA, 0, 0, 0}}},
};

/* Where a story is: the names of its promises. */
typedef struct telling_t {
    jf_fixture_t *fixture;
    const story_t *story;
    const char *objects[4];
    const char *paths[4];
} telling_t;

static jf_err_t *reserve(apr_int64_t *promised_bytes, telling_t *telling, const step_t *step)
{
    apr_pool_t *pool = telling->fixture->pool;
    jf_reserve_t want = jf_fixture_reserve(step->path, step->need_bytes, pool);
    want.want_bytes = step->want_bytes;
    want.quota_bytes = telling->story->quota_bytes;
    telling->objects[step->upload] = want.object;
    telling->paths[step->upload] = step->path;
    return jf_ledger_reserve(promised_bytes, telling->fixture->ledger, &want, JF_NOW_US, pool);
}

static jf_err_t *settle(telling_t *telling, const step_t *step)
{
    apr_pool_t *pool = telling->fixture->pool;
    jf_settle_t settlement =
        jf_fixture_settle(telling->objects[step->upload], step->need_bytes, pool);
    jf_file_t file;
    const char *replaced;
    int created;
    if (strcmp(telling->paths[step->upload], "short-lived") == 0) {
        settlement.expires_us = JF_NOW_US + 1;
    }
    return jf_ledger_settle(&file, &replaced, &created, telling->fixture->ledger, &settlement,
                            JF_NOW_US, pool);
}

static jf_err_t *take_step(apr_int64_t *promised_bytes, telling_t *telling, const step_t *step)
{
    jf_ledger_t *ledger = telling->fixture->ledger;
    apr_pool_t *pool = telling->fixture->pool;
    jf_precondition_t none = {0};
    apr_array_header_t *objects;
    const char *object;
    switch (step->kind) {
    case RESERVE:
        return reserve(promised_bytes, telling, step);
    case EXTEND:
        return jf_ledger_extend(promised_bytes, ledger, telling->objects[step->upload],
                                step->need_bytes, step->want_bytes, telling->story->quota_bytes,
                                pool);
    case SETTLE:
        return settle(telling, step);
    case CANCEL:
        jf_ledger_cancel(ledger, telling->objects[step->upload]);
        return NULL;
    case REMOVE:
        return jf_ledger_file_remove(&object, ledger, JF_ALICE, step->path, &none, JF_NOW_US, pool);
    case EXPIRE:
        return jf_ledger_file_expire(&objects, ledger, 9, JF_NOW_US + 1, pool);
    case SET_QUOTA:
        return jf_ledger_area_set_quota(ledger, JF_ALICE, step->need_bytes, JF_NOW_US, pool);
    default:
        fail_msg("a step of no kind");
        return NULL;
    }
}

static void check_step(telling_t *telling, const step_t *step, const char *name)
{
    apr_int64_t promised_bytes = 0;
    jf_area_t area = {0};
    jf_err_t *err = take_step(&promised_bytes, telling, step);
    if (step->code) {
        jf_test_refused(err, (jf_err_code_t)step->code, name);
    } else {
        jf_test_ok(err, name);
    }
    err = jf_ledger_area_get(&area, telling->fixture->ledger, JF_ALICE, telling->fixture->pool);
    if (err && err->code != JF_ERR_NOT_FOUND) {
        fail_msg("%s: %s", name, err->text);
    }
    if (promised_bytes != step->promised_bytes || area.used_bytes != step->used_bytes ||
        area.reserved_bytes != step->reserved_bytes) {
        fail_msg("%s: %lld promised, %lld used, %lld reserved", name, (long long)promised_bytes,
                 (long long)area.used_bytes, (long long)area.reserved_bytes);
    }
}

static void test_quota_stories(void **state)
{
    jf_fixture_t *fixture = *state;
    for (size_t i = 0; i < JF_TEST_COUNT(stories); i++) {
        telling_t telling = {.fixture = fixture, .story = &stories[i]};
        apr_array_header_t *objects;
        for (int s = 0; stories[i].steps[s].kind != END; s++) {
            check_step(&telling, &stories[i].steps[s],
                       apr_psprintf(fixture->pool, "%s, step %d", stories[i].name, s + 1));
        }
        jf_test_ok(jf_ledger_area_remove(&objects, fixture->ledger, JF_ALICE, fixture->pool),
                   stories[i].name);
    }
}

/* Lengths that a hostile client announces: sums that no number can hold are over quota, too. */
static void test_unlimited_ends_where_the_numbers_end(void **state)
{
    jf_fixture_t *fixture = *state;
    apr_int64_t reserved_bytes = 0;
    int refused = 0;
    for (int i = 0; i < 4; i++) {
        jf_reserve_t want = jf_fixture_reserve("a", INT64_MAX / 2, fixture->pool);
        apr_int64_t promised_bytes;
        jf_err_t *err =
            jf_ledger_reserve(&promised_bytes, fixture->ledger, &want, JF_NOW_US, fixture->pool);
        if (err) {
            jf_test_refused(err, JF_ERR_QUOTA, "half of all numbers");
            refused++;
        } else {
            reserved_bytes += promised_bytes;
        }
        jf_fixture_expect(fixture, 0, reserved_bytes, 0);
    }
    assert_in_range(refused, 2, 3);
}

static void test_quota_error_has_the_facts(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_reserve_t promise = jf_fixture_reserve("b", 8, fixture->pool);
    jf_reserve_t refused = jf_fixture_reserve("c", 50, fixture->pool);
    apr_int64_t promised_bytes;
    jf_fixture_row(fixture, "a", 60, JF_NEVER);
    jf_test_ok(
        jf_ledger_reserve(&promised_bytes, fixture->ledger, &promise, JF_NOW_US, fixture->pool),
        "b");
    refused.quota_bytes = 100;
    jf_err_t *errors[] = {
        jf_ledger_reserve(&promised_bytes, fixture->ledger, &refused, JF_NOW_US, fixture->pool),
        jf_ledger_extend(&promised_bytes, fixture->ledger, promise.object, 50, 60, 100,
                         fixture->pool),
    };
    for (size_t i = 0; i < JF_TEST_COUNT(errors); i++) {
        jf_test_refused(errors[i], JF_ERR_QUOTA, "50 more");
        assert_int_equal(errors[i]->limit_bytes, 100);
        assert_int_equal(errors[i]->used_bytes, 68);
        assert_int_equal(errors[i]->required_bytes, 50);
    }
}

static const struct CMUnitTest tests[] = {
    JF_FIXTURE_TEST(test_quota_stories),
    JF_FIXTURE_TEST(test_unlimited_ends_where_the_numbers_end),
    JF_FIXTURE_TEST(test_quota_error_has_the_facts),
};

JF_TEST_MAIN(tests)
