/**
 * The processes of httpd that ask: their connections to the Unix socket, one question each.
 */
#ifndef DAEMON_CLIENTS_H
#define DAEMON_CLIENTS_H

#include <event2/event.h>

#include "daemon_logins.h"

/** Most connections at once; more wait in the backlog of the socket. */
#define DAEMON_CLIENTS_MAX 4096

typedef struct daemon_clients_t daemon_clients_t;

/** Called when the last one has gone, after daemon_clients_finish. */
typedef void daemon_finished_fn(void *baton);

/**
 * Begins to accept connections at @a listener_fd, which listens.
 * @param base, logins must live as long as @a pool.
 * @return JF_ERR_IO if that is impossible.
 */
jf_err_t *daemon_clients_create(daemon_clients_t **clients, int listener_fd,
                                struct event_base *base, daemon_logins_t *logins, apr_pool_t *pool);

/** Takes all who wait to be accepted now. */
void daemon_clients_accept(daemon_clients_t *clients);

/** How many are connected. */
int daemon_clients_count(const daemon_clients_t *clients);

/** Accepts no more, and calls @a finished when the last one is answered, perhaps at once. */
void daemon_clients_finish(daemon_clients_t *clients, daemon_finished_fn *finished, void *baton);

#endif
