#include "t_signer.h"

#include <string.h>
#include <sys/uio.h>

#include <apr_encode.h>
#include <apr_escape.h>
#include <apr_strings.h>
#include <apr_general.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "jf_names.h"

#define MAC_BYTES 32

apr_array_header_t *jf_signer_secrets(const jf_slot_secret_t *secrets, size_t count,
                                      apr_pool_t *pool)
{
    apr_array_header_t *array =
        apr_array_make(pool, (int)count + 1, sizeof(const jf_slot_secret_t *));
    for (size_t i = 0; i < count; i++) {
        APR_ARRAY_PUSH(array, const jf_slot_secret_t *) = &secrets[i];
    }
    return array;
}

/* ---- MACs ---- */

static void compute(unsigned char *mac, const char *key, const char *message, size_t length)
{
    assert_non_null(HMAC(EVP_sha256(), key, (int)strlen(key), (const unsigned char *)message,
                         length, mac, NULL));
}

const char *jf_signer_mac(const char *key, const char *message, size_t length, apr_pool_t *pool)
{
    unsigned char mac[MAC_BYTES];
    compute(mac, key, message, length);
    return apr_pencode_base16_binary(pool, mac, sizeof(mac), APR_ENCODE_LOWER, NULL);
}

const char *jf_signer_v1(const char *key, const char *path, apr_int64_t size_bytes,
                         apr_pool_t *pool)
{
    const char *message = apr_psprintf(pool, "%s %" APR_INT64_T_FMT, path, size_bytes);
    return jf_signer_mac(key, message, strlen(message), pool);
}

const char *jf_signer_v2(const char *key, const char *path, apr_int64_t size_bytes,
                         const char *content_type, apr_pool_t *pool)
{
    char *message =
        apr_psprintf(pool, "%s\n%" APR_INT64_T_FMT "\n%s", path, size_bytes, content_type);
    size_t length = strlen(message);
    char *at = message + strlen(path);
    *at = '\0';
    *strchr(at + 1, '\n') = '\0';
    return jf_signer_mac(key, message, length, pool);
}

/* ---- JSON Web Tokens ---- */

const char *jf_signer_base64url(const void *bytes, size_t length, apr_pool_t *pool)
{
    return apr_pencode_base64_binary(pool, bytes, (apr_ssize_t)length, APR_ENCODE_BASE64URL, NULL);
}

const char *jf_signer_sign(const char *key, const char *parts, apr_pool_t *pool)
{
    unsigned char mac[MAC_BYTES];
    compute(mac, key, parts, strlen(parts));
    return apr_pstrcat(pool, parts, ".", jf_signer_base64url(mac, sizeof(mac), pool), NULL);
}

const char *jf_signer_jwt(const char *key, const char *header, const char *payload,
                          apr_pool_t *pool)
{
    const char *parts = apr_pstrcat(pool, jf_signer_base64url(header, strlen(header), pool), ".",
                                    jf_signer_base64url(payload, strlen(payload), pool), NULL);
    return jf_signer_sign(key, parts, pool);
}

const char *jf_signer_payload(const char *name, const char *value, apr_pool_t *pool)
{
    static const char *const claims[][2] = {
        {"sub", "\"romeo@montague.tld\""},      {"slot", "\"" JF_SIGNER_SLOT "\""},
        {"filename", "\"" JF_SIGNER_LEAF "\""}, {"filesize", APR_STRINGIFY(JF_SIGNER_SIZE_BYTES)},
        {"filetype", "\"image/png\""},          {"exp", "1735689900"},
    };
    const char *payload = "{\"iat\":1735689600";
    for (size_t i = 0; i < JF_TEST_COUNT(claims); i++) {
        if (!name || strcmp(claims[i][0], name) != 0) {
            payload = apr_pstrcat(pool, payload, ",\"", claims[i][0], "\":", claims[i][1], NULL);
        }
    }
    if (value) {
        payload = apr_pstrcat(pool, payload, ",\"", name, "\":", value, NULL);
    }
    return apr_pstrcat(pool, payload, "}", NULL);
}

jf_slot_request_t jf_signer_bearer(const char *token, apr_pool_t *pool)
{
    return (jf_slot_request_t){
        .token = JF_SIGNER_SLOT,
        .leaf = JF_SIGNER_LEAF,
        .length_bytes = JF_SIGNER_SIZE_BYTES,
        .content_type = "image/png",
        .authorization = apr_pstrcat(pool, "Bearer ", token, NULL),
    };
}

/* ---- uploads ---- */

jf_slot_request_t jf_signer_request(const char *url, apr_int64_t length_bytes,
                                    const char *content_type, apr_pool_t *pool)
{
    jf_name_t name;
    const char *query = strchr(url, '?');
    const char *path = query ? apr_pstrmemdup(pool, url, (apr_size_t)(query - url)) : url;
    path = apr_pstrcat(pool, "/", apr_punescape_url(pool, path, "", "", 0), NULL);
    jf_test_ok(jf_names_parse(&name, path, pool), url);
    if (name.kind != JF_NAME_LINK) {
        fail_msg("\"%s\" is no link", url);
    }
    return (jf_slot_request_t){
        .token = name.token,
        .leaf = name.leaf,
        .length_bytes = length_bytes,
        .content_type = content_type,
        .query = query ? query + 1 : NULL,
    };
}

void jf_signer_add(jf_slot_request_t *request, const char *name, const char *value,
                   apr_pool_t *pool)
{
    const char *before = request->query ? apr_pstrcat(pool, request->query, "&", NULL) : "";
    request->query = apr_pstrcat(pool, before, name, "=", value, NULL);
}

/** A shorter secret may stand in a text by chance. */
#define CHANCE_CHARS 6

static void check_silence(const char *text, const char *secret)
{
    if (secret && strlen(secret) >= CHANCE_CHARS && strstr(text, secret)) {
        fail_msg("\"%s\" tells \"%s\"", text, secret);
    }
}

static const char *value_in(const char *query)
{
    const char *equals = query ? strchr(query, '=') : NULL;
    return equals ? equals + 1 : NULL;
}

static const char *token_in(const char *authorization)
{
    const char *space = authorization ? strrchr(authorization, ' ') : NULL;
    return space ? space + 1 : NULL;
}

void jf_signer_refused(const jf_err_t *err, jf_err_code_t code, const char *input,
                       const jf_slot_request_t *request, const apr_array_header_t *secrets)
{
    jf_test_refused(err, code, input);
    check_silence(err->text, value_in(request->query));
    check_silence(err->text, token_in(request->authorization));
    for (int i = 0; i < secrets->nelts; i++) {
        const jf_slot_secret_t *secret = APR_ARRAY_IDX(secrets, i, const jf_slot_secret_t *);
        check_silence(err->text, secret->key);
        check_silence(err->text, secret->delete_key);
    }
}

static const jf_slot_secret_t jwt_secret = JF_SIGNER_SECRET(JF_SLOT_JWT, JF_SIGNER_JWT_KEY);

jf_err_t *jf_signer_verify_jwt(jf_slot_grant_t *grant, const jf_slot_request_t *request,
                               apr_time_t now_us, apr_pool_t *pool)
{
    return jf_slot_verify(grant, jf_signer_secrets(&jwt_secret, 1, pool), request, now_us, pool);
}

void jf_signer_refuse_jwt(const jf_slot_request_t *request, apr_time_t now_us, jf_err_code_t code,
                          const char *input, apr_pool_t *pool)
{
    jf_slot_grant_t grant = {.area = "untouched"};
    jf_signer_refused(jf_signer_verify_jwt(&grant, request, now_us, pool), code, input, request,
                      jf_signer_secrets(&jwt_secret, 1, pool));
    assert_string_equal(grant.area, "untouched");
}

void jf_signer_refuse_token(const char *token, apr_pool_t *pool)
{
    jf_slot_request_t request = jf_signer_bearer(token, pool);
    jf_signer_refuse_jwt(&request, JF_SIGNER_NOW_US, JF_ERR_FORBIDDEN, token, pool);
}
