/* Sessions: how they begin and end, and what we tell their peers. */

#include <apr_strings.h>

#include "jf_token.h"
#include "jingle_private.h"

/** The one content of the sessions that we begin. */
#define CONTENT "file"

/* ---- life ---- */

jingle_t *jingle_make(xmpp_ctx_t *ctx, jingle_send_t *send, void *send_baton, apr_pool_t *pool)
{
    jingle_t *jingle = apr_pcalloc(pool, sizeof(*jingle));
    jingle->ctx = ctx;
    jingle->send = send;
    jingle->send_baton = send_baton;
    jingle->pool = pool;
    return jingle;
}

void jingle_take_offers(jingle_t *jingle, const char *transport_ns, jingle_offered_t *offered,
                        void *baton)
{
    jingle->transport_ns = transport_ns;
    jingle->offered = offered;
    jingle->offered_baton = baton;
}

static apr_status_t release_stanzas(void *baton)
{
    jingle_session_t *session = baton;
    for (int i = 0; i < session->told->nelts; i++) {
        xmpp_stanza_release(APR_ARRAY_IDX(session->told, i, xmpp_stanza_t *));
    }
    if (session->accepted) {
        xmpp_stanza_release(session->accepted);
    }
    return APR_SUCCESS;
}

jingle_session_t *jingle_session_make(jingle_t *jingle, const char *peer, const char *sid)
{
    apr_pool_t *pool = NULL;
    apr_pool_create(&pool, jingle->pool);
    jingle_session_t *session = apr_pcalloc(pool, sizeof(*session));
    session->pool = pool;
    session->jingle = jingle;
    session->peer = apr_pstrdup(pool, peer);
    session->sid = apr_pstrdup(pool, sid);
    session->ids = apr_array_make(pool, 4, sizeof(const char *));
    session->told = apr_array_make(pool, 1, sizeof(xmpp_stanza_t *));
    apr_pool_cleanup_register(pool, session, release_stanzas, apr_pool_cleanup_null);
    return session;
}

void jingle_session_add(jingle_session_t *session)
{
    session->next = session->jingle->sessions;
    session->jingle->sessions = session;
}

void jingle_session_end(jingle_session_t *session, jingle_reason_t reason, const char *said)
{
    session->state = JINGLE_ENDED;
    session->reason = reason;
    session->said = said ? apr_pstrdup(session->pool, said) : NULL;
}

void jingle_forget(jingle_session_t *session)
{
    jingle_session_t **place = &session->jingle->sessions;
    while (*place && *place != session) {
        place = &(*place)->next;
    }
    if (*place) {
        *place = session->next;
    }
    apr_pool_destroy(session->pool);
}

/* ---- what we do ---- */

/** Begins an action; its id is one that nobody can guess, so that only the peer can answer it. */
static jf_err_t *begin(jingle_draft_t *draft, jingle_session_t *session, jingle_action_t action)
{
    const char *id = NULL;
    JF_TRY(jf_token_nonce(&id, session->pool));
    APR_ARRAY_PUSH(session->ids, const char *) = id;
    *draft = jingle_stanza_begin(session->jingle->ctx, action, session->peer, id, session->sid,
                                 session->pool);
    return NULL;
}

static void dispatch(const jingle_session_t *session, const jingle_draft_t *draft)
{
    session->jingle->send(session->jingle->send_baton, draft->iq);
}

jf_err_t *jingle_initiate(jingle_session_t **session_out, jingle_t *jingle, const char *own_jid,
                          const char *peer, const shared_file_t *file, const char *transport_ns,
                          jingle_fill_t *fill, void *fill_baton)
{
    const char *sid = NULL;
    *session_out = NULL;
    JF_TRY(jf_token_nonce(&sid, jingle->pool));
    jingle_session_t *session = jingle_session_make(jingle, peer, sid);
    session->is_ours = 1;
    session->file = file;
    session->transport_ns = apr_pstrdup(session->pool, transport_ns);
    session->content = CONTENT;

    jingle_draft_t draft;
    JF_TRY(begin(&draft, session, JINGLE_SESSION_INITIATE));
    xmpp_stanza_attribute(draft.jingle, "initiator", own_jid, session->pool);
    xmpp_stanza_t *transport =
        jingle_stanza_add_content(&draft, session->content, file, transport_ns);
    if (fill) {
        fill(fill_baton, draft.ctx, transport, session->pool);
    }
    jingle_session_add(session);
    dispatch(session, &draft);
    *session_out = session;
    return NULL;
}

/** An action about the transport of the session. */
static jf_err_t *send_transport(jingle_session_t *session, jingle_action_t action,
                                const shared_file_t *file, jingle_fill_t *fill, void *fill_baton)
{
    jingle_draft_t draft;
    JF_TRY(begin(&draft, session, action));
    xmpp_stanza_t *transport =
        jingle_stanza_add_content(&draft, session->content, file, session->transport_ns);
    fill(fill_baton, draft.ctx, transport, session->pool);
    dispatch(session, &draft);
    return NULL;
}

jf_err_t *jingle_accept(jingle_session_t *session, jingle_fill_t *fill, void *fill_baton)
{
    if (session->state != JINGLE_PENDING) {
        return NULL;
    }
    JF_TRY(send_transport(session, JINGLE_SESSION_ACCEPT, session->file, fill, fill_baton));
    session->state = JINGLE_ACTIVE;
    return NULL;
}

jf_err_t *jingle_inform(jingle_session_t *session, jingle_fill_t *fill, void *fill_baton)
{
    return session->state == JINGLE_ENDED
               ? NULL
               : send_transport(session, JINGLE_TRANSPORT_INFO, NULL, fill, fill_baton);
}

jf_err_t *jingle_session_reject_transport(jingle_session_t *session, const char *ns)
{
    jingle_draft_t draft;
    JF_TRY(begin(&draft, session, JINGLE_TRANSPORT_REJECT));
    jingle_stanza_add_content(&draft, session->content, NULL, ns);
    dispatch(session, &draft);
    return NULL;
}

jf_err_t *jingle_confirm(jingle_session_t *session)
{
    jingle_draft_t draft;
    if (session->state == JINGLE_ENDED) {
        return NULL;
    }
    JF_TRY(begin(&draft, session, JINGLE_SESSION_INFO));
    jingle_stanza_add_received(&draft, session->content);
    dispatch(session, &draft);
    return NULL;
}

void jingle_end(jingle_session_t *session, jingle_reason_t reason, const char *said)
{
    jingle_draft_t draft;
    /* Without randomness for an id nothing can be told; the peer's time will be over some day. */
    if (session->state != JINGLE_ENDED && !begin(&draft, session, JINGLE_SESSION_TERMINATE)) {
        jingle_stanza_add_reason(&draft, reason, said);
        dispatch(session, &draft);
    }
    if (session->state != JINGLE_ENDED) {
        jingle_session_end(session, reason, NULL);
    }
}

/* ---- what we were told ---- */

int jingle_was_told(const jingle_session_t *session, int (*is_it)(xmpp_stanza_t *transport))
{
    for (int i = 0; i < session->told->nelts; i++) {
        if (is_it(APR_ARRAY_IDX(session->told, i, xmpp_stanza_t *))) {
            return 1;
        }
    }
    return 0;
}
