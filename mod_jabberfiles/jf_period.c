#include "jf_period.h"

#include <apr_cstr.h>
#include <apr_escape.h>
#include <apr_strings.h>

#include "jf_units.h"

#define SECS_PER_DAY 86400
#define DAYS_PER_WEEK 7
#define MONTHS_PER_YEAR 12
/* The Gregorian calendar repeats after so many years and days. */
#define YEARS_PER_CYCLE 400
#define DAYS_PER_CYCLE 146097
/* The epoch was a Thursday, and so many days after a Monday. */
#define EPOCH_WEEKDAY 3
/* From March 1st of the year 0 to the epoch. */
#define EPOCH_DAY 719468

/* ---- names ---- */

static const struct {
    const char *name;
    jf_period_t period;
} names[] = {
    {"day", JF_PERIOD_DAY},
    {"week", JF_PERIOD_WEEK},
    {"month", JF_PERIOD_MONTH},
};
#define NAME_COUNT (sizeof(names) / sizeof(names[0]))

static jf_err_t *refuse(const char *text, apr_pool_t *pool)
{
    return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                       "\"%.80s\" is not valid: a period is \"day\", \"week\", \"month\", or a "
                       "number of seconds above 0, or a whole number with m, h, d or w (\"36h\"), "
                       "up to %d days",
                       apr_pescape_echo(pool, text, 1), JF_PERIOD_SECONDS_MAX / SECS_PER_DAY);
}

jf_err_t *jf_period_parse(jf_period_t *period, const char *text, apr_pool_t *pool)
{
    for (apr_size_t i = 0; i < NAME_COUNT; i++) {
        if (apr_cstr_casecmp(text, names[i].name) == 0) {
            *period = names[i].period;
            return NULL;
        }
    }
    apr_interval_time_t duration_us = JF_NEVER;
    if (jf_units_parse_duration(&duration_us, text, pool) || duration_us == JF_NEVER ||
        apr_time_sec(duration_us) > JF_PERIOD_SECONDS_MAX) {
        return refuse(text, pool);
    }
    *period = (jf_period_t)apr_time_sec(duration_us);
    return NULL;
}

const char *jf_period_format(jf_period_t period, apr_pool_t *pool)
{
    for (apr_size_t i = 0; i < NAME_COUNT; i++) {
        if (period == names[i].period) {
            return names[i].name;
        }
    }
    return apr_psprintf(pool, "%u", (unsigned)period);
}

/* ---- the calendar ---- */

/* Division that rounds down, as times before the epoch need it. */
static apr_int64_t floor_div(apr_int64_t value, apr_int64_t divisor)
{
    return value / divisor - (value % divisor < 0);
}

/* A count of months, year 0 January being 0. The year begins in March here, so that the day that
 * comes and goes is its last: the months before it are then 153 days for each five. */
static apr_int64_t month_of_day(apr_int64_t day)
{
    apr_int64_t cycle = floor_div(day + EPOCH_DAY, DAYS_PER_CYCLE);
    apr_int64_t of_cycle = day + EPOCH_DAY - cycle * DAYS_PER_CYCLE;
    apr_int64_t year =
        (of_cycle - of_cycle / 1460 + of_cycle / 36524 - of_cycle / (DAYS_PER_CYCLE - 1)) / 365;
    apr_int64_t of_year = of_cycle - (365 * year + year / 4 - year / 100);
    apr_int64_t month = (5 * of_year + 2) / 153;
    return (cycle * YEARS_PER_CYCLE + year) * MONTHS_PER_YEAR + month + 2;
}

/* The first day of such a month. */
static apr_int64_t day_of_month(apr_int64_t month)
{
    apr_int64_t years = floor_div(month - 2, MONTHS_PER_YEAR);
    apr_int64_t of_year = month - 2 - years * MONTHS_PER_YEAR;
    apr_int64_t cycle = floor_div(years, YEARS_PER_CYCLE);
    apr_int64_t year = years - cycle * YEARS_PER_CYCLE;
    return cycle * DAYS_PER_CYCLE + 365 * year + year / 4 - year / 100 + (153 * of_year + 2) / 5 -
           EPOCH_DAY;
}

/* When the period @a next after the one of @a secs begins, 0 for the one itself. */
static apr_int64_t start_secs(jf_period_t period, apr_int64_t secs, int next)
{
    apr_int64_t day = floor_div(secs, SECS_PER_DAY);
    switch (period) {
    case JF_PERIOD_WEEK:
        day = (floor_div(day + EPOCH_WEEKDAY, DAYS_PER_WEEK) + next) * DAYS_PER_WEEK;
        return (day - EPOCH_WEEKDAY) * SECS_PER_DAY;
    case JF_PERIOD_MONTH:
        return day_of_month(month_of_day(day) + next) * SECS_PER_DAY;
    default:
        return (floor_div(secs, period) + next) * period;
    }
}

/* The ends of what an apr_time_t can hold lie within a period: there it is cut off. */
static apr_time_t time_of(apr_int64_t secs)
{
    apr_time_t us;
    if (__builtin_mul_overflow(secs, (apr_int64_t)APR_USEC_PER_SEC, &us)) {
        return secs < 0 ? APR_INT64_MIN : APR_INT64_MAX;
    }
    return us;
}

apr_time_t jf_period_start(jf_period_t period, apr_time_t now_us)
{
    return time_of(start_secs(period, floor_div(now_us, APR_USEC_PER_SEC), 0));
}

apr_time_t jf_period_end(jf_period_t period, apr_time_t now_us)
{
    return time_of(start_secs(period, floor_div(now_us, APR_USEC_PER_SEC), 1));
}
