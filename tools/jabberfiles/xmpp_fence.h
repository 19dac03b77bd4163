/**
 * Fences: questions to domains, sent after messages to their users. Servers handle what one sender
 * sends to one of them in order (RFC 6120 section 10.1), so a domain that answers, whatever it
 * answers, has handled the messages before, and has sent back those that it refuses.
 */
#ifndef XMPP_FENCE_H
#define XMPP_FENCE_H

#include "xmpp_session.h"

typedef struct xmpp_fence_t {
    const char *domain;
    const char *id;
    int is_passed;       /**< the domain has answered, or it cannot be reached */
    const char *refusal; /**< why it cannot be reached; else NULL */
} xmpp_fence_t;

typedef struct xmpp_fences_t xmpp_fences_t;

/** No fences yet; listens until xmpp_fences_end. */
xmpp_fences_t *xmpp_fences_begin(xmpp_session_t *session, apr_pool_t *pool);

/** Asks a domain; nothing to do if it has been asked already. @return its fence */
const xmpp_fence_t *xmpp_fences_ask(xmpp_fences_t *fences, const char *domain);

/**
 * Waits until all fences are passed, and a moment longer for what comes late; at most
 * XMPP_ANSWER_US.
 * @return as xmpp_session_run
 */
jf_err_t *xmpp_fences_wait(xmpp_fences_t *fences);

void xmpp_fences_end(xmpp_fences_t *fences);

#endif
