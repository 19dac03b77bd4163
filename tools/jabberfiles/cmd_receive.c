#include <apr_file_info.h>
#include <apr_strings.h>

#include "bytestream_stanza.h"
#include "jingle_http.h"
#include "output.h"
#include "receive_file.h"
#include "serve_address.h"
#include "tool_text.h"

#define NS_CARBONS "urn:xmpp:carbons:2"

/* How long one look at the connection lasts when nothing happens. */
#define LOOK_US apr_time_from_sec(1)
/* Between two attempts to connect again: doubled each time, from the first up to the last … */
#define FIRST_PAUSE_US apr_time_from_sec(1)
#define LAST_PAUSE_US apr_time_from_sec(60)
/* … and from the first again once a connection has held so long. */
#define STEADY_US apr_time_from_sec(60)

static const char *const features[] = {"jabber:iq:oob",       JINGLE_NS, JINGLE_FILE_NS,
                                       JINGLE_HTTP_UPLOAD_NS, SI_NS,     SI_FILE_NS,
                                       BYTESTREAM_NS,         NULL};

typedef struct reception_t {
    receive_t receive;
    client_t *client;
    xmpp_session_t *session;
    inbox_t *inbox;
    jingle_t *jingle;
    si_t *si;
    apr_pool_t *contacts_pool;
    apr_interval_time_t pause_us;
    apr_time_t online_since_us;
} reception_t;

static void send_answer(void *baton, xmpp_stanza_t *stanza)
{
    xmpp_session_send(baton, stanza);
}

/* The contact list serves only to point out strangers: without it everybody is one. */
static void load_contacts(reception_t *reception)
{
    contacts_t *contacts = NULL;
    apr_pool_clear(reception->contacts_pool);
    reception->receive.contacts = NULL;
    if (!contacts_load(&contacts, reception->session, reception->contacts_pool)) {
        reception->receive.contacts = contacts;
    }
}

/* Without copies (XEP-0280) nothing would come as long as a phone is online with a higher priority.
 * A server that makes none says so, which changes nothing. */
static void ask_for_copies(reception_t *reception)
{
    xmpp_ctx_t *ctx = xmpp_session_ctx(reception->session);
    xmpp_stanza_t *iq = xmpp_iq_new(ctx, "set", xmpp_session_new_id(reception->session));
    xmpp_stanza_t *answer = NULL;
    xmpp_stanza_element(ctx, iq, "enable", NS_CARBONS, NULL);
    if (!xmpp_session_query(&answer, reception->session, iq, XMPP_ANSWER_US)) {
        xmpp_stanza_release(answer);
    }
}

/* Programs learn the full JID, to which others can address an iq. */
static void tell_online(const reception_t *reception)
{
    const char *jid = xmpp_session_jid(reception->session);
    json_t *object = json_object();
    json_object_set_new(object, "type", json_string("online"));
    json_object_set_new(object, "jid", tool_text_json(jid, reception->client->pool));
    output_json(reception->client, object);
    output_note(reception->client, "waiting for files as %s (Ctrl-C ends)",
                reception->client->account->jid);
}

/* The server hands out what it has kept for us as soon as we are available. */
static void go_online(reception_t *reception)
{
    load_contacts(reception);
    ask_for_copies(reception);
    xmpp_session_send(reception->session, xmpp_presence_new(xmpp_session_ctx(reception->session)));
    reception->online_since_us = apr_time_now();
    tell_online(reception);
}

static jf_err_t *connect_again(reception_t *reception, const jf_err_t *loss, apr_pool_t *pool)
{
    if (apr_time_now() - reception->online_since_us > STEADY_US) {
        reception->pause_us = FIRST_PAUSE_US;
    }
    const jf_err_t *reason = loss;
    for (;;) {
        output_warn(reception->client, "%s; trying again in %d s", reason->text,
                    (int)apr_time_sec(reception->pause_us));
        client_sleep(reception->client, reception->pause_us);
        if (client_is_interrupted()) {
            return client_interrupted(pool);
        }
        reception->pause_us *= 2;
        if (reception->pause_us > LAST_PAUSE_US) {
            reception->pause_us = LAST_PAUSE_US;
        }
        jf_err_t *err = xmpp_session_renew(reception->session);
        if (!err) {
            go_online(reception);
            return NULL;
        }
        if (err->code != JF_ERR_UNAVAILABLE) {
            return err;
        }
        reason = err;
    }
}

static void warn_of_dropped(reception_t *reception)
{
    int count = inbox_count_dropped(reception->inbox);
    if (count > 0) {
        output_warn(reception->client,
                    "%d more files were announced than can wait here; they were turned away",
                    count);
    }
}

static void deal_with(reception_t *reception, incoming_t *incoming)
{
    inbox_outcome_t outcome = INBOX_REFUSED;
    for (int i = 0; i < incoming->files->nelts; i++) {
        outcome = receive_file(&reception->receive, incoming,
                               APR_ARRAY_IDX(incoming->files, i, shared_file_t *));
    }
    inbox_finish(reception->inbox, incoming, outcome);
}

/* One step: a file that waits, or else what the server sends. */
static jf_err_t *step(reception_t *reception, apr_pool_t *pool)
{
    warn_of_dropped(reception);
    incoming_t *incoming = inbox_take(reception->inbox);
    if (incoming) {
        deal_with(reception, incoming);
        return NULL;
    }
    jf_err_t *err = xmpp_session_run(reception->session, LOOK_US);
    if (err && err->code == JF_ERR_UNAVAILABLE && !client_is_interrupted()) {
        return connect_again(reception, err, pool);
    }
    return err;
}

static jf_err_t *receive_all(reception_t *reception, apr_pool_t *pool)
{
    apr_pool_t *step_pool = NULL;
    apr_status_t status = apr_pool_create(&step_pool, pool);
    if (status != APR_SUCCESS) {
        return jf_err_from_system(status, pool, "out of memory");
    }
    jf_err_t *err = NULL;
    while (!err && !client_is_interrupted() && !reception->receive.is_ending) {
        apr_pool_clear(step_pool);
        err = step(reception, step_pool);
    }
    return client_is_interrupted() ? NULL : jf_err_copy(err, pool);
}

/* What still waits is told, so that its links are not lost: the server has it no more. */
static void end(reception_t *reception)
{
    incoming_t *incoming;
    xmpp_session_unlisten(reception->session, inbox_listen, reception->inbox);
    xmpp_session_unlisten(reception->session, jingle_listen, reception->jingle);
    xmpp_session_unlisten(reception->session, si_listen, reception->si);
    reception->receive.is_ending = 1;
    while ((incoming = inbox_take(reception->inbox)) != NULL) {
        deal_with(reception, incoming);
    }
    warn_of_dropped(reception);
    xmpp_session_close(reception->session);
}

static jf_err_t *check_directory(const client_t *client)
{
    apr_finfo_t found;
    const char *path = client->options->directory;
    apr_status_t status = apr_stat(&found, path, APR_FINFO_TYPE, client->pool);
    if (status != APR_SUCCESS || found.filetype != APR_DIR) {
        return jf_err_make(JF_ERR_INVALID, status, client->pool,
                           "there is no directory %s to save files in; make it, or name another "
                           "one with --directory",
                           path);
    }
    return NULL;
}

static jf_err_t *check_listen(const client_t *client)
{
    const char *listen = client->options->listen;
    const char *address = NULL;
    apr_port_t port = 0;
    return listen ? serve_address_parse(&address, &port, listen, client->pool) : NULL;
}

/* Links and offers wait in one inbox. */
static void listen_to_all(reception_t *reception, apr_pool_t *pool)
{
    xmpp_session_t *session = reception->session;
    reception->receive.session = session;
    reception->inbox = inbox_make(reception->client->account->jid, send_answer, session, pool);
    reception->jingle = jingle_make(xmpp_session_ctx(session), send_answer, session, pool);
    jingle_take_offers(reception->jingle, JINGLE_HTTP_UPLOAD_NS, inbox_offer, reception->inbox);
    xmpp_session_listen(session, inbox_listen, reception->inbox);
    reception->si = si_make(xmpp_session_ctx(session), send_answer, session, inbox_offer_stream,
                            reception->inbox, pool);
    xmpp_session_listen(session, jingle_listen, reception->jingle);
    xmpp_session_listen(session, si_listen, reception->si);
    xmpp_session_advertise(session, features);
}

jf_err_t *cmd_receive(client_t *client)
{
    apr_pool_t *pool = client->pool;
    reception_t reception = {.client = client, .pause_us = FIRST_PAUSE_US};
    JF_TRY(account_need_jid(client->account));
    JF_TRY(check_directory(client));
    JF_TRY(check_listen(client));
    apr_status_t status = apr_pool_create(&reception.contacts_pool, pool);
    if (status != APR_SUCCESS) {
        return jf_err_from_system(status, pool, "out of memory");
    }
    reception.receive.client = client;
    reception.receive.own_jid = client->account->jid;
    JF_TRY(http_open(&reception.receive.http, client, pool));
    JF_TRY(xmpp_session_open(&reception.session, client, pool));
    listen_to_all(&reception, pool);

    go_online(&reception);
    jf_err_t *err = receive_all(&reception, pool);

    end(&reception);
    return err;
}
