/**
 * Traffic that is written into the ledger of a fixture, and what the ledger says of it.
 */
#ifndef T_BOOKS_H
#define T_BOOKS_H

#include "jf_ledger_traffic.h"
#include "t_fixture.h"

#define JF_BOOKS_DAY_US (APR_INT64_C(86400) * APR_USEC_PER_SEC)
/** When the period of each entry began. */
#define JF_BOOKS_START_US (JF_NOW_US - 5000000)

/* ---- writing ---- */

/** The number of an area, which is made if there is none. */
apr_int64_t jf_books_area(jf_fixture_t *fixture, const char *jid);

/** An entry for a month: what was sent, and what is charged in all. */
jf_traffic_entry_t jf_books_entry(apr_int64_t area_id, apr_int64_t sent_bytes,
                                  apr_int64_t charged_bytes);

/** Writes a batch of @a count entries. */
jf_err_t *jf_books_write(jf_fixture_t *fixture, apr_int64_t number, apr_time_t now_us,
                         const jf_traffic_entry_t *entries, int count);

/** Writes a batch of one entry, without a number. */
void jf_books_write_one(jf_fixture_t *fixture, apr_time_t now_us, jf_traffic_entry_t entry);

/* ---- looking ---- */

/** Days of an area, the newest first; array of jf_traffic_day_t. */
apr_array_header_t *jf_books_days(jf_fixture_t *fixture, apr_int64_t area_id, int limit);

/** One of them; 0 is the newest. Fails the test if there are not so many. */
jf_traffic_day_t jf_books_day(jf_fixture_t *fixture, apr_int64_t area_id, int index);

/** What is charged in the period that began at @a start_us. */
apr_int64_t jf_books_charged(jf_fixture_t *fixture, apr_int64_t area_id, jf_period_t period,
                             apr_time_t start_us);

/** The number of the last batch. */
apr_int64_t jf_books_number(jf_fixture_t *fixture);

#endif
