#include "jf_store_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_strings.h>

#include "jf_token.h"

/* The directory that an object of this name lies in; -1 with errno. */
static int open_fanout(const jf_store_t *store, const char *name, apr_pool_t *pool)
{
    return jf_store_open_beneath(store, apr_psprintf(pool, "objects/%.2s", name),
                                 O_RDONLY | O_DIRECTORY, 0);
}

static const char *kind_of(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFLNK:
        return "a symbolic link";
    case S_IFDIR:
        return "a directory";
    case S_IFIFO:
        return "a FIFO";
    case S_IFREG:
        return "a regular file";
    default:
        return "a device or socket";
    }
}

static jf_err_t *check_is_file(const struct stat *st, const jf_store_t *store, const char *path,
                               apr_pool_t *pool)
{
    return S_ISREG(st->st_mode)
               ? NULL
               : jf_err_make(JF_ERR_IO, APR_SUCCESS, pool, "%s/%s is %s where a file should be",
                             store->directory, path, kind_of(st->st_mode));
}

/* Opens an object and says what it is. */
static jf_err_t *open_file(int *fd, struct stat *st, const jf_store_t *store, const char *name,
                           int flags, apr_pool_t *pool)
{
    const char *path = jf_store_relative_path(name, pool);
    *fd = jf_store_open_beneath(store, path, flags, 0);
    if (*fd < 0) {
        return jf_err_make(JF_ERR_IO, errno, pool, "%s/%s cannot be opened: %s", store->directory,
                           path, strerrordesc_np(errno));
    }
    jf_err_t *err = fstat(*fd, st) == 0
                        ? check_is_file(st, store, path, pool)
                        : jf_err_from_system(errno, pool, "%s/%s", store->directory, path);
    if (err) {
        close(*fd);
    }
    return err;
}

static jf_err_t *check_size(const struct stat *st, const jf_store_t *store, const char *name,
                            apr_int64_t size_bytes, apr_pool_t *pool)
{
    return st->st_size == size_bytes
               ? NULL
               : jf_err_make(JF_ERR_IO, APR_SUCCESS, pool,
                             "%s/%s has %" APR_INT64_T_FMT
                             " bytes, the ledger says %" APR_INT64_T_FMT,
                             store->directory, jf_store_relative_path(name, pool),
                             (apr_int64_t)st->st_size, size_bytes);
}

jf_err_t *jf_store_check(const jf_store_t *store, const char *name, apr_int64_t size_bytes,
                         apr_pool_t *pool)
{
    int fd;
    struct stat st = {0};
    JF_TRY(open_file(&fd, &st, store, name, O_PATH, pool));
    close(fd);
    return check_size(&st, store, name, size_bytes, pool);
}

static jf_err_t *read_all(char *content, int fd, const jf_store_t *store, const char *name,
                          apr_size_t size_bytes, apr_pool_t *pool)
{
    apr_size_t done_bytes = 0;
    while (done_bytes < size_bytes) {
        ssize_t bytes = pread(fd, content + done_bytes, size_bytes - done_bytes, (off_t)done_bytes);
        if (bytes < 0 && errno == EINTR) {
            continue;
        }
        if (bytes <= 0) {
            return jf_err_make(JF_ERR_IO, bytes < 0 ? errno : APR_EOF, pool,
                               "%s/%s cannot be read: %s", store->directory,
                               jf_store_relative_path(name, pool),
                               bytes < 0 ? strerrordesc_np(errno) : "it ends early");
        }
        done_bytes += (apr_size_t)bytes;
    }
    return NULL;
}

jf_err_t *jf_store_load(void *content, const jf_store_t *store, const char *name,
                        apr_size_t size_bytes, apr_pool_t *pool)
{
    int fd;
    struct stat st = {0};
    JF_TRY(open_file(&fd, &st, store, name, O_RDONLY | O_NONBLOCK, pool));
    jf_err_t *err = check_size(&st, store, name, (apr_int64_t)size_bytes, pool);
    if (!err) {
        err = read_all(content, fd, store, name, size_bytes, pool);
    }
    close(fd);
    return err;
}

jf_err_t *jf_store_open_object(int *fd, const jf_store_t *store, const char *name, apr_pool_t *pool)
{
    struct stat st = {0};
    /* NONBLOCK: a planted FIFO must not stop us. */
    return open_file(fd, &st, store, name, O_RDONLY | O_NONBLOCK, pool);
}

jf_err_t *jf_store_remove(const jf_store_t *store, const char *name, apr_pool_t *pool)
{
    if (!jf_token_is_hex(name)) {
        return jf_err_make(JF_ERR_IO, APR_SUCCESS, pool, "\"%s\" is no name of an object", name);
    }
    int fd = open_fanout(store, name, pool);
    int is_gone = fd >= 0 && (unlinkat(fd, name, 0) == 0 || errno == ENOENT);
    int error = errno;
    if (fd >= 0) {
        close(fd);
    }
    return is_gone ? NULL : jf_err_from_system(error, pool, "object %s cannot be removed", name);
}

/* ---- walking ---- */

static jf_store_entry_t entry_of(const char *directory, const char *name, const struct stat *st)
{
    /* Under its own name in another directory it is lost: nothing will ever look for it there. */
    int is_in_place = strncmp(name, directory, 2) == 0;
    return (jf_store_entry_t){
        .name = name,
        .is_object = S_ISREG(st->st_mode) && jf_token_is_hex(name) && is_in_place,
        .size_bytes = st->st_size,
        .modified_us = apr_time_make(st->st_mtim.tv_sec, st->st_mtim.tv_nsec / 1000),
    };
}

static jf_err_t *visit_one(DIR *dir, const char *directory, const char *name,
                           jf_store_visit_t *visit, void *baton, apr_pool_t *pool)
{
    struct stat st = {0};
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
        fstatat(dirfd(dir), name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        return NULL; /* an entry may vanish before it is looked at */
    }
    jf_store_entry_t entry = entry_of(directory, name, &st);
    return visit(baton, &entry, pool);
}

static jf_err_t *visit_all(DIR *dir, const char *directory, jf_store_visit_t *visit, void *baton,
                           apr_pool_t *pool)
{
    apr_pool_t *each;
    apr_pool_create(&each, pool);
    jf_err_t *err = NULL;
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (!entry || err) {
            break;
        }
        apr_pool_clear(each);
        err = jf_err_copy(visit_one(dir, directory, entry->d_name, visit, baton, each), pool);
    }
    if (!err && errno != 0) {
        err = jf_err_from_system(errno, pool, "cannot read the directory objects/%s", directory);
    }
    apr_pool_destroy(each);
    return err;
}

jf_err_t *jf_store_walk(const jf_store_t *store, int directory, jf_store_visit_t *visit,
                        void *baton, apr_pool_t *pool)
{
    const char *name = apr_psprintf(pool, "%02x", directory);
    int fd = open_fanout(store, name, pool);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        jf_err_t *err = jf_err_from_system(errno, pool, "cannot open the directory %s/objects/%s",
                                           store->directory, name);
        if (fd >= 0) {
            close(fd);
        }
        return err;
    }
    jf_err_t *err = visit_all(dir, name, visit, baton, pool);
    closedir(dir);
    return err;
}
