#include "xmpp_private.h"

#include <string.h>

#include <apr_strings.h>

#define STREAM_ERRORS_NS "urn:ietf:params:xml:ns:xmpp-streams"

/** What libstrophe says when a connection attempt fails; the number of the error follows. */
#define CONNECT_FAILED "connection failed, error "

static const struct {
    const char *condition;
    jf_err_code_t code;
    const char *words;
} login_failures[] = {
    {"account-disabled", JF_ERR_FORBIDDEN, "the account is disabled; ask who runs the server"},
    {"credentials-expired", JF_ERR_FORBIDDEN, "the password has expired; set a new one"},
    {"temporary-auth-failure", JF_ERR_UNAVAILABLE,
     "the server cannot check passwords now; try again later"},
    {"encryption-required", JF_ERR_FORBIDDEN, "the server wants another encryption"},
    {"not-authorized", JF_ERR_FORBIDDEN,
     "wrong password, or no such account; \"jabberfiles login\" sets up both"},
};

static const struct {
    xmpp_error_type_t type;
    const char *words;
} stream_errors[] = {
    {XMPP_SE_CONFLICT, "another login has taken the place of this one"},
    {XMPP_SE_CONN_TIMEOUT, "the server has heard nothing from us for too long"},
    {XMPP_SE_HOST_GONE, "the domain is not served there any more"},
    {XMPP_SE_HOST_UNKNOWN, "the server does not serve the domain; is the Jabber ID right, and "
                           "--connect, if you use it?"},
    {XMPP_SE_INTERNAL_SERVER_ERROR, "the server has trouble of its own"},
    {XMPP_SE_NOT_AUTHORIZED, "the server does not allow that"},
    {XMPP_SE_POLICY_VIOLATION, "against the rules of the server"},
    {XMPP_SE_REMOTE_CONN_FAILED, "the server cannot reach another one that it needs"},
    {XMPP_SE_RESOURCE_CONSTRAINT, "the server is busy; try again later"},
    {XMPP_SE_SEE_OTHER_HOST, "the server sends us elsewhere; tell where with --connect HOST:PORT"},
    {XMPP_SE_SYSTEM_SHUTDOWN, "the server shuts down; try again later"},
    {XMPP_SE_XML_NOT_WELL_FORMED, "the server does not understand what was sent"},
};

static int begins(const char *text, const char *head)
{
    return strncmp(text, head, strlen(head)) == 0;
}

static void note_login_failure(xmpp_session_t *session, const char *failure)
{
    session->trouble.login = "";
    for (size_t i = 0; i < sizeof(login_failures) / sizeof(*login_failures); i++) {
        const char *condition = login_failures[i].condition;
        if (strstr(failure, apr_psprintf(session->connection_pool, "<%s", condition))) {
            session->trouble.login = condition;
        }
    }
}

/**
 * libstrophe has no other way to tell why a login fails than its log. What is heard there only
 * chooses between sentences. Nothing is kept of the log: it has passwords and messages in it.
 */
static void hear_log(void *baton, const xmpp_log_level_t level, const char *const area,
                     const char *const text)
{
    xmpp_session_t *session = baton;
    xmpp_trouble_t *trouble = &session->trouble;
    (void)area;
    if (session->state != XMPP_CONNECTING || level == XMPP_LEVEL_INFO) {
        return;
    }
    if (begins(text, CONNECT_FAILED)) {
        trouble->connect_status =
            (apr_status_t)apr_strtoi64(text + strlen(CONNECT_FAILED), NULL, 10);
    } else if (begins(text, "RECV: <failure") && strstr(text, XMPP_NS_SASL)) {
        note_login_failure(session, text);
    } else if (begins(text, "RECV: <failure") && strstr(text, XMPP_NS_TLS)) {
        trouble->is_without_tls = 1;
    } else if (begins(text, "didn't get stream features")) {
        trouble->is_without_features = 1;
    } else if (begins(text, "TLS is not supported, but set as mandatory")) {
        trouble->is_without_tls = 1;
    } else if (begins(text, "Cannot authenticate with known methods")) {
        trouble->is_without_mechanism = 1;
    }
}

void xmpp_trouble_listen(xmpp_session_t *session)
{
    session->log.handler = hear_log;
    session->log.userdata = session;
}

void xmpp_trouble_of_stream(xmpp_session_t *session, const xmpp_stream_error_t *error)
{
    const char *words = "the server has ended it";
    for (size_t i = 0; i < sizeof(stream_errors) / sizeof(*stream_errors); i++) {
        if (stream_errors[i].type == error->type) {
            words = stream_errors[i].words;
        }
    }
    const char *said =
        error->stanza ? xmpp_stanza_said(error->stanza, STREAM_ERRORS_NS, session->connection_pool)
                      : NULL;
    session->trouble.stream =
        said ? apr_psprintf(session->connection_pool, "%s (the server says: %s)", words, said)
             : words;
}

int xmpp_trouble_is_final(const xmpp_trouble_t *trouble)
{
    return trouble->certificate || trouble->is_without_mechanism || trouble->is_without_tls;
}

/** Where we connect to, for people. */
static const char *place(const xmpp_session_t *session, apr_pool_t *pool)
{
    const account_t *account = session->client->account;
    return account->connect_host
               ? apr_psprintf(pool, "%s port %d", account->connect_host, account->connect_port)
               : session->domain;
}

static jf_err_t *login_refused(const xmpp_session_t *session, apr_pool_t *pool)
{
    const char *jid = session->client->account->jid;
    for (size_t i = 0; i < sizeof(login_failures) / sizeof(*login_failures); i++) {
        if (strcmp(session->trouble.login, login_failures[i].condition) == 0) {
            return jf_err_make(login_failures[i].code, APR_SUCCESS, pool,
                               "the login of %s is refused: %s", jid, login_failures[i].words);
        }
    }
    return jf_err_make(JF_ERR_FORBIDDEN, APR_SUCCESS, pool,
                       "the login of %s is refused, and the server does not say why", jid);
}

static jf_err_t *certificate_refused(const xmpp_session_t *session, apr_pool_t *pool)
{
    const char *words = session->trouble.certificate;
    const char *advice = "if an authority of your own has signed it, name that with --ca FILE";
    if (strstr(words, "hostname mismatch")) {
        words = "it is for another name";
        advice = "it must be for the domain of the Jabber ID, whatever host is connected to";
    } else if (strstr(words, "expired") || strstr(words, "not yet valid")) {
        advice = "the server needs a new one, or the clock of this computer is wrong";
    }
    return jf_err_make(JF_ERR_FORBIDDEN, APR_SUCCESS, pool,
                       "the certificate that %s shows for %s is not trusted: %s; %s",
                       place(session, pool), session->domain, words, advice);
}

static jf_err_t *not_connected(const xmpp_session_t *session, apr_pool_t *pool)
{
    const xmpp_trouble_t *trouble = &session->trouble;
    const char *advice = session->client->account->connect_host
                             ? "is --connect right?"
                             : "if the server is elsewhere, tell where with --connect HOST:PORT";
    char reason[120];
    if (trouble->is_not_found) {
        return jf_err_make(JF_ERR_UNAVAILABLE, APR_SUCCESS, pool,
                           "the Jabber server of %s cannot be found at %s: no such host, or no "
                           "way to it; %s",
                           session->domain, place(session, pool), advice);
    }
    apr_strerror(trouble->connect_status, reason, sizeof(reason));
    return jf_err_make(JF_ERR_UNAVAILABLE, trouble->connect_status, pool,
                       "the Jabber server of %s cannot be reached at %s: %s; %s", session->domain,
                       place(session, pool), reason, advice);
}

/** What is wrong with what the other side speaks; NULL if nothing is. */
static jf_err_t *unfit_server(const xmpp_session_t *session, apr_pool_t *pool)
{
    const xmpp_trouble_t *trouble = &session->trouble;
    if (trouble->is_without_features) {
        return jf_err_make(JF_ERR_UNAVAILABLE, APR_SUCCESS, pool,
                           "%s does not answer as a Jabber server", place(session, pool));
    }
    if (trouble->is_without_tls) {
        return jf_err_make(JF_ERR_FORBIDDEN, APR_SUCCESS, pool,
                           "%s offers no encryption (STARTTLS), so the password is not sent; for "
                           "a port with TLS from the first byte there is --direct-tls",
                           place(session, pool));
    }
    if (trouble->is_without_mechanism) {
        return jf_err_make(JF_ERR_FORBIDDEN, APR_SUCCESS, pool,
                           "%s offers no way to log in that this tool knows: it needs SCRAM or "
                           "PLAIN",
                           place(session, pool));
    }
    return NULL;
}

jf_err_t *xmpp_trouble_of_login(const xmpp_session_t *session, apr_pool_t *pool)
{
    const xmpp_trouble_t *trouble = &session->trouble;
    if (client_is_interrupted()) {
        return client_interrupted(pool);
    }
    if (trouble->is_socket_too_high) {
        return jf_err_make(JF_ERR_IO, APR_SUCCESS, pool,
                           "too many open files: close some of those that this program inherits");
    }
    if (trouble->certificate) {
        return certificate_refused(session, pool);
    }
    if (trouble->login) {
        return login_refused(session, pool);
    }
    JF_TRY(unfit_server(session, pool));
    if (trouble->stream) {
        return jf_err_make(JF_ERR_UNAVAILABLE, APR_SUCCESS, pool, "%s ends the connection: %s",
                           place(session, pool), trouble->stream);
    }
    if (trouble->is_overdue) {
        return jf_err_make(JF_ERR_UNAVAILABLE, APR_SUCCESS, pool,
                           "%s has not finished the login within %d seconds: try again later",
                           place(session, pool), (int)apr_time_sec(XMPP_LOGIN_US));
    }
    if (trouble->is_not_found || trouble->connect_status != APR_SUCCESS) {
        return not_connected(session, pool);
    }
    return jf_err_make(JF_ERR_UNAVAILABLE, APR_SUCCESS, pool,
                       "%s has ended the connection during the login: try again later",
                       place(session, pool));
}

jf_err_t *xmpp_trouble_of_loss(const xmpp_session_t *session, apr_pool_t *pool)
{
    return jf_err_make(JF_ERR_UNAVAILABLE, APR_SUCCESS, pool,
                       "the connection to the Jabber server of %s is lost%s%s", session->domain,
                       session->trouble.stream ? ": " : "",
                       session->trouble.stream ? session->trouble.stream : "");
}
