#include "mod_jabberfiles_wire.h"

#include <stdlib.h>
#include <unistd.h>

#include <apr_portable.h>

#include "jf_socket.h"
#include "jf_units.h"

/* A full record of TLS 1.3, and what it is on the wire. */
#define RECORD_BYTES 16384
#define RECORD_WIRE_BYTES 16406

int jfm_is_content(const request_rec *r)
{
    return (r->status == HTTP_OK || r->status == HTTP_PARTIAL_CONTENT) && !r->header_only;
}

/* ---- beginning ---- */

jf_err_t *jfm_download_begin(jfm_download_t **download_out, jf_traffic_t *traffic,
                             const jf_transfer_request_t *request, apr_int64_t rate_bytes_per_s,
                             apr_time_t now_us, apr_pool_t *pool)
{
    jfm_download_t *download = calloc(1, sizeof(*download));
    if (!download) {
        return jf_err_make(JF_ERR_IO, APR_ENOMEM, pool, "no memory for a download");
    }
    download->rate_bytes_per_s = rate_bytes_per_s;
    download->file_fd = -1;
    jf_err_t *err = jf_transfer_begin(&download->transfer, traffic, request, now_us, pool);
    if (err) {
        free(download);
        return err;
    }
    *download_out = download;
    return NULL;
}

void jfm_download_announce(jfm_download_t *download, const request_rec *r)
{
    apr_int64_t content_bytes = jfm_is_content(r) ? r->clength : 0;
    if (content_bytes >= 0) {
        jf_transfer_expect(&download->transfer, content_bytes);
    }
}

/* A stream of HTTP/2 has no socket of its own. But its connection reads the file as it sends it,
 * so the offset of the open file tells how far it has got. */
static void follow_file(jfm_download_t *download, const apr_bucket *file, const apr_bucket *last)
{
    apr_os_file_t fd;
    const apr_bucket_file *data = file->data;
    if (apr_os_file_get(&fd, data->fd) == APR_SUCCESS) {
        download->file_fd = jf_socket_share(fd);
        download->file_start = file->start;
        download->file_end = last->start + (apr_int64_t)last->length;
    }
}

void jfm_download_watch(jfm_download_t *download, request_rec *r, const apr_bucket *file,
                        const apr_bucket *last, apr_int64_t header_bytes)
{
    jf_socket_progress_t progress;
    download->content_bytes = r->clength;
    download->header_bytes = header_bytes;
    if (!jfm_wire_lock()) {
        return;
    }
    jfm_wire_add(download, r->connection);
    if (download->wire && jf_socket_progress(&progress, download->wire->fd)) {
        download->begin_bytes = progress.written_bytes;
    }
    if (download->wire && r->connection->master) {
        follow_file(download, file, last);
    }
    if (download->wire && !r->connection->master && download->rate_bytes_per_s != JF_UNLIMITED) {
        jfm_feed_start(download->wire->feed);
    }
    jfm_wire_unlock();
}

/* ---- where it is ---- */

static apr_int64_t within(const jfm_download_t *download, apr_int64_t bytes)
{
    apr_int64_t most_bytes = download->content_bytes;
    return bytes < 0 ? 0 : bytes > most_bytes ? most_bytes : bytes;
}

static apr_int64_t content_of(const jfm_download_t *download, apr_int64_t wire_bytes)
{
    if (download->wire->is_tls) {
        wire_bytes = wire_bytes / RECORD_WIRE_BYTES * RECORD_BYTES + wire_bytes % RECORD_WIRE_BYTES;
    }
    return within(download, wire_bytes - download->header_bytes);
}

apr_int64_t jfm_download_position(const jfm_download_t *download)
{
    jf_socket_progress_t progress;
    if (download->file_fd >= 0) {
        apr_int64_t offset = lseek(download->file_fd, 0, SEEK_CUR);
        /* The last of several ranges may lie anywhere; where it ends, the answer does. */
        return offset == download->file_end ? download->content_bytes
                                            : within(download, offset - download->file_start);
    }
    if (!jf_socket_progress(&progress, download->wire->fd)) {
        return download->transfer.done_bytes;
    }
    return content_of(download, progress.sent_bytes - download->begin_bytes);
}

int jfm_download_is_drained(const jfm_download_t *download)
{
    jf_socket_progress_t progress;
    return download->is_draining && (!jf_socket_progress(&progress, download->wire->fd) ||
                                     progress.sent_bytes >= download->end_bytes);
}

/* ---- ending ---- */

/* Of streams nobody knows which of them has lost how much. */
void jfm_download_lose(jfm_download_t *download, apr_time_t now_us)
{
    jf_socket_progress_t progress;
    if (download->is_draining && download->file_fd < 0 &&
        jf_socket_progress(&progress, download->wire->fd) &&
        progress.sent_bytes < download->end_bytes) {
        apr_int64_t lost_bytes = download->end_bytes - progress.sent_bytes;
        jf_transfer_progress(&download->transfer,
                             within(download, download->content_bytes - lost_bytes), now_us);
    }
}

void jfm_download_free(jfm_download_t *download)
{
    jf_transfer_end(&download->transfer);
    if (download->file_fd >= 0) {
        close(download->file_fd);
    }
    free(download);
}

/* What the kernel still had when the whole connection broke belonged to some of its streams; it is
 * taken off the first that ends. How much httpd still had nobody tells, but no stream has sent more
 * than the connection has since it began. */
static apr_int64_t write_off(const jfm_download_t *download, apr_int64_t bytes)
{
    jf_socket_progress_t progress;
    jfm_wire_t *wire = download->wire;
    if (!jf_socket_progress(&progress, wire->fd)) {
        return bytes;
    }
    if (!wire->is_written_off) {
        wire->is_written_off = 1;
        bytes = within(download, bytes - (progress.written_bytes - progress.sent_bytes));
    }
    apr_int64_t most_bytes = content_of(download, progress.sent_bytes - download->begin_bytes);
    return bytes < most_bytes ? bytes : most_bytes;
}

/* The file's offset stays where it is when the stream is not sent from the file itself. */
static apr_int64_t sent_by_stream(const jfm_download_t *download, const request_rec *r)
{
    const conn_rec *c = r->connection;
    apr_int64_t sent_bytes = jfm_download_position(download);
    if (sent_bytes == 0 && !c->aborted) {
        sent_bytes = r->bytes_sent;
    }
    return c->master->aborted ? write_off(download, sent_bytes) : sent_bytes;
}

static void settle(jfm_download_t *download, apr_int64_t sent_bytes)
{
    jf_transfer_settle(&download->transfer, sent_bytes, 1, apr_time_now());
}

/* All of it was given to the kernel. Until the rest has left it has its share of the rate. */
static void drain(jfm_download_t *download)
{
    jf_socket_progress_t progress;
    if (jf_socket_progress(&progress, download->wire->fd) &&
        progress.sent_bytes < progress.written_bytes) {
        download->end_bytes = progress.written_bytes;
        download->is_draining = 1;
    } else {
        jfm_wire_remove(download);
    }
}

/* httpd drops what it has not written to a client that takes too long, too. */
static int is_all_written(const jfm_download_t *download, const request_rec *r)
{
    jf_socket_progress_t progress;
    return !jf_socket_progress(&progress, download->wire->fd) ||
           progress.written_bytes - download->begin_bytes >= r->bytes_sent;
}

static void end_watched(jfm_download_t *download, const request_rec *r)
{
    if (r->connection->master) {
        settle(download, sent_by_stream(download, r));
        drain(download);
    } else if (r->connection->aborted || !is_all_written(download, r)) {
        settle(download, jfm_download_position(download));
        jfm_wire_remove(download);
    } else {
        download->content_bytes = r->bytes_sent;
        settle(download, download->content_bytes);
        drain(download);
    }
}

void jfm_download_end(jfm_download_t *download, request_rec *r)
{
    if (!jfm_wire_lock()) {
        return;
    }
    if (download->wire) {
        end_watched(download, r);
    } else {
        int is_content = jfm_is_content(r);
        int is_sent = is_content && !r->connection->aborted;
        jf_transfer_settle(&download->transfer, is_sent ? r->bytes_sent : 0, is_content,
                           apr_time_now());
        jfm_download_free(download);
    }
    jfm_wire_unlock();
}
