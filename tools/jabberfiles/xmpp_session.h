/**
 * A connection of the account to its Jabber server, by libstrophe: the only user of it beside
 * xmpp_*.c.
 *
 * TLS is mandatory and verified against the domain of the JID, whatever host is connected to; no
 * option turns that off. While a session is open, client->idle keeps it alive. Everything happens
 * in the one thread of the tool, within the calls below.
 */
#ifndef XMPP_SESSION_H
#define XMPP_SESSION_H

#include <strophe.h>

#include "client.h"

typedef struct xmpp_session_t xmpp_session_t;

/** An answer takes this long at most, unless said otherwise. */
#define XMPP_ANSWER_US apr_time_from_sec(30)

/**
 * Connects, logs in and binds a resource; sends no presence. Sets client->idle.
 * @return JF_ERR_FORBIDDEN for a wrong password or a certificate that cannot be trusted;
 * JF_ERR_UNAVAILABLE if the server cannot be reached or does not answer in time, with a hint to
 * --connect if no SRV record serves; client_interrupted
 */
jf_err_t *xmpp_session_open(xmpp_session_t **session, client_t *client, apr_pool_t *pool);

/** Ends the stream properly (waits for that for 2 s at most) and resets client->idle. */
void xmpp_session_close(xmpp_session_t *session);

/** Connects again if the connection was lost meanwhile; nothing to do else. */
jf_err_t *xmpp_session_renew(xmpp_session_t *session);

xmpp_ctx_t *xmpp_session_ctx(xmpp_session_t *session);

/** The full JID that the server gave us. */
const char *xmpp_session_jid(const xmpp_session_t *session);

/**
 * This machine's address on the way to its Jabber server, numeric, in @a pool: what others can
 * reach unless there is a translation of addresses between.
 * @return JF_ERR_UNAVAILABLE if the connection is lost
 */
jf_err_t *xmpp_session_local_address(const char **address, const xmpp_session_t *session,
                                     apr_pool_t *pool);

/** An id for a stanza, never used before in any session; lives as long as the session. */
const char *xmpp_session_new_id(xmpp_session_t *session);

/** Queues a stanza and releases it. */
void xmpp_session_send(xmpp_session_t *session, xmpp_stanza_t *stanza);

/**
 * Runs the connection until something has happened, at most so long.
 * @return JF_ERR_UNAVAILABLE if the connection is lost; client_interrupted
 */
jf_err_t *xmpp_session_run(xmpp_session_t *session, apr_interval_time_t timeout_us);

/**
 * Sends an iq (and releases it) and waits for its answer.
 * @param answer the result or the error stanza, to be released by the caller. Only an answer with
 * our id and from whom was asked counts.
 * @return JF_ERR_UNAVAILABLE if none came in time
 */
jf_err_t *xmpp_session_query(xmpp_stanza_t **answer, xmpp_session_t *session, xmpp_stanza_t *iq,
                             apr_interval_time_t timeout_us);

/** An iq that waits for its answer while other things are done; the members are of
 * xmpp_session_stanza.c, but for the answer. */
typedef struct xmpp_query_t {
    const char *id;
    const char *to;        /**< NULL: our account */
    xmpp_stanza_t *answer; /**< NULL until it has come; as that of xmpp_session_query */
    struct xmpp_query_t *next;
} xmpp_query_t;

/** Sends an iq (and releases it) whose answer will be in query->answer. To be ended by
 * xmpp_query_end. */
void xmpp_query_begin(xmpp_query_t *query, xmpp_session_t *session, xmpp_stanza_t *iq);

/** Waits no longer for an answer; one that came remains to be released by the caller. */
void xmpp_query_end(xmpp_query_t *query, xmpp_session_t *session);

/** Called for each message, presence and iq, also for answers that no xmpp_session_query waits for.
 * Must not wait for anything itself. @return 1 if it was taken */
typedef int(xmpp_listener_t)(void *baton, xmpp_stanza_t *stanza);

/** Adds a listener; the newest is asked first. iqs that ask for something and that nobody takes are
 * answered: pings and disco#info with what this tool can, others with service-unavailable. */
void xmpp_session_listen(xmpp_session_t *session, xmpp_listener_t *listener, void *baton);

/** Tells others that this client has these features as well (XEP-0030); ends with NULL, and must
 * live as long as the session. */
void xmpp_session_advertise(xmpp_session_t *session, const char *const *features);

/** Takes a listener away. */
void xmpp_session_unlisten(xmpp_session_t *session, xmpp_listener_t *listener, void *baton);

#endif
