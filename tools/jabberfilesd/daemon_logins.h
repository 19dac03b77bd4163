/**
 * The logins in hand: which are running, which wait for their turn, who waits for which.
 *
 * A domain has its own limits, so that one whose server hangs cannot keep the others from working.
 * The same question asked twice at the same time is one login.
 */
#ifndef DAEMON_LOGINS_H
#define DAEMON_LOGINS_H

#include <event2/event.h>

#include "daemon_config.h"
#include "jf_login.h"

/** Limits for each domain: logins running, and logins waiting for their turn. */
#define DAEMON_RUNNING_MAX 128
#define DAEMON_QUEUE_MAX 1024

typedef struct daemon_logins_t daemon_logins_t;
typedef struct daemon_waiter_t daemon_waiter_t;

/** Called once, from the event loop or from daemon_logins_ask; @a answer lives until it returns. */
typedef void daemon_answer_fn(void *baton, const jf_login_answer_t *answer);

/** @param config, base must live as long as @a pool. */
daemon_logins_t *daemon_logins_create(const daemon_config_t *config, struct event_base *base,
                                      apr_pool_t *pool);

/**
 * Asks whether @a password is the one of @a jid, a prepared JID.
 * @return who waits, until he is answered or leaves; NULL if he was answered at once.
 */
daemon_waiter_t *daemon_logins_ask(daemon_logins_t *logins, const char *jid, const char *password,
                                   daemon_answer_fn *answer, void *baton);

/** He does not want to know any more; a login that nobody waits for is ended. */
void daemon_logins_leave(daemon_waiter_t *waiter);

#endif
