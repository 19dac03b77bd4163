/**
 * Counts what is transferred, for all processes together, in memory that a file backs.
 *
 * Each area that something was lately transferred for has an account: bytes and numbers that are
 * not in the ledger yet, what is charged to the transfer quota in this period, and what was
 * promised to downloads in progress. Counting is a few atomic operations on memory that all
 * processes map, so nothing is lost when a process dies, and nothing when all die; the file is
 * STORE/traffic. One process at a time calls jf_traffic_flush each second, which brings the ledger
 * up to date, takes back what dead processes have promised, and frees accounts that are idle: the
 * file never grows, whatever the number of areas.
 *
 * A download or upload that takes long, is paced, or is charged to a limited quota is a
 * jf_transfer_t: it is listed, its promise holds until it ends, and its progress is counted on the
 * way. Everything else is counted when it has ended, by jf_traffic_count.
 *
 * A jf_traffic_t belongs to one process, is made after the last fork and is used by any of its
 * threads. It belongs to no pool: threads that outlive the process's pools do no harm.
 */
#ifndef JF_TRAFFIC_H
#define JF_TRAFFIC_H

#include <apr_tables.h>

#include "jf_ledger.h"
#include "jf_period.h"

typedef struct jf_traffic_t jf_traffic_t;

/** Whose traffic, and the period that its transfer quota is for (never JF_PERIOD_DEFAULT). */
typedef struct jf_traffic_key_t {
    apr_int64_t area_id;
    jf_period_t period;
} jf_traffic_key_t;

/** What one transfer adds. Bytes of content: no header fields, no TLS, no framing. */
typedef struct jf_traffic_amount_t {
    apr_int64_t sent_bytes;
    apr_int64_t received_bytes;
    apr_int64_t charged_bytes; /**< of those sent, what counts for the transfer quota */
    apr_int64_t downloads;     /**< 0 or 1: an answer with content that has ended */
    apr_int64_t uploads;       /**< 0 or 1: a file that was made */
} jf_traffic_amount_t;

/* ---- life ---- */

/**
 * Makes STORE/traffic if there is none or if it belongs to another ledger or another version, with
 * all its room allocated; brings into @a ledger what the last run has left in it. To be run by the
 * user whom the files shall belong to, also while other processes use the file.
 * @return JF_ERR_DISK_FULL, JF_ERR_IO
 */
jf_err_t *jf_traffic_create(const char *directory, jf_ledger_t *ledger, apr_time_t now_us,
                            apr_pool_t *pool);

/**
 * Maps the file into this process. If somebody has removed it since the start, it is made again.
 * @param directory of the store; copied.
 * @param ledger outlives the result.
 */
jf_err_t *jf_traffic_open(jf_traffic_t **traffic, const char *directory, jf_ledger_t *ledger,
                          apr_pool_t *pool);

/** For a process that goes on without it: no other thread may be in it, no transfer in progress. */
void jf_traffic_close(jf_traffic_t *traffic);

/* ---- counting ---- */

/**
 * Counts a transfer that has ended.
 * @return NULL; an error only if there was no room for another account and the ledger, which is
 * asked for a new account and written to when there is no room, could not be used: then it is not
 * counted.
 */
jf_err_t *jf_traffic_count(jf_traffic_t *traffic, const jf_traffic_key_t *key,
                           const jf_traffic_amount_t *amount, apr_time_t now_us, apr_pool_t *pool);

typedef enum { JF_TRANSFER_DOWNLOAD, JF_TRANSFER_UPLOAD } jf_direction_t;

typedef struct jf_transfer_request_t {
    jf_traffic_key_t key;
    jf_direction_t direction;
    apr_int64_t size_bytes;  /**< so many will be transferred, at most; -1 if nobody knows */
    apr_int64_t quota_bytes; /**< of a download: the transfer quota, or JF_UNLIMITED */
    int is_charged;          /**< of a download: counts for the transfer quota */
    int is_paced;            /**< has its share of the area's rate */
} jf_transfer_request_t;

/** A transfer in progress, in the caller's memory; not to be looked into. */
typedef struct jf_transfer_t {
    jf_traffic_t *traffic;
    void *account;
    void *slot; /**< NULL if there was none left: then it is not listed */
    jf_transfer_request_t request;
    apr_int64_t done_bytes;
    apr_int64_t promised_bytes;
} jf_transfer_t;

/**
 * Begins a transfer. A charged download with a limited quota is let in only while what was charged
 * in this period and what is promised to downloads in progress is less than the quota; it is then
 * promised its size. So downloads in parallel overshoot by less than one of them.
 * @param transfer the caller's; jf_transfer_end must follow, in any thread of this process.
 * @return JF_ERR_TRANSFER_QUOTA, with limit_bytes and used_bytes (what is charged and promised);
 * JF_ERR_BUSY and others if there is no account and none can be made.
 */
jf_err_t *jf_transfer_begin(jf_transfer_t *transfer, jf_traffic_t *traffic,
                            const jf_transfer_request_t *request, apr_time_t now_us,
                            apr_pool_t *pool);

/**
 * Counts so far: @a done_bytes in all since the beginning. It may be less than the last time, if
 * that was an estimate. Calls for one transfer must not overlap.
 */
void jf_transfer_progress(jf_transfer_t *transfer, apr_int64_t done_bytes, apr_time_t now_us);

/** It is known now how much will be transferred in all: a part of the file, or nothing. That much
 * is promised instead of the whole. Must not overlap with jf_transfer_progress. */
void jf_transfer_expect(jf_transfer_t *transfer, apr_int64_t size_bytes);

/**
 * No more will come than @a done_bytes: what is left of the promise is given back. It stays listed
 * and paced until jf_transfer_end, and jf_transfer_progress may still correct it.
 * @param is_counted counts in downloads or uploads.
 */
void jf_transfer_settle(jf_transfer_t *transfer, apr_int64_t done_bytes, int is_counted,
                        apr_time_t now_us);

/** How many paced transfers of the same area, period and direction share its rate now, this one
 * included; in all processes. At least 1. */
apr_uint32_t jf_transfer_sharers(const jf_transfer_t *transfer);

/** Ends it; what is promised still is given back. */
void jf_transfer_end(jf_transfer_t *transfer);

/* ---- keeping the ledger up to date ---- */

typedef struct jf_traffic_flush_t {
    int accounts;       /**< that had something for the ledger */
    int dead_transfers; /**< of processes that are no more, taken off the list */
    int freed_accounts;
} jf_traffic_flush_t;

/**
 * Brings the ledger up to date in one transaction. Exact even if the process dies in the middle:
 * each batch has a number that the ledger knows. For one process at a time; another call waits.
 * If it fails, everything stays for the next time.
 */
jf_err_t *jf_traffic_flush(jf_traffic_flush_t *result, jf_traffic_t *traffic, apr_time_t now_us,
                           apr_pool_t *pool);

/* ---- looking ---- */

/** Charged to the transfer quota in the period that @a now_us is in. */
jf_err_t *jf_traffic_charged(apr_int64_t *charged_bytes, jf_traffic_t *traffic,
                             const jf_traffic_key_t *key, apr_time_t now_us, apr_pool_t *pool);

/**
 * Since the file was made. They never go down: who watches a counter takes one that does for one
 * that has begun anew. Where an estimate was corrected, a total stands still for that long.
 */
typedef struct jf_traffic_totals_t {
    apr_int64_t sent_bytes;
    apr_int64_t received_bytes;
    apr_int64_t downloads;
    apr_int64_t uploads;
    apr_int64_t accounts;     /**< in use now */
    apr_int64_t accounts_max; /**< there is room for */
} jf_traffic_totals_t;

void jf_traffic_totals(jf_traffic_totals_t *totals, const jf_traffic_t *traffic);

typedef struct jf_active_t {
    apr_int64_t area_id;
    jf_direction_t direction;
    int is_paced;
    apr_int64_t size_bytes; /**< -1 if nobody knows */
    apr_int64_t done_bytes;
    apr_int64_t bytes_per_s; /**< as measured between the last two progresses of a second or more */
    apr_time_t started_us;
} jf_active_t;

/** The listed transfers of all processes at this moment; array of jf_active_t. */
apr_array_header_t *jf_traffic_active(const jf_traffic_t *traffic, apr_pool_t *pool);

#endif
