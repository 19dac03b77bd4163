/**
 * What recipients are told: a text of the sender and the files, as messages; for xmpp_deliver.c and
 * xmpp_room.c.
 */
#ifndef XMPP_NEWS_H
#define XMPP_NEWS_H

#include <apr_tables.h>

#include "xmpp_session.h"

typedef struct xmpp_news_t {
    const apr_array_header_t *files; /**< of shared_file_t * */
    const char *message;             /**< or NULL; an empty one is not sent */
    int wants_sims;
} xmpp_news_t;

/** One of the messages. */
typedef struct xmpp_letter_t {
    const char *id;
    const char *body;
} xmpp_letter_t;

/**
 * Queues the messages for one recipient: the text first, then one for each file.
 * @param type "chat" or "groupchat".
 * @return array of xmpp_letter_t
 */
apr_array_header_t *xmpp_news_send(xmpp_session_t *session, const xmpp_news_t *news,
                                   const char *type, const char *to, apr_pool_t *pool);

/** The letter with this id, or NULL. */
const xmpp_letter_t *xmpp_news_find(const apr_array_header_t *letters, const char *id);

/** 1 if @a address is the bare JID @a bare or one of its resources; 0 for NULL. */
int xmpp_news_is_of(const char *address, const char *bare);

#endif
