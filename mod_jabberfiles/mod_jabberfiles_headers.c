#include "mod_jabberfiles_private.h"

#include <string.h>

#include <apr_encode.h>
#include <apr_strings.h>
#include <openssl/evp.h>

#include "jf_digest.h"

#define ALL_METHODS "GET, HEAD, PUT, DELETE, OPTIONS"

/* Everything by default is forbidden; a picture or a film that is looked at by itself loads itself.
 */
#define POLICY_INLINE                                                                   \
    "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; " \
    "frame-ancestors 'none'; form-action 'none'; base-uri 'none'"
#define POLICY_SANDBOX \
    "default-src 'none'; frame-ancestors 'none'; form-action 'none'; base-uri 'none'; sandbox"

void jfm_set_header(request_rec *r, const char *name, const char *value)
{
    apr_table_setn(jfm_request(r)->headers, name, value);
    /* httpd sends this table with errors and 304 as well. */
    apr_table_setn(r->err_headers_out, name, value);
}

/* An error that a filter finds, such as 416, comes after the core has emptied the table. */
void jfm_restore_headers(request_rec *r)
{
    apr_table_overlap(r->err_headers_out, jfm_request(r)->headers, APR_OVERLAP_TABLES_SET);
}

/* ---- other origins (WHATWG Fetch) ---- */

static int is_allowed_origin(const jfm_dir_config_t *config, const char *origin)
{
    for (int i = 0; i < config->cors_origins->nelts; i++) {
        if (strcmp(APR_ARRAY_IDX(config->cors_origins, i, const char *), origin) == 0) {
            return 1;
        }
    }
    return 0;
}

/* What to allow, or NULL. Never credentials: a web client sends Authorization by itself. */
static const char *allowed_origin(request_rec *r)
{
    const jfm_dir_config_t *config = jfm_request(r)->config;
    const char *origin = apr_table_get(r->headers_in, "Origin");
    switch (jfm_cors(config)) {
    case JFM_CORS_ALL:
        return "*";
    case JFM_CORS_LIST:
        jfm_set_header(r, "Vary", "Origin");
        return origin && is_allowed_origin(config, origin) ? origin : NULL;
    case JFM_CORS_OFF:
    default:
        return NULL;
    }
}

#define EXPOSED                                                               \
    "Accept-Ranges, Allow, Content-Disposition, Content-Range, ETag, "        \
    "JabberFiles-Period-End, JabberFiles-Quota, JabberFiles-Transfer-Quota, " \
    "JabberFiles-Transferred, JabberFiles-Used, Link, Location, Repr-Digest, Retry-After"

static void set_cors(request_rec *r)
{
    const char *origin = allowed_origin(r);
    if (origin) {
        jfm_set_header(r, "Access-Control-Allow-Origin", origin);
        /* Long, and of use to a page of another origin only, which always says its own. What a
         * browser has without it gets it with 304. */
        if (apr_table_get(r->headers_in, "Origin")) {
            jfm_set_header(r, "Access-Control-Expose-Headers", EXPOSED);
        }
    }
}

int jfm_options(request_rec *r)
{
    int status = ap_discard_request_body(r);
    if (status != OK) {
        return status;
    }
    jfm_set_header(r, "Allow", ALL_METHODS);
    if (apr_table_get(jfm_request(r)->headers, "Access-Control-Allow-Origin")) {
        jfm_set_header(r, "Access-Control-Allow-Methods", ALL_METHODS);
        /* By name: a star does not cover Authorization. */
        jfm_set_header(
            r, "Access-Control-Allow-Headers",
            "Authorization, Content-Type, Content-Digest, Repr-Digest, If-Match, If-None-Match, "
            "If-Modified-Since, If-Unmodified-Since, If-Range, JabberFiles-Expire, Range");
        jfm_set_header(r, "Access-Control-Max-Age", "86400");
    }
    return HTTP_NO_CONTENT;
}

/* ---- what browsers may do with it ---- */

static apr_table_t *make_common(apr_pool_t *pool)
{
    apr_table_t *common = apr_table_make(pool, 16);
    apr_table_setn(common, "X-Content-Type-Options", "nosniff");
    apr_table_setn(common, "Content-Security-Policy", POLICY_INLINE);
    apr_table_setn(common, "X-Frame-Options", "DENY");
    /* The URL is the secret. */
    apr_table_setn(common, "Referrer-Policy", "no-referrer");
    apr_table_setn(common, "X-Robots-Tag", "noindex");
    apr_table_setn(common, "Cross-Origin-Resource-Policy", "cross-origin");
    return common;
}

/* Most answers have the same fields, so each gets a copy of the table and not field by field. */
static const apr_table_t *common_headers;

void jfm_make_common_headers(apr_pool_t *pool)
{
    common_headers = make_common(pool);
}

void jfm_set_common_headers(request_rec *r)
{
    jfm_request(r)->headers = apr_table_copy(r->pool, common_headers);
    if (apr_is_empty_table(r->err_headers_out)) {
        r->err_headers_out = apr_table_copy(r->pool, common_headers);
    } else {
        apr_table_overlap(r->err_headers_out, common_headers, APR_OVERLAP_TABLES_SET);
    }
    set_cors(r);
}

void jfm_set_sandbox(request_rec *r)
{
    jfm_set_header(r, "Content-Security-Policy", POLICY_SANDBOX);
}

void jfm_set_page_policy(request_rec *r, const char *style)
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    EVP_Digest(style, strlen(style), hash, NULL, EVP_sha256(), NULL);
    jfm_set_header(r, "Content-Security-Policy",
                   apr_pstrcat(r->pool, "default-src 'none'; style-src 'sha256-",
                               apr_pencode_base64_binary(r->pool, hash, JF_SHA256_BYTES,
                                                         APR_ENCODE_NONE, NULL),
                               "'; frame-ancestors 'none'; form-action 'none'; base-uri 'none'",
                               NULL));
}
