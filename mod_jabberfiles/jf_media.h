/**
 * Media types and how a file is presented: stored type, inline or attachment, Content-Disposition.
 *
 * The uploader's Content-Type is a claim. It is stored if it is a media type and is never used to
 * decide anything but the exact allow-list of types shown inline.
 */
#ifndef JF_MEDIA_H
#define JF_MEDIA_H

#include <apr_tables.h>

#include "jf_err.h"

#define JF_MEDIA_UNKNOWN "application/octet-stream"

/**
 * The media type to store for a Content-Type that a client sent (RFC 9110 section 8.3, names as in
 * RFC 6838 section 4.2, so no wildcards).
 * @param content_type the field value, or NULL if there was none.
 * @return type/subtype in lower case with its parameters as sent, in @a pool; JF_MEDIA_UNKNOWN if
 * the value is missing, longer than 255 bytes, no media type, or holds a byte that is not printable
 *         ASCII.
 */
const char *jf_media_to_store(const char *content_type, apr_pool_t *pool);

/**
 * The media type that the ending of a name stands for among chat clients ("jpg", "mp4", …), NULL if
 * there is no ending or not one of these. For content whose type nobody has told.
 */
const char *jf_media_by_name(const char *leaf);

/**
 * 1 if @a type (without parameters, any case) may never be inline because browsers run it or obey
 * it: html, xml, svg, scripts, style sheets, JSON, multipart and message types, and the like.
 */
int jf_media_is_active(const char *type);

/**
 * Checks a type for the inline allow-list: "type/subtype" without parameters, not an active one.
 * @param essence set to the type in lower case, in @a pool.
 */
jf_err_t *jf_media_parse_inline(const char **essence, const char *text, apr_pool_t *pool);

/** The built-in allow-list, NULL-terminated: safe image, audio and video types and text/plain. */
extern const char *const jf_media_inline_default[];

/**
 * 1 if a file of this stored type is shown inline.
 * @param allowed array of const char *, as jf_media_parse_inline returned; NULL: the built-in list.
 */
int jf_media_is_inline(const char *media_type, const apr_array_header_t *allowed);

/** The Content-Type to answer with: the stored type, text/plain without charset as UTF-8. */
const char *jf_media_to_serve(const char *media_type, apr_pool_t *pool);

/**
 * The Content-Disposition of a file (RFC 6266): "inline" or "attachment", an ASCII filename="…"
 * first and filename*=UTF-8''… (RFC 8187) with the exact name.
 * @param leaf the name people see, UTF-8, without slashes. In the ASCII form everything outside
 *             printable ASCII, and each of '"', '\' and '%', becomes one "_" per character.
 */
const char *jf_media_disposition(int is_inline, const char *leaf, apr_pool_t *pool);

#endif
