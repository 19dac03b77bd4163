#include "mod_jabberfiles_pages.h"

#include <stdlib.h>

static int store_count(void)
{
    return jfm_stores() ? jfm_stores()->nelts : 0;
}

static const jfm_server_config_t *store_at(int i)
{
    return APR_ARRAY_IDX(jfm_stores(), i, const jfm_server_config_t *);
}

jf_err_t *jfm_status_totals(jf_totals_t *totals, apr_pool_t *pool)
{
    jf_totals_t sum = {0};
    for (int i = 0; i < store_count(); i++) {
        const jf_service_t *service = store_at(i)->service;
        jf_totals_t one;
        if (!service) {
            return jf_err_make(JF_ERR_UNAVAILABLE, APR_SUCCESS, pool,
                               "store %s could not be opened by this child", store_at(i)->store);
        }
        JF_TRY(jf_ledger_totals(&one, service->ledger, pool));
        sum.areas += one.areas;
        sum.files += one.files;
        sum.used_bytes += one.used_bytes;
        sum.uploads_in_flight += one.uploads_in_flight;
    }
    *totals = sum;
    return NULL;
}

int jfm_traffic_totals(jf_traffic_totals_t *totals)
{
    jf_traffic_totals_t sum = {0};
    for (int i = 0; i < store_count(); i++) {
        const jf_service_t *service = store_at(i)->service;
        jf_traffic_totals_t one;
        if (!service) {
            return 0;
        }
        jf_traffic_totals(&one, service->traffic);
        sum.sent_bytes += one.sent_bytes;
        sum.received_bytes += one.received_bytes;
        sum.downloads += one.downloads;
        sum.uploads += one.uploads;
        sum.accounts += one.accounts;
        sum.accounts_max += one.accounts_max;
    }
    *totals = sum;
    return 1;
}

/* ---- transfers in progress ---- */

static int compare_speed(const void *left, const void *right)
{
    const jf_active_t *a = &((const jfm_active_t *)left)->transfer;
    const jf_active_t *b = &((const jfm_active_t *)right)->transfer;
    if (a->bytes_per_s != b->bytes_per_s) {
        return a->bytes_per_s < b->bytes_per_s ? 1 : -1;
    }
    return (a->started_us > b->started_us) - (a->started_us < b->started_us);
}

apr_array_header_t *jfm_active_transfers(apr_pool_t *pool)
{
    apr_array_header_t *all = apr_array_make(pool, 16, sizeof(jfm_active_t));
    for (int i = 0; i < store_count(); i++) {
        const jf_service_t *service = store_at(i)->service;
        if (!service) {
            continue;
        }
        const apr_array_header_t *listed = jf_traffic_active(service->traffic, pool);
        for (int k = 0; k < listed->nelts; k++) {
            APR_ARRAY_PUSH(all, jfm_active_t) = (jfm_active_t){
                .transfer = APR_ARRAY_IDX(listed, k, jf_active_t),
                .service = service,
                .store = i + 1,
            };
        }
    }
    qsort(all->elts, (size_t)all->nelts, sizeof(jfm_active_t), compare_speed);
    return all;
}

jfm_activity_t jfm_activity(const apr_array_header_t *active, jf_direction_t direction)
{
    jfm_activity_t activity = {0};
    for (int i = 0; i < active->nelts; i++) {
        const jf_active_t *transfer = &APR_ARRAY_IDX(active, i, jfm_active_t).transfer;
        if (transfer->direction == direction) {
            activity.transfers++;
            activity.bytes_per_s += transfer->bytes_per_s;
        }
    }
    return activity;
}
