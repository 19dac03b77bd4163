/**
 * What entering and leaving a room (xmpp_room_enter.c) and posting in it (xmpp_room.c) share.
 */
#ifndef XMPP_ROOM_PRIVATE_H
#define XMPP_ROOM_PRIVATE_H

#include "xmpp_session.h"

/** A visit to a room, as far as its presences tell. */
typedef struct xmpp_visit_t {
    xmpp_session_t *session;
    const char *room;
    const char *occupant; /**< room/nick: as asked for, and as the room says once we are in */
    int is_in;
    int is_new;            /**< the room did not exist before */
    int is_over;           /**< we are out again, by ourselves or not */
    const char *condition; /**< why we may not enter: the condition of the error, or NULL */
    const char *refusal;   /**< the same in words */
    apr_pool_t *pool;
} xmpp_visit_t;

/** Listens to the room's presences until xmpp_visit_end. */
void xmpp_visit_begin(xmpp_visit_t *visit, xmpp_session_t *session, const char *room,
                      apr_pool_t *pool);

void xmpp_visit_end(xmpp_visit_t *visit);

/** Enters the room. If that is refused, visit->refusal says why. @return as xmpp_session_run */
jf_err_t *xmpp_visit_enter(xmpp_visit_t *visit);

/** Leaves the room, which may have thrown us out already. @return as xmpp_session_run */
jf_err_t *xmpp_visit_leave(xmpp_visit_t *visit);

#endif
