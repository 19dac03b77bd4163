/**
 * The proxy for bytestreams (XEP-0065) of the account's own server.
 */
#ifndef BYTESTREAM_PROXY_H
#define BYTESTREAM_PROXY_H

#include "bytestream_stanza.h"
#include "xmpp_session.h"

/**
 * Finds it by discovery and asks for its address.
 * @param host in @a pool; NULL if it cannot be used.
 * @param failure why not, a sentence; else NULL.
 * @return as xmpp_session_query
 */
jf_err_t *bytestream_proxy_find(const bytestream_host_t **host, const char **failure,
                                xmpp_session_t *session, apr_pool_t *pool);

/**
 * Has it let the bytes of a stream flow, which both sides are connected for.
 * @param failure why it does not, a sentence; else NULL.
 * @return as xmpp_session_query
 */
jf_err_t *bytestream_proxy_activate(const char **failure, xmpp_session_t *session,
                                    const bytestream_host_t *host, const char *sid,
                                    const char *target, apr_pool_t *pool);

#endif
