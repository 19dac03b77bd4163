#include "get_server.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#define CONNECTIONS_MAX 256
#define CONNECTION_MEMORY_BYTES (32 << 10)
/* For the head of a request, and between two pieces of an answer unless the transfer sets more. */
#define PATIENCE_S 20

struct get_server_t {
    struct event_base *base;
    struct MHD_Daemon *daemon;
    struct event *readable;
    struct event *timer;
    get_server_handlers_t handlers;
    void *baton;
};

typedef struct deadline_t {
    struct event *timer;
    int fd;
} deadline_t;

/* ---- a connection that does not get to its request ---- */

static void on_deadline(evutil_socket_t fd, short what, void *data)
{
    const deadline_t *deadline = data;
    (void)fd;
    (void)what;
    /* To libmicrohttpd it looks as if the client had closed. */
    shutdown(deadline->fd, SHUT_RDWR);
}

static void on_connection(void *cls, struct MHD_Connection *connection, void **socket_context,
                          enum MHD_ConnectionNotificationCode what)
{
    static const struct timeval patience = {PATIENCE_S, 0};
    get_server_t *server = cls;
    deadline_t *deadline = *socket_context;
    if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
        if (deadline) {
            event_free(deadline->timer);
        }
        free(deadline);
        return;
    }
    deadline = calloc(1, sizeof(*deadline));
    if (deadline) {
        deadline->fd =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
        deadline->timer = evtimer_new(server->base, on_deadline, deadline);
        evtimer_add(deadline->timer, &patience);
    }
    *socket_context = deadline;
}

static void forget_deadline(struct MHD_Connection *connection)
{
    const deadline_t *deadline =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    if (deadline) {
        evtimer_del(deadline->timer);
    }
}

/* ---- requests ---- */

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *path,
                                  const char *method, const char *version, const char *content,
                                  size_t *content_bytes, void **state)
{
    get_server_t *server = cls;
    (void)version;
    (void)content;
    (void)content_bytes;
    forget_deadline(connection);
    return server->handlers.request(server->baton, connection, path, method, state);
}

static void on_over(void *cls, struct MHD_Connection *connection, void **state,
                    enum MHD_RequestTerminationCode code)
{
    get_server_t *server = cls;
    (void)connection;
    server->handlers.over(server->baton, *state, code == MHD_REQUEST_TERMINATED_COMPLETED_OK);
}

/* ---- the loop ---- */

static void turn(evutil_socket_t fd, short what, void *data)
{
    get_server_t *server = data;
    MHD_UNSIGNED_LONG_LONG wait_ms = 0;
    (void)fd;
    (void)what;
    MHD_run(server->daemon);
    if (MHD_get_timeout(server->daemon, &wait_ms) == MHD_YES) {
        const struct timeval wait = {.tv_sec = (time_t)(wait_ms / 1000),
                                     .tv_usec = (suseconds_t)(wait_ms % 1000 * 1000)};
        evtimer_add(server->timer, &wait);
    } else {
        evtimer_del(server->timer);
    }
}

void get_server_wake(get_server_t *server)
{
    event_active(server->timer, EV_TIMEOUT, 0);
}

void get_server_take(get_server_t *server, int fd)
{
    MHD_add_connection(server->daemon, fd, NULL, 0);
    get_server_wake(server);
}

/* ---- life ---- */

static struct MHD_Daemon *start_daemon(get_server_t *server)
{
    return MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_NO_LISTEN_SOCKET, 0, NULL, NULL,
        on_request, server, MHD_OPTION_NOTIFY_COMPLETED, on_over, server,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, server, MHD_OPTION_CONNECTION_LIMIT,
        CONNECTIONS_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY_BYTES,
        MHD_OPTION_CONNECTION_TIMEOUT, PATIENCE_S, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
}

jf_err_t *get_server_create(get_server_t **server_out, const get_server_handlers_t *handlers,
                            void *baton, struct event_base *base, apr_pool_t *pool)
{
    get_server_t *server = apr_pcalloc(pool, sizeof(*server));
    server->base = base;
    server->handlers = *handlers;
    server->baton = baton;
    server->daemon = start_daemon(server);
    if (!server->daemon) {
        return jf_err_from_system(errno, pool, "cannot start the HTTP server");
    }
    int epoll_fd = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    server->readable = event_new(base, epoll_fd, EV_READ | EV_PERSIST, turn, server);
    server->timer = evtimer_new(base, turn, server);
    event_add(server->readable, NULL);
    *server_out = server;
    return NULL;
}

void get_server_stop(get_server_t *server)
{
    event_free(server->readable);
    event_free(server->timer);
    MHD_stop_daemon(server->daemon);
}
