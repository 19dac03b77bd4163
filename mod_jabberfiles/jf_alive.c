#include "jf_alive.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_file_info.h>
#include <apr_strings.h>

#include "jf_token.h"

#define ENTER_TRIES 8

struct jf_alive_t {
    int fd;
    const char *name;
    const char *path;
};

static apr_status_t leave(void *data)
{
    jf_alive_t *alive = data;
    unlink(alive->path);
    close(alive->fd);
    return APR_SUCCESS;
}

/* Between open and flock another process may have tidied the file away: then the lock is on
 * nothing. */
static int is_still_there(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && st.st_nlink > 0;
}

static jf_err_t *try_enter(jf_alive_t *alive, const char *directory, apr_pool_t *pool)
{
    JF_TRY(jf_token_hex(&alive->name, pool));
    alive->path = apr_pstrcat(pool, directory, "/", alive->name, NULL);
    alive->fd = open(alive->path, O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (alive->fd < 0) {
        return jf_err_from_system(errno, pool, "cannot create %s", alive->path);
    }
    if (flock(alive->fd, LOCK_EX | LOCK_NB) == 0 && is_still_there(alive->fd)) {
        return NULL;
    }
    close(alive->fd);
    return jf_err_make(JF_ERR_IO, APR_EAGAIN, pool, "cannot lock %s", alive->path);
}

jf_err_t *jf_alive_enter(jf_alive_t **alive_out, const char *directory, apr_pool_t *pool)
{
    jf_alive_t *alive = apr_pcalloc(pool, sizeof(*alive));
    jf_err_t *err = NULL;
    for (int i = 0; i < ENTER_TRIES; i++) {
        err = try_enter(alive, directory, pool);
        if (!err) {
            apr_pool_cleanup_register(pool, alive, leave, apr_pool_cleanup_null);
            *alive_out = alive;
            return NULL;
        }
    }
    return err;
}

const char *jf_alive_name(const jf_alive_t *alive)
{
    return alive->name;
}

/* Says whether somebody holds the lock; if nobody does, the file is removed while we hold it. */
static jf_err_t *check_and_tidy(int *is_alive, const char *path, apr_pool_t *pool)
{
    int fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        *is_alive = 0;
        return NULL;
    }
    if (fd < 0) {
        return jf_err_from_system(errno, pool, "cannot open %s", path);
    }
    *is_alive = flock(fd, LOCK_EX | LOCK_NB) != 0;
    if (!*is_alive) {
        unlink(path);
    }
    close(fd);
    return NULL;
}

jf_err_t *jf_alive_check(int *is_alive, const char *directory, const char *name, apr_pool_t *pool)
{
    return check_and_tidy(is_alive, apr_pstrcat(pool, directory, "/", name, NULL), pool);
}

jf_err_t *jf_alive_tidy(const char *directory, apr_pool_t *pool)
{
    apr_dir_t *dir;
    apr_status_t status = apr_dir_open(&dir, directory, pool);
    if (status != APR_SUCCESS) {
        return jf_err_from_system(status, pool, "cannot read %s", directory);
    }
    jf_err_t *err = NULL;
    apr_finfo_t entry;
    while (apr_dir_read(&entry, APR_FINFO_NAME, dir) == APR_SUCCESS) {
        int is_alive;
        if (jf_token_is_hex(entry.name)) {
            err = jf_err_first(err, jf_alive_check(&is_alive, directory, entry.name, pool));
        }
    }
    apr_dir_close(dir);
    return err;
}
