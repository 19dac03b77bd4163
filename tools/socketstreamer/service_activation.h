/**
 * The name of a stream in XMPP, and its name in SOCKS5: the SHA-1 of stream id, requester and
 * target (XEP-0065 section 5.3).
 */
#ifndef SERVICE_ACTIVATION_H
#define SERVICE_ACTIVATION_H

#include "relay_streams.h"

/** Who wants to activate which stream. */
typedef struct service_activation_t {
    const char *sid;
    const char *requester; /**< full JID as the stanza has it */
    const char *target;
    const char *requester_prepared;
    const char *target_prepared; /**< NULL if it is no JID */
    const char *user;            /**< the requester's bare JID, prepared */
} service_activation_t;

/**
 * Activates the stream whose hash follows from these JIDs as they are written, for so do clients;
 * or if there is none, as they are prepared, for so the specification wants it.
 */
relay_activation_t service_activation_run(relay_streams_t *streams,
                                          const service_activation_t *activation);

#endif
