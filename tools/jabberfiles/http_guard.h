/**
 * Where a link from a stranger may lead: to public addresses and the ports of the web.
 *
 * A link is looked at by this machine, with its place in the network: it must not become a way into
 * networks that the sender cannot reach, nor a probe of them. Checked for each connection, after
 * the name was resolved and after each redirect, on the very address that is connected to.
 */
#ifndef HTTP_GUARD_H
#define HTTP_GUARD_H

#include <sys/socket.h>

#include "jf_err.h"

/**
 * 1 if the address is public unicast: not loopback, unspecified, private, link-local, unique local,
 * shared (RFC 6598), multicast, broadcast, reserved, benchmarking or documentation; nor an IPv6
 * address that carries such an IPv4 address (mapped, compatible, NAT64, 6to4, Teredo).
 */
int http_guard_allows_address(const struct sockaddr *address);

/** The same for a numeric address; 0 for anything else. */
int http_guard_is_public(const char *address);

/**
 * 1 if a person who is shown this address may allow it: that of a machine in a private network,
 * where a friend's may well be. Never this machine itself, nor what is link-local: there is nothing
 * that others could offer, and much that they could use.
 */
int http_guard_may_be_agreed(const char *address);

/** 1 for 80, 443, and all from 1024 on but those of well-known services that are no web servers. */
int http_guard_allows_port(int port);

/**
 * Checks a URL before anything is sent: http or https, a host, no user or password in it, no
 * control characters or spaces, a port that is allowed.
 * @return JF_ERR_INVALID or JF_ERR_FORBIDDEN, saying what is wrong and that --allow-private allows
 * it
 */
jf_err_t *http_guard_check_url(const char *url, apr_pool_t *pool);

#endif
