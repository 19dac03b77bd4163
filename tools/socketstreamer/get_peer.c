#include "get_peer.h"

#include <apr_strings.h>

#include "tool_text.h"

static jf_err_t *look_up(apr_sockaddr_t **first, const char *host, apr_port_t port,
                         apr_pool_t *pool)
{
    char reason[120];
    apr_status_t status = apr_sockaddr_info_get(first, host, APR_UNSPEC, port, 0, pool);
    if (status == APR_SUCCESS) {
        return NULL;
    }
    return jf_err_make(JF_ERR_NOT_FOUND, status, pool, "there is no host \"%s\": %s",
                       tool_text_visible(host, pool), apr_strerror(status, reason, sizeof(reason)));
}

jf_err_t *get_peer_find(apr_sockaddr_t **first, const char *text, apr_pool_t *pool)
{
    char *host = NULL;
    char *scope = NULL;
    apr_port_t port = 0;
    apr_status_t status = apr_parse_addr_port(&host, &scope, &port, text, pool);
    if (status != APR_SUCCESS || !host || port == 0) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                           "\"%s\" is no HOST:PORT; write 192.0.2.1:1234 or [2001:db8::1]:1234",
                           tool_text_visible(text, pool));
    }
    return look_up(first, scope ? apr_pstrcat(pool, host, "%", scope, NULL) : host, port, pool);
}
