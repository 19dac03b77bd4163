/**
 * Somebody who guesses passwords: a table, and the clock and the limits of those who use it.
 */
#ifndef T_GUESSER_H
#define T_GUESSER_H

#include "jf_test.h"

#include "jf_guess.h"

#define JF_GUESSER_START_US apr_time_from_sec(1700000000)
#define JF_GUESSER_PERIOD_US apr_time_from_sec(60)
#define JF_TARGET "alice@example.org"
#define JF_HOME "192.0.2.1"
#define JF_AWAY "198.51.100.7"

typedef struct jf_guesser_t {
    apr_pool_t *pool;
    jf_guess_table_t *table;
    jf_guess_limits_t limits;
    apr_time_t now_us;
    int draws; /**< passwords made so far */
} jf_guesser_t;

/** Makes one with an empty table of @a entries; the period is JF_GUESSER_PERIOD_US. */
jf_guesser_t jf_guesser_make(apr_uint32_t entries, apr_uint32_t per_jid, apr_uint32_t per_address,
                             apr_pool_t *pool);

/** Prepares and begins an attempt. @return as jf_guess_begin. */
apr_interval_time_t jf_guesser_begin(jf_guess_t *guess, jf_guesser_t *guesser, const char *jid,
                                     const char *address, const char *password);

apr_interval_time_t jf_guesser_end(jf_guess_t *guess, jf_guesser_t *guesser,
                                   jf_guess_outcome_t outcome);

/** A whole attempt with a password like no other. @return as jf_guess_begin. */
apr_interval_time_t jf_guesser_attempt(jf_guesser_t *guesser, const char *jid, const char *address,
                                       jf_guess_outcome_t outcome);

/** jf_guesser_attempt with a wrong password. */
apr_interval_time_t jf_guesser_fail(jf_guesser_t *guesser, const char *jid, const char *address);

/** How many wrong attempts in a row are made until one is denied, @a most at most. */
int jf_guesser_count_allowed(jf_guesser_t *guesser, const char *jid, const char *address, int most);

/** One of many addresses that have nothing to do with each other. */
const char *jf_guesser_address(int n, apr_pool_t *pool);

const char *jf_guesser_jid(int n, apr_pool_t *pool);

#endif
