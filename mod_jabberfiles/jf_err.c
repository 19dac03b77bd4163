#include "jf_err.h"

#include <stdarg.h>

#include <apr_strings.h>

static jf_err_t *make(jf_err_code_t code, apr_status_t status, const char *text, apr_pool_t *pool)
{
    jf_err_t *err = apr_palloc(pool, sizeof(*err));
    err->code = code;
    err->status = status;
    err->text = text;
    err->limit_bytes = JF_FACT_NONE;
    err->used_bytes = JF_FACT_NONE;
    err->required_bytes = JF_FACT_NONE;
    return err;
}

jf_err_t *jf_err_make(jf_err_code_t code, apr_status_t status, apr_pool_t *pool, const char *fmt,
                      ...)
{
    va_list args;
    va_start(args, fmt);
    const char *text = apr_pvsprintf(pool, fmt, args);
    va_end(args);
    return make(code, status, text, pool);
}

jf_err_t *jf_err_from_system(apr_status_t status, apr_pool_t *pool, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    const char *text = apr_pvsprintf(pool, fmt, args);
    va_end(args);

    char cause[256];
    apr_strerror(status, cause, sizeof(cause));
    jf_err_code_t code = APR_STATUS_IS_ENOSPC(status) ? JF_ERR_DISK_FULL : JF_ERR_IO;
    return make(code, status, apr_pstrcat(pool, text, ": ", cause, NULL), pool);
}

jf_err_t *jf_err_copy(const jf_err_t *err, apr_pool_t *pool)
{
    if (!err) {
        return NULL;
    }
    jf_err_t *copy = apr_pmemdup(pool, err, sizeof(*err));
    copy->text = apr_pstrdup(pool, err->text);
    return copy;
}

jf_err_t *jf_err_first(jf_err_t *first, jf_err_t *second)
{
    return first ? first : second;
}
