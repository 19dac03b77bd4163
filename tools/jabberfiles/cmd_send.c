/* send FILE... JID...: uploads files and tells recipients of them. */

#include <apr_strings.h>

#include "cli_recipients.h"
#include "deliver_report.h"
#include "upload.h"
#include "xmpp_deliver.h"

/** What a send is about. */
typedef struct sending_t {
    client_t *client;
    apr_array_header_t *sources;    /**< of source_file_t * */
    apr_array_header_t *files;      /**< of shared_file_t *, those that are uploaded */
    apr_array_header_t *deliveries; /**< of delivery_t * */
    int is_telling;                 /**< all files are uploaded */
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

/** Uploads each file once. Whoever is told of the others would miss one that failed, so that ends
 * the command; the links of those that are there have been told. */
static jf_err_t *upload_all(sending_t *sending)
{
    apr_pool_t *pool = sending->client->pool;
    sending->files = apr_array_make(pool, sending->sources->nelts, sizeof(shared_file_t *));
    for (int i = 0; i < sending->sources->nelts; i++) {
        source_file_t *source = APR_ARRAY_IDX(sending->sources, i, source_file_t *);
        shared_file_t *shared = NULL;
        JF_TRY(upload_file(&shared, &sending->upload, source, pool));
        upload_tell(&sending->upload, source, shared, pool);
        APR_ARRAY_PUSH(sending->files, shared_file_t *) = shared;
    }
    return NULL;
}

static jf_err_t *upload_and_tell(sending_t *sending)
{
    const options_t *options = sending->client->options;
    JF_TRY(upload_all(sending));
    sending->is_telling = 1;
    return xmpp_deliver(sending->deliveries, sending->upload.session, sending->files,
                        options->message, options->wants_sims, sending->client->pool);
}

jf_err_t *cmd_send(client_t *client)
{
    const options_t *options = client->options;
    apr_array_header_t *paths = NULL;
    apr_array_header_t *jids = NULL;
    sending_t sending = {.client = client,
                         .upload = {.client = client, .preference = UPLOAD_PREFERS_SLOT}};
    JF_TRY(account_need_jid(client->account));
    JF_TRY(cli_split_recipients(&paths, &jids, options->arguments, options->argument_count,
                                client->pool));
    JF_TRY(open_sources(&sending, paths));
    JF_TRY(http_open(&sending.upload.http, client, client->pool));
    JF_TRY(xmpp_session_open(&sending.upload.session, client, client->pool));
    sending.deliveries = xmpp_deliver_prepare(jids, client->pool);
    jf_err_t *err = upload_and_tell(&sending);
    xmpp_session_close(sending.upload.session);
    if (sending.is_telling) {
        deliver_report(client, sending.deliveries);
    }
    return err;
}
