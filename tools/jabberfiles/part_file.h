/**
 * A download in progress: NAME.part beside the destination NAME, and NAME.part.json, which tells
 * what it is of, so that a later run of the tool can go on where this one ended.
 *
 * Both names are taken only if nothing is there or both are ours: a .part with bytes in it and
 * without its .part.json belongs to somebody else and is not touched. Names from the network never
 * end like these (save_name.h). While a download goes on, its .part is locked.
 */
#ifndef PART_FILE_H
#define PART_FILE_H

#include "client.h"
#include "part_digest.h"

/** What the bytes are of. */
typedef struct part_origin_t {
    const char *url;           /**< or NULL: of nothing yet */
    const char *etag;          /**< a strong one, or NULL */
    const char *last_modified; /**< a date that is a strong validator (RFC 9110 section 8.8.2.2), or
                                  NULL */
    apr_int64_t size_bytes;    /**< of the whole file, or -1 */
} part_origin_t;

typedef struct part_file_t {
    apr_int64_t size_bytes; /**< what is there */
    part_origin_t origin;
    const char *path; /**< of the .part; for messages */

    /* for part_file_* alone */
    const char *sidecar; /**< NULL for a stream */
    part_digest_t *digest;
    int fd;
    apr_pool_t *pool;
} part_file_t;

/** 1 if @a etag is a strong entity tag, of printable characters. */
int part_file_is_strong_etag(const char *etag);

/**
 * Opens or makes NAME.part and locks it. One that is complete already is shortened by a byte, so
 * that there is something to ask the server for.
 * @param wants_sha3 SHA3-256 is computed as well.
 * @return JF_ERR_BUSY if another download writes to it; JF_ERR_PRECONDITION if one of the files is
 * not ours; JF_ERR_IO
 */
jf_err_t *part_file_open(part_file_t **part, const char *destination, int wants_sha3,
                         apr_pool_t *pool);

/** Writes to a descriptor instead, from the beginning to the end, without a file and a name. */
jf_err_t *part_file_open_stream(part_file_t **part, int fd, int wants_sha3, apr_pool_t *pool);

/** Reads what is there for the digests, idling. To be called before anything is added to a part
 * that is not empty. @return client_interrupted */
jf_err_t *part_file_load(part_file_t *part, client_t *client);

/** Empties it, and notes what it will be of. @return JF_ERR_IO for a stream that has begun */
jf_err_t *part_file_restart(part_file_t *part, const part_origin_t *origin);

/** @return JF_ERR_DISK_FULL if the file system has no room for so many bytes more. */
jf_err_t *part_file_check_room(const part_file_t *part, apr_int64_t more_bytes);

/** Adds bytes. @return JF_ERR_DISK_FULL; JF_ERR_IO */
jf_err_t *part_file_write(part_file_t *part, const char *data, size_t size);

/** Ends the digests: see part_digest_end. */
jf_err_t *part_file_end_digest(unsigned char *sha256, unsigned char *sha3, part_file_t *part);

/**
 * Makes it durable, gives it its date and its name, and ends it. A stream has nothing but its end.
 * @param modified_us or 0.
 * @return JF_ERR_PRECONDITION if @a destination exists and must not be replaced: the part stays
 */
jf_err_t *part_file_finish(part_file_t *part, const char *destination, int may_overwrite,
                           apr_time_t modified_us);

/** Leaves it for another time; an empty one is removed. */
void part_file_close(part_file_t *part);

/** Removes it. */
void part_file_remove(part_file_t *part);

/** The URL that the download to this destination, begun earlier, is of; NULL if there is none. */
const char *part_file_url(const char *destination, apr_pool_t *pool);

#endif
