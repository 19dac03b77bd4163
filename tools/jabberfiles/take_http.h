/**
 * One file by one PUT: a web server that has one path, which nobody can guess, and takes one
 * upload of exactly the announced size on it. By libmicrohttpd, without a thread of its own: it
 * works within take_http_turn. Knows nothing of XMPP.
 *
 * Whatever else is asked is refused: another path 404, another method 405, another size 400 or 413,
 * a second upload 409. Heads and the number of connections are bounded, and who is silent
 * is dropped.
 */
#ifndef TAKE_HTTP_H
#define TAKE_HTTP_H

#include <sys/socket.h>

#include "serve_address.h"

typedef struct take_http_t take_http_t;

typedef enum {
    TAKE_WAITING,  /**< nobody has come yet */
    TAKE_COMING,   /**< the upload is going on */
    TAKE_COMPLETE, /**< all bytes are there */
    TAKE_FAILED,   /**< there will be no other upload; see take_http_error */
} take_state_t;

/** Where the bytes go. An error ends the upload. */
typedef struct take_sink_t {
    jf_err_t *(*write)(void *baton, const char *data, size_t size);
    void *baton;
} take_sink_t;

/** A connection on which nothing comes for so long is closed. */
#define TAKE_SILENCE_S 30

/**
 * Begins to listen; ends with @a pool at the latest.
 * @return JF_ERR_INVALID as serve_address_listen; JF_ERR_IO
 */
jf_err_t *take_http_open(take_http_t **take, const serve_place_t *place, apr_int64_t size_bytes,
                         const take_sink_t *sink, apr_pool_t *pool);

/** Where the upload is to go; the path alone if nobody is listened to. */
const char *take_http_url(const take_http_t *take);

/** Handles what has come, and waits for it if nothing has, at most so long. */
void take_http_turn(take_http_t *take, apr_interval_time_t timeout_us);

take_state_t take_http_state(const take_http_t *take);

/** So many bytes have come. */
apr_int64_t take_http_bytes(const take_http_t *take);

/** Why it has failed: the sink's error, or JF_ERR_UNAVAILABLE for a connection that broke and
 * JF_ERR_INVALID for a body of another size. NULL if it has not. */
jf_err_t *take_http_error(const take_http_t *take);

/** Takes a connection as if it had been accepted, and closes it later. @return 0 if it cannot. */
int take_http_adopt(take_http_t *take, int fd, const struct sockaddr *from, socklen_t length);

/** Ends all connections and the listening. */
void take_http_close(take_http_t *take);

#endif
