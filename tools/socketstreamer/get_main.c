/*
 * A transport (a gateway to IRC, say) has been offered a file in its network and wants to hand it
 * to a Jabber user. It runs this, announces the URL that is printed, and learns from the exit
 * status what became of it.
 */
#include "get.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "get_options.h"
#include "get_peer.h"
#include "get_transfer.h"
#include "relay_listener.h"
#include "tool_stdio.h"

/* ---- the loop ---- */

static void on_signal(evutil_socket_t number, short what, void *data)
{
    (void)number;
    (void)what;
    get_transfer_stop(data);
}

static struct event_base *make_base(void)
{
    struct event_base *base = NULL;
    struct event_config *config = event_config_new();
    if (config) {
        event_config_require_features(config, EV_FEATURE_EARLY_CLOSE | EV_FEATURE_ET);
        base = event_base_new_with_config(config);
        event_config_free(config);
    }
    return base;
}

#define STOPPERS 2
static const int stop_signals[STOPPERS] = {SIGTERM, SIGINT};

typedef struct stoppers_t {
    struct event *events[STOPPERS];
} stoppers_t;

static stoppers_t listen_for_stop(struct event_base *base, get_transfer_t *transfer)
{
    stoppers_t stoppers = {0};
    for (int i = 0; i < STOPPERS; i++) {
        /* What libevent puts back afterwards: a signal that comes when all is over must not take
         * the place of the exit status. */
        signal(stop_signals[i], SIG_IGN);
        stoppers.events[i] = evsignal_new(base, stop_signals[i], on_signal, transfer);
        event_add(stoppers.events[i], NULL);
    }
    return stoppers;
}

static void forget_stoppers(stoppers_t *stoppers)
{
    for (int i = 0; i < STOPPERS; i++) {
        event_free(stoppers->events[i]);
    }
}

/* ---- the URL ---- */

/* Who reads the URL from a pipe until its end shall not wait until the file has come. */
static jf_err_t *print_url(const char *url, apr_pool_t *pool)
{
    printf("%s\n", url);
    JF_TRY(tool_stdio_flush(pool));
    close(STDOUT_FILENO);
    if (!tool_stdio_open()) {
        return jf_err_make(JF_ERR_IO, APR_EGENERAL, pool, "cannot open /dev/null");
    }
    return NULL;
}

/* ---- connections ---- */

static void take(void *baton, int fd)
{
    get_transfer_take(baton, fd);
}

/* Who is not let in stays in the queue of the kernel. */
static void pause_accepting(void *baton, int error)
{
    (void)baton;
    (void)error;
}

static jf_err_t *begin_to_listen(relay_listener_t **listener, const get_options_t *options,
                                 get_transfer_t *transfer, struct event_base *base,
                                 apr_pool_t *pool)
{
    const relay_taker_t taker = {transfer, take, pause_accepting};
    relay_address_t address;
    JF_TRY(relay_address_parse(&address, options->listen, 0, pool));
    if (relay_address_is_any(&address) && !options->url_base) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                           "%s stands for all addresses, so the URL needs a --url-base",
                           options->listen);
    }
    return relay_listener_open(listener, &address, base, &taker, pool);
}

/* ---- the offer ---- */

static jf_err_t *make_transfer(get_transfer_t **transfer, const get_offer_t *offer,
                               const get_options_t *options, struct event_base *base,
                               apr_pool_t *pool)
{
    get_transfer_config_t config = {
        .offer = offer,
        .source = {.speaks_dcc = options->speaks_dcc,
                   .connect_timeout_us = options->connect_timeout_us,
                   .idle_timeout_us = options->idle_timeout_us},
        .ttl_us = options->ttl_us,
        .idle_timeout_us = options->idle_timeout_us,
    };
    JF_TRY(get_peer_find(&config.source.addresses, options->from, pool));
    return get_transfer_create(transfer, &config, base, pool);
}

static const char *make_url(const get_offer_t *offer, const get_options_t *options,
                            const relay_listener_t *listener, apr_pool_t *pool)
{
    const char *base = options->url_base;
    if (!base) {
        const char *address = relay_address_text(relay_listener_address(listener), pool);
        base = apr_pstrcat(pool, "http://", address, NULL);
    }
    return get_offer_url(offer, base, pool);
}

static jf_err_t *serve(get_transfer_t *transfer, const char *url, struct event_base *base,
                       apr_pool_t *pool)
{
    /* Who has the URL may want to stop us. */
    stoppers_t stoppers = listen_for_stop(base, transfer);
    jf_err_t *err = print_url(url, pool);
    if (!err) {
        event_base_dispatch(base);
        fprintf(stderr, "%s\n", get_transfer_report(transfer, pool));
    }
    forget_stoppers(&stoppers);
    return err;
}

static jf_err_t *hand_over(get_outcome_t *outcome, const get_options_t *options,
                           struct event_base *base, apr_pool_t *pool)
{
    get_offer_t *offer;
    get_transfer_t *transfer;
    relay_listener_t *listener;
    JF_TRY(get_offer_make(&offer, options->name, options->type, options->size_bytes, pool));
    JF_TRY(make_transfer(&transfer, offer, options, base, pool));
    JF_TRY(begin_to_listen(&listener, options, transfer, base, pool));
    jf_err_t *err = serve(transfer, make_url(offer, options, listener, pool), base, pool);
    relay_listener_close(listener);
    *outcome = get_transfer_outcome(transfer);
    return err;
}

/* ---- the program ---- */

static int complain(const jf_err_t *err)
{
    fprintf(stderr, "socketstreamer get: %s\n", err->text);
    return err->code == JF_ERR_INVALID ? GET_USAGE : GET_FAILED;
}

static int get(const get_options_t *options, apr_pool_t *pool)
{
    get_outcome_t outcome = GET_FAILED;
    apr_pool_t *transfer_pool;
    struct event_base *base = make_base();
    if (!base) {
        return complain(jf_err_make(JF_ERR_IO, APR_ENOMEM, pool, "cannot make an event loop"));
    }
    apr_pool_create(&transfer_pool, pool);
    jf_err_t *err = hand_over(&outcome, options, base, transfer_pool);
    int status = err ? complain(err) : (int)outcome;
    apr_pool_destroy(transfer_pool);
    event_base_free(base);
    return status;
}

int get_main(int argc, const char *const *argv)
{
    get_options_t options;
    apr_pool_t *pool;
    signal(SIGPIPE, SIG_IGN);
    apr_pool_create(&pool, NULL);
    jf_err_t *err = get_options_parse(&options, argc, argv, pool);
    int status = GET_DELIVERED;
    if (err) {
        status = complain(err);
    } else if (options.wants_help) {
        get_options_print_help();
    } else {
        status = get(&options, pool);
    }
    apr_pool_destroy(pool);
    return status;
}
