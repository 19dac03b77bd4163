/**
 * A Jabber server that signs upload slots, with libcrypto and APR and nothing of what is tested;
 * and the uploads that come with its slots.
 */
#ifndef T_SIGNER_H
#define T_SIGNER_H

#include "jf_test.h"

#include "jf_slot.h"

#define JF_SIGNER_AREA "slots:signer"
#define JF_SIGNER_JWT_KEY "secret string"
#define JF_SIGNER_JWT_HEADER "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"

/* Of an upload that a JSON Web Token of Prosody was made for. */
#define JF_SIGNER_SLOT "RVbKAgWPcrUYAodj"
#define JF_SIGNER_LEAF "picture.png"
#define JF_SIGNER_SIZE_BYTES 7168
#define JF_SIGNER_NOW_US apr_time_from_sec(1735689700)
#define JF_SIGNER_UNTIL_US apr_time_from_sec(1735689900)

/** A secret for kinds without delete key. */
#define JF_SIGNER_SECRET(kind, key)     \
    {                                   \
        kind, key, NULL, JF_SIGNER_AREA \
    }

/** An array as jf_slot_verify takes it, of pointers to @a count secrets. */
apr_array_header_t *jf_signer_secrets(const jf_slot_secret_t *secrets, size_t count,
                                      apr_pool_t *pool);

/** HMAC-SHA256 in lower-case hex. */
const char *jf_signer_mac(const char *key, const char *message, size_t length, apr_pool_t *pool);

/** The token of kind v1. @param path decoded, "TOKEN/NAME" */
const char *jf_signer_v1(const char *key, const char *path, apr_int64_t size_bytes,
                         apr_pool_t *pool);

/** The token of kind v2 and token. */
const char *jf_signer_v2(const char *key, const char *path, apr_int64_t size_bytes,
                         const char *content_type, apr_pool_t *pool);

/** base64url without padding. */
const char *jf_signer_base64url(const void *bytes, size_t length, apr_pool_t *pool);

/** "PARTS.SIGNATURE", whatever @a parts is. */
const char *jf_signer_sign(const char *key, const char *parts, apr_pool_t *pool);

/** A JSON Web Token of two texts, which need not be JSON. */
const char *jf_signer_jwt(const char *key, const char *header, const char *payload,
                          apr_pool_t *pool);

/**
 * Claims for the upload that jf_signer_bearer makes.
 * @param name of one that is different, or NULL.
 * @param value its JSON; NULL leaves it out.
 */
const char *jf_signer_payload(const char *name, const char *value, apr_pool_t *pool);

/** An upload with a JSON Web Token. */
jf_slot_request_t jf_signer_bearer(const char *token, apr_pool_t *pool);

/**
 * An upload to the path and query of a URL below BASE, "TOKEN/NAME?QUERY", as it stands in the
 * vectors: the path is decoded once and parsed. Fails the test if the path is no link.
 */
jf_slot_request_t jf_signer_request(const char *url, apr_int64_t length_bytes,
                                    const char *content_type, apr_pool_t *pool);

/** Adds a parameter to the query of an upload. */
void jf_signer_add(jf_slot_request_t *request, const char *name, const char *value,
                   apr_pool_t *pool);

/**
 * Fails the test unless @a err has @a code and tells nothing of the token in @a request or of @a
 * secrets.
 */
void jf_signer_refused(const jf_err_t *err, jf_err_code_t code, const char *input,
                       const jf_slot_request_t *request, const apr_array_header_t *secrets);

/** jf_slot_verify with JF_SIGNER_JWT_KEY as the only secret. */
jf_err_t *jf_signer_verify_jwt(jf_slot_grant_t *grant, const jf_slot_request_t *request,
                               apr_time_t now_us, apr_pool_t *pool);

/** Fails the test unless that is refused with @a code, and grants nothing. */
void jf_signer_refuse_jwt(const jf_slot_request_t *request, apr_time_t now_us, jf_err_code_t code,
                          const char *input, apr_pool_t *pool);

/** The same for a token alone, which is forbidden. */
void jf_signer_refuse_token(const char *token, apr_pool_t *pool);

#endif
