#include "service_metrics.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <apr_strings.h>
#include <event2/buffer.h>
#include <event2/http.h>

#include "relay_memory.h"

#define PREFIX "jabberfiles_streamer_"
#define CONTENT_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"
#define TIMEOUT_SECS 10
#define HEADER_BYTES_MAX 8192

static const char *const cause_names[RELAY_CAUSES] = {
    [RELAY_FINISHED] = "finished",
    [RELAY_BROKEN] = "broken",
    [RELAY_IDLE] = "idle",
    [RELAY_TOTAL_TIME] = "total-time",
    [RELAY_STREAM_BYTES] = "stream-bytes",
    [RELAY_DAY_BYTES] = "day-bytes",
    [RELAY_DRAINED] = "drained",
};

static const char *const refusal_names[RELAY_REFUSALS] = {
    [RELAY_REFUSED_STREAMS] = "streams",     [RELAY_REFUSED_PER_JID] = "streams-per-jid",
    [RELAY_REFUSED_DAY_BYTES] = "day-bytes", [RELAY_REFUSED_THIRD] = "third",
    [RELAY_REFUSED_SOCKS] = "socks",         [RELAY_REFUSED_UNACTIVATED] = "not-activated",
};

static const char *add_counter(const char *text, const char *name, const char *label,
                               const char *value, apr_uint64_t count, apr_pool_t *pool)
{
    return apr_psprintf(pool, "%s" PREFIX "%s_total{%s=\"%s\"} %" APR_UINT64_T_FMT "\n", text, name,
                        label, value, count);
}

const char *service_metrics_text(const service_figures_t *figures, apr_pool_t *pool)
{
    const relay_counts_t *counts = figures->streams;
    const char *text = apr_psprintf(
        pool,
        "# TYPE " PREFIX "streams gauge\n"
        "# HELP " PREFIX "streams Streams by state; waiting ones with connections that have not "
        "said which.\n" PREFIX "streams{state=\"waiting\"} %d\n" PREFIX
        "streams{state=\"active\"} %d\n"
        "# TYPE " PREFIX "bytes counter\n"
        "# UNIT " PREFIX "bytes bytes\n"
        "# HELP " PREFIX "bytes Bytes passed on, both directions.\n" PREFIX
        "bytes_total %" APR_INT64_T_FMT "\n"
        "# TYPE " PREFIX "component_connected gauge\n"
        "# HELP " PREFIX
        "component_connected Whether the Jabber server has this component.\n" PREFIX
        "component_connected %d\n"
        "# TYPE " PREFIX "streams_ended counter\n"
        "# HELP " PREFIX "streams_ended Active streams that have ended.\n",
        counts->waiting + counts->unmatched, counts->active, counts->bytes, figures->is_connected);
    for (int i = 0; i < RELAY_CAUSES; i++) {
        text = add_counter(text, "streams_ended", "cause", cause_names[i], counts->ended[i], pool);
    }
    text = apr_pstrcat(pool, text,
                       "# TYPE " PREFIX "refused counter\n"
                       "# HELP " PREFIX "refused Connections and activations that were refused.\n",
                       NULL);
    for (int i = 0; i < RELAY_REFUSALS; i++) {
        text = add_counter(text, "refused", "reason", refusal_names[i], counts->refused[i], pool);
    }
    text = add_counter(text, "refused", "reason", "forbidden", figures->forbidden, pool);
    return apr_pstrcat(pool, text, "# EOF\n", NULL);
}

/* ---- serving ---- */

struct service_metrics_t {
    struct evhttp *http;
    service_figures_fn *ask;
    void *baton;
};

static void send_text(struct evhttp_request *request, const char *text)
{
    struct evbuffer *body = evhttp_request_get_output_buffer(request);
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    evhttp_add_header(headers, "Content-Type", CONTENT_TYPE);
    evbuffer_add(body, text, strlen(text));
    evhttp_send_reply(request, HTTP_OK, "OK", NULL);
}

static void on_metrics(struct evhttp_request *request, void *data)
{
    const service_metrics_t *metrics = data;
    service_figures_t figures = metrics->ask(metrics->baton);
    apr_pool_t *pool;
    apr_pool_create(&pool, NULL);
    send_text(request, service_metrics_text(&figures, pool));
    apr_pool_destroy(pool);
}

static void on_other(struct evhttp_request *request, void *data)
{
    (void)data;
    evhttp_send_error(request, HTTP_NOTFOUND, NULL);
}

static struct evhttp *make_http(struct event_base *base, service_metrics_t *metrics)
{
    struct evhttp *http = evhttp_new(base);
    if (!http) {
        abort();
    }
    evhttp_set_allowed_methods(http, EVHTTP_REQ_GET);
    evhttp_set_timeout(http, TIMEOUT_SECS);
    evhttp_set_max_headers_size(http, HEADER_BYTES_MAX);
    evhttp_set_max_body_size(http, 0);
    evhttp_set_cb(http, "/metrics", on_metrics, metrics);
    evhttp_set_gencb(http, on_other, NULL);
    return http;
}

jf_err_t *service_metrics_open(service_metrics_t **metrics_out, relay_address_t *address,
                               struct event_base *base, service_figures_fn *ask, void *baton,
                               apr_pool_t *pool)
{
    service_metrics_t *metrics = relay_memory_get(sizeof(*metrics));
    *metrics_out = NULL;
    metrics->ask = ask;
    metrics->baton = baton;
    metrics->http = make_http(base, metrics);
    struct evhttp_bound_socket *bound = evhttp_bind_socket_with_handle(
        metrics->http, relay_address_host(address, pool), (ev_uint16_t)relay_address_port(address));
    if (!bound || getsockname(evhttp_bound_socket_get_fd(bound),
                              (struct sockaddr *)&address->socket, &address->length) != 0) {
        jf_err_t *err = jf_err_from_system(errno, pool, "cannot serve the counters at %s",
                                           relay_address_text(address, pool));
        service_metrics_close(metrics);
        return err;
    }
    *metrics_out = metrics;
    return NULL;
}

void service_metrics_close(service_metrics_t *metrics)
{
    evhttp_free(metrics->http);
    free(metrics);
}
