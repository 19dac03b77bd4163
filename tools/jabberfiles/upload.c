#include "upload.h"

#include <apr_strings.h>

#include "jf_units.h"
#include "output.h"
#include "tool_text.h"
#include "xmpp_slot.h"

/** So many slots are asked for before giving up: one may be used up by an upload that broke. */
#define SLOTS_MAX 3

/** A way to upload that is not fit for this file, and why. */
typedef struct obstacle_t {
    jf_err_code_t code;
    const char *text; /**< NULL: there is none */
} obstacle_t;

static int has_area(const upload_t *upload)
{
    return upload->client->account->url != NULL;
}

static jf_err_t *upload_by_area(shared_file_t **shared, upload_t *upload, source_file_t *source,
                                apr_pool_t *pool)
{
    const char *link = NULL;
    JF_TRY(account_need_jid(upload->client->account));
    JF_TRY(
        http_upload_to_area(&link, upload->http, source, upload->client->options->expire_us, pool));
    *shared = source_file_shared(source, link, pool);
    return NULL;
}

static jf_err_t *upload_by_slot(shared_file_t **shared, upload_t *upload,
                                const upload_service_t *service, source_file_t *source,
                                apr_pool_t *pool)
{
    jf_err_t *err = NULL;
    slot_t *slot = NULL;
    for (int i = 0; i < SLOTS_MAX; i++) {
        JF_TRY(xmpp_session_renew(upload->session));
        JF_TRY(xmpp_slot_request(&slot, upload->session, service, source,
                                 upload->client->options->expire_us, pool));
        err = http_upload_to_slot(upload->http, source, slot, pool);
        if (!err || err->code != JF_ERR_USED) {
            break;
        }
    }
    if (!err) {
        *shared = source_file_shared(source, slot->get_url, pool);
    }
    return err;
}

/** Asks the account's server for its upload service; the session is opened if there is none yet. */
static jf_err_t *find_service(upload_service_t **service, upload_t *upload, apr_pool_t *pool)
{
    if (!upload->session) {
        JF_TRY(xmpp_session_open(&upload->session, upload->client, upload->client->pool));
    }
    JF_TRY(xmpp_session_renew(upload->session));
    return xmpp_disco_upload_service(service, upload->session, pool);
}

static obstacle_t obstacle_of_size(const upload_service_t *service, const source_file_t *source,
                                   apr_pool_t *pool)
{
    if (source->size_bytes == 0) {
        return (obstacle_t){JF_ERR_INVALID,
                            apr_psprintf(pool, "%s is empty, and %s takes no empty files",
                                         source->name, service->jid)};
    }
    if (service->max_size_bytes != JF_UNLIMITED && source->size_bytes > service->max_size_bytes) {
        return (obstacle_t){
            JF_ERR_TOO_LARGE,
            apr_psprintf(pool, "%s has %s, and %s takes files of at most %s", source->name,
                         jf_units_format_bytes(source->size_bytes, pool), service->jid,
                         jf_units_format_bytes(service->max_size_bytes, pool))};
    }
    return (obstacle_t){0, NULL};
}

/** Why a file cannot go to the service, as far as that is known without its size. */
static obstacle_t obstacle_of_service(const upload_t *upload, const upload_service_t *service,
                                      apr_pool_t *pool)
{
    const account_t *account = upload->client->account;
    if (!service) {
        return (obstacle_t){
            JF_ERR_INVALID,
            apr_psprintf(pool, "the Jabber server of %s offers no upload service", account->jid)};
    }
    if (upload->client->options->expire_us != JF_NEVER && !service->keeps_ephemeral) {
        return (obstacle_t){JF_ERR_INVALID,
                            apr_psprintf(pool,
                                         "%s does not let a sender say how long files are "
                                         "kept (--expires)",
                                         service->jid)};
    }
    return (obstacle_t){0, NULL};
}

static jf_err_t *explain(const obstacle_t *obstacle, const source_file_t *source, apr_pool_t *pool)
{
    jf_err_t *err =
        jf_err_make(obstacle->code, APR_SUCCESS, pool,
                    "%s; if you have a file area, say where with --url URL, or set it up with "
                    "\"jabberfiles login\"",
                    obstacle->text);
    err->required_bytes = source->size_bytes < 0 ? JF_FACT_NONE : source->size_bytes;
    return err;
}

jf_err_t *upload_file(shared_file_t **shared, upload_t *upload, source_file_t *source,
                      apr_pool_t *pool)
{
    *shared = NULL;
    if (has_area(upload) && upload->preference == UPLOAD_PREFERS_AREA) {
        return upload_by_area(shared, upload, source, pool);
    }
    upload_service_t *service = NULL;
    JF_TRY(find_service(&service, upload, pool));
    obstacle_t obstacle = obstacle_of_service(upload, service, pool);
    if (!obstacle.text) {
        JF_TRY(source_file_spool(source, upload->client, pool));
        obstacle = obstacle_of_size(service, source, pool);
    }
    if (!obstacle.text) {
        return upload_by_slot(shared, upload, service, source, pool);
    }
    return has_area(upload) ? upload_by_area(shared, upload, source, pool)
                            : explain(&obstacle, source, pool);
}

void upload_tell(const upload_t *upload, const source_file_t *source, const shared_file_t *shared,
                 apr_pool_t *pool)
{
    output_result(upload->client, "%s", shared->url);
    output_json(upload->client, json_pack("{s:s, s:o, s:o, s:I, s:o, s:o}", "type", "file", "path",
                                          tool_text_json(source->path, pool), "name",
                                          tool_text_json(source->name, pool), "size_bytes",
                                          (json_int_t)source->size_bytes, "sha256",
                                          tool_text_json_sha256(shared->sha256, pool), "link",
                                          tool_text_json(shared->url, pool)));
}
