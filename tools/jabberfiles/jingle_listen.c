/* What peers do to sessions, and how that is answered. */

#include <string.h>

#include <apr_strings.h>

#include "jingle_private.h"

/** More of what a peer tells about a transport is not kept. */
#define TOLD_MAX 16

static jingle_session_t *find(const jingle_t *jingle, const char *peer, const char *sid)
{
    jingle_session_t *session = jingle->sessions;
    while (session && (strcmp(session->peer, peer) != 0 || strcmp(session->sid, sid) != 0)) {
        session = session->next;
    }
    return session;
}

static void answer(const jingle_t *jingle, xmpp_stanza_t *iq, jingle_answer_t how)
{
    xmpp_stanza_t *reply = jingle_stanza_answer(jingle->ctx, iq, how);
    if (reply) {
        jingle->send(jingle->send_baton, reply);
    }
}

/* ---- offers ---- */

static int is_transport(xmpp_stanza_t *transport, const char *ns)
{
    const char *own = transport ? xmpp_stanza_get_ns(transport) : NULL;
    return own && strcmp(own, ns) == 0;
}

/** Why an offer is none for us; JINGLE_SUCCESS if it is. What can neither be limited nor verified
 * is not taken. */
static jingle_reason_t find_objection(const jingle_t *jingle, const jingle_message_t *message)
{
    const shared_file_t *file = message->file;
    if (message->content_count != 1 || !message->is_from_initiator || !file ||
        file->size_bytes < 0 || !file->sha256) {
        return JINGLE_UNSUPPORTED_APPLICATIONS;
    }
    return is_transport(message->transport, jingle->transport_ns) ? JINGLE_SUCCESS
                                                                  : JINGLE_UNSUPPORTED_TRANSPORTS;
}

static jingle_session_t *make_offer(jingle_t *jingle, const char *from,
                                    const jingle_message_t *message)
{
    jingle_session_t *session = jingle_session_make(jingle, from, message->sid);
    session->transport_ns = jingle->transport_ns;
    session->content = apr_pstrdup(session->pool, message->content);
    session->file = message->file ? file_claims_copy(message->file, session->pool) : NULL;
    return session;
}

static void take_offer(jingle_t *jingle, const char *from, const jingle_message_t *message,
                       xmpp_stanza_t *iq)
{
    const jingle_session_t *same = find(jingle, from, message->sid);
    if (same) {
        int is_tie = same->is_ours && same->state == JINGLE_PENDING;
        answer(jingle, iq, is_tie ? JINGLE_TIE_BREAK : JINGLE_OUT_OF_ORDER);
        return;
    }
    if (!jingle->offered) {
        answer(jingle, iq, JINGLE_UNSUPPORTED);
        return;
    }
    jingle_reason_t objection = find_objection(jingle, message);
    jingle_session_t *session = make_offer(jingle, from, message);
    if (objection != JINGLE_SUCCESS) {
        answer(jingle, iq, JINGLE_TAKEN);
        jingle_end(session, objection, NULL);
        jingle_forget(session);
    } else if (!jingle->offered(jingle->offered_baton, session)) {
        answer(jingle, iq, JINGLE_NO_ROOM);
        jingle_forget(session);
    } else {
        jingle_session_add(session);
        answer(jingle, iq, JINGLE_TAKEN);
    }
}

/* ---- actions ---- */

static jingle_answer_t take_accept(jingle_session_t *session, const jingle_message_t *message)
{
    if (!session->is_ours || session->state != JINGLE_PENDING) {
        return JINGLE_OUT_OF_ORDER;
    }
    if (!is_transport(message->transport, session->transport_ns)) {
        return JINGLE_BAD_REQUEST;
    }
    session->accepted = xmpp_stanza_copy(message->transport);
    session->state = JINGLE_ACTIVE;
    return JINGLE_TAKEN;
}

static jingle_answer_t take_info(jingle_session_t *session, const jingle_message_t *message)
{
    if (message->info == JINGLE_INFO_UNKNOWN) {
        return JINGLE_UNSUPPORTED_INFO;
    }
    if (message->info == JINGLE_INFO_RECEIVED) {
        if (!session->is_ours || session->state != JINGLE_ACTIVE) {
            return JINGLE_OUT_OF_ORDER;
        }
        session->is_received = 1;
    }
    return JINGLE_TAKEN;
}

static jingle_answer_t take_transport_info(jingle_session_t *session,
                                           const jingle_message_t *message)
{
    if (!is_transport(message->transport, session->transport_ns)) {
        return JINGLE_BAD_REQUEST;
    }
    if (session->told->nelts < TOLD_MAX) {
        APR_ARRAY_PUSH(session->told, xmpp_stanza_t *) = xmpp_stanza_copy(message->transport);
    }
    return JINGLE_TAKEN;
}

static jingle_answer_t take_action(jingle_session_t *session, const jingle_message_t *message)
{
    if (!session || session->state == JINGLE_ENDED) {
        return JINGLE_UNKNOWN_SESSION;
    }
    switch (message->action) {
    case JINGLE_SESSION_ACCEPT:
        return take_accept(session, message);
    case JINGLE_SESSION_TERMINATE:
        jingle_session_end(session, message->reason, message->said);
        return JINGLE_TAKEN;
    case JINGLE_SESSION_INFO:
        return take_info(session, message);
    case JINGLE_TRANSPORT_INFO:
        return take_transport_info(session, message);
    case JINGLE_TRANSPORT_REPLACE:
        return message->transport ? JINGLE_TAKEN : JINGLE_BAD_REQUEST;
    case JINGLE_TRANSPORT_ACCEPT:
    case JINGLE_TRANSPORT_REJECT:
        return JINGLE_OUT_OF_ORDER; /* we never propose another one */
    case JINGLE_SESSION_INITIATE:   /* an offer, which is taken elsewhere */
    case JINGLE_OTHER_ACTION:
    default:
        return JINGLE_UNSUPPORTED;
    }
}

static void take_request(jingle_t *jingle, const char *from, xmpp_stanza_t *iq, apr_pool_t *pool)
{
    jingle_message_t *message = NULL;
    if (jingle_stanza_read(&message, iq, pool)) {
        answer(jingle, iq, JINGLE_BAD_REQUEST);
        return;
    }
    if (message->action == JINGLE_SESSION_INITIATE) {
        take_offer(jingle, from, message, iq);
        return;
    }
    jingle_session_t *session = find(jingle, from, message->sid);
    jingle_answer_t how = take_action(session, message);
    answer(jingle, iq, how);
    if (how == JINGLE_TAKEN && message->action == JINGLE_TRANSPORT_REPLACE) {
        const char *ns = xmpp_stanza_get_ns(message->transport);
        /* Without randomness for an id nothing can be told: the session goes on as it is. */
        (void)jingle_session_reject_transport(session, ns ? ns : session->transport_ns);
    }
}

/* ---- answers, and those who go ---- */

static int has_sent(const jingle_session_t *session, const char *id)
{
    for (int i = 0; i < session->ids->nelts; i++) {
        if (strcmp(APR_ARRAY_IDX(session->ids, i, const char *), id) == 0) {
            return 1;
        }
    }
    return 0;
}

/** A peer that answers an action with an error knows nothing of the session, or is not there. */
static int take_reply(const jingle_t *jingle, const char *from, xmpp_stanza_t *iq, apr_pool_t *pool)
{
    const char *id = xmpp_stanza_get_id(iq);
    jingle_session_t *session = jingle->sessions;
    while (session && (strcmp(session->peer, from) != 0 || !id || !has_sent(session, id))) {
        session = session->next;
    }
    if (!session) {
        return 0;
    }
    if (strcmp(xmpp_stanza_get_type(iq), "error") == 0 && session->state != JINGLE_ENDED) {
        jingle_session_end(session, JINGLE_GENERAL_ERROR, xmpp_stanza_error_text(iq, pool));
        session->is_refused = 1;
    }
    session->is_acknowledged = 1;
    return 1;
}

static void note_gone(const jingle_t *jingle, const char *from)
{
    for (jingle_session_t *session = jingle->sessions; session; session = session->next) {
        if (session->state != JINGLE_ENDED && strcmp(session->peer, from) == 0) {
            jingle_session_end(session, JINGLE_GONE, NULL);
        }
    }
}

static int take_stanza(jingle_t *jingle, const char *from, xmpp_stanza_t *stanza, apr_pool_t *pool)
{
    const char *name = xmpp_stanza_get_name(stanza);
    const char *type = xmpp_stanza_get_type(stanza);
    if (!name || !type) {
        return 0;
    }
    if (strcmp(name, "presence") == 0 && strcmp(type, "unavailable") == 0) {
        note_gone(jingle, from);
        return 0; /* others may want to know it as well */
    }
    if (strcmp(name, "iq") == 0 && (strcmp(type, "result") == 0 || strcmp(type, "error") == 0)) {
        return take_reply(jingle, from, stanza, pool);
    }
    if (!jingle_stanza_is_one(stanza) || (!jingle->offered && !jingle->sessions)) {
        return 0;
    }
    take_request(jingle, from, stanza, pool);
    return 1;
}

int jingle_listen(void *baton, xmpp_stanza_t *stanza)
{
    jingle_t *jingle = baton;
    const char *from = xmpp_stanza_get_from(stanza);
    apr_pool_t *pool = NULL;
    if (!from || apr_pool_create(&pool, jingle->pool) != APR_SUCCESS) {
        return 0;
    }
    int is_taken = take_stanza(jingle, from, stanza, pool);
    apr_pool_destroy(pool);
    return is_taken;
}
