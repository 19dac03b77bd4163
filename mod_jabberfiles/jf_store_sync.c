#include "jf_store_private.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_atomic.h>
#include <apr_strings.h>

/*
 * Two things must be durable, the object and its name, and POSIX leaves open which is synced first.
 * It is the order that decides what it costs.
 *
 * The file system has one journal. On ext4 the fsync of a directory commits whatever is in it just
 * now. Behind the fsync of the object, which has committed already, that is a second commit, mostly
 * of what other uploads have begun meanwhile. In front of it, it is the one commit that the object
 * needs as well, and the object's fsync is left with flushing the disk's cache. Other file systems
 * do not mind.
 *
 * The journal also takes care that those who wait are served together, in all processes, so
 * nothing of the kind is done here: a thread that syncs for others does it one after the other.
 */

/* A commit waits for the bytes of new objects, and everybody for the commit: the bytes of a large
 * one are better written before. */
#define DIRECTORY_FIRST_BYTES_MAX (256 * 1024)

static jf_err_t *sync_error(const char *name, const char *what, apr_pool_t *pool)
{
    return jf_err_from_system(errno, pool, "object %s: %s", name, what);
}

static jf_err_t *sync_bytes(int fd, const char *name, apr_pool_t *pool)
{
    return fsync(fd) == 0 ? NULL : sync_error(name, "cannot be synced", pool);
}

static jf_err_t *sync_directory(const jf_store_t *store, const char *name, apr_pool_t *pool)
{
    const char *directory = jf_store_relative_directory(name, pool);
    int fd = jf_store_open_beneath(store, directory, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0) {
        return sync_error(name, "its directory cannot be opened", pool);
    }
    jf_err_t *err =
        fsync(fd) == 0 ? NULL : sync_error(name, "its directory cannot be synced", pool);
    close(fd);
    return err;
}

/* Whoever syncs alone finds nothing left to commit behind the object, and saves the second flush.
 */
static int is_directory_first(int fd, int is_alone)
{
    struct stat st;
    return !is_alone && fstat(fd, &st) == 0 && st.st_size <= DIRECTORY_FIRST_BYTES_MAX;
}

static jf_err_t *sync_directory_first(const jf_store_t *store, int fd, const char *name,
                                      apr_pool_t *pool)
{
    /* A beginning only: the commit takes with it what is on its way. What goes wrong here, or
     * cannot be done at all on this file system, fsync says. */
    (void)sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
    JF_TRY(sync_directory(store, name, pool));
    return sync_bytes(fd, name, pool);
}

static jf_err_t *sync_object_first(const jf_store_t *store, int fd, const char *name,
                                   apr_pool_t *pool)
{
    JF_TRY(sync_bytes(fd, name, pool));
    return sync_directory(store, name, pool);
}

jf_err_t *jf_store_sync_object(jf_store_t *store, int fd, const char *name, apr_pool_t *pool)
{
    int is_alone = apr_atomic_inc32(&store->syncing) == 0;
    jf_err_t *err = is_directory_first(fd, is_alone) ? sync_directory_first(store, fd, name, pool)
                                                     : sync_object_first(store, fd, name, pool);
    apr_atomic_dec32(&store->syncing);
    return err;
}
