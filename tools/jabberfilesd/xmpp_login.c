#include "xmpp_login_private.h"

#include <string.h>

#include <apr_strings.h>

#include "jf_secret.h"
#include "xmpp_saslprep.h"
#include "xmpp_timer.h"

/* An address that does not answer leaves time for the next one. */
#define CONNECT_PARTS 3

static void connect_next(xmpp_login_t *login);

/* ---- the end ---- */

static void hang_up(xmpp_login_t *login, const char *last_words)
{
    if (login->link) {
        xmpp_link_close(login->link, last_words);
        login->link = NULL;
    }
}

void xmpp_login_cancel(xmpp_login_t *login)
{
    hang_up(login, NULL);
    xmpp_gate_leave(&login->domain->gate, &login->pass);
    if (login->query) {
        xmpp_resolve_end(login->query);
    }
    event_free(login->begin);
    event_free(login->connect);
    event_free(login->connect_deadline);
    event_free(login->work);
    event_free(login->deadline);
    event_free(login->end);
    apr_pool_destroy(login->pool);
}

static void end(evutil_socket_t fd, short what, void *data)
{
    xmpp_login_t *login = data;
    (void)fd;
    (void)what;
    login->done(login->baton, &login->answer);
    xmpp_login_cancel(login);
}

void xmpp_login_conclude(xmpp_login_t *login, jf_login_verdict_t verdict, const char *reason)
{
    if (login->is_over) {
        return;
    }
    login->is_over = 1;
    login->answer.verdict = verdict;
    login->answer.reason = apr_pstrdup(login->pool, reason);
    hang_up(login, verdict == JF_LOGIN_UNAVAILABLE ? NULL : "</stream:stream>");
    event_active(login->end, EV_TIMEOUT, 0);
}

void xmpp_login_give_up(xmpp_login_t *login, const char *reason)
{
    xmpp_login_conclude(login, JF_LOGIN_UNAVAILABLE, reason);
}

void xmpp_login_refuse(xmpp_login_t *login, const char *reason)
{
    xmpp_login_conclude(login, JF_LOGIN_REFUSED, reason);
}

int xmpp_login_failed(xmpp_login_t *login, const jf_err_t *err)
{
    if (err) {
        xmpp_login_give_up(login, err->text);
    }
    return err != NULL;
}

/* ---- the link ---- */

static void on_connected(void *baton)
{
    xmpp_login_t *login = baton;
    const xmpp_endpoint_t *endpoint =
        &APR_ARRAY_IDX(login->endpoints, login->next_endpoint - 1, xmpp_endpoint_t);
    evtimer_del(login->connect_deadline);
    if (endpoint->is_direct) {
        xmpp_login_start_tls(login, 1);
    } else {
        xmpp_login_open_stream(login);
    }
}

static void on_secured(void *baton)
{
    xmpp_login_t *login = baton;
    xmpp_gate_leave(&login->domain->gate, &login->pass);
    xmpp_login_open_stream(login);
}

static void on_received(void *baton, const void *bytes, apr_size_t length)
{
    xmpp_login_t *login = baton;
    xmpp_parser_t *parser = login->parser;
    const xmpp_element_t *element;
    xmpp_gate_leave(&login->domain->gate, &login->pass);
    if (!parser) {
        xmpp_login_give_up(login, "the server spoke before it was asked");
        return;
    }
    int goes_on = !xmpp_login_failed(login, xmpp_parser_feed(parser, bytes, length));
    while (goes_on && !xmpp_login_failed(login, xmpp_parser_next(&element, parser)) && element) {
        xmpp_login_take_element(login, element);
        /* It may have ended the login, or begun TLS and with it another stream. */
        goes_on = !login->is_over && login->parser == parser;
    }
}

static void on_failed(void *baton, const char *text)
{
    xmpp_login_t *login = baton;
    /* Only an address that does not answer at all has a successor: what a server says, stands. */
    if (!evtimer_pending(login->connect_deadline, NULL)) {
        xmpp_login_give_up(login, apr_psprintf(login->pool, "%s: %s", login->doing, text));
        return;
    }
    login->connect_problem = apr_pstrdup(login->pool, text);
    hang_up(login, NULL);
    connect_next(login);
}

static const xmpp_link_callbacks_t link_callbacks = {on_connected, on_secured, on_received,
                                                     on_failed};

/* ---- connecting ---- */

static jf_err_t *connect_to(xmpp_login_t *login, const xmpp_endpoint_t *endpoint)
{
    if (login->domain->settings->tls == JF_TLS_OFF && !xmpp_endpoint_is_loopback(endpoint)) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, login->pool,
                           "tls=off, but the server is not at a loopback address");
    }
    return xmpp_link_open(&login->link, login->settings->base,
                          (const struct sockaddr *)&endpoint->address, endpoint->address_length,
                          login->domain, &link_callbacks, login, login->pool);
}

static void connect_next(xmpp_login_t *login)
{
    while (login->next_endpoint < login->endpoints->nelts) {
        const xmpp_endpoint_t *endpoint =
            &APR_ARRAY_IDX(login->endpoints, login->next_endpoint++, xmpp_endpoint_t);
        jf_err_t *err = connect_to(login, endpoint);
        if (!err) {
            xmpp_timer_set(login->connect_deadline, login->deadline_us / CONNECT_PARTS);
            return;
        }
        login->connect_problem = err->text;
    }
    xmpp_login_give_up(login,
                       apr_pstrcat(login->pool, "connecting: ", login->connect_problem, NULL));
}

static void on_connect_deadline(evutil_socket_t fd, short what, void *data)
{
    xmpp_login_t *login = data;
    (void)fd;
    (void)what;
    if (login->is_over) {
        return;
    }
    login->connect_problem = "no answer";
    hang_up(login, NULL);
    connect_next(login);
}

static void connect_first(evutil_socket_t fd, short what, void *data)
{
    xmpp_login_t *login = data;
    (void)fd;
    (void)what;
    if (!login->is_over) {
        connect_next(login);
    }
}

static void on_resolved(void *baton, const apr_array_header_t *endpoints, const char *problem)
{
    xmpp_login_t *login = baton;
    if (!endpoints) {
        xmpp_login_give_up(login, problem);
        return;
    }
    login->endpoints = apr_array_copy(login->pool, endpoints);
    login->doing = "connecting";
    xmpp_gate_enter(&login->domain->gate, &login->pass);
}

/* ---- life ---- */

static void on_deadline(evutil_socket_t fd, short what, void *data)
{
    xmpp_login_t *login = data;
    (void)fd;
    (void)what;
    xmpp_login_give_up(login,
                       apr_psprintf(login->pool, "no answer within %.1f s (%s)",
                                    (double)login->deadline_us / APR_USEC_PER_SEC, login->doing));
}

static void begin(evutil_socket_t fd, short what, void *data)
{
    xmpp_login_t *login = data;
    const char *prepared;
    (void)fd;
    (void)what;
    jf_err_t *err = xmpp_saslprep(&prepared, login->password, login->pool);
    if (err && err->code == JF_ERR_INVALID) {
        xmpp_login_refuse(login, err->text);
        return;
    }
    if (xmpp_login_failed(login, err)) {
        return;
    }
    login->password = prepared;
    login->doing = "DNS";
    xmpp_login_failed(login, xmpp_resolve(&login->query, login->settings->base,
                                          login->settings->dns_server, login->domain, on_resolved,
                                          login, login->pool));
}

xmpp_login_t *xmpp_login_start(const xmpp_login_settings_t *settings, xmpp_domain_t *domain,
                               const char *jid, const char *password,
                               apr_interval_time_t deadline_us, xmpp_login_done_fn *done,
                               void *baton, apr_pool_t *parent_pool)
{
    apr_pool_t *pool;
    apr_pool_create(&pool, parent_pool);
    xmpp_login_t *login = apr_pcalloc(pool, sizeof(*login));
    login->pool = pool;
    login->settings = settings;
    login->domain = domain;
    login->deadline_us = deadline_us;
    login->user = apr_pstrmemdup(pool, jid, strcspn(jid, "@"));
    login->password = jf_secret_copy(password, pool);
    login->done = done;
    login->baton = baton;
    login->begin = event_new(settings->base, -1, 0, begin, login);
    login->connect = event_new(settings->base, -1, 0, connect_first, login);
    login->connect_deadline = evtimer_new(settings->base, on_connect_deadline, login);
    login->work = event_new(settings->base, -1, 0, xmpp_login_work, login);
    login->deadline = evtimer_new(settings->base, on_deadline, login);
    login->end = event_new(settings->base, -1, 0, end, login);
    login->pass.granted = login->connect;
    xmpp_timer_set(login->deadline, deadline_us);
    event_active(login->begin, EV_TIMEOUT, 0);
    return login;
}
