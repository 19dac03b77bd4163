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
    volatile apr_uint32_t syncing; /* how many threads are in jf_store_sync_object */
};

/** The path of an object below the store. */
const char *jf_store_relative_path(const char *name, apr_pool_t *pool);

/** The path of the directory that an object lies in, below the store. */
const char *jf_store_relative_directory(const char *name, apr_pool_t *pool);

/** open(2) below the store, through no symbolic link; -1 with errno. */
int jf_store_open_beneath(const jf_store_t *store, const char *path, int flags, mode_t mode);

/**
 * Waits until an object that was written through @a fd survives power loss: its bytes and its name.
 * May be called by many threads at the same time, for different objects.
 * @return JF_ERR_DISK_FULL, JF_ERR_IO: it must be given up, for syncing again may succeed without
 * having written what was lost.
 */
jf_err_t *jf_store_sync_object(jf_store_t *store, int fd, const char *name, apr_pool_t *pool);

#endif
