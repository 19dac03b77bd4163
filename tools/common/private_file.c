#include "private_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_file_io.h>
#include <apr_strings.h>

/* ---- reading ---- */

/* Asks the open file, not the path: what is checked is what is read. */
static jf_err_t *check_privacy(int fd, const char *path, apr_pool_t *pool)
{
    struct stat info;
    if (fstat(fd, &info) != 0) {
        return jf_err_from_system(errno, pool, "cannot look at %s", path);
    }
    if (!S_ISREG(info.st_mode)) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool, "%s is no file", path);
    }
    if (info.st_uid != geteuid() && info.st_uid != 0) {
        return jf_err_make(JF_ERR_FORBIDDEN, APR_SUCCESS, pool,
                           "%s belongs to another user, who could change it; make it your own: "
                           "chown %lu '%s'",
                           path, (unsigned long)geteuid(), path);
    }
    if (info.st_mode & (S_IRGRP | S_IWGRP | S_IROTH | S_IWOTH)) {
        return jf_err_make(JF_ERR_FORBIDDEN, APR_SUCCESS, pool,
                           "others may read or change %s, which can have a password in it; "
                           "make it private: chmod 600 '%s'",
                           path, path);
    }
    if (info.st_size > PRIVATE_FILE_BYTES_MAX) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool, "%s is too large: more than %d bytes",
                           path, PRIVATE_FILE_BYTES_MAX);
    }
    return NULL;
}

static jf_err_t *read_text(const char **text, int fd, const char *path, apr_pool_t *pool)
{
    char *buffer = apr_palloc(pool, PRIVATE_FILE_BYTES_MAX + 1);
    size_t length = 0;
    ssize_t got = 1;
    while (got != 0 && length < PRIVATE_FILE_BYTES_MAX) {
        got = read(fd, buffer + length, PRIVATE_FILE_BYTES_MAX - length);
        if (got < 0 && errno != EINTR) {
            return jf_err_from_system(errno, pool, "cannot read %s", path);
        }
        length += got > 0 ? (size_t)got : 0;
    }
    buffer[length] = '\0';
    if (strlen(buffer) != length) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool, "%s is no text: it has a NUL in it",
                           path);
    }
    *text = buffer;
    return NULL;
}

jf_err_t *private_file_read(const char **text, const char *path, apr_pool_t *pool)
{
    *text = NULL;
    /* O_NONBLOCK: a named pipe is refused below and not waited for. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return errno == ENOENT || errno == ENOTDIR
                   ? jf_err_make(JF_ERR_NOT_FOUND, errno, pool, "there is no file %s", path)
                   : jf_err_from_system(errno, pool, "cannot open %s", path);
    }
    jf_err_t *err = check_privacy(fd, path, pool);
    if (!err) {
        err = read_text(text, fd, path, pool);
    }
    close(fd);
    return err;
}

/* ---- writing ---- */

static const char *resolve_link(const char *path, apr_pool_t *pool)
{
    char *resolved = realpath(path, NULL);
    const char *copy = resolved ? apr_pstrdup(pool, resolved) : path;
    free(resolved);
    return copy;
}

static jf_err_t *make_directory(const char *path, apr_pool_t *pool)
{
    const char *slash = strrchr(path, '/');
    if (!slash || slash == path) {
        return NULL;
    }
    const char *directory = apr_pstrmemdup(pool, path, (apr_size_t)(slash - path));
    apr_status_t status = apr_dir_make_recursive(
        directory, APR_FPROT_UREAD | APR_FPROT_UWRITE | APR_FPROT_UEXECUTE, pool);
    return status == APR_SUCCESS
               ? NULL
               : jf_err_from_system(status, pool, "cannot make the directory %s", directory);
}

static int write_all(int fd, const char *text)
{
    size_t left = strlen(text);
    while (left > 0) {
        ssize_t written = write(fd, text, left);
        if (written < 0 && errno != EINTR) {
            return 0;
        }
        text += written > 0 ? written : 0;
        left -= written > 0 ? (size_t)written : 0;
    }
    return fsync(fd) == 0;
}

jf_err_t *private_file_write(const char *path, const char *text, apr_pool_t *pool)
{
    const char *target = resolve_link(path, pool);
    JF_TRY(make_directory(target, pool));
    char *temporary = apr_pstrcat(pool, target, ".XXXXXX", NULL);
    int fd = mkostemp(temporary, O_CLOEXEC); /* mode 0600 */
    if (fd < 0) {
        return jf_err_from_system(errno, pool, "cannot write beside %s", target);
    }
    int is_written = write_all(fd, text);
    is_written = close(fd) == 0 && is_written;
    if (is_written && rename(temporary, target) == 0) {
        return NULL;
    }
    jf_err_t *err = jf_err_from_system(errno, pool, "cannot write %s", target);
    unlink(temporary);
    return err;
}
