#include "http.h"

#include <string.h>

#include <apr_strings.h>

#include "http_guard.h"
#include "http_private.h"
#include "http_url.h"

#define REDIRECTS_MAX 5
#define WAIT_MS 200
/* Idling costs more than a piece of a fast transfer. */
#define IDLE_US (100 * APR_USEC_PER_SEC / 1000)

/* ---- life ---- */

static apr_status_t close_http(void *baton)
{
    http_t *http = baton;
    curl_easy_cleanup(http->easy);
    for (int i = 0; i < 2; i++) {
        curl_multi_cleanup(http->connections[i]);
    }
    curl_global_cleanup();
    return APR_SUCCESS;
}

jf_err_t *http_open(http_t **http_out, client_t *client, apr_pool_t *pool)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        return jf_err_make(JF_ERR_IO, APR_SUCCESS, pool, "libcurl does not start");
    }
    http_t *http = apr_pcalloc(pool, sizeof(*http));
    http->client = client;
    http->pool = pool;
    http->easy = curl_easy_init();
    http->connections[HTTP_OWN] = curl_multi_init();
    http->connections[HTTP_FOREIGN] = curl_multi_init();
    apr_pool_cleanup_register(pool, http, close_http, apr_pool_cleanup_null);
    if (!http->easy || !http->connections[HTTP_OWN] || !http->connections[HTTP_FOREIGN]) {
        return jf_err_make(JF_ERR_IO, APR_ENOMEM, pool, "no memory for connections");
    }
    JF_TRY(http_curl_authorities(http));
    *http_out = http;
    return NULL;
}

/* ---- one exchange ---- */

static jf_err_t *watch(http_exchange_t *exchange, apr_time_t *idled_us)
{
    client_t *client = exchange->http->client;
    apr_time_t now_us = apr_time_now();
    if (now_us - *idled_us >= IDLE_US || now_us < *idled_us) {
        client_idle(client);
        *idled_us = now_us;
    }
    if (client_is_interrupted()) {
        return client_interrupted(exchange->pool);
    }
    if (exchange->request->deadline_us && now_us > exchange->request->deadline_us) {
        return jf_err_make(JF_ERR_TOO_LARGE, APR_SUCCESS, exchange->pool,
                           "%s takes longer than it may: allow more time with --max-time",
                           http_url_host(exchange->url, exchange->pool));
    }
    return NULL;
}

static CURLcode result_of(CURLM *connections)
{
    int left;
    const CURLMsg *message = curl_multi_info_read(connections, &left);
    return message && message->msg == CURLMSG_DONE ? message->data.result : CURLE_RECV_ERROR;
}

/* @return what libcurl says, of no meaning if exchange->err is set */
static CURLcode transfer(http_exchange_t *exchange)
{
    CURLM *connections = exchange->http->connections[exchange->request->trust];
    CURL *easy = exchange->http->easy;
    apr_time_t idled_us = 0;
    int is_running = 1;
    if (curl_multi_add_handle(connections, easy) != CURLM_OK) {
        return CURLE_FAILED_INIT;
    }
    while (is_running && !exchange->err) {
        if (curl_multi_perform(connections, &is_running) != CURLM_OK) {
            break;
        }
        if (is_running && !exchange->err) {
            curl_multi_poll(connections, NULL, 0, WAIT_MS, NULL);
            exchange->err = watch(exchange, &idled_us);
        }
    }
    CURLcode code = result_of(connections);
    curl_multi_remove_handle(connections, easy);
    return code;
}

/* A server that refuses a body hangs up while we send: what it has said before counts. */
static int is_refusal(const http_exchange_t *exchange)
{
    return exchange->request->body && exchange->is_head_complete && exchange->head->status >= 400;
}

static jf_err_t *perform(http_exchange_t *exchange)
{
    JF_TRY(http_curl_prepare(exchange));
    CURLcode code = transfer(exchange);
    if (!exchange->err && code == CURLE_OK && exchange->is_head_complete) {
        http_flow_end(exchange);
    } else if (!exchange->err && !is_refusal(exchange)) {
        exchange->err = http_curl_error(exchange, code);
    }
    return exchange->err;
}

/* @param next set to where a redirect that is to be followed leads, or NULL. */
static jf_err_t *exchange_once(http_answer_t **answer, const char **next, http_t *http,
                               const http_request_t *request, const char *url, const char *password,
                               apr_pool_t *pool)
{
    http_exchange_t exchange = {
        .http = http, .request = request, .url = url, .password = password, .pool = pool};
    apr_pool_create(&exchange.scratch, pool);
    apr_pool_create(&exchange.head_pool, exchange.scratch);
    jf_err_t *err = perform(&exchange);
    *next = NULL;
    if (!err) {
        *answer = exchange.head;
        (*answer)->body =
            apr_pstrmemdup(pool, exchange.body ? exchange.body : "", exchange.body_bytes);
        if (http_flow_is_redirect(&exchange)) {
            *next = http_answer_field(*answer, "Location");
        }
    }
    curl_easy_reset(http->easy);
    curl_slist_free_all(exchange.fields);
    apr_pool_destroy(exchange.scratch);
    return err;
}

/* ---- where to ---- */

static jf_err_t *check_url(const http_t *http, const http_request_t *request, const char *url,
                           apr_pool_t *pool)
{
    if (request->trust == HTTP_FOREIGN && !http->client->options->allows_private) {
        JF_TRY(http_guard_check_url(url, pool));
    }
    if (!http_url_is_link(url)) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                           "\"%s\" is no link: one begins with https:// and has neither spaces nor "
                           "a password in it",
                           url);
    }
    return NULL;
}

/* A password goes nowhere but to the server that the account names. */
static jf_err_t *find_password(const char **password, const http_t *http,
                               const http_request_t *request, apr_pool_t *pool)
{
    account_t *account = http->client->account;
    *password = NULL;
    if (!request->is_as_owner) {
        return NULL;
    }
    JF_TRY(account_need_jid(account));
    JF_TRY(account_need_url(account));
    if (request->trust != HTTP_OWN || !http_url_is_private(request->url) ||
        !http_url_is_same_origin(request->url, account->url)) {
        return jf_err_make(JF_ERR_FORBIDDEN, APR_SUCCESS, pool,
                           "the password is not sent to %s: it is for %s, over https",
                           http_url_host(request->url, pool), http_url_host(account->url, pool));
    }
    return account_password(password, account);
}

static jf_err_t *follow(const char **url, const char *location, int redirects, apr_pool_t *pool)
{
    const char *next = http_url_resolve(*url, location, pool);
    if (!next || !http_url_is_link(next)) {
        return jf_err_make(JF_ERR_IO, APR_SUCCESS, pool,
                           "%s sends us on to something that is no link",
                           http_url_host(*url, pool));
    }
    if (redirects >= REDIRECTS_MAX) {
        return jf_err_make(JF_ERR_FORBIDDEN, APR_SUCCESS, pool,
                           "the link leads on more than %d times, at last to %s", REDIRECTS_MAX,
                           http_url_host(next, pool));
    }
    if (strncasecmp(*url, "https:", 6) == 0 && strncasecmp(next, "https:", 6) != 0) {
        return jf_err_make(JF_ERR_FORBIDDEN, APR_SUCCESS, pool,
                           "%s leads from https to http, where everybody on the way can change "
                           "the file",
                           http_url_host(*url, pool));
    }
    *url = next;
    return NULL;
}

jf_err_t *http_call(http_answer_t **answer_out, http_t *http, const http_request_t *request,
                    apr_pool_t *pool)
{
    const char *url = request->url;
    const char *password;
    const char *location;
    http_answer_t *answer;
    *answer_out = NULL;
    JF_TRY(check_url(http, request, url, pool));
    JF_TRY(find_password(&password, http, request, pool));
    JF_TRY(exchange_once(&answer, &location, http, request, url, password, pool));
    for (int redirects = 0; location; redirects++) {
        JF_TRY(follow(&url, location, redirects, pool));
        JF_TRY(check_url(http, request, url, pool));
        JF_TRY(exchange_once(&answer, &location, http, request, url, NULL, pool));
    }
    *answer_out = answer;
    return NULL;
}
