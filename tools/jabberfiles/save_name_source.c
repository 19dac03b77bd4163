/* Where the names of files come from: header fields and URLs. */
#include "save_name.h"

#include <string.h>
#include <strings.h>

#include <apr_escape.h>
#include <apr_strings.h>

#include "jf_ascii.h"

#define WHITESPACE " \t"
/* RFC 9110 section 5.6.2, letters and digits aside. */
#define TOKEN_MARKS "!#$%&'*+-.^_`|~"

static void skip_spaces(const char **at)
{
    *at += strspn(*at, WHITESPACE);
}

static const char *read_token(const char **at, apr_pool_t *pool)
{
    const char *begin = *at;
    while (jf_ascii_is_alnum(**at) || (**at && strchr(TOKEN_MARKS, **at))) {
        (*at)++;
    }
    return apr_pstrmemdup(pool, begin, (apr_size_t)(*at - begin));
}

/** A quoted-string; one that does not end goes to the end of the field. */
static const char *read_quoted(const char **at, apr_pool_t *pool)
{
    char *text = apr_palloc(pool, strlen(*at) + 1);
    char *out = text;
    (*at)++;
    while (**at && **at != '"') {
        if (**at == '\\' && (*at)[1]) {
            (*at)++;
        }
        *out++ = *(*at)++;
    }
    if (**at == '"') {
        (*at)++;
    }
    *out = '\0';
    return text;
}

/** The value of a parameter: quoted, or what comes until the next semicolon. Many servers write
 * names with spaces and without quotes. */
static const char *read_value(const char **at, apr_pool_t *pool)
{
    if (**at == '"') {
        return read_quoted(at, pool);
    }
    const char *begin = *at;
    *at += strcspn(*at, ";");
    const char *end = *at;
    while (end > begin && strchr(WHITESPACE, end[-1])) {
        end--;
    }
    return apr_pstrmemdup(pool, begin, (apr_size_t)(end - begin));
}

/** Undoes %XX once. @return NULL if there is a NUL among it or an escape that is none. */
static const char *decode(const char *text, apr_pool_t *pool)
{
    return apr_punescape_url(pool, text, "", "", 0);
}

static const char *from_latin1(const char *text, apr_pool_t *pool)
{
    char *utf8 = apr_palloc(pool, 2 * strlen(text) + 1);
    char *out = utf8;
    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte < 0x80) {
            *out++ = (char)byte;
        } else {
            *out++ = (char)(0xC0 | byte >> 6);
            *out++ = (char)(0x80 | (byte & 0x3F));
        }
    }
    *out = '\0';
    return utf8;
}

/** CHARSET'LANGUAGE'TEXT (RFC 8187), or NULL. */
static const char *decode_extended(const char *value, apr_pool_t *pool)
{
    const char *language = strchr(value, '\'');
    const char *text = language ? strchr(language + 1, '\'') : NULL;
    const char *decoded = text ? decode(text + 1, pool) : NULL;
    if (!decoded) {
        return NULL;
    }
    size_t charset_length = (size_t)(language - value);
    if (charset_length == strlen("UTF-8") && strncasecmp(value, "UTF-8", charset_length) == 0) {
        return decoded;
    }
    if (charset_length == strlen("ISO-8859-1") &&
        strncasecmp(value, "ISO-8859-1", charset_length) == 0) {
        return from_latin1(decoded, pool);
    }
    return NULL;
}

const char *save_name_from_disposition(const char *field, apr_pool_t *pool)
{
    const char *plain = NULL;
    const char *extended = NULL;
    const char *at = field + strcspn(field, ";");
    while (*at == ';') {
        at++;
        skip_spaces(&at);
        const char *key = read_token(&at, pool);
        skip_spaces(&at);
        const char *value = NULL;
        if (*at == '=') {
            at++;
            skip_spaces(&at);
            value = read_value(&at, pool);
        }
        if (value && strcasecmp(key, "filename*") == 0 && !extended) {
            extended = decode_extended(value, pool);
        } else if (value && strcasecmp(key, "filename") == 0 && !plain) {
            plain = value;
        }
        at += strcspn(at, ";");
    }
    return extended ? extended : plain;
}

const char *save_name_from_url(const char *url, apr_pool_t *pool)
{
    const char *authority = strstr(url, "://");
    const char *path = authority ? strpbrk(authority + strlen("://"), "/?#") : NULL;
    if (!path || *path != '/') {
        return NULL;
    }
    path = apr_pstrmemdup(pool, path, strcspn(path, "?#"));
    const char *leaf = strrchr(path, '/') + 1;
    const char *decoded = decode(leaf, pool);
    const char *name = decoded ? decoded : leaf;
    return name[0] ? name : NULL;
}
