/* From a streamhost's name to a stream. */

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <apr_network_io.h>
#include <apr_strings.h>

#include "bytestream_private.h"
#include "http_guard.h"

/* That of SOCKS; what else lives at this port of a public address does not mind. */
#define SOCKS_PORT 1080
/* More addresses of one host are not tried. */
#define ADDRESSES_MAX 4

typedef struct opening_t {
    const bytestream_call_t *call;
    apr_time_t until_us;
    apr_pool_t *pool;
} opening_t;

static jf_err_t *fail(const opening_t *opening, const char *what)
{
    const bytestream_host_t *host = opening->call->host;
    return jf_err_make(JF_ERR_UNAVAILABLE, APR_SUCCESS, opening->pool, "the relay at %s port %d %s",
                       host->host, host->port, what);
}

/* ---- SOCKS ---- */

/* Greeting and request are shorter than any socket's buffer. */
static jf_err_t *say(const opening_t *opening, const bytestream_t *stream,
                     const unsigned char *bytes, size_t length)
{
    return send(stream->fd, bytes, length, MSG_NOSIGNAL) == (ssize_t)length
               ? NULL
               : fail(opening, "has hung up");
}

static jf_err_t *hear(bytestream_socks_step_t *step, const opening_t *opening, bytestream_t *stream,
                      bytestream_socks_t *socks)
{
    unsigned char bytes[BYTESTREAM_PIECE_BYTES_MAX];
    int is_ready = 0;
    *step = BYTESTREAM_SOCKS_MORE;
    while (*step == BYTESTREAM_SOCKS_MORE) {
        JF_TRY(bytestream_wait(&is_ready, stream, POLLIN, opening->until_us));
        if (!is_ready) {
            return fail(opening, "does not answer");
        }
        ssize_t length = recv(stream->fd, bytes, bytestream_socks_wants(socks), MSG_DONTWAIT);
        if (length < 0 && (errno == EAGAIN || errno == EINTR)) {
            continue;
        }
        if (length <= 0) {
            return fail(opening, "has hung up");
        }
        *step = bytestream_socks_take(socks, bytes, (size_t)length);
    }
    return *step == BYTESTREAM_SOCKS_REFUSED ? fail(opening, bytestream_socks_words(socks)) : NULL;
}

static jf_err_t *ask_for_stream(const opening_t *opening, bytestream_t *stream)
{
    unsigned char greeting[BYTESTREAM_GREETING_BYTES];
    unsigned char request[BYTESTREAM_REQUEST_BYTES];
    bytestream_socks_t socks;
    bytestream_socks_step_t step = BYTESTREAM_SOCKS_MORE;
    bytestream_socks_begin(&socks, greeting);
    bytestream_socks_request(request, opening->call->hash);
    JF_TRY(say(opening, stream, greeting, sizeof(greeting)));
    JF_TRY(hear(&step, opening, stream, &socks));
    JF_TRY(say(opening, stream, request, sizeof(request)));
    return hear(&step, opening, stream, &socks);
}

/* ---- TCP ---- */

static apr_status_t close_stream(void *baton)
{
    bytestream_t *stream = baton;
    if (stream->fd >= 0) {
        close(stream->fd);
    }
    stream->fd = -1;
    return APR_SUCCESS;
}

static bytestream_t *make_stream(const opening_t *opening, int family)
{
    bytestream_t *stream = apr_pcalloc(opening->pool, sizeof(*stream));
    stream->fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    stream->client = opening->call->client;
    stream->pool = opening->pool;
    apr_pool_cleanup_register(opening->pool, stream, close_stream, apr_pool_cleanup_null);
    return stream;
}

static jf_err_t *connect_to(const opening_t *opening, bytestream_t *stream,
                            const apr_sockaddr_t *address)
{
    const struct sockaddr *name = (const struct sockaddr *)&address->sa;
    int is_ready = 0;
    int error = 0;
    socklen_t length = sizeof(error);
    if (stream->fd < 0 || (connect(stream->fd, name, address->salen) && errno != EINPROGRESS)) {
        return fail(opening, "cannot be reached");
    }
    JF_TRY(bytestream_wait(&is_ready, stream, POLLOUT, opening->until_us));
    if (!is_ready || getsockopt(stream->fd, SOL_SOCKET, SO_ERROR, &error, &length) || error) {
        return fail(opening, "cannot be reached");
    }
    return ask_for_stream(opening, stream);
}

/* What the sender names must not become a way into networks that he cannot reach himself. */
static int is_allowed(const bytestream_call_t *call, const apr_sockaddr_t *address)
{
    return call->is_trusted ||
           (http_guard_allows_address((const struct sockaddr *)&address->sa) &&
            (call->host->port == SOCKS_PORT || http_guard_allows_port(call->host->port)));
}

static jf_err_t *try_address(bytestream_t **stream, const opening_t *opening,
                             const apr_sockaddr_t *address)
{
    if (!is_allowed(opening->call, address)) {
        return jf_err_make(JF_ERR_FORBIDDEN, APR_SUCCESS, opening->pool,
                           "the relay at %s port %d is at an address that nobody but you may name; "
                           "--allow-private allows it",
                           opening->call->host->host, opening->call->host->port);
    }
    bytestream_t *made = make_stream(opening, address->family);
    jf_err_t *err = connect_to(opening, made, address);
    if (err) {
        bytestream_close(made);
        return err;
    }
    *stream = made;
    return NULL;
}

static int count_addresses(const apr_sockaddr_t *address)
{
    int count = 0;
    for (; address && count < ADDRESSES_MAX; address = address->next) {
        count++;
    }
    return count;
}

jf_err_t *bytestream_open(bytestream_t **stream, const bytestream_call_t *call, apr_pool_t *pool)
{
    opening_t opening = {.call = call, .pool = pool};
    apr_sockaddr_t *address = NULL;
    *stream = NULL;
    apr_status_t status = apr_sockaddr_info_get(&address, call->host->host, APR_UNSPEC,
                                                (apr_port_t)call->host->port, 0, pool);
    if (status != APR_SUCCESS || !address) {
        return fail(&opening, "has no address");
    }
    jf_err_t *err = NULL;
    int count = count_addresses(address);
    for (int i = 0; i < count; i++, address = address->next) {
        /* One that swallows everything must leave time for the next. */
        opening.until_us = apr_time_now() + call->most_us / count;
        err = try_address(stream, &opening, address);
        if (!err || client_is_interrupted()) {
            break;
        }
    }
    return err;
}

void bytestream_close(bytestream_t *stream)
{
    apr_pool_cleanup_run(stream->pool, stream, close_stream);
}
