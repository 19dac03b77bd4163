/**
 * A client of a recipient: what it can, and whether it is still there.
 */
#ifndef DIRECT_PEER_H
#define DIRECT_PEER_H

#include "direct_roll.h"

typedef struct direct_peer_t {
    const char *jid;                    /**< full JID */
    int priority;                       /**< of its presence; 0 if none has come */
    const apr_array_header_t *features; /**< of const char *: disco#info */
    struct direct_watch_t *watch;       /**< of direct_peer.c alone */
} direct_peer_t;

/**
 * Asks the clients of a recipient what they can.
 * @param jid a prepared bare JID: those of its clients that the roll has; or a full one: that
 * client, whether it is seen online or not.
 * @param peers array of direct_peer_t *, those that answered, highest priority first; may be empty.
 * @return as xmpp_session_run
 */
jf_err_t *direct_peer_find(apr_array_header_t **peers, const direct_roll_t *roll,
                           xmpp_session_t *session, const char *jid, apr_pool_t *pool);

/**
 * 1 if the client has gone: its presence says so, or it does not answer to disco#info any more,
 * which it is asked whenever nothing was heard of it for ten seconds. Does not wait; to be called
 * several times a second while something is expected of it.
 */
int direct_peer_is_gone(direct_peer_t *peer);

/** There is life of another kind (bytes flow): it need not be asked for a while. */
void direct_peer_is_alive(direct_peer_t *peer);

/** Expects nothing of it any more. */
void direct_peer_leave(direct_peer_t *peer);

#endif
