/**
 * Files with secrets in them: read only if nobody else could have read or changed them.
 */
#ifndef PRIVATE_FILE_H
#define PRIVATE_FILE_H

#include "jf_err.h"

/** Nothing that is read here is larger. */
#define PRIVATE_FILE_BYTES_MAX 65536

/**
 * Reads a text file.
 * @return JF_ERR_NOT_FOUND if there is none; JF_ERR_FORBIDDEN if others than the user may read or
 * write it or it belongs to somebody else (root excepted), with the command that mends that;
 * JF_ERR_INVALID if it is no regular file, too large, or has a NUL in it; JF_ERR_IO
 */
jf_err_t *private_file_read(const char **text, const char *path, apr_pool_t *pool);

/**
 * Replaces a file, or makes it with its directory, whole or not at all; only the user may read it.
 * The file that a symbolic link leads to is replaced, not the link.
 */
jf_err_t *private_file_write(const char *path, const char *text, apr_pool_t *pool);

#endif
