/**
 * What the files of fetch share.
 */
#ifndef FETCH_PRIVATE_H
#define FETCH_PRIVATE_H

#include "fetch.h"
#include "part_file.h"

/** More is not taken if nobody has said how large a file is, nor how large it may be. */
#define FETCH_UNKNOWN_BYTES_MAX ((apr_int64_t)1 << 30)

/* ---- what answers say (fetch_field.c) ---- */

/** A number of bytes, digits only; -1 if @a text is NULL or anything else. */
apr_int64_t fetch_field_bytes(const char *text);

/** Content-Length, or -1. */
apr_int64_t fetch_field_size(const http_answer_t *answer);

typedef struct fetch_range_t {
    apr_int64_t first_bytes; /**< position of the first byte */
    apr_int64_t last_bytes;  /**< position of the last byte */
    apr_int64_t size_bytes;  /**< of the whole file, or -1 */
} fetch_range_t;

/** Reads a Content-Range, "bytes 5-9/10". @return 0 if it is none */
int fetch_field_range(fetch_range_t *range, const char *field);

/** An HTTP date, or 0. */
apr_time_t fetch_field_date(const http_answer_t *answer, const char *name);

/** Last-Modified, if it is a strong validator: a minute older than the answer; else NULL. */
const char *fetch_field_last_modified(const http_answer_t *answer);

/** The SHA-256 in Repr-Digest, or NULL. */
const unsigned char *fetch_field_sha256(const http_answer_t *answer, apr_pool_t *pool);

/** @return JF_ERR_FORBIDDEN for a content coding, which could unfold to any size; JF_ERR_IO for a
 * length that is none */
jf_err_t *fetch_field_check(const http_answer_t *answer, apr_pool_t *pool);

/* ---- requests (fetch_request.c) ---- */

/**
 * The URL in ASCII: the host as IDNA writes it, where look-alikes of other scripts show, and
 * everything else percent-encoded. A URL that has no such form is returned as it is.
 */
const char *fetch_request_url(const char *url, apr_pool_t *pool);

/** @return JF_ERR_INVALID or JF_ERR_FORBIDDEN for a link that is not to be followed at all */
jf_err_t *fetch_request_check(const fetch_t *fetch, apr_pool_t *pool);

/** A request for the file with all that is common to HEAD and GET, its header fields in a table
 * that more can be added to. */
apr_table_t *fetch_request_make(http_request_t *request, const char *method, const fetch_t *fetch,
                                apr_pool_t *pool);

/** When all must be over, if it begins now; 0: never. */
apr_time_t fetch_deadline(const fetch_t *fetch);

/** How the file is called in messages. */
const char *fetch_label(const fetch_t *fetch, const shared_file_t *seen);

/** @return JF_ERR_TOO_LARGE if the file may not be so large */
jf_err_t *fetch_check_limit(const fetch_t *fetch, const char *label, apr_int64_t size_bytes,
                            apr_pool_t *pool);

/* ---- destinations (fetch_place.c) ---- */

/** 1 if the file goes to standard output. */
int fetch_is_to_stdout(const fetch_t *fetch);

/**
 * Where the file will be: the name that was given, or its own in the directory; another one if
 * that is taken and fetch->is_renaming.
 * @return JF_ERR_INVALID for a directory or a device
 */
jf_err_t *fetch_place(const char **destination, const fetch_t *fetch, const shared_file_t *seen,
                      apr_pool_t *pool);

/** @return JF_ERR_PRECONDITION if something has the name and must not be replaced */
jf_err_t *fetch_place_check(const char *destination, const fetch_t *fetch, apr_pool_t *pool);

/** Gives a part, which is whole, the name that was chosen, or with is_renaming another one if that
 * was taken meanwhile. @param path the name, where it is then. @param modified_us or 0
 * @return as part_file_finish */
jf_err_t *fetch_place_finish(const char **path, part_file_t *part, const fetch_t *fetch,
                             const shared_file_t *seen, apr_time_t modified_us, apr_pool_t *pool);

#endif
