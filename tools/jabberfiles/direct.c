#include "direct.h"

#include <string.h>

#include <apr_strings.h>

#include "direct_report.h"
#include "jf_units.h"
#include "output.h"
#include "prompt.h"
#include "serve_address.h"

/* Unless --max-time says otherwise. */
#define TIME_MAX_US apr_time_from_sec(86400)

/* One recipient of a direct send. */
typedef struct recipient_t {
    const upload_t *upload;
    const char *jid;  /* as named: bare or full */
    const char *bare; /* of it */
    direct_roll_t *roll;
    const char *address;
    apr_port_t port;
    direct_peer_t *peer; /* NULL: there is none who could take anything */
    int is_asked;        /* about showing the address to this peer … */
    int may_show;        /* … and this was the answer */
    apr_pool_t *pool;
} recipient_t;

/* Nothing is tried, or nothing more. */
static void tell_left(const recipient_t *recipient, const source_file_t *source, const char *jid,
                      const char *reason)
{
    const direct_report_t report = {source, jid, NULL, "left", reason};
    direct_report(recipient->upload->client, &report, recipient->pool);
}

/* ---- whether the address may be seen ---- */

static jf_err_t *ask_to_show(recipient_t *recipient)
{
    client_t *client = recipient->upload->client;
    recipient->is_asked = 1;
    if (client->options->is_yes || prompt_is_possible()) {
        return prompt_confirm(&recipient->may_show, client,
                              "%s will see the address of this machine, %s. Show it?",
                              recipient->peer->jid, recipient->address);
    }
    return NULL;
}

static const char *why_not_shown(void)
{
    return prompt_is_possible() ? "the address of this machine is not to be seen"
                                : "that would show the address of this machine, and nobody can be "
                                  "asked here; --yes allows it";
}

/* The next way from *ways on, after the question that it may need. */
static jf_err_t *next_way(const direct_way_t *const **ways, recipient_t *recipient)
{
    const apr_array_header_t *features = recipient->peer->features;
    *ways = direct_way_next(*ways, features, !recipient->is_asked || recipient->may_show);
    if (!**ways || !(*ways)[0]->shows_address || recipient->is_asked) {
        return NULL;
    }
    JF_TRY(ask_to_show(recipient));
    *ways = direct_way_next(*ways, features, recipient->may_show);
    return NULL;
}

/* ---- one file ---- */

/* By one way. */
static jf_err_t *try_way(direct_result_t *result, recipient_t *recipient, source_file_t *source,
                         const direct_way_t *way)
{
    const upload_t *upload = recipient->upload;
    client_t *client = upload->client;
    apr_pool_t *pool = NULL;
    apr_pool_create(&pool, recipient->pool);
    apr_interval_time_t most_us = client->options->max_time_us;
    const direct_t direct = {
        .client = client,
        .http = upload->http,
        .session = upload->session,
        .source = source,
        .peer = recipient->peer,
        .address = recipient->address,
        .port = recipient->port,
        .deadline_us = apr_time_now() + (most_us == JF_NEVER ? TIME_MAX_US : most_us),
        .pool = pool,
    };
    direct_report_t report = {source, recipient->peer->jid, way, "begun", NULL};
    direct_report(client, &report, pool);
    jf_err_t *err = way->send(result, &direct);
    direct_peer_leave(recipient->peer);
    err = jf_err_copy(err, recipient->pool);
    if (!err) {
        result->reason = result->reason ? apr_pstrdup(recipient->pool, result->reason) : NULL;
        report.state = direct_report_state(result->outcome);
        report.reason = result->reason;
        direct_report(client, &report, pool);
    }
    apr_pool_destroy(pool);
    return err;
}

static jf_err_t *send_file(direct_result_t *result, recipient_t *recipient, source_file_t *source)
{
    const direct_way_t *const *ways = direct_ways;
    *result = (direct_result_t){DIRECT_FAILED, NULL};
    if (direct_peer_is_gone(recipient->peer)) {
        tell_left(recipient, source, recipient->peer->jid, "this client has gone offline");
        return NULL;
    }
    JF_TRY(next_way(&ways, recipient));
    if (!*ways) {
        tell_left(recipient, source, recipient->peer->jid, why_not_shown());
    }
    while (*ways) {
        JF_TRY(direct_roll_renew(recipient->roll));
        JF_TRY(try_way(result, recipient, source, *ways));
        if (result->outcome != DIRECT_FAILED || direct_peer_is_gone(recipient->peer)) {
            return NULL;
        }
        ways++;
        JF_TRY(next_way(&ways, recipient));
    }
    return NULL;
}

/* ---- one recipient ---- */

static const char *why_no_peer(const recipient_t *recipient, const apr_array_header_t *peers)
{
    if (peers->nelts > 0 ||
        direct_roll_clients(recipient->roll, recipient->jid, recipient->pool)->nelts > 0) {
        return "no client of the recipient takes files directly";
    }
    return strcmp(recipient->jid, recipient->bare) == 0
               ? "the recipient is offline, or does not show you more: then name the client, as "
                 "bob@example.org/desk"
               : "this client does not answer";
}

static jf_err_t *find_peer(recipient_t *recipient, const apr_array_header_t *sources)
{
    apr_array_header_t *peers = NULL;
    JF_TRY(direct_roll_renew(recipient->roll));
    JF_TRY(direct_peer_find(&peers, recipient->roll, recipient->upload->session, recipient->jid,
                            recipient->pool));
    recipient->peer = direct_choose_peer(peers, direct_ways);
    for (int i = 0; !recipient->peer && i < sources->nelts; i++) {
        tell_left(recipient, APR_ARRAY_IDX(sources, i, source_file_t *), recipient->jid,
                  why_no_peer(recipient, peers));
    }
    return NULL;
}

static jf_err_t *send_files(direct_sum_t *sum, recipient_t *recipient,
                            const apr_array_header_t *sources)
{
    direct_left_t *left = apr_pcalloc(recipient->pool, sizeof(*left));
    left->jid = recipient->bare;
    left->sources = apr_array_make(recipient->pool, sources->nelts, sizeof(source_file_t *));
    JF_TRY(find_peer(recipient, sources));
    for (int i = 0; i < sources->nelts; i++) {
        source_file_t *source = APR_ARRAY_IDX(sources, i, source_file_t *);
        direct_result_t result = {DIRECT_FAILED, NULL};
        if (recipient->peer) {
            JF_TRY(send_file(&result, recipient, source));
        }
        sum->done += result.outcome == DIRECT_DONE;
        sum->declined += result.outcome == DIRECT_DECLINED;
        if (result.outcome == DIRECT_FAILED) {
            APR_ARRAY_PUSH(left->sources, source_file_t *) = source;
        }
    }
    if (left->sources->nelts > 0) {
        APR_ARRAY_PUSH(sum->left, direct_left_t *) = left;
    }
    return NULL;
}

/* ---- all of them ---- */

static const char *bare_of(const char *jid, apr_pool_t *pool)
{
    return apr_pstrmemdup(pool, jid, strcspn(jid, "/"));
}

static apr_array_header_t *list_bare(const apr_array_header_t *jids, apr_pool_t *pool)
{
    apr_array_header_t *bare = apr_array_make(pool, jids->nelts, sizeof(const char *));
    for (int i = 0; i < jids->nelts; i++) {
        APR_ARRAY_PUSH(bare, const char *) = bare_of(APR_ARRAY_IDX(jids, i, const char *), pool);
    }
    return bare;
}

jf_err_t *direct_send(direct_sum_t *sum, const upload_t *upload, const apr_array_header_t *sources,
                      const apr_array_header_t *jids, apr_pool_t *pool)
{
    const options_t *options = upload->client->options;
    recipient_t recipient = {.upload = upload, .pool = pool};
    *sum = (direct_sum_t){.left = apr_array_make(pool, jids->nelts, sizeof(direct_left_t *))};
    for (int i = 0; i < sources->nelts; i++) {
        JF_TRY(source_file_spool(APR_ARRAY_IDX(sources, i, source_file_t *), upload->client, pool));
    }
    JF_TRY(xmpp_session_local_address(&recipient.address, upload->session, pool));
    if (options->listen) {
        JF_TRY(serve_address_parse(&recipient.address, &recipient.port, options->listen, pool));
    }
    jf_err_t *err = direct_roll_open(&recipient.roll, upload->session, list_bare(jids, pool), pool);
    if (err) {
        return err;
    }
    for (int i = 0; !err && i < jids->nelts; i++) {
        recipient.jid = APR_ARRAY_IDX(jids, i, const char *);
        recipient.bare = bare_of(recipient.jid, pool);
        recipient.is_asked = recipient.may_show = 0;
        err = send_files(sum, &recipient, sources);
    }
    direct_roll_close(recipient.roll);
    return err;
}
