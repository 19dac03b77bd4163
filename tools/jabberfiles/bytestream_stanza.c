#include "bytestream_stanza.h"

#include <string.h>

#include <apr_strings.h>

#include "jf_ascii.h"

/* That of SOCKS, where an offer names none. */
#define PORT_DEFAULT 1080
#define PORT_MAX 65535
/* Of a DNS name with a dot at its end. */
#define HOST_BYTES_MAX 254

/* ---- written ---- */

static xmpp_stanza_t *add_query(xmpp_ctx_t *ctx, xmpp_stanza_t *iq, const char *sid,
                                apr_pool_t *pool)
{
    xmpp_stanza_t *query = xmpp_stanza_element(ctx, iq, "query", BYTESTREAM_NS, NULL);
    xmpp_stanza_attribute(query, "sid", sid, pool);
    return query;
}

xmpp_stanza_t *bytestream_stanza_ask(xmpp_ctx_t *ctx, const char *to, const char *id)
{
    xmpp_stanza_t *iq = xmpp_iq_new(ctx, "get", id);
    xmpp_stanza_set_to(iq, to);
    xmpp_stanza_element(ctx, iq, "query", BYTESTREAM_NS, NULL);
    return iq;
}

xmpp_stanza_t *bytestream_stanza_offer(xmpp_ctx_t *ctx, const char *to, const char *id,
                                       const char *sid, const bytestream_host_t *host,
                                       apr_pool_t *pool)
{
    xmpp_stanza_t *iq = xmpp_iq_new(ctx, "set", id);
    xmpp_stanza_set_to(iq, to);
    xmpp_stanza_t *query = add_query(ctx, iq, sid, pool);
    xmpp_stanza_set_attribute(query, "mode", "tcp");
    xmpp_stanza_t *element = xmpp_stanza_element(ctx, query, "streamhost", NULL, NULL);
    xmpp_stanza_attribute(element, "jid", host->jid, pool);
    xmpp_stanza_attribute(element, "host", host->host, pool);
    xmpp_stanza_set_attribute(element, "port", apr_itoa(pool, host->port));
    return iq;
}

xmpp_stanza_t *bytestream_stanza_activate(xmpp_ctx_t *ctx, const char *to, const char *id,
                                          const char *sid, const char *target, apr_pool_t *pool)
{
    xmpp_stanza_t *iq = xmpp_iq_new(ctx, "set", id);
    xmpp_stanza_set_to(iq, to);
    xmpp_stanza_t *query = add_query(ctx, iq, sid, pool);
    xmpp_stanza_element(ctx, query, "activate", NULL, target);
    return iq;
}

xmpp_stanza_t *bytestream_stanza_use(xmpp_ctx_t *ctx, xmpp_stanza_t *offer, const char *jid,
                                     apr_pool_t *pool)
{
    xmpp_stanza_t *asked = bytestream_stanza_query(offer, "set");
    xmpp_stanza_t *iq = xmpp_iq_new(ctx, "result", xmpp_stanza_get_id(offer));
    xmpp_stanza_set_to(iq, xmpp_stanza_get_from(offer));
    xmpp_stanza_t *query = add_query(ctx, iq, xmpp_stanza_get_attribute(asked, "sid"), pool);
    xmpp_stanza_t *used = xmpp_stanza_element(ctx, query, "streamhost-used", NULL, NULL);
    xmpp_stanza_attribute(used, "jid", jid, pool);
    return iq;
}

/* ---- read ---- */

xmpp_stanza_t *bytestream_stanza_query(xmpp_stanza_t *iq, const char *type)
{
    const char *own = xmpp_stanza_get_type(iq);
    return own && strcmp(own, type) == 0
               ? xmpp_stanza_get_child_by_name_and_ns(iq, "query", BYTESTREAM_NS)
               : NULL;
}

static int is_host(const char *text)
{
    if (!text || !*text || strlen(text) > HOST_BYTES_MAX) {
        return 0;
    }
    while (*text && jf_ascii_is_printable(*text) && *text != ' ') {
        text++;
    }
    return !*text;
}

/* 0 for what is no port. */
static int read_port(const char *text)
{
    apr_int64_t port = 0;
    if (!text) {
        return PORT_DEFAULT;
    }
    return xmpp_stanza_number(&port, text) && port <= PORT_MAX ? (int)port : 0;
}

static void add_host(apr_array_header_t *hosts, xmpp_stanza_t *element)
{
    const char *jid = xmpp_stanza_get_attribute(element, "jid");
    const char *host = xmpp_stanza_get_attribute(element, "host");
    int port = read_port(xmpp_stanza_get_attribute(element, "port"));
    if (jid && *jid && is_host(host) && port) {
        APR_ARRAY_PUSH(hosts, bytestream_host_t) = (bytestream_host_t){
            apr_pstrdup(hosts->pool, jid), apr_pstrdup(hosts->pool, host), port};
    }
}

apr_array_header_t *bytestream_stanza_hosts(xmpp_stanza_t *query, apr_pool_t *pool)
{
    apr_array_header_t *hosts =
        apr_array_make(pool, BYTESTREAM_HOSTS_MAX, sizeof(bytestream_host_t));
    xmpp_stanza_t *child = xmpp_stanza_get_children(query);
    for (; child && hosts->nelts < BYTESTREAM_HOSTS_MAX; child = xmpp_stanza_get_next(child)) {
        const char *name = xmpp_stanza_get_name(child);
        if (name && strcmp(name, "streamhost") == 0) {
            add_host(hosts, child);
        }
    }
    return hosts;
}

const char *bytestream_stanza_used(xmpp_stanza_t *answer)
{
    xmpp_stanza_t *query = bytestream_stanza_query(answer, "result");
    xmpp_stanza_t *used = query ? xmpp_stanza_get_child_by_name(query, "streamhost-used") : NULL;
    return used ? xmpp_stanza_get_attribute(used, "jid") : NULL;
}
