/**
 * What the path of a URL below BASE means: an area, a file of an area, or a link.
 *
 * The one parser of paths. It takes the path after percent-decoding (which httpd does once) and
 * never builds a path of the file system.
 */
#ifndef JF_NAMES_H
#define JF_NAMES_H

#include "jf_err.h"

/** Longest segment of a path in an area, in bytes. */
#define JF_NAME_SEGMENT_BYTES_MAX 255
/** Longest path in an area, in bytes. */
#define JF_NAME_PATH_BYTES_MAX 4096

typedef enum {
    JF_NAME_BASE,         /**< BASE itself: "" or "/" */
    JF_NAME_FOLDER,       /**< "/jid", "/jid/" or "/jid/some/folder/": all files below a prefix */
    JF_NAME_FILE,         /**< "/jid/path" */
    JF_NAME_LINK,         /**< "/TOKEN/NAME", or "/USER/RANDOM/NAME" of an ejabberd slot */
    JF_NAME_SLOT_SERVICE, /**< "/.slot", where ejabberd asks for slots */
    JF_NAME_OTHER,        /**< neither: "/x", "/x/", "/w/x/y/z" without "@": nothing lives there */
} jf_name_kind_t;

typedef struct jf_name_t {
    jf_name_kind_t kind;
    const char *jid; /**< FOLDER, FILE: the area, prepared; else NULL */
    const char
        *path; /**< FILE: path in the area without leading slash; FOLDER: "" or "some/folder/" */
    const char *token; /**< LINK: all before the last segment, "TOKEN" or "USER/RANDOM" */
    const char *leaf;  /**< FILE, LINK: last segment, the name people see */
    int slash_missing; /**< FOLDER: 1 for "/jid" without the slash, else 0 */
} jf_name_t;

/**
 * Says what a path below BASE means.
 * @param path decoded once, with its leading slash; "" for BASE itself. A first segment with "@" is
 * an area.
 * @param name filled in; its strings live in @a pool.
 * @return JF_ERR_INVALID naming what is wrong: a bad JID, or a path that jf_names_check_path
 * refuses. Wrong characters in a link are refused in the same way.
 */
jf_err_t *jf_names_parse(jf_name_t *name, const char *path, apr_pool_t *pool);

/**
 * Checks a path in an area: UTF-8; segments of 1 to 255 bytes that are not "." or ".."; no control
 * characters (C0, DEL, C1, line and paragraph separators) and no bidirectional overrides (U+202A to
 * U+202E, U+2066 to U+2069), which make "exe.gpj" look like "jpg.exe".
 */
jf_err_t *jf_names_check_path(const char *path, apr_pool_t *pool);

/** The last segment of a path; points into @a path. */
const char *jf_names_leaf(const char *path);

/** Percent-encodes a path for a URL, slashes kept; everything but RFC 3986 unreserved is encoded.
 */
const char *jf_names_escape(const char *path, apr_pool_t *pool);

#endif
