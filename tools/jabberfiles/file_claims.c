#include "file_claims.h"

#include <string.h>

#include <apr_strings.h>

#include "jf_ascii.h"
#include "jf_base64.h"
#include "jf_media.h"
#include "jf_names.h"
#include "jf_units.h"
#include "xmpp_time.h"

#define NS_HASHES "urn:xmpp:hashes:2"
#define ALGO_SHA256 "sha-256"
#define ALGO_SHA3_256 "sha3-256"
#define SHA3_256_BYTES 32

#define TEXT_BYTES_MAX 1024
#define SIZE_BYTES_MAX (APR_INT64_C(1) << 62)

/* ---- written ---- */

/** Adds a text if it is known. */
static void add_known(xmpp_ctx_t *ctx, xmpp_stanza_t *parent, const char *name, const char *text)
{
    if (text) {
        xmpp_stanza_element(ctx, parent, name, NULL, text);
    }
}

static void add_hash(xmpp_ctx_t *ctx, xmpp_stanza_t *parent, const char *algo,
                     const unsigned char *digest, apr_size_t length, apr_pool_t *pool)
{
    if (digest) {
        const char *text = jf_base64_encode(digest, length, pool);
        xmpp_stanza_t *hash = xmpp_stanza_element(ctx, parent, "hash", NS_HASHES, text);
        xmpp_stanza_set_attribute(hash, "algo", algo);
    }
}

void file_claims_add_hashes(xmpp_ctx_t *ctx, xmpp_stanza_t *parent, const shared_file_t *file,
                            apr_pool_t *pool)
{
    add_hash(ctx, parent, ALGO_SHA256, file->sha256, JF_SHA256_BYTES, pool);
    add_hash(ctx, parent, ALGO_SHA3_256, file->sha3_256, SHA3_256_BYTES, pool);
}

xmpp_stanza_t *file_claims_add(xmpp_ctx_t *ctx, xmpp_stanza_t *parent, const char *ns,
                               const shared_file_t *file, const char *description, apr_pool_t *pool)
{
    xmpp_stanza_t *element = xmpp_stanza_element(ctx, parent, "file", ns, NULL);
    add_known(ctx, element, "media-type", file->media_type);
    /* Where the sender keeps the file is nobody's business. */
    add_known(ctx, element, "name", file->name ? jf_names_leaf(file->name) : NULL);
    if (file->size_bytes >= 0) {
        add_known(ctx, element, "size", apr_psprintf(pool, "%" APR_INT64_T_FMT, file->size_bytes));
    }
    if (file->date_us > 0) {
        add_known(ctx, element, "date", jf_units_format_time(file->date_us, pool));
    }
    add_known(ctx, element, "desc", description);
    file_claims_add_hashes(ctx, element, file, pool);
    return element;
}

/* ---- read ---- */

const char *file_claims_text(xmpp_stanza_t *parent, const char *name, const char *ns,
                             apr_pool_t *pool)
{
    const char *text = xmpp_stanza_child_text(parent, name, ns, pool);
    return text && *text && strlen(text) <= TEXT_BYTES_MAX ? text : NULL;
}

apr_int64_t file_claims_size(const char *text)
{
    apr_int64_t size_bytes = 0;
    if (!text) {
        return -1;
    }
    for (const char *c = text; *c; c++) {
        if (!jf_ascii_is_digit(*c) || size_bytes > SIZE_BYTES_MAX / 10) {
            return -1;
        }
        size_bytes = size_bytes * 10 + (*c - '0');
    }
    return size_bytes <= SIZE_BYTES_MAX ? size_bytes : -1;
}

static const char *read_media_type(const char *text, apr_pool_t *pool)
{
    const char *media_type = text ? jf_media_to_store(text, pool) : JF_MEDIA_UNKNOWN;
    return strcmp(media_type, JF_MEDIA_UNKNOWN) == 0 ? NULL : media_type;
}

static const unsigned char *read_hash(xmpp_stanza_t *hash, apr_size_t length, apr_pool_t *pool)
{
    char *bytes;
    apr_size_t bytes_length;
    const char *text = xmpp_stanza_own_text(hash, pool);
    jf_err_t *err = jf_base64_decode(&bytes, &bytes_length, text, strlen(text), pool);
    return !err && bytes_length == length ? (const unsigned char *)bytes : NULL;
}

/** The algorithm of a <hash/>, "" if the element is none. */
static const char *algo_of(xmpp_stanza_t *child)
{
    const char *name = xmpp_stanza_is_tag(child) ? xmpp_stanza_get_name(child) : NULL;
    const char *ns = xmpp_stanza_is_tag(child) ? xmpp_stanza_get_ns(child) : NULL;
    const char *algo = NULL;
    if (name && ns && strcmp(name, "hash") == 0 && strcmp(ns, NS_HASHES) == 0) {
        algo = xmpp_stanza_get_attribute(child, "algo");
    }
    return algo ? algo : "";
}

shared_file_t *file_claims_none(apr_pool_t *pool)
{
    shared_file_t *file = apr_pcalloc(pool, sizeof(*file));
    file->size_bytes = -1;
    return file;
}

static const unsigned char *copy_digest(const unsigned char *digest, apr_size_t length,
                                        apr_pool_t *pool)
{
    return digest ? apr_pmemdup(pool, digest, length) : NULL;
}

shared_file_t *file_claims_copy(const shared_file_t *file, apr_pool_t *pool)
{
    shared_file_t *copy = apr_pmemdup(pool, file, sizeof(*file));
    copy->url = apr_pstrdup(pool, file->url);
    copy->name = apr_pstrdup(pool, file->name);
    copy->media_type = apr_pstrdup(pool, file->media_type);
    copy->description = apr_pstrdup(pool, file->description);
    copy->sha256 = copy_digest(file->sha256, JF_SHA256_BYTES, pool);
    copy->sha3_256 = copy_digest(file->sha3_256, SHA3_256_BYTES, pool);
    return copy;
}

static void read_hashes(shared_file_t *file, xmpp_stanza_t *element, apr_pool_t *pool)
{
    for (xmpp_stanza_t *child = xmpp_stanza_get_children(element); child;
         child = xmpp_stanza_get_next(child)) {
        const char *algo = algo_of(child);
        if (strcmp(algo, ALGO_SHA256) == 0 && !file->sha256) {
            file->sha256 = read_hash(child, JF_SHA256_BYTES, pool);
        } else if (strcmp(algo, ALGO_SHA3_256) == 0 && !file->sha3_256) {
            file->sha3_256 = read_hash(child, SHA3_256_BYTES, pool);
        }
    }
}

shared_file_t *file_claims_read(xmpp_stanza_t *element, const char *ns, apr_pool_t *pool)
{
    shared_file_t *file = file_claims_none(pool);
    const char *date = file_claims_text(element, "date", ns, pool);
    file->name = file_claims_text(element, "name", ns, pool);
    file->media_type = read_media_type(file_claims_text(element, "media-type", ns, pool), pool);
    file->description = file_claims_text(element, "desc", ns, pool);
    file->size_bytes = file_claims_size(file_claims_text(element, "size", ns, pool));
    file->date_us = date ? xmpp_time_parse(date) : 0;
    read_hashes(file, element, pool);
    return file;
}
