#include "jf_names.h"

#include <string.h>

#include <apr_strings.h>
#include <unistr.h>

#include "jf_ascii.h"
#include "jf_jid.h"

#define SLOT_SERVICE ".slot"

static jf_err_t *refuse(apr_pool_t *pool, const char *what)
{
    return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool, "%s", what);
}

/** What kind of character @a uc is that names must not contain; NULL if it is allowed. */
static const char *forbidden_kind(ucs4_t uc)
{
    if (uc < 0x20 || (uc >= 0x7F && uc <= 0x9F)) {
        return "a control character";
    }
    if (uc == 0x2028 || uc == 0x2029) {
        return "a line or paragraph separator";
    }
    if ((uc >= 0x202A && uc <= 0x202E) || (uc >= 0x2066 && uc <= 0x2069)) {
        return "a bidirectional override, which disguises names";
    }
    return NULL;
}

static int is_plain(const char *path)
{
    while (jf_ascii_is_printable(*path)) {
        path++;
    }
    return *path == '\0';
}

static jf_err_t *check_characters(const char *path, apr_pool_t *pool)
{
    const uint8_t *next = (const uint8_t *)path;
    if (is_plain(path)) {
        return NULL;
    }
    if (u8_check(next, strlen(path))) {
        return refuse(pool, "the path is not valid UTF-8");
    }
    ucs4_t uc;
    while ((next = u8_next(&uc, next))) {
        const char *kind = forbidden_kind(uc);
        if (kind) {
            return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                               "the path must not contain U+%04X (%s)", (unsigned)uc, kind);
        }
    }
    return NULL;
}

static jf_err_t *check_segment(const char *segment, size_t length, apr_pool_t *pool)
{
    if (length == 0) {
        return refuse(pool, "the path must not have an empty part: no \"//\", and no \"/\" at the "
                            "begin or end of a file's path");
    }
    if ((length == 1 && segment[0] == '.') ||
        (length == 2 && segment[0] == '.' && segment[1] == '.')) {
        return refuse(pool, "the path must not have a part that is \".\" or \"..\"");
    }
    if (length > JF_NAME_SEGMENT_BYTES_MAX) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                           "a part of the path has %" APR_SIZE_T_FMT " bytes, at most %d are "
                           "allowed",
                           length, JF_NAME_SEGMENT_BYTES_MAX);
    }
    return NULL;
}

jf_err_t *jf_names_check_path(const char *path, apr_pool_t *pool)
{
    size_t length = strlen(path);
    if (length > JF_NAME_PATH_BYTES_MAX) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                           "the path has %" APR_SIZE_T_FMT " bytes, at most %d are allowed", length,
                           JF_NAME_PATH_BYTES_MAX);
    }
    JF_TRY(check_characters(path, pool));
    for (const char *segment = path;; segment++) {
        size_t segment_length = strcspn(segment, "/");
        JF_TRY(check_segment(segment, segment_length, pool));
        segment += segment_length;
        if (*segment == '\0') {
            return NULL;
        }
    }
}

/** As jf_names_check_path, for a path that may end in a slash. */
static jf_err_t *check_path_or_folder(const char *path, apr_pool_t *pool)
{
    size_t length = strlen(path);
    if (length > 0 && path[length - 1] == '/') {
        path = apr_pstrmemdup(pool, path, length - 1);
    }
    return jf_names_check_path(path, pool);
}

/** @param rest what follows the JID: "" or "/…" */
static jf_err_t *parse_area(jf_name_t *name, const char *jid, const char *rest, apr_pool_t *pool)
{
    JF_TRY(jf_jid_prepare(&name->jid, jid, pool));
    name->kind = JF_NAME_FOLDER;
    if (rest[0] == '\0') {
        name->slash_missing = 1;
        name->path = "";
        return NULL;
    }
    name->path = apr_pstrdup(pool, rest + 1);
    if (name->path[0] == '\0') {
        return NULL;
    }
    JF_TRY(check_path_or_folder(name->path, pool));
    const char *leaf = jf_names_leaf(name->path);
    if (leaf[0] != '\0') {
        name->kind = JF_NAME_FILE;
        name->leaf = leaf;
    }
    return NULL;
}

static size_t count_segments(const char *path)
{
    size_t count = 1;
    for (; *path; path++) {
        count += *path == '/';
    }
    return count;
}

/** @param path checked, without leading slash */
static void parse_link(jf_name_t *name, const char *path, apr_pool_t *pool)
{
    const char *leaf = jf_names_leaf(path);
    size_t segments = count_segments(path);
    name->kind = JF_NAME_OTHER;
    if (strcmp(path, SLOT_SERVICE) == 0) {
        name->kind = JF_NAME_SLOT_SERVICE;
    } else if (leaf[0] != '\0' && (segments == 2 || segments == 3)) {
        name->kind = JF_NAME_LINK;
        name->token = apr_pstrmemdup(pool, path, (size_t)(leaf - path) - 1);
        name->leaf = apr_pstrdup(pool, leaf);
    }
}

jf_err_t *jf_names_parse(jf_name_t *name, const char *path, apr_pool_t *pool)
{
    memset(name, 0, sizeof(*name));
    if (strcmp(path, "") == 0 || strcmp(path, "/") == 0) {
        name->kind = JF_NAME_BASE;
        return NULL;
    }
    if (path[0] != '/') {
        return refuse(pool, "the path must begin with a \"/\"");
    }
    const char *first = path + 1;
    const char *rest = first + strcspn(first, "/");
    const char *head = apr_pstrmemdup(pool, first, rest - first);
    if (strchr(head, '@')) {
        return parse_area(name, head, rest, pool);
    }
    JF_TRY(check_path_or_folder(first, pool));
    parse_link(name, first, pool);
    return NULL;
}

const char *jf_names_leaf(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

const char *jf_names_escape(const char *path, apr_pool_t *pool)
{
    static const char hex[] = "0123456789ABCDEF";
    char *escaped = apr_palloc(pool, 3 * strlen(path) + 1);
    char *end = escaped;
    for (; *path; path++) {
        if (jf_ascii_is_alnum(*path) || strchr("-._~/", *path)) {
            *end++ = *path;
        } else {
            *end++ = '%';
            *end++ = hex[(unsigned char)*path >> 4];
            *end++ = hex[(unsigned char)*path & 0xF];
        }
    }
    *end = '\0';
    return escaped;
}
