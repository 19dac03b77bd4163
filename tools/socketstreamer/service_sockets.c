#include "service_sockets.h"

/** A socket with the address that was asked for: its port may be 0. */
typedef struct socket_t {
    relay_address_t wanted;
    relay_listener_t *listener;
} socket_t;

struct service_sockets_t {
    struct event_base *base;
    relay_taker_t taker;
    apr_array_header_t *open; /* of socket_t */
};

service_sockets_t *service_sockets_create(struct event_base *base, const relay_taker_t *taker,
                                          apr_pool_t *pool)
{
    service_sockets_t *sockets = apr_pcalloc(pool, sizeof(*sockets));
    sockets->base = base;
    sockets->taker = *taker;
    sockets->open = apr_array_make(pool, 4, sizeof(socket_t));
    return sockets;
}

/** Takes the listener with this address out of @a from. @return NULL if there is none. */
static relay_listener_t *take_out(apr_array_header_t *from, const relay_address_t *wanted)
{
    for (int i = 0; i < from->nelts; i++) {
        socket_t *socket = &APR_ARRAY_IDX(from, i, socket_t);
        if (socket->listener && relay_address_is_same(&socket->wanted, wanted)) {
            relay_listener_t *listener = socket->listener;
            socket->listener = NULL;
            return listener;
        }
    }
    return NULL;
}

static void close_all(apr_array_header_t *listeners)
{
    for (int i = 0; i < listeners->nelts; i++) {
        relay_listener_t *listener = APR_ARRAY_IDX(listeners, i, socket_t).listener;
        if (listener) {
            relay_listener_close(listener);
        }
    }
    apr_array_clear(listeners);
}

/** Opens those of @a wanted that @a sockets does not have. @param opened set to them. */
static jf_err_t *open_new(apr_array_header_t *opened, service_sockets_t *sockets,
                          const apr_array_header_t *wanted, apr_pool_t *pool)
{
    apr_array_header_t *had = apr_array_copy(pool, sockets->open);
    for (int i = 0; i < wanted->nelts; i++) {
        socket_t socket = {.wanted = APR_ARRAY_IDX(wanted, i, relay_address_t)};
        if (!take_out(had, &socket.wanted)) {
            JF_TRY(relay_listener_open(&socket.listener, &socket.wanted, sockets->base,
                                       &sockets->taker, pool));
            APR_ARRAY_PUSH(opened, socket_t) = socket;
        }
    }
    return NULL;
}

jf_err_t *service_sockets_set(service_sockets_t *sockets, const apr_array_header_t *wanted,
                              apr_pool_t *pool)
{
    apr_array_header_t *opened = apr_array_make(pool, 4, sizeof(socket_t));
    jf_err_t *err = open_new(opened, sockets, wanted, pool);
    if (err) {
        close_all(opened);
        return err;
    }
    apr_array_header_t *had = apr_array_copy(pool, sockets->open);
    apr_array_clear(sockets->open);
    for (int i = 0; i < wanted->nelts; i++) {
        socket_t socket = {.wanted = APR_ARRAY_IDX(wanted, i, relay_address_t)};
        socket.listener = take_out(had, &socket.wanted);
        if (!socket.listener) {
            socket.listener = take_out(opened, &socket.wanted);
        }
        APR_ARRAY_PUSH(sockets->open, socket_t) = socket;
    }
    close_all(had);
    return NULL;
}

void service_sockets_close(service_sockets_t *sockets)
{
    close_all(sockets->open);
}

apr_array_header_t *service_sockets_addresses(const service_sockets_t *sockets, apr_pool_t *pool)
{
    apr_array_header_t *addresses =
        apr_array_make(pool, sockets->open->nelts, sizeof(const relay_address_t *));
    for (int i = 0; i < sockets->open->nelts; i++) {
        APR_ARRAY_PUSH(addresses, const relay_address_t *) =
            relay_listener_address(APR_ARRAY_IDX(sockets->open, i, socket_t).listener);
    }
    return addresses;
}
