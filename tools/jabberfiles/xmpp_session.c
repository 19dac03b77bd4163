#include "xmpp_private.h"

#include <errno.h>
#include <netdb.h>
#include <sys/socket.h>

#include <apr_strings.h>

#include "jf_jid.h"
#include "jf_token.h"

/** After so long a silence of ours a space is sent: routers forget connections. */
#define ALIVE_US apr_time_from_sec(60)
/** How long the server may take to say goodbye. */
#define GOODBYE_US apr_time_from_sec(2)

/** libstrophe may have more in its TLS buffer than it has read, which select does not tell: as long
 * as something comes, it is asked often. */
#define BUSY_US apr_time_from_sec(1)
#define BUSY_SLICE_US (apr_time_from_sec(1) / 50)
#define QUIET_SLICE_US (apr_time_from_sec(1) / 4)

/** Rounds of libstrophe, 4 KiB each, in one call of client->idle. */
#define IDLE_ROUNDS 8

static void keep_alive(xmpp_session_t *session)
{
    if (session->state == XMPP_ONLINE && apr_time_now() - session->sent_us > ALIVE_US) {
        xmpp_send_raw(session->conn, " ", 1);
        session->sent_us = apr_time_now();
    }
}

void xmpp_session_turn(xmpp_session_t *session, apr_interval_time_t timeout_us)
{
    /* libstrophe does not stand to be called from its own handlers. */
    if (session->is_in_turn || !session->conn) {
        return;
    }
    session->is_in_turn = 1;
    keep_alive(session);
    xmpp_run_once(session->ctx, (unsigned long)apr_time_as_msec(timeout_us));
    session->is_in_turn = 0;
}

static void idle(void *baton)
{
    xmpp_session_t *session = baton;
    for (int i = 0; i < IDLE_ROUNDS && session->state == XMPP_ONLINE; i++) {
        xmpp_session_turn(session, 0);
    }
}

/** What is left of a session when its pool goes without xmpp_session_close. */
static apr_status_t clean_up(void *baton)
{
    xmpp_session_t *session = baton;
    xmpp_connection_drop(session);
    xmpp_ctx_free(session->ctx);
    session->client->idle = NULL;
    return APR_SUCCESS;
}

static jf_err_t *make(xmpp_session_t **session_out, client_t *client, apr_pool_t *pool)
{
    xmpp_session_t *session = apr_pcalloc(pool, sizeof(*session));
    session->client = client;
    session->pool = pool;
    JF_TRY(account_need_jid(client->account));
    session->domain = jf_jid_domain(client->account->jid);
    JF_TRY(account_password(&session->password, client->account));
    JF_TRY(jf_token_nonce(&session->id_prefix, pool));
    apr_pool_create(&session->connection_pool, pool);
    xmpp_initialize();
    xmpp_trouble_listen(session);
    session->ctx = xmpp_ctx_new(NULL, &session->log);
    if (!session->ctx) {
        return jf_err_make(JF_ERR_IO, APR_SUCCESS, pool, "libstrophe cannot be initialised");
    }
    *session_out = session;
    return NULL;
}

jf_err_t *xmpp_session_open(xmpp_session_t **session, client_t *client, apr_pool_t *pool)
{
    *session = NULL;
    xmpp_session_t *made = NULL;
    JF_TRY(make(&made, client, pool));
    apr_pool_cleanup_register(pool, made, clean_up, apr_pool_cleanup_null);
    jf_err_t *err = xmpp_connection_make(made);
    if (err) {
        apr_pool_cleanup_run(pool, made, clean_up);
        return err;
    }
    client->idle = idle;
    client->idle_baton = made;
    *session = made;
    return NULL;
}

void xmpp_session_close(xmpp_session_t *session)
{
    if (session->state == XMPP_ONLINE) {
        apr_time_t deadline_us = apr_time_now() + GOODBYE_US;
        xmpp_disconnect(session->conn);
        while (session->state == XMPP_ONLINE && apr_time_now() < deadline_us) {
            xmpp_session_turn(session, BUSY_SLICE_US);
        }
    }
    apr_pool_cleanup_run(session->pool, session, clean_up);
}

jf_err_t *xmpp_session_renew(xmpp_session_t *session)
{
    return session->state == XMPP_ONLINE ? NULL : xmpp_connection_make(session);
}

xmpp_ctx_t *xmpp_session_ctx(xmpp_session_t *session)
{
    return session->ctx;
}

const char *xmpp_session_jid(const xmpp_session_t *session)
{
    return session->jid;
}

jf_err_t *xmpp_session_local_address(const char **address, const xmpp_session_t *session,
                                     apr_pool_t *pool)
{
    struct sockaddr_storage own;
    socklen_t length = sizeof(own);
    char text[NI_MAXHOST];
    if (session->state != XMPP_ONLINE) {
        return xmpp_trouble_of_loss(session, pool);
    }
    if (getsockname(session->fd, (struct sockaddr *)&own, &length) != 0 ||
        getnameinfo((struct sockaddr *)&own, length, text, sizeof(text), NULL, 0, NI_NUMERICHOST) !=
            0) {
        return jf_err_from_system(errno, pool, "the connection to %s has no address",
                                  session->domain);
    }
    *address = apr_pstrdup(pool, text);
    return NULL;
}

const char *xmpp_session_new_id(xmpp_session_t *session)
{
    return apr_psprintf(session->pool, "%s-%lu", session->id_prefix, ++session->ids);
}

void xmpp_session_send(xmpp_session_t *session, xmpp_stanza_t *stanza)
{
    if (session->state == XMPP_ONLINE) {
        xmpp_send(session->conn, stanza);
        session->sent_us = apr_time_now();
    }
    xmpp_stanza_release(stanza);
}

static apr_interval_time_t slice_us(const xmpp_session_t *session, apr_interval_time_t left_us)
{
    apr_interval_time_t slice =
        apr_time_now() - session->happened_us < BUSY_US ? BUSY_SLICE_US : QUIET_SLICE_US;
    return left_us < slice ? left_us : slice;
}

jf_err_t *xmpp_session_run(xmpp_session_t *session, apr_interval_time_t timeout_us)
{
    apr_time_t deadline_us = apr_time_now() + timeout_us;
    unsigned long before = session->happenings;
    xmpp_session_turn(session, 0);
    for (;;) {
        if (session->state != XMPP_ONLINE) {
            return xmpp_trouble_of_loss(session, session->pool);
        }
        if (client_is_interrupted()) {
            return client_interrupted(session->pool);
        }
        apr_interval_time_t left_us = deadline_us - apr_time_now();
        if (session->happenings != before || left_us <= 0) {
            return NULL;
        }
        xmpp_session_turn(session, slice_us(session, left_us));
    }
}

jf_err_t *xmpp_session_query(xmpp_stanza_t **answer, xmpp_session_t *session, xmpp_stanza_t *iq,
                             apr_interval_time_t timeout_us)
{
    xmpp_query_t query;
    jf_err_t *err = NULL;
    *answer = NULL;
    apr_time_t deadline_us = apr_time_now() + timeout_us;
    xmpp_query_begin(&query, session, iq);
    while (!query.answer && !err && apr_time_now() < deadline_us) {
        err = xmpp_session_run(session, deadline_us - apr_time_now());
    }
    xmpp_query_end(&query, session);
    if (query.answer) {
        *answer = query.answer;
        return NULL;
    }
    return err ? err
               : jf_err_make(JF_ERR_UNAVAILABLE, APR_SUCCESS, session->pool,
                             "%s has not answered within %ld seconds: try again later",
                             query.to ? query.to : session->domain, (long)apr_time_sec(timeout_us));
}
