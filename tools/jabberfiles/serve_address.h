/**
 * Where this machine listens when it serves a file itself.
 */
#ifndef SERVE_ADDRESS_H
#define SERVE_ADDRESS_H

#include <apr_network_io.h>

#include "jf_err.h"

/**
 * Reads ADDRESS or ADDRESS:PORT, an IPv6 address with a port in brackets. Only numeric addresses:
 * a name can lead to several.
 * @param address set to the address without brackets, in @a pool.
 * @param port set to the port, 0 if none is named.
 * @return JF_ERR_INVALID for anything else, for an address that stands for all or for many machines
 */
jf_err_t *serve_address_parse(const char **address, apr_port_t *port, const char *text,
                              apr_pool_t *pool);

/**
 * Listens on a numeric address.
 * @param fd set to the socket, which does not block; the caller closes it.
 * @param port 0: any; set to the one it is.
 * @return JF_ERR_INVALID if the address is none of this machine or the port is taken
 */
jf_err_t *serve_address_listen(int *fd, const char *address, apr_port_t *port, apr_pool_t *pool);

/** "http://ADDRESS:PORT", an IPv6 address in brackets. */
const char *serve_address_url(const char *address, apr_port_t port, apr_pool_t *pool);

/** Where a server of one path listens, and how patient it is. */
typedef struct serve_place_t {
    const char *address; /**< numeric; NULL: no listening, connections are brought to it */
    apr_port_t port;     /**< 0: any */
    unsigned silence_s;  /**< a connection on which nothing moves for so long is closed */
} serve_place_t;

/**
 * Listens at a place, if it has an address.
 * @param fd set as by serve_address_listen; -1 if there is no listening.
 * @param url set to where @a path, escaped, is then; to the path alone if there is no listening.
 * @return as serve_address_listen
 */
jf_err_t *serve_address_open(int *fd, const char **url, const serve_place_t *place,
                             const char *path, apr_pool_t *pool);

#endif
