/* The way in which the recipient's machine takes the file: a Jingle session (XEP-0166, XEP-0234),
 * whose bytes go by HTTP (XEP-0370). */

#include <apr_strings.h>

#include "direct_ways.h"
#include "jingle_http.h"
#include "jingle_transport.h"
#include "output.h"

#define LOOK_US (apr_time_from_sec(1) / 4)
/* A person may be away from the screen for a while. */
#define ACCEPT_US apr_time_from_sec(900)
/* A slow disk there has to get all of the file before it can be said to be right. */
#define RECEIPT_US apr_time_from_sec(120)
/* Where an upload breaks, or has come to an end, the word about it comes a moment later. */
#define REASON_US apr_time_from_sec(1)

/** A file on offer. */
typedef struct offering_t {
    const direct_t *direct;
    const jingle_transport_t *transport;
    jingle_session_t *session;
    const char *failure; /**< why it has come to nothing, a sentence about the peer, or NULL */
    int is_sent;         /**< all bytes */
    const char *unsent;  /**< why its bytes could not be sent, or NULL; the peer may know better */
} offering_t;

static void send_stanza(void *baton, xmpp_stanza_t *stanza)
{
    xmpp_session_send(baton, stanza);
}

/* ---- waiting ---- */

/** Notes what else than the end of the session there can be to it. */
static void note_failure(offering_t *offering, apr_time_t end_us, const char *overdue)
{
    apr_time_t now_us = apr_time_now();
    if (direct_peer_is_gone(offering->direct->peer)) {
        offering->failure = "has gone offline";
    } else if (now_us >= offering->direct->deadline_us) {
        offering->failure = "has not got it all in the time that --max-time allows";
    } else if (now_us >= end_us) {
        offering->failure = overdue;
    }
}

typedef int(is_there_t)(const jingle_session_t *session);

/** Waits until something is there, the session has ended, or it is no use. @param overdue what is
 * wrong if it takes longer than @a duration_us */
static jf_err_t *wait_for(offering_t *offering, is_there_t *is_there,
                          apr_interval_time_t duration_us, const char *overdue)
{
    const jingle_session_t *session = offering->session;
    apr_time_t end_us = apr_time_now() + duration_us;
    while (!offering->failure && session->state != JINGLE_ENDED && !is_there(session)) {
        JF_TRY(xmpp_session_run(offering->direct->session, LOOK_US));
        note_failure(offering, end_us, overdue);
    }
    return NULL;
}

static int is_acknowledged(const jingle_session_t *session)
{
    return session->is_acknowledged;
}

static int is_accepted(const jingle_session_t *session)
{
    return session->state == JINGLE_ACTIVE;
}

static int is_received(const jingle_session_t *session)
{
    return session->is_received;
}

static int is_never(const jingle_session_t *session)
{
    (void)session;
    return 0;
}

/* ---- the steps ---- */

static jf_err_t *initiate(offering_t *offering, jingle_t *jingle)
{
    const direct_t *direct = offering->direct;
    shared_file_t *file = source_file_shared(direct->source, NULL, direct->pool);
    const char *message = direct->client->options->message;
    file->description = message && *message ? message : NULL;
    return jingle_initiate(&offering->session, jingle, xmpp_session_jid(direct->session),
                           direct->peer->jid, file, offering->transport->ns, NULL, NULL);
}

static jf_err_t *wait_for_acceptance(offering_t *offering)
{
    JF_TRY(wait_for(offering, is_acknowledged, XMPP_ANSWER_US, "does not answer"));
    if (!offering->failure && offering->session->state == JINGLE_PENDING) {
        output_note(offering->direct->client, "waiting for %s to accept %s",
                    offering->direct->peer->jid, offering->direct->source->name);
    }
    return wait_for(offering, is_accepted, ACCEPT_US,
                    "has not answered the offer within a quarter of an hour");
}

static jf_err_t *send_bytes(offering_t *offering)
{
    if (offering->failure || offering->session->state != JINGLE_ACTIVE) {
        return NULL;
    }
    JF_TRY(offering->transport->send(&offering->unsent, offering->direct, offering->session));
    if (offering->unsent) {
        JF_TRY(wait_for(offering, is_never, REASON_US, offering->unsent));
        offering->failure = offering->unsent;
    }
    offering->is_sent = !offering->unsent;
    return NULL;
}

/** A receipt without the end of the session will do as well. */
static jf_err_t *wait_for_receipt(offering_t *offering)
{
    JF_TRY(wait_for(offering, is_received, RECEIPT_US, "has not said that it has got the file"));
    if (offering->session->is_received) {
        JF_TRY(wait_for(offering, is_never, REASON_US, "has not said goodbye"));
        offering->failure = NULL;
    }
    return NULL;
}

static jf_err_t *run(offering_t *offering, jingle_t *jingle)
{
    JF_TRY(initiate(offering, jingle));
    JF_TRY(wait_for_acceptance(offering));
    JF_TRY(send_bytes(offering));
    return offering->failure ? NULL : wait_for_receipt(offering);
}

/* ---- what came of it ---- */

static direct_result_t fail(const char *reason)
{
    return (direct_result_t){DIRECT_FAILED, reason};
}

/** What the peer has ended the session with. */
static direct_result_t read_end(const offering_t *offering)
{
    const jingle_session_t *session = offering->session;
    apr_pool_t *pool = offering->direct->pool;
    if (session->is_refused) {
        return fail(apr_pstrcat(pool, "does not take the offer: ", session->said, NULL));
    }
    if (session->reason == JINGLE_SUCCESS) {
        return offering->is_sent ? (direct_result_t){DIRECT_DONE, NULL}
                                 : fail("says that it has the file, and has not taken all of it");
    }
    const char *said = session->said ? apr_psprintf(pool, " (\"%s\")", session->said) : "";
    const char *reason =
        apr_pstrcat(pool, "has ended it: ", jingle_stanza_words(session->reason), said, NULL);
    int is_no = session->reason == JINGLE_DECLINE || session->reason == JINGLE_CANCEL;
    return (direct_result_t){is_no ? DIRECT_DECLINED : DIRECT_FAILED, reason};
}

static void judge(direct_result_t *result, const offering_t *offering)
{
    jingle_session_t *session = offering->session;
    if (session->state == JINGLE_ENDED) {
        *result = read_end(offering);
    } else if (offering->failure) {
        *result = fail(offering->failure);
        jingle_end(session, JINGLE_FAILED_TRANSPORT, NULL);
    } else {
        *result = (direct_result_t){DIRECT_DONE, NULL};
        jingle_end(session, JINGLE_SUCCESS, NULL);
    }
}

/** What ends the command, or NULL: a connection that was lost ends this way only. */
static jf_err_t *read_error(direct_result_t *result, const offering_t *offering, jf_err_t *err)
{
    if (offering->session) {
        jingle_end(offering->session, JINGLE_CANCEL, NULL);
    }
    if (err->code != JF_ERR_UNAVAILABLE) {
        return err;
    }
    *result = fail(err->text);
    return NULL;
}

static jf_err_t *send_file(direct_result_t *result, const direct_t *direct)
{
    offering_t offering = {.direct = direct, .transport = &jingle_transport_put};
    jingle_t *jingle =
        jingle_make(xmpp_session_ctx(direct->session), send_stanza, direct->session, direct->pool);
    xmpp_session_listen(direct->session, jingle_listen, jingle);
    jf_err_t *err = run(&offering, jingle);
    if (err) {
        err = read_error(result, &offering, err);
    } else {
        judge(result, &offering);
    }
    xmpp_session_unlisten(direct->session, jingle_listen, jingle);
    return err;
}

static const char *const features[] = {JINGLE_NS, JINGLE_FILE_NS, JINGLE_HTTP_UPLOAD_NS, NULL};

const direct_way_t direct_way_take = {
    .name = "take",
    .words = "the recipient's machine takes it from this one",
    .features = features,
    .shows_address = 1,
    .send = send_file,
};
