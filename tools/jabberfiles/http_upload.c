/* Into the own area. */

#include "http_upload.h"

#include <string.h>

#include <apr_strings.h>

#include "http_area.h"
#include "http_private.h"
#include "http_resume.h"
#include "http_retry.h"
#include "http_url.h"
#include "jf_units.h"

#define BLANKS " \t\r\n"

typedef struct area_upload_t {
    http_t *http;
    client_t *client;
    source_file_t *source;
    const char *what; /* for errors */
    const char *url;
    apr_interval_time_t expire_us;
    http_retry_t retry;
    http_resume_t resume;
    progress_t *progress;
    apr_pool_t *pool;
} area_upload_t;

/* ---- the link ---- */

/* The target of one item of a Link field (RFC 8288) if its relation is "alternate". */
static const char *alternate_target(const char *item, size_t length, apr_pool_t *pool)
{
    const char *text = apr_pstrmemdup(pool, item, length);
    const char *end = strchr(text, '>');
    if (*text != '<' || !end ||
        (!strstr(end, "rel=\"alternate\"") && !strstr(end, "rel=alternate"))) {
        return NULL;
    }
    return apr_pstrmemdup(pool, text + 1, (apr_size_t)(end - text - 1));
}

static const char *link_in_field(const http_answer_t *answer, apr_pool_t *pool)
{
    const char *field = http_answer_field(answer, "Link");
    while (field && *field) {
        const char *end = strstr(field, ", <");
        size_t length = end ? (size_t)(end - field) : strlen(field);
        const char *target = alternate_target(field, length, pool);
        if (target) {
            return http_url_resolve(answer->url, target, pool);
        }
        field = end ? end + 2 : NULL;
    }
    return NULL;
}

/* Our server says it in the header and in the body. Of another one, what was put can be got. */
static const char *link_of(const area_upload_t *upload, const http_answer_t *answer)
{
    const char *link = link_in_field(answer, upload->pool);
    const char *body = answer->body + strspn(answer->body, BLANKS);
    if (!link) {
        link = apr_pstrmemdup(upload->pool, body, strcspn(body, "\r\n"));
    }
    return http_url_is_link(link) ? link : upload->url;
}

/* ---- is it there already? ---- */

static int has_our_content(const source_file_t *source, const http_answer_t *answer,
                           apr_pool_t *pool)
{
    unsigned char sha256[JF_SHA256_BYTES];
    int is_told = 0;
    const char *field = http_answer_field(answer, "Repr-Digest");
    if (answer->status != 200 || !field || !source->has_digest ||
        jf_digest_parse(sha256, &is_told, field, pool)) {
        return 0;
    }
    return is_told && memcmp(sha256, source->sha256, sizeof(sha256)) == 0;
}

static const char *listed_link(area_upload_t *upload, const json_t *list)
{
    size_t i;
    json_t *file;
    json_array_foreach(json_object_get(list, "files"), i, file)
    {
        const char *path = json_string_value(json_object_get(file, "path"));
        const char *link = json_string_value(json_object_get(file, "link"));
        if (path && link && strcmp(path, upload->source->name) == 0 && http_url_is_link(link)) {
            return apr_pstrdup(upload->pool, link);
        }
    }
    return NULL;
}

/* The connection may have broken after the last byte. Whatever goes wrong here, the file is sent
 * again. */
static const char *find_existing(area_upload_t *upload)
{
    http_request_t request = {
        .method = "HEAD", .url = upload->url, .trust = HTTP_OWN, .is_as_owner = 1};
    http_answer_t *answer;
    json_t *list;
    if (http_call(&answer, upload->http, &request, upload->pool) ||
        !has_our_content(upload->source, answer, upload->pool) ||
        http_area_list(&list, upload->http, upload->pool)) {
        return NULL;
    }
    const char *link = listed_link(upload, list);
    json_decref(list);
    return link;
}

/* ---- sending ---- */

static apr_table_t *make_fields(const area_upload_t *upload)
{
    const source_file_t *source = upload->source;
    apr_table_t *fields = apr_table_make(upload->pool, 8);
    apr_table_setn(fields, "Accept", "application/json");
    apr_table_setn(fields, "Content-Type", source->media_type);
    if (source->has_digest) {
        apr_table_setn(fields, "Repr-Digest", jf_digest_format(source->sha256, upload->pool));
    }
    if (upload->expire_us != JF_NEVER) {
        apr_table_setn(
            fields, "JabberFiles-Expire",
            apr_psprintf(upload->pool, "%" APR_INT64_T_FMT, apr_time_sec(upload->expire_us)));
    }
    return fields;
}

static jf_err_t *send_whole(http_answer_t **answer, area_upload_t *upload)
{
    JF_TRY(source_file_seek(upload->source, 0, upload->pool));
    http_body_t body = {.size_bytes = upload->source->size_bytes,
                        .read = source_file_read,
                        .baton = upload->source};
    http_request_t request = {.method = "PUT",
                              .url = upload->url,
                              .trust = HTTP_OWN,
                              .is_as_owner = 1,
                              .headers = http_resume_offer(make_fields(upload)),
                              .body = &body,
                              .progress = upload->progress,
                              .informed = http_resume_informed,
                              .informed_baton = &upload->resume};
    return http_call(answer, upload->http, &request, upload->pool);
}

/* @param answer NULL with an error: what was said before it, to other questions, is no answer. */
static jf_err_t *attempt(http_answer_t **answer, area_upload_t *upload)
{
    int is_resumed;
    jf_err_t *err = http_resume_try(answer, &is_resumed, &upload->resume, upload->http,
                                    upload->source, upload->progress);
    if (!err && !is_resumed) {
        err = send_whole(answer, upload);
    }
    if (err) {
        *answer = NULL;
    }
    return err;
}

/* Standard input is gone with what was sent of it. */
static jf_err_t *need_repeatable(area_upload_t *upload, const jf_err_t *lost)
{
    jf_err_t *err = source_file_seek(upload->source, 0, upload->pool);
    return err ? jf_err_make(JF_ERR_UNAVAILABLE, lost ? lost->status : APR_SUCCESS, upload->pool,
                             "%s: %s, and %s", upload->what,
                             lost ? lost->text : "the server was busy", err->text)
               : NULL;
}

static jf_err_t *explain(area_upload_t *upload, const http_answer_t *answer, const jf_err_t *err)
{
    if (client_is_interrupted()) {
        return client_interrupted(upload->pool);
    }
    return err ? jf_err_make(err->code, err->status, upload->pool, "%s: %s", upload->what,
                             err->text)
               : http_answer_error(answer, upload->what, upload->pool);
}

static jf_err_t *upload_patiently(const char **link, area_upload_t *upload)
{
    *link = NULL;
    while (!*link) {
        http_answer_t *answer;
        jf_err_t *err = attempt(&answer, upload);
        if (!err && http_answer_is_stored(answer)) {
            *link = link_of(upload, answer);
            return source_file_check(upload->source, upload->pool);
        }
        JF_TRY(source_file_check(upload->source, upload->pool));
        if (!http_retry_wait(&upload->retry, upload->client, answer, err)) {
            return explain(upload, answer, err);
        }
        JF_TRY(need_repeatable(upload, err));
        if (err) {
            *link = find_existing(upload);
        }
    }
    return NULL;
}

jf_err_t *http_upload_to_area(const char **link, http_t *http, source_file_t *source,
                              apr_interval_time_t expire_us, apr_pool_t *pool)
{
    area_upload_t upload = {.http = http,
                            .client = http->client,
                            .source = source,
                            .what = apr_pstrcat(pool, "uploading ", source->name, NULL),
                            .expire_us = expire_us,
                            .pool = pool};
    JF_TRY(account_need_jid(upload.client->account));
    JF_TRY(account_need_url(upload.client->account));
    upload.url = account_area_url(upload.client->account, source->name, pool);
    upload.progress = progress_begin(upload.client, source->name, source->size_bytes, pool);
    http_resume_init(&upload.resume, &upload.retry, pool);
    jf_err_t *err = upload_patiently(link, &upload);
    progress_end(upload.progress, !err);
    return err;
}
