#include "get_offer.h"

#include <string.h>

#include <apr_strings.h>
#include <openssl/crypto.h>

#include "get_source.h"
#include "jf_media.h"
#include "jf_names.h"
#include "jf_token.h"
#include "tool_text.h"

/* How much of the file the HTTP library asks for at a time. */
#define PIECE_BYTES (64 << 10)

/* ---- the offer ---- */

static jf_err_t *check_name(const char *name, apr_pool_t *pool)
{
    if (strchr(name, '/')) {
        return jf_err_make(
            JF_ERR_INVALID, APR_SUCCESS, pool,
            "the name \"%s\" is a path; only what is behind its last slash is wanted",
            tool_text_visible(name, pool));
    }
    return jf_names_check_path(name, pool);
}

static const char *type_of(const char *name, const char *type, apr_pool_t *pool)
{
    if (!type) {
        type = jf_media_by_name(name);
    }
    return jf_media_to_store(type, pool);
}

jf_err_t *get_offer_make(get_offer_t **offer, const char *name, const char *type,
                         apr_int64_t size_bytes, apr_pool_t *pool)
{
    const char *token;
    JF_TRY(check_name(name, pool));
    JF_TRY(jf_token_nonce(&token, pool));
    get_offer_t *made = apr_pcalloc(pool, sizeof(*made));
    const char *stored_type = type_of(name, type, pool);
    made->name = apr_pstrdup(pool, name);
    made->path = apr_pstrcat(pool, "/", token, "/", name, NULL);
    made->type = jf_media_to_serve(stored_type, pool);
    made->disposition = jf_media_disposition(jf_media_is_inline(stored_type, NULL), name, pool);
    made->size_bytes = size_bytes;
    *offer = made;
    return NULL;
}

const char *get_offer_url(const get_offer_t *offer, const char *base, apr_pool_t *pool)
{
    return apr_pstrcat(pool, base, jf_names_escape(offer->path, pool), NULL);
}

int get_offer_is_path(const get_offer_t *offer, const char *path)
{
    size_t length = strlen(offer->path);
    return strlen(path) == length && CRYPTO_memcmp(path, offer->path, length) == 0;
}

/* ---- answers ---- */

typedef struct field_t {
    const char *name;
    const char *value;
} field_t;

/* As mod_jabberfiles has them. Every connection has one request: there is nothing to come back
 * for. */
static const field_t common_fields[] = {
    {MHD_HTTP_HEADER_CONNECTION, "close"},
    {MHD_HTTP_HEADER_CACHE_CONTROL, "no-store"},
    {"X-Content-Type-Options", "nosniff"},
    {"Content-Security-Policy",
     "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; "
     "frame-ancestors 'none'; form-action 'none'; base-uri 'none'; sandbox"},
    {"X-Frame-Options", "DENY"},
    {"Referrer-Policy", "no-referrer"},
    {"X-Robots-Tag", "noindex"},
    {"Cross-Origin-Resource-Policy", "cross-origin"},
};

static struct MHD_Response *add_fields(struct MHD_Response *response, const field_t *fields,
                                       size_t count)
{
    for (size_t i = 0; response && i < count; i++) {
        if (MHD_add_response_header(response, fields[i].name, fields[i].value) != MHD_YES) {
            MHD_destroy_response(response);
            response = NULL;
        }
    }
    return response;
}

static struct MHD_Response *add_common_fields(struct MHD_Response *response)
{
    return add_fields(response, common_fields, sizeof(common_fields) / sizeof(common_fields[0]));
}

struct MHD_Response *get_offer_answer(const get_offer_t *offer, MHD_ContentReaderCallback reader,
                                      void *baton)
{
    const field_t fields[] = {
        {MHD_HTTP_HEADER_CONTENT_TYPE, offer->type},
        {MHD_HTTP_HEADER_CONTENT_DISPOSITION, offer->disposition},
        {MHD_HTTP_HEADER_ACCEPT_RANGES, "none"},
    };
    apr_uint64_t size_bytes =
        offer->size_bytes == GET_SIZE_UNKNOWN ? MHD_SIZE_UNKNOWN : (apr_uint64_t)offer->size_bytes;
    struct MHD_Response *response = add_common_fields(
        MHD_create_response_from_callback(size_bytes, PIECE_BYTES, reader, baton, NULL));
    return add_fields(response, fields, sizeof(fields) / sizeof(fields[0]));
}

static const char *refusal_text(unsigned status)
{
    switch (status) {
    case MHD_HTTP_NOT_FOUND:
        return "There is no such file here.\n";
    case MHD_HTTP_METHOD_NOT_ALLOWED:
        return "This file can be fetched with GET, and with nothing else.\n";
    case MHD_HTTP_CONFLICT:
        return "This file can be fetched once, and somebody has begun to.\n";
    case MHD_HTTP_BAD_REQUEST:
        return "A GET has no content.\n";
    case MHD_HTTP_GONE:
        return "Who offered this file does not give it any more.\n";
    case MHD_HTTP_GATEWAY_TIMEOUT:
        return "Who offered this file does not answer.\n";
    case MHD_HTTP_BAD_GATEWAY:
        return "Who offered this file sent something else.\n";
    default:
        return "This does not work at the moment.\n";
    }
}

struct MHD_Response *get_offer_refusal(unsigned status)
{
    static const field_t allow = {MHD_HTTP_HEADER_ALLOW, "GET, HEAD"};
    static const field_t type = {MHD_HTTP_HEADER_CONTENT_TYPE, "text/plain; charset=utf-8"};
    const char *text = refusal_text(status);
    struct MHD_Response *response = add_common_fields(
        MHD_create_response_from_buffer(strlen(text), (void *)text, MHD_RESPMEM_MUST_COPY));
    response = add_fields(response, &type, 1);
    return status == MHD_HTTP_METHOD_NOT_ALLOWED ? add_fields(response, &allow, 1) : response;
}
