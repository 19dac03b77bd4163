/**
 * What the component answers to stanzas: service discovery (XEP-0030), where clients connect to and
 * the activation of streams (XEP-0065), version (XEP-0092), ping (XEP-0199).
 *
 * A function from a stanza to its answer, without a connection.
 */
#ifndef SERVICE_STANZA_H
#define SERVICE_STANZA_H

#include <apr_tables.h>
#include <strophe.h>

#include "service_acl.h"
#include "service_activation.h"

#define SERVICE_BYTESTREAMS_NS "http://jabber.org/protocol/bytestreams"

/** What the answers depend on. */
typedef struct service_desk_t {
    const char *component; /**< prepared domain */
    const service_acl_t *acl;
    const apr_array_header_t *hosts; /**< of service_host_t, all with a port */
    void *baton;
    relay_activation_t (*activate)(void *baton, const service_activation_t *activation);
    void (*refused)(void *baton, const char *user); /**< somebody who may not use the service */
} service_desk_t;

/**
 * Answers a stanza.
 * @return the answer, to be released by the caller; NULL if there is none to be given.
 */
xmpp_stanza_t *service_stanza_answer(const service_desk_t *desk, xmpp_stanza_t *stanza,
                                     apr_pool_t *pool);

#endif
