/**
 * One upload to an address that somebody else has named, once.
 */
#ifndef HTTP_PUT_H
#define HTTP_PUT_H

#include "http.h"
#include "source_file.h"

typedef struct http_put_t {
    const char *url;
    const apr_table_t *headers; /**< that go with it, or NULL */
    const char *agreed_address; /**< as that of a http_request_t */
    progress_t *progress;
    apr_time_t deadline_us;      /**< or 0 */
    int (*is_over)(void *baton); /**< never NULL; 1: it is not wanted any more, break off */
    void *baton;
    apr_int64_t sent_bytes; /**< set: of the body, when it is over */
} http_put_t;

/**
 * Uploads a file whose size is known, by HTTP_FOREIGN rules: only where http_guard.h allows, unless
 * --allow-private or agreed_address. Neither redirects are followed nor is anything tried again.
 * @param refusal set to why it is not there: as http_call and http_answer_error; NULL if it is
 * @return what is wrong on this side: client_interrupted, JF_ERR_IO for a file that cannot be read
 * or has changed
 */
jf_err_t *http_put_file(jf_err_t **refusal, http_t *http, source_file_t *source, http_put_t *put,
                        apr_pool_t *pool);

#endif
