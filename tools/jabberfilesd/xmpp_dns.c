#include "xmpp_dns.h"

#include <errno.h>

/* A server that does not answer is asked again once; all of it has to fit into a login. */
#define ANSWER_MS 1500
#define TRIES 2

typedef struct watch_t {
    struct event *event; /* NULL: a free place */
    ares_socket_t socket;
} watch_t;

struct xmpp_dns_t {
    struct event_base *base;
    ares_channel channel;
    struct event *timer;
    watch_t watches[ARES_GETSOCK_MAXNUM];
};

/* ---- sockets and time ---- */

static void take_event(evutil_socket_t fd, short what, void *data)
{
    xmpp_dns_t *dns = data;
    ares_process_fd(dns->channel, (what & EV_READ) ? fd : ARES_SOCKET_BAD,
                    (what & EV_WRITE) ? fd : ARES_SOCKET_BAD);
    xmpp_dns_started(dns);
}

static void take_timeout(evutil_socket_t fd, short what, void *data)
{
    xmpp_dns_t *dns = data;
    (void)fd;
    (void)what;
    ares_process_fd(dns->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    xmpp_dns_started(dns);
}

void xmpp_dns_started(xmpp_dns_t *dns)
{
    static const struct timeval margin = {0, 1000}; /* c-ares counts in whole milliseconds */
    struct timeval time;
    if (ares_timeout(dns->channel, NULL, &time)) {
        evutil_timeradd(&time, &margin, &time);
        evtimer_add(dns->timer, &time);
    } else {
        evtimer_del(dns->timer);
    }
}

static watch_t *find_watch(xmpp_dns_t *dns, ares_socket_t socket)
{
    watch_t *free_place = NULL;
    for (int i = 0; i < ARES_GETSOCK_MAXNUM; i++) {
        watch_t *watch = &dns->watches[i];
        if (watch->event && watch->socket == socket) {
            return watch;
        }
        if (!watch->event) {
            free_place = watch;
        }
    }
    return free_place;
}

static void forget(watch_t *watch)
{
    if (watch->event) {
        event_free(watch->event);
        watch->event = NULL;
    }
}

static void watch_socket(void *data, ares_socket_t socket, int is_reading, int is_writing)
{
    xmpp_dns_t *dns = data;
    watch_t *watch = find_watch(dns, socket);
    if (!watch) {
        return; /* more sockets than c-ares ever has: its timeout ends the question */
    }
    forget(watch);
    if (!is_reading && !is_writing) {
        return;
    }
    short what = (short)((is_reading ? EV_READ : 0) | (is_writing ? EV_WRITE : 0) | EV_PERSIST);
    watch->socket = socket;
    watch->event = event_new(dns->base, socket, what, take_event, dns);
    if (watch->event) {
        event_add(watch->event, NULL);
    }
}

/* ---- life ---- */

static apr_status_t close_channel(void *data)
{
    xmpp_dns_t *dns = data;
    if (dns->channel) {
        ares_destroy(dns->channel);
    }
    for (int i = 0; i < ARES_GETSOCK_MAXNUM; i++) {
        forget(&dns->watches[i]);
    }
    event_free(dns->timer);
    return APR_SUCCESS;
}

static jf_err_t *from_ares(int status, apr_pool_t *pool)
{
    return jf_err_make(JF_ERR_IO, APR_SUCCESS, pool, "cannot ask DNS: %s", ares_strerror(status));
}

jf_err_t *xmpp_dns_open(xmpp_dns_t **dns_out, struct event_base *base, const char *server,
                        apr_pool_t *pool)
{
    xmpp_dns_t *dns = apr_pcalloc(pool, sizeof(*dns));
    struct ares_options options = {.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES,
                                   .timeout = ANSWER_MS,
                                   .tries = TRIES,
                                   .sock_state_cb = watch_socket,
                                   .sock_state_cb_data = dns};
    dns->base = base;
    dns->timer = evtimer_new(base, take_timeout, dns);
    if (!dns->timer) {
        return jf_err_make(JF_ERR_IO, APR_ENOMEM, pool, "cannot make a timer");
    }
    apr_pool_cleanup_register(pool, dns, close_channel, apr_pool_cleanup_null);
    int status = ares_init_options(&dns->channel, &options,
                                   ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
                                       ARES_OPT_SOCK_STATE_CB);
    if (status == ARES_SUCCESS && server) {
        status = ares_set_servers_ports_csv(dns->channel, server);
    }
    if (status != ARES_SUCCESS) {
        return from_ares(status, pool);
    }
    *dns_out = dns;
    return NULL;
}

ares_channel xmpp_dns_channel(const xmpp_dns_t *dns)
{
    return dns->channel;
}
