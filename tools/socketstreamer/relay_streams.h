/**
 * The streams: connections that name the same hash find each other, wait to be activated, and are
 * relayed until they end or a limit ends them (XEP-0065 section 6).
 *
 * This side knows nothing of XMPP: who may activate a stream is decided before
 * relay_streams_activate is called. It never connects to anybody. All functions are called from the
 * thread of the event loop, and nothing blocks.
 */
#ifndef RELAY_STREAMS_H
#define RELAY_STREAMS_H

#include <apr_time.h>
#include <event2/event.h>

#include "relay_socks5.h"

/** Sizes may be JF_UNLIMITED, durations JF_NEVER (jf_units.h). */
typedef struct relay_limits_t {
    apr_int64_t streams;               /**< waiting and active ones */
    apr_int64_t streams_per_jid;       /**< active ones of a requester */
    apr_int64_t stream_bytes;          /**< of one stream, both directions together */
    apr_int64_t day_bytes;             /**< of a requester and day (UTC), both directions */
    apr_int64_t rate_bytes_per_s;      /**< of one stream and direction */
    apr_interval_time_t activation_us; /**< from the connection to the activation */
    apr_interval_time_t idle_us;       /**< nothing moves */
    apr_interval_time_t total_us;      /**< from the activation */
} relay_limits_t;

/** Why a stream ended. */
typedef enum {
    RELAY_FINISHED, /**< both sides have closed */
    RELAY_BROKEN,   /**< one side was reset, or does not exist any more */
    RELAY_IDLE,
    RELAY_TOTAL_TIME,
    RELAY_STREAM_BYTES,
    RELAY_DAY_BYTES,
    RELAY_DRAINED, /**< the relay itself ended */
    RELAY_CAUSES
} relay_cause_t;

/** Why a connection was not taken, or a stream not made. */
typedef enum {
    RELAY_REFUSED_STREAMS,     /**< there are as many as may be */
    RELAY_REFUSED_PER_JID,     /**< the requester has as many as it may have */
    RELAY_REFUSED_DAY_BYTES,   /**< the requester has moved as much as it may today */
    RELAY_REFUSED_THIRD,       /**< two others have named the hash */
    RELAY_REFUSED_SOCKS,       /**< not the SOCKS5 that belongs here */
    RELAY_REFUSED_UNACTIVATED, /**< it took too long */
    RELAY_REFUSALS
} relay_refusal_t;

/** What came of an activation. */
typedef enum {
    RELAY_ACTIVATED,
    RELAY_UNKNOWN,       /**< nobody has named this hash */
    RELAY_ONE_PARTY,     /**< only one side is connected */
    RELAY_IS_ACTIVE,     /**< it was activated before */
    RELAY_OVER_STREAMS,  /**< the requester's streams */
    RELAY_OVER_DAY_BYTES /**< the requester's day */
} relay_activation_t;

/** The sides of a stream. The target is the one that connected first: the requester connects
 * when it has the target's answer. */
enum { RELAY_TARGET, RELAY_REQUESTER, RELAY_SIDES };

/** A stream that has ended; valid only while the observer is told. */
typedef struct relay_report_t {
    apr_uint64_t number; /**< counts from 1 */
    const char *jids[RELAY_SIDES];
    apr_int64_t bytes_to[RELAY_SIDES]; /**< that were passed on */
    apr_interval_time_t duration_us;   /**< since the activation */
    relay_cause_t cause;
    int side; /**< who closed first, or broke */
} relay_report_t;

/** Why a hash that was named came to nothing. */
typedef enum { RELAY_LEFT, RELAY_TOO_LATE, RELAY_SHUT } relay_loss_t;

/** Who wants to know; functions must not call back into this. */
typedef struct relay_observer_t {
    void *baton;
    void (*ended)(void *baton, const relay_report_t *report);
    /** @param hash RELAY_HASH_BYTES bytes. */
    void (*lost)(void *baton, const unsigned char *hash, relay_loss_t loss);
    /** The last stream has ended after relay_streams_drain. */
    void (*drained)(void *baton);
} relay_observer_t;

/** What there is and was. */
typedef struct relay_counts_t {
    int connections;   /**< open now */
    int unmatched;     /**< of these, those that have named no hash yet */
    int waiting;       /**< hashes that were named and not activated */
    int active;        /**< streams */
    apr_int64_t bytes; /**< passed on, since the start */
    apr_uint64_t ended[RELAY_CAUSES];
    apr_uint64_t refused[RELAY_REFUSALS];
} relay_counts_t;

typedef struct relay_streams_t relay_streams_t;

/** The time that durations are measured by: a clock that nobody sets, CLOCK_MONOTONIC. */
apr_time_t relay_now_us(void);

/** @param base outlives the streams. @param observer copied. */
relay_streams_t *relay_streams_create(struct event_base *base, const relay_limits_t *limits,
                                      const relay_observer_t *observer);

/** How many files so many streams may have open: connections, and pipes while bytes wait in them.
 */
apr_int64_t relay_streams_descriptors(apr_int64_t streams);

/** Closes everything without telling anybody. */
void relay_streams_destroy(relay_streams_t *streams);

/** From now on; those about time, bytes and pace also for streams that are active. */
void relay_streams_set_limits(relay_streams_t *streams, const relay_limits_t *limits);

/** Takes a connection that somebody made to us. @param fd non-blocking; owned from now on. */
void relay_streams_take(relay_streams_t *streams, int fd);

/**
 * Lets bytes flow between the two that have named a hash. What they sent before is dropped.
 * @param hash RELAY_HASH_BYTES bytes.
 * @param jids as they are to be reported; copied.
 * @param user the requester's bare prepared JID, whom the limits apply to; copied.
 */
relay_activation_t relay_streams_activate(relay_streams_t *streams, const unsigned char *hash,
                                          const char *const *jids, const char *user);

/** Ends what waits, now; tells the observer when the last active stream has ended, perhaps at
 * once. */
void relay_streams_drain(relay_streams_t *streams);

/** Ends all active streams with RELAY_DRAINED. */
void relay_streams_end_all(relay_streams_t *streams);

/** The counts; they change with the streams. */
const relay_counts_t *relay_streams_counts(const relay_streams_t *streams);

#endif
