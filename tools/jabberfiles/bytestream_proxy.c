#include "bytestream_proxy.h"

#include <string.h>

#include "xmpp_disco.h"
#include "xmpp_refusal.h"

static const xmpp_refusal_t query_refusals[] = {
    {"forbidden", "the relay of your Jabber server is not for you"},
    {"not-allowed", "the relay of your Jabber server is out of order"},
    {"resource-constraint", "the relay of your Jabber server has no room at the moment"},
    {.condition = NULL},
};

static const xmpp_refusal_t activation_refusals[] = {
    {"item-not-found", "the relay does not know the stream"},
    {"not-allowed", "the recipient's client has left the relay again"},
    {"not-authorized", "the relay knows the stream under another name"},
    {"forbidden", "the relay of your Jabber server is not for you"},
    {"internal-server-error", "the relay of your Jabber server is out of order"},
    {"resource-constraint", "the relay of your Jabber server has no room at the moment"},
    {.condition = NULL},
};

/* Why an answer is none, or NULL. */
static const char *refusal_of(xmpp_stanza_t *answer, const xmpp_refusal_t *table, apr_pool_t *pool)
{
    const char *type = xmpp_stanza_get_type(answer);
    return type && strcmp(type, "result") == 0 ? NULL : xmpp_refusal_text(answer, table, pool);
}

/* The first address will do: a host that has several has them for one name. Its JID may be more
 * than the one that was asked: ejabberd tells the node in it. */
static void read_address(const bytestream_host_t **host, const char **failure,
                         xmpp_stanza_t *answer, apr_pool_t *pool)
{
    *failure = refusal_of(answer, query_refusals, pool);
    xmpp_stanza_t *query = *failure ? NULL : bytestream_stanza_query(answer, "result");
    const apr_array_header_t *hosts = query ? bytestream_stanza_hosts(query, pool) : NULL;
    if (hosts && hosts->nelts > 0) {
        *host = &APR_ARRAY_IDX(hosts, 0, bytestream_host_t);
    } else if (!*failure) {
        *failure = "the relay of your Jabber server tells no address";
    }
}

jf_err_t *bytestream_proxy_find(const bytestream_host_t **host, const char **failure,
                                xmpp_session_t *session, apr_pool_t *pool)
{
    const char *jid = NULL;
    xmpp_stanza_t *answer = NULL;
    *host = NULL;
    *failure = "your Jabber server has no relay";
    JF_TRY(xmpp_disco_proxy(&jid, session, pool));
    if (!jid) {
        return NULL;
    }
    xmpp_stanza_t *iq =
        bytestream_stanza_ask(xmpp_session_ctx(session), jid, xmpp_session_new_id(session));
    JF_TRY(xmpp_session_query(&answer, session, iq, XMPP_ANSWER_US));
    read_address(host, failure, answer, pool);
    xmpp_stanza_release(answer);
    return NULL;
}

jf_err_t *bytestream_proxy_activate(const char **failure, xmpp_session_t *session,
                                    const bytestream_host_t *host, const char *sid,
                                    const char *target, apr_pool_t *pool)
{
    xmpp_stanza_t *answer = NULL;
    xmpp_stanza_t *iq = bytestream_stanza_activate(xmpp_session_ctx(session), host->jid,
                                                   xmpp_session_new_id(session), sid, target, pool);
    *failure = NULL;
    JF_TRY(xmpp_session_query(&answer, session, iq, XMPP_ANSWER_US));
    *failure = refusal_of(answer, activation_refusals, pool);
    xmpp_stanza_release(answer);
    return NULL;
}
