#include "mod_jabberfiles_pages.h"

#include <apr_atomic.h>
#include <apr_shm.h>

/*
 * Refusals are counted in memory that all processes share, from one restart of httpd to the next.
 */

/* Name in "?auto", then what a person reads. */
#define CAUSES(X)                                      \
    X(BadRequest, "bad request (400, 411, 415)")       \
    X(Unauthorized, "not logged in (401)")             \
    X(Forbidden, "not allowed (403)")                  \
    X(NotFound, "nothing there (404)")                 \
    X(Method, "method not allowed (405)")              \
    X(UsedSlot, "slot used before (409)")              \
    X(Precondition, "precondition failed (412)")       \
    X(TooLarge, "file too large (413)")                \
    X(TooMany, "too many wrong passwords (429)")       \
    X(TransferQuota, "transfer quota (429)")           \
    X(Quota, "disk quota (507, 402)")                  \
    X(DiskFull, "disk full (507, 402)")                \
    X(Unavailable, "ledger busy or unavailable (503)") \
    X(NoVerdict, "no login at a Jabber server (503)")  \
    X(Error, "server error (500)")                     \
    X(Other, "other")

#define AS_ENUM(name, text) CAUSE_##name,
typedef enum { CAUSES(AS_ENUM) CAUSE_COUNT } cause_t;

#define AS_NAME(name, text) #name,
static const char *const cause_names[] = {CAUSES(AS_NAME)};

#define AS_TEXT(name, text) text,
static const char *const cause_texts[] = {CAUSES(AS_TEXT)};

/* NULL while the configuration is read. Set in post_config, inherited by
 * children. */
static apr_uint32_t *counters;

static apr_status_t forget_counters(void *data)
{
    (void)data;
    counters = NULL;
    return APR_SUCCESS;
}

jf_err_t *jfm_status_create(apr_pool_t *pconf)
{
    apr_shm_t *shm;
    apr_status_t status = apr_shm_create(&shm, CAUSE_COUNT * sizeof(*counters), NULL, pconf);
    if (status != APR_SUCCESS) {
        return jf_err_from_system(status, pconf, "cannot create shared memory for the counters");
    }
    counters = apr_shm_baseaddr_get(shm);
    for (int i = 0; i < CAUSE_COUNT; i++) {
        apr_atomic_set32(&counters[i], 0);
    }
    apr_pool_cleanup_register(pconf, NULL, forget_counters, apr_pool_cleanup_null);
    return NULL;
}

/* ---- counting ---- */

static cause_t cause_of(int status, const jf_err_t *err)
{
    switch (status) {
    case HTTP_BAD_REQUEST:
    case HTTP_LENGTH_REQUIRED:
    case HTTP_UNSUPPORTED_MEDIA_TYPE:
        return CAUSE_BadRequest;
    case HTTP_UNAUTHORIZED:
        return CAUSE_Unauthorized;
    case HTTP_FORBIDDEN:
        return CAUSE_Forbidden;
    case HTTP_NOT_FOUND:
        return CAUSE_NotFound;
    case HTTP_METHOD_NOT_ALLOWED:
        return CAUSE_Method;
    case HTTP_CONFLICT:
        return CAUSE_UsedSlot;
    case HTTP_PRECONDITION_FAILED:
        return CAUSE_Precondition;
    case HTTP_REQUEST_ENTITY_TOO_LARGE:
        return CAUSE_TooLarge;
    case HTTP_TOO_MANY_REQUESTS:
        return err && err->code == JF_ERR_TRANSFER_QUOTA ? CAUSE_TransferQuota : CAUSE_TooMany;
    case HTTP_PAYMENT_REQUIRED:
    case HTTP_INSUFFICIENT_STORAGE:
        return err && err->code == JF_ERR_DISK_FULL ? CAUSE_DiskFull : CAUSE_Quota;
    case HTTP_SERVICE_UNAVAILABLE:
        return err && err->code == JF_ERR_NO_VERDICT ? CAUSE_NoVerdict : CAUSE_Unavailable;
    case HTTP_INTERNAL_SERVER_ERROR:
        return CAUSE_Error;
    default:
        return CAUSE_Other;
    }
}

void jfm_status_count(request_rec *r)
{
    jfm_request_t *request = jfm_request(r);
    if (request && !request->is_counted && counters && ap_is_HTTP_ERROR(r->status)) {
        request->is_counted = 1;
        apr_atomic_inc32(&counters[cause_of(r->status, request->err)]);
    }
}

int jfm_status_count_late(request_rec *r)
{
    jfm_status_count(r);
    return DECLINED;
}

/* ---- looking ---- */

apr_array_header_t *jfm_refusals(apr_pool_t *pool)
{
    apr_array_header_t *refusals = apr_array_make(pool, CAUSE_COUNT, sizeof(jfm_refusal_t));
    for (int i = 0; i < CAUSE_COUNT && counters; i++) {
        APR_ARRAY_PUSH(refusals, jfm_refusal_t) = (jfm_refusal_t){
            .name = cause_names[i],
            .text = cause_texts[i],
            .requests = apr_atomic_read32(&counters[i]),
        };
    }
    return refusals;
}
