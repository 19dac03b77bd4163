#include "xmpp_login_private.h"

#include <string.h>

#include <apr_strings.h>

#define NS_STREAM "http://etherx.jabber.org/streams"
#define NS_STREAM_ERROR "urn:ietf:params:xml:ns:xmpp-streams"
#define NS_TLS "urn:ietf:params:xml:ns:xmpp-tls"
#define NS_SASL "urn:ietf:params:xml:ns:xmpp-sasl"

/* ---- the stream ---- */

void xmpp_login_open_stream(xmpp_login_t *login)
{
    /* A domain as prepared has no character that XML would take amiss. */
    const char *header = apr_pstrcat(login->pool,
                                     "<?xml version='1.0'?><stream:stream xmlns='jabber:client' "
                                     "xmlns:stream='" NS_STREAM "' version='1.0' to='",
                                     login->domain->settings->name, "'>", NULL);
    if (xmpp_login_failed(login, xmpp_parser_create(&login->parser, login->pool))) {
        return;
    }
    login->state = AWAIT_FEATURES;
    login->doing = "the stream";
    xmpp_link_send(login->link, header);
}

void xmpp_login_start_tls(xmpp_login_t *login, int is_direct)
{
    login->doing = "TLS";
    login->parser = NULL;
    xmpp_login_failed(login, xmpp_link_start_tls(login->link, is_direct));
}

/* ---- SASL ---- */

static void start_sasl(xmpp_login_t *login, const xmpp_element_t *features)
{
    const xmpp_element_t *list = xmpp_element_child(features, NS_SASL, "mechanisms");
    apr_array_header_t *offered = apr_array_make(login->pool, 4, sizeof(const char *));
    for (int i = 0; list && i < list->children->nelts; i++) {
        const xmpp_element_t *child = APR_ARRAY_IDX(list->children, i, xmpp_element_t *);
        if (xmpp_element_is(child, NS_SASL, "mechanism")) {
            APR_ARRAY_PUSH(offered, const char *) = child->text;
        }
    }
    if (xmpp_login_failed(login,
                          xmpp_sasl_create(&login->sasl, offered, xmpp_link_is_secure(login->link),
                                           login->user, login->password, login->pool))) {
        return;
    }
    login->state = AWAIT_SASL;
    login->doing = xmpp_sasl_mechanism(login->sasl);
    const char *initial = xmpp_sasl_initial(login->sasl);
    xmpp_link_send(login->link,
                   apr_pstrcat(login->pool, "<auth xmlns='" NS_SASL "' mechanism='",
                               xmpp_sasl_mechanism(login->sasl), "'>", initial, "</auth>", NULL));
}

/* By the clock: an event that activates itself keeps the loop from looking at anything else. */
static void work_soon(xmpp_login_t *login)
{
    static const struct timeval at_once = {0, 0};
    evtimer_add(login->work, &at_once);
}

void xmpp_login_work(evutil_socket_t fd, short what, void *data)
{
    xmpp_login_t *login = data;
    const char *response;
    (void)fd;
    (void)what;
    if (login->is_over || xmpp_login_failed(login, xmpp_sasl_work(&response, login->sasl))) {
        return;
    }
    if (!response) {
        work_soon(login);
        return;
    }
    xmpp_link_send(login->link, apr_pstrcat(login->pool, "<response xmlns='" NS_SASL "'>", response,
                                            "</response>", NULL));
}

/* The server's judgement of name and password (RFC 6120 section 6.5). A malformed request is ours
 * in nothing but the name: that one cannot exist. */
static int is_refusal(const char *condition)
{
    static const char *const refusals[] = {"not-authorized", "account-disabled",
                                           "credentials-expired", "malformed-request"};
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        if (strcmp(condition, refusals[i]) == 0) {
            return 1;
        }
    }
    return 0;
}

static void take_failure(xmpp_login_t *login, const xmpp_element_t *failure)
{
    const char *condition = xmpp_element_condition(failure, NS_SASL);
    if (is_refusal(condition)) {
        xmpp_login_refuse(login, condition);
    } else {
        xmpp_login_give_up(login, apr_pstrcat(login->pool, "the server refuses to log anybody in: ",
                                              condition, NULL));
    }
}

static void take_success(xmpp_login_t *login, const xmpp_element_t *success)
{
    if (!xmpp_login_failed(login,
                           xmpp_sasl_success(login->sasl, success->text, success->text_length))) {
        xmpp_login_conclude(login, JF_LOGIN_ACCEPTED, "");
    }
}

/* ---- elements ---- */

static void take_features(xmpp_login_t *login, const xmpp_element_t *features)
{
    int is_clear = !xmpp_link_is_secure(login->link);
    int wants_tls = login->domain->settings->tls != JF_TLS_OFF;
    if (is_clear && wants_tls && !xmpp_element_child(features, NS_TLS, "starttls")) {
        xmpp_login_give_up(login, "the server offers no TLS");
    } else if (is_clear && wants_tls) {
        login->state = AWAIT_PROCEED;
        login->doing = "STARTTLS";
        xmpp_link_send(login->link, "<starttls xmlns='" NS_TLS "'/>");
    } else {
        start_sasl(login, features);
    }
}

static void take_sasl(xmpp_login_t *login, const xmpp_element_t *element)
{
    if (xmpp_element_is(element, NS_SASL, "challenge")) {
        if (!xmpp_login_failed(
                login, xmpp_sasl_challenge(login->sasl, element->text, element->text_length))) {
            work_soon(login);
        }
    } else if (xmpp_element_is(element, NS_SASL, "success")) {
        take_success(login, element);
    } else if (xmpp_element_is(element, NS_SASL, "failure")) {
        take_failure(login, element);
    } else {
        xmpp_login_give_up(login,
                           apr_pstrcat(login->pool, "unexpected <", element->name, ">", NULL));
    }
}

static void take_proceed(xmpp_login_t *login, const xmpp_element_t *element)
{
    if (!xmpp_element_is(element, NS_TLS, "proceed")) {
        xmpp_login_give_up(login, "the server refuses to begin TLS");
    } else if (xmpp_parser_has_rest(login->parser)) {
        xmpp_login_give_up(login, "the server, or somebody before it, spoke on before TLS");
    } else {
        xmpp_login_start_tls(login, 0);
    }
}

static void take_stream_error(xmpp_login_t *login, const xmpp_element_t *error)
{
    const char *condition = xmpp_element_condition(error, NS_STREAM_ERROR);
    xmpp_login_give_up(login, apr_pstrcat(login->pool, "stream error: ", condition, NULL));
}

void xmpp_login_take_element(xmpp_login_t *login, const xmpp_element_t *element)
{
    if (xmpp_element_is(element, NS_STREAM, "error")) {
        take_stream_error(login, element);
    } else if (login->state == AWAIT_PROCEED) {
        take_proceed(login, element);
    } else if (login->state == AWAIT_SASL) {
        take_sasl(login, element);
    } else if (xmpp_element_is(element, NS_STREAM, "features")) {
        take_features(login, element);
    } else {
        xmpp_login_give_up(login,
                           apr_pstrcat(login->pool, "unexpected <", element->name, ">", NULL));
    }
}
