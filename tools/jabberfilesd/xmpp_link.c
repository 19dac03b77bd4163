#include "xmpp_link.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include <apr_strings.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>

#include "xmpp_tls.h"

/* How long a peer may take to receive our farewell. */
static const struct timeval farewell_time = {1, 0};

/* More is not read before the parser has seen it; what a login needs is far less. */
#define READ_BYTES_MAX 16384

struct xmpp_link_t {
    apr_pool_t *pool; /* its own: a link may outlive the login for its farewell */
    struct event_base *base;
    struct bufferevent *bev;
    const xmpp_domain_t *domain;
    const xmpp_link_callbacks_t *callbacks;
    void *baton;
    SSL *tls; /* owned by bev */
    int is_secure;
};

static void destroy(xmpp_link_t *link)
{
    if (link->bev) {
        bufferevent_free(link->bev);
    }
    apr_pool_destroy(link->pool);
}

/* ---- the socket ---- */

/* A login is a dialogue of short lines; Nagle's algorithm would hold each back. */
static void send_at_once(evutil_socket_t fd)
{
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

/* ---- events ---- */

static void take_bytes(struct bufferevent *bev, void *data)
{
    xmpp_link_t *link = data;
    char bytes[READ_BYTES_MAX];
    size_t length = bufferevent_read(bev, bytes, sizeof(bytes));
    if (length > 0) {
        link->callbacks->received(link->baton, bytes, length);
    }
}

static const char *text_of_failure(xmpp_link_t *link, short what)
{
    char text[128];
    int code = evutil_socket_geterror(bufferevent_getfd(link->bev));
    if (link->tls && !link->is_secure) {
        return xmpp_tls_problem(link->tls, bufferevent_get_openssl_error(link->bev), link->pool);
    }
    if ((what & BEV_EVENT_EOF) || code == 0) {
        return "the server closed the connection";
    }
    return apr_pstrdup(link->pool, apr_strerror(code, text, sizeof(text)));
}

static void take_event(struct bufferevent *bev, short what, void *data)
{
    xmpp_link_t *link = data;
    (void)bev;
    if (!(what & BEV_EVENT_CONNECTED)) {
        link->callbacks->failed(link->baton, text_of_failure(link, what));
    } else if (!link->tls) {
        link->callbacks->connected(link->baton);
    } else if (xmpp_tls_is_verified(link->tls)) {
        link->is_secure = 1;
        link->callbacks->secured(link->baton);
    } else {
        link->callbacks->failed(link->baton, xmpp_tls_problem(link->tls, 0, link->pool));
    }
}

static void listen_to(xmpp_link_t *link)
{
    bufferevent_setcb(link->bev, take_bytes, NULL, take_event, link);
    bufferevent_setwatermark(link->bev, EV_READ, 0, READ_BYTES_MAX);
    bufferevent_enable(link->bev, EV_READ | EV_WRITE);
}

/* ---- life ---- */

jf_err_t *xmpp_link_open(xmpp_link_t **link_out, struct event_base *base,
                         const struct sockaddr *address, int address_length,
                         const xmpp_domain_t *domain, const xmpp_link_callbacks_t *callbacks,
                         void *baton, apr_pool_t *pool)
{
    struct bufferevent *bev =
        bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
    if (!bev) {
        return jf_err_make(JF_ERR_IO, APR_ENOMEM, pool, "cannot make a connection");
    }
    /* Deferred: a failure at once must not call back while the caller is still in here. */
    if (bufferevent_socket_connect(bev, address, address_length) != 0) {
        jf_err_t *err = jf_err_from_system(errno, pool, "cannot connect");
        bufferevent_free(bev);
        return err;
    }
    send_at_once(bufferevent_getfd(bev));
    apr_pool_t *own_pool;
    apr_pool_create(&own_pool, NULL);
    xmpp_link_t *link = apr_pcalloc(own_pool, sizeof(*link));
    link->pool = own_pool;
    link->base = base;
    link->bev = bev;
    link->domain = domain;
    link->callbacks = callbacks;
    link->baton = baton;
    listen_to(link);
    *link_out = link;
    return NULL;
}

/* What came before the handshake is thrown away: it may be somebody else's. */
jf_err_t *xmpp_link_start_tls(xmpp_link_t *link, int is_direct)
{
    SSL *session;
    JF_TRY(xmpp_tls_create_session(&session, link->domain, is_direct, link->pool));
    evutil_socket_t fd = bufferevent_getfd(link->bev);
    bufferevent_setfd(link->bev, -1);
    bufferevent_free(link->bev);
    link->bev = bufferevent_openssl_socket_new(link->base, fd, session, BUFFEREVENT_SSL_CONNECTING,
                                               BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
    if (!link->bev) { /* the session is freed already */
        evutil_closesocket(fd);
        return jf_err_make(JF_ERR_IO, APR_ENOMEM, link->pool, "cannot begin TLS");
    }
    link->tls = session;
    listen_to(link);
    return NULL;
}

void xmpp_link_send(xmpp_link_t *link, const char *text)
{
    bufferevent_write(link->bev, text, strlen(text));
}

int xmpp_link_is_secure(const xmpp_link_t *link)
{
    return link->is_secure;
}

/* ---- farewell ---- */

static void hang_up(xmpp_link_t *link)
{
    if (link->is_secure) {
        SSL_shutdown(link->tls); /* says so; the peer's own farewell is not waited for */
    }
    destroy(link);
}

static void end_after_writing(struct bufferevent *bev, void *data)
{
    (void)bev;
    hang_up(data);
}

static void end_after_event(struct bufferevent *bev, short what, void *data)
{
    (void)bev;
    (void)what;
    destroy(data);
}

void xmpp_link_close(xmpp_link_t *link, const char *last_words)
{
    if (!last_words) {
        destroy(link);
        return;
    }
    bufferevent_disable(link->bev, EV_READ);
    bufferevent_setcb(link->bev, NULL, end_after_writing, end_after_event, link);
    bufferevent_set_timeouts(link->bev, NULL, &farewell_time);
    xmpp_link_send(link, last_words);
}
