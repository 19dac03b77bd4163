#include "service_component.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/select.h>
#include <unistd.h>

#include <apr_strings.h>
#include <apr_time.h>

#include "jf_secret.h"
#include "relay_memory.h"
#include "tool_text.h"

#define PAUSE_US_MIN apr_time_from_sec(1)
#define PAUSE_US_MAX apr_time_from_sec(60)
/* From the first packet to the server's consent. */
#define LOGIN_US apr_time_from_sec(20)
/* If the server does not read, no more answers than this wait for it. */
#define UNSENT_STANZAS_MAX 10000
#define NO_SOCKET (-1)

/* libstrophe has time limits of its own while it logs in, which it looks at in its turn; later
 * there may be the rest of a stanza to be sent, which it does not tell. */
static const struct timeval login_turn_time = {0, 500 * 1000};
static const struct timeval turn_time = {5, 0};

struct service_component_t {
    apr_pool_t *login_pool; /* of login */
    service_login_t login;
    service_hooks_t hooks;
    struct event_base *base;
    xmpp_ctx_t *ctx;
    xmpp_conn_t *conn; /* NULL in the pause between two attempts */
    int socket;
    int kept_fd; /* a small number for the next socket, while there is none */
    int is_connected;
    int is_over; /* the connection is lost, and waits to be cleared away */
    apr_time_t begun_us;
    apr_interval_time_t pause_us;
    const char *cause; /* of the loss, or NULL; static or in cause_pool */
    apr_pool_t *cause_pool;
    struct event *readable;
    struct event *writable;
    struct event *turn;  /* while there is a connection */
    struct event *retry; /* in the pause, or at once to clear away */
};

/* ---- the small number ---- */

static int keep_number(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (fd >= FD_SETSIZE) {
        close(fd);
        errno = EMFILE;
        return NO_SOCKET;
    }
    return fd;
}

/** Called for each socket before it is connected. libstrophe does not say for whom. */
static int *made_socket;

static int socket_made(xmpp_conn_t *conn, void *socket)
{
    int fd = *(int *)socket;
    if (fd >= FD_SETSIZE || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
        return -1;
    }
    *made_socket = fd;
    return xmpp_sockopt_cb_keepalive(conn, socket);
}

/* ---- turns ---- */

static void drop_events(service_component_t *component)
{
    if (component->readable) {
        event_free(component->readable);
        event_free(component->writable);
        component->readable = NULL;
        component->writable = NULL;
    }
}

/** Watches for what libstrophe waits for. */
static void watch(service_component_t *component)
{
    int is_connecting = !xmpp_conn_is_connected(component->conn);
    if (is_connecting || xmpp_conn_send_queue_len(component->conn) > 0) {
        event_add(component->writable, NULL);
    }
    if (!is_connecting) {
        event_add(component->readable, NULL);
    }
}

static void take_turn(service_component_t *component)
{
    if (component->is_over) {
        return;
    }
    xmpp_run_once(component->ctx, 0);
    /* What was answered meanwhile is sent at the next one. While it logs in it does not tell. */
    if (!component->is_over &&
        (!component->is_connected || xmpp_conn_send_queue_len(component->conn) > 0)) {
        xmpp_run_once(component->ctx, 0);
    }
    if (!component->is_over) {
        watch(component);
    }
}

static void on_ready(evutil_socket_t fd, short what, void *data)
{
    (void)fd;
    (void)what;
    take_turn(data);
}

/** Ends the connection outside of libstrophe's functions, which may be at work now. */
static void end_soon(service_component_t *component)
{
    static const struct timeval at_once = {0, 0};
    component->is_over = 1;
    component->is_connected = 0;
    event_add(component->retry, &at_once);
}

static void on_turn(evutil_socket_t fd, short what, void *data)
{
    service_component_t *component = data;
    (void)fd;
    (void)what;
    take_turn(component);
    if (!component->is_over && !component->is_connected &&
        apr_time_now() - component->begun_us > LOGIN_US) {
        component->cause = "the server does not answer";
        end_soon(component);
    }
}

/* ---- what libstrophe tells ---- */

static int on_stanza(xmpp_conn_t *conn, xmpp_stanza_t *stanza, void *data)
{
    service_component_t *component = data;
    apr_pool_t *pool;
    if (xmpp_conn_send_queue_len(conn) >= UNSENT_STANZAS_MAX) {
        return 1;
    }
    apr_pool_create(&pool, NULL);
    xmpp_stanza_t *answer = component->hooks.answer(component->hooks.baton, stanza, pool);
    if (answer) {
        xmpp_send(conn, answer);
        xmpp_stanza_release(answer);
    }
    apr_pool_destroy(pool);
    return 1;
}

static const char *name_error(const service_component_t *component,
                              const xmpp_stream_error_t *error)
{
    switch (error->type) {
    case XMPP_SE_CONFLICT:
        return "the server says that this component is connected already";
    case XMPP_SE_HOST_UNKNOWN:
        return "the server does not know this component";
    case XMPP_SE_NOT_AUTHORIZED:
        return "the server does not accept the secret";
    case XMPP_SE_SYSTEM_SHUTDOWN:
        return "the server shuts down";
    default:
        return error->text
                   ? apr_pstrcat(component->cause_pool, "the server says: ",
                                 tool_text_visible(error->text, component->cause_pool), NULL)
                   : "the server has ended the stream";
    }
}

static void on_change(xmpp_conn_t *conn, xmpp_conn_event_t event, int error,
                      xmpp_stream_error_t *stream_error, void *data)
{
    service_component_t *component = data;
    if (event == XMPP_CONN_CONNECT) {
        component->is_connected = 1;
        component->pause_us = PAUSE_US_MIN;
        event_add(component->turn, &turn_time);
        xmpp_handler_add(conn, on_stanza, NULL, NULL, NULL, component);
        component->hooks.connected(component->hooks.baton);
        return;
    }
    /* libstrophe has closed its socket; the number goes back before anybody else takes it. */
    drop_events(component);
    component->socket = NO_SOCKET;
    component->kept_fd = keep_number();
    if (stream_error) {
        component->cause = name_error(component, stream_error);
    } else if (!component->cause) {
        component->cause = component->is_connected ? "the connection was lost"
                           : error == ETIMEDOUT    ? "the server cannot be reached"
                                                   : "the server has closed the connection, or "
                                                     "refused it";
    }
    end_soon(component);
}

/* ---- attempts ---- */

static int refuse_socket(xmpp_conn_t *conn, void *socket)
{
    (void)conn;
    (void)socket;
    return -1;
}

/**
 * libstrophe, from 0.12 to 0.14 at least, looks at its state of stream management (XEP-0198) in
 * every connection, but makes one only when it is told to connect as a client: a component would
 * crash at its first byte. So it is told to, and gets no socket.
 */
static void have_stream_management_made(xmpp_conn_t *conn)
{
    xmpp_conn_set_sockopt_callback(conn, refuse_socket);
    xmpp_connect_client(conn, "127.0.0.1", 1, on_change, NULL);
}

static xmpp_conn_t *make_connection(service_component_t *component)
{
    xmpp_conn_t *conn = xmpp_conn_new(component->ctx);
    xmpp_conn_set_jid(conn, component->login.component);
    xmpp_conn_set_pass(conn, component->login.secret);
    have_stream_management_made(conn);
    xmpp_conn_set_sockopt_callback(conn, socket_made);
    return conn;
}

static void connect_now(service_component_t *component)
{
    const service_login_t *login = &component->login;
    component->is_over = 0;
    component->cause = NULL;
    component->begun_us = apr_time_now();
    apr_pool_clear(component->cause_pool);
    component->conn = make_connection(component);
    made_socket = &component->socket;
    if (component->kept_fd != NO_SOCKET) {
        close(component->kept_fd);
        component->kept_fd = NO_SOCKET;
    }
    int result = xmpp_connect_component(
        component->conn, relay_address_host(&login->server, component->cause_pool),
        (unsigned short)relay_address_port(&login->server), on_change, component);
    if (result != XMPP_EOK) {
        component->socket = NO_SOCKET;
        component->kept_fd = keep_number();
        component->cause = "the server cannot be reached";
        end_soon(component);
        return;
    }
    component->readable =
        event_new(component->base, component->socket, EV_READ, on_ready, component);
    component->writable =
        event_new(component->base, component->socket, EV_WRITE, on_ready, component);
    if (!component->readable || !component->writable) {
        abort();
    }
    event_add(component->turn, &login_turn_time);
    watch(component);
}

/** Frees the connection, which closes it if it is open. */
static void clear_away(service_component_t *component)
{
    event_del(component->turn);
    if (component->conn) {
        component->is_over = 1;
        drop_events(component);
        xmpp_conn_release(component->conn);
        component->conn = NULL;
        event_del(component->retry);
    }
}

/** Some chance, so that the components of a server that comes back do not come all at once. */
static apr_interval_time_t next_pause(service_component_t *component)
{
    unsigned char random = 0;
    apr_interval_time_t pause_us = component->pause_us;
    apr_generate_random_bytes(&random, 1);
    component->pause_us = pause_us * 2 < PAUSE_US_MAX ? pause_us * 2 : PAUSE_US_MAX;
    return pause_us / 2 + pause_us / 2 * random / UCHAR_MAX;
}

static void on_retry(evutil_socket_t fd, short what, void *data)
{
    service_component_t *component = data;
    (void)fd;
    (void)what;
    if (!component->conn) {
        connect_now(component);
        return;
    }
    clear_away(component);
    apr_interval_time_t pause_us = next_pause(component);
    const struct timeval pause = {.tv_sec = apr_time_sec(pause_us),
                                  .tv_usec = apr_time_usec(pause_us)};
    component->hooks.lost(component->hooks.baton, component->cause, pause_us);
    event_add(component->retry, &pause);
}

/* ---- from outside ---- */

static void copy_login(service_component_t *component, const service_login_t *login)
{
    apr_pool_clear(component->login_pool);
    component->login = *login;
    component->login.component = apr_pstrdup(component->login_pool, login->component);
    component->login.secret = jf_secret_copy(login->secret, component->login_pool);
}

static void make_events(service_component_t *component)
{
    component->turn = event_new(component->base, -1, EV_PERSIST, on_turn, component);
    component->retry = evtimer_new(component->base, on_retry, component);
    if (!component->turn || !component->retry) {
        abort();
    }
}

jf_err_t *service_component_create(service_component_t **component_out,
                                   const service_login_t *login, struct event_base *base,
                                   const service_hooks_t *hooks, apr_pool_t *pool)
{
    service_component_t *component = apr_pcalloc(pool, sizeof(*component));
    *component_out = NULL;
    component->base = base;
    component->hooks = *hooks;
    component->socket = NO_SOCKET;
    component->pause_us = PAUSE_US_MIN;
    component->kept_fd = keep_number();
    if (component->kept_fd == NO_SOCKET) {
        return jf_err_from_system(errno, pool, "no descriptor is left for the Jabber server");
    }
    apr_pool_create(&component->login_pool, pool);
    apr_pool_create(&component->cause_pool, pool);
    xmpp_initialize();
    component->ctx = xmpp_ctx_new(NULL, NULL);
    make_events(component);
    copy_login(component, login);
    connect_now(component);
    *component_out = component;
    return NULL;
}

static int is_same(const service_login_t *a, const service_login_t *b)
{
    return strcmp(a->component, b->component) == 0 && strcmp(a->secret, b->secret) == 0 &&
           relay_address_is_same(&a->server, &b->server);
}

void service_component_set_login(service_component_t *component, const service_login_t *login)
{
    if (is_same(&component->login, login)) {
        return;
    }
    copy_login(component, login);
    component->pause_us = PAUSE_US_MIN;
    clear_away(component);
    end_soon(component); /* no connection: this connects */
}

int service_component_is_connected(const service_component_t *component)
{
    return component->is_connected;
}

void service_component_destroy(service_component_t *component)
{
    if (component->is_connected) {
        xmpp_disconnect(component->conn);
        xmpp_run_once(component->ctx, 0);
    }
    clear_away(component);
    event_free(component->turn);
    event_free(component->retry);
    xmpp_ctx_free(component->ctx);
    xmpp_shutdown();
    if (component->kept_fd != NO_SOCKET) {
        close(component->kept_fd);
    }
}
