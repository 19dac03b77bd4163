/**
 * A socket that strangers connect to.
 */
#ifndef RELAY_LISTENER_H
#define RELAY_LISTENER_H

#include <event2/event.h>

#include "relay_address.h"

typedef struct relay_listener_t relay_listener_t;

typedef struct relay_taker_t {
    void *baton;
    void (*take)(void *baton, int fd);     /**< a connection, non-blocking; owns it from now on */
    void (*pause)(void *baton, int error); /**< none can be accepted for a second, errno says why */
} relay_taker_t;

/**
 * Begins to listen.
 * @param taker copied; what it needs, and @a base, outlive the listener.
 * @return JF_ERR_IO
 */
jf_err_t *relay_listener_open(relay_listener_t **listener, const relay_address_t *address,
                              struct event_base *base, const relay_taker_t *taker,
                              apr_pool_t *pool);

/** Stops listening. */
void relay_listener_close(relay_listener_t *listener);

/** Where it listens: with a port where any free one was asked for. */
const relay_address_t *relay_listener_address(const relay_listener_t *listener);

#endif
