/* The way in which this machine serves the file, and the recipient's fetches it (XEP-0066). */

#include "direct_ways.h"

#include <string.h>

#include <apr_strings.h>

#include "announcement.h"
#include "jf_units.h"
#include "output.h"
#include "serve_http.h"
#include "xmpp_refusal.h"

/* So long the server has the machine before the connection to the Jabber server has its turn. */
#define ROUND_US apr_time_from_msec(50)
/* Nobody has fetched anything for so long: the person there does not look, or the bytes hang. */
#define PATIENCE_US apr_time_from_sec(900)

/* A file on offer. */
typedef struct serving_t {
    const direct_t *direct;
    serve_http_t *server;
    xmpp_query_t query;
    progress_t *progress; /* NULL until the first byte */
    apr_int64_t sent_bytes;
    apr_time_t moved_us;
} serving_t;

static const xmpp_refusal_t refusals[] = {
    {"not-acceptable", "the recipient refuses it"},
    {"item-not-found", "the recipient's client could not fetch it"},
    {"service-unavailable", "the recipient's client is gone, or fetches nothing from others"},
    {"feature-not-implemented", "the recipient's client fetches nothing from others"},
    {"resource-constraint", "too many files wait for the recipient"},
    {.condition = NULL},
};

static direct_result_t fail(const char *reason)
{
    return (direct_result_t){DIRECT_FAILED, reason};
}

/* ---- what is told ---- */

static xmpp_stanza_t *make_request(const serving_t *serving)
{
    const direct_t *direct = serving->direct;
    const char *message = direct->client->options->message;
    const shared_file_t *file =
        source_file_shared(direct->source, serve_http_url(serving->server), direct->pool);
    return announcement_build_request(xmpp_session_ctx(direct->session), file, direct->peer->jid,
                                      xmpp_session_new_id(direct->session),
                                      message && *message ? message : direct->source->name);
}

/* Notes that bytes flow. */
static void note_flow(serving_t *serving)
{
    apr_int64_t sent_bytes = serve_http_sent_bytes(serving->server);
    if (sent_bytes != serving->sent_bytes) {
        serving->sent_bytes = sent_bytes;
        serving->moved_us = apr_time_now();
        direct_peer_is_alive(serving->direct->peer);
    }
}

/* Until the first byte there is only a person who thinks about it. */
static void show_progress(serving_t *serving)
{
    const source_file_t *source = serving->direct->source;
    if (!serving->progress && serving->sent_bytes > 0) {
        serving->progress = progress_begin(serving->direct->client, source->name,
                                           source->size_bytes, serving->direct->pool);
    }
    if (serving->progress) {
        progress_update(serving->progress, serve_http_reached_bytes(serving->server));
    }
}

/* ---- what comes of it ---- */

static direct_result_t read_answer(const serving_t *serving)
{
    const direct_t *direct = serving->direct;
    xmpp_stanza_t *answer = serving->query.answer;
    const char *condition = xmpp_stanza_condition(answer);
    if (condition && strcmp(condition, "not-acceptable") == 0) {
        return (direct_result_t){DIRECT_DECLINED, refusals[0].words};
    }
    if (condition) {
        return fail(xmpp_refusal_text(answer, refusals, direct->pool));
    }
    if (serve_http_reached_bytes(serving->server) < direct->source->size_bytes) {
        return fail(
            "the recipient's client says that it has the file, but has not fetched all of it");
    }
    return (direct_result_t){DIRECT_DONE, NULL};
}

/* Why it is given up, or NULL. */
static const char *find_end(const serving_t *serving)
{
    const direct_t *direct = serving->direct;
    apr_time_t now_us = apr_time_now();
    if (direct_peer_is_gone(direct->peer)) {
        return "the recipient's client has gone offline";
    }
    if (now_us >= direct->deadline_us) {
        return "the time for it is over (--max-time)";
    }
    if (now_us - serving->moved_us > PATIENCE_US) {
        return "the recipient's client has fetched nothing for a quarter of an hour";
    }
    return NULL;
}

/* Serves until there is an answer or no hope for one. */
static jf_err_t *serve(direct_result_t *result, serving_t *serving)
{
    const char *end = NULL;
    serving->moved_us = apr_time_now();
    while (!serving->query.answer && !end) {
        JF_TRY(serve_http_run(serving->server, ROUND_US));
        note_flow(serving);
        show_progress(serving);
        jf_err_t *err = xmpp_session_run(serving->direct->session, 0);
        if (err && !serving->query.answer) {
            return err;
        }
        end = find_end(serving);
    }
    *result = serving->query.answer ? read_answer(serving) : fail(end);
    return NULL;
}

static jf_err_t *offer(direct_result_t *result, const direct_t *direct)
{
    serving_t serving = {.direct = direct};
    const serve_place_t options = {direct->address, direct->port, SERVE_SILENCE_S};
    jf_err_t *err = serve_http_open(&serving.server, &options, direct->source, direct->pool);
    if (err) {
        *result = fail(err->text);
        return NULL;
    }
    xmpp_query_begin(&serving.query, direct->session, make_request(&serving));
    err = serve(result, &serving);
    xmpp_query_end(&serving.query, direct->session);
    if (serving.query.answer) {
        xmpp_stanza_release(serving.query.answer);
    }
    serve_http_close(serving.server);
    if (serving.progress) {
        progress_end(serving.progress, !err && result->outcome == DIRECT_DONE);
    }
    if (err && err->code == JF_ERR_UNAVAILABLE) {
        *result = fail(err->text);
        return NULL;
    }
    return err;
}

static const char *const features[] = {"jabber:iq:oob", NULL};

const direct_way_t direct_way_serve = {
    .name = "serve",
    .words = "this machine serves it, the recipient's fetches it",
    .features = features,
    .shows_address = 1,
    .send = offer,
};
