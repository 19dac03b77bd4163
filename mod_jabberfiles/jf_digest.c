#include "jf_digest.h"

#include <string.h>

#include <apr_encode.h>
#include <apr_strings.h>

#include "jf_ascii.h"

#define KEY "sha-256"
#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"
#define WHITESPACE " \t"

/*
 * The skip_* functions are the parsing algorithms of RFC 8941 section 4.2. Each moves *at behind
 * the item that is expected there and returns 1, or returns 0 if it is not there.
 */

static int skip_char(const char **at, char c)
{
    if (**at != c) {
        return 0;
    }
    (*at)++;
    return 1;
}

static int skip_key(const char **at)
{
    if (!jf_ascii_is_lower(**at) && **at != '*') {
        return 0;
    }
    *at += strspn(*at, LOWER DIGITS "_-.*");
    return 1;
}

static int skip_number(const char **at)
{
    skip_char(at, '-');
    size_t whole = strspn(*at, DIGITS);
    *at += whole;
    if (!skip_char(at, '.')) {
        return whole >= 1 && whole <= 15;
    }
    size_t fraction = strspn(*at, DIGITS);
    *at += fraction;
    return whole >= 1 && whole <= 12 && fraction >= 1 && fraction <= 3;
}

static int skip_string(const char **at)
{
    if (!skip_char(at, '"')) {
        return 0;
    }
    while (**at != '"') {
        if (skip_char(at, '\\') && **at != '"' && **at != '\\') {
            return 0;
        }
        if (!jf_ascii_is_printable(**at)) {
            return 0;
        }
        (*at)++;
    }
    (*at)++;
    return 1;
}

static int skip_token(const char **at)
{
    *at += strspn(*at, UPPER LOWER DIGITS "!#$%&'*+-.^_`|~:/");
    return 1;
}

static int skip_bytes(const char **at)
{
    (*at)++;
    *at += strspn(*at, UPPER LOWER DIGITS "+/=");
    return skip_char(at, ':');
}

static int skip_boolean(const char **at)
{
    (*at)++;
    return skip_char(at, '0') || skip_char(at, '1');
}

static int skip_bare_item(const char **at)
{
    switch (**at) {
    case '"':
        return skip_string(at);
    case ':':
        return skip_bytes(at);
    case '?':
        return skip_boolean(at);
    case '*':
        return skip_token(at);
    case '-':
        return skip_number(at);
    default:
        if (jf_ascii_is_digit(**at)) {
            return skip_number(at);
        }
        return jf_ascii_is_alnum(**at) && skip_token(at);
    }
}

static int skip_parameters(const char **at)
{
    while (skip_char(at, ';')) {
        *at += strspn(*at, " ");
        if (!skip_key(at) || (skip_char(at, '=') && !skip_bare_item(at))) {
            return 0;
        }
    }
    return 1;
}

static int skip_inner_list(const char **at)
{
    (*at)++;
    for (;;) {
        *at += strspn(*at, " ");
        if (skip_char(at, ')')) {
            return 1;
        }
        if (!skip_bare_item(at) || !skip_parameters(at) || (**at != ' ' && **at != ')')) {
            return 0;
        }
    }
}

/** @a value is set to the value of the member, or to "" if it has none. */
static int skip_member(const char **at, const char **value)
{
    *value = "";
    if (!skip_key(at)) {
        return 0;
    }
    if (skip_char(at, '=')) {
        *value = *at;
        if (!(**at == '(' ? skip_inner_list(at) : skip_bare_item(at))) {
            return 0;
        }
    }
    return skip_parameters(at);
}

/** @return 0 if @a value, a valid item, is no byte sequence of the right length. */
static int decode_sha256(unsigned char *sha256, const char *value)
{
    if (!skip_char(&value, ':')) {
        return 0;
    }
    unsigned char decoded[JF_SHA256_BYTES + 1];
    size_t length = strcspn(value, ":");
    size_t padded_length = (JF_SHA256_BYTES + 2) / 3 * 4;
    apr_size_t decoded_bytes;
    if (length > padded_length ||
        apr_decode_base64_binary(decoded, value, length, APR_ENCODE_NONE, &decoded_bytes) !=
            APR_SUCCESS ||
        decoded_bytes != JF_SHA256_BYTES) {
        return 0;
    }
    memcpy(sha256, decoded, JF_SHA256_BYTES);
    return 1;
}

/**
 * Finds the value of the last sha-256 member.
 * @param sha256_value NULL if there is none.
 * @return 0 if @a field is no dictionary.
 */
static int find_sha256(const char **sha256_value, const char *field)
{
    const char *at = field + strspn(field, " ");
    *sha256_value = NULL;
    while (*at) {
        const char *key = at;
        const char *value;
        if (!skip_member(&at, &value)) {
            return 0;
        }
        if (strncmp(key, KEY, strlen(KEY)) == 0 && strchr("=;, \t", key[strlen(KEY)])) {
            *sha256_value = value;
        }
        at += strspn(at, WHITESPACE);
        if (*at == '\0') {
            return 1;
        }
        if (!skip_char(&at, ',')) {
            return 0;
        }
        at += strspn(at, WHITESPACE);
        if (*at == '\0') {
            return 0;
        }
    }
    return 1;
}

jf_err_t *jf_digest_parse(unsigned char *sha256, int *found, const char *field, apr_pool_t *pool)
{
    const char *value;
    if (!find_sha256(&value, field)) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                           "the digest field is no dictionary (RFC 8941): " KEY "=:BASE64: is "
                           "wanted");
    }
    if (value && !decode_sha256(sha256, value)) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                           KEY " in the digest field must be %d bytes in base64 between colons",
                           JF_SHA256_BYTES);
    }
    *found = value != NULL;
    return NULL;
}

const char *jf_digest_format(const unsigned char *sha256, apr_pool_t *pool)
{
    return apr_pstrcat(
        pool,
        KEY "=:", apr_pencode_base64_binary(pool, sha256, JF_SHA256_BYTES, APR_ENCODE_NONE, NULL),
        ":", NULL);
}
