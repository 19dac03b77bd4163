/* How a download ends: with its name, left for later, or removed. */
#include "part_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/** Where the file system knows no renaming without replacing: a second name, then the first one
 * goes. @return 0, or -1 with errno */
static int link_to_name(const char *path, const char *destination)
{
    return link(path, destination) == 0 ? unlink(path) : -1;
}

/** @return 0, or -1 with errno */
static int give_name(const char *path, const char *destination, int may_overwrite)
{
    if (may_overwrite) {
        return rename(path, destination);
    }
    int rc = renameat2(AT_FDCWD, path, AT_FDCWD, destination, RENAME_NOREPLACE);
    if (rc != 0 && (errno == EINVAL || errno == ENOSYS)) {
        rc = link_to_name(path, destination);
    }
    return rc;
}

static void set_date(const part_file_t *part, apr_time_t modified_us)
{
    struct timespec times[] = {
        {.tv_nsec = UTIME_OMIT},
        {.tv_sec = apr_time_sec(modified_us), .tv_nsec = apr_time_usec(modified_us) * 1000},
    };
    /* A file system that keeps no such date does no harm. */
    (void)futimens(part->fd, times);
}

/** Closes it now, not with the pool. @return 0, or -1 with errno */
static int close_now(part_file_t *part)
{
    int fd = part->fd;
    part->fd = -1;
    return fd >= 0 ? close(fd) : 0;
}

/** The name is given while the lock is held: nobody else writes to what has it. */
static jf_err_t *finish_file(part_file_t *part, const char *destination, int may_overwrite)
{
    if (fsync(part->fd) != 0) {
        return jf_err_from_system(errno, part->pool, "%s cannot be written to the disk",
                                  part->path);
    }
    if (give_name(part->path, destination, may_overwrite) != 0) {
        if (errno == EEXIST) {
            return jf_err_make(JF_ERR_PRECONDITION, EEXIST, part->pool,
                               "%s exists: --overwrite replaces it, -o chooses another name",
                               destination);
        }
        return jf_err_from_system(errno, part->pool, "%s cannot be renamed to %s", part->path,
                                  destination);
    }
    unlink(part->sidecar);
    if (close_now(part) != 0) {
        return jf_err_from_system(errno, part->pool, "%s cannot be closed", destination);
    }
    return NULL;
}

jf_err_t *part_file_finish(part_file_t *part, const char *destination, int may_overwrite,
                           apr_time_t modified_us)
{
    if (!part->sidecar) {
        return NULL;
    }
    if (modified_us > 0) {
        set_date(part, modified_us);
    }
    return finish_file(part, destination, may_overwrite);
}

void part_file_close(part_file_t *part)
{
    if (part->sidecar && part->size_bytes == 0) {
        part_file_remove(part);
    } else if (part->sidecar) {
        close_now(part);
    }
}

void part_file_remove(part_file_t *part)
{
    if (part->sidecar) {
        /* In this order: a .part that is alone would be in the way for ever. */
        unlink(part->path);
        unlink(part->sidecar);
        close_now(part);
    }
}
