/**
 * What a URL says, by libcurl's own parser: what is judged here is what is connected to.
 */
#ifndef HTTP_URL_H
#define HTTP_URL_H

#include "jf_err.h"

/** The host as people read it, with the port if it is not the usual one; @a url if it is none. */
const char *http_url_host(const char *url, apr_pool_t *pool);

/** 1 if both are URLs with the same scheme, host and port. */
int http_url_is_same_origin(const char *url, const char *other);

/** 1 if nobody can listen on the way: https, or http to a loopback address or "localhost". */
int http_url_is_private(const char *url);

/** 1 if the host is a loopback address or "localhost". */
int http_url_is_loopback(const char *url);

/** The host in its canonical form if it is an address and not a name, without brackets; or NULL. */
const char *http_url_address(const char *url, apr_pool_t *pool);

/** 1 for an absolute http or https URL in printable ASCII, without user or password. */
int http_url_is_link(const char *url);

/** The URL that @a reference means in an answer from @a base (RFC 3986), or NULL. */
const char *http_url_resolve(const char *base, const char *reference, apr_pool_t *pool);

#endif
