#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "relay_memory.h"
#include "relay_private.h"

/* A greeting and a request fit in. */
#define READ_BYTES 512
/* As much is dropped at once. */
#define DROP_BYTES (16 * 1024 * 1024)

/* ---- the end ---- */

void relay_peer_close(relay_peer_t *peer, int is_reset)
{
    relay_streams_t *streams = peer->streams;
    const struct linger reset = {.l_onoff = 1};
    event_del(&peer->event);
    relay_streams_unqueue(streams, peer);
    relay_pump_end(&peer->pump, streams->pipes);
    if (is_reset) {
        setsockopt(peer->end.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    }
    close(peer->end.fd);
    streams->counts.connections--;
    streams->counts.unmatched -= !peer->stream;
    free(peer);
}

void relay_peer_leave(relay_peer_t *peer, relay_loss_t loss)
{
    relay_streams_t *streams = peer->streams;
    relay_stream_t *stream = peer->stream;
    TAILQ_REMOVE(&streams->patience, peer, patience_link);
    if (stream) {
        int side = stream->peers[RELAY_TARGET] == peer ? RELAY_TARGET : RELAY_REQUESTER;
        stream->peers[side] = NULL;
        if (side == RELAY_TARGET) {
            stream->peers[RELAY_TARGET] = stream->peers[RELAY_REQUESTER];
            stream->peers[RELAY_REQUESTER] = NULL;
        }
    }
    relay_peer_close(peer, 0);
    if (stream && !stream->peers[RELAY_TARGET]) {
        streams->observer.lost(streams->observer.baton, stream->hash, loss);
        streams->counts.waiting--;
        relay_streams_remove(streams, stream);
    }
}

static void refuse(relay_peer_t *peer, relay_refusal_t refusal)
{
    peer->streams->counts.refused[refusal]++;
    relay_peer_leave(peer, RELAY_LEFT);
}

/* ---- SOCKS5 ---- */

/** @return 0 if the answer could not be sent: a new connection has room for it, or is broken. */
static int answer(const relay_peer_t *peer, relay_socks5_step_t step, int code)
{
    unsigned char bytes[RELAY_SOCKS5_ANSWER_BYTES_MAX];
    size_t length = relay_socks5_answer(bytes, &peer->socks5, step, code);
    return send(peer->end.fd, bytes, length, MSG_NOSIGNAL) == (ssize_t)length;
}

static void take_place(relay_peer_t *peer, relay_stream_t *stream, int side)
{
    stream->peers[side] = peer;
    peer->stream = stream;
    peer->streams->counts.unmatched--;
    if (!answer(peer, RELAY_SOCKS5_REQUEST, RELAY_SOCKS5_GRANTED)) {
        relay_peer_leave(peer, RELAY_LEFT);
    }
}

/** The whole request is there. */
static void find_partner(relay_peer_t *peer)
{
    relay_streams_t *streams = peer->streams;
    unsigned char hash[RELAY_HASH_BYTES];
    relay_socks5_hash(hash, &peer->socks5);
    relay_stream_t *stream = relay_streams_find(streams, hash);
    if (stream && stream->peers[RELAY_REQUESTER]) {
        answer(peer, RELAY_SOCKS5_REQUEST, RELAY_SOCKS5_NOT_ALLOWED);
        refuse(peer, RELAY_REFUSED_THIRD);
        return;
    }
    int side = stream ? RELAY_REQUESTER : RELAY_TARGET;
    stream = stream ? stream : relay_streams_add(streams, hash);
    if (!stream) {
        answer(peer, RELAY_SOCKS5_REQUEST, RELAY_SOCKS5_FAILURE);
        refuse(peer, RELAY_REFUSED_STREAMS);
        return;
    }
    take_place(peer, stream, side);
}

/** Goes through what was read. What comes behind the request was sent too early and is dropped.
 * @return 0 if there is no need to read on. */
static int negotiate(relay_peer_t *peer, const unsigned char *bytes, size_t length)
{
    while (length > 0) {
        size_t taken;
        relay_socks5_step_t step = relay_socks5_feed(&peer->socks5, &taken, bytes, length);
        bytes += taken;
        length -= taken;
        switch (step) {
        case RELAY_SOCKS5_MORE:
            break;
        case RELAY_SOCKS5_METHOD:
            if (!answer(peer, step, 0)) {
                relay_peer_leave(peer, RELAY_LEFT);
                return 0;
            }
            break;
        case RELAY_SOCKS5_REFUSED:
            answer(peer, step, 0);
            refuse(peer, RELAY_REFUSED_SOCKS);
            return 0;
        case RELAY_SOCKS5_REQUEST:
            relay_streams_queue(peer->streams, peer);
            find_partner(peer);
            return 0;
        }
    }
    return 1;
}

static void greet(relay_peer_t *peer)
{
    for (;;) {
        unsigned char bytes[READ_BYTES];
        ssize_t count = recv(peer->end.fd, bytes, sizeof(bytes), 0);
        if (count > 0) {
            if (!negotiate(peer, bytes, (size_t)count)) {
                return;
            }
        } else if (count == 0 || (errno != EAGAIN && errno != EINTR)) {
            relay_peer_leave(peer, RELAY_LEFT);
            return;
        } else if (errno == EAGAIN) {
            return;
        }
    }
}

/* ---- waiting for the activation ---- */

/** @return as recv(2). */
static ssize_t drop(const relay_peer_t *peer, size_t most_bytes)
{
    ssize_t count;
    do {
        count = recv(peer->end.fd, NULL, most_bytes, MSG_TRUNC);
    } while (count < 0 && errno == EINTR);
    return count;
}

int relay_peer_drop_arrived(relay_peer_t *peer)
{
    int arrived = 0;
    if (ioctl(peer->end.fd, FIONREAD, &arrived) != 0) {
        return 0;
    }
    if (arrived > 0 && drop(peer, (size_t)arrived) <= 0) {
        return 0;
    }
    char byte;
    ssize_t count = recv(peer->end.fd, &byte, 1, MSG_PEEK);
    return count > 0 || (count < 0 && (errno == EAGAIN || errno == EINTR));
}

/* Nobody waits for it to become quiet: whoever goes on sending has a turn as others have. */
static void drop_early_bytes(relay_peer_t *peer)
{
    ssize_t count = drop(peer, DROP_BYTES);
    if (count > 0) {
        relay_streams_queue(peer->streams, peer);
    } else if (count == 0 || errno != EAGAIN) {
        relay_peer_leave(peer, RELAY_LEFT);
    }
}

/* ---- all ---- */

void relay_peer_run(relay_peer_t *peer)
{
    if (!peer->stream) {
        greet(peer);
    } else if (peer->stream->number == 0) {
        drop_early_bytes(peer);
    } else {
        relay_stream_run(peer->streams, peer->stream);
    }
}

static void on_ready(evutil_socket_t fd, short what, void *data)
{
    relay_peer_t *peer = data;
    (void)fd;
    peer->end.is_readable |= (what & EV_READ) != 0;
    peer->end.is_writable |= (what & EV_WRITE) != 0;
    relay_peer_run(peer);
}

void relay_streams_take(relay_streams_t *streams, int fd)
{
    /* Two for each stream, so that whoever has named a hash can be found by the second one. */
    if (streams->counts.connections >= 2 * streams->limits.streams || streams->is_draining) {
        streams->counts.refused[RELAY_REFUSED_STREAMS]++;
        close(fd);
        return;
    }
    relay_peer_t *peer = relay_memory_get(sizeof(*peer));
    peer->streams = streams;
    peer->end.fd = fd;
    peer->connected_us = relay_now_us();
    streams->counts.connections++;
    streams->counts.unmatched++;
    relay_streams_mind_time(streams);
    TAILQ_INSERT_TAIL(&streams->patience, peer, patience_link);
    if (event_assign(&peer->event, streams->base, fd, EV_READ | EV_WRITE | EV_ET | EV_PERSIST,
                     on_ready, peer) != 0 ||
        event_add(&peer->event, NULL) != 0) {
        relay_peer_leave(peer, RELAY_LEFT);
    }
}
