#include "xmpp_private.h"

#include <string.h>
#include <sys/select.h>

#include <apr_network_io.h>
#include <apr_strings.h>

/** More addresses of one host are not tried. */
#define ADDRESSES_MAX 6

#define LOGIN_SLICE_US (apr_time_from_sec(1) / 10)

#define RESOURCE_RANDOM_CHARS 8

/** The session that connects now: neither of two callbacks of libstrophe tells. */
static xmpp_session_t *connecting;

static int certificate_failed(const xmpp_tlscert_t *certificate, const char *const text)
{
    (void)certificate;
    connecting->trouble.certificate = apr_pstrdup(connecting->connection_pool, text);
    return 0;
}

/** Called for each socket before it is connected. */
static int socket_made(xmpp_conn_t *conn, void *socket)
{
    int fd = *(int *)socket;
    /* libstrophe waits with select(2), whose sets end there. */
    if (fd >= FD_SETSIZE) {
        connecting->trouble.is_socket_too_high = 1;
        return -1;
    }
    if (!xmpp_watchdog_set_socket(connecting->watchdog, fd)) {
        return -1;
    }
    connecting->fd = fd;
    xmpp_sockopt_cb_keepalive(conn,
                              socket); /* without it a connection that broke is noticed later */
    return 0;
}

static void connection_changed(xmpp_conn_t *conn, xmpp_conn_event_t event, int error,
                               xmpp_stream_error_t *stream_error, void *baton)
{
    xmpp_session_t *session = baton;
    session->happenings++;
    session->happened_us = apr_time_now();
    if (event == XMPP_CONN_CONNECT) {
        session->jid = apr_pstrdup(session->pool, xmpp_conn_get_bound_jid(conn));
        session->sent_us = apr_time_now();
        session->state = XMPP_ONLINE;
        xmpp_handler_add(conn, xmpp_stanza_arrived, NULL, NULL, NULL, session);
        return;
    }
    session->state = XMPP_OFFLINE;
    if (error == APR_ETIMEDOUT) {
        session->trouble.connect_status = APR_ETIMEDOUT;
    }
    if (stream_error) {
        xmpp_trouble_of_stream(session, stream_error);
    }
}

static void set_up(xmpp_session_t *session)
{
    const account_t *account = session->client->account;
    long flags = XMPP_CONN_FLAG_MANDATORY_TLS | XMPP_CONN_FLAG_DISABLE_SM;
    session->conn = xmpp_conn_new(session->ctx);
    xmpp_conn_set_flags(session->conn,
                        account->is_direct_tls ? flags | (long)XMPP_CONN_FLAG_LEGACY_SSL : flags);
    if (account->ca) {
        xmpp_conn_set_cafile(session->conn, account->ca);
    }
    xmpp_conn_set_certfail_handler(session->conn, certificate_failed);
    xmpp_conn_set_sockopt_callback(session->conn, socket_made);
    xmpp_conn_set_jid(session->conn,
                      apr_psprintf(session->connection_pool, "%s/jabberfiles-%.*s", account->jid,
                                   RESOURCE_RANDOM_CHARS, session->id_prefix));
    xmpp_conn_set_pass(session->conn, session->password);
}

/** Runs libstrophe until we are logged in or it is clear that we shall not be. */
static void wait_for_login(xmpp_session_t *session, apr_time_t deadline_us)
{
    while (session->state == XMPP_CONNECTING && !xmpp_trouble_is_final(&session->trouble) &&
           !client_is_interrupted()) {
        if (apr_time_now() >= deadline_us) {
            session->trouble.is_overdue = 1;
            return;
        }
        xmpp_session_turn(session, LOGIN_SLICE_US);
    }
}

/** @param host NULL: as the domain's SRV records say, or the domain itself. */
static void try_once(xmpp_session_t *session, const char *host, apr_time_t deadline_us)
{
    xmpp_connection_drop(session);
    memset(&session->trouble, 0, sizeof(session->trouble));
    set_up(session);
    session->state = XMPP_CONNECTING;
    int port = host ? session->client->account->connect_port : 0;
    if (xmpp_connect_client(session->conn, host, (unsigned short)port, connection_changed,
                            session) != XMPP_EOK) {
        session->state = XMPP_OFFLINE;
        session->trouble.is_not_found = 1;
        return;
    }
    wait_for_login(session, deadline_us);
}

/** Tries the addresses of the host that the user named one after another; libstrophe itself would
 * try the first one only. */
static void try_addresses(xmpp_session_t *session, apr_time_t deadline_us)
{
    const account_t *account = session->client->account;
    apr_sockaddr_t *address = NULL;
    apr_sockaddr_info_get(&address, account->connect_host, APR_UNSPEC,
                          (apr_port_t)account->connect_port, 0, session->connection_pool);
    session->trouble.is_not_found = !address;
    for (int i = 0; address && i < ADDRESSES_MAX; i++, address = address->next) {
        char *host = NULL;
        if (apr_sockaddr_ip_get(&host, address) != APR_SUCCESS) {
            continue;
        }
        try_once(session, host, deadline_us);
        if (!session->trouble.is_not_found && session->trouble.connect_status == APR_SUCCESS) {
            return;
        }
    }
}

jf_err_t *xmpp_connection_make(xmpp_session_t *session)
{
    apr_time_t deadline_us = apr_time_now() + XMPP_LOGIN_US;
    xmpp_connection_drop(session);
    apr_pool_clear(session->connection_pool);
    memset(&session->trouble, 0, sizeof(session->trouble));
    JF_TRY(xmpp_watchdog_start(&session->watchdog, deadline_us, session->connection_pool));
    connecting = session;
    if (session->client->account->connect_host) {
        try_addresses(session, deadline_us);
    } else {
        try_once(session, NULL, deadline_us);
    }
    connecting = NULL;
    int is_overdue = xmpp_watchdog_stop(session->watchdog);
    session->watchdog = NULL;
    if (session->state == XMPP_ONLINE) {
        return NULL;
    }
    session->trouble.is_overdue |= is_overdue;
    jf_err_t *err = xmpp_trouble_of_login(session, session->pool);
    xmpp_connection_drop(session);
    return err;
}

void xmpp_connection_drop(xmpp_session_t *session)
{
    if (session->conn) {
        xmpp_conn_release(session->conn);
        session->conn = NULL;
    }
    session->state = XMPP_OFFLINE;
}
