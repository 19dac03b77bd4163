/**
 * Shared by the files that receive content: _receive asks for it, _meter_upload counts it and slows
 * it down, and for a large body _body is the filter that takes it from the connection's socket in
 * large pieces, and _pipe the bucket.
 */
#ifndef MOD_JABBERFILES_BODY_H
#define MOD_JABBERFILES_BODY_H

#include "mod_jabberfiles_private.h"

/* ---- mod_jabberfiles_body.c: a filter between the socket and everything else ---- */

/** What a connection has for large bodies; lives as long as the connection. */
typedef struct jfm_body_t jfm_body_t;

/** Registers the filter; in a hook of the configuration. */
void jfm_register_body(void);

/**
 * From now on, large pieces of the content of @a r come from the socket directly, some of them as
 * pipe buckets. To be called before the first read.
 * @param length_bytes or JF_LENGTH_UNKNOWN.
 * @param is_looked_at 1 if whoever reads wants to see the content: then there are no pipe buckets.
 * @return NULL if it cannot be done, or is not worth it: the content comes as httpd reads it.
 */
jfm_body_t *jfm_body_begin(request_rec *r, apr_int64_t length_bytes, int is_looked_at);

/** The connection is read by httpd again. @a body may be NULL. */
void jfm_body_end(jfm_body_t *body);

/* ---- mod_jabberfiles_pipe.c: bytes that never come into the process ---- */

/**
 * Moves what @a socket_fd has into a pipe, without waiting for more.
 * @param bucket of a type of our own with a known length. Reading it gives buckets of ordinary
 * memory, so it may be handed to anybody.
 * @return APR_SUCCESS; APR_EAGAIN: nothing is there; APR_EOF; APR_ENOTIMPL: this cannot be done
 * now, read the bytes instead; or what is wrong with the connection.
 */
apr_status_t jfm_pipe_take(apr_bucket **bucket, int socket_fd, apr_size_t most_bytes,
                           apr_bucket_alloc_t *list);

/** The end of the pipe to read the bucket's bytes from, or -1 if it is not such a bucket. */
int jfm_pipe_fd(const apr_bucket *bucket);

/** All bytes of a pipe bucket have been taken out through jfm_pipe_fd; it may only be destroyed. */
void jfm_pipe_was_emptied(const apr_bucket *bucket);

/* ---- mod_jabberfiles_meter_upload.c: what is received, from beginning to end ---- */

typedef struct jfm_upload_meter_t {
    request_rec *r;
    jf_traffic_t *traffic;
    jf_transfer_request_t request;
    jf_transfer_t transfer;
    int is_counted;
    int is_followed; /**< transfer is in use */
    apr_int64_t rate_bytes_per_s;
    apr_int64_t received_bytes;
    apr_time_t reported_us;
    apr_time_t due_us; /**< when all that was received was allowed to be there */
} jfm_upload_meter_t;
/** 1 if uploads into this area are slowed, so that it must be known which one it is. */
int jfm_has_upload_rate(request_rec *r, const char *jid);
/** @param area or NULL: it is known at the end. */
void jfm_meter_upload(jfm_upload_meter_t *meter, request_rec *r, const jf_area_t *area,
                      apr_int64_t length_bytes);
/** How much to read at once. */
apr_off_t jfm_meter_piece_bytes(const jfm_upload_meter_t *meter);
/** After each piece; waits if the area's uploads are too fast. */
void jfm_meter_received(jfm_upload_meter_t *meter, apr_int64_t bytes);
/** @param area NULL if it is none, then nothing is counted. */
void jfm_meter_upload_end(jfm_upload_meter_t *meter, const jf_area_t *area, int is_file);

#endif
