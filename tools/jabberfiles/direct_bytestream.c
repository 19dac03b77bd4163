/* The way through the relay of the own Jabber server: the file is offered by stream initiation
 * (XEP-0095, XEP-0096), its bytes go over a SOCKS5 bytestream (XEP-0065). Nobody but the relay sees
 * this machine's address.
 *
 * The protocol has no receipt: that the recipient's client, still online, has closed the stream
 * only after all bytes had gone is all that can be known. */

#include <string.h>

#include "bytestream.h"
#include "bytestream_proxy.h"
#include "direct_ways.h"
#include "jf_token.h"
#include "output.h"
#include "si_stanza.h"
#include "xmpp_refusal.h"

#define LOOK_US (apr_time_from_sec(1) / 4)
/* A person may be away from the screen for a while. */
#define ACCEPT_US apr_time_from_sec(900)
/* The recipient's client may try several addresses. */
#define CONNECT_US apr_time_from_sec(120)
#define PROXY_US apr_time_from_sec(20)

typedef struct relaying_t {
    const direct_t *direct;
    const bytestream_host_t *proxy;
    const char *sid;
    bytestream_t *stream;
    const char *failure; /* why it has come to nothing, or NULL */
    int is_declined;
} relaying_t;

static const xmpp_refusal_t offer_refusals[] = {
    {"forbidden", "the recipient refuses it"},
    {"not-acceptable", "the recipient refuses it"},
    {"bad-request", "the recipient's client takes no files in this way"},
    {"service-unavailable", "the recipient's client is gone, or takes no files in this way"},
    {"feature-not-implemented", "the recipient's client takes no files in this way"},
    {"resource-constraint", "too many files wait for the recipient"},
    {.condition = NULL},
};

static const xmpp_refusal_t stream_refusals[] = {
    {"item-not-found", "the recipient's client cannot connect to the relay"},
    {"not-acceptable", "the recipient's client does not want the stream"},
    {"forbidden", "the recipient's client does not want the stream"},
    {"bad-request", "the recipient's client does not understand the stream"},
    {"service-unavailable", "the recipient's client is gone, or takes no streams"},
    {.condition = NULL},
};

/* ---- waiting ---- */

static const char *find_end(const direct_t *direct, apr_time_t end_us, const char *overdue)
{
    apr_time_t now_us = apr_time_now();
    if (direct_peer_is_gone(direct->peer)) {
        return "the recipient's client has gone offline";
    }
    if (now_us >= direct->deadline_us) {
        return "the time for it is over (--max-time)";
    }
    return now_us >= end_us ? overdue : NULL;
}

/* Sends an iq to the recipient's client and waits for its answer, which the caller releases; NULL
 * with a failure if none comes. */
static jf_err_t *ask_peer(xmpp_stanza_t **answer, relaying_t *relaying, xmpp_stanza_t *iq,
                          apr_interval_time_t most_us, const char *overdue)
{
    const direct_t *direct = relaying->direct;
    apr_time_t end_us = apr_time_now() + most_us;
    xmpp_query_t query = {.id = NULL};
    jf_err_t *err = NULL;
    xmpp_query_begin(&query, direct->session, iq);
    while (!err && !query.answer && !relaying->failure) {
        err = xmpp_session_run(direct->session, LOOK_US);
        relaying->failure = query.answer ? NULL : find_end(direct, end_us, overdue);
    }
    xmpp_query_end(&query, direct->session);
    *answer = query.answer;
    return err;
}

/* ---- the steps ---- */

/* Only if the relay can be used a person is bothered. */
static jf_err_t *find_proxy(relaying_t *relaying)
{
    const direct_t *direct = relaying->direct;
    return bytestream_proxy_find(&relaying->proxy, &relaying->failure, direct->session,
                                 direct->pool);
}

static void read_acceptance(relaying_t *relaying, xmpp_stanza_t *answer)
{
    apr_pool_t *pool = relaying->direct->pool;
    const char *condition = xmpp_stanza_condition(answer);
    if (condition) {
        relaying->is_declined =
            strcmp(condition, "forbidden") == 0 || strcmp(condition, "not-acceptable") == 0;
        relaying->failure = xmpp_refusal_text(answer, offer_refusals, pool);
    } else if (!si_stanza_is_accepted(answer, pool)) {
        relaying->failure = "the recipient's client wants it in a way that was not offered";
    }
}

static jf_err_t *offer_file(relaying_t *relaying)
{
    const direct_t *direct = relaying->direct;
    const char *message = direct->client->options->message;
    xmpp_stanza_t *answer = NULL;
    shared_file_t *file = source_file_shared(direct->source, NULL, direct->pool);
    file->description = message && *message ? message : NULL;
    JF_TRY(jf_token_nonce(&relaying->sid, direct->pool));
    xmpp_stanza_t *iq =
        si_stanza_offer(xmpp_session_ctx(direct->session), direct->peer->jid,
                        xmpp_session_new_id(direct->session), relaying->sid, file, direct->pool);
    output_note(direct->client, "waiting for %s to accept %s", direct->peer->jid,
                direct->source->name);
    jf_err_t *err =
        ask_peer(&answer, relaying, iq, ACCEPT_US,
                 "the recipient's client has not answered the offer within a quarter of an hour");
    if (answer) {
        read_acceptance(relaying, answer);
        xmpp_stanza_release(answer);
    }
    return err;
}

static void read_used(relaying_t *relaying, xmpp_stanza_t *answer)
{
    const char *used = bytestream_stanza_used(answer);
    if (xmpp_stanza_condition(answer)) {
        relaying->failure = xmpp_refusal_text(answer, stream_refusals, relaying->direct->pool);
    } else if (!used || strcmp(used, relaying->proxy->jid) != 0) {
        relaying->failure = "the recipient's client is connected to something that was not offered";
    }
}

static jf_err_t *offer_stream(relaying_t *relaying)
{
    const direct_t *direct = relaying->direct;
    xmpp_stanza_t *answer = NULL;
    xmpp_stanza_t *iq = bytestream_stanza_offer(
        xmpp_session_ctx(direct->session), direct->peer->jid, xmpp_session_new_id(direct->session),
        relaying->sid, relaying->proxy, direct->pool);
    jf_err_t *err = ask_peer(&answer, relaying, iq, CONNECT_US,
                             "the recipient's client has not connected to the relay");
    if (answer) {
        read_used(relaying, answer);
        xmpp_stanza_release(answer);
    }
    return err;
}

/* The relay is our own server's, wherever it is. */
static jf_err_t *connect_stream(relaying_t *relaying)
{
    const direct_t *direct = relaying->direct;
    char hash[BYTESTREAM_HASH_CHARS + 1];
    if (!bytestream_hash(hash, relaying->sid, xmpp_session_jid(direct->session),
                         direct->peer->jid)) {
        relaying->failure = "this machine has no SHA-1, by which relays know streams";
        return NULL;
    }
    const bytestream_call_t call = {.client = direct->client,
                                    .host = relaying->proxy,
                                    .hash = hash,
                                    .is_trusted = 1,
                                    .most_us = PROXY_US};
    return bytestream_open(&relaying->stream, &call, direct->pool);
}

static jf_err_t *activate(relaying_t *relaying)
{
    const direct_t *direct = relaying->direct;
    return bytestream_proxy_activate(&relaying->failure, direct->session, relaying->proxy,
                                     relaying->sid, direct->peer->jid, direct->pool);
}

/* Who takes bytes need not be asked whether he is there. */
static const char *find_end_of_stream(void *baton)
{
    const relaying_t *relaying = baton;
    direct_peer_t *peer = relaying->direct->peer;
    if (bytestream_is_moving(relaying->stream)) {
        direct_peer_is_alive(peer);
        return NULL;
    }
    return direct_peer_is_gone(peer) ? "the recipient's client has gone offline" : NULL;
}

static jf_err_t *send_bytes(relaying_t *relaying)
{
    const direct_t *direct = relaying->direct;
    progress_t *progress = progress_begin(direct->client, direct->source->name,
                                          direct->source->size_bytes, direct->pool);
    bytestream_limit(relaying->stream, find_end_of_stream, relaying, direct->deadline_us);
    jf_err_t *err = bytestream_send_file(relaying->stream, direct->source, progress);
    progress_end(progress, !err);
    if (!err && direct_peer_is_gone(direct->peer)) {
        relaying->failure = "the recipient's client has gone offline";
    }
    return err;
}

/* ---- all of it ---- */

static jf_err_t *run(relaying_t *relaying)
{
    typedef jf_err_t *(step_t)(relaying_t *);
    static step_t *const steps[] = {find_proxy,     offer_file, offer_stream,
                                    connect_stream, activate,   send_bytes};
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        JF_TRY(steps[i](relaying));
        if (relaying->failure) {
            return NULL;
        }
    }
    return NULL;
}

/* 1 for what concerns this way only. */
static int is_passing(const jf_err_t *err)
{
    return !client_is_interrupted() &&
           (err->code == JF_ERR_UNAVAILABLE || err->code == JF_ERR_TOO_LARGE);
}

static jf_err_t *send_file(direct_result_t *result, const direct_t *direct)
{
    relaying_t relaying = {.direct = direct};
    jf_err_t *err = run(&relaying);
    if (relaying.stream) {
        bytestream_close(relaying.stream);
    }
    if (err && !is_passing(err)) {
        return err;
    }
    if (err) {
        relaying.failure = err->text;
    }
    direct_outcome_t failed = relaying.is_declined ? DIRECT_DECLINED : DIRECT_FAILED;
    *result = (direct_result_t){relaying.failure ? failed : DIRECT_DONE, relaying.failure};
    return NULL;
}

static const char *const features[] = {SI_NS, SI_FILE_NS, BYTESTREAM_NS, NULL};

const direct_way_t direct_way_bytestream = {
    .name = "relay",
    .words = "through the relay of your Jabber server, which stores nothing",
    .features = features,
    .shows_address = 0,
    .send = send_file,
};
