/**
 * The configuration of the daemon: a file with lines "name value", described in socketstreamer(8).
 */
#ifndef SERVICE_CONFIG_H
#define SERVICE_CONFIG_H

#include "relay_address.h"
#include "relay_streams.h"
#include "service_acl.h"

/** Where clients are told to connect to. */
typedef struct service_host_t {
    const char *host; /**< name or address, IPv6 without brackets */
    int port;         /**< 0: that of the first socket */
} service_host_t;

/** Lives in a pool with all that it points to. */
typedef struct service_config_t {
    const char *component; /**< prepared domain, the JID of the component */
    relay_address_t server;
    char *secret;               /**< wiped when the pool goes */
    apr_array_header_t *listen; /**< of relay_address_t, one at least */
    apr_array_header_t *public; /**< of service_host_t; empty: the addresses of the sockets */
    service_acl_t *acl;
    relay_limits_t limits;
    apr_interval_time_t drain_us;
    relay_address_t metrics;
    int has_metrics;
} service_config_t;

/**
 * Reads a configuration and the secret that it names.
 * @return JF_ERR_INVALID, JF_ERR_FORBIDDEN, JF_ERR_NOT_FOUND or JF_ERR_IO with a text that names
 * the file, the line and what would be right.
 */
jf_err_t *service_config_read(service_config_t **config, const char *path, apr_pool_t *pool);

#endif
