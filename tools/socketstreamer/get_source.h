/**
 * The foreign side of a one-shot transfer: a TCP connection on which a file comes, as raw bytes or
 * with the acknowledgements of DCC SEND.
 *
 * It is not touched before get_source_start. Bytes are read when they are asked for, so at most one
 * buffer of them is here. A size that was announced is believed only when it has proven true: the
 * last byte is held back until the foreign side has closed, or for two seconds has sent nothing
 * beyond it.
 *
 * One thread, the one of the event loop.
 */
#ifndef GET_SOURCE_H
#define GET_SOURCE_H

#include <sys/types.h>

#include <apr_network_io.h>
#include <event2/event.h>

#include "get_outcome.h"

#define GET_SIZE_UNKNOWN (-1)

typedef struct get_source_config_t {
    apr_sockaddr_t *addresses; /**< tried one after the other; NULL: nobody is there */
    apr_int64_t size_bytes; /**< or GET_SIZE_UNKNOWN: then the end of the connection is the end */
    int speaks_dcc; /**< tell after each piece how much has come, four bytes in network order */
    apr_interval_time_t connect_timeout_us; /**< for each address; or JF_NEVER */
    apr_interval_time_t idle_timeout_us;    /**< while we wait for bytes; or JF_NEVER */
} get_source_config_t;

typedef struct get_source_t get_source_t;

/**
 * There may be news for one who got nothing: bytes, an end or a failure.
 * Called from the event loop, never from within a function of this header.
 */
typedef void get_source_news_fn(void *baton);

/** What get_source_read returns beside a number of bytes. */
enum {
    GET_SOURCE_NOTHING_YET = 0, /**< get_source_news_fn will be called */
    GET_SOURCE_END = -1,        /**< the file is whole */
    GET_SOURCE_FAILED = -2,     /**< see get_source_outcome */
};

/** Makes a source that does nothing. @param pool closes the connection when it goes. */
get_source_t *get_source_create(const get_source_config_t *config, struct event_base *base,
                                get_source_news_fn *news, void *baton, apr_pool_t *pool);

/** Connects. News will come: that there is something to read, or that there never will be. */
void get_source_start(get_source_t *source);

/** Takes up to @a size bytes. @return how many, or one of the above. */
ssize_t get_source_read(get_source_t *source, char *buffer, size_t size);

/** GET_UNDECIDED, unless it has failed. */
get_outcome_t get_source_outcome(const get_source_t *source);

/** Why it failed, for the log; "" if it has not. */
const char *get_source_reason(const get_source_t *source);

/** How many bytes have come. */
apr_int64_t get_source_received_bytes(const get_source_t *source);

#endif
