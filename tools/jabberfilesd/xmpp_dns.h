/**
 * c-ares on libevent: a channel whose sockets and timeouts the event loop serves.
 */
#ifndef XMPP_DNS_H
#define XMPP_DNS_H

/* ares.h wants this one before it. */
#include <sys/select.h>

#include <ares.h>
#include <event2/event.h>

#include "jf_err.h"

typedef struct xmpp_dns_t xmpp_dns_t;

/**
 * Opens a channel; it is closed with @a pool, and callbacks of questions that are not answered yet
 * come then (ARES_EDESTRUCTION). resolv.conf is read anew, so a change needs no restart.
 * @param server "address:port", or NULL for the servers of the system.
 * @return JF_ERR_IO if there is nobody to ask.
 */
jf_err_t *xmpp_dns_open(xmpp_dns_t **dns, struct event_base *base, const char *server,
                        apr_pool_t *pool);

/** For ares_query and its kin; call xmpp_dns_started after asking. */
ares_channel xmpp_dns_channel(const xmpp_dns_t *dns);

/** Sets the clock for what was asked just now. */
void xmpp_dns_started(xmpp_dns_t *dns);

#endif
