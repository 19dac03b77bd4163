#include "mod_jabberfiles_pages.h"

#include <string.h>

/*
 * https://prometheus.io/docs/instrumenting/exposition_formats/ and
 * https://github.com/prometheus/OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md: a family is
 * named with its suffix in the older format and without it in the newer one, samples have it in
 * both.
 */

static const char *suffix_of(const jfm_family_t *family)
{
    static const char *const suffixes[] = {
        [JFM_GAUGE] = "", [JFM_COUNTER] = "_total", [JFM_INFO] = "_info"};
    return suffixes[family->kind];
}

/* The older format knows no kind for information: it is a number that is always 1. */
static const char *kind_of(const jfm_metrics_t *page, const jfm_family_t *family)
{
    switch (family->kind) {
    case JFM_COUNTER:
        return "counter";
    case JFM_INFO:
        return page->is_openmetrics ? "info" : "gauge";
    case JFM_GAUGE:
    default:
        return "gauge";
    }
}

void jfm_metrics_family(const jfm_metrics_t *page, const jfm_family_t *family)
{
    const char *suffix = page->is_openmetrics ? "" : suffix_of(family);
    ap_rvputs(page->r, "# HELP ", family->name, suffix, " ", family->help, "\n# TYPE ",
              family->name, suffix, " ", kind_of(page, family), "\n", NULL);
    if (page->is_openmetrics && family->unit) {
        ap_rvputs(page->r, "# UNIT ", family->name, " ", family->unit, "\n", NULL);
    }
}

static void put_escaped(request_rec *r, const char *text)
{
    while (*text) {
        size_t plain = strcspn(text, "\\\"\n");
        ap_rwrite(text, (int)plain, r);
        text += plain;
        if (*text) {
            ap_rputs(*text == '\n' ? "\\n" : *text == '"' ? "\\\"" : "\\\\", r);
            text++;
        }
    }
}

static void put_label(request_rec *r, const char *before, const jfm_label_t *label)
{
    ap_rvputs(r, before, label->name, "=\"", NULL);
    put_escaped(r, label->value);
    ap_rputs("\"", r);
}

void jfm_metrics_sample(const jfm_metrics_t *page, const jfm_family_t *family,
                        const jfm_label_t labels[2], const char *value)
{
    ap_rvputs(page->r, family->name, suffix_of(family), NULL);
    int count = 0;
    for (int i = 0; i < 2; i++) {
        if (labels[i].name) {
            put_label(page->r, count == 0 ? "{" : ",", &labels[i]);
            count++;
        }
    }
    ap_rvputs(page->r, count ? "} " : " ", value, "\n", NULL);
}

void jfm_metrics_end(const jfm_metrics_t *page)
{
    if (page->is_openmetrics) {
        ap_rputs("# EOF\n", page->r);
    }
}
