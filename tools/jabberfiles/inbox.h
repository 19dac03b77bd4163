/**
 * Announcements that have arrived and wait for the user's word, and what their senders are
 * answered.
 *
 * Nothing is fetched here: the inbox is filled from within listeners, also while a file is being
 * downloaded. What one sender and what all of them can make us remember is limited; what comes
 * beyond that is turned away, not what was there before: else a flood would wash out friends'
 * files.
 */
#ifndef INBOX_H
#define INBOX_H

#include <apr_tables.h>

#include "jingle.h"
#include "si.h"

typedef struct inbox_t inbox_t;

/** So many files wait at most: of all senders, and of one bare JID. */
#define INBOX_FILES_MAX 100
#define INBOX_FILES_OF_SENDER_MAX 50

/** One stanza that announces files, or offers one. All texts are the sender's: not to be trusted.
 */
typedef struct incoming_t {
    const char *from;                /**< the JID it came from, as it came */
    const char *sender;              /**< prepared bare JID, or NULL: from no person's JID */
    apr_time_t sent_us;              /**< when it was sent, if that is told (XEP-0203), or 0 */
    const apr_array_header_t *files; /**< of shared_file_t *, never empty; one for an iq */
    xmpp_stanza_t *iq;               /**< the iq that waits for an answer, or NULL */
    jingle_session_t *offer;         /**< the sender would send the file here itself, or NULL: by
                                        the link. Its file has a URL that leads nowhere */
    si_offer_t *stream;              /**< the same by a bytestream; NULL if there is the other */
    apr_pool_t *pool;                /**< all of this; ends with inbox_finish */
} incoming_t;

/** What became of an announcement. Senders of messages get no answer, whatever it is. */
typedef enum {
    INBOX_FETCHED, /**< completely, and verified: result; an offer has success */
    INBOX_REFUSED, /**< by the user or by a rule: not-acceptable; decline */
    INBOX_FAILED,  /**< tried in vain: item-not-found; failed-transport */
    INBOX_BUSY,    /**< turned away because the inbox is full: resource-constraint */
} inbox_outcome_t;

/** Takes an answer on its way and releases it. */
typedef void(inbox_send_t)(void *baton, xmpp_stanza_t *stanza);

/**
 * Makes an empty inbox.
 * @param own_jid the account's bare JID: who sends what comes without a sender.
 */
inbox_t *inbox_make(const char *own_jid, inbox_send_t *send, void *send_baton, apr_pool_t *pool);

/**
 * Takes a message (chat or normal) or an iq (jabber:iq:oob) that announces files; an
 * xmpp_listener_t whose baton is the inbox. An iq that names nothing that could be fetched is
 * refused.
 * @return 0 if it is nothing of this kind
 */
int inbox_listen(void *baton, xmpp_stanza_t *stanza);

/** Takes an offer to send a file here, which inbox_finish will end; a jingle_offered_t whose baton
 * is the inbox. */
int inbox_offer(void *baton, jingle_session_t *session);

/** The same of an offer by a bytestream; a si_offered_t. */
int inbox_offer_stream(void *baton, si_offer_t *offer);

/** The oldest announcement, which leaves the queue, or NULL. To be ended by inbox_finish. */
incoming_t *inbox_take(inbox_t *inbox);

/** Answers the sender, if that is due, and forgets the announcement. */
void inbox_finish(inbox_t *inbox, incoming_t *incoming, inbox_outcome_t outcome);

/** How many files were turned away since the last call. */
int inbox_count_dropped(inbox_t *inbox);

#endif
