/**
 * What the pages for the operator share: the section in server-status, and the metrics.
 *
 * A store that this process could not open is missing in sums: functions that say so return 0 or an
 * error, and the page then leaves the sums out rather than showing less than there is.
 */
#ifndef MOD_JABBERFILES_PAGES_H
#define MOD_JABBERFILES_PAGES_H

#include "mod_jabberfiles_private.h"

/* ---- mod_jabberfiles_sums.c: over all stores of this httpd ---- */

/** What was transferred. @return 1, or 0 if some store is not open. */
int jfm_traffic_totals(jf_traffic_totals_t *totals);

typedef struct jfm_active_t {
    jf_active_t transfer;
    const jf_service_t *service;
    int store; /**< its number from 1, in the order of the configuration */
} jfm_active_t;

/** The listed transfers, array of jfm_active_t, the fastest first. */
apr_array_header_t *jfm_active_transfers(apr_pool_t *pool);

/** Those of one direction together. */
typedef struct jfm_activity_t {
    apr_int64_t transfers;
    apr_int64_t bytes_per_s;
} jfm_activity_t;
jfm_activity_t jfm_activity(const apr_array_header_t *active, jf_direction_t direction);

/* ---- mod_jabberfiles_refusals.c: memory that all processes share until the next restart ---- */

typedef struct jfm_refusal_t {
    const char *name; /**< of the cause in "?auto" */
    const char *text; /**< for people */
    apr_uint32_t requests;
} jfm_refusal_t;

/** How many requests were refused for each cause; array of jfm_refusal_t. */
apr_array_header_t *jfm_refusals(apr_pool_t *pool);

/* ---- mod_jabberfiles_area_config.c ---- */

/** For the parent: finds out whether any section has terms of transfer for certain areas. */
void jfm_look_for_area_terms(server_rec *server);

/**
 * The configuration that holds for an area, whatever the URL of the request: a link does not name
 * the area, but a <Location> for the area is for its links, too. Lives as long as @a r.
 */
const jfm_dir_config_t *jfm_config_of_area(const request_rec *r, const char *jid);

/**
 * The same without a request, below the first BASE of the first server with this store. In @a pool,
 * or as long as httpd's.
 */
const jfm_dir_config_t *jfm_config_in_store(const jfm_server_config_t *store, const char *jid,
                                            apr_pool_t *pool);

/* ---- mod_jabberfiles_usage.c ---- */

/** transferred_bytes of an area whose downloads are not counted: JabberFilesMeter is Off. */
#define JFM_NOT_COUNTED (-1)

/** As jfm_usage, of a time and a configuration that no request says. */
jf_err_t *jfm_usage_at(jfm_usage_t *usage, const jf_service_t *service,
                       const jfm_dir_config_t *config, const jf_area_t *area, apr_time_t now_us,
                       apr_pool_t *pool);

/* ---- mod_jabberfiles_metrics_text.c: the two text formats for Prometheus ---- */

typedef struct jfm_metrics_t {
    request_rec *r;
    int is_openmetrics; /**< OpenMetrics 1.0, else the text format 0.0.4 */
} jfm_metrics_t;

typedef enum { JFM_GAUGE, JFM_COUNTER, JFM_INFO } jfm_metric_kind_t;

typedef struct jfm_family_t {
    const char *name; /**< without _total and _info; ends with the unit */
    const char *unit; /**< or NULL */
    jfm_metric_kind_t kind;
    const char *help; /**< without quotation marks, backslashes and newlines */
} jfm_family_t;

typedef struct jfm_label_t {
    const char *name; /**< NULL: no label */
    const char *value;
} jfm_label_t;

/** Begins a family: its samples follow, and then no more of it. */
void jfm_metrics_family(const jfm_metrics_t *page, const jfm_family_t *family);
/** @param labels two of them. */
void jfm_metrics_sample(const jfm_metrics_t *page, const jfm_family_t *family,
                        const jfm_label_t labels[2], const char *value);
void jfm_metrics_end(const jfm_metrics_t *page);

/* ---- mod_jabberfiles_metrics_areas.c ---- */

/** Families with a sample per area, named by its JID. @return an error of some ledger */
jf_err_t *jfm_metrics_areas(const jfm_metrics_t *page);

#endif
