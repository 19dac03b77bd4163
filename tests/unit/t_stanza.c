#include "t_stanza.h"

#include <string.h>

#include "jf_base64.h"
#include "jf_test.h"

static apr_status_t free_context(void *ctx)
{
    xmpp_ctx_free(ctx);
    return APR_SUCCESS;
}

xmpp_ctx_t *t_stanza_context(apr_pool_t *pool)
{
    xmpp_ctx_t *ctx = xmpp_ctx_new(NULL, NULL);
    assert_non_null(ctx);
    apr_pool_cleanup_register(pool, ctx, free_context, apr_pool_cleanup_null);
    return ctx;
}

static apr_status_t release_stanza(void *stanza)
{
    xmpp_stanza_release(stanza);
    return APR_SUCCESS;
}

xmpp_stanza_t *t_stanza_read(const char *text, apr_pool_t *pool)
{
    xmpp_stanza_t *stanza = xmpp_stanza_new_from_string(t_stanza_context(pool), text);
    if (!stanza) {
        fail_msg("no XML: %s", text);
    }
    apr_pool_cleanup_register(pool, stanza, release_stanza, apr_pool_cleanup_null);
    return stanza;
}

const unsigned char *t_stanza_digest(const char *base64, apr_pool_t *pool)
{
    char *bytes = NULL;
    apr_size_t length = 0;
    jf_test_ok(jf_base64_decode(&bytes, &length, base64, strlen(base64), pool), base64);
    return (const unsigned char *)bytes;
}
