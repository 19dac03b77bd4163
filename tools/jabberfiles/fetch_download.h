/**
 * A download that goes on: what it is and how far, for the files of fetch alone.
 */
#ifndef FETCH_DOWNLOAD_H
#define FETCH_DOWNLOAD_H

#include "fetch_private.h"
#include "http_retry.h"

typedef struct fetch_download_t {
    http_t *http;
    const fetch_t *fetch;
    const shared_file_t *seen;
    part_file_t *part;
    progress_t *progress;
    http_retry_t retry;
    apr_time_t deadline_us;      /**< or 0 */
    apr_int64_t best_bytes;      /**< as far as any attempt came */
    int restarts;                /**< how often it has begun anew */
    int is_whole_only;           /**< ranges of this server make no sense */
    int has_begun;               /**< an answer of this run had content */
    const unsigned char *sha256; /**< that the server says, or NULL */
    apr_time_t modified_us;      /**< or 0 */
    apr_pool_t *pool;

    /* of the answer that came last */
    apr_int64_t asked_bytes; /**< position that was asked for, 0: all */
    int is_content;          /**< its body is the file's; else what the server says */
    int must_restart;        /**< it does not go on with what is there */
    int is_hopeless;         /**< another attempt, now or later, would end like this */
    char *said;              /**< the body of a refusal, its begin */
    size_t said_bytes;
} fetch_download_t;

/** What the rest can be asked for by: a tag or a date; NULL if all has to come. */
const char *fetch_answer_validator(const fetch_download_t *download);

/** Sets the part of the download that is about an answer back, before the next request. */
void fetch_answer_forget(fetch_download_t *download);

/** Takes the answers: an http_sink_t's begin and write, whose baton is the download. */
jf_err_t *fetch_answer_begin(void *baton, const http_answer_t *answer);
jf_err_t *fetch_answer_write(void *baton, const char *data, size_t size);

#endif
