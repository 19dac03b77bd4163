/**
 * How progress is written.
 */
#ifndef PROGRESS_FORMAT_H
#define PROGRESS_FORMAT_H

#include <apr_pools.h>
#include <apr_time.h>

typedef struct progress_state_t {
    const char *label; /**< visible */
    apr_int64_t done_bytes;
    apr_int64_t total_bytes; /**< or -1 */
    double bytes_per_s;      /**< 0: not known yet */
} progress_state_t;

/** A line that is at most @a columns wide: label, share, bar, sizes, rate, time left, as far as
 * there is room. */
const char *progress_format_bar(const progress_state_t *state, int columns, apr_pool_t *pool);

/** A plain line: "report.pdf: 45 %, 1.2 MiB of 2.7 MiB, 300.0 KiB/s". */
const char *progress_format_line(const progress_state_t *state, apr_pool_t *pool);

/** The summary of a complete transfer: "report.pdf: 2.7 MiB in 0:09, 300.0 KiB/s". */
const char *progress_format_summary(const progress_state_t *state, apr_interval_time_t elapsed_us,
                                    apr_pool_t *pool);

#endif
