/**
 * An upload as a transaction over store and ledger: promise, bytes, file; or nothing at all.
 *
 * Begin promises the bytes before the first is read. A small upload is held in memory until it is
 * whole; nothing is promised to it, and its quota is judged by the transaction that makes the file.
 * Finish makes the object durable, then commits the row that points to it, then removes the object
 * that it replaced. Whatever ends an upload
 * before that, an error, the pool, kill -9 or power loss, leaves the file that was there before.
 *
 * An upload is used by one thread at a time and holds no transaction and no connection while it
 * waits for bytes.
 */
#ifndef JF_UPLOAD_H
#define JF_UPLOAD_H

#include "jf_service.h"

/** The length is not known before the end (chunked). */
#define JF_LENGTH_UNKNOWN (-1)

/** Uploads of a known length up to this are small. */
#define JF_UPLOAD_SMALL_BYTES (64 * 1024)

typedef struct jf_upload_t jf_upload_t;

typedef struct jf_upload_request_t {
    const char *jid;                /**< prepared name of the area (jf_area.h) */
    const char *path;               /**< checked */
    const char *media_type;         /**< to store */
    apr_int64_t length_bytes;       /**< or JF_LENGTH_UNKNOWN */
    apr_int64_t max_file_bytes;     /**< or JF_UNLIMITED */
    apr_int64_t quota_bytes;        /**< unless the area has its own; or JF_UNLIMITED */
    apr_interval_time_t expire_us;  /**< or JF_NEVER */
    const unsigned char *sha256;    /**< what the content must have, or NULL */
    const jf_slot_use_t *slot;      /**< what the upload uses up, or NULL; lives as long */
    jf_precondition_t precondition; /**< judged at begin and again with the commit */
    int needs_area;                 /**< 1: jf_upload_area is asked before the end */
    int is_client_waiting; /**< 1: it sends nothing before it is told to (RFC 9110 section 10.1.1),
                              so a small upload is judged at begin, too */
} jf_upload_request_t;

/**
 * Checks the size of a file against the limit for one file.
 * @param is_growing 1 if @a size_bytes is not all of it.
 * @param max_file_bytes or JF_UNLIMITED.
 * @return JF_ERR_TOO_LARGE (with facts)
 */
jf_err_t *jf_upload_check_size(apr_int64_t size_bytes, int is_growing, apr_int64_t max_file_bytes,
                               apr_pool_t *pool);

/**
 * Checks what can be known without the content; unless the upload is small, promises the bytes and
 * creates the object.
 * @param upload aborted when @a pool is destroyed, unless finished.
 * @param request must live as long as the upload.
 * @return JF_ERR_TOO_LARGE, JF_ERR_QUOTA, JF_ERR_PRECONDITION, JF_ERR_USED, JF_ERR_DISK_FULL,
 *         JF_ERR_IO, JF_ERR_BUSY, JF_ERR_UNAVAILABLE
 */
jf_err_t *jf_upload_begin(jf_upload_t **upload, jf_service_t *service,
                          const jf_upload_request_t *request, apr_time_t now_us, apr_pool_t *pool);

/**
 * The area that it goes to; lives as long as @a upload.
 * @return as it was before the upload, or after jf_upload_finish as it was then. NULL: not known
 * yet, for a small upload without needs_area.
 */
const jf_area_t *jf_upload_area(const jf_upload_t *upload);

/**
 * Takes the next bytes. For an upload of unknown length the promise grows with it.
 * @return as jf_upload_begin; JF_ERR_INVALID for more bytes than the announced length. After an
 * error the upload can only be aborted.
 */
jf_err_t *jf_upload_write(jf_upload_t *upload, const void *data, apr_size_t length);

/**
 * The same for @a length bytes that are in a pipe (jf_store_write_pipe). Not for an upload with a
 * digest: nobody looks at the bytes.
 */
jf_err_t *jf_upload_write_pipe(jf_upload_t *upload, int pipe_fd, apr_size_t length);

/**
 * Makes the file. When this returns success, the file is there, whole, and as durable as
 * configured.
 * @param file what the ledger says now.
 * @param created 1 if there was no such file, 0 if its content was replaced.
 * @return JF_ERR_INVALID for fewer bytes than announced, JF_ERR_DIGEST, JF_ERR_PRECONDITION,
 *         JF_ERR_USED, JF_ERR_NOT_FOUND if the area was removed meanwhile and bytes were promised,
 * and as above; then it is aborted.
 */
jf_err_t *jf_upload_finish(jf_file_t *file, int *created, jf_upload_t *upload, apr_time_t now_us);

/** Gives promise and bytes back. Called by the pool as well; harmless after finish. */
void jf_upload_abort(jf_upload_t *upload);

#endif
