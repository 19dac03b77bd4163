/**
 * Files that others offer by stream initiation (XEP-0095, XEP-0096), and the bytestreams (XEP-0065)
 * that they offer for those that were accepted.
 *
 * Offers are taken from within a listener, which waits for nothing; whoever has accepted one looks
 * at it and goes on. Only the full JID that an offer came from can go on with it. All within the
 * one thread of the tool.
 */
#ifndef SI_H
#define SI_H

#include <apr_tables.h>

#include "si_stanza.h"

typedef struct si_t si_t;

typedef enum {
    SI_PENDING,  /**< not answered */
    SI_ACCEPTED, /**< the sender may offer a stream now */
    SI_OFFERED,  /**< and has, see hosts */
    SI_ENDED,
} si_state_t;

typedef struct si_offer_t {
    const char *peer; /**< full JID */
    const char *sid;
    const shared_file_t *file; /**< without URL; its name and size are there */
    const unsigned char *md5;  /**< SI_MD5_BYTES bytes, or NULL */
    si_state_t state;
    int is_gone;                     /**< the sender has gone offline */
    const apr_array_header_t *hosts; /**< of bytestream_host_t, once it is SI_OFFERED */
    const char *dstaddr;             /**< the hash of the stream if the sender names it, or NULL */

    /* for si.c alone */
    si_t *si;
    xmpp_stanza_t *iq; /**< what is to be answered next */
    struct si_offer_t *next;
    apr_pool_t *pool;
} si_offer_t;

/** Takes a stanza on its way and releases it. */
typedef void(si_send_t)(void *baton, xmpp_stanza_t *stanza);

/**
 * Takes an offer, which is pending; must not wait, and ends it by si_end and si_forget sometime.
 * @return 0 if there is no room for it: nothing is to be done about it then
 */
typedef int(si_offered_t)(void *baton, si_offer_t *offer);

/** Makes a place for offers. */
si_t *si_make(xmpp_ctx_t *ctx, si_send_t *send, void *send_baton, si_offered_t *offered,
              void *offered_baton, apr_pool_t *pool);

/** Handles what stream initiation and bytestreams are about; an xmpp_listener_t whose baton is the
 * si_t. */
int si_listen(void *baton, xmpp_stanza_t *stanza);

/** Accepts a pending offer. */
void si_accept(si_offer_t *offer);

/** Tells the sender that we are connected to the streamhost of this JID; the offer is SI_OFFERED.
 */
void si_use_host(si_offer_t *offer, const char *jid);

/** Ends an offer: what waits for an answer gets it. Nothing to do if it has ended. */
void si_end(si_offer_t *offer, si_answer_t answer);

/** Frees an offer, which must have ended. */
void si_forget(si_offer_t *offer);

#endif
