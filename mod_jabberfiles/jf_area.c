#include "jf_area.h"

#include <string.h>

#include <apr_encode.h>
#include <apr_strings.h>
#include <openssl/evp.h>

#include "jf_ascii.h"
#include "jf_jid.h"
#include "jf_names.h"

#define SHA1 "sha1:"
#define NODE "node:"
#define SLOTS "slots:"
#define LOWER_HEX "0123456789abcdef"
#define UPPER_HEX "ABCDEF"

static jf_err_t *refuse(apr_pool_t *pool, const char *what)
{
    return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool, "%s", what);
}

/** What follows @a prefix in @a name; NULL if it begins with something else. */
static const char *rest_after(const char *name, const char *prefix)
{
    size_t length = strlen(prefix);
    return strncmp(name, prefix, length) == 0 ? name + length : NULL;
}

/** 1 if @a text is as long as a SHA-1 in hex and has no other characters than @a digits. */
static int is_sha1(const char *text, const char *digits)
{
    return strspn(text, digits) == JF_AREA_SHA1_CHARS && text[JF_AREA_SHA1_CHARS] == '\0';
}

static const char *ascii_to_lower(const char *text, apr_pool_t *pool)
{
    char *lower = apr_pstrdup(pool, text);
    for (char *c = lower; *c; c++) {
        *c = jf_ascii_lower(*c);
    }
    return lower;
}

/* ---- names that people type ---- */

static jf_err_t *prepare_sha1(const char **name, const char *hex, apr_pool_t *pool)
{
    if (!is_sha1(hex, LOWER_HEX UPPER_HEX)) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                           "after \"" SHA1 "\" comes the SHA-1 of a JID, %d hexadecimal digits",
                           JF_AREA_SHA1_CHARS);
    }
    *name = apr_pstrcat(pool, SHA1, ascii_to_lower(hex, pool), NULL);
    return NULL;
}

/** Checks what is a segment of a URL, or part of a file's name. */
static jf_err_t *prepare_plain(const char **name, const char *text, const char *rest,
                               apr_pool_t *pool)
{
    if (strpbrk(rest, "/@")) {
        return refuse(pool,
                      "after \"" NODE "\" and \"" SLOTS "\" comes a name without \"/\" and \"@\"");
    }
    JF_TRY(jf_names_check_path(rest, pool));
    *name = apr_pstrdup(pool, text);
    return NULL;
}

jf_err_t *jf_area_prepare(const char **name, const char *text, apr_pool_t *pool)
{
    const char *rest = rest_after(text, SHA1);
    if (rest) {
        return prepare_sha1(name, rest, pool);
    }
    rest = rest_after(text, NODE);
    if (!rest) {
        rest = rest_after(text, SLOTS);
    }
    return rest ? prepare_plain(name, text, rest, pool) : jf_jid_prepare(name, text, pool);
}

/* ---- hashes ---- */

const char *jf_area_sha1(const char *jid, apr_pool_t *pool)
{
    unsigned char digest[EVP_MAX_MD_SIZE] = {0};
    unsigned length = JF_AREA_SHA1_CHARS / 2;
    EVP_Digest(jid, strlen(jid), digest, &length, EVP_sha1(), NULL);
    return apr_pencode_base16_binary(pool, digest, length, APR_ENCODE_LOWER, NULL);
}

const char *jf_area_hash(const char *name)
{
    const char *hex = rest_after(name, SHA1);
    return hex && is_sha1(hex, LOWER_HEX) ? hex : NULL;
}

int jf_area_is_jid(const char *name)
{
    return strchr(name, '@') != NULL;
}

/* ---- areas of slots ---- */

/** The JID with this localpart; NULL if it may be another's, or is not as servers write it. */
static const char *jid_of_node(const char *node, const char *domain, apr_pool_t *pool)
{
    const char *jid;
    if (!domain || strchr(node, '_')) {
        return NULL;
    }
    const char *text = apr_pstrcat(pool, node, "@", domain, NULL);
    jf_err_t *err = jf_jid_prepare(&jid, text, pool);
    return !err && strcmp(jid, text) == 0 ? jid : NULL;
}

const char *jf_area_of_ejabberd(const char *segment, const char *domain, apr_pool_t *pool)
{
    if (is_sha1(segment, LOWER_HEX)) {
        return apr_pstrcat(pool, SHA1, segment, NULL);
    }
    const char *jid = jid_of_node(segment, domain, pool);
    return jid ? jid : apr_pstrcat(pool, NODE, segment, NULL);
}

const char *jf_area_of_secret(const char *file, apr_pool_t *pool)
{
    const char *leaf = jf_names_leaf(file);
    const char *ending = strrchr(leaf, '.');
    size_t length = ending && ending > leaf ? (size_t)(ending - leaf) : strlen(leaf);
    char *name = apr_pstrmemdup(pool, leaf, length);
    for (char *c = name; *c; c++) {
        if (*c == '@' || !jf_ascii_is_printable(*c)) {
            *c = '_';
        }
    }
    return apr_pstrcat(pool, SLOTS, name, NULL);
}
