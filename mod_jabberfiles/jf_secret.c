#include "jf_secret.h"

#include <string.h>

#include <apr_strings.h>
#include <openssl/crypto.h>

static apr_status_t wipe(void *text)
{
    OPENSSL_cleanse(text, strlen(text));
    return APR_SUCCESS;
}

char *jf_secret_wipe_with(apr_pool_t *pool, char *text)
{
    apr_pool_cleanup_register(pool, text, wipe, apr_pool_cleanup_null);
    return text;
}

char *jf_secret_copy(const char *text, apr_pool_t *pool)
{
    return jf_secret_wipe_with(pool, apr_pstrdup(pool, text));
}
