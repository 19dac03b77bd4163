/**
 * Shared by the files that follow downloads over their connections: _meter, _download, _wire.
 *
 * Everything here is guarded by one lock of the process. It lies in memory of its own, not in
 * pools: the watchdog's thread looks at it, and a download outlives its request while the kernel
 * still has its last bytes.
 */
#ifndef MOD_JABBERFILES_WIRE_H
#define MOD_JABBERFILES_WIRE_H

#include <sys/queue.h>

#include "mod_jabberfiles_private.h"

/** mod_jabberfiles_feed.c: a connection with TLS, written to without a thread that waits. */
typedef struct jfm_feed_t jfm_feed_t;
/** NULL if it cannot be done, or need not. For pre_connection, after mod_ssl. */
jfm_feed_t *jfm_feed_create(conn_rec *c);
/** The answer that comes now is fed; @a feed may be NULL. */
void jfm_feed_start(jfm_feed_t *feed);

/** A connection: the client's own, which the streams of HTTP/2 share. */
typedef struct jfm_wire_t {
    int fd;                         /**< our own of the socket; -1 until a download needs it */
    apr_int64_t paced_bytes_per_s;  /**< as the kernel was told, or JF_UNLIMITED */
    apr_int64_t wanted_bytes_per_s; /**< the same while shares are added up */
    int is_tls;
    jfm_feed_t *feed;   /**< or NULL */
    int is_written_off; /**< what never left the kernel was taken off a stream already */
} jfm_wire_t;

typedef struct jfm_download_t {
    TAILQ_ENTRY(jfm_download_t) link;
    jf_transfer_t transfer;
    apr_int64_t rate_bytes_per_s; /**< of the whole area, or JF_UNLIMITED */
    jfm_wire_t *wire;             /**< NULL until content flows */
    apr_int64_t content_bytes;
    apr_int64_t begin_bytes; /**< what was written on the wire before the header and the content */
    apr_int64_t header_bytes;
    apr_int64_t end_bytes; /**< what is written on the wire with all of the content */
    int is_draining;       /**< the request is over, the kernel still has some of it */
    int file_fd;           /**< of a stream: shares its offset with who reads the file; or -1 */
    apr_int64_t file_start;
    apr_int64_t file_end; /**< of the last range */
} jfm_download_t;

/* ---- mod_jabberfiles_download.c: one download ---- */

/** Begins one. @return as jf_transfer_begin */
jf_err_t *jfm_download_begin(jfm_download_t **download, jf_traffic_t *traffic,
                             const jf_transfer_request_t *request, apr_int64_t rate_bytes_per_s,
                             apr_time_t now_us, apr_pool_t *pool);

/** The header is about to go out, and says how much content follows: nothing more is promised, as
 * soon as the client can know of it and ask for something else. */
void jfm_download_announce(jfm_download_t *download, const request_rec *r);

/** Content begins to flow, out of @a file after so many bytes of header; @a last is its last range.
 */
void jfm_download_watch(jfm_download_t *download, request_rec *r, const apr_bucket *file,
                        const apr_bucket *last, apr_int64_t header_bytes);

/** The request is over; @a download may live on until its last byte has left. */
void jfm_download_end(jfm_download_t *download, request_rec *r);

/** 1 if the answer to @a r is a file or a part of one. */
int jfm_is_content(const request_rec *r);

/** For the owner of the lock: how much of the content has left so far. */
apr_int64_t jfm_download_position(const jfm_download_t *download);
/** The connection has ended: what the kernel still had of the content has not been sent. */
void jfm_download_lose(jfm_download_t *download, apr_time_t now_us);
/** 1 if it was draining and has nothing more to send. */
int jfm_download_is_drained(const jfm_download_t *download);
/** Ends and frees it. */
void jfm_download_free(jfm_download_t *download);

/* ---- mod_jabberfiles_wire.c: all of this process ---- */

/** 0 if the process is about to end: then nothing is touched any more, and there is no lock. */
int jfm_wire_lock(void);
void jfm_wire_unlock(void);

/** For the owner of the lock: @a download goes over @a c from now on, and shares are adapted;
 * unless its wire stays NULL, because its connection cannot be followed. */
void jfm_wire_add(jfm_download_t *download, conn_rec *c);
/** It does not any more; ends and frees it. */
void jfm_wire_remove(jfm_download_t *download);

#endif
