/**
 * The stanzas of SOCKS5 bytestreams (XEP-0065), as written and as read. Pure.
 */
#ifndef BYTESTREAM_STANZA_H
#define BYTESTREAM_STANZA_H

#include <apr_tables.h>

#include "xmpp_stanza.h"

#define BYTESTREAM_NS "http://jabber.org/protocol/bytestreams"

/** More hosts of one offer are not looked at. */
#define BYTESTREAM_HOSTS_MAX 8

/** A streamhost: who relays, and where he listens. */
typedef struct bytestream_host_t {
    const char *jid;
    const char *host; /**< a name or a numeric address, printable characters only */
    int port;         /**< 1 to 65535 */
} bytestream_host_t;

/** Asks a proxy for its address (section 4). */
xmpp_stanza_t *bytestream_stanza_ask(xmpp_ctx_t *ctx, const char *to, const char *id);

/** Offers the target a stream through @a host (section 5.3.1). */
xmpp_stanza_t *bytestream_stanza_offer(xmpp_ctx_t *ctx, const char *to, const char *id,
                                       const char *sid, const bytestream_host_t *host,
                                       apr_pool_t *pool);

/** Asks a proxy to let bytes flow (section 6.3.5). */
xmpp_stanza_t *bytestream_stanza_activate(xmpp_ctx_t *ctx, const char *to, const char *id,
                                          const char *sid, const char *target, apr_pool_t *pool);

/** Answers an offer: we are connected to this host (section 5.3.3). */
xmpp_stanza_t *bytestream_stanza_use(xmpp_ctx_t *ctx, xmpp_stanza_t *offer, const char *jid,
                                     apr_pool_t *pool);

/** The <query/> of an iq of this type, or NULL. */
xmpp_stanza_t *bytestream_stanza_query(xmpp_stanza_t *iq, const char *type);

/**
 * The hosts that a query names, of bytestream_host_t in @a pool, in their order. One whose address
 * or port is none is left out.
 */
apr_array_header_t *bytestream_stanza_hosts(xmpp_stanza_t *query, apr_pool_t *pool);

/** The JID of the host that the target is connected to, as its answer says; or NULL. */
const char *bytestream_stanza_used(xmpp_stanza_t *answer);

#endif
