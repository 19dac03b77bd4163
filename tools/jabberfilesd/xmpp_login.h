/**
 * One login at a Jabber server, to see whether a password is right (RFC 6120 sections 4 to 6).
 *
 * It ends with the verdict of SASL: nothing is bound, no presence is sent, the user's other clients
 * notice nothing. All addresses of the server are tried until one talks.
 */
#ifndef XMPP_LOGIN_H
#define XMPP_LOGIN_H

#include <event2/event.h>

#include "jf_login.h"
#include "xmpp_domain.h"

typedef struct xmpp_login_t xmpp_login_t;

/** Called once, from the event loop, never before xmpp_login_start returns. The login goes after
 * it. */
typedef void xmpp_login_done_fn(void *baton, const jf_login_answer_t *answer);

typedef struct xmpp_login_settings_t {
    struct event_base *base;
    const char *dns_server; /**< "address:port", NULL for those of the system */
} xmpp_login_settings_t;

/**
 * Begins a login.
 * @param settings, domain must live as long as the login.
 * @param jid, password are copied; the copy of the password is wiped at the end.
 * @param deadline_us how long it may take; then the answer is JF_LOGIN_UNAVAILABLE.
 */
xmpp_login_t *xmpp_login_start(const xmpp_login_settings_t *settings, xmpp_domain_t *domain,
                               const char *jid, const char *password,
                               apr_interval_time_t deadline_us, xmpp_login_done_fn *done,
                               void *baton, apr_pool_t *pool);

/** Ends it without an answer: nobody waits for it any more. */
void xmpp_login_cancel(xmpp_login_t *login);

#endif
