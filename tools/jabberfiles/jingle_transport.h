/**
 * How the bytes of a session get across: what XEP-0166 calls a transport method. Another one is
 * another struct; what a session is about does not change.
 */
#ifndef JINGLE_TRANSPORT_H
#define JINGLE_TRANSPORT_H

#include "direct.h"
#include "jingle.h"
#include "take_http.h"

/** What a transport works with where a file is received. */
typedef struct jingle_intake_t {
    client_t *client;
    jingle_session_t *session; /**< an offer, pending */
    const char *address;       /**< of this machine, numeric: the person agrees that it is seen */
    apr_port_t port;           /**< of --listen, or 0: any */
    take_sink_t sink;
    progress_t *progress;
    apr_time_t deadline_us; /**< when it is given up */
    apr_pool_t *pool;
} jingle_intake_t;

typedef struct jingle_transport_t {
    const char *ns;

    /**
     * Sends the bytes of a session that the peer has accepted, with progress. Ends with a note to
     * the peer, if the transport has one, but not with the session.
     * @param failure set to why that was not possible, a sentence about the peer; NULL if it was
     * @return what is wrong on this side: client_interrupted, a file that cannot be read
     */
    jf_err_t *(*send)(const char **failure, const direct_t *direct, jingle_session_t *session);

    /**
     * Accepts an offer and takes all its bytes, as many as were announced.
     * @return client_interrupted; JF_ERR_UNAVAILABLE if the peer has ended it, is silent, or the
     * connection broke; the sink's error; JF_ERR_INVALID for another number of bytes
     */
    jf_err_t *(*receive)(const jingle_intake_t *intake);
} jingle_transport_t;

/** XEP-0370, upload: the receiver's machine takes a PUT (take_put.c). */
extern const jingle_transport_t jingle_transport_put;

#endif
