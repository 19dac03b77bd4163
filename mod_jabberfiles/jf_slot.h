/**
 * Upload slots (XEP-0363) that a Jabber server grants by signing them: what a token allows.
 *
 * A slot is a URL BASE/TOKEN/NAME, or BASE/USER/RANDOM/NAME of ejabberd. The Jabber server signs it
 * with a secret that it shares with us and asks nobody; we see the slot for the first time when the
 * upload comes. All checks are over the path decoded once, because clients encode it anew.
 *
 * Pure functions on what a request says; they know neither ledger nor httpd. Secrets and tokens are
 * compared in constant time and never stand in an error text.
 */
#ifndef JF_SLOT_H
#define JF_SLOT_H

#include <apr_tables.h>
#include <apr_time.h>

#include "jf_err.h"

/** In the order in which they are looked for: with several, only the first that is there counts. */
typedef enum {
    JF_SLOT_JWT,   /**< Prosody mod_http_file_share, "Authorization: Bearer …" */
    JF_SLOT_V2,    /**< Prosody mod_http_upload_external, "?v2=…" */
    JF_SLOT_TOKEN, /**< Metronome, "?token=…" */
    JF_SLOT_V1,    /**< Prosody mod_http_upload_external and ejabberd, "?v=…" */
    JF_SLOT_KINDS, /**< how many there are */
} jf_slot_kind_t;

typedef struct jf_slot_secret_t {
    jf_slot_kind_t kind;
    const char *key;
    const char *delete_key; /**< JF_SLOT_TOKEN: for DELETE, or NULL */
    const char *area;       /**< of uploads that name no user (jf_area.h) */
} jf_slot_secret_t;

typedef struct jf_slot_request_t {
    const char *token;         /**< path below BASE without the name: "TOKEN" or "USER/RANDOM" */
    const char *leaf;          /**< the name, last segment of the path */
    apr_int64_t length_bytes;  /**< Content-Length */
    const char *content_type;  /**< the field, or NULL */
    const char *query;         /**< as sent, without "?", or NULL */
    const char *authorization; /**< the field, or NULL */
    const char *domain;        /**< the only domain that is served, or NULL if there are several */
} jf_slot_request_t;

typedef struct jf_slot_grant_t {
    const char *area;          /**< whose it is (jf_area.h); for a JWT the prepared JID */
    const char *media_type;    /**< as signed, else as sent; to be stored */
    apr_time_t expires_us;     /**< the file goes then at the latest, or JF_NEVER */
    apr_time_t valid_until_us; /**< the token is refused from then on, or JF_NEVER */
} jf_slot_grant_t;

/** The kind of this name ("jwt", "v1", "v2", "token"). @return JF_ERR_INVALID */
jf_err_t *jf_slot_kind_parse(jf_slot_kind_t *kind, const char *text, apr_pool_t *pool);

/**
 * Says what the token of an upload allows.
 * @param secrets array of const jf_slot_secret_t *; several of a kind are tried one by one.
 * @return JF_ERR_NO_TOKEN if the request has none of a kind that there is a secret for;
 * JF_ERR_FORBIDDEN if it is wrong, expired, or for another path, size or type; JF_ERR_INVALID if a
 * JWT was signed for another size than is announced.
 */
jf_err_t *jf_slot_verify(jf_slot_grant_t *grant, const apr_array_header_t *secrets,
                         const jf_slot_request_t *request, apr_time_t now_us, apr_pool_t *pool);

/**
 * Says whether the token of a DELETE is right (Metronome); it never expires.
 * @param area set to the area of the secret, beyond which the token is good for nothing.
 * @return JF_ERR_NO_TOKEN, JF_ERR_FORBIDDEN
 */
jf_err_t *jf_slot_verify_delete(const char **area, const apr_array_header_t *secrets,
                                const jf_slot_request_t *request, apr_pool_t *pool);

/**
 * 1 if an upload with this Content-Type (NULL: none) may be one of the type that was granted: the
 * same type/subtype, or one of them says nothing (application/octet-stream, empty). Prosody grants
 * application/octet-stream to clients that named no type.
 */
int jf_slot_type_fits(const char *granted, const char *content_type, apr_pool_t *pool);

/** @return JF_ERR_INVALID if an upload is of another length than the slot was granted for. */
jf_err_t *jf_slot_check_size(apr_int64_t granted_bytes, apr_int64_t length_bytes, apr_pool_t *pool);

/** 1 if some secret of @a kind is among @a secrets. */
int jf_slot_has_kind(const apr_array_header_t *secrets, jf_slot_kind_t kind);

/** 1 if @a query has a parameter that is a token, whatever its value. */
int jf_slot_is_in_query(const char *query, apr_pool_t *pool);

/**
 * A path in an area for a file that came by a slot: "chat/2026-11-22/143015-RANDOM/NAME" with 16
 * hex digits, so that files of one name do not meet, and a list by name is one by time.
 * @param time_us of the upload; the path has UTC.
 * @return JF_ERR_IO if the kernel gives no random bytes.
 */
jf_err_t *jf_slot_path(const char **path, const char *leaf, apr_time_t time_us, apr_pool_t *pool);

#endif
