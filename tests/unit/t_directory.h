/**
 * Directories for tests that work on files.
 */
#ifndef T_DIRECTORY_H
#define T_DIRECTORY_H

#include <apr_pools.h>

/** The path of a fresh directory, which goes with @a pool and all that is in it. */
const char *t_directory_make(apr_pool_t *pool);

#endif
