/**
 * A TCP connection to a Jabber server that can turn into TLS, on libevent; it never blocks.
 *
 * The callbacks come from the event loop. In each of them the link may be closed, and nothing of it
 * is used afterwards.
 */
#ifndef XMPP_LINK_H
#define XMPP_LINK_H

#include <event2/event.h>
#include <sys/socket.h>

#include "jf_err.h"
#include "xmpp_domain.h"

typedef struct xmpp_link_t xmpp_link_t;

typedef struct xmpp_link_callbacks_t {
    void (*connected)(void *baton);
    void (*secured)(void *baton); /**< TLS is up and the certificate is the domain's */
    void (*received)(void *baton, const void *bytes, apr_size_t length);
    /** @a text, for the log, lives as long as the link. */
    void (*failed)(void *baton, const char *text);
} xmpp_link_callbacks_t;

/**
 * Begins to connect. Exactly one of connected and failed follows, later.
 * @param callbacks, domain must live as long as the link.
 * @return JF_ERR_IO if that is impossible right now.
 */
jf_err_t *xmpp_link_open(xmpp_link_t **link, struct event_base *base,
                         const struct sockaddr *address, int address_length,
                         const xmpp_domain_t *domain, const xmpp_link_callbacks_t *callbacks,
                         void *baton, apr_pool_t *pool);

/**
 * Begins the TLS handshake; secured or failed follows.
 * @param is_direct 1 if nothing was said before (XEP-0368).
 * @return JF_ERR_IO if libssl fails.
 */
jf_err_t *xmpp_link_start_tls(xmpp_link_t *link, int is_direct);

/** Sends @a text when the peer takes it; copied. */
void xmpp_link_send(xmpp_link_t *link, const char *text);

/** 1 once secured was called. */
int xmpp_link_is_secure(const xmpp_link_t *link);

/**
 * Ends it: no callback comes any more, and @a link is gone for the caller.
 * @param last_words sent first, if the peer takes them within a second; NULL to hang up at once.
 */
void xmpp_link_close(xmpp_link_t *link, const char *last_words);

#endif
