/**
 * Uploads, with retries: into the own area, or into a slot (XEP-0363).
 */
#ifndef HTTP_UPLOAD_H
#define HTTP_UPLOAD_H

#include "http.h"
#include "source_file.h"

/** Where an upload goes by a slot. */
typedef struct slot_t {
    const char *put_url;
    const char *get_url;
    const apr_table_t *put_headers; /**< Authorization, Cookie, Expires only; without line ends */
} slot_t;

/**
 * Uploads into the account's own area as source->name; asks the server to check the SHA-256
 * (Repr-Digest), resumes after a lost connection if the server offers it (draft-ietf-httpbis-
 * resumable-upload), and begins anew if it does not. After a lost connection the file may be
 * there already: that is looked at before it is sent again.
 * @param link set to the link that the server hands out.
 * @param expire_us --expires, or JF_NEVER.
 */
jf_err_t *http_upload_to_area(const char **link, http_t *http, source_file_t *source,
                              apr_interval_time_t expire_us, apr_pool_t *pool);

/**
 * Uploads into a slot. A slot serves once: after a lost connection get_url is looked at (HEAD), and
 * the slot is tried again as long as the server lets us.
 * @return as http_answer_error; JF_ERR_USED if the slot cannot be used again and the file is not
 * there: another slot is needed
 */
jf_err_t *http_upload_to_slot(http_t *http, source_file_t *source, const slot_t *slot,
                              apr_pool_t *pool);

#endif
