#include "jf_store_private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <apr_strings.h>

/* ---- paths ---- */

const char *jf_store_relative_path(const char *name, apr_pool_t *pool)
{
    return apr_pstrcat(pool, "objects/", apr_pstrndup(pool, name, 2), "/", name, NULL);
}

const char *jf_store_relative_directory(const char *name, apr_pool_t *pool)
{
    return apr_psprintf(pool, "objects/%.2s", name);
}

/* Directory by directory, where the kernel, a container's filter or valgrind does not know openat2.
 */
static int open_by_steps(int root_fd, const char *path, int flags, mode_t mode)
{
    char directory[NAME_MAX + 1];
    int at = root_fd;
    for (const char *slash; at >= 0 && (slash = strchr(path, '/')); path = slash + 1) {
        snprintf(directory, sizeof(directory), "%.*s", (int)(slash - path), path);
        int next = openat(at, directory, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (at != root_fd) {
            close(at);
        }
        at = next;
    }
    int fd = at < 0 ? -1 : openat(at, path, flags, mode);
    if (at >= 0 && at != root_fd) {
        int error = errno;
        close(at);
        errno = error;
    }
    return fd;
}

int jf_store_open_beneath(const jf_store_t *store, const char *path, int flags, mode_t mode)
{
    struct open_how how = {
        .flags = (apr_uint64_t)(flags | O_NOFOLLOW | O_CLOEXEC),
        .mode = mode,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
    };
    int fd = (int)syscall(SYS_openat2, store->root_fd, path, &how, sizeof(how));
    if (fd < 0 && (errno == ENOSYS || errno == EPERM)) {
        fd = open_by_steps(store->root_fd, path, (int)how.flags, mode);
    }
    return fd;
}

/* ---- creating and opening ---- */

static jf_err_t *make_directory(const char *path, apr_pool_t *pool)
{
    if (mkdir(path, 0700) == 0) {
        return NULL;
    }
    struct stat st;
    if (errno == EEXIST && lstat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
        return NULL;
    }
    return jf_err_from_system(errno, pool, "cannot create the directory %s", path);
}

/* What was created in it must survive power loss as the objects in there do. */
static jf_err_t *sync_directory(const char *path, apr_pool_t *pool)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int is_synced = fd >= 0 && fsync(fd) == 0;
    int error = errno;
    if (fd >= 0) {
        close(fd);
    }
    return is_synced ? NULL : jf_err_from_system(error, pool, "cannot sync the directory %s", path);
}

jf_err_t *jf_store_create(const char *directory, apr_pool_t *pool)
{
    const char *objects = apr_pstrcat(pool, directory, "/objects", NULL);
    JF_TRY(make_directory(objects, pool));
    JF_TRY(make_directory(apr_pstrcat(pool, directory, "/alive", NULL), pool));
    for (int i = 0; i < JF_STORE_FANOUT; i++) {
        JF_TRY(make_directory(apr_psprintf(pool, "%s/%02x", objects, i), pool));
    }
    JF_TRY(sync_directory(objects, pool));
    return sync_directory(directory, pool);
}

static apr_status_t close_store(void *data)
{
    jf_store_t *store = data;
    close(store->root_fd);
    return APR_SUCCESS;
}

jf_err_t *jf_store_open(jf_store_t **store_out, const char *directory, int is_durable,
                        apr_pool_t *pool)
{
    jf_store_t *store = apr_pcalloc(pool, sizeof(*store));
    store->directory = apr_pstrdup(pool, directory);
    store->alive_directory = apr_pstrcat(pool, directory, "/alive", NULL);
    store->is_durable = is_durable;
    store->root_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (store->root_fd < 0) {
        return jf_err_from_system(errno, pool, "cannot open the store %s", directory);
    }
    apr_pool_cleanup_register(pool, store, close_store, apr_pool_cleanup_null);
    *store_out = store;
    return NULL;
}

const char *jf_store_alive_directory(const jf_store_t *store)
{
    return store->alive_directory;
}

const char *jf_store_path(const jf_store_t *store, const char *name, apr_pool_t *pool)
{
    return apr_pstrcat(pool, store->directory, "/", jf_store_relative_path(name, pool), NULL);
}

/* ---- binding to a ledger ---- */

/* By way of another name, so that a note is there as a whole or not at all. */
static jf_err_t *write_note(const char *path, const char *id, apr_pool_t *pool)
{
    size_t length = strlen(id);
    const char *draft = apr_pstrcat(pool, path, ".new", NULL);
    int fd = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return jf_err_from_system(errno, pool, "cannot create %s", draft);
    }
    int is_written = write(fd, id, length) == (ssize_t)length && fsync(fd) == 0;
    int error = errno;
    if (close(fd) != 0 || !is_written) {
        return jf_err_from_system(is_written ? errno : error, pool, "cannot write %s", draft);
    }
    return rename(draft, path) == 0 ? NULL
                                    : jf_err_from_system(errno, pool, "cannot create %s", path);
}

/* An empty note counts as none. */
static jf_err_t *read_note(char *note, apr_size_t size, const char *path, apr_pool_t *pool)
{
    note[0] = '\0';
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT ? NULL : jf_err_from_system(errno, pool, "cannot open %s", path);
    }
    ssize_t length = read(fd, note, size - 1);
    note[length > 0 ? length : 0] = '\0';
    close(fd);
    return NULL;
}

jf_err_t *jf_store_bind(const char *directory, const char *id, apr_pool_t *pool)
{
    char note[128];
    const char *path = apr_pstrcat(pool, directory, "/ledger-id", NULL);
    JF_TRY(read_note(note, sizeof(note), path, pool));
    if (note[0] == '\0') {
        return write_note(path, id, pool);
    }
    if (strcmp(note, id) != 0) {
        return jf_err_make(
            JF_ERR_UNAVAILABLE, APR_SUCCESS, pool,
            "the store %s belongs to the ledger %s and this is the ledger %s: put the "
            "right ledger back, or take another directory; if all files in this store "
            "may go, remove %s",
            directory, note, id, path);
    }
    return NULL;
}
