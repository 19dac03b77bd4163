/*
 * Thousands of random attempts, each compared with a model that is too simple to be wrong: buckets
 * that fill with charges and leak as time goes by, in arrays that have room for all.
 */
#include "t_guesser.h"

#include <apr_strings.h>

#define JIDS 4
#define ADDRESSES 5
#define PASSWORDS 3
#define ATTEMPTS 8
#define STEPS 8000
#define PERIOD_US JF_GUESSER_PERIOD_US
#define PENDING_US apr_time_from_sec(15)

typedef struct bucket_t {
    apr_interval_time_t level_us;
    apr_time_t looked_at_us;
} bucket_t;

typedef struct pair_t {
    bucket_t bucket;
    int password; /* the one that is being checked, -1: none is */
    apr_time_t until_us;
} pair_t;

typedef struct attempt_t {
    int is_there;
    int jid;
    int address;
    int password;
    int is_charged;
    jf_guess_t guess;
} attempt_t;

typedef struct model_t {
    jf_guesser_t guesser;
    uint32_t random;
    bucket_t jids[JIDS];
    bucket_t addresses[ADDRESSES];
    pair_t pairs[JIDS][ADDRESSES];
    attempt_t attempts[ATTEMPTS];
    int denied; /* how many were */
} model_t;

static int draw(model_t *model, uint32_t below)
{
    return jf_test_draw(&model->random, below);
}

/* ---- buckets ---- */

static apr_interval_time_t *level_of(const model_t *model, bucket_t *bucket)
{
    bucket->level_us -= model->guesser.now_us - bucket->looked_at_us;
    bucket->looked_at_us = model->guesser.now_us;
    if (bucket->level_us < 0) {
        bucket->level_us = 0;
    }
    return &bucket->level_us;
}

/** How long until one more attempt fits in. */
static apr_interval_time_t wait_for(const model_t *model, bucket_t *bucket, apr_uint32_t limit)
{
    if (limit == 0) {
        return 0;
    }
    apr_interval_time_t over_us = *level_of(model, bucket) + PERIOD_US / limit - PERIOD_US;
    return over_us > 0 ? over_us : 0;
}

/** Adds so many attempts, or takes them away. */
static void pour(const model_t *model, bucket_t *bucket, apr_uint32_t limit, int count)
{
    if (limit == 0) {
        return;
    }
    apr_interval_time_t *level_us = level_of(model, bucket);
    *level_us += count * (PERIOD_US / limit);
    if (*level_us > 2 * PERIOD_US) {
        *level_us = 2 * PERIOD_US;
    }
    if (*level_us < 0) {
        *level_us = 0;
    }
}

static void pour_jid(model_t *model, const attempt_t *attempt, int count)
{
    const jf_guess_limits_t *limits = &model->guesser.limits;
    pour(model, &model->jids[attempt->jid], limits->per_jid, count);
    pour(model, &model->pairs[attempt->jid][attempt->address].bucket, limits->per_jid > 0, count);
}

/* ---- attempts, made and modelled ---- */

static apr_interval_time_t model_wait(model_t *model, const attempt_t *attempt)
{
    const jf_guess_limits_t *limits = &model->guesser.limits;
    apr_interval_time_t address_us =
        wait_for(model, &model->addresses[attempt->address], limits->per_address);
    apr_interval_time_t jid_us = wait_for(model, &model->jids[attempt->jid], limits->per_jid);
    apr_interval_time_t pair_us =
        wait_for(model, &model->pairs[attempt->jid][attempt->address].bucket, limits->per_jid > 0);
    if (pair_us < jid_us) {
        jid_us = pair_us;
    }
    return address_us > jid_us ? address_us : jid_us;
}

static apr_interval_time_t model_begin(model_t *model, attempt_t *attempt)
{
    pair_t *pair = &model->pairs[attempt->jid][attempt->address];
    if (pair->password == attempt->password && model->guesser.now_us < pair->until_us) {
        attempt->is_charged = 0;
        return 0;
    }
    apr_interval_time_t wait_us = model_wait(model, attempt);
    if (wait_us == 0) {
        pour_jid(model, attempt, 1);
        pair->password = attempt->password;
        pair->until_us = model->guesser.now_us + PENDING_US;
        attempt->is_charged = 1;
    }
    return wait_us;
}

static void do_begin(model_t *model, attempt_t *attempt)
{
    attempt->jid = draw(model, JIDS);
    attempt->address = draw(model, ADDRESSES);
    attempt->password = draw(model, PASSWORDS);
    apr_interval_time_t expected_us = model_begin(model, attempt);
    apr_interval_time_t wait_us = jf_guesser_begin(
        &attempt->guess, &model->guesser, jf_guesser_jid(attempt->jid, model->guesser.pool),
        jf_guesser_address(attempt->address, model->guesser.pool),
        apr_psprintf(model->guesser.pool, "password %d", attempt->password));
    assert_int_equal(wait_us, expected_us);
    attempt->is_there = wait_us == 0;
    model->denied += wait_us > 0;
    if (attempt->is_there) {
        assert_int_equal(attempt->guess.is_charged, attempt->is_charged);
    }
}

static apr_interval_time_t model_end(model_t *model, const attempt_t *attempt,
                                     jf_guess_outcome_t outcome)
{
    apr_uint32_t limit = model->guesser.limits.per_address;
    bucket_t *address = &model->addresses[attempt->address];
    apr_interval_time_t wait_us = 0;
    if (outcome == JF_GUESS_WRONG) {
        wait_us = wait_for(model, address, limit);
        pour(model, address, limit, 1);
    }
    if (outcome == JF_GUESS_WRONG && !attempt->is_charged) {
        pour_jid(model, attempt, 1);
    } else if (outcome != JF_GUESS_WRONG && attempt->is_charged) {
        pour_jid(model, attempt, -1);
    }
    return wait_us;
}

static void do_end(model_t *model, attempt_t *attempt)
{
    static const jf_guess_outcome_t outcomes[] = {JF_GUESS_WRONG, JF_GUESS_WRONG, JF_GUESS_RIGHT,
                                                  JF_GUESS_UNKNOWN};
    jf_guess_outcome_t outcome = outcomes[draw(model, JF_TEST_COUNT(outcomes))];
    pair_t *pair = &model->pairs[attempt->jid][attempt->address];

    apr_interval_time_t wait_us = jf_guesser_end(&attempt->guess, &model->guesser, outcome);
    assert_int_equal(wait_us, model_end(model, attempt, outcome));
    if (attempt->is_charged && pair->password == attempt->password) {
        pair->password = -1;
    }
    attempt->is_there = 0;
}

static void do_step(model_t *model)
{
    attempt_t *attempt = &model->attempts[draw(model, ATTEMPTS)];
    if (draw(model, 3) == 0) {
        model->guesser.now_us += draw(model, 12000) * 1000;
    }
    if (!attempt->is_there) {
        do_begin(model, attempt);
    } else if (draw(model, 20) == 0) {
        attempt->is_there = 0; /* lost */
    } else {
        do_end(model, attempt);
    }
}

/** @return how many attempts were denied. */
static int run(apr_uint32_t per_jid, apr_uint32_t per_address, uint32_t seed, apr_pool_t *pool)
{
    model_t model = {.guesser = jf_guesser_make(4096, per_jid, per_address, pool), .random = seed};
    for (int i = 0; i < JIDS * ADDRESSES; i++) {
        model.pairs[i / ADDRESSES][i % ADDRESSES].password = -1;
    }
    for (int i = 0; i < STEPS; i++) {
        do_step(&model);
    }
    return model.denied;
}

static void test_random_attempts_match_the_model(void **state)
{
    static const apr_uint32_t limits[] = {0, 1, 2, 3, 5};
    const int runs = JF_TEST_COUNT(limits) * JF_TEST_COUNT(limits);
    int denied = 0;

    for (int i = 0; i < runs; i++) {
        denied += run(limits[i / (int)JF_TEST_COUNT(limits)],
                      limits[i % (int)JF_TEST_COUNT(limits)], (uint32_t)i, *state);
    }
    /* Both answers were given often. */
    assert_in_range(denied, runs * STEPS / 10, runs * STEPS / 2);
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_random_attempts_match_the_model),
};

JF_TEST_MAIN(tests)
