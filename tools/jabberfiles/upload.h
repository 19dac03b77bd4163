/**
 * One file on its way to a server: into a slot of the account's Jabber server, or into its area.
 */
#ifndef UPLOAD_H
#define UPLOAD_H

#include "http_upload.h"
#include "xmpp_session.h"

typedef enum {
    UPLOAD_PREFERS_SLOT, /**< a slot if the Jabber server offers one, else the area */
    UPLOAD_PREFERS_AREA, /**< the area if one is configured, else a slot */
} upload_preference_t;

typedef struct upload_t {
    client_t *client;
    http_t *http;
    xmpp_session_t *session; /**< NULL: opened when it is needed, and left open for the caller */
    upload_preference_t preference;
} upload_t;

/**
 * Uploads a file, with progress, and says how it is shared now. Standard input goes to an area as
 * it comes, and is spooled for a slot. With --expires, what cannot keep it is not used.
 * @return also JF_ERR_INVALID, saying what to configure, if there is neither a slot nor an area;
 * JF_ERR_TOO_LARGE before anything is sent, if the service has said how much it takes
 */
jf_err_t *upload_file(shared_file_t **shared, upload_t *upload, source_file_t *source,
                      apr_pool_t *pool);

/** Prints the link of a file that was uploaded; for programs with what else there is to know. */
void upload_tell(const upload_t *upload, const source_file_t *source, const shared_file_t *shared,
                 apr_pool_t *pool);

#endif
