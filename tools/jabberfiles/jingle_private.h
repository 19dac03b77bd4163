/**
 * What jingle*.c share: the words of the stanzas, and the place where sessions live.
 */
#ifndef JINGLE_PRIVATE_H
#define JINGLE_PRIVATE_H

#include "jingle.h"

/** By jingle_action_t; JINGLE_OTHER_ACTION has none. */
extern const char *const jingle_action_names[JINGLE_OTHER_ACTION];

/** The reason of this name, JINGLE_GENERAL_ERROR for any other. */
jingle_reason_t jingle_reason_find(const char *name);

struct jingle_t {
    xmpp_ctx_t *ctx;
    jingle_send_t *send;
    void *send_baton;
    jingle_offered_t *offered; /**< NULL: offers are not taken */
    void *offered_baton;
    const char *transport_ns; /**< of offers that are taken */
    jingle_session_t *sessions;
    apr_pool_t *pool;
};

/** A new session, pending, which is not among the others yet. */
jingle_session_t *jingle_session_make(jingle_t *jingle, const char *peer, const char *sid);

/** Puts a session among the others. */
void jingle_session_add(jingle_session_t *session);

/** Notes the end of a session. @param said in words, or NULL. */
void jingle_session_end(jingle_session_t *session, jingle_reason_t reason, const char *said);

/** Tells the peer that another transport in its place will not do. */
jf_err_t *jingle_session_reject_transport(jingle_session_t *session, const char *ns);

#endif
