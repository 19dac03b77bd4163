#include "jf_ballast.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <apr_strings.h>

static const char *path_of(const char *database, apr_pool_t *pool)
{
    return apr_pstrcat(pool, database, "-ballast", NULL);
}

jf_err_t *jf_ballast_make(const char *database, apr_pool_t *pool)
{
    const char *path = path_of(database, pool);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return errno == EEXIST ? NULL : jf_err_from_system(errno, pool, "cannot create %s", path);
    }
    int error = posix_fallocate(fd, 0, JF_BALLAST_BYTES);
    close(fd);
    if (error == 0) {
        return NULL;
    }
    unlink(path);
    return jf_err_from_system(error, pool, "cannot allocate %s", path);
}

int jf_ballast_drop(const char *database, apr_pool_t *pool)
{
    return unlink(path_of(database, pool)) == 0;
}
