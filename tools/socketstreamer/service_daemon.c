#include "service_daemon.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>
#include <event2/event.h>
#include <systemd/sd-daemon.h>

#include "jf_units.h"
#include "jf_version.h"
#include "relay_streams.h"
#include "service_component.h"
#include "service_config.h"
#include "service_descriptors.h"
#include "service_log.h"
#include "service_metrics.h"
#include "service_report.h"
#include "service_sockets.h"
#include "service_stanza.h"

/* How often it is logged that no connection can be accepted. */
#define PAUSE_LOG_US apr_time_from_sec(60)

enum { SIGNALS = 3 };

typedef struct daemon_t {
    const char *config_path;
    apr_pool_t *pool;
    service_config_t *config;
    apr_pool_t *config_pool;
    apr_array_header_t *hosts; /* of service_host_t, in config_pool */
    struct event_base *base;
    relay_streams_t *streams;
    service_sockets_t *sockets;
    service_component_t *component;
    service_metrics_t *metrics; /* NULL: off */
    relay_address_t metrics_address;
    apr_uint64_t forbidden;
    apr_time_t paused_us; /* when it was logged last */
    struct event *signals[SIGNALS];
    struct event *deadline; /* of the drain */
    int is_stopping;
} daemon_t;

/* ---- what the streams tell ---- */

static void on_ended(void *baton, const relay_report_t *report)
{
    (void)baton;
    service_report_ended(report);
}

static void on_lost(void *baton, const unsigned char *hash, relay_loss_t loss)
{
    (void)baton;
    service_report_lost(hash, loss);
}

static void on_drained(void *baton)
{
    daemon_t *daemon = baton;
    event_base_loopbreak(daemon->base);
}

/* ---- what the listeners tell ---- */

static void on_connection(void *baton, int fd)
{
    daemon_t *daemon = baton;
    relay_streams_take(daemon->streams, fd);
}

static void on_pause(void *baton, int error)
{
    daemon_t *daemon = baton;
    char text[128];
    apr_time_t now_us = apr_time_now();
    if (now_us - daemon->paused_us >= PAUSE_LOG_US) {
        daemon->paused_us = now_us;
        service_log("JF0206", "no connection can be accepted for a second: %s",
                    apr_strerror(error, text, sizeof(text)));
    }
}

/* ---- what the Jabber server asks ---- */

static relay_activation_t activate(void *baton, const service_activation_t *activation)
{
    const daemon_t *daemon = baton;
    relay_activation_t outcome = service_activation_run(daemon->streams, activation);
    if (outcome == RELAY_OVER_STREAMS || outcome == RELAY_OVER_DAY_BYTES) {
        service_report_refused(activation->user, outcome);
    }
    return outcome;
}

static void on_forbidden(void *baton, const char *user)
{
    daemon_t *daemon = baton;
    (void)user;
    daemon->forbidden++;
}

static xmpp_stanza_t *answer(void *baton, xmpp_stanza_t *stanza, apr_pool_t *pool)
{
    daemon_t *daemon = baton;
    const service_desk_t desk = {
        .component = daemon->config->component,
        .acl = daemon->config->acl,
        .hosts = daemon->hosts,
        .baton = daemon,
        .activate = activate,
        .refused = on_forbidden,
    };
    return service_stanza_answer(&desk, stanza, pool);
}

static void on_connected(void *baton)
{
    const daemon_t *daemon = baton;
    service_log("JF0201", "%s is connected to the Jabber server", daemon->config->component);
}

static void on_disconnected(void *baton, const char *cause, apr_interval_time_t pause_us)
{
    const daemon_t *daemon = baton;
    service_log("JF0202",
                "%s is not connected to the Jabber server: %s; next attempt in %" APR_INT64_T_FMT
                " ms",
                daemon->config->component, cause, (apr_int64_t)apr_time_as_msec(pause_us));
}

static service_figures_t on_figures(void *baton)
{
    const daemon_t *daemon = baton;
    return (service_figures_t){
        .streams = relay_streams_counts(daemon->streams),
        .forbidden = daemon->forbidden,
        .is_connected = daemon->component && service_component_is_connected(daemon->component),
    };
}

/* ---- the configuration takes effect ---- */

static service_login_t login_of(const service_config_t *config)
{
    return (service_login_t){
        .component = config->component, .server = config->server, .secret = config->secret};
}

/** What clients are told, now that all ports are known. */
static apr_array_header_t *list_hosts(const daemon_t *daemon, const service_config_t *config,
                                      apr_pool_t *pool)
{
    apr_array_header_t *hosts = apr_array_make(pool, 4, sizeof(service_host_t));
    const apr_array_header_t *addresses = service_sockets_addresses(daemon->sockets, pool);
    for (int i = 0; i < config->public->nelts; i++) {
        service_host_t host = APR_ARRAY_IDX(config->public, i, service_host_t);
        if (host.port == 0) {
            host.port = relay_address_port(APR_ARRAY_IDX(addresses, 0, const relay_address_t *));
        }
        APR_ARRAY_PUSH(hosts, service_host_t) = host;
    }
    for (int i = 0; config->public->nelts == 0 && i < addresses->nelts; i++) {
        const relay_address_t *address = APR_ARRAY_IDX(addresses, i, const relay_address_t *);
        APR_ARRAY_PUSH(hosts, service_host_t) =
            (service_host_t){relay_address_host(address, pool), relay_address_port(address)};
    }
    return hosts;
}

static int is_metrics_same(const service_config_t *a, const service_config_t *b)
{
    return a && a->has_metrics == b->has_metrics &&
           (!a->has_metrics || relay_address_is_same(&a->metrics, &b->metrics));
}

static jf_err_t *set_metrics(daemon_t *daemon, const service_config_t *config, apr_pool_t *pool)
{
    service_metrics_t *metrics = NULL;
    if (is_metrics_same(daemon->config, config)) {
        return NULL;
    }
    if (config->has_metrics) {
        daemon->metrics_address = config->metrics;
        JF_TRY(service_metrics_open(&metrics, &daemon->metrics_address, daemon->base, on_figures,
                                    daemon, pool));
    }
    if (daemon->metrics) {
        service_metrics_close(daemon->metrics);
    }
    daemon->metrics = metrics;
    return NULL;
}

static jf_err_t *set_sockets(daemon_t *daemon, const service_config_t *config, apr_pool_t *pool)
{
    JF_TRY(service_sockets_set(daemon->sockets, config->listen, pool));
    jf_err_t *err = set_metrics(daemon, config, pool);
    if (err && daemon->config) {
        jf_err_t *restore_err = service_sockets_set(daemon->sockets, daemon->config->listen, pool);
        return jf_err_first(err, restore_err);
    }
    return err;
}

/** Makes @a config, which lives in @a pool, the one that counts. On an error nothing changes. */
static jf_err_t *apply(daemon_t *daemon, service_config_t *config, apr_pool_t *pool)
{
    service_descriptors_prepare(config->limits.streams);
    JF_TRY(set_sockets(daemon, config, pool));
    const service_login_t login = login_of(config);
    relay_streams_set_limits(daemon->streams, &config->limits);
    if (daemon->component) {
        service_component_set_login(daemon->component, &login);
    }
    daemon->hosts = list_hosts(daemon, config, pool);
    daemon->config = config;
    if (daemon->config_pool) {
        apr_pool_destroy(daemon->config_pool);
    }
    daemon->config_pool = pool;
    return NULL;
}

/** @param pool_of_error may live longer than the configuration that was refused. */
static jf_err_t *load(daemon_t *daemon, apr_pool_t *pool_of_error)
{
    service_config_t *config = NULL;
    apr_pool_t *pool;
    apr_pool_create(&pool, daemon->pool);
    jf_err_t *err = service_config_read(&config, daemon->config_path, pool);
    if (!err) {
        err = apply(daemon, config, pool);
    }
    if (err) {
        err = jf_err_copy(err, pool_of_error);
        apr_pool_destroy(pool);
    }
    return err;
}

/* ---- signals ---- */

static void on_hangup(evutil_socket_t fd, short what, void *data)
{
    daemon_t *daemon = data;
    apr_pool_t *pool;
    (void)fd;
    (void)what;
    if (daemon->is_stopping) {
        return;
    }
    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" APR_INT64_T_FMT, (apr_int64_t)relay_now_us());
    apr_pool_create(&pool, NULL);
    jf_err_t *err = load(daemon, pool);
    if (err) {
        service_log("JF0205", "the old settings stay: %s", err->text);
    } else {
        service_log("JF0204", "the settings were read anew");
    }
    apr_pool_destroy(pool);
    sd_notify(0, "READY=1");
}

static void on_deadline(evutil_socket_t fd, short what, void *data)
{
    daemon_t *daemon = data;
    (void)fd;
    (void)what;
    relay_streams_end_all(daemon->streams);
}

static void on_stop(evutil_socket_t fd, short what, void *data)
{
    daemon_t *daemon = data;
    (void)fd;
    (void)what;
    if (daemon->is_stopping) {
        relay_streams_end_all(daemon->streams);
        return;
    }
    daemon->is_stopping = 1;
    sd_notify(0, "STOPPING=1");
    service_log("JF0207", "ending; %d streams are active",
                relay_streams_counts(daemon->streams)->active);
    service_sockets_close(daemon->sockets);
    service_component_destroy(daemon->component);
    daemon->component = NULL;
    if (daemon->config->drain_us != JF_NEVER) {
        const struct timeval timeout = {.tv_sec = apr_time_sec(daemon->config->drain_us)};
        event_add(daemon->deadline, &timeout);
    }
    relay_streams_drain(daemon->streams);
}

static void listen_for_signals(daemon_t *daemon)
{
    static const struct {
        int number;
        event_callback_fn callback;
    } signals[SIGNALS] = {{SIGHUP, on_hangup}, {SIGTERM, on_stop}, {SIGINT, on_stop}};
    signal(SIGPIPE, SIG_IGN);
    for (int i = 0; i < SIGNALS; i++) {
        daemon->signals[i] =
            evsignal_new(daemon->base, signals[i].number, signals[i].callback, daemon);
        event_add(daemon->signals[i], NULL);
    }
    daemon->deadline = evtimer_new(daemon->base, on_deadline, daemon);
}

/* ---- the whole ---- */

static void log_start(const daemon_t *daemon, apr_pool_t *pool)
{
    const char *places = "";
    const apr_array_header_t *addresses = service_sockets_addresses(daemon->sockets, pool);
    for (int i = 0; i < addresses->nelts; i++) {
        places = apr_pstrcat(
            pool, places, i ? ", " : "",
            relay_address_text(APR_ARRAY_IDX(addresses, i, const relay_address_t *), pool), NULL);
    }
    service_log("JF0200", "socketstreamer " JF_VERSION " as %s listens on %s%s%s",
                daemon->config->component, places, daemon->metrics ? "; counters at " : "",
                daemon->metrics ? relay_address_text(&daemon->metrics_address, pool) : "");
}

static jf_err_t *begin(daemon_t *daemon)
{
    const relay_observer_t observer = {daemon, on_ended, on_lost, on_drained};
    const relay_taker_t taker = {daemon, on_connection, on_pause};
    const service_hooks_t hooks = {daemon, answer, on_connected, on_disconnected};
    const relay_limits_t none = {0};
    daemon->streams = relay_streams_create(daemon->base, &none, &observer);
    daemon->sockets = service_sockets_create(daemon->base, &taker, daemon->pool);
    listen_for_signals(daemon);
    JF_TRY(load(daemon, daemon->pool));
    const service_login_t login = login_of(daemon->config);
    JF_TRY(
        service_component_create(&daemon->component, &login, daemon->base, &hooks, daemon->pool));
    log_start(daemon, daemon->config_pool);
    sd_notify(0, "READY=1");
    return NULL;
}

static void end(daemon_t *daemon)
{
    service_sockets_close(daemon->sockets);
    if (daemon->component) {
        service_component_destroy(daemon->component);
    }
    if (daemon->metrics) {
        service_metrics_close(daemon->metrics);
    }
    relay_streams_destroy(daemon->streams);
    for (int i = 0; i < SIGNALS; i++) {
        event_free(daemon->signals[i]);
    }
    event_free(daemon->deadline);
}

jf_err_t *service_daemon_run(const char *config_path, apr_pool_t *pool)
{
    daemon_t daemon = {.config_path = config_path, .pool = pool};
    daemon.base = event_base_new();
    if (!daemon.base) {
        return jf_err_from_system(errno, pool, "cannot make an event loop");
    }
    jf_err_t *err = begin(&daemon);
    if (!err) {
        event_base_dispatch(daemon.base);
        service_log("JF0208", "ended");
    }
    end(&daemon);
    event_base_free(daemon.base);
    return err;
}
