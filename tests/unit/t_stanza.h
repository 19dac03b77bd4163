/**
 * Stanzas for tests, as XML.
 */
#ifndef T_STANZA_H
#define T_STANZA_H

#include <apr_pools.h>
#include <strophe.h>

/** A context of libstrophe that ends with @a pool. */
xmpp_ctx_t *t_stanza_context(apr_pool_t *pool);

/** The stanza that @a text is; it ends with @a pool. */
xmpp_stanza_t *t_stanza_read(const char *text, apr_pool_t *pool);

/** The bytes of a digest as XEP-0300 writes it. */
const unsigned char *t_stanza_digest(const char *base64, apr_pool_t *pool);

#endif
