/**
 * Which clients of the recipients are online.
 *
 * To be told that, this client has to be online itself: it sends presence, with a negative
 * priority, so that no message of the account comes here in place of a chat client. Who does not
 * share presence with the account is not seen.
 */
#ifndef DIRECT_ROLL_H
#define DIRECT_ROLL_H

#include <apr_tables.h>

#include "xmpp_session.h"

typedef struct direct_roll_t direct_roll_t;

/** So many clients of one recipient are remembered; those that come later are not. */
#define DIRECT_CLIENTS_MAX 16

/** One client. */
typedef struct direct_client_t {
    const char *jid; /**< full JID */
    int priority;
} direct_client_t;

/**
 * Goes online, waits until the servers of the recipients have told who is, and goes on listening
 * until direct_roll_close.
 * @param jids of const char *, bare JIDs.
 * @return as xmpp_session_run
 */
jf_err_t *direct_roll_open(direct_roll_t **roll, xmpp_session_t *session,
                           const apr_array_header_t *jids, apr_pool_t *pool);

/** Does it all again if the connection is another one than before. @return as xmpp_session_renew */
jf_err_t *direct_roll_renew(direct_roll_t *roll);

/** The clients of a bare JID, of direct_client_t, in @a pool; without this one. */
apr_array_header_t *direct_roll_clients(const direct_roll_t *roll, const char *bare,
                                        apr_pool_t *pool);

/** 1 if this full JID is online as far as is known. */
int direct_roll_has(const direct_roll_t *roll, const char *jid);

void direct_roll_close(direct_roll_t *roll);

#endif
