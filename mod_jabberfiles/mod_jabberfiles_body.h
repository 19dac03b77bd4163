/**
 * Shared by the files that take a large body from the connection's socket in large pieces: _body is
 * the filter, _pipe the bucket, _receive who asks for it.
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

#endif
