/**
 * A Jabber domain with what jabberfilesd needs to reach its server.
 */
#ifndef XMPP_DOMAIN_H
#define XMPP_DOMAIN_H

#include <openssl/ssl.h>

#include "jf_domain.h"
#include "xmpp_gate.h"

typedef struct xmpp_domain_t {
    const jf_domain_t *settings;
    const char *ascii; /**< the name in A-labels, for DNS and certificates */
    SSL_CTX *tls_context;
    xmpp_gate_t gate;
} xmpp_domain_t;

#endif
