/**
 * One HTTP request at a time, by libcurl: the only user of it beside http_*.c.
 *
 * TLS is always verified, with the system's authorities and --ca. Connections are kept and used
 * again. HTTP/1.1 alone: one request at a time has nothing from HTTP/2, where libcurl loses an
 * answer that comes while it sends, so that nobody would hear why an upload is refused. Nothing is
 * decoded (Accept-Encoding: identity). A transfer in which nothing moves for a minute is broken
 * off. The environment's proxies (https_proxy, …) serve our own requests; not those for foreign
 * links (http_guard.h).
 */
#ifndef HTTP_H
#define HTTP_H

#include <apr_tables.h>

#include "client.h"
#include "progress.h"

typedef struct http_t http_t;

/** How far the other side is trusted. */
typedef enum {
    HTTP_OWN,     /**< the account's area, or a slot that its server gave: no redirects */
    HTTP_FOREIGN, /**< a link from anybody: only what http_guard.h allows, unless --allow-private */
} http_trust_t;

typedef struct http_answer_t {
    int status;                 /**< of the final answer, redirects followed */
    const apr_table_t *headers; /**< of the final answer; repeated ones are joined by ", " */
    const char *body;           /**< at most 64 KiB, NUL-terminated; "" if a sink took it */
    const char *url;            /**< where it came from, redirects followed */
    const char *login;          /**< the JID that was logged in with, or NULL */
} http_answer_t;

/** The body of a request. */
typedef struct http_body_t {
    apr_int64_t size_bytes; /**< what read will give in all, or -1: sent chunked */
    /** Fills @a buffer with up to @a size bytes. @return how many, 0 at the end, -1 after an error,
     * which is in *err then */
    apr_ssize_t (*read)(void *baton, char *buffer, size_t size, jf_err_t **err);
    void *baton;
} http_body_t;

/** Where the body of an answer goes. An error of either function ends the transfer and is returned
 * from http_call as it is. */
typedef struct http_sink_t {
    /** Called once, before the first byte of the body; also for errors like 404. */
    jf_err_t *(*begin)(void *baton, const http_answer_t *answer);
    jf_err_t *(*write)(void *baton, const char *data, size_t size);
    void *baton;
} http_sink_t;

typedef struct http_request_t {
    const char *method; /**< "GET", "HEAD", "PUT", "DELETE", "PATCH" */
    const char *url;
    http_trust_t trust;
    int is_as_owner; /**< with the account's JID and password (Basic); HTTP_OWN, https (or
                        a loopback address) and below account->url only */
    const char *agreed_address;       /**< HTTP_FOREIGN may lead to this address although the guard
                                         refuses it, as a person was shown it and agreed; or NULL */
    const apr_table_t *headers;       /**< or NULL */
    const http_body_t *body;          /**< or NULL */
    const http_sink_t *sink;          /**< or NULL: the body is kept in the answer */
    progress_t *progress;             /**< or NULL */
    apr_int64_t progress_start_bytes; /**< what an earlier attempt has done already */
    /** Called for each informational answer (1xx but 100), or NULL. */
    void (*informed)(void *informed_baton, const http_answer_t *answer);
    void *informed_baton;
    apr_time_t deadline_us; /**< when the transfer is broken off whatever happens; 0: never */
} http_request_t;

/** Makes what requests need; ends with @a pool. */
jf_err_t *http_open(http_t **http, client_t *client, apr_pool_t *pool);

/**
 * Does one request, following up to 5 redirects if it is a foreign GET or HEAD; calls client_idle
 * meanwhile.
 * @param answer set, in @a pool, if an answer came and was complete, whatever its status; NULL with
 * an error.
 * @return JF_ERR_UNAVAILABLE if the server cannot be reached or the connection broke (whoever asks
 * may try again); JF_ERR_FORBIDDEN for a certificate that cannot be trusted or an address that
 * http_guard refuses; JF_ERR_INVALID for a URL that is none; client_interrupted; an error of body
 * or sink
 */
jf_err_t *http_call(http_answer_t **answer, http_t *http, const http_request_t *request,
                    apr_pool_t *pool);

/** A field of the answer, or NULL. */
const char *http_answer_field(const http_answer_t *answer, const char *name);

/**
 * The error that an answer with an unwelcome status stands for: one clear sentence with what the
 * server says (problem+json: its detail and numbers), what it means, how much, and when it works
 * again. 401 and 403 are JF_ERR_FORBIDDEN, 404 and 410 NOT_FOUND, 412 PRECONDITION, 413 TOO_LARGE,
 * 507 QUOTA or DISK_FULL, 429 TRANSFER_QUOTA or TOO_MANY, 5xx UNAVAILABLE, others IO.
 * @param what what was tried, "uploading x.pdf", any text.
 */
jf_err_t *http_answer_error(const http_answer_t *answer, const char *what, apr_pool_t *pool);

/** 1 if an upload was answered with what servers say when the file is there. */
int http_answer_is_stored(const http_answer_t *answer);

/** When the answer says it works again (Retry-After: seconds or date), or 0. */
apr_time_t http_answer_retry_at(const http_answer_t *answer, apr_time_t now_us);

#endif
