#include "import.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <apr_strings.h>

#include "admin_account.h"

/* ---- calls that need the rights of who runs this; what is open can be read without ---- */

static int open_at(int parent_fd, const char *name, int flags)
{
    admin_account_raise();
    int fd = openat(parent_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | flags);
    admin_account_lower();
    return fd;
}

static int look_at(struct stat *st, int parent_fd, const char *name)
{
    admin_account_raise();
    int status = fstatat(parent_fd, name, st, AT_SYMLINK_NOFOLLOW);
    admin_account_lower();
    return status;
}

/* ---- directories ---- */

static jf_err_t *use_directory(import_directory_t *directory, const char *name, apr_pool_t *pool)
{
    if (directory->fd >= 0 && fstat(directory->fd, &directory->st) == 0) {
        return NULL;
    }
    jf_err_t *err = jf_err_from_system(errno, pool, "cannot open the directory %s", name);
    if (directory->fd >= 0) {
        close(directory->fd);
    }
    return err;
}

jf_err_t *import_open_root(import_directory_t *root, const char *name, apr_pool_t *pool)
{
    root->path = "";
    root->depth = 0;
    root->fd = open_at(AT_FDCWD, name, O_DIRECTORY);
    return use_directory(root, name, pool);
}

jf_err_t *import_open_directory(import_directory_t *directory, const import_directory_t *parent,
                                const char *name, apr_pool_t *pool)
{
    directory->path = parent->depth == 0 ? name : apr_pstrcat(pool, parent->path, "/", name, NULL);
    directory->depth = parent->depth + 1;
    directory->fd = open_at(parent->fd, name, O_DIRECTORY | O_NOFOLLOW);
    return use_directory(directory, name, pool);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static DIR *open_listing(const import_directory_t *directory)
{
    int fd = fcntl(directory->fd, F_DUPFD_CLOEXEC, 0);
    DIR *listing = fd < 0 ? NULL : fdopendir(fd);
    if (fd >= 0 && !listing) {
        close(fd);
    }
    return listing;
}

/* The next name but "." and ".."; NULL at the end, with errno 0 if nothing is wrong. */
static const char *next_name(DIR *listing)
{
    const struct dirent *entry;
    do {
        errno = 0;
        entry = readdir(listing);
    } while (entry && (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0));
    return entry ? entry->d_name : NULL;
}

jf_err_t *import_names(apr_array_header_t **names, const import_directory_t *directory,
                       apr_pool_t *pool)
{
    const char *name;
    DIR *listing = open_listing(directory);
    if (!listing) {
        return jf_err_from_system(errno, pool, "cannot read the directory");
    }
    *names = apr_array_make(pool, 16, sizeof(const char *));
    while ((name = next_name(listing))) {
        APR_ARRAY_PUSH(*names, const char *) = apr_pstrdup(pool, name);
    }
    int error = errno;
    closedir(listing);
    qsort((*names)->elts, (size_t)(*names)->nelts, sizeof(const char *), compare_names);
    return error ? jf_err_from_system(error, pool, "cannot read the directory") : NULL;
}

jf_err_t *import_look(struct stat *st, const import_directory_t *parent, const char *name,
                      apr_pool_t *pool)
{
    return look_at(st, parent->fd, name) == 0
               ? NULL
               : jf_err_from_system(errno, pool, "cannot look at it");
}

/* ---- files ---- */

static int is_same(const struct stat *a, const struct stat *b)
{
    return S_ISREG(b->st_mode) && a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
           a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

jf_err_t *import_check_unchanged(const import_file_t *file, int fd, apr_pool_t *pool)
{
    struct stat st;
    if (fstat(fd, &st) == 0 && is_same(&file->st, &st)) {
        return NULL;
    }
    return jf_err_make(JF_ERR_PRECONDITION, APR_SUCCESS, pool,
                       "it was changed meanwhile; run import again");
}

/* Who may write to a directory can put a hard link to any file there, and root would read it. */
static jf_err_t *check_links(const import_file_t *file, apr_pool_t *pool)
{
    if (!admin_account_is_root() || file->st.st_nlink == 1 ||
        file->st.st_uid == file->parent->st.st_uid) {
        return NULL;
    }
    return jf_err_make(JF_ERR_PRECONDITION, APR_SUCCESS, pool,
                       "it is a hard link to a file of another user than its directory's");
}

jf_err_t *import_open_file(int *fd_out, const import_file_t *file, apr_pool_t *pool)
{
    JF_TRY(check_links(file, pool));
    int fd = open_at(file->parent->fd, file->leaf, O_NOFOLLOW);
    if (fd < 0) {
        return jf_err_from_system(errno, pool, "cannot open it");
    }
    jf_err_t *err = import_check_unchanged(file, fd, pool);
    if (err) {
        close(fd);
        return err;
    }
    *fd_out = fd;
    return NULL;
}
