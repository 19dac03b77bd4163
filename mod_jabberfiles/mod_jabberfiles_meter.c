#include "mod_jabberfiles_pages.h"
#include "mod_jabberfiles_wire.h"

#include <apr_strings.h>

#include "jf_units.h"

/*
 * A small answer is given to the kernel in one piece, and counted when that is done. Larger ones
 * are followed on their way: what a client that goes away has not got is not counted.
 */
#define SMALL_BYTES (64 * 1024)
#define WATCH_FILTER "JABBERFILES_WATCH"

typedef struct meter_t {
    request_rec *r;
    jf_traffic_t *traffic;
    jf_transfer_request_t transfer;
    apr_int64_t rate_bytes_per_s;
    apr_int64_t header_bytes;
    int is_announced;
    int is_handed_over;       /* all of it, to the connection */
    jfm_download_t *download; /* NULL: it is counted at the end */
} meter_t;

static ap_filter_rec_t *watch_filter;

/* ---- when it ends ---- */

/* A stream is broken off by its connection's thread, even if all of it has been sent before. */
static int is_broken_off(const meter_t *meter)
{
    const conn_rec *c = meter->r->connection;
    return c->master ? !meter->is_handed_over : c->aborted;
}

static void count(const meter_t *meter)
{
    apr_int64_t sent_bytes = is_broken_off(meter) ? 0 : meter->r->bytes_sent;
    jf_traffic_amount_t amount = {
        .sent_bytes = sent_bytes,
        .charged_bytes = meter->transfer.is_charged ? sent_bytes : 0,
        .downloads = 1,
    };
    jf_err_t *err = jf_traffic_count(meter->traffic, &meter->transfer.key, &amount,
                                     meter->r->request_time, meter->r->pool);
    if (err) {
        ap_log_rerror(APLOG_MARK, APLOG_WARNING, err->status, meter->r,
                      JFLOGNO(0090) "area %" APR_INT64_T_FMT ": a download is not counted: %s",
                      meter->transfer.key.area_id, err->text);
    }
}

/* A pre-cleanup: the request and its connection are whole. It runs when httpd has done with the
 * last byte, in whatever thread that is. */
static apr_status_t end_request(void *data)
{
    meter_t *meter = data;
    if (meter->download) {
        jfm_download_end(meter->download, meter->r);
    } else if (jfm_is_content(meter->r)) {
        count(meter);
    }
    return APR_SUCCESS;
}

/* ---- when content begins to flow ---- */

static apr_bucket *first_file(apr_bucket_brigade *bb)
{
    apr_bucket *b = APR_BRIGADE_FIRST(bb);
    while (b != APR_BRIGADE_SENTINEL(bb) && !APR_BUCKET_IS_FILE(b)) {
        b = APR_BUCKET_NEXT(b);
    }
    return b != APR_BRIGADE_SENTINEL(bb) ? b : NULL;
}

/* There is one. */
static apr_bucket *last_file(apr_bucket_brigade *bb)
{
    apr_bucket *b = APR_BRIGADE_LAST(bb);
    while (!APR_BUCKET_IS_FILE(b)) {
        b = APR_BUCKET_PREV(b);
    }
    return b;
}

/* One that cannot be followed is counted when it has ended, as a small one. */
static void begin_unlimited(meter_t *meter)
{
    (void)jfm_download_begin(&meter->download, meter->traffic, &meter->transfer,
                             meter->rate_bytes_per_s, apr_time_now(), meter->r->pool);
}

static int is_followed(const meter_t *meter)
{
    return meter->transfer.is_paced || jfm_request(meter->r)->file->size_bytes > SMALL_BYTES;
}

static apr_status_t hand_over(ap_filter_t *filter, apr_bucket_brigade *bb)
{
    meter_t *meter = filter->ctx;
    int is_all = !APR_BRIGADE_EMPTY(bb) && APR_BUCKET_IS_EOS(APR_BRIGADE_LAST(bb));
    apr_status_t status = ap_pass_brigade(filter->next, bb);
    if (is_all && status == APR_SUCCESS) {
        meter->is_handed_over = 1;
    }
    return status;
}

/* Behind the filters that make header and ranges: what comes here is what goes out. */
static apr_status_t watch(ap_filter_t *filter, apr_bucket_brigade *bb)
{
    meter_t *meter = filter->ctx;
    const apr_bucket *file = first_file(bb);
    if (meter->download && !meter->is_announced) {
        jfm_download_announce(meter->download, filter->r);
        meter->is_announced = 1;
    }
    if (is_followed(meter) && file && !meter->download) {
        begin_unlimited(meter);
    }
    if (is_followed(meter) && file && meter->download) {
        jfm_download_watch(meter->download, filter->r, file, last_file(bb), meter->header_bytes);
        ap_remove_output_filter(filter);
    } else if (!file && !filter->r->sent_bodyct) {
        apr_off_t length_bytes;
        apr_brigade_length(bb, 0, &length_bytes);
        meter->header_bytes += length_bytes;
    }
    return hand_over(filter, bb);
}

void jfm_register_meter(void)
{
    watch_filter = ap_register_output_filter(WATCH_FILTER, watch, NULL,
                                             (ap_filter_type)(AP_FTYPE_PROTOCOL + 1));
}

/* ---- when it is asked for ---- */

/* A friend with a link learns when to come back, and not how much others have downloaded. */
static int refuse_quota(request_rec *r, const jf_err_t *reason, jf_period_t period)
{
    apr_time_t now_us = apr_time_now();
    apr_time_t end_us = jf_period_end(period, now_us);
    jf_err_t *err = jf_err_make(JF_ERR_TRANSFER_QUOTA, APR_SUCCESS, r->pool,
                                "the transfer quota of this file area is used up until %s",
                                jf_units_format_time(end_us, r->pool));
    if (jfm_request(r)->name.kind == JF_NAME_FILE) {
        err->limit_bytes = reason->limit_bytes;
        err->used_bytes = reason->used_bytes;
    }
    jfm_set_header(r, "Retry-After",
                   apr_psprintf(r->pool, "%" APR_INT64_T_FMT, apr_time_sec(end_us - now_us) + 1));
    return jfm_refuse(r, err);
}

static int begin_limited(meter_t *meter, const jfm_terms_t *terms)
{
    jf_err_t *err = jfm_download_begin(&meter->download, meter->traffic, &meter->transfer,
                                       meter->rate_bytes_per_s, apr_time_now(), meter->r->pool);
    if (err && err->code == JF_ERR_TRANSFER_QUOTA) {
        return refuse_quota(meter->r, err, terms->key.period);
    }
    return err ? jfm_refuse(meter->r, err) : OK;
}

static meter_t *make_meter(request_rec *r, const jfm_dir_config_t *config, const jf_file_t *file,
                           const jfm_terms_t *terms)
{
    const jfm_request_t *request = jfm_request(r);
    int is_owner = request->name.kind == JF_NAME_FILE;
    meter_t *meter = apr_pcalloc(r->pool, sizeof(*meter));
    meter->r = r;
    meter->traffic = request->server->service->traffic;
    meter->rate_bytes_per_s = terms->rate_bytes_per_s;
    meter->transfer = (jf_transfer_request_t){
        .key = terms->key,
        .direction = JF_TRANSFER_DOWNLOAD,
        .size_bytes = r->header_only ? 0 : file->size_bytes,
        .is_charged = !is_owner || config->counts_owner == 1,
        .is_paced = terms->rate_bytes_per_s != JF_UNLIMITED,
    };
    meter->transfer.quota_bytes = meter->transfer.is_charged ? terms->quota_bytes : JF_UNLIMITED;
    return meter;
}

int jfm_meter_download(request_rec *r, const jf_file_t *file)
{
    const jfm_dir_config_t *config = jfm_config_of_area(r, file->jid);
    jfm_terms_t terms;
    jfm_terms(&terms, config, file->area_id, &file->transfer);
    meter_t *meter = make_meter(r, config, file, &terms);
    int is_limited = meter->transfer.is_paced || meter->transfer.quota_bytes != JF_UNLIMITED;
    if (!is_limited && !jfm_is_metered(config)) {
        return OK;
    }
    int status = is_limited ? begin_limited(meter, &terms) : OK;
    if (status != OK) {
        return status;
    }
    if (meter->transfer.is_paced) {
        /* Only a file's bytes are followed on their way. */
        jfm_request(r)->content = NULL;
    }
    apr_pool_pre_cleanup_register(r->pool, meter, end_request);
    if (meter->download || is_followed(meter) || r->connection->master) {
        ap_add_output_filter_handle(watch_filter, meter, r, r->connection);
    }
    return OK;
}
