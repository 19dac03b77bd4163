/**
 * A SOCKS5 bytestream (XEP-0065): the connection to a streamhost, and the bytes on it.
 *
 * Everything that waits here keeps client->idle going, and ends when the user interrupts.
 */
#ifndef BYTESTREAM_H
#define BYTESTREAM_H

#include "bytestream_socks.h"
#include "bytestream_stanza.h"
#include "progress.h"
#include "source_file.h"
#include "take_http.h"

typedef struct bytestream_t bytestream_t;

/** Why there is no use in going on, a sentence; NULL if there is. Asked several times a second. */
typedef const char *(bytestream_end_t)(void *baton);

/** What is to be connected to. */
typedef struct bytestream_call_t {
    client_t *client;
    const bytestream_host_t *host;
    const char *hash;            /**< of the stream, BYTESTREAM_HASH_CHARS digits */
    int is_trusted;              /**< our own server's, or the user allows it: http_guard.h is not
                                    asked about its address */
    apr_interval_time_t most_us; /**< for all of it */
} bytestream_call_t;

/**
 * Connects to a host and asks it for the stream.
 * @param stream ends with @a pool at the latest.
 * @return JF_ERR_FORBIDDEN for an address or port that is not to be connected to;
 * JF_ERR_UNAVAILABLE; client_interrupted
 */
jf_err_t *bytestream_open(bytestream_t **stream, const bytestream_call_t *call, apr_pool_t *pool);

/** From now on waiting ends when @a find_end says so, and at @a deadline_us. */
void bytestream_limit(bytestream_t *stream, bytestream_end_t *find_end, void *baton,
                      apr_time_t deadline_us);

/** 1 if bytes have moved within the last seconds. */
int bytestream_is_moving(const bytestream_t *stream);

/**
 * Sends all of a file, and waits until the other side has closed the stream, which is all that it
 * can say about it.
 * @return what is wrong with the file; JF_ERR_UNAVAILABLE if the stream broke, stands still, or
 * find_end says so; JF_ERR_TOO_LARGE at the deadline; client_interrupted
 */
jf_err_t *bytestream_send_file(bytestream_t *stream, source_file_t *source, progress_t *progress);

/**
 * Receives so many bytes and not one more.
 * @return as bytestream_send_file; the sink's error; JF_ERR_INVALID if there are more
 */
jf_err_t *bytestream_receive(bytestream_t *stream, apr_int64_t size_bytes, const take_sink_t *sink,
                             progress_t *progress);

void bytestream_close(bytestream_t *stream);

#endif
