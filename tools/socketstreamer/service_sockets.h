/**
 * The sockets that clients connect to, as the configuration names them.
 */
#ifndef SERVICE_SOCKETS_H
#define SERVICE_SOCKETS_H

#include <apr_tables.h>

#include "relay_listener.h"

typedef struct service_sockets_t service_sockets_t;

/** None at first. @param taker copied. @param base outlives them. */
service_sockets_t *service_sockets_create(struct event_base *base, const relay_taker_t *taker,
                                          apr_pool_t *pool);

/**
 * Listens on these addresses and on no others. Those that stay are not closed in between.
 * @param wanted of relay_address_t.
 * @return JF_ERR_IO if one of them cannot be had; then everything is as before.
 */
jf_err_t *service_sockets_set(service_sockets_t *sockets, const apr_array_header_t *wanted,
                              apr_pool_t *pool);

/** Listens no more. */
void service_sockets_close(service_sockets_t *sockets);

/** Where they listen, in @a pool: of const relay_address_t *, with the ports that were found. */
apr_array_header_t *service_sockets_addresses(const service_sockets_t *sockets, apr_pool_t *pool);

#endif
