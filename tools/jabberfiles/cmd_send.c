/* send FILE... JID...: uploads files and tells recipients of them, or sends them directly. */

#include <apr_hash.h>
#include <apr_strings.h>

#include "cli_recipients.h"
#include "deliver_report.h"
#include "direct.h"
#include "serve_address.h"
#include "upload.h"
#include "xmpp_deliver.h"

/** What a send is about. */
typedef struct sending_t {
    client_t *client;
    apr_array_header_t *sources;    /**< of source_file_t * */
    apr_hash_t *shared;             /**< source_file_t * to shared_file_t *: what is uploaded */
    apr_array_header_t *deliveries; /**< of delivery_t *, those that were begun */
    direct_sum_t direct;
    upload_t upload;
} sending_t;

/** Opens all before anything is uploaded: a wrong name is noticed at once. */
static jf_err_t *open_sources(sending_t *sending, const apr_array_header_t *paths)
{
    client_t *client = sending->client;
    sending->sources = apr_array_make(client->pool, paths->nelts, sizeof(source_file_t *));
    if (client->options->name && paths->nelts > 1) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, client->pool,
                           "--name gives one file its name: send one file, or leave it out");
    }
    for (int i = 0; i < paths->nelts; i++) {
        source_file_t *source = NULL;
        JF_TRY(
            source_file_open(&source, client, APR_ARRAY_IDX(paths, i, const char *), client->pool));
        APR_ARRAY_PUSH(sending->sources, source_file_t *) = source;
    }
    return NULL;
}

/** A wrong address is noticed before anything is done. */
static jf_err_t *check_listen(const options_t *options, apr_pool_t *pool)
{
    const char *address = NULL;
    apr_port_t port = 0;
    if (options->listen && !options->is_direct) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool, "--listen is for --direct");
    }
    return options->listen ? serve_address_parse(&address, &port, options->listen, pool) : NULL;
}

/** Uploads a file, unless that was done for another recipient, and tells the user its link. */
static jf_err_t *share(shared_file_t **shared, sending_t *sending, source_file_t *source)
{
    apr_pool_t *pool = sending->client->pool;
    *shared = apr_hash_get(sending->shared, &source, sizeof(source));
    if (*shared) {
        return NULL;
    }
    JF_TRY(upload_file(shared, &sending->upload, source, pool));
    upload_tell(&sending->upload, source, *shared, pool);
    apr_hash_set(sending->shared, apr_pmemdup(pool, &source, sizeof(source)), sizeof(source),
                 *shared);
    return NULL;
}

/** Uploads each file once and tells of all of them. Whoever is told of the others would miss one
 * that failed, so that ends the command; the links of those that are there have been told. */
static jf_err_t *upload_and_tell(sending_t *sending, const apr_array_header_t *sources,
                                 apr_array_header_t *deliveries)
{
    const options_t *options = sending->client->options;
    apr_pool_t *pool = sending->client->pool;
    apr_array_header_t *files = apr_array_make(pool, sources->nelts, sizeof(shared_file_t *));
    for (int i = 0; i < sources->nelts; i++) {
        shared_file_t *shared = NULL;
        JF_TRY(share(&shared, sending, APR_ARRAY_IDX(sources, i, source_file_t *)));
        APR_ARRAY_PUSH(files, shared_file_t *) = shared;
    }
    apr_array_cat(sending->deliveries, deliveries);
    return xmpp_deliver(deliveries, sending->upload.session, files, options->message,
                        options->wants_sims, pool);
}

/** Directly to whom that is possible, by the upload area to the others. */
static jf_err_t *send_directly(sending_t *sending, const apr_array_header_t *jids)
{
    apr_pool_t *pool = sending->client->pool;
    JF_TRY(direct_send(&sending->direct, &sending->upload, sending->sources, jids, pool));
    for (int i = 0; i < sending->direct.left->nelts; i++) {
        const direct_left_t *left = APR_ARRAY_IDX(sending->direct.left, i, direct_left_t *);
        apr_array_header_t *one = apr_array_make(pool, 1, sizeof(const char *));
        APR_ARRAY_PUSH(one, const char *) = left->jid;
        JF_TRY(upload_and_tell(sending, left->sources, xmpp_deliver_prepare(one, pool)));
    }
    return NULL;
}

/** What became of the direct part changes what the command as a whole has come to. */
static client_exit_t sum_up(const direct_sum_t *direct, client_exit_t delivered)
{
    if (direct->done + direct->declined == 0) {
        return delivered;
    }
    int is_some_done =
        direct->done > 0 ||
        (direct->left->nelts > 0 && (delivered == CLIENT_DONE || delivered == CLIENT_PARTLY));
    int is_all_done = direct->declined == 0 && delivered == CLIENT_DONE;
    return is_all_done ? CLIENT_DONE : is_some_done ? CLIENT_PARTLY : CLIENT_REFUSED;
}

/** What the recipients are is known now, also after an error. */
static void report(const sending_t *sending)
{
    client_t *client = sending->client;
    client_exit_t delivered = CLIENT_DONE;
    if (sending->deliveries->nelts > 0) {
        deliver_report(client, sending->deliveries);
        delivered = client->exit_code;
    }
    client->exit_code = sum_up(&sending->direct, delivered);
}

jf_err_t *cmd_send(client_t *client)
{
    const options_t *options = client->options;
    apr_pool_t *pool = client->pool;
    apr_array_header_t *paths = NULL;
    apr_array_header_t *jids = NULL;
    sending_t sending = {.client = client,
                         .deliveries = apr_array_make(pool, 4, sizeof(delivery_t *)),
                         .shared = apr_hash_make(pool),
                         .upload = {.client = client, .preference = UPLOAD_PREFERS_SLOT}};
    JF_TRY(account_need_jid(client->account));
    JF_TRY(cli_split_recipients(&paths, &jids, options->arguments, options->argument_count,
                                options->is_direct, pool));
    JF_TRY(check_listen(options, pool));
    JF_TRY(open_sources(&sending, paths));
    JF_TRY(http_open(&sending.upload.http, client, pool));
    JF_TRY(xmpp_session_open(&sending.upload.session, client, pool));
    jf_err_t *err = options->is_direct ? send_directly(&sending, jids)
                                       : upload_and_tell(&sending, sending.sources,
                                                         xmpp_deliver_prepare(jids, pool));
    xmpp_session_close(sending.upload.session);
    report(&sending);
    return err;
}
