#include "mod_jabberfiles_pages.h"

#include <apr_optional_hooks.h>
#include <apr_strings.h>
#include <mod_status.h>

#include "jf_units.h"

#define INT APR_INT64_T_FMT

/* More than a person reads. */
#define ROWS_MAX 100

/* What is known when somebody looks. */
typedef struct section_t {
    int has_totals; /* the ledgers can be read */
    jf_totals_t totals;
    int has_traffic;
    jf_traffic_totals_t traffic;
    const apr_array_header_t *active; /* of jfm_active_t */
    jfm_activity_t downloads;
    jfm_activity_t uploads;
    const apr_array_header_t *refusals; /* of jfm_refusal_t */
} section_t;

static void look(section_t *section, request_rec *r)
{
    jf_err_t *err = jfm_status_totals(&section->totals, r->pool);
    if (err) {
        ap_log_rerror(APLOG_MARK, APLOG_WARNING, err->status, r, JFLOGNO(0050) "server-status: %s",
                      err->text);
    }
    section->has_totals = !err;
    section->has_traffic = jfm_traffic_totals(&section->traffic);
    section->active = jfm_active_transfers(r->pool);
    section->downloads = jfm_activity(section->active, JF_TRANSFER_DOWNLOAD);
    section->uploads = jfm_activity(section->active, JF_TRANSFER_UPLOAD);
    section->refusals = jfm_refusals(r->pool);
}

/* ---- for programs ---- */

static void show_short(request_rec *r, const section_t *section)
{
    if (section->has_totals) {
        ap_rprintf(r,
                   "JabberFilesAreas: %" INT "\nJabberFilesFiles: %" INT "\nJabberFilesBytes: %" INT
                   "\nJabberFilesUploadsInFlight: %" INT "\n",
                   section->totals.areas, section->totals.files, section->totals.used_bytes,
                   section->totals.uploads_in_flight);
    }
    if (section->has_traffic) {
        ap_rprintf(r, "JabberFilesSentBytes: %" INT "\nJabberFilesReceivedBytes: %" INT "\n",
                   section->traffic.sent_bytes, section->traffic.received_bytes);
    }
    ap_rprintf(r,
               "JabberFilesActiveDownloads: %" INT "\nJabberFilesActiveUploads: %" INT
               "\nJabberFilesDownloadRate: %" INT "\nJabberFilesUploadRate: %" INT "\n",
               section->downloads.transfers, section->uploads.transfers,
               section->downloads.bytes_per_s, section->uploads.bytes_per_s);
    for (int i = 0; i < section->refusals->nelts; i++) {
        const jfm_refusal_t *refusal = &APR_ARRAY_IDX(section->refusals, i, jfm_refusal_t);
        ap_rprintf(r, "JabberFilesRefusals%s: %u\n", refusal->name, refusal->requests);
    }
}

/* ---- for people ---- */

static const char *rate(apr_int64_t bytes_per_s, apr_pool_t *pool)
{
    return apr_pstrcat(pool, jf_units_format_bytes(bytes_per_s, pool), "/s", NULL);
}

static void show_sums(request_rec *r, const section_t *section)
{
    ap_rputs("<hr>\n<h2>Jabber file areas</h2>\n<dl>\n", r);
    if (section->has_totals) {
        ap_rprintf(r,
                   "<dt>%" INT " areas, %" INT " files, %" INT " bytes</dt>\n<dt>%" INT
                   " uploads in flight</dt>\n",
                   section->totals.areas, section->totals.files, section->totals.used_bytes,
                   section->totals.uploads_in_flight);
    } else {
        ap_rputs("<dt>The ledger cannot be read; the error log says why</dt>\n", r);
    }
    if (section->has_traffic) {
        ap_rprintf(r,
                   "<dt>%" INT " bytes sent in %" INT " downloads, %" INT " bytes received in %" INT
                   " uploads</dt>\n",
                   section->traffic.sent_bytes, section->traffic.downloads,
                   section->traffic.received_bytes, section->traffic.uploads);
    }
    ap_rprintf(r,
               "<dt>Long transfers in progress: %" INT " downloads, %s; %" INT
               " uploads, %s</dt>\n</dl>\n",
               section->downloads.transfers, rate(section->downloads.bytes_per_s, r->pool),
               section->uploads.transfers, rate(section->uploads.bytes_per_s, r->pool));
}

/* JIDs stay out of a page that may be open to many, unless the operator wants them there. */
static const char *area_name(request_rec *r, const jfm_active_t *active)
{
    const char *jid = NULL;
    if (jfm_dir_config(r)->shows_jids == 1) {
        jf_err_t *err =
            jf_ledger_area_jid(&jid, active->service->ledger, active->transfer.area_id, r->pool);
        jid = err ? NULL : ap_escape_html(r->pool, jid);
    }
    if (!jid) {
        jid = apr_psprintf(r->pool, "%" INT, active->transfer.area_id);
    }
    return jfm_stores()->nelts > 1 ? apr_psprintf(r->pool, "%d: %s", active->store, jid) : jid;
}

static void show_row(request_rec *r, const jfm_active_t *active)
{
    const jf_active_t *transfer = &active->transfer;
    ap_rprintf(
        r,
        "<tr><td>%s</td><td>%s</td><td>%s</td><td>%s</td><td>%s</td><td>%s</td>"
        "<td>%s</td></tr>\n",
        area_name(r, active), transfer->direction == JF_TRANSFER_DOWNLOAD ? "download" : "upload",
        transfer->size_bytes < 0 ? "unknown" : jf_units_format_bytes(transfer->size_bytes, r->pool),
        jf_units_format_bytes(transfer->done_bytes, r->pool), rate(transfer->bytes_per_s, r->pool),
        transfer->is_paced ? "yes" : "no",
        ap_ht_time(r->pool, transfer->started_us, "%Y-%m-%d %H:%M:%S UTC", 1));
}

static void show_active(request_rec *r, const apr_array_header_t *active)
{
    int rows = active->nelts < ROWS_MAX ? active->nelts : ROWS_MAX;
    if (rows == 0) {
        return;
    }
    ap_rputs("<table><tr><th>Area</th><th>Direction</th><th>Size</th><th>Done</th><th>Rate</th>"
             "<th>Limited</th><th>Since</th></tr>\n",
             r);
    for (int i = 0; i < rows; i++) {
        show_row(r, &APR_ARRAY_IDX(active, i, jfm_active_t));
    }
    ap_rputs("</table>\n", r);
    if (rows < active->nelts) {
        ap_rprintf(r, "<p>These are the fastest; there are %d more.</p>\n", active->nelts - rows);
    }
}

static void show_refusals(request_rec *r, const apr_array_header_t *refusals)
{
    ap_rputs("<table><tr><th>Refused since the last restart</th><th>Requests</th></tr>\n", r);
    for (int i = 0; i < refusals->nelts; i++) {
        const jfm_refusal_t *refusal = &APR_ARRAY_IDX(refusals, i, jfm_refusal_t);
        ap_rprintf(r, "<tr><td>%s</td><td>%u</td></tr>\n", refusal->text, refusal->requests);
    }
    ap_rputs("</table>\n", r);
}

static int show(request_rec *r, int flags)
{
    section_t section;
    if (!jfm_stores() || jfm_stores()->nelts == 0) {
        return DECLINED;
    }
    look(&section, r);
    if (flags & AP_STATUS_SHORT) {
        show_short(r, &section);
        return OK;
    }
    show_sums(r, &section);
    show_active(r, section.active);
    show_refusals(r, section.refusals);
    return OK;
}

void jfm_register_status(void)
{
    APR_OPTIONAL_HOOK(ap, status_hook, show, NULL, NULL, APR_HOOK_MIDDLE);
}
