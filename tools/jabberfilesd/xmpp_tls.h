/**
 * TLS to a Jabber server that must prove its domain (RFC 6120 section 13.7, RFC 7590, RFC 9325):
 * version 1.2 or newer, a chain to a trusted CA, and a certificate for the domain of the JID,
 * whatever host DNS named.
 */
#ifndef XMPP_TLS_H
#define XMPP_TLS_H

#include "jf_err.h"
#include "xmpp_domain.h"

/**
 * Makes the settings for one domain, with the system's CAs and those of @a ca_file (PEM), if not
 * NULL. Freed with @a pool. @return JF_ERR_INVALID if the file cannot be used.
 */
jf_err_t *xmpp_tls_create_context(SSL_CTX **context, const char *ca_file, apr_pool_t *pool);

/**
 * Makes a session for one connection to @a domain; whoever gets it frees it.
 * @param is_direct 1 for XEP-0368, which names the protocol by ALPN.
 * @return JF_ERR_IO if libssl fails.
 */
jf_err_t *xmpp_tls_create_session(SSL **session, const xmpp_domain_t *domain, int is_direct,
                                  apr_pool_t *pool);

/** 1 if the handshake is complete and the certificate is the domain's. */
int xmpp_tls_is_verified(const SSL *session);

/**
 * Why the handshake failed, for the log.
 * @param reason libssl's error code, 0 if the peer just went away.
 */
const char *xmpp_tls_problem(const SSL *session, unsigned long reason, apr_pool_t *pool);

#endif
