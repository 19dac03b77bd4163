/**
 * A file to upload: its name, type, size and digest, and its bytes.
 */
#ifndef SOURCE_FILE_H
#define SOURCE_FILE_H

#include "client.h"
#include "shared_file.h"

typedef struct source_file_t {
    const char *path; /**< as given; "-" is standard input */
    const char *name; /**< the last segment, or --name: what the others see */
    const char *media_type;
    apr_int64_t size_bytes; /**< -1: standard input, unknown */
    apr_time_t modified_us; /**< 0 for standard input */
    int has_digest;         /**< 1 once sha256 is known; for standard input at its end */
    unsigned char sha256[JF_SHA256_BYTES];
    int fd;
    struct source_state_t *state; /**< of source_file.c alone */
} source_file_t;

/**
 * Opens a file, or standard input for "-", and reads a file once for its digest, idling. What is
 * neither a file nor a directory (a pipe, say) is like standard input.
 * The descriptor is closed with @a pool.
 * @return JF_ERR_INVALID for a directory or a name that no area can have; JF_ERR_IO
 */
jf_err_t *source_file_open(source_file_t **source, client_t *client, const char *path,
                           apr_pool_t *pool);

/**
 * Copies standard input into a nameless temporary file, for whoever wants to know the size
 * beforehand; the size and digest are known afterwards. Nothing to do for other files.
 */
jf_err_t *source_file_spool(source_file_t *source, client_t *client, apr_pool_t *pool);

/** Goes to a place of the file; standard input can only be at its begin, once. */
jf_err_t *source_file_seek(source_file_t *source, apr_int64_t offset_bytes, apr_pool_t *pool);

/**
 * Reads on: the function of a http_body_t whose baton is the source_file_t. Waits idly for what
 * comes from standard input; at its end, size and digest are known.
 */
apr_ssize_t source_file_read(void *baton, char *buffer, size_t size, jf_err_t **err);

/** @return JF_ERR_IO if the file has changed since it was opened (size or modification time) */
jf_err_t *source_file_check(const source_file_t *source, apr_pool_t *pool);

/** What is told of it to others, with the @a url that it has now. */
shared_file_t *source_file_shared(const source_file_t *source, const char *url, apr_pool_t *pool);

#endif
