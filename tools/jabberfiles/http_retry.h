/**
 * Patience with servers: back-off after lost connections, 5xx and Retry-After.
 */
#ifndef HTTP_RETRY_H
#define HTTP_RETRY_H

#include "http.h"

/** Zero-initialise; one for each piece of work. */
typedef struct http_retry_t {
    int attempts; /**< in vain, so far */
} http_retry_t;

/**
 * Says whether to try once more, and waits (idling) before it does: 1, 2, 4, … seconds up to 30,
 * a little by chance, or what Retry-After says if that is at most 2 minutes; 6 attempts in vain at
 * most. Only JF_ERR_UNAVAILABLE of http_call and the statuses 408, 425, 500, 502, 503, 504 (and
 * 429 with a short Retry-After) are worth it; 507 and all others are final.
 * @param answer NULL if there was none; then @a err is what http_call returned.
 * @return 1 to try again
 */
int http_retry_wait(http_retry_t *retry, client_t *client, const http_answer_t *answer,
                    const jf_err_t *err);

/** Progress was made: what was in vain so far is forgiven. */
void http_retry_reset(http_retry_t *retry);

#endif
