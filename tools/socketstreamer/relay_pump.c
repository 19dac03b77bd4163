#include "relay_pump.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "jf_units.h"
#include "relay_memory.h"

/* Taken at once. */
#define PIECE_BYTES (1024 * 1024)
#define COPY_BYTES (64 * 1024)

/** What came of trying to move some bytes. */
typedef enum { MOVED, BLOCKED, ENDED, FORBIDDEN, BROKEN } outcome_t;

static apr_int64_t held_bytes(const relay_pump_t *pump)
{
    return pump->taken_bytes - pump->given_bytes;
}

/** After a call that moved nothing: 1 if it would have had to wait, and then @a is_ready is 0. */
static int would_block(int *is_ready)
{
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
        *is_ready = 0;
        return 1;
    }
    return 0;
}

/* ---- to the sink ---- */

static ssize_t give_some(const relay_pump_t *pump, const relay_end_t *sink)
{
    apr_size_t count = (apr_size_t)held_bytes(pump);
    return pump->rest ? send(sink->fd, pump->rest + pump->rest_at, count, MSG_NOSIGNAL)
                      : splice(pump->pipe->read_fd, NULL, sink->fd, NULL, count,
                               SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
}

static outcome_t give(relay_pump_t *pump, relay_end_t *sink)
{
    while (held_bytes(pump) > 0) {
        if (!sink->is_writable) {
            return BLOCKED;
        }
        ssize_t count = give_some(pump, sink);
        if (count > 0) {
            pump->given_bytes += count;
            pump->rest_at += pump->rest ? (apr_size_t)count : 0;
        } else if (errno != EINTR) {
            return would_block(&sink->is_writable) ? BLOCKED : BROKEN;
        }
    }
    free(pump->rest);
    pump->rest = NULL;
    return MOVED;
}

/* ---- from the source ---- */

/** What a call that takes bytes has returned. */
static outcome_t outcome_of(ssize_t count, relay_pump_t *pump, relay_end_t *source)
{
    if (count > 0) {
        return MOVED;
    }
    if (count == 0) {
        pump->has_source_ended = 1;
        return ENDED;
    }
    return would_block(&source->is_readable) ? BLOCKED : BROKEN;
}

/** Takes bytes into the process; what the sink does not take at once is kept. */
static outcome_t take_copy(relay_pump_t *pump, relay_end_t *source, relay_end_t *sink,
                           apr_size_t most_bytes)
{
    static unsigned char buffer[COPY_BYTES];
    ssize_t count;
    do {
        count = recv(source->fd, buffer, most_bytes < COPY_BYTES ? most_bytes : COPY_BYTES, 0);
    } while (count < 0 && errno == EINTR);
    if (count <= 0) {
        return outcome_of(count, pump, source);
    }
    ssize_t given = send(sink->fd, buffer, (apr_size_t)count, MSG_NOSIGNAL);
    apr_size_t done = given > 0 ? (apr_size_t)given : 0;
    pump->taken_bytes += count;
    pump->given_bytes += (apr_int64_t)done;
    if (held_bytes(pump) > 0) {
        /* Why it did not take the rest is found out when that is given. */
        pump->rest = relay_memory_get((apr_size_t)held_bytes(pump));
        pump->rest_at = 0;
        memcpy(pump->rest, buffer + done, (apr_size_t)held_bytes(pump));
    }
    return MOVED;
}

static outcome_t take_spliced(relay_pump_t *pump, relay_end_t *source, apr_size_t most_bytes)
{
    ssize_t count;
    do {
        count = splice(source->fd, NULL, pump->pipe->write_fd, NULL,
                       most_bytes < PIECE_BYTES ? most_bytes : PIECE_BYTES,
                       SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    } while (count < 0 && errno == EINTR);
    if (count < 0 && errno == EINVAL) {
        pump->must_copy = 1;
        return MOVED;
    }
    pump->taken_bytes += count > 0 ? count : 0;
    return outcome_of(count, pump, source);
}

/** Tells what comes next from a source that nothing more may be taken from. */
static outcome_t look(relay_pump_t *pump, relay_end_t *source)
{
    char byte;
    ssize_t count;
    do {
        count = recv(source->fd, &byte, 1, MSG_PEEK);
    } while (count < 0 && errno == EINTR);
    return count > 0 ? FORBIDDEN : outcome_of(count, pump, source);
}

static outcome_t take(relay_pump_t *pump, relay_end_t *source, relay_end_t *sink,
                      relay_pipes_t *pipes, apr_int64_t most_bytes)
{
    if (!source->is_readable) {
        return BLOCKED;
    }
    if (most_bytes <= 0) {
        return look(pump, source);
    }
    if (!pump->pipe && !pump->must_copy) {
        pump->pipe = relay_pipes_take(pipes);
    }
    return pump->pipe && !pump->must_copy ? take_spliced(pump, source, (apr_size_t)most_bytes)
                                          : take_copy(pump, source, sink, (apr_size_t)most_bytes);
}

/* ---- both ---- */

static relay_pump_result_t pass_end_on(relay_pump_t *pump, const relay_end_t *sink)
{
    if (shutdown(sink->fd, SHUT_WR) != 0) {
        return RELAY_PUMP_SINK_BROKEN;
    }
    pump->is_over = 1;
    return RELAY_PUMP_OVER;
}

static relay_pump_result_t run(relay_pump_t *pump, relay_end_t *source, relay_end_t *sink,
                               relay_pipes_t *pipes, apr_int64_t turn_bytes,
                               apr_int64_t allowed_bytes)
{
    apr_int64_t before_bytes = pump->taken_bytes;
    for (;;) {
        outcome_t outcome = give(pump, sink);
        if (outcome != MOVED) {
            return outcome == BLOCKED ? RELAY_PUMP_WAITS : RELAY_PUMP_SINK_BROKEN;
        }
        if (pump->has_source_ended) {
            return pass_end_on(pump, sink);
        }
        apr_int64_t count_bytes = pump->taken_bytes - before_bytes;
        if (count_bytes >= turn_bytes) {
            return RELAY_PUMP_MORE;
        }
        outcome = take(pump, source, sink, pipes,
                       allowed_bytes == JF_UNLIMITED ? PIECE_BYTES : allowed_bytes - count_bytes);
        switch (outcome) {
        case BLOCKED:
            return RELAY_PUMP_WAITS;
        case FORBIDDEN:
            return RELAY_PUMP_SPENT;
        case BROKEN:
            return RELAY_PUMP_SOURCE_BROKEN;
        case MOVED:
        case ENDED:
            break;
        }
    }
}

/** A pipe belongs to a direction only as long as bytes are in it. */
static void leave_pipe(relay_pump_t *pump, relay_pipes_t *pipes, int is_empty)
{
    if (pump->pipe) {
        relay_pipes_give_back(pipes, pump->pipe, is_empty);
        pump->pipe = NULL;
    }
}

relay_pump_result_t relay_pump_run(relay_pump_t *pump, relay_end_t *source, relay_end_t *sink,
                                   relay_pipes_t *pipes, apr_int64_t turn_bytes,
                                   apr_int64_t allowed_bytes)
{
    if (pump->is_over) {
        return RELAY_PUMP_OVER;
    }
    relay_pump_result_t result = run(pump, source, sink, pipes, turn_bytes, allowed_bytes);
    if (held_bytes(pump) == 0) {
        int cause = errno;
        leave_pipe(pump, pipes, 1);
        errno = cause;
    }
    return result;
}

void relay_pump_end(relay_pump_t *pump, relay_pipes_t *pipes)
{
    leave_pipe(pump, pipes, 0);
    free(pump->rest);
    pump->rest = NULL;
}
