/* The transport of XEP-0370 in which the receiver's machine takes a PUT. */

#include <apr_strings.h>

#include "http_guard.h"
#include "http_put.h"
#include "http_url.h"
#include "jingle_http.h"
#include "jingle_transport.h"
#include "output.h"
#include "prompt.h"

/* So long the server has the machine before the connection to the Jabber server has its turn. */
#define ROUND_US apr_time_from_msec(50)
/* A sender who was told where to put the file begins within this. */
#define BEGIN_US apr_time_from_sec(60)
/* Who has sent all of it says so; without that word it is all there as well. */
#define COMPLETED_US apr_time_from_sec(2)

/* ---- the sender's side ---- */

typedef struct put_t {
    const direct_t *direct;
    jingle_session_t *session;
} put_t;

/* Bytes flow, so nobody needs to be asked whether he is there. */
static int is_over(void *baton)
{
    const put_t *put = baton;
    direct_peer_is_alive(put->direct->peer);
    return put->session->state == JINGLE_ENDED;
}

/* An address in a private network is asked about by its number: the recipient has named it, and
 * this machine would speak to whatever lives there. */
static jf_err_t *ask_about_address(const char **agreed, const direct_t *direct,
                                   const jingle_candidate_t *candidate)
{
    const options_t *options = direct->client->options;
    const char *address = http_url_address(candidate->url, direct->pool);
    int is_yes = 0;
    *agreed = NULL;
    if (!address || options->allows_private || options->is_yes || !prompt_is_possible() ||
        !http_guard_may_be_agreed(address) || http_guard_is_public(address)) {
        return NULL;
    }
    JF_TRY(prompt_confirm(&is_yes, direct->client,
                          "%s takes the file at %s, a private address. Send it there?",
                          direct->peer->jid, http_url_host(candidate->url, direct->pool)));
    *agreed = is_yes ? address : NULL;
    return NULL;
}

static jf_err_t *put_to(jf_err_t **refusal, apr_int64_t *sent_bytes, const put_t *put,
                        const jingle_candidate_t *candidate)
{
    const direct_t *direct = put->direct;
    http_put_t request = {.url = candidate->url,
                          .headers = candidate->headers,
                          .deadline_us = direct->deadline_us,
                          .is_over = is_over,
                          .baton = (void *)put};
    JF_TRY(ask_about_address(&request.agreed_address, direct, candidate));
    request.progress = progress_begin(direct->client, direct->source->name,
                                      direct->source->size_bytes, direct->pool);
    jf_err_t *err = http_put_file(refusal, direct->http, direct->source, &request, direct->pool);
    progress_end(request.progress, !err && !*refusal);
    *sent_bytes = request.sent_bytes;
    return err;
}

static void fill_completed(void *baton, xmpp_ctx_t *ctx, xmpp_stanza_t *transport, apr_pool_t *pool)
{
    (void)baton;
    (void)pool;
    jingle_http_add_completed(ctx, transport);
}

/* The candidates in turn. One that has taken a byte is the only one. */
static jf_err_t *send_file(const char **failure, const direct_t *direct, jingle_session_t *session)
{
    put_t put = {.direct = direct, .session = session};
    const apr_array_header_t *candidates = jingle_http_read(session->accepted, direct->pool);
    apr_int64_t sent_bytes = 0;
    *failure = "has named no place for the file that could be used";
    for (int i = 0; *failure && i < candidates->nelts && sent_bytes == 0; i++) {
        jf_err_t *refusal = NULL;
        JF_TRY(
            put_to(&refusal, &sent_bytes, &put, &APR_ARRAY_IDX(candidates, i, jingle_candidate_t)));
        *failure =
            refusal ? apr_pstrcat(direct->pool, "did not get it: ", refusal->text, NULL) : NULL;
        if (session->state == JINGLE_ENDED) {
            break;
        }
    }
    return *failure ? NULL : jingle_inform(session, fill_completed, NULL);
}

/* ---- the receiver's side ---- */

/* What goes on with an offer that was accepted. */
typedef struct taking_t {
    const jingle_intake_t *intake;
    take_http_t *server;
    apr_time_t begin_us; /* by then the upload must have begun */
} taking_t;

static void fill_candidate(void *baton, xmpp_ctx_t *ctx, xmpp_stanza_t *transport, apr_pool_t *pool)
{
    const taking_t *taking = baton;
    jingle_http_add_candidate(ctx, transport, take_http_url(taking->server), pool);
}

static jf_err_t *give_up(const taking_t *taking, const char *why)
{
    return jf_err_make(JF_ERR_UNAVAILABLE, APR_SUCCESS, taking->intake->pool, "%s", why);
}

static jf_err_t *check_peer(const taking_t *taking)
{
    const jingle_session_t *session = taking->intake->session;
    if (session->state != JINGLE_ENDED) {
        return NULL;
    }
    return jf_err_make(JF_ERR_UNAVAILABLE, APR_SUCCESS, taking->intake->pool,
                       "the sender has ended it: %s%s%s", jingle_stanza_words(session->reason),
                       session->said ? ": " : "", session->said ? session->said : "");
}

static jf_err_t *check_time(const taking_t *taking)
{
    apr_time_t now_us = apr_time_now();
    if (take_http_state(taking->server) == TAKE_WAITING && now_us > taking->begin_us) {
        return give_up(taking, "the sender's machine has not come to this one's address");
    }
    if (now_us > taking->intake->deadline_us) {
        return jf_err_make(JF_ERR_TOO_LARGE, APR_SUCCESS, taking->intake->pool,
                           "it takes longer than it may: allow more time with --max-time");
    }
    return NULL;
}

/* One turn of everything. */
static jf_err_t *turn(const taking_t *taking)
{
    const jingle_intake_t *intake = taking->intake;
    apr_time_t end_us = apr_time_now() + ROUND_US;
    apr_interval_time_t left_us = ROUND_US;
    take_state_t before = take_http_state(taking->server);
    while (left_us > 0 && take_http_state(taking->server) == before) {
        take_http_turn(taking->server, left_us);
        left_us = end_us - apr_time_now();
    }
    progress_update(intake->progress, take_http_bytes(taking->server));
    client_idle(intake->client);
    return client_is_interrupted() ? client_interrupted(intake->pool) : NULL;
}

static jf_err_t *take_all(const taking_t *taking)
{
    while (take_http_state(taking->server) != TAKE_COMPLETE) {
        JF_TRY(turn(taking));
        JF_TRY(take_http_error(taking->server));
        if (take_http_state(taking->server) != TAKE_COMPLETE) {
            JF_TRY(check_peer(taking));
            JF_TRY(check_time(taking));
        }
    }
    return NULL;
}

/* The answer to the upload must get out, too: whoever has it says so. */
static jf_err_t *wait_for_word(const taking_t *taking)
{
    const jingle_session_t *session = taking->intake->session;
    apr_time_t end_us = apr_time_now() + COMPLETED_US;
    while (session->state != JINGLE_ENDED && apr_time_now() < end_us &&
           !jingle_was_told(session, jingle_http_is_completed)) {
        JF_TRY(turn(taking));
    }
    return NULL;
}

static jf_err_t *receive(const jingle_intake_t *intake)
{
    taking_t taking = {.intake = intake};
    const serve_place_t options = {intake->address, intake->port, TAKE_SILENCE_S};
    JF_TRY(take_http_open(&taking.server, &options, intake->session->file->size_bytes,
                          &intake->sink, intake->pool));
    taking.begin_us = apr_time_now() + BEGIN_US;
    jf_err_t *err = jingle_accept(intake->session, fill_candidate, &taking);
    if (!err) {
        err = take_all(&taking);
    }
    if (!err) {
        err = wait_for_word(&taking);
    }
    take_http_close(taking.server);
    return err;
}

const jingle_transport_t jingle_transport_put = {
    .ns = JINGLE_HTTP_UPLOAD_NS, .send = send_file, .receive = receive};
