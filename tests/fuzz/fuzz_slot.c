/*
 * The input is an upload, one part a line: path below BASE, Content-Length, Content-Type, query,
 * Authorization, header of a JSON Web Token, its payload. It is tried as it is, and with a token of
 * each kind that is signed with the right key.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include <apr_encode.h>
#include <apr_strings.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "jf_area.h"
#include "jf_media.h"
#include "jf_names.h"
#include "jf_slot.h"
#include "jf_units.h"

#define KEY "secret string"
#define DELETE_KEY "delete secret"
#define AREA "slots:fuzz"
#define NOW_US apr_time_from_sec(1735689700)
#define MAC_BYTES 32

static const jf_slot_secret_t all_secrets[] = {
    {JF_SLOT_V1, KEY, NULL, AREA},
    {JF_SLOT_TOKEN, KEY, DELETE_KEY, AREA},
    {JF_SLOT_V2, KEY, NULL, AREA},
    {JF_SLOT_JWT, KEY, NULL, AREA},
};
#define SECRETS (sizeof(all_secrets) / sizeof(all_secrets[0]))

typedef struct input_t {
    jf_slot_request_t request;
    const char *header;
    const char *payload;
} input_t;

/* ---- the input ---- */

/** The next line, NULL if it is empty or there is none. */
static const char *next_line(const char **at, apr_pool_t *pool)
{
    size_t length = strcspn(*at, "\n");
    const char *line = length > 0 ? apr_pstrmemdup(pool, *at, length) : NULL;
    *at += length + ((*at)[length] == '\n');
    return line;
}

/** @return 0 if the path is no link, so that nobody would ask for its token. */
static int read_input(input_t *input, const char *text, apr_pool_t *pool)
{
    jf_name_t name;
    const char *path = next_line(&text, pool);
    jf_err_t *err = jf_names_parse(&name, apr_pstrcat(pool, "/", path, NULL), pool);
    fuzz_check_refusal(err);
    if (err || name.kind != JF_NAME_LINK) {
        return 0;
    }
    const char *length = next_line(&text, pool);
    input->request = (jf_slot_request_t){.token = name.token, .leaf = name.leaf};
    input->request.length_bytes = length ? strtoll(length, NULL, 10) : 0;
    input->request.content_type = next_line(&text, pool);
    input->request.query = next_line(&text, pool);
    input->request.authorization = next_line(&text, pool);
    input->request.domain = "montague.tld";
    const char *header = next_line(&text, pool);
    input->header = header ? header : "";
    input->payload = text;
    return 1;
}

static apr_array_header_t *make_secrets(apr_pool_t *pool)
{
    apr_array_header_t *secrets = apr_array_make(pool, SECRETS, sizeof(const jf_slot_secret_t *));
    for (size_t i = 0; i < SECRETS; i++) {
        APR_ARRAY_PUSH(secrets, const jf_slot_secret_t *) = &all_secrets[i];
    }
    return secrets;
}

/* ---- signing ---- */

static void compute(unsigned char *mac, const char *message, size_t length)
{
    FUZZ_CHECK(HMAC(EVP_sha256(), KEY, (int)strlen(KEY), (const unsigned char *)message, length,
                    mac, NULL));
}

static const char *sign_hex(const char *message, size_t length, apr_pool_t *pool)
{
    unsigned char mac[MAC_BYTES];
    compute(mac, message, length);
    return apr_pencode_base16_binary(pool, mac, sizeof(mac), APR_ENCODE_LOWER, NULL);
}

static const char *base64url(const void *bytes, size_t length, apr_pool_t *pool)
{
    return apr_pencode_base64_binary(pool, bytes, (apr_ssize_t)length, APR_ENCODE_BASE64URL, NULL);
}

static const char *sign_jwt(const char *header, const char *payload, apr_pool_t *pool)
{
    unsigned char mac[MAC_BYTES];
    const char *parts = apr_pstrcat(pool, base64url(header, strlen(header), pool), ".",
                                    base64url(payload, strlen(payload), pool), NULL);
    compute(mac, parts, strlen(parts));
    return apr_pstrcat(pool, parts, ".", base64url(mac, sizeof(mac), pool), NULL);
}

/* ---- properties ---- */

static void check_refusal(const jf_err_t *err, const jf_slot_request_t *request)
{
    FUZZ_CHECK(err->code == JF_ERR_NO_TOKEN || err->code == JF_ERR_FORBIDDEN ||
               (err->code == JF_ERR_INVALID && request->authorization));
    FUZZ_CHECK(err->text[0] != '\0' && fuzz_is_printable(err->text));
    FUZZ_CHECK(!strstr(err->text, KEY));
}

static void check_grant(const jf_slot_grant_t *grant, apr_pool_t *pool)
{
    const char *area;
    FUZZ_CHECK(!jf_area_prepare(&area, grant->area, pool));
    FUZZ_CHECK(strcmp(area, grant->area) == 0);
    FUZZ_CHECK(strcmp(jf_media_to_store(grant->media_type, pool), grant->media_type) == 0);
    FUZZ_CHECK(grant->expires_us == JF_NEVER || grant->expires_us > NOW_US);
    FUZZ_CHECK(grant->valid_until_us == JF_NEVER || grant->valid_until_us > NOW_US);
}

/** @return 1 if the upload is allowed. */
static int check_verify(const jf_slot_request_t *request, apr_pool_t *pool)
{
    jf_slot_grant_t grant;
    jf_err_t *err = jf_slot_verify(&grant, make_secrets(pool), request, NOW_US, pool);
    if (err) {
        check_refusal(err, request);
        return 0;
    }
    check_grant(&grant, pool);
    FUZZ_CHECK(request->length_bytes >= 0);
    return 1;
}

/** What is allowed is not allowed for another name or size. */
static void check_as_it_is(const jf_slot_request_t *request, apr_pool_t *pool)
{
    if (!check_verify(request, pool)) {
        return;
    }
    jf_slot_request_t other = *request;
    other.leaf = apr_pstrcat(pool, request->leaf, "x", NULL);
    FUZZ_CHECK(!check_verify(&other, pool));
    other = *request;
    other.length_bytes++;
    FUZZ_CHECK(!check_verify(&other, pool));
}

static void check_v1(const jf_slot_request_t *as_it_is, apr_pool_t *pool)
{
    jf_slot_request_t request = *as_it_is;
    const char *message = apr_psprintf(pool, "%s/%s %" APR_INT64_T_FMT, request.token, request.leaf,
                                       request.length_bytes);
    const char *mac = sign_hex(message, strlen(message), pool);
    request.query = apr_pstrcat(pool, "v=", mac, NULL);
    request.authorization = NULL;
    FUZZ_CHECK(check_verify(&request, pool) == (request.length_bytes >= 0));
    request.query = apr_pstrcat(pool, "v=", mac, "&v=", mac, NULL);
    FUZZ_CHECK(!check_verify(&request, pool));
}

/** Signed for whatever type is sent, so that the first candidate is right. */
static void check_v2(const jf_slot_request_t *as_it_is, apr_pool_t *pool)
{
    jf_slot_request_t request = *as_it_is;
    const char *type = request.content_type ? request.content_type : JF_MEDIA_UNKNOWN;
    char *message = apr_psprintf(pool, "%s/%s\n%" APR_INT64_T_FMT "\n%s", request.token,
                                 request.leaf, request.length_bytes, type);
    size_t length = strlen(message);
    char *newline = strchr(message, '\n');
    *newline = '\0';
    *strchr(newline + 1, '\n') = '\0';
    request.query = apr_pstrcat(pool, "v2=", sign_hex(message, length, pool), NULL);
    request.authorization = NULL;
    FUZZ_CHECK(check_verify(&request, pool) == (request.length_bytes >= 0));
}

/** Whatever is signed: what is allowed says what the upload is. */
static void check_jwt(const input_t *input, apr_pool_t *pool)
{
    jf_slot_request_t request = input->request;
    const char *token = sign_jwt(input->header, input->payload, pool);
    request.authorization = apr_pstrcat(pool, "Bearer ", token, NULL);
    if (!check_verify(&request, pool)) {
        return;
    }
    FUZZ_CHECK(strstr(input->header, "HS256") || strchr(input->header, '\\'));
    FUZZ_CHECK(!strchr(request.token, '/'));
    check_as_it_is(&request, pool);
    char *changed = apr_pstrdup(pool, request.authorization);
    char *last = changed + strlen(changed) - 1;
    *last = *last == 'A' ? 'E' : 'A';
    request.authorization = changed;
    FUZZ_CHECK(!check_verify(&request, pool));
}

static void check_delete(const jf_slot_request_t *request, apr_pool_t *pool)
{
    const char *area;
    jf_err_t *err = jf_slot_verify_delete(&area, make_secrets(pool), request, pool);
    if (err) {
        FUZZ_CHECK(err->code == JF_ERR_NO_TOKEN || err->code == JF_ERR_FORBIDDEN);
        check_refusal(err, request);
    }
}

static void check_path(const jf_slot_request_t *request, apr_pool_t *pool)
{
    const char *path;
    FUZZ_CHECK(!jf_slot_path(&path, request->leaf, NOW_US, pool));
    FUZZ_CHECK(!jf_names_check_path(path, pool));
    FUZZ_CHECK(strcmp(jf_names_leaf(path), request->leaf) == 0);
}

void fuzz_one(const char *text, apr_pool_t *pool)
{
    input_t input;
    if (!read_input(&input, text, pool)) {
        return;
    }
    check_as_it_is(&input.request, pool);
    check_v1(&input.request, pool);
    check_v2(&input.request, pool);
    check_jwt(&input, pool);
    check_delete(&input.request, pool);
    check_path(&input.request, pool);
}
