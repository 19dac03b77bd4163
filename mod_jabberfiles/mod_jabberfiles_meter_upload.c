#include "mod_jabberfiles_body.h"
#include "mod_jabberfiles_pages.h"

#include "jf_units.h"

/* An upload as small as that is counted when it has ended. */
#define SMALL_BYTES (64 * 1024)
#define PIECE_BYTES (1024 * 1024)
/* Of an upload with a rate. */
#define PIECE_BYTES_MAX (256 * 1024)
#define PIECE_BYTES_MIN 4096
#define PROGRESS_US apr_time_from_msec(250)
/* So long may an upload have been idle and still make up for it. */
#define LATE_US apr_time_from_msec(100)
/* A wait is cut into such pieces, for the share changes meanwhile. */
#define NAP_US apr_time_from_msec(100)

/*
 * No kernel paces what others send. But an upload has a thread of httpd anyhow, which reads slowly
 * then, and TCP makes the client wait.
 */

static void complain(const jfm_upload_meter_t *meter, const jf_err_t *err)
{
    ap_log_rerror(APLOG_MARK, APLOG_WARNING, err->status, meter->r,
                  JFLOGNO(0091) "area %" APR_INT64_T_FMT ": an upload is not counted: %s",
                  meter->request.key.area_id, err->text);
}

/* ---- beginning ---- */

static void follow(jfm_upload_meter_t *meter)
{
    apr_time_t now_us = apr_time_now();
    jf_err_t *err = jf_transfer_begin(&meter->transfer, meter->traffic, &meter->request, now_us,
                                      meter->r->pool);
    if (err) {
        complain(meter, err);
        return;
    }
    meter->is_followed = 1;
    meter->reported_us = now_us;
    meter->due_us = now_us;
}

static void set_terms(jfm_upload_meter_t *meter, const jf_area_t *area)
{
    const jfm_dir_config_t *config = jfm_config_of_area(meter->r, area->jid);
    jfm_terms_t terms;
    jfm_terms(&terms, config, area->id, &area->transfer);
    meter->request.key = terms.key;
    meter->rate_bytes_per_s = terms.upload_bytes_per_s;
    meter->request.is_paced = terms.upload_bytes_per_s != JF_UNLIMITED;
    meter->is_counted = meter->request.is_paced || jfm_is_metered(config);
}

int jfm_has_upload_rate(request_rec *r, const char *jid)
{
    return jfm_upload_rate_bytes_per_s(jfm_config_of_area(r, jid)) != JF_UNLIMITED;
}

void jfm_meter_upload(jfm_upload_meter_t *meter, request_rec *r, const jf_area_t *area,
                      apr_int64_t length_bytes)
{
    int is_small = length_bytes != JF_LENGTH_UNKNOWN && length_bytes <= SMALL_BYTES;
    *meter = (jfm_upload_meter_t){
        .r = r,
        .traffic = jfm_request(r)->server->service->traffic,
        .request = {.direction = JF_TRANSFER_UPLOAD,
                    .size_bytes = length_bytes == JF_LENGTH_UNKNOWN ? -1 : length_bytes,
                    .quota_bytes = JF_UNLIMITED},
    };
    if (!area) {
        return;
    }
    set_terms(meter, area);
    if (meter->request.is_paced || (meter->is_counted && !is_small)) {
        follow(meter);
    }
}

/* ---- on the way ---- */

static apr_int64_t share_of(const jfm_upload_meter_t *meter)
{
    apr_int64_t share = meter->rate_bytes_per_s / jf_transfer_sharers(&meter->transfer);
    return share > 0 ? share : 1;
}

static int is_slowed(const jfm_upload_meter_t *meter)
{
    return meter->is_followed && meter->request.is_paced;
}

apr_off_t jfm_meter_piece_bytes(const jfm_upload_meter_t *meter)
{
    if (!is_slowed(meter)) {
        return PIECE_BYTES;
    }
    apr_int64_t tenth_bytes = share_of(meter) / 10;
    return tenth_bytes < PIECE_BYTES_MIN   ? PIECE_BYTES_MIN
           : tenth_bytes > PIECE_BYTES_MAX ? PIECE_BYTES_MAX
                                           : tenth_bytes;
}

static void report(jfm_upload_meter_t *meter, apr_time_t now_us)
{
    if (now_us - meter->reported_us >= PROGRESS_US || now_us < meter->reported_us) {
        jf_transfer_progress(&meter->transfer, meter->received_bytes, now_us);
        meter->reported_us = now_us;
    }
}

/* How long @a bytes take at this share; that much is not late yet. */
static void wait_for(jfm_upload_meter_t *meter, apr_int64_t bytes)
{
    apr_time_t now_us = apr_time_now();
    double todo_bytes = (double)bytes;
    apr_time_t spare_us = now_us - meter->due_us;
    spare_us = spare_us < 0 ? 0 : spare_us > LATE_US ? LATE_US : spare_us;
    meter->due_us = now_us - spare_us;
    while (todo_bytes > 0) {
        double bytes_per_us = (double)share_of(meter) / (double)APR_USEC_PER_SEC;
        apr_time_t wait_us = meter->due_us + (apr_time_t)(todo_bytes / bytes_per_us) - now_us;
        if (wait_us <= 0) {
            meter->due_us += (apr_time_t)(todo_bytes / bytes_per_us);
            return;
        }
        apr_sleep(wait_us < NAP_US ? wait_us : NAP_US);
        now_us = apr_time_now();
        todo_bytes -= (double)(now_us - meter->due_us) * bytes_per_us;
        meter->due_us = now_us;
        report(meter, now_us);
    }
}

void jfm_meter_received(jfm_upload_meter_t *meter, apr_int64_t bytes)
{
    meter->received_bytes += bytes;
    if (!meter->is_followed) {
        return;
    }
    if (is_slowed(meter)) {
        wait_for(meter, bytes);
    }
    report(meter, apr_time_now());
}

/* ---- ending ---- */

void jfm_meter_upload_end(jfm_upload_meter_t *meter, const jf_area_t *area, int is_file)
{
    apr_time_t now_us = apr_time_now();
    if (meter->is_followed) {
        jf_transfer_settle(&meter->transfer, meter->received_bytes, is_file, now_us);
        jf_transfer_end(&meter->transfer);
        return;
    }
    if (area) {
        set_terms(meter, area);
    }
    if (!meter->is_counted) {
        return;
    }
    jf_traffic_amount_t amount = {.received_bytes = meter->received_bytes, .uploads = is_file};
    jf_err_t *err =
        jf_traffic_count(meter->traffic, &meter->request.key, &amount, now_us, meter->r->pool);
    if (err) {
        complain(meter, err);
    }
}
