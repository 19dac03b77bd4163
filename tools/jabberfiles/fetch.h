/**
 * Downloads: look first (HEAD), show, ask, fetch into .part, resume, verify, and give it its name.
 */
#ifndef FETCH_H
#define FETCH_H

#include "http.h"
#include "shared_file.h"

typedef struct fetch_t {
    client_t *client;
    const shared_file_t *file;  /**< the URL, and what is claimed about it */
    int is_as_owner;            /**< a file of the account's own area */
    const char *agreed_address; /**< as that of a http_request_t */
    const char *output;    /**< path to write to, or NULL: the file's own name, made safe … */
    const char *directory; /**< … in this directory */
    int may_overwrite;     /**< an existing file is replaced; else see is_renaming */
    int is_renaming;       /**< "name-1.ext" if there is a "name.ext"; else JF_ERR_PRECONDITION */
    apr_int64_t max_size_bytes;      /**< or JF_UNLIMITED */
    apr_interval_time_t max_time_us; /**< or JF_NEVER */
    unsigned char *sha256; /**< fetch_download sets JF_SHA256_BYTES bytes of it, unless NULL */
} fetch_t;

/**
 * HEAD: what the server says about the file; claims fill in what it does not say. Where the server
 * contradicts a claim (size, SHA-256), that is told as a warning.
 * @param seen all members filled in as far as known; seen->url stays the URL that was asked for.
 * @return as http_answer_error; JF_ERR_TOO_LARGE if it is above the limit
 */
jf_err_t *fetch_look(shared_file_t **seen, http_t *http, const fetch_t *fetch, apr_pool_t *pool);

/** Tells a person what is to be known before saying yes, as notes: name, size, type, date, host. */
void fetch_show(const client_t *client, const shared_file_t *seen, apr_pool_t *pool);

/**
 * Downloads into a .part beside the destination, resuming one that is there and of the same file
 * (If-Range), beginning anew if the file has changed on the server, patiently (http_retry.h);
 * compares size and digests; gives it its name without ever replacing a file unasked.
 * @param path set to where the file is now.
 * @return JF_ERR_DIGEST if what came is not what was promised (nothing is kept);
 * JF_ERR_PRECONDITION if the destination exists; JF_ERR_TOO_LARGE; as http_answer_error
 */
jf_err_t *fetch_download(const char **path, http_t *http, const fetch_t *fetch,
                         const shared_file_t *seen, apr_pool_t *pool);

#endif
