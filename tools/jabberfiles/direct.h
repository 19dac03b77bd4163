/**
 * send --direct: files that go from this machine to the recipient's, stored nowhere between.
 *
 * There are several ways, tried in the order of direct_ways as far as service discovery says that
 * the recipient's client knows them. What fails is followed by the next way and at last by the
 * upload area; a person's no is not: it counts for all.
 */
#ifndef DIRECT_H
#define DIRECT_H

#include <apr_network_io.h>

#include "direct_peer.h"
#include "source_file.h"
#include "upload.h"

typedef enum {
    DIRECT_DONE,     /**< the recipient's client says that it has the whole file */
    DIRECT_DECLINED, /**< by the person there: no other way is tried */
    DIRECT_FAILED,   /**< the next way is tried */
} direct_outcome_t;

typedef struct direct_result_t {
    direct_outcome_t outcome;
    const char *reason; /**< of DECLINED and FAILED, one sentence without a full stop; else NULL */
} direct_result_t;

/** One file for one client of one recipient: what a way works with. */
typedef struct direct_t {
    client_t *client;
    http_t *http;
    xmpp_session_t *session; /**< online when a way begins */
    source_file_t *source;   /**< a file whose size and digest are known, never a stream */
    direct_peer_t *peer;     /**< the recipient's client, watched for its going */
    const char *address;    /**< of this machine, numeric, without a port: what the peer will see */
    apr_port_t port;        /**< of --listen, or 0: any */
    apr_time_t deadline_us; /**< when the transfer is given up */
    apr_pool_t *pool;       /**< of this file, recipient and way */
} direct_t;

/** A way to send. */
typedef struct direct_way_t {
    const char *name;            /**< for programs, one word */
    const char *words;           /**< for people: "NAME goes to JID directly: WORDS" */
    const char *const *features; /**< the disco#info features that a client must have, all of them;
                                    ends with NULL */
    int shows_address;           /**< the peer's machine sees ours: only if the person agrees */

    /**
     * Sends, with progress; returns when it is known what became of it. Leaves nothing open and no
     * listener behind, whatever happens. Looks at direct_peer_is_gone, client_is_interrupted (as
     * xmpp_session_run does) and the deadline.
     * @return what ends the command: client_interrupted, a file that cannot be read or has changed
     * (source_file_check). Everything else, a lost connection too, is DIRECT_FAILED
     */
    jf_err_t *(*send)(direct_result_t *result, const direct_t *direct);
} direct_way_t;

/** The ways in the order in which they are tried; ends with NULL. */
extern const direct_way_t *const direct_ways[];

/** 1 if a client with these features (const char *) knows the way. */
int direct_way_is_known(const direct_way_t *way, const apr_array_header_t *features);

/** The place in @a ways (ends with NULL) of the first that is known and may be used, or of the
 * NULL. @param may_show_address 0: only those that do not. */
const direct_way_t *const *direct_way_next(const direct_way_t *const *ways,
                                           const apr_array_header_t *features,
                                           int may_show_address);

/** The client to send to: the first in @a peers that knows the earliest way that any of them knows;
 * NULL if none knows any. */
direct_peer_t *direct_choose_peer(const apr_array_header_t *peers, const direct_way_t *const *ways);

/** What could not be sent directly to a recipient. */
typedef struct direct_left_t {
    const char *jid;             /**< prepared bare JID */
    apr_array_header_t *sources; /**< of source_file_t *, some at least */
} direct_left_t;

/** What became of all pairs of a file and a recipient. */
typedef struct direct_sum_t {
    int done;
    int declined;
    apr_array_header_t *left; /**< of direct_left_t *: for the upload area */
} direct_sum_t;

/**
 * Sends each file to each recipient, and tells the user what became of it: a line of result, with
 * --json an object of type "direct".
 * @param upload its client, http and an open session.
 * @param sources array of source_file_t *. @param jids of const char *: prepared bare JIDs, or full
 * ones.
 * @return what ends the command, see direct_way_t; JF_ERR_UNAVAILABLE if the connection to the
 * Jabber server is lost for good
 */
jf_err_t *direct_send(direct_sum_t *sum, const upload_t *upload, const apr_array_header_t *sources,
                      const apr_array_header_t *jids, apr_pool_t *pool);

#endif
