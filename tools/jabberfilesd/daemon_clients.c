#include "daemon_clients.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <openssl/crypto.h>

/* httpd asks as soon as it is connected, and takes the answer as soon as it comes. */
static const struct timeval patience = {5, 0};

struct daemon_clients_t {
    apr_pool_t *pool;
    struct event_base *base;
    struct evconnlistener *listener; /* NULL when no more are accepted */
    struct event *pause;
    daemon_logins_t *logins;
    int count;
    daemon_finished_fn *finished;
    void *baton;
};

typedef struct client_t {
    apr_pool_t *pool;
    daemon_clients_t *clients;
    struct bufferevent *bev;
    daemon_waiter_t *waiter;
} client_t;

/* ---- the end of one ---- */

static void finish_if_last(daemon_clients_t *clients)
{
    if (clients->count == 0 && clients->finished) {
        clients->finished(clients->baton);
    }
}

static void destroy(client_t *client)
{
    daemon_clients_t *clients = client->clients;
    if (client->waiter) {
        daemon_logins_leave(client->waiter);
    }
    bufferevent_free(client->bev);
    apr_pool_destroy(client->pool);
    clients->count--;
    if (clients->listener) {
        evconnlistener_enable(clients->listener);
    }
    finish_if_last(clients);
}

static void on_written(struct bufferevent *bev, void *data)
{
    (void)bev;
    destroy(data);
}

static void on_event(struct bufferevent *bev, short what, void *data)
{
    (void)bev;
    (void)what;
    destroy(data);
}

/* ---- the answer ---- */

static void on_answer(void *baton, const jf_login_answer_t *answer)
{
    client_t *client = baton;
    const char *line = jf_login_format_answer(answer, client->pool);
    client->waiter = NULL;
    bufferevent_disable(client->bev, EV_READ);
    bufferevent_setcb(client->bev, NULL, on_written, on_event, client);
    bufferevent_set_timeouts(client->bev, NULL, &patience);
    bufferevent_write(client->bev, line, strlen(line));
}

/* ---- the question ---- */

static void ask(client_t *client, const char *line)
{
    const char *jid;
    const char *password;
    apr_pool_t *pool;
    apr_pool_create(&pool, client->pool);
    jf_err_t *err = jf_login_parse_question(&jid, &password, line, pool);
    if (err) {
        jf_login_answer_t answer = {JF_LOGIN_UNAVAILABLE, err->text};
        on_answer(client, &answer);
    } else {
        /* Only an end is read from now on: it says that nobody waits for the answer. */
        bufferevent_setcb(client->bev, NULL, NULL, on_event, client);
        bufferevent_set_timeouts(client->bev, NULL, &patience);
        client->waiter =
            daemon_logins_ask(client->clients->logins, jid, password, on_answer, client);
    }
    apr_pool_destroy(pool);
}

static void on_readable(struct bufferevent *bev, void *data)
{
    size_t length;
    struct evbuffer *input = bufferevent_get_input(bev);
    char *line = evbuffer_readln(input, &length, EVBUFFER_EOL_LF);
    if (line) {
        ask(data, line);
        OPENSSL_cleanse(line, length);
        free(line);
    } else if (evbuffer_get_length(input) >= JF_LOGIN_LINE_BYTES_MAX) {
        destroy(data);
    }
}

/* ---- accepting ---- */

static void on_connection(struct evconnlistener *listener, evutil_socket_t fd,
                          struct sockaddr *address, int address_length, void *data)
{
    daemon_clients_t *clients = data;
    apr_pool_t *pool;
    (void)address;
    (void)address_length;
    struct bufferevent *bev =
        bufferevent_socket_new(clients->base, fd, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
    if (!bev) {
        evutil_closesocket(fd);
        return;
    }
    apr_pool_create(&pool, clients->pool);
    client_t *client = apr_pcalloc(pool, sizeof(*client));
    client->pool = pool;
    client->clients = clients;
    client->bev = bev;
    bufferevent_setcb(bev, on_readable, NULL, on_event, client);
    bufferevent_setwatermark(bev, EV_READ, 0, JF_LOGIN_LINE_BYTES_MAX);
    bufferevent_set_timeouts(bev, &patience, NULL);
    bufferevent_enable(bev, EV_READ | EV_WRITE);
    if (++clients->count >= DAEMON_CLIENTS_MAX) {
        evconnlistener_disable(listener);
    }
}

static void on_pause_over(evutil_socket_t fd, short what, void *data)
{
    daemon_clients_t *clients = data;
    (void)fd;
    (void)what;
    if (clients->listener) {
        evconnlistener_enable(clients->listener);
    }
}

/* Out of descriptors, most likely: the loop would spin on a connection that cannot be accepted. */
static void on_listener_error(struct evconnlistener *listener, void *data)
{
    static const struct timeval pause = {0, 100000};
    daemon_clients_t *clients = data;
    evconnlistener_disable(listener);
    evtimer_add(clients->pause, &pause);
}

/* ---- life ---- */

jf_err_t *daemon_clients_create(daemon_clients_t **clients_out, int listener_fd,
                                struct event_base *base, daemon_logins_t *logins, apr_pool_t *pool)
{
    daemon_clients_t *clients = apr_pcalloc(pool, sizeof(*clients));
    clients->pool = pool;
    clients->base = base;
    clients->logins = logins;
    clients->pause = evtimer_new(base, on_pause_over, clients);
    if (evutil_make_socket_nonblocking(listener_fd) != 0) {
        return jf_err_from_system(errno, pool, "cannot use descriptor %d", listener_fd);
    }
    clients->listener =
        evconnlistener_new(base, on_connection, clients,
                           LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, listener_fd);
    if (!clients->listener) {
        return jf_err_make(JF_ERR_IO, APR_ENOMEM, pool, "cannot listen");
    }
    evconnlistener_set_error_cb(clients->listener, on_listener_error);
    *clients_out = clients;
    return NULL;
}

void daemon_clients_accept(daemon_clients_t *clients)
{
    while (clients->listener && clients->count < DAEMON_CLIENTS_MAX) {
        int fd = accept4(evconnlistener_get_fd(clients->listener), NULL, NULL,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            return;
        }
        on_connection(clients->listener, fd, NULL, 0, clients);
    }
}

int daemon_clients_count(const daemon_clients_t *clients)
{
    return clients->count;
}

void daemon_clients_finish(daemon_clients_t *clients, daemon_finished_fn *finished, void *baton)
{
    if (clients->listener) {
        evconnlistener_free(clients->listener);
        clients->listener = NULL;
    }
    clients->finished = finished;
    clients->baton = baton;
    finish_if_last(clients);
}
