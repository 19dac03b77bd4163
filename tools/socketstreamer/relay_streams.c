#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "jf_units.h"
#include "relay_memory.h"
#include "relay_private.h"

/* More pipes than this are not worth their pages; then bytes are copied. */
#define PIPES_MAX 512

/* How exactly time limits are kept. */
static const struct timeval tick_time = {0, 250 * 1000};
static const struct timeval at_once = {0, 0};

apr_time_t relay_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return apr_time_from_sec(now.tv_sec) + now.tv_nsec / 1000;
}

/* ---- by hash ---- */

static int compare_hashes(const void *a, const void *b)
{
    const relay_stream_t *left = a;
    const relay_stream_t *right = b;
    return memcmp(left->hash, right->hash, RELAY_HASH_BYTES);
}

relay_stream_t *relay_streams_find(const relay_streams_t *streams, const unsigned char *hash)
{
    relay_stream_t wanted = {.number = 0};
    memcpy(wanted.hash, hash, RELAY_HASH_BYTES);
    relay_stream_t **found = tfind(&wanted, &streams->by_hash, compare_hashes);
    return found ? *found : NULL;
}

relay_stream_t *relay_streams_add(relay_streams_t *streams, const unsigned char *hash)
{
    relay_counts_t *counts = &streams->counts;
    if (counts->waiting + counts->active >= streams->limits.streams) {
        return NULL;
    }
    relay_stream_t *stream = relay_memory_get(sizeof(*stream));
    memcpy(stream->hash, hash, RELAY_HASH_BYTES);
    if (!tsearch(stream, &streams->by_hash, compare_hashes)) {
        abort();
    }
    counts->waiting++;
    return stream;
}

void relay_streams_remove(relay_streams_t *streams, relay_stream_t *stream)
{
    tdelete(stream, &streams->by_hash, compare_hashes);
    free(stream);
}

/* ---- turns ---- */

void relay_streams_queue(relay_streams_t *streams, relay_peer_t *peer)
{
    if (peer->is_queued) {
        return;
    }
    peer->is_queued = 1;
    streams->queued++;
    TAILQ_INSERT_TAIL(&streams->queue, peer, queue_link);
    if (!event_pending(streams->queue_event, EV_TIMEOUT, NULL)) {
        event_add(streams->queue_event, &at_once);
    }
}

void relay_streams_unqueue(relay_streams_t *streams, relay_peer_t *peer)
{
    if (peer->is_queued) {
        peer->is_queued = 0;
        streams->queued--;
        TAILQ_REMOVE(&streams->queue, peer, queue_link);
    }
}

static relay_peer_t *take_from_queue(relay_streams_t *streams)
{
    relay_peer_t *peer = TAILQ_FIRST(&streams->queue);
    relay_streams_unqueue(streams, peer);
    return peer;
}

/* As many as are queued now; who queues again comes after the sockets that became ready
 * meanwhile. */
static void run_queue(evutil_socket_t fd, short what, void *data)
{
    relay_streams_t *streams = data;
    (void)fd;
    (void)what;
    for (int left = streams->queued; left > 0 && streams->queued > 0; left--) {
        relay_peer_run(take_from_queue(streams));
    }
}

/* ---- time ---- */

static int is_over(apr_time_t since_us, apr_interval_time_t limit_us, apr_time_t now_us)
{
    return limit_us != JF_NEVER && now_us - since_us >= limit_us;
}

static void end_patience(relay_streams_t *streams, apr_time_t now_us)
{
    while (!TAILQ_EMPTY(&streams->patience)) {
        relay_peer_t *peer = TAILQ_FIRST(&streams->patience);
        if (!is_over(peer->connected_us, streams->limits.activation_us, now_us)) {
            return;
        }
        streams->counts.refused[RELAY_REFUSED_UNACTIVATED]++;
        relay_peer_leave(peer, RELAY_TOO_LATE);
    }
}

static void end_idle(relay_streams_t *streams, apr_time_t now_us)
{
    while (!TAILQ_EMPTY(&streams->idle)) {
        relay_stream_t *stream = TAILQ_FIRST(&streams->idle);
        if (!is_over(stream->moved_us, streams->limits.idle_us, now_us)) {
            return;
        }
        relay_stream_end(streams, stream, RELAY_IDLE, 0);
    }
}

static void end_old(relay_streams_t *streams, apr_time_t now_us)
{
    while (!TAILQ_EMPTY(&streams->age)) {
        relay_stream_t *stream = TAILQ_FIRST(&streams->age);
        if (!is_over(stream->begun_us, streams->limits.total_us, now_us)) {
            return;
        }
        relay_stream_end(streams, stream, RELAY_TOTAL_TIME, 0);
    }
}

static void on_tick(evutil_socket_t fd, short what, void *data)
{
    relay_streams_t *streams = data;
    apr_time_t now_us = relay_now_us();
    (void)fd;
    (void)what;
    relay_users_tell_time(streams->users, apr_time_now());
    end_patience(streams, now_us);
    end_idle(streams, now_us);
    end_old(streams, now_us);
    if (streams->counts.connections == 0) {
        event_del(streams->tick);
    }
}

void relay_streams_mind_time(relay_streams_t *streams)
{
    if (!event_pending(streams->tick, EV_TIMEOUT, NULL)) {
        event_add(streams->tick, &tick_time);
    }
}

/* ---- beginning and ending ---- */

relay_streams_t *relay_streams_create(struct event_base *base, const relay_limits_t *limits,
                                      const relay_observer_t *observer)
{
    relay_streams_t *streams = relay_memory_get(sizeof(*streams));
    streams->base = base;
    streams->limits = *limits;
    streams->observer = *observer;
    streams->pipes = relay_pipes_create(PIPES_MAX);
    streams->users = relay_users_create();
    TAILQ_INIT(&streams->patience);
    TAILQ_INIT(&streams->idle);
    TAILQ_INIT(&streams->age);
    TAILQ_INIT(&streams->queue);
    streams->queue_event = evtimer_new(base, run_queue, streams);
    streams->tick = event_new(base, -1, EV_PERSIST, on_tick, streams);
    if (!streams->queue_event || !streams->tick) {
        abort();
    }
    return streams;
}

apr_int64_t relay_streams_descriptors(apr_int64_t streams)
{
    apr_int64_t pipes = 2 * streams < PIPES_MAX ? 2 * streams : PIPES_MAX;
    return 2 * streams + 2 * pipes;
}

static void ignore_report(void *baton, const relay_report_t *report)
{
    (void)baton;
    (void)report;
}

static void ignore_loss(void *baton, const unsigned char *hash, relay_loss_t loss)
{
    (void)baton;
    (void)hash;
    (void)loss;
}

static void ignore_drained(void *baton)
{
    (void)baton;
}

void relay_streams_destroy(relay_streams_t *streams)
{
    streams->observer =
        (relay_observer_t){.ended = ignore_report, .lost = ignore_loss, .drained = ignore_drained};
    relay_streams_drain(streams);
    relay_streams_end_all(streams);
    event_free(streams->tick);
    event_free(streams->queue_event);
    relay_users_destroy(streams->users);
    relay_pipes_destroy(streams->pipes);
    free(streams);
}

void relay_streams_set_limits(relay_streams_t *streams, const relay_limits_t *limits)
{
    int is_new_pace = limits->rate_bytes_per_s != streams->limits.rate_bytes_per_s;
    const relay_stream_t *stream;
    streams->limits = *limits;
    if (is_new_pace) {
        for (stream = TAILQ_FIRST(&streams->age); stream; stream = TAILQ_NEXT(stream, age_link)) {
            relay_stream_pace(streams, stream);
        }
    }
}

void relay_streams_tell_if_drained(relay_streams_t *streams)
{
    if (streams->is_draining && streams->counts.active == 0) {
        streams->observer.drained(streams->observer.baton);
    }
}

void relay_streams_drain(relay_streams_t *streams)
{
    streams->is_draining = 1;
    while (!TAILQ_EMPTY(&streams->patience)) {
        relay_peer_leave(TAILQ_FIRST(&streams->patience), RELAY_SHUT);
    }
    relay_streams_tell_if_drained(streams);
}

void relay_streams_end_all(relay_streams_t *streams)
{
    while (!TAILQ_EMPTY(&streams->age)) {
        relay_stream_end(streams, TAILQ_FIRST(&streams->age), RELAY_DRAINED, 0);
    }
}

const relay_counts_t *relay_streams_counts(const relay_streams_t *streams)
{
    return &streams->counts;
}

/* ---- activation ---- */

/** 1 if both are still there; those who have left meanwhile are gone then. */
static int are_both_there(relay_stream_t *stream)
{
    relay_peer_t *requester = stream->peers[RELAY_REQUESTER];
    if (!requester) {
        return 0;
    }
    if (!relay_peer_drop_arrived(requester)) {
        relay_peer_leave(requester, RELAY_LEFT);
        return 0;
    }
    relay_peer_t *target = stream->peers[RELAY_TARGET];
    if (!relay_peer_drop_arrived(target)) {
        relay_peer_leave(target, RELAY_LEFT);
        return 0;
    }
    return 1;
}

relay_activation_t relay_streams_activate(relay_streams_t *streams, const unsigned char *hash,
                                          const char *const *jids, const char *user_jid)
{
    const relay_limits_t *limits = &streams->limits;
    relay_stream_t *stream = relay_streams_find(streams, hash);
    if (!stream) {
        return RELAY_UNKNOWN;
    }
    if (stream->number > 0) {
        return RELAY_IS_ACTIVE;
    }
    if (!are_both_there(stream)) {
        return RELAY_ONE_PARTY;
    }
    relay_users_tell_time(streams->users, apr_time_now());
    relay_user_t *user = relay_users_get(streams->users, user_jid);
    relay_activation_t result = RELAY_ACTIVATED;
    if (user->streams >= limits->streams_per_jid) {
        streams->counts.refused[RELAY_REFUSED_PER_JID]++;
        result = RELAY_OVER_STREAMS;
    } else if (limits->day_bytes != JF_UNLIMITED && user->day_bytes >= limits->day_bytes) {
        streams->counts.refused[RELAY_REFUSED_DAY_BYTES]++;
        result = RELAY_OVER_DAY_BYTES;
    } else {
        relay_stream_begin(streams, stream, jids, user);
    }
    relay_users_forget(streams->users, user);
    return result;
}
