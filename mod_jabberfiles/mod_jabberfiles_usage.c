#include "mod_jabberfiles_pages.h"

#include <apr_strings.h>

#include "jf_units.h"

/* JabberFilesMeter Off, and nothing that needs the count nevertheless. */
static int is_counted(const jfm_dir_config_t *config, const jfm_terms_t *terms)
{
    return jfm_is_metered(config) || terms->quota_bytes != JF_UNLIMITED ||
           terms->rate_bytes_per_s != JF_UNLIMITED;
}

jf_err_t *jfm_usage_at(jfm_usage_t *usage, const jf_service_t *service,
                       const jfm_dir_config_t *config, const jf_area_t *area, apr_time_t now_us,
                       apr_pool_t *pool)
{
    jfm_terms_t terms;
    jfm_terms(&terms, config, area->id, &area->transfer);
    *usage = (jfm_usage_t){
        .used_bytes = area->used_bytes,
        .quota_bytes =
            area->quota_bytes == JF_QUOTA_DEFAULT ? jfm_quota_bytes(config) : area->quota_bytes,
        .transferred_bytes = is_counted(config, &terms) ? 0 : JFM_NOT_COUNTED,
        .transfer_quota_bytes = terms.quota_bytes,
        .period = terms.key.period,
        .period_start_us = jf_period_start(terms.key.period, now_us),
        .period_end_us = jf_period_end(terms.key.period, now_us),
    };
    if (area->id == 0 || usage->transferred_bytes == JFM_NOT_COUNTED) {
        return NULL;
    }
    return jf_traffic_charged(&usage->transferred_bytes, service->traffic, &terms.key, now_us,
                              pool);
}

jf_err_t *jfm_usage(jfm_usage_t *usage, request_rec *r, const jf_area_t *area)
{
    const jfm_request_t *request = jfm_request(r);
    return jfm_usage_at(usage, request->server->service, request->config, area, apr_time_now(),
                        r->pool);
}

/* ---- in header fields ---- */

static void set_bytes(request_rec *r, const char *name, apr_int64_t bytes)
{
    apr_table_setn(r->headers_out, name,
                   bytes == JF_UNLIMITED ? "unlimited"
                                         : apr_psprintf(r->pool, "%" APR_INT64_T_FMT, bytes));
}

void jfm_set_usage_headers(request_rec *r, const jf_area_t *area)
{
    jfm_usage_t usage;
    jf_err_t *err = jfm_usage(&usage, r, area);
    if (err) {
        ap_log_rerror(APLOG_MARK, APLOG_INFO, err->status, r,
                      JFLOGNO(0100) "%s: the answer to an upload lacks the usage: %s", area->jid,
                      err->text);
        return;
    }
    set_bytes(r, "JabberFiles-Used", usage.used_bytes);
    set_bytes(r, "JabberFiles-Quota", usage.quota_bytes);
    if (usage.transferred_bytes != JFM_NOT_COUNTED) {
        set_bytes(r, "JabberFiles-Transferred", usage.transferred_bytes);
    }
    set_bytes(r, "JabberFiles-Transfer-Quota", usage.transfer_quota_bytes);
    apr_table_setn(r->headers_out, "JabberFiles-Period-End",
                   jf_units_format_time(usage.period_end_us, r->pool));
}
