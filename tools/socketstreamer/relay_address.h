/**
 * Addresses of this machine as they are written in the configuration: 127.0.0.1:7777, [::]:7777.
 */
#ifndef RELAY_ADDRESS_H
#define RELAY_ADDRESS_H

#include <sys/socket.h>

#include "jf_err.h"

typedef struct relay_address_t {
    struct sockaddr_storage socket;
    socklen_t length;
} relay_address_t;

/**
 * Reads an address with its port; names are not asked for, since that takes time.
 * @param port_min 0 or 1: whether 0, any free port, is allowed.
 * @return JF_ERR_INVALID, saying what would be right.
 */
jf_err_t *relay_address_parse(relay_address_t *address, const char *text, int port_min,
                              apr_pool_t *pool);

/** The address without its port, an IPv6 one without brackets (RFC 5952), in @a pool. */
const char *relay_address_host(const relay_address_t *address, apr_pool_t *pool);

int relay_address_port(const relay_address_t *address);

/** As relay_address_parse reads it, in @a pool. */
const char *relay_address_text(const relay_address_t *address, apr_pool_t *pool);

/** 1 if both are the same address and port. */
int relay_address_is_same(const relay_address_t *a, const relay_address_t *b);

/** 1 if it stands for all addresses of the machine. */
int relay_address_is_any(const relay_address_t *address);

/** 1 if nobody but this machine can reach it. */
int relay_address_is_loopback(const relay_address_t *address);

#endif
