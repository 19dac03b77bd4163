#include "mod_jabberfiles_pages.h"

#include <string.h>

#include <apr_lib.h>
#include <apr_strings.h>

#include "jf_version.h"

/* A family whose value is not known at the moment is left out: any number would be a wrong one. */

static void put(const jfm_metrics_t *page, const jfm_family_t *family, const char *label,
                const char *label_value, apr_int64_t value)
{
    const jfm_label_t labels[2] = {{.name = label, .value = label_value}};
    jfm_metrics_sample(page, family, labels,
                       apr_psprintf(page->r->pool, "%" APR_INT64_T_FMT, value));
}

static void put_one(const jfm_metrics_t *page, const jfm_family_t *family, apr_int64_t value)
{
    jfm_metrics_family(page, family);
    put(page, family, NULL, NULL, value);
}

static void put_build(const jfm_metrics_t *page)
{
    static const jfm_family_t build = {"jabberfiles_build", NULL, JFM_INFO,
                                       "Version of mod_jabberfiles."};
    jfm_metrics_family(page, &build);
    put(page, &build, "version", JF_VERSION, 1);
}

static void put_totals(const jfm_metrics_t *page, const jf_totals_t *totals)
{
    static const jfm_family_t areas = {"jabberfiles_areas", NULL, JFM_GAUGE, "File areas."};
    static const jfm_family_t files = {"jabberfiles_files", NULL, JFM_GAUGE, "Files in all areas."};
    static const jfm_family_t stored = {"jabberfiles_stored_bytes", "bytes", JFM_GAUGE,
                                        "Size of all files together."};
    static const jfm_family_t in_flight = {
        "jabberfiles_uploads_in_flight", NULL, JFM_GAUGE,
        "Uploads that have begun, and slots that were granted and may be used."};
    put_one(page, &areas, totals->areas);
    put_one(page, &files, totals->files);
    put_one(page, &stored, totals->used_bytes);
    put_one(page, &in_flight, totals->uploads_in_flight);
}

static void put_traffic(const jfm_metrics_t *page, const jf_traffic_totals_t *traffic)
{
    static const jfm_family_t sent = {"jabberfiles_sent_bytes", "bytes", JFM_COUNTER,
                                      "Content of files that was sent."};
    static const jfm_family_t received = {"jabberfiles_received_bytes", "bytes", JFM_COUNTER,
                                          "Content of uploads that was received."};
    static const jfm_family_t downloads = {
        "jabberfiles_downloads", NULL, JFM_COUNTER,
        "Answers with content of a file that have ended, also broken off."};
    static const jfm_family_t uploads = {"jabberfiles_uploads", NULL, JFM_COUNTER,
                                         "Files that were created or replaced."};
    static const jfm_family_t accounts = {
        "jabberfiles_traffic_accounts", NULL, JFM_GAUGE,
        "Areas with recent traffic that have an account in shared memory."};
    static const jfm_family_t accounts_max = {"jabberfiles_traffic_accounts_max", NULL, JFM_GAUGE,
                                              "Room for such accounts."};
    put_one(page, &sent, traffic->sent_bytes);
    put_one(page, &received, traffic->received_bytes);
    put_one(page, &downloads, traffic->downloads);
    put_one(page, &uploads, traffic->uploads);
    put_one(page, &accounts, traffic->accounts);
    put_one(page, &accounts_max, traffic->accounts_max);
}

static void put_active(const jfm_metrics_t *page)
{
    static const jfm_family_t transfers = {"jabberfiles_active_transfers", NULL, JFM_GAUGE,
                                           "Transfers in progress that take long or have a limit."};
    static const jfm_family_t rate = {"jabberfiles_transfer_rate_bytes_per_second",
                                      "bytes_per_second", JFM_GAUGE,
                                      "How fast these transfers are together."};
    const apr_array_header_t *active = jfm_active_transfers(page->r->pool);
    jfm_activity_t downloads = jfm_activity(active, JF_TRANSFER_DOWNLOAD);
    jfm_activity_t uploads = jfm_activity(active, JF_TRANSFER_UPLOAD);
    jfm_metrics_family(page, &transfers);
    put(page, &transfers, "direction", "download", downloads.transfers);
    put(page, &transfers, "direction", "upload", uploads.transfers);
    jfm_metrics_family(page, &rate);
    put(page, &rate, "direction", "download", downloads.bytes_per_s);
    put(page, &rate, "direction", "upload", uploads.bytes_per_s);
}

/* "NotFound" as Prometheus writes it: "not_found". */
static const char *as_snake_case(const char *name, apr_pool_t *pool)
{
    char *snake = apr_palloc(pool, 2 * strlen(name) + 1);
    char *end = snake;
    for (const char *c = name; *c; c++) {
        if (apr_isupper(*c) && c > name) {
            *end++ = '_';
        }
        *end++ = (char)apr_tolower(*c);
    }
    *end = '\0';
    return snake;
}

static void put_refusals(const jfm_metrics_t *page)
{
    static const jfm_family_t refused = {"jabberfiles_refusals", NULL, JFM_COUNTER,
                                         "Refused requests since the last restart of httpd."};
    const apr_array_header_t *refusals = jfm_refusals(page->r->pool);
    jfm_metrics_family(page, &refused);
    for (int i = 0; i < refusals->nelts; i++) {
        const jfm_refusal_t *refusal = &APR_ARRAY_IDX(refusals, i, jfm_refusal_t);
        put(page, &refused, "cause", as_snake_case(refusal->name, page->r->pool),
            refusal->requests);
    }
}

/* Last, for it is about all that the page has tried to read. */
static void put_ledger_up(const jfm_metrics_t *page, const jf_err_t *err)
{
    static const jfm_family_t ledger_up = {"jabberfiles_ledger_up", NULL, JFM_GAUGE,
                                           "1 if the ledger could be read for this page, else 0."};
    put_one(page, &ledger_up, !err);
    if (err) {
        ap_log_rerror(APLOG_MARK, APLOG_WARNING, err->status, page->r,
                      JFLOGNO(0101) "metrics: incomplete: %s", err->text);
    }
}

static void put_page(const jfm_metrics_t *page)
{
    jf_totals_t totals;
    jf_traffic_totals_t traffic;
    put_build(page);
    jf_err_t *err = jfm_status_totals(&totals, page->r->pool);
    if (!err) {
        put_totals(page, &totals);
    }
    if (jfm_traffic_totals(&traffic)) {
        put_traffic(page, &traffic);
    }
    put_active(page);
    put_refusals(page);
    if (jfm_dir_config(page->r)->shows_jids == 1) {
        err = jf_err_first(err, jfm_metrics_areas(page));
    }
    put_ledger_up(page, err);
    jfm_metrics_end(page);
}

int jfm_metrics(request_rec *r)
{
    if (strcmp(r->handler, JFM_METRICS_HANDLER) != 0) {
        return DECLINED;
    }
    if (r->method_number != M_GET) {
        ap_allow_methods(r, REPLACE_ALLOW, "GET", "HEAD", NULL);
        return HTTP_METHOD_NOT_ALLOWED;
    }
    int status = ap_discard_request_body(r);
    if (status != OK) {
        return status;
    }
    const char *accept = apr_table_get(r->headers_in, "Accept");
    jfm_metrics_t page = {
        .r = r,
        .is_openmetrics = accept && ap_strcasestr(accept, "application/openmetrics-text"),
    };
    ap_set_content_type(r, page.is_openmetrics
                               ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                               : "text/plain; version=0.0.4; charset=utf-8");
    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    apr_table_mergen(r->headers_out, "Vary", "Accept");
    if (!r->header_only) {
        put_page(&page);
    }
    return OK;
}
