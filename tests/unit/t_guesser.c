#include "t_guesser.h"

#include <apr_strings.h>

jf_guesser_t jf_guesser_make(apr_uint32_t entries, apr_uint32_t per_jid, apr_uint32_t per_address,
                             apr_pool_t *pool)
{
    jf_guesser_t guesser = {.pool = pool,
                            .limits = {per_jid, per_address, JF_GUESSER_PERIOD_US},
                            .now_us = JF_GUESSER_START_US};
    void *memory = apr_palloc(pool, jf_guess_size_bytes(entries));
    jf_test_ok(jf_guess_create(&guesser.table, memory, entries, pool), "a table");
    return guesser;
}

apr_interval_time_t jf_guesser_begin(jf_guess_t *guess, jf_guesser_t *guesser, const char *jid,
                                     const char *address, const char *password)
{
    jf_test_ok(jf_guess_prepare(guess, guesser->table, &guesser->limits, jid, address, password,
                                guesser->pool),
               "an attempt");
    return jf_guess_begin(guess, guesser->table, guesser->now_us);
}

apr_interval_time_t jf_guesser_end(jf_guess_t *guess, jf_guesser_t *guesser,
                                   jf_guess_outcome_t outcome)
{
    return jf_guess_end(guess, guesser->table, outcome, guesser->now_us);
}

apr_interval_time_t jf_guesser_attempt(jf_guesser_t *guesser, const char *jid, const char *address,
                                       jf_guess_outcome_t outcome)
{
    jf_guess_t guess;
    const char *password = apr_psprintf(guesser->pool, "guess %d", guesser->draws++);
    apr_interval_time_t wait_us = jf_guesser_begin(&guess, guesser, jid, address, password);
    if (wait_us == 0) {
        jf_guesser_end(&guess, guesser, outcome);
    }
    return wait_us;
}

apr_interval_time_t jf_guesser_fail(jf_guesser_t *guesser, const char *jid, const char *address)
{
    return jf_guesser_attempt(guesser, jid, address, JF_GUESS_WRONG);
}

int jf_guesser_count_allowed(jf_guesser_t *guesser, const char *jid, const char *address, int most)
{
    int count = 0;
    while (count < most && jf_guesser_fail(guesser, jid, address) == 0) {
        count++;
    }
    return count;
}

const char *jf_guesser_address(int n, apr_pool_t *pool)
{
    return apr_psprintf(pool, "10.%d.%d.1", n / 256, n % 256);
}

const char *jf_guesser_jid(int n, apr_pool_t *pool)
{
    return apr_psprintf(pool, "user%d@example.org", n);
}
