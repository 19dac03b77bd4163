/**
 * Telling recipients of files, and knowing what became of each message.
 */
#ifndef XMPP_DELIVER_H
#define XMPP_DELIVER_H

#include <apr_tables.h>

#include "shared_file.h"
#include "xmpp_session.h"

typedef enum {
    DELIVERY_HANDED, /**< the recipient's server has it */
    DELIVERY_POSTED, /**< the room has shown it to us */
    DELIVERY_SENT,   /**< our server has it; the other one has not answered in time */
    DELIVERY_REFUSED,
    DELIVERY_FAILED, /**< the connection was lost: not sent, or not known whether it has arrived */
} delivery_state_t;

typedef struct delivery_t {
    const char *jid; /**< prepared bare JID */
    int is_room;
    delivery_state_t state;
    const char *reason; /**< of SENT, REFUSED and FAILED, one sentence; else NULL */
} delivery_t;

/** Deliveries of which nothing is known yet, an array of delivery_t *. @param jids of const char *.
 */
apr_array_header_t *xmpp_deliver_prepare(const apr_array_header_t *jids, apr_pool_t *pool);

/**
 * Sends the human text (if any) and one announcement for each file to each recipient, and waits
 * until it is known what became of them. To know that a message has arrived, the recipient's domain
 * is asked for something afterwards: a server handles what one sender sends in order, so a bounce
 * comes before the answer. Recipients that are persons are told all at once, rooms one by one.
 *
 * A connection that was lost is renewed once. What may have been on its way then is never sent
 * again, since nobody can tell whether it has arrived: better a message that is missing and
 * reported as such than two. Rooms in which nothing was posted yet are tried again.
 * @param deliveries array of delivery_t *, their jid set; the rest is filled in.
 * @param files array of shared_file_t *.
 * @return only what hinders all: JF_ERR_UNAVAILABLE if the connection is lost before anybody was
 * told, and cannot be renewed; client_interrupted, and the deliveries say how far it went
 */
jf_err_t *xmpp_deliver(apr_array_header_t *deliveries, xmpp_session_t *session,
                       const apr_array_header_t *files, const char *message, int wants_sims,
                       apr_pool_t *pool);

#endif
