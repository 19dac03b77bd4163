#include "http_put.h"

#include <apr_strings.h>

/** The body, and what has happened to it. */
typedef struct put_body_t {
    http_put_t *put;
    source_file_t *source;
    jf_err_t *err; /**< of the file here */
    apr_pool_t *pool;
} put_body_t;

static apr_ssize_t read_body(void *baton, char *buffer, size_t size, jf_err_t **err)
{
    put_body_t *body = baton;
    if (body->put->is_over(body->put->baton)) {
        *err = jf_err_make(JF_ERR_UNAVAILABLE, APR_SUCCESS, body->pool,
                           "the other side has broken it off");
        return -1;
    }
    apr_ssize_t length = source_file_read(body->source, buffer, size, err);
    if (length < 0) {
        body->err = *err;
    } else {
        body->put->sent_bytes += length;
    }
    return length;
}

static apr_table_t *make_fields(const http_put_t *put, const source_file_t *source,
                                apr_pool_t *pool)
{
    apr_table_t *fields =
        put->headers ? apr_table_copy(pool, put->headers) : apr_table_make(pool, 1);
    apr_table_setn(fields, "Content-Type", source->media_type);
    return fields;
}

jf_err_t *http_put_file(jf_err_t **refusal, http_t *http, source_file_t *source, http_put_t *put,
                        apr_pool_t *pool)
{
    put_body_t state = {.put = put, .source = source, .pool = pool};
    http_body_t body = {.size_bytes = source->size_bytes, .read = read_body, .baton = &state};
    http_request_t request = {.method = "PUT",
                              .url = put->url,
                              .trust = HTTP_FOREIGN,
                              .agreed_address = put->agreed_address,
                              .headers = make_fields(put, source, pool),
                              .body = &body,
                              .progress = put->progress,
                              .deadline_us = put->deadline_us};
    http_answer_t *answer = NULL;
    *refusal = NULL;
    put->sent_bytes = 0;
    JF_TRY(source_file_seek(source, 0, pool));
    jf_err_t *err = http_call(&answer, http, &request, pool);
    if (client_is_interrupted()) {
        return client_interrupted(pool);
    }
    JF_TRY(state.err);
    JF_TRY(source_file_check(source, pool));
    if (err) {
        *refusal = err;
    } else if (!http_answer_is_stored(answer)) {
        *refusal = http_answer_error(answer, source->name, pool);
    }
    return NULL;
}
