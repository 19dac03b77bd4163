/**
 * One direction of a stream: takes bytes from one socket and gives them to another.
 *
 * They go through a pipe with splice(2) and never come into the process. Where that cannot be
 * done, because the kernel has no way for this kind of socket or no pipe is to be had, they are
 * copied. What was taken and not given yet is bounded either way, and nothing more is taken before
 * it is gone: so the kernel's flow control holds the sender back. For one thread.
 */
#ifndef RELAY_PUMP_H
#define RELAY_PUMP_H

#include <apr.h>

#include "relay_pipes.h"

/** A socket, non-blocking, and what is known of it: by edge-triggered events, and by trying. */
typedef struct relay_end_t {
    int fd;
    int is_readable; /**< bytes or an end may be there */
    int is_writable; /**< there may be room */
} relay_end_t;

/** Starts as zeroes. */
typedef struct relay_pump_t {
    relay_pipe_t *pipe;      /**< NULL while nothing is in it */
    unsigned char *rest;     /**< copied bytes that the sink did not take yet, from malloc(3) */
    apr_size_t rest_at;      /**< where they begin */
    apr_int64_t taken_bytes; /**< from the source, since the beginning */
    apr_int64_t given_bytes; /**< of these to the sink */
    int must_copy;
    int has_source_ended; /**< the source has sent its last byte */
    int is_over;          /**< and the sink was told */
} relay_pump_t;

/** What came of a turn. */
typedef enum {
    RELAY_PUMP_WAITS,         /**< nothing can be done until one of the sockets is ready */
    RELAY_PUMP_MORE,          /**< there may be more to do, but others shall have their turn */
    RELAY_PUMP_OVER,          /**< the last byte and the end were passed on */
    RELAY_PUMP_SPENT,         /**< the source has more than is allowed; all that is was given */
    RELAY_PUMP_SOURCE_BROKEN, /**< and errno says why */
    RELAY_PUMP_SINK_BROKEN,
} relay_pump_result_t;

/**
 * Moves what can be moved.
 * @param turn_bytes about as much in this turn.
 * @param allowed_bytes no more than that from the source, or JF_UNLIMITED (jf_units.h).
 */
relay_pump_result_t relay_pump_run(relay_pump_t *pump, relay_end_t *source, relay_end_t *sink,
                                   relay_pipes_t *pipes, apr_int64_t turn_bytes,
                                   apr_int64_t allowed_bytes);

/** Drops what was not given. */
void relay_pump_end(relay_pump_t *pump, relay_pipes_t *pipes);

#endif
