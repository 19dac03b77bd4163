/* The bytes of a stream. */

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include <apr_strings.h>

#include "bytestream_private.h"
#include "jf_units.h"

/* Few calls for many bytes. */
#define PIECE_BYTES ((size_t)256 << 10)
/* A stream on which nothing moves for so long is dead. */
#define SILENCE_US apr_time_from_sec(60)
/* What comes beyond the announced end comes at once. */
#define SURPLUS_US (apr_time_from_sec(1) / 2)
/* The end of an empty file is shown by its sender alone: before that, perhaps nobody is there. */
#define EMPTY_US apr_time_from_sec(10)
/* Receivers that know the size close the stream when they have it all; the others when they see its
 * end, which they are shown after a while: to see it first would have some relays close both sides
 * at once, and nobody would learn when the receiver has done so. */
#define CLOSE_US apr_time_from_sec(3)
/* A slow disk there has to get all of it. */
#define RECEIPT_US apr_time_from_sec(120)

static jf_err_t *broken(const bytestream_t *stream, const char *what)
{
    return jf_err_make(JF_ERR_UNAVAILABLE, APR_SUCCESS, stream->pool, "%s", what);
}

static int is_to_wait(void)
{
    return errno == EAGAIN || errno == EINTR;
}

/* Until the socket is ready, but not for ever. */
static jf_err_t *wait_to_move(bytestream_t *stream, short events)
{
    int is_ready = 0;
    JF_TRY(bytestream_wait(&is_ready, stream, events, stream->moved_us + SILENCE_US));
    return is_ready ? NULL : broken(stream, "nothing has moved for a minute");
}

/* ---- to the other side ---- */

static jf_err_t *send_piece(bytestream_t *stream, const char *piece, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(stream->fd, piece, size, MSG_NOSIGNAL);
        if (sent < 0 && !is_to_wait()) {
            return broken(stream, "the other side has closed the stream before its end");
        }
        if (sent < 0) {
            JF_TRY(wait_to_move(stream, POLLOUT));
            continue;
        }
        piece += sent;
        size -= (size_t)sent;
        stream->moved_us = apr_time_now();
    }
    return bytestream_breathe(stream);
}

/* Whatever the receiver may say meanwhile is of no interest. */
static jf_err_t *wait_for_close(int *is_closed, bytestream_t *stream, apr_time_t until_us)
{
    char heard[512];
    int is_ready = 0;
    *is_closed = 0;
    while (!*is_closed && apr_time_now() < until_us) {
        JF_TRY(bytestream_wait(&is_ready, stream, POLLIN, until_us));
        ssize_t length = is_ready ? recv(stream->fd, heard, sizeof(heard), MSG_DONTWAIT) : 1;
        if (length < 0 && !is_to_wait()) {
            return broken(stream, "the stream broke before the other side had all of it");
        }
        *is_closed = length == 0;
        JF_TRY(bytestream_breathe(stream));
    }
    return NULL;
}

static jf_err_t *finish(bytestream_t *stream)
{
    int is_closed = 0;
    apr_time_t sent_us = apr_time_now();
    JF_TRY(wait_for_close(&is_closed, stream, sent_us + CLOSE_US));
    if (!is_closed) {
        shutdown(stream->fd, SHUT_WR);
        JF_TRY(wait_for_close(&is_closed, stream, sent_us + RECEIPT_US));
    }
    return is_closed ? NULL : broken(stream, "the other side has not taken the end of the stream");
}

jf_err_t *bytestream_send_file(bytestream_t *stream, source_file_t *source, progress_t *progress)
{
    char *piece = apr_palloc(stream->pool, PIECE_BYTES);
    apr_int64_t sent_bytes = 0;
    jf_err_t *err = NULL;
    apr_ssize_t length = 0;
    stream->moved_us = apr_time_now();
    JF_TRY(source_file_seek(source, 0, stream->pool));
    while ((length = source_file_read(source, piece, PIECE_BYTES, &err)) > 0) {
        JF_TRY(send_piece(stream, piece, (size_t)length));
        sent_bytes += length;
        progress_update(progress, sent_bytes);
    }
    if (err) {
        return err;
    }
    JF_TRY(source_file_check(source, stream->pool));
    return finish(stream);
}

/* ---- from the other side ---- */

static jf_err_t *check_end(bytestream_t *stream, apr_interval_time_t most_us)
{
    char more;
    int is_ready = 0;
    JF_TRY(bytestream_wait(&is_ready, stream, POLLIN, apr_time_now() + most_us));
    if (is_ready && recv(stream->fd, &more, sizeof(more), MSG_DONTWAIT) > 0) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, stream->pool,
                           "the sender has more bytes than were announced");
    }
    return NULL;
}

static jf_err_t *broke_after(const bytestream_t *stream, apr_int64_t done_bytes,
                             apr_int64_t size_bytes)
{
    return jf_err_make(JF_ERR_UNAVAILABLE, APR_SUCCESS, stream->pool,
                       "the stream ended after %s of %s",
                       jf_units_format_bytes(done_bytes, stream->pool),
                       jf_units_format_bytes(size_bytes, stream->pool));
}

jf_err_t *bytestream_receive(bytestream_t *stream, apr_int64_t size_bytes, const take_sink_t *sink,
                             progress_t *progress)
{
    char *piece = apr_palloc(stream->pool, PIECE_BYTES);
    apr_int64_t done_bytes = 0;
    stream->moved_us = apr_time_now();
    while (done_bytes < size_bytes) {
        apr_int64_t left_bytes = size_bytes - done_bytes;
        size_t most_bytes =
            left_bytes < (apr_int64_t)PIECE_BYTES ? (size_t)left_bytes : PIECE_BYTES;
        ssize_t length = recv(stream->fd, piece, most_bytes, MSG_DONTWAIT);
        if (length == 0 || (length < 0 && !is_to_wait())) {
            return broke_after(stream, done_bytes, size_bytes);
        }
        if (length < 0) {
            JF_TRY(wait_to_move(stream, POLLIN));
            continue;
        }
        stream->moved_us = apr_time_now();
        JF_TRY(sink->write(sink->baton, piece, (size_t)length));
        done_bytes += length;
        progress_update(progress, done_bytes);
        JF_TRY(bytestream_breathe(stream));
    }
    return check_end(stream, size_bytes > 0 ? SURPLUS_US : EMPTY_US);
}
