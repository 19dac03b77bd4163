#include "jf_slot_private.h"

#include <string.h>
#include <sys/uio.h>

#include <apr_encode.h>
#include <apr_strings.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "jf_area.h"
#include "jf_media.h"
#include "jf_units.h"

#define MAC_CHARS (2 * JF_SHA256_BYTES)
#define WHITESPACE " \t"

typedef struct message_t {
    const char *bytes; /**< with NULs among them */
    apr_size_t length;
} message_t;

/** One of the things that the Jabber server may have signed. */
typedef struct candidate_t {
    message_t message;
    const char *content_type;
} candidate_t;

int jf_slot_hmac(unsigned char *mac, const char *key, const char *message, apr_size_t length)
{
    return HMAC(EVP_sha256(), key, (int)strlen(key), (const unsigned char *)message, length, mac,
                NULL) != NULL;
}

/* ---- comparing ---- */

static int has_form_of_mac(const char *text)
{
    return strspn(text, "0123456789abcdef") == MAC_CHARS && text[MAC_CHARS] == '\0';
}

/** @param text has the form of a MAC. */
static int is_mac(const char *text, const char *key, const message_t *message, apr_pool_t *pool)
{
    unsigned char mac[JF_SHA256_BYTES];
    if (!jf_slot_hmac(mac, key, message->bytes, message->length)) {
        return 0;
    }
    const char *right = apr_pencode_base16_binary(pool, mac, sizeof(mac), APR_ENCODE_LOWER, NULL);
    return CRYPTO_memcmp(text, right, MAC_CHARS) == 0;
}

/* ---- what is signed ---- */

static struct iovec piece(const char *text)
{
    return (struct iovec){(void *)text, strlen(text)};
}

static message_t join(const struct iovec *pieces, apr_size_t count, apr_pool_t *pool)
{
    message_t message;
    message.bytes = apr_pstrcatv(pool, pieces, count, &message.length);
    return message;
}

static const char *path_of(const jf_slot_request_t *request, apr_pool_t *pool)
{
    return apr_pstrcat(pool, request->token, "/", request->leaf, NULL);
}

static const char *size_of(const jf_slot_request_t *request, apr_pool_t *pool)
{
    return apr_psprintf(pool, "%" APR_INT64_T_FMT, request->length_bytes);
}

/** "TOKEN/NAME SIZE" */
static message_t untyped_message(const jf_slot_request_t *request, apr_pool_t *pool)
{
    const struct iovec pieces[] = {
        piece(path_of(request, pool)),
        piece(" "),
        piece(size_of(request, pool)),
    };
    return join(pieces, sizeof(pieces) / sizeof(pieces[0]), pool);
}

/** "TOKEN/NAME", NUL, "SIZE", NUL, "TYPE" */
static message_t typed_message(const jf_slot_request_t *request, const char *content_type,
                               apr_pool_t *pool)
{
    const struct iovec nul = {(void *)"", 1};
    const struct iovec pieces[] = {
        piece(path_of(request, pool)), nul, piece(size_of(request, pool)), nul, piece(content_type),
    };
    return join(pieces, sizeof(pieces) / sizeof(pieces[0]), pool);
}

/** "TOKEN/NAME", NUL, "DELETE KEY" */
static message_t delete_message(const jf_slot_request_t *request, const char *delete_key,
                                apr_pool_t *pool)
{
    const struct iovec nul = {(void *)"", 1};
    const struct iovec pieces[] = {piece(path_of(request, pool)), nul, piece(delete_key)};
    return join(pieces, sizeof(pieces) / sizeof(pieces[0]), pool);
}

static const char *without_parameters(const char *content_type, apr_pool_t *pool)
{
    size_t length = strcspn(content_type, ";");
    while (length > 0 && strchr(WHITESPACE, content_type[length - 1])) {
        length--;
    }
    return apr_pstrmemdup(pool, content_type, length);
}

static void add_typed(apr_array_header_t *candidates, const jf_slot_request_t *request,
                      const char *content_type)
{
    if (content_type) {
        candidate_t *candidate = apr_array_push(candidates);
        candidate->content_type = content_type;
        candidate->message = typed_message(request, content_type, candidates->pool);
    }
}

/* The type is what the slot was asked with; many clients send another one, or none, with the PUT.
 * The one that was signed is found by trying. */
static apr_array_header_t *typed_candidates(const jf_slot_request_t *request, apr_pool_t *pool)
{
    apr_array_header_t *candidates = apr_array_make(pool, 4, sizeof(candidate_t));
    const char *sent = request->content_type;
    add_typed(candidates, request, sent);
    add_typed(candidates, request, sent ? without_parameters(sent, pool) : NULL);
    add_typed(candidates, request, jf_media_by_name(request->leaf));
    add_typed(candidates, request, JF_MEDIA_UNKNOWN);
    return candidates;
}

static apr_array_header_t *untyped_candidate(const jf_slot_request_t *request, apr_pool_t *pool)
{
    apr_array_header_t *candidates = apr_array_make(pool, 1, sizeof(candidate_t));
    candidate_t *candidate = apr_array_push(candidates);
    candidate->content_type = request->content_type;
    candidate->message = untyped_message(request, pool);
    return candidates;
}

/* ---- verifying ---- */

/** The first candidate that @a mac is right for; all are tried, so that time does not tell. */
static const candidate_t *find_signed(const char *mac, const char *key,
                                      const apr_array_header_t *candidates, apr_pool_t *pool)
{
    const candidate_t *found = NULL;
    for (int i = 0; i < candidates->nelts; i++) {
        const candidate_t *candidate = &APR_ARRAY_IDX(candidates, i, candidate_t);
        if (is_mac(mac, key, &candidate->message, pool) && !found) {
            found = candidate;
        }
    }
    return found;
}

/** The area that the path or the secret stands for. */
static const char *area_of(jf_slot_kind_t kind, const jf_slot_secret_t *secret,
                           const jf_slot_request_t *request, apr_pool_t *pool)
{
    const char *slash = strchr(request->token, '/');
    if (kind != JF_SLOT_V1 || !slash) {
        return secret->area;
    }
    const char *user = apr_pstrmemdup(pool, request->token, (apr_size_t)(slash - request->token));
    return jf_area_of_ejabberd(user, request->domain, pool);
}

jf_err_t *jf_slot_mac_verify(jf_slot_grant_t *grant, jf_slot_kind_t kind, const char *mac,
                             const apr_array_header_t *secrets, const jf_slot_request_t *request,
                             apr_pool_t *pool)
{
    if (!has_form_of_mac(mac)) {
        return jf_slot_refuse("the token of the slot is not 64 lower-case hexadecimal digits",
                              pool);
    }
    const apr_array_header_t *candidates =
        kind == JF_SLOT_V1 ? untyped_candidate(request, pool) : typed_candidates(request, pool);
    const jf_slot_secret_t *signer = NULL;
    const candidate_t *signed_one = NULL;
    for (int i = 0; i < secrets->nelts; i++) {
        const jf_slot_secret_t *secret = APR_ARRAY_IDX(secrets, i, const jf_slot_secret_t *);
        const candidate_t *found =
            secret->kind == kind ? find_signed(mac, secret->key, candidates, pool) : NULL;
        if (found && !signer) {
            signer = secret;
            signed_one = found;
        }
    }
    if (!signer) {
        return jf_slot_refuse("the token of the slot is for another path, size or type, or signed "
                              "with another key",
                              pool);
    }
    grant->area = area_of(kind, signer, request, pool);
    grant->media_type = jf_media_to_store(signed_one->content_type, pool);
    grant->expires_us = JF_NEVER;
    grant->valid_until_us = JF_NEVER;
    return NULL;
}

jf_err_t *jf_slot_mac_verify_delete(const char **area, const char *mac,
                                    const apr_array_header_t *secrets,
                                    const jf_slot_request_t *request, apr_pool_t *pool)
{
    const jf_slot_secret_t *signer = NULL;
    int is_formed = has_form_of_mac(mac);
    for (int i = 0; is_formed && i < secrets->nelts; i++) {
        const jf_slot_secret_t *secret = APR_ARRAY_IDX(secrets, i, const jf_slot_secret_t *);
        if (secret->kind == JF_SLOT_TOKEN && secret->delete_key) {
            const message_t message = delete_message(request, secret->delete_key, pool);
            int is_right = is_mac(mac, secret->key, &message, pool);
            signer = is_right && !signer ? secret : signer;
        }
    }
    if (!signer) {
        return jf_slot_refuse("the token of the deletion is wrong", pool);
    }
    *area = signer->area;
    return NULL;
}
