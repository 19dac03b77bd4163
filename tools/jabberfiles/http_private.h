/**
 * What the parts of http.h share: one exchange with a server, a request and its answer.
 */
#ifndef HTTP_PRIVATE_H
#define HTTP_PRIVATE_H

#include <curl/curl.h>

#include "http.h"

struct http_t {
    client_t *client;
    apr_pool_t *pool;
    CURL *easy;
    /** One for each kind of trust: a foreign link must not travel on a connection that was opened
     * without asking the guard. */
    CURLM *connections[2];
    struct curl_blob authorities; /**< the system's and --ca; no data: the system's alone */
};

typedef struct http_exchange_t {
    http_t *http;
    const http_request_t *request;
    const char *url; /**< of this hop */
    const char *password;
    apr_pool_t *pool;    /**< of whom asks: for the answer and errors */
    apr_pool_t *scratch; /**< gone when the exchange is over */
    struct curl_slist *fields;

    http_answer_t *head; /**< of the newest answer, which is coming or has come */
    apr_table_t *head_fields;
    apr_pool_t *head_pool; /**< informational answers may be many */
    size_t head_bytes;
    int is_head_complete; /**< of the final answer */
    int has_begun;        /**< the sink */
    char *body;
    size_t body_bytes;

    apr_int64_t sent_bytes;
    jf_err_t *err;       /**< ours or the caller's, which ended it */
    jf_err_t *guard_err; /**< of an address that was refused; another one may serve */
    char detail[CURL_ERROR_SIZE];
} http_exchange_t;

/** Sets libcurl's handle up for the exchange. */
jf_err_t *http_curl_prepare(http_exchange_t *exchange);

/** The error that libcurl's code stands for. */
jf_err_t *http_curl_error(http_exchange_t *exchange, CURLcode code);

/** Reads the authorities that --ca names, together with the system's. */
jf_err_t *http_curl_authorities(http_t *http);

/* ---- what libcurl calls (http_flow.c); the baton is the exchange ---- */

size_t http_flow_head(char *data, size_t size, size_t count, void *baton);
size_t http_flow_in(char *data, size_t size, size_t count, void *baton);
size_t http_flow_out(char *buffer, size_t size, size_t count, void *baton);

/** Begins the sink if nothing of a body has come. */
void http_flow_end(http_exchange_t *exchange);

/** 1 if the answer is a redirect that is followed. */
int http_flow_is_redirect(const http_exchange_t *exchange);

#endif
