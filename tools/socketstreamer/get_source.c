#include "get_source.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <apr_strings.h>

#include "get_acks.h"
#include "get_timer.h"

#define BUFFER_BYTES (64 << 10)
/* For who keeps the connection open after the last byte: what he has to say, he says at once. */
#define GRACE_US APR_TIME_C(2000000)

typedef enum {
    STATE_NEW,
    STATE_CONNECTING,
    STATE_RECEIVING,
    STATE_CHECKING, /* all that was announced is here; does more come? */
    STATE_ENDED,
    STATE_FAILED,
} state_t;

struct get_source_t {
    apr_pool_t *pool;
    get_source_config_t config;
    struct event_base *base;
    get_source_news_fn *news;
    void *baton;
    state_t state;
    int fd;
    apr_sockaddr_t *address; /* the one that is tried */
    struct event *readable;
    struct event *writable; /* connected, or room for acknowledgements */
    struct event *timer;
    struct event *wake; /* brings news from the event loop */
    get_acks_t acks;
    apr_int64_t received_bytes;
    /* Filled when it is empty; behind it shows what was not announced. */
    char buffer[BUFFER_BYTES + 1];
    size_t begin, end; /* what of the buffer was not taken */
    get_outcome_t outcome;
    const char *reason;
};

/* ---- ends ---- */

static void close_connection(get_source_t *source)
{
    struct event **events[] = {&source->readable, &source->writable};
    for (int i = 0; i < 2; i++) {
        if (*events[i]) {
            event_free(*events[i]);
            *events[i] = NULL;
        }
    }
    if (source->fd >= 0) {
        close(source->fd);
        source->fd = -1;
    }
}

static void tell_news(get_source_t *source)
{
    event_active(source->wake, 0, 0);
}

static void finish(get_source_t *source)
{
    source->state = STATE_ENDED;
    event_del(source->timer);
    close_connection(source);
    tell_news(source);
}

static void fail(get_source_t *source, get_outcome_t outcome, const char *reason)
{
    source->state = STATE_FAILED;
    source->outcome = outcome;
    source->reason = reason;
    source->begin = source->end = 0;
    event_del(source->timer);
    close_connection(source);
    tell_news(source);
}

static const char *error_text(const get_source_t *source, int error)
{
    char text[120];
    return apr_pstrdup(source->pool, apr_strerror(error, text, sizeof(text)));
}

/* What is never begun was refused, whatever words the foreign side has for it. */
static void break_off(get_source_t *source, const char *reason)
{
    fail(source, source->received_bytes > 0 ? GET_BROKEN : GET_REFUSED, reason);
}

/* ---- receiving ---- */

static int knows_size(const get_source_t *source)
{
    return source->config.size_bytes != GET_SIZE_UNKNOWN;
}

/* All that there is, but the last byte of a size that is not proven. */
static size_t takeable_bytes(const get_source_t *source)
{
    size_t held = source->end - source->begin;
    return source->state == STATE_CHECKING && held > 0 ? held - 1 : held;
}

static void wait_for_bytes(get_source_t *source)
{
    event_add(source->readable, NULL);
    get_timer_start(source->timer, source->config.idle_timeout_us);
}

static void acknowledge(get_source_t *source)
{
    if (source->config.speaks_dcc &&
        get_acks_send(&source->acks, source->fd, source->received_bytes)) {
        event_add(source->writable, NULL);
    }
}

static void check(get_source_t *source)
{
    source->state = STATE_CHECKING;
    event_add(source->readable, NULL);
    get_timer_start(source->timer, GRACE_US);
}

static void take_in(get_source_t *source, size_t count)
{
    event_del(source->readable);
    event_del(source->timer);
    source->received_bytes += (apr_int64_t)count;
    if (knows_size(source) && source->received_bytes > source->config.size_bytes) {
        fail(source, GET_TOO_LONG,
             apr_psprintf(source->pool, "%" APR_INT64_T_FMT " announced",
                          source->config.size_bytes));
        return;
    }
    source->end += count;
    acknowledge(source);
    if (source->received_bytes == source->config.size_bytes) {
        check(source);
    }
}

/* A reset after the last byte is how some close that have not read all acknowledgements. */
static void see_end(get_source_t *source, int error)
{
    if (source->state == STATE_CHECKING || (!error && !knows_size(source))) {
        finish(source);
    } else {
        break_off(source, error ? error_text(source, error) : "connection closed");
    }
}

/* Reads what is there into the buffer: never more than one byte beyond the size. */
static void receive(get_source_t *source)
{
    size_t room = BUFFER_BYTES;
    if (source->state == STATE_RECEIVING) {
        source->begin = source->end = 0;
    }
    if (knows_size(source)) {
        apr_int64_t wanted = source->config.size_bytes - source->received_bytes + 1;
        room = wanted < BUFFER_BYTES ? (size_t)wanted : BUFFER_BYTES;
    }
    ssize_t count = recv(source->fd, source->buffer + source->end, room, MSG_DONTWAIT);
    if (count > 0) {
        take_in(source, (size_t)count);
    } else if (count == 0) {
        see_end(source, 0);
    } else if (errno != EAGAIN && errno != EINTR) {
        see_end(source, errno);
    }
}

static int has_news(const get_source_t *source)
{
    return source->state >= STATE_ENDED || takeable_bytes(source) > 0;
}

static void on_readable(evutil_socket_t fd, short what, void *data)
{
    get_source_t *source = data;
    (void)fd;
    (void)what;
    receive(source);
    if (has_news(source)) {
        tell_news(source);
    } else {
        event_add(source->readable, NULL);
    }
}

/* ---- connecting ---- */

static void try_address(get_source_t *source);

static void try_next_address(get_source_t *source, get_outcome_t outcome, const char *reason)
{
    close_connection(source);
    source->address = source->address->next;
    if (source->address) {
        try_address(source);
    } else {
        fail(source, outcome, reason);
    }
}

static void on_connected(get_source_t *source)
{
    const int on = 1;
    int error = 0;
    socklen_t length = sizeof(error);
    getsockopt(source->fd, SOL_SOCKET, SO_ERROR, &error, &length);
    if (error) {
        try_next_address(source, error == ETIMEDOUT ? GET_SILENT : GET_REFUSED,
                         error_text(source, error));
        return;
    }
    /* An acknowledgement that waits for the next one stops peers that wait for it. */
    setsockopt(source->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (source->config.size_bytes == 0) {
        check(source);
    } else {
        source->state = STATE_RECEIVING;
        wait_for_bytes(source);
    }
}

static void on_writable(evutil_socket_t fd, short what, void *data)
{
    get_source_t *source = data;
    (void)fd;
    (void)what;
    if (source->state == STATE_CONNECTING) {
        on_connected(source);
    } else {
        acknowledge(source);
    }
}

static void try_address(get_source_t *source)
{
    const struct sockaddr *address = (const struct sockaddr *)&source->address->sa;
    source->fd = socket(source->address->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (source->fd < 0) {
        fail(source, GET_FAILED, error_text(source, errno));
        return;
    }
    source->readable = event_new(source->base, source->fd, EV_READ, on_readable, source);
    source->writable = event_new(source->base, source->fd, EV_WRITE, on_writable, source);
    if (connect(source->fd, address, source->address->salen) != 0 && errno != EINPROGRESS) {
        try_next_address(source, GET_REFUSED, error_text(source, errno));
        return;
    }
    event_add(source->writable, NULL);
    get_timer_start(source->timer, source->config.connect_timeout_us);
}

static void on_timer(evutil_socket_t fd, short what, void *data)
{
    get_source_t *source = data;
    (void)fd;
    (void)what;
    if (source->state == STATE_CONNECTING) {
        try_next_address(source, GET_SILENT, "no connection in time");
    } else if (source->state == STATE_CHECKING) {
        finish(source);
    } else {
        fail(source, source->received_bytes > 0 ? GET_BROKEN : GET_SILENT, "silent for too long");
    }
}

/* ---- for the other side ---- */

static void on_wake(evutil_socket_t fd, short what, void *data)
{
    get_source_t *source = data;
    (void)fd;
    (void)what;
    source->news(source->baton);
}

static apr_status_t destroy(void *data)
{
    get_source_t *source = data;
    close_connection(source);
    event_free(source->timer);
    event_free(source->wake);
    return APR_SUCCESS;
}

get_source_t *get_source_create(const get_source_config_t *config, struct event_base *base,
                                get_source_news_fn *news, void *baton, apr_pool_t *pool)
{
    get_source_t *source = apr_pcalloc(pool, sizeof(*source));
    source->pool = pool;
    source->config = *config;
    source->base = base;
    source->news = news;
    source->baton = baton;
    source->fd = -1;
    source->address = config->addresses;
    source->timer = evtimer_new(base, on_timer, source);
    source->wake = event_new(base, -1, 0, on_wake, source);
    source->outcome = GET_UNDECIDED;
    source->reason = "";
    apr_pool_cleanup_register(pool, source, destroy, apr_pool_cleanup_null);
    return source;
}

void get_source_start(get_source_t *source)
{
    source->state = STATE_CONNECTING;
    if (source->address) {
        try_address(source);
    } else {
        fail(source, GET_REFUSED, "nobody is there");
    }
}

ssize_t get_source_read(get_source_t *source, char *buffer, size_t size)
{
    if (source->state == STATE_RECEIVING && source->begin == source->end) {
        receive(source);
    }
    size_t count = takeable_bytes(source);
    count = count < size ? count : size;
    if (count > 0) {
        memcpy(buffer, source->buffer + source->begin, count);
        source->begin += count;
        return (ssize_t)count;
    }
    if (source->state == STATE_ENDED) {
        return GET_SOURCE_END;
    }
    if (source->state == STATE_FAILED) {
        return GET_SOURCE_FAILED;
    }
    if (source->state == STATE_RECEIVING) {
        wait_for_bytes(source);
    }
    return GET_SOURCE_NOTHING_YET;
}

get_outcome_t get_source_outcome(const get_source_t *source)
{
    return source->outcome;
}

const char *get_source_reason(const get_source_t *source)
{
    return source->reason;
}

apr_int64_t get_source_received_bytes(const get_source_t *source)
{
    return source->received_bytes;
}
