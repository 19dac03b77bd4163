/**
 * The same work on each argument of a command, going on after one that fails.
 */
#ifndef EACH_ARGUMENT_H
#define EACH_ARGUMENT_H

#include "client.h"

/** Does it for one argument; @a pool lasts as long as that. */
typedef jf_err_t *(each_argument_t)(void *baton, const char *argument, apr_pool_t *pool);

/**
 * Does it for all. Errors are told as they come; what cannot be better for the next argument (a
 * login that is refused, a server that is down) ends it. Sets client->exit_code: that of the first
 * error, or CLIENT_PARTLY if some arguments are done.
 * @return the error, untold, if there is one argument only
 */
jf_err_t *each_argument(client_t *client, each_argument_t *work, void *baton);

#endif
