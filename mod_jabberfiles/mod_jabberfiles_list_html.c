#include "mod_jabberfiles_pages.h"

#include <apr_strings.h>

#include "jf_units.h"

/* The policy of the page allows this text by its hash and no other style or script. */
static const char page_style[] =
    "body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;"
    "color:#222;background:#fff}"
    "h1{font-size:1.3rem;overflow-wrap:anywhere}"
    "table{border-collapse:collapse;width:100%}"
    "th,td{text-align:left;padding:.3rem .8rem .3rem 0;border-bottom:1px solid #ddd;"
    "vertical-align:top}"
    "td{overflow-wrap:anywhere}"
    ".n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}"
    ".t{white-space:nowrap}"
    "@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}a{color:#8bf}"
    "th,td{border-color:#444}}";

static const char *escape(request_rec *r, const char *text)
{
    return ap_escape_html2(r->pool, text, 0);
}

static const char *time_or_never(request_rec *r, apr_time_t time_us)
{
    return time_us == JF_NEVER ? "never" : ap_ht_time(r->pool, time_us, "%Y-%m-%d %H:%M UTC", 1);
}

static void put_head(request_rec *r, const jfm_list_t *list)
{
    const char *title = escape(r, apr_pstrcat(r->pool, list->jid, "/", list->prefix, NULL));
    ap_rprintf(r,
               "<!DOCTYPE html>\n<html lang=\"en\"><head>\n<meta charset=\"utf-8\">\n"
               "<meta name=\"viewport\" content=\"width=device-width\">\n"
               "<title>%s</title>\n<style>%s</style>\n</head><body>\n<h1>%s</h1>\n",
               title, page_style, title);
}

static void put_stored(request_rec *r, const jfm_list_t *list)
{
    const char *quota = list->usage.quota_bytes == JF_UNLIMITED
                            ? "no limit"
                            : jf_units_format_bytes(list->usage.quota_bytes, r->pool);
    ap_rprintf(r, "<p>%s used of %s", jf_units_format_bytes(list->area.used_bytes, r->pool), quota);
    if (list->area.reserved_bytes > 0) {
        ap_rprintf(r, ", %s promised to uploads",
                   jf_units_format_bytes(list->area.reserved_bytes, r->pool));
    }
    ap_rputs(".</p>\n", r);
}

/* What the current period and the next one are called. */
static const char *this_period(request_rec *r, const jfm_usage_t *usage)
{
    switch (usage->period) {
    case JF_PERIOD_DAY:
        return "today";
    case JF_PERIOD_WEEK:
        return "this week";
    case JF_PERIOD_MONTH:
        return "this month";
    default:
        return apr_pstrcat(r->pool, "since ", time_or_never(r, usage->period_start_us), NULL);
    }
}

static const char *next_period(const jfm_usage_t *usage)
{
    switch (usage->period) {
    case JF_PERIOD_DAY:
        return "day";
    case JF_PERIOD_WEEK:
        return "week";
    case JF_PERIOD_MONTH:
        return "month";
    default:
        return "period";
    }
}

static void put_transferred(request_rec *r, const jfm_usage_t *usage)
{
    const char *bytes = jf_units_format_bytes(usage->transferred_bytes, r->pool);
    const char *end = time_or_never(r, usage->period_end_us);
    if (usage->transferred_bytes == JFM_NOT_COUNTED) {
        return;
    }
    if (usage->transfer_quota_bytes == JF_UNLIMITED) {
        ap_rprintf(r, "<p>%s downloaded %s; there is no limit.</p>\n", bytes,
                   this_period(r, usage));
        return;
    }
    ap_rprintf(r, "<p>%s of %s downloaded %s; ", bytes,
               jf_units_format_bytes(usage->transfer_quota_bytes, r->pool), this_period(r, usage));
    if (usage->transferred_bytes < usage->transfer_quota_bytes) {
        ap_rprintf(r, "the next %s begins %s.</p>\n", next_period(usage), end);
    } else {
        ap_rprintf(r, "links work again when the next %s begins, %s.</p>\n", next_period(usage),
                   end);
    }
}

static void put_row(request_rec *r, const jf_file_t *file)
{
    ap_rprintf(r,
               "<tr><td><a href=\"%s\">%s</a></td><td class=\"n\">%s</td><td>%s</td>"
               "<td class=\"t\">%s</td><td class=\"t\">%s</td><td><a href=\"%s\">link</a></td>"
               "</tr>\n",
               escape(r, jfm_area_url(r, file->jid, file->path)), escape(r, file->path),
               jf_units_format_bytes(file->size_bytes, r->pool), escape(r, file->media_type),
               time_or_never(r, file->created_us), time_or_never(r, file->expires_us),
               escape(r, jfm_link_url(r, file)));
}

static void put_files(request_rec *r, const jfm_list_t *list)
{
    if (list->files->nelts == 0) {
        ap_rputs("<p>There are no files here.</p>\n", r);
        return;
    }
    ap_rputs("<table>\n<thead><tr><th>Name</th><th class=\"n\">Size</th><th>Type</th>"
             "<th>Uploaded</th><th>Expires</th><th>To share</th></tr></thead>\n<tbody>\n",
             r);
    for (int i = 0; i < list->files->nelts; i++) {
        put_row(r, &APR_ARRAY_IDX(list->files, i, jf_file_t));
    }
    ap_rputs("</tbody>\n</table>\n", r);
}

int jfm_list_as_html(request_rec *r, const jfm_list_t *list)
{
    jfm_set_page_policy(r, page_style);
    ap_set_content_type(r, "text/html; charset=utf-8");
    put_head(r, list);
    put_stored(r, list);
    put_transferred(r, &list->usage);
    put_files(r, list);
    if (list->next_url) {
        ap_rprintf(r, "<p><a href=\"%s\">Next page</a></p>\n", escape(r, list->next_url));
    }
    ap_rputs("</body></html>\n", r);
    return OK;
}
