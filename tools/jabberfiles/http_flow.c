/* Heads and bodies as they come and go. */

#include <string.h>

#include <apr_strings.h>

#include "http_private.h"

#define BLANKS " \t"
#define HEAD_BYTES_MAX (64 << 10)
#define KEPT_BODY_BYTES_MAX (64 << 10)

/* ---- heads ----
 *
 * libcurl keeps the fields of a final answer by itself, but those of several informational ones in
 * one heap, where they cannot be told apart. */

static void begin_head(http_exchange_t *exchange)
{
    apr_pool_clear(exchange->head_pool);
    exchange->head_bytes = 0;
    exchange->head_fields = apr_table_make(exchange->head_pool, 16);
    exchange->head = apr_pcalloc(exchange->head_pool, sizeof(*exchange->head));
    exchange->head->headers = exchange->head_fields;
    exchange->head->body = "";
    exchange->head->url = exchange->url;
    exchange->head->login =
        exchange->request->is_as_owner ? exchange->http->client->account->jid : NULL;
}

static void add_field(http_exchange_t *exchange, const char *line, size_t length)
{
    char *name = apr_pstrmemdup(exchange->head_pool, line, length);
    char *colon = strchr(name, ':');
    /* A line that goes on with the one before is obsolete, and nothing that we need is long. */
    if (!colon || *name == ' ' || *name == '\t') {
        return;
    }
    *colon = '\0';
    char *value = colon + 1 + strspn(colon + 1, BLANKS);
    size_t value_length = strlen(value);
    while (value_length > 0 && strchr(BLANKS "\r\n", value[value_length - 1])) {
        value[--value_length] = '\0';
    }
    apr_table_mergen(exchange->head_fields, name, value);
}

/* Whoever asks may go on reading it. */
static void keep_head(http_exchange_t *exchange)
{
    const http_answer_t *head = exchange->head;
    exchange->head = apr_pmemdup(exchange->pool, head, sizeof(*head));
    exchange->head->headers = apr_table_clone(exchange->pool, head->headers);
    exchange->head->url = apr_pstrdup(exchange->pool, head->url);
}

static void end_head(http_exchange_t *exchange)
{
    long status = 0;
    curl_easy_getinfo(exchange->http->easy, CURLINFO_RESPONSE_CODE, &status);
    exchange->head->status = (int)status;
    if (status >= 200) {
        exchange->is_head_complete = 1;
        keep_head(exchange);
    } else if (status != 100 && exchange->request->informed) {
        exchange->request->informed(exchange->request->informed_baton, exchange->head);
    }
}

/* After a 417, libcurl asks once more without Expect. What else comes after a head are trailers. */
static int is_over(const http_exchange_t *exchange)
{
    return exchange->is_head_complete && exchange->head->status != 417;
}

size_t http_flow_head(char *data, size_t size, size_t count, void *baton)
{
    http_exchange_t *exchange = baton;
    size_t length = size * count;
    if (is_over(exchange)) {
        return length;
    }
    if (length >= 5 && memcmp(data, "HTTP/", 5) == 0) {
        begin_head(exchange);
        exchange->is_head_complete = 0;
    }
    exchange->head_bytes += length;
    if (!exchange->head || exchange->head_bytes > HEAD_BYTES_MAX) {
        exchange->err = jf_err_make(JF_ERR_IO, APR_SUCCESS, exchange->pool,
                                    "the server's answer has a header of more than %d KiB",
                                    HEAD_BYTES_MAX >> 10);
        return 0;
    }
    if (length <= 2 && (*data == '\r' || *data == '\n')) {
        end_head(exchange);
    } else {
        add_field(exchange, data, length);
    }
    return length;
}

int http_flow_is_redirect(const http_exchange_t *exchange)
{
    static const int statuses[] = {301, 302, 303, 307, 308};
    const http_request_t *request = exchange->request;
    if (request->trust != HTTP_FOREIGN || !http_answer_field(exchange->head, "Location") ||
        (strcmp(request->method, "GET") != 0 && strcmp(request->method, "HEAD") != 0)) {
        return 0;
    }
    for (size_t i = 0; i < sizeof(statuses) / sizeof(*statuses); i++) {
        if (exchange->head->status == statuses[i]) {
            return 1;
        }
    }
    return 0;
}

/* ---- bodies of answers ---- */

static jf_err_t *begin_sink(http_exchange_t *exchange)
{
    const http_sink_t *sink = exchange->request->sink;
    if (exchange->has_begun || !sink || http_flow_is_redirect(exchange)) {
        return NULL;
    }
    exchange->has_begun = 1;
    return sink->begin(sink->baton, exchange->head);
}

static jf_err_t *keep(http_exchange_t *exchange, const char *data, size_t length)
{
    if (length > KEPT_BODY_BYTES_MAX - exchange->body_bytes) {
        return jf_err_make(JF_ERR_IO, APR_SUCCESS, exchange->pool,
                           "the server's answer is longer than the %d KiB that are expected",
                           KEPT_BODY_BYTES_MAX >> 10);
    }
    if (!exchange->body) {
        exchange->body = apr_palloc(exchange->scratch, KEPT_BODY_BYTES_MAX + 1);
    }
    memcpy(exchange->body + exchange->body_bytes, data, length);
    exchange->body_bytes += length;
    return NULL;
}

static jf_err_t *take(http_exchange_t *exchange, const char *data, size_t length)
{
    const http_sink_t *sink = exchange->request->sink;
    if (http_flow_is_redirect(exchange)) {
        return NULL;
    }
    if (!sink) {
        return keep(exchange, data, length);
    }
    JF_TRY(begin_sink(exchange));
    return sink->write(sink->baton, data, length);
}

size_t http_flow_in(char *data, size_t size, size_t count, void *baton)
{
    http_exchange_t *exchange = baton;
    if (!exchange->is_head_complete) {
        exchange->err = jf_err_make(JF_ERR_IO, APR_SUCCESS, exchange->pool,
                                    "the server does not answer in HTTP");
    } else {
        exchange->err = take(exchange, data, size * count);
    }
    return exchange->err ? 0 : size * count;
}

void http_flow_end(http_exchange_t *exchange)
{
    exchange->err = begin_sink(exchange);
}

/* ---- bodies of requests ---- */

static jf_err_t *check_length(const http_exchange_t *exchange, apr_int64_t given_bytes)
{
    apr_int64_t size_bytes = exchange->request->body->size_bytes;
    if (size_bytes < 0 || (given_bytes > 0 && exchange->sent_bytes <= size_bytes) ||
        exchange->sent_bytes == size_bytes) {
        return NULL;
    }
    return jf_err_make(JF_ERR_IO, APR_SUCCESS, exchange->pool,
                       "the file has changed while it was sent: it had %" APR_INT64_T_FMT
                       " bytes and has %s; try again when nobody writes to it",
                       size_bytes, given_bytes > 0 ? "more now" : "fewer now");
}

size_t http_flow_out(char *buffer, size_t size, size_t count, void *baton)
{
    http_exchange_t *exchange = baton;
    const http_body_t *body = exchange->request->body;
    jf_err_t *err = NULL;
    apr_ssize_t given_bytes = body->read(body->baton, buffer, size * count, &err);
    if (given_bytes >= 0) {
        exchange->sent_bytes += given_bytes;
        err = check_length(exchange, given_bytes);
    }
    if (err) {
        exchange->err = err;
        return CURL_READFUNC_ABORT;
    }
    return (size_t)given_bytes;
}
