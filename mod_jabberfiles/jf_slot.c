#include "jf_slot_private.h"

#include <string.h>

#include <apr_cstr.h>
#include <apr_strings.h>

#include "jf_media.h"
#include "jf_token.h"

#define BEARER "Bearer"
/* All files of a domain may go into one area, thousands of one name within a second. */
#define RANDOM_CHARS 16

static const char *const kind_names[JF_SLOT_KINDS] = {
    [JF_SLOT_JWT] = "jwt",
    [JF_SLOT_V2] = "v2",
    [JF_SLOT_TOKEN] = "token",
    [JF_SLOT_V1] = "v1",
};

/** The parameter of the query that has the token. */
static const char *const parameters[JF_SLOT_KINDS] = {
    [JF_SLOT_V2] = "v2",
    [JF_SLOT_TOKEN] = "token",
    [JF_SLOT_V1] = "v",
};

jf_err_t *jf_slot_kind_parse(jf_slot_kind_t *kind, const char *text, apr_pool_t *pool)
{
    for (int i = 0; i < JF_SLOT_KINDS; i++) {
        if (strcmp(text, kind_names[i]) == 0) {
            *kind = (jf_slot_kind_t)i;
            return NULL;
        }
    }
    return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                       "the kind of a slot secret is jwt, v1, v2 or token");
}

jf_err_t *jf_slot_refuse(const char *text, apr_pool_t *pool)
{
    return jf_err_make(JF_ERR_FORBIDDEN, APR_SUCCESS, pool, "%s", text);
}

/* ---- what a request has ---- */

/**
 * Looks for a parameter; its name has to be there as it is, without percent-encoding.
 * @param value of the last one, as sent.
 * @return how many there are.
 */
static int find_parameter(const char **value, const char *query, const char *name, apr_pool_t *pool)
{
    int count = 0;
    const char *at = query;
    while (at) {
        size_t length = strcspn(at, "&");
        size_t name_length = strcspn(at, "&=");
        if (name_length == strlen(name) && memcmp(at, name, name_length) == 0) {
            const char *begin = at + name_length + (name_length < length);
            *value = apr_pstrmemdup(pool, begin, length - (size_t)(begin - at));
            count++;
        }
        at = at[length] ? at + length + 1 : NULL;
    }
    return count;
}

/** As find_parameter, for the Bearer token of an Authorization field, which is there once. */
static int find_bearer(const char **token, const char *authorization)
{
    size_t length = authorization ? strcspn(authorization, " ") : 0;
    if (length != strlen(BEARER) || apr_cstr_casecmpn(authorization, BEARER, length) != 0) {
        return 0;
    }
    *token = authorization + length + strspn(authorization + length, " ");
    return 1;
}

static int find_token(const char **token, jf_slot_kind_t kind, const jf_slot_request_t *request,
                      apr_pool_t *pool)
{
    return kind == JF_SLOT_JWT ? find_bearer(token, request->authorization)
                               : find_parameter(token, request->query, parameters[kind], pool);
}

int jf_slot_is_in_query(const char *query, apr_pool_t *pool)
{
    const char *value;
    for (int i = 0; i < JF_SLOT_KINDS; i++) {
        if (parameters[i] && find_parameter(&value, query, parameters[i], pool) > 0) {
            return 1;
        }
    }
    return 0;
}

static jf_err_t *refuse_repeated(apr_pool_t *pool)
{
    return jf_slot_refuse("the token of the slot is there more than once", pool);
}

/* ---- verifying ---- */

int jf_slot_has_kind(const apr_array_header_t *secrets, jf_slot_kind_t kind)
{
    for (int i = 0; i < secrets->nelts; i++) {
        if (APR_ARRAY_IDX(secrets, i, const jf_slot_secret_t *)->kind == kind) {
            return 1;
        }
    }
    return 0;
}

/** @return how many tokens there are of the first kind that has any. */
static int find_first_token(const char **token, jf_slot_kind_t *kind,
                            const apr_array_header_t *secrets, const jf_slot_request_t *request,
                            apr_pool_t *pool)
{
    for (int i = 0; i < JF_SLOT_KINDS; i++) {
        *kind = (jf_slot_kind_t)i;
        int count = jf_slot_has_kind(secrets, *kind) ? find_token(token, *kind, request, pool) : 0;
        if (count > 0) {
            return count;
        }
    }
    return 0;
}

jf_err_t *jf_slot_verify(jf_slot_grant_t *grant, const apr_array_header_t *secrets,
                         const jf_slot_request_t *request, apr_time_t now_us, apr_pool_t *pool)
{
    const char *token = NULL;
    jf_slot_kind_t kind;
    int count = find_first_token(&token, &kind, secrets, request, pool);
    if (count == 0) {
        return jf_err_make(JF_ERR_NO_TOKEN, APR_SUCCESS, pool, "no token came with the upload");
    }
    if (count > 1) {
        return refuse_repeated(pool);
    }
    /* Prosody signs negative sizes, too, if it is asked to. */
    if (request->length_bytes < 0) {
        return jf_slot_refuse("no slot is for an upload of unknown size", pool);
    }
    return kind == JF_SLOT_JWT ? jf_slot_jwt_verify(grant, token, secrets, request, now_us, pool)
                               : jf_slot_mac_verify(grant, kind, token, secrets, request, pool);
}

jf_err_t *jf_slot_verify_delete(const char **area, const apr_array_header_t *secrets,
                                const jf_slot_request_t *request, apr_pool_t *pool)
{
    const char *token = NULL;
    int count = find_parameter(&token, request->query, parameters[JF_SLOT_TOKEN], pool);
    if (count == 0) {
        return jf_err_make(JF_ERR_NO_TOKEN, APR_SUCCESS, pool, "no token came with the deletion");
    }
    return count > 1 ? refuse_repeated(pool)
                     : jf_slot_mac_verify_delete(area, token, secrets, request, pool);
}

/* ---- what was granted ---- */

jf_err_t *jf_slot_check_size(apr_int64_t granted_bytes, apr_int64_t length_bytes, apr_pool_t *pool)
{
    return granted_bytes == length_bytes ? NULL
                                         : jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                                                       "the slot is for %" APR_INT64_T_FMT
                                                       " bytes, not for %" APR_INT64_T_FMT,
                                                       granted_bytes, length_bytes);
}

static int is_same_essence(const char *stored, const char *other)
{
    size_t length = strcspn(stored, "; \t");
    return length == strcspn(other, "; \t") && memcmp(stored, other, length) == 0;
}

int jf_slot_type_fits(const char *granted, const char *content_type, apr_pool_t *pool)
{
    const char *sent = jf_media_to_store(content_type, pool);
    return is_same_essence(granted, JF_MEDIA_UNKNOWN) || is_same_essence(sent, JF_MEDIA_UNKNOWN) ||
           is_same_essence(sent, granted);
}

/* ---- where the file goes ---- */

jf_err_t *jf_slot_path(const char **path, const char *leaf, apr_time_t time_us, apr_pool_t *pool)
{
    const char *random;
    apr_time_exp_t utc;
    JF_TRY(jf_token_hex(&random, pool));
    apr_time_exp_gmt(&utc, time_us);
    *path = apr_psprintf(pool, "chat/%04d-%02d-%02d/%02d%02d%02d-%.*s/%s", utc.tm_year + 1900,
                         utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                         RANDOM_CHARS, random, leaf);
    return NULL;
}
