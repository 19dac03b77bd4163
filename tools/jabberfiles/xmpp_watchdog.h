/**
 * Ends a login that does not come to an end by itself.
 *
 * libstrophe does the TLS handshake in one go and waits for the server as long as that takes; only
 * the end of the connection gets it out of there. So a thread of its own breaks the connection off
 * when the time is over, or when the user interrupts. It touches nothing but its own duplicate of
 * the descriptor.
 */
#ifndef XMPP_WATCHDOG_H
#define XMPP_WATCHDOG_H

#include <apr_time.h>

#include "jf_err.h"

typedef struct xmpp_watchdog_t xmpp_watchdog_t;

/** Begins to watch. @return JF_ERR_IO */
jf_err_t *xmpp_watchdog_start(xmpp_watchdog_t **watchdog, apr_time_t deadline_us, apr_pool_t *pool);

/** From now on this socket is the one to break off. @return 0 if it cannot be watched. */
int xmpp_watchdog_set_socket(xmpp_watchdog_t *watchdog, int fd);

/** Ends the watch. @return 1 if it has broken off a connection because the time was over */
int xmpp_watchdog_stop(xmpp_watchdog_t *watchdog);

#endif
