#include "mod_jabberfiles_pages.h"

#include <apr_strings.h>

#include "jf_units.h"

/* So many areas are read at once, so that memory stays small with any number of them. The samples
 * of a family stand together, so the areas are read once for each. */
#define PAGE_AREAS 256

/* An area, and what holds for it. */
typedef struct subject_t {
    const jfm_server_config_t *store;
    const char *store_number; /* NULL if there is only one */
    const jfm_dir_config_t *config;
    const jf_area_t *area;
} subject_t;

/* Its sample in a family, or NULL if it has none. */
typedef jf_err_t *(*value_of_t)(const char **value, const subject_t *subject, apr_pool_t *pool);

static const char *as_number(apr_int64_t bytes, apr_pool_t *pool)
{
    return apr_psprintf(pool, "%" APR_INT64_T_FMT, bytes);
}

/* Infinity, so that a share of a limit can be computed for every area. */
static const char *as_limit(apr_int64_t bytes, apr_pool_t *pool)
{
    return bytes == JF_UNLIMITED ? "+Inf" : as_number(bytes, pool);
}

static jf_err_t *stored(const char **value, const subject_t *subject, apr_pool_t *pool)
{
    *value = as_number(subject->area->used_bytes, pool);
    return NULL;
}

static jf_err_t *quota(const char **value, const subject_t *subject, apr_pool_t *pool)
{
    *value =
        as_limit(subject->area->quota_bytes == JF_QUOTA_DEFAULT ? jfm_quota_bytes(subject->config)
                                                                : subject->area->quota_bytes,
                 pool);
    return NULL;
}

static jf_err_t *transferred(const char **value, const subject_t *subject, apr_pool_t *pool)
{
    jfm_usage_t usage;
    JF_TRY(jfm_usage_at(&usage, subject->store->service, subject->config, subject->area,
                        apr_time_now(), pool));
    *value = usage.transferred_bytes == JFM_NOT_COUNTED ? NULL
                                                        : as_number(usage.transferred_bytes, pool);
    return NULL;
}

static jf_err_t *transfer_quota(const char **value, const subject_t *subject, apr_pool_t *pool)
{
    jfm_terms_t terms;
    jfm_terms(&terms, subject->config, subject->area->id, &subject->area->transfer);
    *value = as_limit(terms.quota_bytes, pool);
    return NULL;
}

typedef struct column_t {
    jfm_family_t family;
    value_of_t value_of;
} column_t;

/* ---- all areas ---- */

static jf_err_t *put_area(const jfm_metrics_t *page, const column_t *column,
                          const subject_t *subject, apr_pool_t *pool)
{
    const char *value = NULL;
    JF_TRY(column->value_of(&value, subject, pool));
    if (value) {
        const jfm_label_t labels[2] = {
            {.name = "area", .value = subject->area->jid},
            {.name = subject->store_number ? "store" : NULL, .value = subject->store_number},
        };
        jfm_metrics_sample(page, &column->family, labels, value);
    }
    return NULL;
}

/* @param after the JID of the last one, NULL after the last page */
static jf_err_t *put_some(const char **after, const jfm_metrics_t *page, const column_t *column,
                          const subject_t *subject, apr_pool_t *pool)
{
    apr_array_header_t *areas;
    JF_TRY(jf_ledger_area_list(&areas, subject->store->service->ledger, *after, PAGE_AREAS, pool));
    *after = NULL;
    for (int i = 0; i < areas->nelts; i++) {
        subject_t one = *subject;
        one.area = &APR_ARRAY_IDX(areas, i, jf_area_t);
        one.config = jfm_config_in_store(one.store, one.area->jid, pool);
        JF_TRY(put_area(page, column, &one, pool));
        *after = one.area->jid;
    }
    return NULL;
}

static jf_err_t *put_store(const jfm_metrics_t *page, const column_t *column,
                           const subject_t *subject)
{
    apr_pool_t *pools[2]; /* the end of one page is needed for the next */
    const char *after = "";
    jf_err_t *err = NULL;
    apr_pool_create(&pools[0], page->r->pool);
    apr_pool_create(&pools[1], page->r->pool);
    for (int turn = 0; after && !err; turn = !turn) {
        apr_pool_clear(pools[turn]);
        err = jf_err_copy(put_some(&after, page, column, subject, pools[turn]), page->r->pool);
    }
    apr_pool_destroy(pools[0]);
    apr_pool_destroy(pools[1]);
    return err;
}

static jf_err_t *put_column(const jfm_metrics_t *page, const column_t *column)
{
    const apr_array_header_t *stores = jfm_stores();
    jf_err_t *err = NULL;
    jfm_metrics_family(page, &column->family);
    for (int i = 0; i < stores->nelts && !err; i++) {
        subject_t subject = {
            .store = APR_ARRAY_IDX(stores, i, const jfm_server_config_t *),
            .store_number = stores->nelts > 1 ? apr_itoa(page->r->pool, i + 1) : NULL,
        };
        if (subject.store->service) {
            err = put_store(page, column, &subject);
        }
    }
    return err;
}

jf_err_t *jfm_metrics_areas(const jfm_metrics_t *page)
{
    static const column_t columns[] = {
        {{"jabberfiles_area_stored_bytes", "bytes", JFM_GAUGE, "Size of the files of an area."},
         stored},
        {{"jabberfiles_area_quota_bytes", "bytes", JFM_GAUGE, "Disk quota of an area."}, quota},
        {{"jabberfiles_area_transferred_bytes", "bytes", JFM_GAUGE,
          "Charged to the transfer quota of an area in the current period."},
         transferred},
        {{"jabberfiles_area_transfer_quota_bytes", "bytes", JFM_GAUGE,
          "Transfer quota of an area for one period."},
         transfer_quota},
    };
    jf_err_t *err = NULL;
    for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]) && !err; i++) {
        err = put_column(page, &columns[i]);
    }
    return err;
}
