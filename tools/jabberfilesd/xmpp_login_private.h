/**
 * A login from the inside: xmpp_login.c begins, connects and ends it, xmpp_login_dialogue.c speaks
 * XMPP.
 */
#ifndef XMPP_LOGIN_PRIVATE_H
#define XMPP_LOGIN_PRIVATE_H

#include "xmpp_link.h"
#include "xmpp_login.h"
#include "xmpp_parser.h"
#include "xmpp_resolve.h"
#include "xmpp_sasl.h"

/* What the server is to say next. */
typedef enum { AWAIT_FEATURES, AWAIT_PROCEED, AWAIT_SASL } state_t;

struct xmpp_login_t {
    apr_pool_t *pool;
    const xmpp_login_settings_t *settings;
    xmpp_domain_t *domain;
    apr_interval_time_t deadline_us;
    const char *user;
    const char *password;
    xmpp_login_done_fn *done;
    void *baton;
    struct event *begin;
    struct event *connect;
    struct event *connect_deadline;
    struct event *work;
    struct event *deadline;
    struct event *end;

    xmpp_query_t *query;
    apr_array_header_t *endpoints; /* of xmpp_endpoint_t; the next one to try is next_endpoint */
    int next_endpoint;
    xmpp_pass_t pass; /* to connect; given back when the server has said something */
    xmpp_link_t *link;
    xmpp_parser_t *parser;
    xmpp_sasl_t *sasl;
    state_t state;
    const char *doing; /* for the log, when the time is over */
    const char *connect_problem;
    int is_over;
    jf_login_answer_t answer;
};

/* ---- xmpp_login.c: the verdict ---- */

/** Ends the login, a little later, for callers may still look at it. Only the first verdict counts.
 */
void xmpp_login_conclude(xmpp_login_t *login, jf_login_verdict_t verdict, const char *reason);
void xmpp_login_give_up(xmpp_login_t *login, const char *reason);
void xmpp_login_refuse(xmpp_login_t *login, const char *reason);
/** 1, and the login is over, if there is an error. */
int xmpp_login_failed(xmpp_login_t *login, const jf_err_t *err);

/* ---- xmpp_login_dialogue.c ---- */

/** Says the first words of a stream; a new one begins after TLS. */
void xmpp_login_open_stream(xmpp_login_t *login);
void xmpp_login_start_tls(xmpp_login_t *login, int is_direct);
void xmpp_login_take_element(xmpp_login_t *login, const xmpp_element_t *element);
/** Callback of login->work: a slice of SCRAM's work. */
void xmpp_login_work(evutil_socket_t fd, short what, void *data);

#endif
