/**
 * What the ledger knows of an area's traffic, as of now. It is the same whether httpd runs or not,
 * but for the last second.
 */
#ifndef ADMIN_TRAFFIC_H
#define ADMIN_TRAFFIC_H

#include "admin.h"
#include "jf_ledger_traffic.h"

typedef struct admin_traffic_t {
    jf_period_t period; /**< that the next three are about; JF_PERIOD_DEFAULT if nobody knows */
    apr_time_t start_us;
    apr_time_t end_us;
    apr_int64_t charged_bytes; /**< to the transfer quota, in the current period */
    jf_traffic_day_t today;
    jf_traffic_day_t all; /**< sums of all days that are kept */
} admin_traffic_t;

/**
 * Reads the traffic of an area. Its period is the one that was set for it; without one, httpd's
 * configuration has it, and what httpd has charged last tells it.
 */
jf_err_t *admin_traffic_read(admin_traffic_t *traffic, const admin_t *admin, const jf_area_t *area);

/** What people are shown: a correction of an estimate can make a day negative, which is nothing. */
apr_int64_t admin_traffic_shown(apr_int64_t bytes);

#endif
