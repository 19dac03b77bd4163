/**
 * What others can (XEP-0030): where files are uploaded, what is a room.
 */
#ifndef XMPP_DISCO_H
#define XMPP_DISCO_H

#include <apr_tables.h>

#include "xmpp_session.h"

typedef struct upload_service_t {
    const char *jid;
    apr_int64_t max_size_bytes; /**< of one file, or JF_UNLIMITED */
    int keeps_ephemeral;        /**< it knows files that go at a given time */
} upload_service_t;

/**
 * Finds the upload service (XEP-0363) of the account's server: the server itself or one of its
 * items, 20 at most.
 * @param service NULL if there is none.
 */
jf_err_t *xmpp_disco_upload_service(upload_service_t **service, xmpp_session_t *session,
                                    apr_pool_t *pool);

/**
 * Finds the proxy for bytestreams (XEP-0065) of the account's server among the same.
 * @param jid in @a pool; NULL if there is none.
 */
jf_err_t *xmpp_disco_proxy(const char **jid, xmpp_session_t *session, apr_pool_t *pool);

/**
 * 1 if the JIDs of this domain are rooms (XEP-0045). A domain that does not answer has none.
 */
jf_err_t *xmpp_disco_has_rooms(int *has_rooms, xmpp_session_t *session, const char *domain,
                               apr_pool_t *pool);

/** Asks a client what it can; its answer is for xmpp_disco_features. */
void xmpp_disco_ask(xmpp_query_t *query, xmpp_session_t *session, const char *jid);

/** The features in an answer, const char * in @a pool, 200 at most; NULL if it is none. */
apr_array_header_t *xmpp_disco_features(xmpp_stanza_t *answer, apr_pool_t *pool);

#endif
