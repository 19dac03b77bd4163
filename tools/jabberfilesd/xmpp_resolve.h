/**
 * Where a domain's server listens (RFC 6120 section 3.2, XEP-0368, RFC 2782), asked of DNS by
 * c-ares without blocking. DNS is not trusted: it chooses addresses, never the name in the
 * certificate.
 */
#ifndef XMPP_RESOLVE_H
#define XMPP_RESOLVE_H

#include <apr_tables.h>
#include <event2/event.h>
#include <sys/socket.h>

#include "jf_err.h"
#include "xmpp_domain.h"

/** Most addresses that are returned. */
#define XMPP_ENDPOINTS_MAX 16

typedef struct xmpp_endpoint_t {
    struct sockaddr_storage address;
    int address_length;
    int is_direct; /**< TLS from the first byte */
} xmpp_endpoint_t;

/** 1 if it is on this host. */
int xmpp_endpoint_is_loopback(const xmpp_endpoint_t *endpoint);

typedef struct xmpp_query_t xmpp_query_t;

/**
 * Called once: with at least one endpoint, best first, or with NULL and a reason for the log. Both
 * live until it returns.
 */
typedef void xmpp_resolved_fn(void *baton, const apr_array_header_t *endpoints,
                              const char *problem);

/** c-ares needs this before all else. @return JF_ERR_IO if it cannot work. */
jf_err_t *xmpp_resolve_init(apr_pool_t *pool);

/**
 * Begins to ask. @a resolved comes from the event loop, never before this returns.
 * @param server DNS server as "address:port", NULL for those of the system.
 * @param domain must live as long as the query.
 * @return JF_ERR_IO if there is nobody to ask.
 */
jf_err_t *xmpp_resolve(xmpp_query_t **query, struct event_base *base, const char *server,
                       const xmpp_domain_t *domain, xmpp_resolved_fn *resolved, void *baton,
                       apr_pool_t *pool);

/** Ends it, asked or answered; @a resolved does not come any more. Not inside @a resolved. */
void xmpp_resolve_end(xmpp_query_t *query);

#endif
