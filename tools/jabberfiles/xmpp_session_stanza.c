#include "xmpp_private.h"

#include <string.h>

#include <apr_cstr.h>
#include <apr_strings.h>

#define DISCO_INFO_NS "http://jabber.org/protocol/disco#info"
#define PING_NS "urn:xmpp:ping"

/** What this client can, whatever it does. */
static const char *const own_features[] = {DISCO_INFO_NS, PING_NS, "jabber:x:oob", NULL};

/* ---- queries ---- */

void xmpp_query_begin(xmpp_query_t *query, xmpp_session_t *session, xmpp_stanza_t *iq)
{
    const char *to = xmpp_stanza_get_to(iq);
    const char *id = xmpp_stanza_get_id(iq);
    query->id = id ? apr_pstrdup(session->pool, id) : xmpp_session_new_id(session);
    query->to = to ? apr_pstrdup(session->pool, to) : NULL;
    query->answer = NULL;
    query->next = session->queries;
    session->queries = query;
    xmpp_stanza_set_id(iq, query->id);
    xmpp_session_send(session, iq);
}

void xmpp_query_end(xmpp_query_t *query, xmpp_session_t *session)
{
    xmpp_query_t **place = &session->queries;
    while (*place && *place != query) {
        place = &(*place)->next;
    }
    if (*place) {
        *place = query->next;
    }
}

static int is_same(const char *one, const char *other)
{
    return apr_cstr_casecmp(one, other) == 0;
}

/** 1 if this is an address that our server answers with for itself or for our account. */
static int is_our_server(const xmpp_session_t *session, const char *jid)
{
    return is_same(jid, session->domain) || is_same(jid, session->client->account->jid) ||
           is_same(jid, session->jid);
}

/** 1 if an answer from there is one to a query to @a to (RFC 6120, 8.1.2.1 and 10.3.3). */
static int may_answer(const xmpp_session_t *session, const char *to, const char *from)
{
    if (!from) {
        return !to || is_our_server(session, to);
    }
    return to ? is_same(from, to) : is_our_server(session, from);
}

/** @return 1 if the stanza was waited for */
static int take_answer(xmpp_session_t *session, xmpp_stanza_t *stanza)
{
    const char *id = xmpp_stanza_get_id(stanza);
    const char *from = xmpp_stanza_get_from(stanza);
    for (xmpp_query_t *query = session->queries; id && query; query = query->next) {
        if (!query->answer && strcmp(query->id, id) == 0 && may_answer(session, query->to, from)) {
            query->answer = xmpp_stanza_clone(stanza);
            return 1;
        }
    }
    return 0;
}

/* ---- listeners ---- */

void xmpp_session_listen(xmpp_session_t *session, xmpp_listener_t *listener, void *baton)
{
    xmpp_ear_t *ear = apr_palloc(session->pool, sizeof(*ear));
    ear->listener = listener;
    ear->baton = baton;
    ear->next = session->ears;
    session->ears = ear;
}

void xmpp_session_unlisten(xmpp_session_t *session, xmpp_listener_t *listener, void *baton)
{
    for (xmpp_ear_t **place = &session->ears; *place; place = &(*place)->next) {
        if ((*place)->listener == listener && (*place)->baton == baton) {
            *place = (*place)->next;
            return;
        }
    }
}

void xmpp_session_advertise(xmpp_session_t *session, const char *const *features)
{
    session->features = features;
}

static int tell_listeners(xmpp_session_t *session, xmpp_stanza_t *stanza)
{
    int is_taken = 0;
    xmpp_ear_t *next = NULL;
    for (xmpp_ear_t *ear = session->ears; ear && !is_taken; ear = next) {
        next = ear->next; /* the listener may take itself away */
        is_taken = ear->listener(ear->baton, stanza);
    }
    return is_taken;
}

/* ---- what others ask us ---- */

/** An answer without content to an iq; NULL if the iq has no id to answer to. */
static xmpp_stanza_t *answer_to(xmpp_session_t *session, xmpp_stanza_t *iq, const char *type)
{
    const char *id = xmpp_stanza_get_id(iq);
    const char *from = xmpp_stanza_get_from(iq);
    xmpp_stanza_t *answer = id ? xmpp_iq_new(session->ctx, type, id) : NULL;
    if (answer && from) {
        xmpp_stanza_set_to(answer, from);
    }
    return answer;
}

static void add_features(xmpp_ctx_t *ctx, xmpp_stanza_t *query, const char *const *names)
{
    for (; names && *names; names++) {
        xmpp_stanza_t *feature = xmpp_stanza_element(ctx, query, "feature", NULL, NULL);
        xmpp_stanza_set_attribute(feature, "var", *names);
    }
}

static void add_info(xmpp_session_t *session, xmpp_stanza_t *answer, xmpp_stanza_t *asked)
{
    xmpp_stanza_t *query = xmpp_stanza_element(session->ctx, answer, "query", DISCO_INFO_NS, NULL);
    const char *node = xmpp_stanza_get_attribute(asked, "node");
    if (node) {
        xmpp_stanza_set_attribute(query, "node", node);
    }
    xmpp_stanza_t *identity = xmpp_stanza_element(session->ctx, query, "identity", NULL, NULL);
    xmpp_stanza_set_attribute(identity, "category", "client");
    xmpp_stanza_set_attribute(identity, "type", "console");
    xmpp_stanza_set_attribute(identity, "name", "jabberfiles");
    add_features(session->ctx, query, own_features);
    add_features(session->ctx, query, session->features);
}

static void add_unavailable(xmpp_session_t *session, xmpp_stanza_t *answer)
{
    xmpp_stanza_t *error = xmpp_stanza_element(session->ctx, answer, "error", NULL, NULL);
    xmpp_stanza_set_type(error, "cancel");
    xmpp_stanza_element(session->ctx, error, "service-unavailable", XMPP_NS_STANZAS_IETF, NULL);
}

/** Answers an iq that asks for something: nobody may wait for us in vain (RFC 6120, 8.2.3). */
static void answer_request(xmpp_session_t *session, xmpp_stanza_t *iq)
{
    int is_get = strcmp(xmpp_stanza_get_type(iq), "get") == 0;
    xmpp_stanza_t *info =
        is_get ? xmpp_stanza_get_child_by_name_and_ns(iq, "query", DISCO_INFO_NS) : NULL;
    int is_ping = is_get && xmpp_stanza_get_child_by_name_and_ns(iq, "ping", PING_NS);
    xmpp_stanza_t *answer = answer_to(session, iq, info || is_ping ? "result" : "error");
    if (!answer) {
        return;
    }
    if (info) {
        add_info(session, answer, info);
    } else if (!is_ping) {
        add_unavailable(session, answer);
    }
    xmpp_session_send(session, answer);
}

int xmpp_stanza_arrived(xmpp_conn_t *conn, xmpp_stanza_t *stanza, void *baton)
{
    (void)conn;
    xmpp_session_t *session = baton;
    const char *name = xmpp_stanza_get_name(stanza);
    const char *type = xmpp_stanza_get_type(stanza);
    int is_iq = strcmp(name, "iq") == 0;
    if (!is_iq && strcmp(name, "message") != 0 && strcmp(name, "presence") != 0) {
        return 1;
    }
    int is_request = is_iq && type && (strcmp(type, "get") == 0 || strcmp(type, "set") == 0);
    session->happenings++;
    session->happened_us = apr_time_now();
    if (is_iq && !is_request && take_answer(session, stanza)) {
        return 1;
    }
    if (!tell_listeners(session, stanza) && is_request) {
        answer_request(session, stanza);
    }
    return 1;
}
