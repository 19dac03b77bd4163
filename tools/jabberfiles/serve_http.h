/**
 * A tiny HTTP server for one file and one receiver, on libmicrohttpd: the only user of it beside
 * take_*.c. Knows nothing of XMPP.
 *
 * There is one path, which nobody can guess; it answers GET and HEAD, with ranges. Whoever asks for
 * it first is the receiver: requests for it from other addresses are refused. The file is read
 * from the disk as it is sent, and an answer is broken off if it changes. Everything happens in
 * serve_http_run, in the thread that calls it; what clients can make us hold is bounded.
 */
#ifndef SERVE_HTTP_H
#define SERVE_HTTP_H

#include <sys/socket.h>

#include "serve_address.h"
#include "source_file.h"

typedef struct serve_http_t serve_http_t;

/** Connections in all, and from one address: beyond these they are closed at once. */
#define SERVE_CONNECTIONS_MAX 64
#define SERVE_CONNECTIONS_OF_ONE_MAX 4
/** A connection on which nothing moves for so long is closed. */
#define SERVE_SILENCE_S 60

/**
 * Begins to listen. Everything ends with serve_http_close or @a pool.
 * @param source a file whose size and digest are known; must live as long.
 * @return JF_ERR_INVALID as serve_address_listen; JF_ERR_IO
 */
jf_err_t *serve_http_open(serve_http_t **server, const serve_place_t *place,
                          const source_file_t *source, apr_pool_t *pool);

/** The link to the file; its path alone if the server does not listen. */
const char *serve_http_url(const serve_http_t *server);

/** Serves for so long, or until a signal comes. @return JF_ERR_IO if the file has changed or cannot
 * be read: then nobody gets it any more */
jf_err_t *serve_http_run(serve_http_t *server, apr_interval_time_t duration_us);

/** How many bytes of the content were given out, repeated ones counted again. */
apr_int64_t serve_http_sent_bytes(const serve_http_t *server);

/** How far in the file the content was given out. */
apr_int64_t serve_http_reached_bytes(const serve_http_t *server);

/** Takes a connection as if it had been accepted, and closes it later. @return 0 if it cannot. */
int serve_http_adopt(serve_http_t *server, int fd, const struct sockaddr *from, socklen_t length);

/** Ends all connections, whatever flows, and listens no longer. */
void serve_http_close(serve_http_t *server);

#endif
