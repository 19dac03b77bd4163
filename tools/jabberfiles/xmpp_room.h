/**
 * Rooms (XEP-0045): entered without a word, told, and left.
 */
#ifndef XMPP_ROOM_H
#define XMPP_ROOM_H

#include "xmpp_deliver.h"
#include "xmpp_news.h"

/**
 * Enters a room under the localpart of our Jabber ID (with a number if that is taken), posts, waits
 * until the room has shown us all of it, and leaves. A room that did not exist is not made.
 * @param delivery its state is set: POSTED, REFUSED, or SENT if the room does not show in time what
 * was posted.
 * @param has_posted set to 1 as soon as something may have been posted.
 * @return as xmpp_session_run
 */
jf_err_t *xmpp_room_tell(delivery_t *delivery, int *has_posted, xmpp_session_t *session,
                         const xmpp_news_t *news, apr_pool_t *pool);

#endif
