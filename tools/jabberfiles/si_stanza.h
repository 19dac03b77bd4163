/**
 * The stanzas in which a file is offered by stream initiation (XEP-0095, XEP-0096), as written and
 * as read. Pure. The only stream that is offered or taken is a SOCKS5 bytestream.
 */
#ifndef SI_STANZA_H
#define SI_STANZA_H

#include "file_claims.h"

#define SI_NS "http://jabber.org/protocol/si"
#define SI_FILE_NS "http://jabber.org/protocol/si/profile/file-transfer"

#define SI_MD5_BYTES 16

/** How an offer is answered. */
typedef enum {
    SI_TAKEN,       /**< accepted */
    SI_BAD_REQUEST, /**< something required is missing */
    SI_BAD_PROFILE, /**< it is not about a file */
    SI_NO_STREAM,   /**< none of its streams is known here */
    SI_DECLINED,    /**< by the person */
    SI_FAILED,      /**< nobody's will */
    SI_NO_ROOM,     /**< too many wait already */
} si_answer_t;

/** What an offer says. All texts are the sender's, of bounded length. */
typedef struct si_request_t {
    const char *sid;
    shared_file_t *file;      /**< without URL; its name and size are there */
    const unsigned char *md5; /**< SI_MD5_BYTES bytes, or NULL */
} si_request_t;

/** An offer. The SHA-256, which XEP-0096 has no place for, stands in an element of XEP-0300. */
xmpp_stanza_t *si_stanza_offer(xmpp_ctx_t *ctx, const char *to, const char *id, const char *sid,
                               const shared_file_t *file, apr_pool_t *pool);

/** 1 if this is an offer, whatever of. */
int si_stanza_is_offer(xmpp_stanza_t *iq);

/** Reads an offer into @a pool. @return SI_TAKEN, or why it cannot be taken */
si_answer_t si_stanza_read(si_request_t *request, xmpp_stanza_t *iq, apr_pool_t *pool);

/** The answer to an offer, which the caller releases; NULL if it has no id or sender. */
xmpp_stanza_t *si_stanza_answer(xmpp_ctx_t *ctx, xmpp_stanza_t *iq, si_answer_t answer);

/** 1 if an answer accepts the offer with the stream that was offered. */
int si_stanza_is_accepted(xmpp_stanza_t *answer, apr_pool_t *pool);

#endif
