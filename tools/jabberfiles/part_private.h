/**
 * What the files of part_file share.
 */
#ifndef PART_PRIVATE_H
#define PART_PRIVATE_H

#include "part_file.h"

/**
 * Reads a .part.json.
 * @param origin url is NULL if there is no such file.
 * @return JF_ERR_PRECONDITION if there is a file of this name that is not ours
 */
jf_err_t *part_sidecar_read(part_origin_t *origin, const char *path, apr_pool_t *pool);

/** Writes a .part.json, whole or not at all, for nobody else to read: the URL is a secret. */
jf_err_t *part_sidecar_write(const char *path, const part_origin_t *origin, apr_pool_t *pool);

#endif
