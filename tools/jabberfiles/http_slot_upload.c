/* Into a slot of an upload service (XEP-0363). */

#include <string.h>

#include <apr_strings.h>

#include "http_private.h"
#include "http_retry.h"
#include "http_upload.h"
#include "http_url.h"

typedef struct slot_upload_t {
    http_t *http;
    client_t *client;
    source_file_t *source;
    const slot_t *slot;
    const char *what; /* for errors */
    http_retry_t retry;
    int was_lost; /* an attempt may have got through */
    progress_t *progress;
    apr_pool_t *pool;
} slot_upload_t;

static jf_err_t *check_slot(const slot_t *slot, const source_file_t *source, apr_pool_t *pool)
{
    if (!http_url_is_private(slot->put_url) || !http_url_is_private(slot->get_url)) {
        return jf_err_make(JF_ERR_FORBIDDEN, APR_SUCCESS, pool,
                           "the upload service names a URL without TLS (%s): nothing was sent; "
                           "tell its operator",
                           http_url_host(slot->put_url, pool));
    }
    if (source->size_bytes < 0) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                           "%s must be spooled for a slot: its size is not known", source->path);
    }
    return NULL;
}

static jf_err_t *put(http_answer_t **answer, slot_upload_t *upload)
{
    const source_file_t *source = upload->source;
    apr_table_t *fields = apr_table_copy(upload->pool, upload->slot->put_headers);
    http_body_t body = {
        .size_bytes = source->size_bytes, .read = source_file_read, .baton = upload->source};
    http_request_t request = {.method = "PUT",
                              .url = upload->slot->put_url,
                              .trust = HTTP_OWN,
                              .headers = fields,
                              .body = &body,
                              .progress = upload->progress};
    apr_table_setn(fields, "Content-Type", source->media_type);
    *answer = NULL;
    JF_TRY(source_file_seek(upload->source, 0, upload->pool));
    return http_call(answer, upload->http, &request, upload->pool);
}

/* The size is all that every server tells. Nobody else has this URL, so it is our file. */
static int is_there(slot_upload_t *upload)
{
    http_request_t request = {.method = "HEAD", .url = upload->slot->get_url, .trust = HTTP_OWN};
    http_answer_t *answer;
    if (http_call(&answer, upload->http, &request, upload->pool) || answer->status != 200) {
        return 0;
    }
    /* httpd does not tell the size of an empty file. */
    const char *length = http_answer_field(answer, "Content-Length");
    return strcmp(length ? length : "0",
                  apr_psprintf(upload->pool, "%" APR_INT64_T_FMT, upload->source->size_bytes)) == 0;
}

/* What servers say to a slot that was used, or whose time is over. */
static int is_spent(const slot_upload_t *upload, const http_answer_t *answer)
{
    int may_be = answer->status == 401 || answer->status == 403 || answer->status == 404 ||
                 answer->status == 410;
    return answer->status == 409 || (may_be && upload->was_lost);
}

static jf_err_t *explain(slot_upload_t *upload, const http_answer_t *answer, const jf_err_t *err)
{
    if (client_is_interrupted()) {
        return client_interrupted(upload->pool);
    }
    if (err) {
        return jf_err_make(err->code, err->status, upload->pool, "%s: %s", upload->what, err->text);
    }
    if (is_spent(upload, answer)) {
        return jf_err_make(JF_ERR_USED, APR_SUCCESS, upload->pool,
                           "%s: the upload service does not take it under this URL any more",
                           upload->what);
    }
    return http_answer_error(answer, upload->what, upload->pool);
}

static jf_err_t *upload_patiently(slot_upload_t *upload)
{
    for (;;) {
        http_answer_t *answer;
        jf_err_t *err = put(&answer, upload);
        JF_TRY(source_file_check(upload->source, upload->pool));
        if (!err && http_answer_is_stored(answer)) {
            return NULL;
        }
        upload->was_lost |= err && err->code == JF_ERR_UNAVAILABLE;
        int may_try = http_retry_wait(&upload->retry, upload->client, answer, err);
        if (upload->was_lost && !client_is_interrupted() && is_there(upload)) {
            return NULL;
        }
        if (!may_try) {
            return explain(upload, answer, err);
        }
    }
}

jf_err_t *http_upload_to_slot(http_t *http, source_file_t *source, const slot_t *slot,
                              apr_pool_t *pool)
{
    slot_upload_t upload = {.http = http,
                            .client = http->client,
                            .source = source,
                            .slot = slot,
                            .what = apr_pstrcat(pool, "uploading ", source->name, NULL),
                            .pool = pool};
    JF_TRY(check_slot(slot, source, pool));
    upload.progress = progress_begin(upload.client, source->name, source->size_bytes, pool);
    jf_err_t *err = upload_patiently(&upload);
    progress_end(upload.progress, !err);
    return err;
}
