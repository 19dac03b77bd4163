#include "admin_traffic.h"

/* ---- the period ---- */

static int is_current(const jf_traffic_period_t *row, apr_time_t now_us)
{
    return row->start_us == jf_period_start(row->period, now_us);
}

/* Rows of kinds of periods that the configuration no longer has stay behind: of those that are not
 * over, the one that began last is the likeliest. */
static jf_period_t guess_period(const apr_array_header_t *rows, apr_time_t now_us)
{
    for (int i = 0; i < rows->nelts; i++) {
        const jf_traffic_period_t *row = &APR_ARRAY_IDX(rows, i, jf_traffic_period_t);
        if (is_current(row, now_us)) {
            return row->period;
        }
    }
    return rows->nelts > 0 ? APR_ARRAY_IDX(rows, 0, jf_traffic_period_t).period : JF_PERIOD_DEFAULT;
}

static apr_int64_t charged_now(const apr_array_header_t *rows, jf_period_t period,
                               apr_time_t now_us)
{
    for (int i = 0; i < rows->nelts; i++) {
        const jf_traffic_period_t *row = &APR_ARRAY_IDX(rows, i, jf_traffic_period_t);
        if (row->period == period && is_current(row, now_us)) {
            return row->charged_bytes;
        }
    }
    return 0;
}

static jf_err_t *read_period(admin_traffic_t *traffic, const admin_t *admin, const jf_area_t *area)
{
    apr_array_header_t *rows;
    JF_TRY(jf_ledger_traffic_periods(&rows, admin->service->ledger, area->id, admin->pool));
    traffic->period = area->transfer.period != JF_PERIOD_DEFAULT
                          ? area->transfer.period
                          : guess_period(rows, admin->now_us);
    if (traffic->period != JF_PERIOD_DEFAULT) {
        traffic->start_us = jf_period_start(traffic->period, admin->now_us);
        traffic->end_us = jf_period_end(traffic->period, admin->now_us);
        traffic->charged_bytes = charged_now(rows, traffic->period, admin->now_us);
    }
    return NULL;
}

/* ---- the days ---- */

static void add(apr_int64_t *sum, apr_int64_t amount)
{
    if (__builtin_add_overflow(*sum, amount, sum)) {
        *sum = APR_INT64_MAX;
    }
}

static void add_day(jf_traffic_day_t *sum, const jf_traffic_day_t *day)
{
    add(&sum->sent_bytes, day->sent_bytes);
    add(&sum->received_bytes, day->received_bytes);
    add(&sum->downloads, day->downloads);
    add(&sum->uploads, day->uploads);
}

static jf_err_t *read_days(admin_traffic_t *traffic, const admin_t *admin, const jf_area_t *area)
{
    apr_array_header_t *days;
    apr_time_t today_us = jf_period_start(JF_PERIOD_DAY, admin->now_us);
    JF_TRY(jf_ledger_traffic_days(&days, admin->service->ledger, area->id, JF_TRAFFIC_DAYS_KEPT,
                                  admin->pool));
    for (int i = 0; i < days->nelts; i++) {
        const jf_traffic_day_t *day = &APR_ARRAY_IDX(days, i, jf_traffic_day_t);
        add_day(&traffic->all, day);
        if (day->day_us == today_us) {
            traffic->today = *day;
        }
    }
    return NULL;
}

jf_err_t *admin_traffic_read(admin_traffic_t *traffic, const admin_t *admin, const jf_area_t *area)
{
    *traffic = (admin_traffic_t){0};
    JF_TRY(read_period(traffic, admin, area));
    return read_days(traffic, admin, area);
}

apr_int64_t admin_traffic_shown(apr_int64_t bytes)
{
    return bytes > 0 ? bytes : 0;
}
