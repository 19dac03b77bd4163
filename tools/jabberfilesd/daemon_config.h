/**
 * What httpd tells jabberfilesd when it starts it: one line of JSON.
 *
 *     {"deadline_ms": 10000,
 *      "domains": [{"name": "example.org", "connect": "127.0.0.1:5222", "tls": "starttls",
 *                   "ca": "/etc/ssl/jabber-ca.pem"}],
 *      "resolver": "127.0.0.1:53"}
 *
 * connect, tls, ca and resolver may be missing. It comes by a pipe: arguments are for all to read.
 */
#ifndef DAEMON_CONFIG_H
#define DAEMON_CONFIG_H

#include <apr_tables.h>
#include <apr_time.h>
#include <openssl/ssl.h>

#include "jf_err.h"

typedef struct daemon_config_t {
    SSL_CTX *system_tls; /**< of all domains without a ca of their own; NULL until there is one */
    apr_interval_time_t deadline_us;
    apr_array_header_t *domains; /**< of xmpp_domain_t * */
    const char *dns_server;      /**< NULL: those of the system */
} daemon_config_t;

/**
 * Reads a line from @a fd, and not a byte more, and what it means.
 * @return JF_ERR_INVALID, JF_ERR_IO.
 */
jf_err_t *daemon_config_read(daemon_config_t **config, int fd, apr_pool_t *pool);

#endif
