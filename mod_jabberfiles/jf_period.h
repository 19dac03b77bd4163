/**
 * The periods of transfer quotas: days, weeks and months of the calendar in UTC, or so many
 * seconds.
 *
 * Periods follow each other without a gap and without memory: from the time alone follows which
 * one it is in. Pure functions, usable in any thread.
 */
#ifndef JF_PERIOD_H
#define JF_PERIOD_H

#include <apr_time.h>

#include "jf_err.h"

/**
 * Seconds, counted from the epoch (86400 is the calendar's day), or one of the names below. It has
 * 24 bits, and 0 is none.
 */
typedef apr_uint32_t jf_period_t;

/** "By the configuration", for what can be set for one area. */
#define JF_PERIOD_DEFAULT 0
#define JF_PERIOD_DAY 86400
/** From Monday, 0:00. */
#define JF_PERIOD_WEEK 0xfffffe
/** From the first, 0:00. */
#define JF_PERIOD_MONTH 0xffffff
/** The longest that is given as a number: 180 days. */
#define JF_PERIOD_SECONDS_MAX (180 * 86400)

/**
 * Parses "day", "week", "month" (any case), or a duration as of jf_units_parse_duration, from one
 * second to JF_PERIOD_SECONDS_MAX.
 * @return JF_ERR_INVALID whose text says what is accepted.
 */
jf_err_t *jf_period_parse(jf_period_t *period, const char *text, apr_pool_t *pool);

/** Writes what jf_period_parse reads: "day", "week", "month" or the number of seconds. */
const char *jf_period_format(jf_period_t period, apr_pool_t *pool);

/** When the period began that @a now_us is in. Not for JF_PERIOD_DEFAULT. */
apr_time_t jf_period_start(jf_period_t period, apr_time_t now_us);

/** When the next one begins. */
apr_time_t jf_period_end(jf_period_t period, apr_time_t now_us);

#endif
