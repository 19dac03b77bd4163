/**
 * Shared by the files of the store and by nothing else.
 */
#ifndef JF_STORE_PRIVATE_H
#define JF_STORE_PRIVATE_H

#include <sys/types.h>

#include "jf_store.h"

struct jf_store_t {
    int root_fd;
    const char *directory;
    const char *alive_directory;
    int is_durable;
};

/** The path of an object below the store. */
const char *jf_store_relative_path(const char *name, apr_pool_t *pool);

/** open(2) below the store, through no symbolic link; -1 with errno. */
int jf_store_open_beneath(const jf_store_t *store, const char *path, int flags, mode_t mode);

#endif
