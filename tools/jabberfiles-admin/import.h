/**
 * The parts of import: what lies where below another server's document root, and opening it.
 *
 * The source is only read. No symbolic link below the directory that the operator named is
 * followed, nothing but regular files is opened, and hard links do not bring in what root alone may
 * read.
 */
#ifndef IMPORT_H
#define IMPORT_H

#include <sys/stat.h>

#include <apr_tables.h>
#include <jansson.h>

#include "admin.h"

/** How a server lays out its files. */
typedef struct import_layout_t {
    const char *name;                    /**< as --layout takes it */
    const char *shape;                   /**< "USER/RANDOM/NAME" */
    int depth;                           /**< directories between the root and a file */
    int has_user;                        /**< 1: the first of them names the user */
    int (*is_derived)(const char *leaf); /**< 1: the server may have made it of a file beside it */
} import_layout_t;

/** The layouts; ends with a NULL name. */
extern const import_layout_t import_layouts[];

/* ---- the source (import_source.c) ---- */

typedef struct import_directory_t {
    const char *path; /**< below the root, which has "" */
    int depth;        /**< 0 for the root */
    int fd;           /**< closed by who opened it */
    struct stat st;
} import_directory_t;

/** Opens the root: the operator named it, so links may lead there. */
jf_err_t *import_open_root(import_directory_t *root, const char *name, apr_pool_t *pool);

/** Opens a directory in another one. @return JF_ERR_IO */
jf_err_t *import_open_directory(import_directory_t *directory, const import_directory_t *parent,
                                const char *name, apr_pool_t *pool);

/** What is in a directory, sorted by bytes; array of const char *. */
jf_err_t *import_names(apr_array_header_t **names, const import_directory_t *directory,
                       apr_pool_t *pool);

/** Looks at what has this name in a directory, without following or opening it. */
jf_err_t *import_look(struct stat *st, const import_directory_t *parent, const char *name,
                      apr_pool_t *pool);

/** A file that lies where the layout has files and whose old URL can go on working. */
typedef struct import_file_t {
    const import_directory_t *parent;
    const char *path;  /**< below the root, and in the URL */
    const char *token; /**< the path without the name */
    const char *leaf;  /**< the name */
    const char *first; /**< NULL, or the file in the same directory that has its link */
    struct stat st;    /**< as it was seen first */
} import_file_t;

/**
 * Opens a file for reading; the caller closes it.
 * @return JF_ERR_IO; JF_ERR_PRECONDITION for a hard link to another user's file, and for a file
 * that is another than was looked at.
 */
jf_err_t *import_open_file(int *fd, const import_file_t *file, apr_pool_t *pool);

/** @return JF_ERR_PRECONDITION if an open file is not any more as it was when it was looked at. */
jf_err_t *import_check_unchanged(const import_file_t *file, int fd, apr_pool_t *pool);

/* ---- the layouts (import_layout.c) ---- */

/** Whom a walk tells. */
typedef struct import_visitor_t {
    /** Of a file; an error ends the walk. */
    jf_err_t *(*visit)(void *baton, const import_file_t *file, apr_pool_t *pool);
    /** Of what cannot be imported, and why. */
    void (*refuse)(void *baton, const char *path, const char *why);
    void *baton;
} import_visitor_t;

/**
 * Visits every file below @a root, directories and names sorted by bytes; in a directory with
 * several files that one first which has its link.
 * @return the error of a visit; JF_ERR_IO if the root cannot be read.
 */
jf_err_t *import_walk(const import_directory_t *root, const import_layout_t *layout,
                      const import_visitor_t *visitor, apr_pool_t *pool);

/* ---- one file (import_file.c) ---- */

/** One run. */
typedef struct import_t {
    admin_t *admin;
    const import_layout_t *layout;
    const char *area;              /**< of files that name no user */
    const char *domain;            /**< of users whose name has none, or NULL */
    apr_interval_time_t expire_us; /**< age at which files go, or JF_NEVER */
    int is_dry_run;
    apr_int64_t imported_count;
    apr_int64_t imported_bytes;
    apr_int64_t there_count;   /**< an earlier run has imported them */
    apr_int64_t removed_count; /**< the same, and they were removed or have expired */
    apr_int64_t expired_count; /**< too old to be imported */
    json_t *failures;
} import_t;

/**
 * Imports a file, unless its link is there or was there, and counts it.
 * @param problem why just this file cannot be imported, else NULL. JF_ERR_USED: ask again.
 * @return what ends the run
 */
jf_err_t *import_file(jf_err_t **problem, import_t *import, const import_file_t *file,
                      apr_pool_t *pool);

#endif
