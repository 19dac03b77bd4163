/**
 * libmicrohttpd in an event loop of libevent.
 *
 * One thread, the one of the event loop. Connections have a deadline for their request, and are
 * few: this serves one client.
 */
#ifndef GET_SERVER_H
#define GET_SERVER_H

#include <event2/event.h>
#include <microhttpd.h>

#include "jf_err.h"

typedef struct get_server_t get_server_t;

typedef struct get_server_handlers_t {
    /**
     * Answers a request whose head has come, or suspends its connection; then it is called again.
     * @param state what was left there when it was called before, NULL at first.
     */
    enum MHD_Result (*request)(void *baton, struct MHD_Connection *connection, const char *path,
                               const char *method, void **state);
    /** A request is over. @param is_whole 1 if the whole answer went to the kernel. */
    void (*over)(void *baton, void *state, int is_whole);
} get_server_handlers_t;

/** Makes a server without connections. @return JF_ERR_IO */
jf_err_t *get_server_create(get_server_t **server, const get_server_handlers_t *handlers,
                            void *baton, struct event_base *base, apr_pool_t *pool);

/** Serves a connection, which it owns from now on; closes it if there are too many. */
void get_server_take(get_server_t *server, int fd);

/** To be called when a connection was resumed. Nothing happens before the event loop goes on. */
void get_server_wake(get_server_t *server);

/** Closes all connections, none of which may be suspended; over is called for those with request.
 */
void get_server_stop(get_server_t *server);

#endif
