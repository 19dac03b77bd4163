#include "relay_listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#include "relay_memory.h"

/* Accepted in one turn, then those that are connected have theirs. */
#define TURN_CONNECTIONS 64

/* How long nothing is accepted when there is no descriptor or no memory for more. */
static const struct timeval pause_time = {1, 0};

struct relay_listener_t {
    int fd;
    relay_address_t address;
    relay_taker_t taker;
    struct event *event;
    struct event *pause;
};

static void accept_some(evutil_socket_t fd, short what, void *data)
{
    relay_listener_t *listener = data;
    (void)what;
    for (int i = 0; i < TURN_CONNECTIONS; i++) {
        int accepted = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (accepted >= 0) {
            listener->taker.take(listener->taker.baton, accepted);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            listener->taker.pause(listener->taker.baton, errno);
            event_del(listener->event);
            event_add(listener->pause, &pause_time);
            return;
        } else if (errno == EAGAIN) {
            return;
        }
        /* Any other error is that of a connection which is gone already (accept(2)). */
    }
}

static void go_on(evutil_socket_t fd, short what, void *data)
{
    relay_listener_t *listener = data;
    (void)fd;
    (void)what;
    event_add(listener->event, NULL);
}

/** What a connection is to have it inherits from here: no call for each of them. */
static int set_options(int fd, int family)
{
    const int on = 1;
    return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
           setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0 &&
           (family != AF_INET6 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) == 0);
}

static int open_socket(relay_address_t *address)
{
    struct sockaddr *name = (struct sockaddr *)&address->socket;
    int fd = socket(name->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && (!set_options(fd, name->sa_family) || bind(fd, name, address->length) != 0 ||
                    listen(fd, SOMAXCONN) != 0 || getsockname(fd, name, &address->length) != 0)) {
        int cause = errno;
        close(fd);
        errno = cause;
        fd = -1;
    }
    return fd;
}

jf_err_t *relay_listener_open(relay_listener_t **listener_out, const relay_address_t *address,
                              struct event_base *base, const relay_taker_t *taker, apr_pool_t *pool)
{
    relay_address_t bound = *address;
    *listener_out = NULL;
    int fd = open_socket(&bound);
    if (fd < 0) {
        return jf_err_from_system(errno, pool, "cannot listen on %s",
                                  relay_address_text(address, pool));
    }
    relay_listener_t *listener = relay_memory_get(sizeof(*listener));
    listener->fd = fd;
    listener->address = bound;
    listener->taker = *taker;
    listener->event = event_new(base, fd, EV_READ | EV_PERSIST, accept_some, listener);
    listener->pause = evtimer_new(base, go_on, listener);
    if (!listener->event || !listener->pause || event_add(listener->event, NULL) != 0) {
        abort();
    }
    *listener_out = listener;
    return NULL;
}

void relay_listener_close(relay_listener_t *listener)
{
    event_free(listener->event);
    event_free(listener->pause);
    close(listener->fd);
    free(listener);
}

const relay_address_t *relay_listener_address(const relay_listener_t *listener)
{
    return &listener->address;
}
