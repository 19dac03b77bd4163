/**
 * Uploads that go on where they broke off, as a client: draft-ietf-httpbis-resumable-upload,
 * interop version 8. A server that does not know it ignores the fields.
 */
#ifndef HTTP_RESUME_H
#define HTTP_RESUME_H

#include "http_retry.h"
#include "source_file.h"

typedef struct http_resume_t {
    const char *location;     /**< where the upload goes on, or NULL */
    apr_int64_t offset_bytes; /**< how far it was when it was asked last */
    http_retry_t *retry;
    apr_pool_t *pool;
} http_resume_t;

/** @param retry told of progress. */
void http_resume_init(http_resume_t *resume, http_retry_t *retry, apr_pool_t *pool);

/** Adds the fields that offer it to a request; returns them. */
apr_table_t *http_resume_offer(apr_table_t *fields);

/** Takes the server's 104; the "informed" of a http_request_t whose baton is the http_resume_t. */
void http_resume_informed(void *baton, const http_answer_t *answer);

/**
 * Goes on with an upload that broke off.
 * @param answer set if @a is_resumed is 1: what the server says now, as if to the whole upload, or
 * that it is busy.
 * @param is_resumed 0 if there is nothing to go on with: the whole file must be sent.
 */
jf_err_t *http_resume_try(http_answer_t **answer, int *is_resumed, http_resume_t *resume,
                          http_t *http, source_file_t *source, progress_t *progress);

#endif
