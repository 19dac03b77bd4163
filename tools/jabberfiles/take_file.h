/**
 * A file that somebody sends to this machine directly: taken into .part, verified, named.
 */
#ifndef TAKE_FILE_H
#define TAKE_FILE_H

#include <apr_network_io.h>

#include "fetch.h"
#include "jingle.h"
#include "si.h"
#include "xmpp_session.h"

/** An offer that a person, or a rule of his, agrees to. */
typedef struct take_file_t {
    jingle_session_t *session; /**< pending; or NULL */
    si_offer_t *stream;        /**< pending, if it is not a session */
    xmpp_session_t *connection;
    const fetch_t *fetch; /**< where to and how large; its file is what is offered */
    const char *address;  /**< of this machine, numeric: what the sender will see */
    apr_port_t port;      /**< to listen on; 0: any */
} take_file_t;

/**
 * Takes the file, with progress, and tells the sender what became of it. Nothing is kept of what is
 * not whole and right.
 * @param path set to where the file is now.
 * @return JF_ERR_DIGEST if it is not what was promised; JF_ERR_TOO_LARGE; JF_ERR_DISK_FULL;
 * JF_ERR_UNAVAILABLE if the sender has ended it or is silent; client_interrupted
 */
jf_err_t *take_file(const char **path, const take_file_t *take, apr_pool_t *pool);

#endif
