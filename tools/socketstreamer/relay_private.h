/**
 * Shared by the files that make streams: relay_streams.c (who finds whom, limits, time),
 * relay_peer.c (one connection, until it is half of a stream), relay_stream.c (two of them).
 */
#ifndef RELAY_PRIVATE_H
#define RELAY_PRIVATE_H

#include <sys/queue.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#include "relay_pipes.h"
#include "relay_pump.h"
#include "relay_streams.h"
#include "relay_users.h"

typedef struct relay_stream_t relay_stream_t;

/** One connection. */
typedef struct relay_peer_t {
    struct event event; /**< edge-triggered: added once, never changed */
    TAILQ_ENTRY(relay_peer_t) queue_link;
    TAILQ_ENTRY(relay_peer_t) patience_link;
    relay_streams_t *streams;
    relay_stream_t *stream; /**< NULL until it has named its hash */
    relay_end_t end;
    relay_pump_t pump; /**< from here to the other side */
    relay_socks5_t socks5;
    apr_time_t connected_us;
    int is_queued;
} relay_peer_t;

/** A hash that was named, and who has named it. */
struct relay_stream_t {
    unsigned char hash[RELAY_HASH_BYTES];
    relay_peer_t *peers[RELAY_SIDES]; /**< while it waits, the second or both may be NULL */
    apr_uint64_t number;              /**< 0 until it is active; then all below counts */
    TAILQ_ENTRY(relay_stream_t) idle_link;
    TAILQ_ENTRY(relay_stream_t) age_link;
    relay_user_t *user;
    char *jids[RELAY_SIDES];
    apr_time_t begun_us;
    apr_time_t moved_us;
    int closer; /**< the side that closed first, or -1 */
};

TAILQ_HEAD(relay_peer_ring, relay_peer_t);
TAILQ_HEAD(relay_stream_ring, relay_stream_t);

struct relay_streams_t {
    struct event_base *base;
    relay_limits_t limits;
    relay_observer_t observer;
    relay_counts_t counts;
    relay_pipes_t *pipes;
    relay_users_t *users;
    void *by_hash; /**< tsearch(3), a balanced tree: strangers choose the hashes */
    apr_uint64_t last_number;
    int is_draining;
    /* Each in the order in which its time comes. */
    struct relay_peer_ring patience; /**< peers that are not relayed, by connected_us */
    struct relay_stream_ring idle;   /**< active streams, by moved_us */
    struct relay_stream_ring age;    /**< active streams, by begun_us */
    struct event *tick;
    /* Who has more to do but lets others have their turn. */
    struct relay_peer_ring queue;
    int queued;
    struct event *queue_event;
};

/* ---- relay_streams.c ---- */

/** Finds the stream that a hash names. @return NULL if there is none. */
relay_stream_t *relay_streams_find(const relay_streams_t *streams, const unsigned char *hash);
/** A stream that waits, with no peers. @return NULL if there are as many as may be. */
relay_stream_t *relay_streams_add(relay_streams_t *streams, const unsigned char *hash);
/** Frees what has no peers and no user any more. */
void relay_streams_remove(relay_streams_t *streams, relay_stream_t *stream);
/** Gives a peer another turn, after all others. */
void relay_streams_queue(relay_streams_t *streams, relay_peer_t *peer);
/** Takes a peer out of the queue, if it is there. */
void relay_streams_unqueue(relay_streams_t *streams, relay_peer_t *peer);
/** From now on until there is no connection, time limits are looked at. */
void relay_streams_mind_time(relay_streams_t *streams);
/** One active stream less. */
void relay_streams_tell_if_drained(relay_streams_t *streams);

/* ---- relay_peer.c ---- */

/** Takes what has come, or relays it; may end @a peer. */
void relay_peer_run(relay_peer_t *peer);
/** Drops what has arrived so far. @return 0 if the peer has closed or is broken. */
int relay_peer_drop_arrived(relay_peer_t *peer);
/** Closes a connection that is part of no stream any more. @param is_reset so that the other side
 * cannot take it for a proper end. */
void relay_peer_close(relay_peer_t *peer, int is_reset);
/** Takes a peer that is not relayed out of whatever it is in, and closes it. */
void relay_peer_leave(relay_peer_t *peer, relay_loss_t loss);

/* ---- relay_stream.c ---- */

/** Begins to relay. */
void relay_stream_begin(relay_streams_t *streams, relay_stream_t *stream, const char *const *jids,
                        relay_user_t *user);
/** Moves what can be moved; may end the stream. */
void relay_stream_run(relay_streams_t *streams, relay_stream_t *stream);
/** Ends an active stream. @param side who is the cause; of RELAY_FINISHED and RELAY_BROKEN. */
void relay_stream_end(relay_streams_t *streams, relay_stream_t *stream, relay_cause_t cause,
                      int side);
/** Sets the pace of both directions to the limit. */
void relay_stream_pace(const relay_streams_t *streams, const relay_stream_t *stream);

#endif
