/**
 * Sessions of Jingle (XEP-0166), each about one file (XEP-0234) that goes from who begins it to the
 * other side.
 *
 * Sessions are told what the peer does from within a listener, which waits for nothing; whoever has
 * begun or accepted one looks at it and goes on. Only the full JID that a session is with can act
 * on it. All within the one thread of the tool.
 */
#ifndef JINGLE_H
#define JINGLE_H

#include <apr_tables.h>

#include "jingle_stanza.h"

typedef struct jingle_t jingle_t;

typedef enum {
    JINGLE_PENDING, /**< begun and not accepted */
    JINGLE_ACTIVE,  /**< accepted */
    JINGLE_ENDED,   /**< by either side; nothing is sent any more */
} jingle_state_t;

typedef struct jingle_session_t {
    const char *peer; /**< full JID */
    const char *sid;
    int is_ours;               /**< we have begun it, and send the file */
    const shared_file_t *file; /**< without URL; that of an offer has a size and a SHA-256 */
    const char *transport_ns;
    jingle_state_t state;
    int is_acknowledged;     /**< the peer's client has it */
    xmpp_stanza_t *accepted; /**< <transport/> of the peer's session-accept, or NULL */
    int is_received;         /**< the peer has the file, and it is right */
    jingle_reason_t reason;  /**< once it has ended */
    const char *said;        /**< by the peer about that, one line, or NULL */
    int is_refused;          /**< ended by an error in place of a result */

    /* for jingle*.c alone */
    jingle_t *jingle;
    const char *content;
    apr_array_header_t *ids;  /**< of iqs that we have sent, const char * */
    apr_array_header_t *told; /**< <transport/> of transport-infos, xmpp_stanza_t * */
    struct jingle_session_t *next;
    apr_pool_t *pool;
} jingle_session_t;

/** Takes a stanza on its way and releases it. */
typedef void(jingle_send_t)(void *baton, xmpp_stanza_t *stanza);

/**
 * Takes an offer, which is begun and pending; must not wait, and ends it by jingle_end and
 * jingle_forget sometime.
 * @return 0 if there is no room for it: nothing is to be done about it then
 */
typedef int(jingle_offered_t)(void *baton, jingle_session_t *session);

/** Adds to a <transport/> what the peer is to know. */
typedef void(jingle_fill_t)(void *baton, xmpp_ctx_t *ctx, xmpp_stanza_t *transport,
                            apr_pool_t *pool);

/** Makes a place for sessions, which has none yet. */
jingle_t *jingle_make(xmpp_ctx_t *ctx, jingle_send_t *send, void *send_baton, apr_pool_t *pool);

/**
 * From now on offers are taken; before, nobody can begin a session with us. Those with another
 * transport than @a transport_ns, or of a file without size or SHA-256, are declined by themselves.
 */
void jingle_take_offers(jingle_t *jingle, const char *transport_ns, jingle_offered_t *offered,
                        void *baton);

/** Handles what Jingle is about; an xmpp_listener_t whose baton is the jingle_t. */
int jingle_listen(void *baton, xmpp_stanza_t *stanza);

/**
 * Offers a file.
 * @param own_jid our full JID. @param file must live as long as the session.
 * @param fill adds to the transport, or NULL.
 */
jf_err_t *jingle_initiate(jingle_session_t **session, jingle_t *jingle, const char *own_jid,
                          const char *peer, const shared_file_t *file, const char *transport_ns,
                          jingle_fill_t *fill, void *fill_baton);

/** Accepts an offer. Nothing to do if it has ended meanwhile. */
jf_err_t *jingle_accept(jingle_session_t *session, jingle_fill_t *fill, void *fill_baton);

/** Tells the peer something about the transport. Nothing to do if the session has ended. */
jf_err_t *jingle_inform(jingle_session_t *session, jingle_fill_t *fill, void *fill_baton);

/** Tells the peer that the file is here and right (XEP-0234 section 8.1). Nothing to do if the
 * session has ended. */
jf_err_t *jingle_confirm(jingle_session_t *session);

/** Ends a session; nothing to do if it has ended. @param said in words, or NULL. */
void jingle_end(jingle_session_t *session, jingle_reason_t reason, const char *said);

/** 1 if a transport-info was of this kind. */
int jingle_was_told(const jingle_session_t *session, int (*is_it)(xmpp_stanza_t *transport));

/** Frees a session, which must have ended. */
void jingle_forget(jingle_session_t *session);

#endif
