/**
 * The stanzas of Jingle (XEP-0166) for one file (XEP-0234), as written and as read. Pure: what they
 * mean for a session is the business of jingle.h.
 */
#ifndef JINGLE_STANZA_H
#define JINGLE_STANZA_H

#include "file_claims.h"

#define JINGLE_NS "urn:xmpp:jingle:1"
/** Of the description of a file. */
#define JINGLE_FILE_NS FILE_CLAIMS_JINGLE_NS

typedef enum {
    JINGLE_SESSION_INITIATE,
    JINGLE_SESSION_ACCEPT,
    JINGLE_SESSION_TERMINATE,
    JINGLE_SESSION_INFO,
    JINGLE_TRANSPORT_INFO,
    JINGLE_TRANSPORT_REPLACE,
    JINGLE_TRANSPORT_ACCEPT,
    JINGLE_TRANSPORT_REJECT,
    JINGLE_OTHER_ACTION, /**< known to XEP-0166 or not, but nothing that one file needs */
} jingle_action_t;

/** Why a session has ended (XEP-0166 section 7.4). */
typedef enum {
    JINGLE_SUCCESS,
    JINGLE_DECLINE,
    JINGLE_CANCEL,
    JINGLE_BUSY,
    JINGLE_TIMEOUT,
    JINGLE_GONE,
    JINGLE_FAILED_TRANSPORT,
    JINGLE_FAILED_APPLICATION,
    JINGLE_UNSUPPORTED_TRANSPORTS,
    JINGLE_UNSUPPORTED_APPLICATIONS,
    JINGLE_GENERAL_ERROR, /**< and all that is none of these */
} jingle_reason_t;

/** What a session-info tells. */
typedef enum {
    JINGLE_INFO_NOTHING,  /**< empty, which asks whether the session lives; or a checksum, which was
                             told with the file already */
    JINGLE_INFO_RECEIVED, /**< the file is there and right */
    JINGLE_INFO_UNKNOWN,
} jingle_info_t;

/** What an iq says. All texts are the sender's, of bounded length. */
typedef struct jingle_message_t {
    jingle_action_t action;
    const char *sid;
    const char *content;       /**< name of its first content, or NULL */
    int content_count;         /**< a session of ours has one */
    int is_from_initiator;     /**< who begins the session sends that content */
    const shared_file_t *file; /**< which that content describes, without URL; or NULL */
    xmpp_stanza_t *transport;  /**< of that content, a part of the iq; or NULL */
    jingle_reason_t reason;    /**< of a session-terminate */
    const char *said;          /**< in words, or NULL */
    jingle_info_t info;        /**< of a session-info */
} jingle_message_t;

/** 1 if this is an iq of type set with a <jingle/>. */
int jingle_stanza_is_one(xmpp_stanza_t *iq);

/** Reads it into @a pool. @return JF_ERR_INVALID if it lacks what XEP-0166 requires */
jf_err_t *jingle_stanza_read(jingle_message_t **message, xmpp_stanza_t *iq, apr_pool_t *pool);

/** An iq under way. */
typedef struct jingle_draft_t {
    xmpp_ctx_t *ctx;
    xmpp_stanza_t *iq; /**< the caller's */
    xmpp_stanza_t *jingle;
    apr_pool_t *pool; /**< for what is not kept */
} jingle_draft_t;

/** Begins an iq to the other side of a session. */
jingle_draft_t jingle_stanza_begin(xmpp_ctx_t *ctx, jingle_action_t action, const char *to,
                                   const char *id, const char *sid, apr_pool_t *pool);

/**
 * Adds the one content of a session, sent by the initiator.
 * @param file described, or NULL. @param ns of the transport.
 * @return the <transport/>, still empty
 */
xmpp_stanza_t *jingle_stanza_add_content(const jingle_draft_t *draft, const char *name,
                                         const shared_file_t *file, const char *ns);

/** Adds why the session ends. @param said in words, or NULL. */
void jingle_stanza_add_reason(const jingle_draft_t *draft, jingle_reason_t reason,
                              const char *said);

/** Adds <received/> for the content of this name (XEP-0234 section 8.1). */
void jingle_stanza_add_received(const jingle_draft_t *draft, const char *content);

/** How an action that cannot be taken is answered. */
typedef enum {
    JINGLE_TAKEN,            /**< no error: an empty result */
    JINGLE_BAD_REQUEST,      /**< something required is missing */
    JINGLE_UNKNOWN_SESSION,  /**< no session of this peer has this sid */
    JINGLE_OUT_OF_ORDER,     /**< the session is at another point */
    JINGLE_TIE_BREAK,        /**< we have just begun a session of this sid with this peer */
    JINGLE_UNSUPPORTED_INFO, /**< a session-info about something else */
    JINGLE_UNSUPPORTED,      /**< an action that one file does not need */
    JINGLE_NO_ROOM,          /**< too many wait already */
} jingle_answer_t;

/** The answer to an iq; the caller releases it. NULL if the iq has no id. */
xmpp_stanza_t *jingle_stanza_answer(xmpp_ctx_t *ctx, xmpp_stanza_t *iq, jingle_answer_t answer);

/** A reason in words, for people. */
const char *jingle_stanza_words(jingle_reason_t reason);

#endif
