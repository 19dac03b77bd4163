/**
 * The account's contact list (RFC 6121), to tell friends from strangers.
 */
#ifndef CONTACTS_H
#define CONTACTS_H

#include "xmpp_session.h"

typedef struct contacts_t contacts_t;

/**
 * Asks the account's server for the list.
 * @return JF_ERR_UNAVAILABLE if no answer comes; JF_ERR_IO if the server refuses
 */
jf_err_t *contacts_load(contacts_t **contacts, xmpp_session_t *session, apr_pool_t *pool);

/** 1 if this prepared bare JID is on the list. @param contacts or NULL: none is. */
int contacts_have(const contacts_t *contacts, const char *jid);

#endif
