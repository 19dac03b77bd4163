/**
 * What the ledger keeps of traffic: bytes and numbers per area and day, and what is charged to an
 * area's transfer quota in the current period.
 *
 * Written in batches by jf_traffic, never by a download. Rows of an area go with it, and its number
 * is never given to another one. See jf_ledger.h for threads, errors and times.
 */
#ifndef JF_LEDGER_TRAFFIC_H
#define JF_LEDGER_TRAFFIC_H

#include "jf_ledger.h"

/** The history is kept for so many days. */
#define JF_TRAFFIC_DAYS_KEPT 400

/** What one account of one area adds. Amounts may be negative: corrections of estimates. */
typedef struct jf_traffic_entry_t {
    apr_int64_t area_id;
    apr_int64_t sent_bytes;
    apr_int64_t received_bytes;
    apr_int64_t downloads;
    apr_int64_t uploads;
    jf_period_t period;
    apr_time_t period_start_us;
    apr_int64_t charged_bytes; /**< in all in this period, not in addition */
} jf_traffic_entry_t;

/** "Not part of a sequence", for a batch that is written on its own. */
#define JF_TRAFFIC_NO_NUMBER 0

typedef struct jf_traffic_batch_t {
    apr_int64_t number; /**< greater than the last one that was written, or JF_TRAFFIC_NO_NUMBER */
    apr_time_t now_us;  /**< says the day (UTC) that it is added to */
    const apr_array_header_t *entries; /**< of jf_traffic_entry_t */
} jf_traffic_batch_t;

/**
 * Writes a batch in one transaction, without waiting for the disk. What belongs to an area that is
 * gone is dropped. Each batch drops some of the days that are older than JF_TRAFFIC_DAYS_KEPT.
 */
jf_err_t *jf_ledger_traffic_write(jf_ledger_t *ledger, const jf_traffic_batch_t *batch,
                                  apr_pool_t *pool);

/** The number of the last batch that was written, 0 before the first. */
jf_err_t *jf_ledger_traffic_number(apr_int64_t *number, jf_ledger_t *ledger, apr_pool_t *pool);

/** What is charged in the period that began at @a period_start_us; 0 if nothing is. */
jf_err_t *jf_ledger_traffic_charged(apr_int64_t *charged_bytes, jf_ledger_t *ledger,
                                    apr_int64_t area_id, jf_period_t period,
                                    apr_time_t period_start_us, apr_pool_t *pool);

typedef struct jf_traffic_day_t {
    apr_time_t day_us; /**< 0:00 UTC */
    apr_int64_t sent_bytes;
    apr_int64_t received_bytes;
    apr_int64_t downloads;
    apr_int64_t uploads;
} jf_traffic_day_t;

/** Up to @a limit days of an area with any traffic, the newest first; array of jf_traffic_day_t. */
jf_err_t *jf_ledger_traffic_days(apr_array_header_t **days, jf_ledger_t *ledger,
                                 apr_int64_t area_id, int limit, apr_pool_t *pool);

typedef struct jf_traffic_period_t {
    jf_period_t period;
    apr_time_t start_us;
    apr_int64_t charged_bytes;
} jf_traffic_period_t;

/** What was charged to an area, per kind of period in use, as last written; array of
 * jf_traffic_period_t, the one that began last first. */
jf_err_t *jf_ledger_traffic_periods(apr_array_header_t **periods, jf_ledger_t *ledger,
                                    apr_int64_t area_id, apr_pool_t *pool);

#endif
