#include "part_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <apr_strings.h>

#define PIECE_BYTES (256 << 10)
/* As often as another download may take the name away just while it is opened. */
#define OPEN_ATTEMPTS 10

static apr_status_t close_descriptor(void *part)
{
    int fd = ((part_file_t *)part)->fd;
    if (fd >= 0) {
        close(fd);
    }
    return APR_SUCCESS;
}

/* ---- opening ---- */

static jf_err_t *make_part(part_file_t **part_out, const char *path, int wants_sha3,
                           apr_pool_t *pool)
{
    part_file_t *part = apr_pcalloc(pool, sizeof(*part));
    part->pool = pool;
    part->path = path;
    part->fd = -1;
    part->origin.size_bytes = -1;
    *part_out = part;
    return part_digest_make(&part->digest, wants_sha3, pool);
}

static jf_err_t *lock_part(const part_file_t *part)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    /* A file system without locks is no reason not to download. */
    if (fcntl(part->fd, F_OFD_SETLK, &whole) == 0 || errno == ENOLCK || errno == EOPNOTSUPP) {
        return NULL;
    }
    if (errno == EAGAIN || errno == EACCES) {
        return jf_err_make(JF_ERR_BUSY, errno, part->pool,
                           "another download is writing to %s: wait for it, or choose another "
                           "name with -o",
                           part->path);
    }
    return jf_err_from_system(errno, part->pool, "%s cannot be locked", part->path);
}

/** Opens and locks what has the name. @param is_lost set to 1 if it has lost it meanwhile */
static jf_err_t *try_to_open(part_file_t *part, struct stat *found, int *is_lost)
{
    part->fd = open(part->path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0666);
    if (part->fd < 0) {
        return jf_err_from_system(errno, part->pool, "%s cannot be opened for writing", part->path);
    }
    struct stat named;
    jf_err_t *err = fstat(part->fd, found) != 0
                        ? jf_err_from_system(errno, part->pool, "%s cannot be read", part->path)
                        : lock_part(part);
    *is_lost = !err && (lstat(part->path, &named) != 0 || named.st_ino != found->st_ino ||
                        named.st_dev != found->st_dev);
    if (err || *is_lost) {
        close(part->fd);
        part->fd = -1;
    }
    return err;
}

static jf_err_t *open_and_lock(part_file_t *part, struct stat *found)
{
    for (int i = 0; i < OPEN_ATTEMPTS; i++) {
        int is_lost = 0;
        JF_TRY(try_to_open(part, found, &is_lost));
        if (!is_lost) {
            apr_pool_cleanup_register(part->pool, part, close_descriptor, close_descriptor);
            return NULL;
        }
    }
    return jf_err_make(JF_ERR_BUSY, APR_SUCCESS, part->pool,
                       "%s is made and taken away by other downloads", part->path);
}

/** A file of somebody else, by whatever way it got this name, is neither continued nor emptied. */
static jf_err_t *check_is_ours(const part_file_t *part, const struct stat *found)
{
    int is_plain = S_ISREG(found->st_mode) && found->st_uid == geteuid() && found->st_nlink == 1;
    if (is_plain && (found->st_size == 0 || part->origin.url)) {
        return NULL;
    }
    return jf_err_make(JF_ERR_PRECONDITION, APR_SUCCESS, part->pool,
                       "%s is in the way, and from no download of this tool: move it, or choose "
                       "another name with -o",
                       part->path);
}

/** Takes over what an earlier run has left. */
static jf_err_t *take_over(part_file_t *part, const struct stat *found)
{
    JF_TRY(part_sidecar_read(&part->origin, part->sidecar, part->pool));
    JF_TRY(check_is_ours(part, found));
    part->size_bytes = found->st_size;
    if (part->origin.size_bytes >= 0 && part->size_bytes > part->origin.size_bytes) {
        part->origin = (part_origin_t){.size_bytes = -1};
    } else if (part->size_bytes > 0 && part->size_bytes == part->origin.size_bytes) {
        part->size_bytes--;
    }
    if (ftruncate(part->fd, part->size_bytes) != 0) {
        return jf_err_from_system(errno, part->pool, "%s cannot be shortened", part->path);
    }
    return NULL;
}

jf_err_t *part_file_open(part_file_t **part_out, const char *destination, int wants_sha3,
                         apr_pool_t *pool)
{
    part_file_t *part;
    *part_out = NULL;
    JF_TRY(make_part(&part, apr_pstrcat(pool, destination, ".part", NULL), wants_sha3, pool));
    part->sidecar = apr_pstrcat(pool, part->path, ".json", NULL);
    /* Before anything is made: a refusal leaves nothing behind. */
    JF_TRY(part_sidecar_read(&part->origin, part->sidecar, pool));
    struct stat found = {0};
    JF_TRY(open_and_lock(part, &found));
    jf_err_t *err = take_over(part, &found);
    if (err) {
        apr_pool_cleanup_run(pool, part, close_descriptor);
        return err;
    }
    *part_out = part;
    return NULL;
}

jf_err_t *part_file_open_stream(part_file_t **part, int fd, int wants_sha3, apr_pool_t *pool)
{
    JF_TRY(make_part(part, "standard output", wants_sha3, pool));
    (*part)->fd = fd;
    return NULL;
}

/* ---- bytes ---- */

jf_err_t *part_file_load(part_file_t *part, client_t *client)
{
    char *piece = apr_palloc(part->pool, PIECE_BYTES);
    JF_TRY(part_digest_reset(part->digest, part->pool));
    apr_int64_t at_bytes = 0;
    while (at_bytes < part->size_bytes) {
        client_idle(client);
        if (client_is_interrupted()) {
            return client_interrupted(part->pool);
        }
        apr_int64_t left_bytes = part->size_bytes - at_bytes;
        size_t wanted = left_bytes < PIECE_BYTES ? (size_t)left_bytes : PIECE_BYTES;
        ssize_t got = pread(part->fd, piece, wanted, at_bytes);
        if (got == 0 || (got < 0 && errno != EINTR)) {
            return jf_err_from_system(got < 0 ? errno : EIO, part->pool, "%s cannot be read",
                                      part->path);
        }
        if (got > 0) {
            JF_TRY(part_digest_update(part->digest, piece, (size_t)got, part->pool));
            at_bytes += got;
        }
    }
    return NULL;
}

jf_err_t *part_file_restart(part_file_t *part, const part_origin_t *origin)
{
    if (!part->sidecar && part->size_bytes > 0) {
        return jf_err_make(JF_ERR_IO, APR_SUCCESS, part->pool,
                           "the download would have to begin anew, and a part of it has gone to "
                           "standard output already: call again");
    }
    if (part->sidecar && ftruncate(part->fd, 0) != 0) {
        return jf_err_from_system(errno, part->pool, "%s cannot be emptied", part->path);
    }
    part->size_bytes = 0;
    part->origin = *origin;
    JF_TRY(part_digest_reset(part->digest, part->pool));
    return part->sidecar ? part_sidecar_write(part->sidecar, origin, part->pool) : NULL;
}

jf_err_t *part_file_check_room(const part_file_t *part, apr_int64_t more_bytes)
{
    struct statvfs disk;
    /* A file system that does not say how large it is, is believed to have room. */
    if (!part->sidecar || fstatvfs(part->fd, &disk) != 0 || disk.f_blocks == 0) {
        return NULL;
    }
    apr_uint64_t room_bytes = (apr_uint64_t)disk.f_bavail * disk.f_frsize;
    if ((apr_uint64_t)more_bytes <= room_bytes) {
        return NULL;
    }
    jf_err_t *err = jf_err_make(JF_ERR_DISK_FULL, APR_SUCCESS, part->pool,
                                "%s needs %" APR_INT64_T_FMT
                                " bytes more, and the disk has room for %" APR_UINT64_T_FMT
                                ": make room and call again, it goes on where it is",
                                part->path, more_bytes, room_bytes);
    err->limit_bytes = (apr_int64_t)room_bytes;
    err->required_bytes = more_bytes;
    return err;
}

static ssize_t write_piece(const part_file_t *part, const char *data, size_t size)
{
    return part->sidecar ? pwrite(part->fd, data, size, part->size_bytes)
                         : write(part->fd, data, size);
}

jf_err_t *part_file_write(part_file_t *part, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t written = write_piece(part, data, size);
        if (written < 0 && errno != EINTR) {
            return jf_err_from_system(errno, part->pool, "%s cannot be written", part->path);
        }
        if (written > 0) {
            JF_TRY(part_digest_update(part->digest, data, (size_t)written, part->pool));
            part->size_bytes += written;
            data += written;
            size -= (size_t)written;
        }
    }
    return NULL;
}

jf_err_t *part_file_end_digest(unsigned char *sha256, unsigned char *sha3, part_file_t *part)
{
    return part_digest_end(sha256, sha3, part->digest, part->pool);
}
