#include <stdlib.h>

#include "jf_socket.h"
#include "jf_units.h"
#include "relay_memory.h"
#include "relay_private.h"

/* As much in each direction, then others have their turn. */
#define TURN_BYTES (1024 * 1024)

static int other_side(int side)
{
    return side == RELAY_TARGET ? RELAY_REQUESTER : RELAY_TARGET;
}

void relay_stream_pace(const relay_streams_t *streams, const relay_stream_t *stream)
{
    for (int side = 0; side < RELAY_SIDES; side++) {
        jf_socket_pace(stream->peers[side]->end.fd, streams->limits.rate_bytes_per_s);
    }
}

void relay_stream_begin(relay_streams_t *streams, relay_stream_t *stream, const char *const *jids,
                        relay_user_t *user)
{
    stream->number = ++streams->last_number;
    stream->user = user;
    stream->begun_us = relay_now_us();
    stream->moved_us = stream->begun_us;
    stream->closer = -1;
    user->streams++;
    streams->counts.waiting--;
    streams->counts.active++;
    TAILQ_INSERT_TAIL(&streams->idle, stream, idle_link);
    TAILQ_INSERT_TAIL(&streams->age, stream, age_link);
    for (int side = 0; side < RELAY_SIDES; side++) {
        relay_peer_t *peer = stream->peers[side];
        stream->jids[side] = relay_memory_copy(jids[side]);
        TAILQ_REMOVE(&streams->patience, peer, patience_link);
        peer->end.is_readable = 1;
        peer->end.is_writable = 1;
    }
    if (streams->limits.rate_bytes_per_s != JF_UNLIMITED) {
        relay_stream_pace(streams, stream);
    }
    relay_streams_queue(streams, stream->peers[RELAY_REQUESTER]);
}

/* ---- the end ---- */

static void report(const relay_streams_t *streams, const relay_stream_t *stream,
                   relay_cause_t cause, int side)
{
    relay_report_t told = {
        .number = stream->number,
        .duration_us = relay_now_us() - stream->begun_us,
        .cause = cause,
        .side = side,
    };
    for (int i = 0; i < RELAY_SIDES; i++) {
        told.jids[i] = stream->jids[i];
        told.bytes_to[i] = stream->peers[other_side(i)]->pump.given_bytes;
    }
    streams->observer.ended(streams->observer.baton, &told);
}

void relay_stream_end(relay_streams_t *streams, relay_stream_t *stream, relay_cause_t cause,
                      int side)
{
    relay_user_t *user = stream->user;
    report(streams, stream, cause, side);
    streams->counts.ended[cause]++;
    streams->counts.active--;
    TAILQ_REMOVE(&streams->idle, stream, idle_link);
    TAILQ_REMOVE(&streams->age, stream, age_link);
    for (int i = 0; i < RELAY_SIDES; i++) {
        /* A break is passed on as a break: half a file must not look like a whole one. */
        relay_peer_close(stream->peers[i], cause == RELAY_BROKEN);
        stream->peers[i] = NULL;
        free(stream->jids[i]);
    }
    relay_streams_remove(streams, stream);
    user->streams--;
    relay_users_forget(streams->users, user);
    relay_streams_tell_if_drained(streams);
}

/* ---- relaying ---- */

static apr_int64_t taken_bytes(const relay_stream_t *stream)
{
    return stream->peers[RELAY_TARGET]->pump.taken_bytes +
           stream->peers[RELAY_REQUESTER]->pump.taken_bytes;
}

/** What is left of a limit. */
static apr_int64_t rest_of(apr_int64_t limit_bytes, apr_int64_t used_bytes)
{
    return limit_bytes > used_bytes ? limit_bytes - used_bytes : 0;
}

/** How many more bytes may be taken. @param cause set to which limit says so. */
static apr_int64_t allowance(const relay_streams_t *streams, const relay_stream_t *stream,
                             relay_cause_t *cause)
{
    const relay_limits_t *limits = &streams->limits;
    apr_int64_t stream_bytes = JF_UNLIMITED;
    apr_int64_t day_bytes = JF_UNLIMITED;
    if (limits->stream_bytes != JF_UNLIMITED) {
        stream_bytes = rest_of(limits->stream_bytes, taken_bytes(stream));
    }
    if (limits->day_bytes != JF_UNLIMITED) {
        day_bytes = rest_of(limits->day_bytes, stream->user->day_bytes);
    }
    int is_day_less =
        day_bytes != JF_UNLIMITED && (stream_bytes == JF_UNLIMITED || day_bytes < stream_bytes);
    *cause = is_day_less ? RELAY_DAY_BYTES : RELAY_STREAM_BYTES;
    return is_day_less ? day_bytes : stream_bytes;
}

/** Runs one direction. @return 0 if the stream has ended. */
static int run_direction(relay_streams_t *streams, relay_stream_t *stream, int side)
{
    relay_cause_t limit_cause;
    relay_peer_t *source = stream->peers[side];
    relay_peer_t *sink = stream->peers[other_side(side)];
    relay_pump_t *pump = &source->pump;
    apr_int64_t allowed_bytes = allowance(streams, stream, &limit_cause);
    apr_int64_t taken_before = pump->taken_bytes;
    apr_int64_t given_before = pump->given_bytes;
    relay_pump_result_t result =
        relay_pump_run(pump, &source->end, &sink->end, streams->pipes, TURN_BYTES, allowed_bytes);
    stream->user->day_bytes += pump->taken_bytes - taken_before;
    streams->counts.bytes += pump->given_bytes - given_before;
    if (pump->has_source_ended && stream->closer < 0) {
        stream->closer = side;
    }
    switch (result) {
    case RELAY_PUMP_MORE:
        relay_streams_queue(streams, source);
        return 1;
    case RELAY_PUMP_SPENT:
        relay_stream_end(streams, stream, limit_cause, side);
        return 0;
    case RELAY_PUMP_SOURCE_BROKEN:
        relay_stream_end(streams, stream, RELAY_BROKEN, side);
        return 0;
    case RELAY_PUMP_SINK_BROKEN:
        relay_stream_end(streams, stream, RELAY_BROKEN, other_side(side));
        return 0;
    case RELAY_PUMP_WAITS:
    case RELAY_PUMP_OVER:
        break;
    }
    return 1;
}

static apr_int64_t progress(const relay_stream_t *stream)
{
    return taken_bytes(stream) + stream->peers[RELAY_TARGET]->pump.given_bytes +
           stream->peers[RELAY_REQUESTER]->pump.given_bytes;
}

static void note_movement(relay_streams_t *streams, relay_stream_t *stream)
{
    stream->moved_us = relay_now_us();
    TAILQ_REMOVE(&streams->idle, stream, idle_link);
    TAILQ_INSERT_TAIL(&streams->idle, stream, idle_link);
}

void relay_stream_run(relay_streams_t *streams, relay_stream_t *stream)
{
    apr_int64_t before = progress(stream);
    for (int side = 0; side < RELAY_SIDES; side++) {
        if (!run_direction(streams, stream, side)) {
            return;
        }
    }
    if (stream->peers[RELAY_TARGET]->pump.is_over && stream->peers[RELAY_REQUESTER]->pump.is_over) {
        relay_stream_end(streams, stream, RELAY_FINISHED, stream->closer);
    } else if (progress(stream) != before) {
        note_movement(streams, stream);
    }
}
