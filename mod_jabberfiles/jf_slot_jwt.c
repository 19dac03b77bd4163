/*
 * JSON Web Tokens (RFC 7519) as Prosody's mod_http_file_share makes them: HS256 and nothing else.
 * Nothing of a token is decoded before its signature is known to be right.
 */
#include "jf_slot_private.h"

#include <string.h>

#include <apr_encode.h>
#include <apr_strings.h>
#include <jansson.h>
#include <openssl/crypto.h>

#include "jf_ascii.h"
#include "jf_base64.h"
#include "jf_jid.h"
#include "jf_media.h"
#include "jf_units.h"

#define TOKEN_CHARS_MAX 8192
/** Of 32 bytes in base64url without padding. */
#define SIGNATURE_CHARS 43

#define HEADER_ALGORITHM "alg"
#define HEADER_TYPE "typ"
#define CLAIM_USER "sub"
#define CLAIM_SLOT "slot"
#define CLAIM_NAME "filename"
#define CLAIM_SIZE_BYTES "filesize"
#define CLAIM_MEDIA_TYPE "filetype"
#define CLAIM_VALID_UNTIL_S "exp"
#define CLAIM_FILE_EXPIRES_S "expires"

/** A part of a token; no string. */
typedef struct part_t {
    const char *text;
    apr_size_t length;
} part_t;

typedef struct jwt_t {
    part_t header;
    part_t payload;
    part_t signed_text; /**< both, with the dot between them */
    const char *signature;
} jwt_t;

/* ---- the token ---- */

/** @return 0 if @a token does not have three parts, the last one as long as a signature. */
static int split(jwt_t *jwt, const char *token)
{
    if (strnlen(token, TOKEN_CHARS_MAX + 1) > TOKEN_CHARS_MAX) {
        return 0;
    }
    const char *first = strchr(token, '.');
    const char *second = first ? strchr(first + 1, '.') : NULL;
    if (!second || strlen(second + 1) != SIGNATURE_CHARS) {
        return 0;
    }
    jwt->header = (part_t){token, (apr_size_t)(first - token)};
    jwt->payload = (part_t){first + 1, (apr_size_t)(second - first - 1)};
    jwt->signed_text = (part_t){token, (apr_size_t)(second - token)};
    jwt->signature = second + 1;
    return 1;
}

/* What is right is encoded, what came is not decoded: there is one text for a signature. */
static int is_signed_with(const char *key, const jwt_t *jwt, apr_pool_t *pool)
{
    unsigned char mac[JF_SHA256_BYTES];
    if (!jf_slot_hmac(mac, key, jwt->signed_text.text, jwt->signed_text.length)) {
        return 0;
    }
    const char *right =
        apr_pencode_base64_binary(pool, mac, sizeof(mac), APR_ENCODE_BASE64URL, NULL);
    return CRYPTO_memcmp(jwt->signature, right, SIGNATURE_CHARS) == 0;
}

/** Tries all secrets, so that time does not tell which one is right. */
static int is_signed(const jwt_t *jwt, const apr_array_header_t *secrets, apr_pool_t *pool)
{
    int is_right = 0;
    for (int i = 0; i < secrets->nelts; i++) {
        const jf_slot_secret_t *secret = APR_ARRAY_IDX(secrets, i, const jf_slot_secret_t *);
        if (secret->kind == JF_SLOT_JWT) {
            is_right |= is_signed_with(secret->key, jwt, pool);
        }
    }
    return is_right;
}

/* ---- JSON ---- */

/** Decodes base64url without padding (RFC 4648 section 5). @return 0 if it is something else */
static int decode(char **bytes, apr_size_t *length, const part_t *part, apr_pool_t *pool)
{
    apr_size_t padded_length = (part->length + 3) / 4 * 4;
    char *text = apr_palloc(pool, padded_length + 1);
    memset(text, '=', padded_length);
    for (apr_size_t i = 0; i < part->length; i++) {
        char c = part->text[i];
        if (!jf_ascii_is_alnum(c) && c != '-' && c != '_') {
            return 0;
        }
        text[i] = c == '-' ? '+' : (c == '_' ? '/' : c);
    }
    return !jf_base64_decode(bytes, length, text, padded_length, pool);
}

static apr_status_t free_json(void *json)
{
    json_decref(json);
    return APR_SUCCESS;
}

/** @return the object, which goes with @a pool; NULL if @a part is something else. */
static const json_t *read_object(const part_t *part, apr_pool_t *pool)
{
    char *bytes;
    apr_size_t length;
    if (!decode(&bytes, &length, part, pool)) {
        return NULL;
    }
    json_t *json = json_loadb(bytes, length, JSON_REJECT_DUPLICATES, NULL);
    if (!json) {
        return NULL;
    }
    apr_pool_cleanup_register(pool, json, free_json, apr_pool_cleanup_null);
    return json_is_object(json) ? json : NULL;
}

/** A string that ends at its first NUL; NULL if the member is missing or something else. */
static const char *string_of(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    const char *text = json_string_value(value);
    return text && strlen(text) == json_string_length(value) ? text : NULL;
}

static int is_string(const json_t *object, const char *name, const char *text)
{
    const char *value = string_of(object, name);
    return value && strcmp(value, text) == 0;
}

/** Reads seconds since the epoch. @return 0 if the member is not an integer that fits */
static int read_time(apr_time_t *time_us, const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    json_int_t seconds = json_integer_value(value);
    if (!json_is_integer(value) || seconds < 0 || seconds > APR_INT64_MAX / APR_USEC_PER_SEC) {
        return 0;
    }
    *time_us = apr_time_from_sec(seconds);
    return 1;
}

/* ---- claims ---- */

/** A member that we do not know ("crit") may forbid what we do, so there must be none. */
static int is_header_right(const json_t *header)
{
    size_t known = json_object_get(header, HEADER_TYPE) ? 2 : 1;
    return json_object_size(header) == known && is_string(header, HEADER_ALGORITHM, "HS256") &&
           (known == 1 || is_string(header, HEADER_TYPE, "JWT"));
}

static jf_err_t *check_path(const json_t *claims, const jf_slot_request_t *request,
                            apr_pool_t *pool)
{
    int is_one_segment = !strchr(request->token, '/');
    if (!is_one_segment || !is_string(claims, CLAIM_SLOT, request->token) ||
        !is_string(claims, CLAIM_NAME, request->leaf)) {
        return jf_slot_refuse("the JSON Web Token is for another path", pool);
    }
    return NULL;
}

static jf_err_t *read_times(jf_slot_grant_t *grant, const json_t *claims, apr_time_t now_us,
                            apr_pool_t *pool)
{
    if (!read_time(&grant->valid_until_us, claims, CLAIM_VALID_UNTIL_S)) {
        return jf_slot_refuse(
            "the JSON Web Token has no \"" CLAIM_VALID_UNTIL_S "\" in whole seconds", pool);
    }
    if (grant->valid_until_us <= now_us) {
        return jf_slot_refuse("the JSON Web Token has expired", pool);
    }
    grant->expires_us = JF_NEVER;
    if (!json_object_get(claims, CLAIM_FILE_EXPIRES_S)) {
        return NULL;
    }
    if (!read_time(&grant->expires_us, claims, CLAIM_FILE_EXPIRES_S)) {
        return jf_slot_refuse(
            "\"" CLAIM_FILE_EXPIRES_S "\" in the JSON Web Token is not in whole seconds", pool);
    }
    return grant->expires_us > now_us
               ? NULL
               : jf_slot_refuse("the JSON Web Token is for a file that would have expired", pool);
}

static jf_err_t *read_user(jf_slot_grant_t *grant, const json_t *claims, apr_pool_t *pool)
{
    const char *user = string_of(claims, CLAIM_USER);
    if (!user || jf_jid_prepare(&grant->area, user, pool)) {
        return jf_slot_refuse("\"" CLAIM_USER "\" in the JSON Web Token is no bare JID", pool);
    }
    return NULL;
}

static jf_err_t *read_media_type(jf_slot_grant_t *grant, const json_t *claims,
                                 const jf_slot_request_t *request, apr_pool_t *pool)
{
    const char *type = string_of(claims, CLAIM_MEDIA_TYPE);
    if (!type && json_object_get(claims, CLAIM_MEDIA_TYPE)) {
        return jf_slot_refuse("\"" CLAIM_MEDIA_TYPE "\" in the JSON Web Token is no string", pool);
    }
    grant->media_type = jf_media_to_store(type, pool);
    if (!jf_slot_type_fits(grant->media_type, request->content_type, pool)) {
        return jf_slot_refuse("the JSON Web Token is for another Content-Type", pool);
    }
    return NULL;
}

static jf_err_t *check_size(const json_t *claims, const jf_slot_request_t *request,
                            apr_pool_t *pool)
{
    const json_t *value = json_object_get(claims, CLAIM_SIZE_BYTES);
    json_int_t size_bytes = json_integer_value(value);
    if (!json_is_integer(value) || size_bytes < 0) {
        return jf_slot_refuse("\"" CLAIM_SIZE_BYTES "\" in the JSON Web Token is no number of "
                              "bytes",
                              pool);
    }
    return jf_slot_check_size(size_bytes, request->length_bytes, pool);
}

jf_err_t *jf_slot_jwt_verify(jf_slot_grant_t *grant_out, const char *token,
                             const apr_array_header_t *secrets, const jf_slot_request_t *request,
                             apr_time_t now_us, apr_pool_t *pool)
{
    jwt_t jwt;
    jf_slot_grant_t grant;
    if (!split(&jwt, token) || !is_signed(&jwt, secrets, pool)) {
        return jf_slot_refuse("what came as \"Bearer\" is no JSON Web Token, or signed with "
                              "another key",
                              pool);
    }
    const json_t *header = read_object(&jwt.header, pool);
    if (!header || !is_header_right(header)) {
        return jf_slot_refuse("the header of the JSON Web Token is not the one of HS256", pool);
    }
    const json_t *claims = read_object(&jwt.payload, pool);
    if (!claims) {
        return jf_slot_refuse("the JSON Web Token has no claims in JSON", pool);
    }
    JF_TRY(check_path(claims, request, pool));
    JF_TRY(read_times(&grant, claims, now_us, pool));
    JF_TRY(read_user(&grant, claims, pool));
    JF_TRY(read_media_type(&grant, claims, request, pool));
    JF_TRY(check_size(claims, request, pool));
    *grant_out = grant;
    return NULL;
}
