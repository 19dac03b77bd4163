#include "jf_media.h"

#include <string.h>

#include <apr_cstr.h>
#include <apr_escape.h>
#include <apr_strings.h>

#include "jf_ascii.h"
#include "jf_names.h"

#define WHITESPACE " \t"
#define CONTENT_TYPE_BYTES_MAX 255

const char *const jf_media_inline_default[] = {
    "image/jpeg", "image/png",  "image/gif", "image/webp", "image/avif", "audio/mpeg", "audio/ogg",
    "audio/mp4",  "audio/opus", "video/mp4", "video/webm", "video/ogg",  "text/plain", NULL,
};

typedef struct parameter_t {
    const char *name;
    size_t name_length; /**< 0 for an empty parameter, which RFC 9110 section 5.6.6 allows */
} parameter_t;

/** Length of a type or subtype name (RFC 6838 section 4.2) that @a text begins with. */
static size_t name_length(const char *text)
{
    size_t length = 0;
    while (text[length] &&
           (jf_ascii_is_alnum(text[length]) || (length > 0 && strchr("!#$&-^_.+", text[length])))) {
        length++;
    }
    return length;
}

/** Length of the "type/subtype" that @a text begins with; 0 if there is none. */
static size_t essence_length(const char *text)
{
    size_t type = name_length(text);
    if (type == 0 || text[type] != '/') {
        return 0;
    }
    size_t subtype = name_length(text + type + 1);
    return subtype == 0 ? 0 : type + 1 + subtype;
}

static void lower(char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        text[i] = jf_ascii_lower(text[i]);
    }
}

/** Length of a token (RFC 9110 section 5.6.2) that @a text begins with. */
static size_t token_length(const char *text)
{
    size_t length = 0;
    while (text[length] &&
           (jf_ascii_is_alnum(text[length]) || strchr("!#$%&'*+-.^_`|~", text[length]))) {
        length++;
    }
    return length;
}

/** Length of a quoted string that @a text begins with; 0 if it is not closed. */
static size_t quoted_length(const char *text)
{
    size_t length = 1;
    while (text[length] && text[length] != '"') {
        length += text[length] == '\\' && text[length + 1] ? 2 : 1;
    }
    return text[length] == '"' ? length + 1 : 0;
}

/**
 * Reads one parameter with the ";" before it.
 * @return what follows it, or NULL if there is no well-formed parameter.
 */
static const char *read_parameter(parameter_t *parameter, const char *at)
{
    at += strspn(at, WHITESPACE);
    if (*at != ';') {
        return NULL;
    }
    at++;
    at += strspn(at, WHITESPACE);
    parameter->name = at;
    parameter->name_length = token_length(at);
    at += parameter->name_length;
    if (parameter->name_length == 0) {
        return at;
    }
    if (*at != '=') {
        return NULL;
    }
    at++;
    size_t value_length = *at == '"' ? quoted_length(at) : token_length(at);
    return value_length == 0 ? NULL : at + value_length;
}

static int is_printable(const char *text)
{
    while (jf_ascii_is_printable(*text)) {
        text++;
    }
    return *text == '\0';
}

/** Length of the "type/subtype" that a well-formed media type begins with; 0 if it is not one. */
static size_t media_type_essence(const char *text)
{
    size_t length = essence_length(text);
    if (length == 0 || strlen(text) > CONTENT_TYPE_BYTES_MAX || !is_printable(text)) {
        return 0;
    }
    const char *at = text + length;
    while (at && *at) {
        parameter_t parameter;
        at = read_parameter(&parameter, at);
    }
    return at ? length : 0;
}

static int has_parameter(const char *media_type, const char *name)
{
    const char *at = media_type + essence_length(media_type);
    while (at && *at) {
        parameter_t parameter;
        at = read_parameter(&parameter, at);
        if (at && parameter.name_length == strlen(name) &&
            apr_cstr_casecmpn(parameter.name, name, parameter.name_length) == 0) {
            return 1;
        }
    }
    return 0;
}

const char *jf_media_to_store(const char *content_type, apr_pool_t *pool)
{
    if (!content_type) {
        return JF_MEDIA_UNKNOWN;
    }
    const char *begin = content_type + strspn(content_type, WHITESPACE);
    size_t length = strlen(begin);
    while (length > 0 && strchr(WHITESPACE, begin[length - 1])) {
        length--;
    }
    char *type = apr_pstrmemdup(pool, begin, length);
    size_t essence = media_type_essence(type);
    if (essence == 0) {
        return JF_MEDIA_UNKNOWN;
    }
    lower(type, essence);
    return type;
}

const char *jf_media_by_name(const char *leaf)
{
    static const struct {
        const char *ending;
        const char *media_type;
    } known[] = {
        {"3gp", "video/3gpp"},
        {"7z", "application/x-7z-compressed"},
        {"aac", "audio/aac"},
        {"amr", "audio/amr"},
        {"apk", "application/vnd.android.package-archive"},
        {"avi", "video/x-msvideo"},
        {"avif", "image/avif"},
        {"bmp", "image/bmp"},
        {"flac", "audio/flac"},
        {"gif", "image/gif"},
        {"gz", "application/gzip"},
        {"heic", "image/heic"},
        {"heif", "image/heif"},
        {"ics", "text/calendar"},
        {"jpeg", "image/jpeg"},
        {"jpg", "image/jpeg"},
        {"jxl", "image/jxl"},
        {"m4a", "audio/mp4"},
        {"m4v", "video/mp4"},
        {"mkv", "video/x-matroska"},
        {"mov", "video/quicktime"},
        {"mp3", "audio/mpeg"},
        {"mp4", "video/mp4"},
        {"odt", "application/vnd.oasis.opendocument.text"},
        {"oga", "audio/ogg"},
        {"ogg", "audio/ogg"},
        {"ogv", "video/ogg"},
        {"opus", "audio/ogg"},
        {"pdf", "application/pdf"},
        {"png", "image/png"},
        {"svg", "image/svg+xml"},
        {"txt", "text/plain"},
        {"vcf", "text/vcard"},
        {"wav", "audio/wav"},
        {"webm", "video/webm"},
        {"webp", "image/webp"},
        {"zip", "application/zip"},
    };

    const char *dot = strrchr(leaf, '.');
    for (size_t i = 0; dot && i < sizeof(known) / sizeof(known[0]); i++) {
        if (apr_cstr_casecmp(dot + 1, known[i].ending) == 0) {
            return known[i].media_type;
        }
    }
    return NULL;
}

int jf_media_is_active(const char *type)
{
    static const char *const exact[] = {
        "text/html",
        "text/css",
        "text/xsl",
        "text/vtt",
        "text/cache-manifest",
        "text/ecmascript",
        "text/jscript",
        "text/livescript",
        "text/x-ecmascript",
        "text/x-javascript",
        "application/ecmascript",
        "application/javascript",
        "application/json",
        "application/wasm",
        "application/x-ecmascript",
        "application/x-javascript",
        "application/x-shockwave-flash",
    };
    static const char *const prefixes[] = {
        "text/javascript", /* also text/javascript1.5 and its like */
        "text/xml",        /* also -external-parsed-entity */
        "application/xml", /* also -dtd */
        "multipart/",      "message/",
    };
    static const char suffix[] = "+xml";

    for (size_t i = 0; i < sizeof(exact) / sizeof(exact[0]); i++) {
        if (apr_cstr_casecmp(type, exact[i]) == 0) {
            return 1;
        }
    }
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        if (apr_cstr_casecmpn(type, prefixes[i], strlen(prefixes[i])) == 0) {
            return 1;
        }
    }
    size_t length = strlen(type);
    return length >= strlen(suffix) &&
           apr_cstr_casecmp(type + length - strlen(suffix), suffix) == 0;
}

jf_err_t *jf_media_parse_inline(const char **essence, const char *text, apr_pool_t *pool)
{
    size_t length = essence_length(text);
    if (length == 0 || text[length] != '\0') {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                           "\"%.80s\" is no media type: type/subtype is wanted, as in "
                           "\"image/png\", without wildcards and parameters",
                           apr_pescape_echo(pool, text, 1));
    }
    if (jf_media_is_active(text)) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                           "\"%.80s\" is never shown inline, because browsers run what is in such "
                           "a file",
                           text);
    }
    char *type = apr_pstrdup(pool, text);
    lower(type, length);
    *essence = type;
    return NULL;
}

int jf_media_is_inline(const char *media_type, const apr_array_header_t *allowed)
{
    const char *const *types = jf_media_inline_default;
    size_t count = sizeof(jf_media_inline_default) / sizeof(jf_media_inline_default[0]) - 1;
    if (allowed) {
        types = (const char *const *)allowed->elts;
        count = allowed->nelts;
    }
    /* Most downloads come here, and most types are told from each other by a few letters. */
    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(types[i]);
        if (apr_cstr_casecmpn(types[i], media_type, length) == 0 &&
            essence_length(media_type) == length) {
            return media_type_essence(media_type) > 0;
        }
    }
    return 0;
}

const char *jf_media_to_serve(const char *media_type, apr_pool_t *pool)
{
    static const char plain[] = "text/plain";
    /* Checked again: what is in the ledger may have been put there by another program. */
    const char *type = jf_media_to_store(media_type, pool);
    if (strncmp(type, plain, strlen(plain)) == 0 && essence_length(type) == strlen(plain) &&
        !has_parameter(type, "charset")) {
        return apr_pstrcat(pool, type, "; charset=utf-8", NULL);
    }
    return type;
}

/** The ASCII form of a name: one "_" for each character that does not fit into it. */
static const char *ascii_filename(const char *leaf, apr_pool_t *pool)
{
    char *filename = apr_palloc(pool, strlen(leaf) + 1);
    char *end = filename;
    for (; *leaf; leaf++) {
        int is_continuation = ((unsigned char)*leaf & 0xC0) == 0x80;
        if (jf_ascii_is_printable(*leaf) && !strchr("\"\\%", *leaf)) {
            *end++ = *leaf;
        } else if (!is_continuation) {
            *end++ = '_';
        }
    }
    *end = '\0';
    return filename;
}

const char *jf_media_disposition(int is_inline, const char *leaf, apr_pool_t *pool)
{
    /* RFC 8187 leaves more characters as they are than the URL form does; all of these may be
     * encoded too. */
    return apr_pstrcat(pool, is_inline ? "inline" : "attachment", "; filename=\"",
                       ascii_filename(leaf, pool), "\"; filename*=UTF-8''",
                       jf_names_escape(leaf, pool), NULL);
}
