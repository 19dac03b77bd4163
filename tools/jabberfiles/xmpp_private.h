/**
 * What the parts of a session share: xmpp_session*.c, xmpp_disco.c and xmpp_slot.c.
 */
#ifndef XMPP_PRIVATE_H
#define XMPP_PRIVATE_H

#include "xmpp_disco.h"
#include "xmpp_session.h"
#include "xmpp_slot.h"
#include "xmpp_stanza.h"
#include "xmpp_watchdog.h"

/** From the first packet to the bound resource. */
#define XMPP_LOGIN_US apr_time_from_sec(30)

typedef enum {
    XMPP_OFFLINE,
    XMPP_CONNECTING,
    XMPP_ONLINE,
} xmpp_state_t;

/** What became known about why a connection has ended or was not made. */
typedef struct xmpp_trouble_t {
    apr_status_t connect_status; /**< of connecting itself; APR_SUCCESS if that worked */
    int is_not_found;            /**< nobody to connect to */
    int is_socket_too_high;
    int is_overdue;
    const char *certificate;  /**< what is wrong with it, in OpenSSL's words */
    const char *login;        /**< condition of a SASL failure */
    const char *stream;       /**< a stream error, in words */
    int is_without_features;  /**< nothing came that a Jabber server says */
    int is_without_tls;       /**< it offers none, or refuses to begin it */
    int is_without_mechanism; /**< none is left that libstrophe knows */
} xmpp_trouble_t;

typedef struct xmpp_ear_t {
    xmpp_listener_t *listener;
    void *baton;
    struct xmpp_ear_t *next;
} xmpp_ear_t;

struct xmpp_session_t {
    client_t *client;
    apr_pool_t *pool;
    const char *domain;
    const char *password;
    xmpp_log_t log;
    xmpp_ctx_t *ctx;

    /* the connection; made anew by xmpp_session_renew */
    apr_pool_t *connection_pool;
    xmpp_conn_t *conn;
    xmpp_watchdog_t *watchdog; /**< during the login only */
    int fd;                    /**< of the socket, libstrophe's */
    xmpp_state_t state;
    xmpp_trouble_t trouble;
    const char *jid;
    apr_time_t sent_us; /**< when something was sent last */
    int is_in_turn;

    const char *id_prefix;
    unsigned long ids;
    unsigned long happenings; /**< stanzas that came, and the loss of the connection */
    apr_time_t happened_us;
    xmpp_query_t *queries;
    xmpp_ear_t *ears;
    const char *const *features; /**< beside those that all have, ends with NULL; or NULL */

    int knows_upload_service;
    upload_service_t *upload_service;
};

/* xmpp_session.c */

/** Gives libstrophe a turn, and keeps the connection alive. */
void xmpp_session_turn(xmpp_session_t *session, apr_interval_time_t timeout_us);

/* xmpp_session_connect.c */

/** Connects and logs in, whatever was before. */
jf_err_t *xmpp_connection_make(xmpp_session_t *session);

/** Ends the connection at once, if there is one. */
void xmpp_connection_drop(xmpp_session_t *session);

/* xmpp_session_trouble.c */

/** Has libstrophe tell us what goes wrong. */
void xmpp_trouble_listen(xmpp_session_t *session);
void xmpp_trouble_of_stream(xmpp_session_t *session, const xmpp_stream_error_t *error);

/** 1 if the login has failed already, although the connection is still there. */
int xmpp_trouble_is_final(const xmpp_trouble_t *trouble);

/** The error of a login that failed. */
jf_err_t *xmpp_trouble_of_login(const xmpp_session_t *session, apr_pool_t *pool);

/** The error of a connection that was lost later. */
jf_err_t *xmpp_trouble_of_loss(const xmpp_session_t *session, apr_pool_t *pool);

/* xmpp_session_stanza.c */

/** Handles what comes in; a handler of libstrophe. */
int xmpp_stanza_arrived(xmpp_conn_t *conn, xmpp_stanza_t *stanza, void *baton);

/* xmpp_slot.c */

/** Reads the answer to a request for a slot. */
jf_err_t *xmpp_slot_parse(slot_t **slot, xmpp_stanza_t *answer, const source_file_t *source,
                          apr_pool_t *pool);

/* xmpp_disco.c */

/** Reads a disco#info answer. @return 0 if it is not that of an upload service */
int xmpp_disco_parse_upload(upload_service_t *service, xmpp_stanza_t *answer, apr_pool_t *pool);

#endif
