#include "jf_store_private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <apr_strings.h>

/* Large enough that a write costs the copying, small enough for a thousand slow uploads. */
#define GATHER_BYTES 65536

struct jf_object_t {
    jf_store_t *store;
    const char *name;
    const char *relative_path;
    apr_pool_t *pool;
    int fd; /* -1 when closed */
    int is_kept;
    apr_size_t gathered;
    char *gather; /* made at the first small write */
};

static jf_err_t *write_error(const jf_object_t *object, const char *what)
{
    return jf_err_from_system(errno, object->pool, "object %s: %s", object->name, what);
}

void jf_store_discard(jf_object_t *object)
{
    if (object->is_kept) {
        return;
    }
    if (object->fd >= 0) {
        close(object->fd);
        object->fd = -1;
    }
    unlinkat(object->store->root_fd, object->relative_path, 0);
    object->is_kept = 1;
}

static apr_status_t discard_cleanup(void *data)
{
    jf_store_discard(data);
    return APR_SUCCESS;
}

jf_err_t *jf_store_new_object(jf_object_t **object_out, jf_store_t *store, const char *name,
                              apr_pool_t *pool)
{
    jf_object_t *object = apr_pcalloc(pool, sizeof(*object));
    object->store = store;
    object->name = apr_pstrdup(pool, name);
    object->relative_path = jf_store_relative_path(name, pool);
    object->pool = pool;
    object->fd =
        jf_store_open_beneath(store, object->relative_path, O_CREAT | O_EXCL | O_WRONLY, 0600);
    if (object->fd < 0) {
        return write_error(object, "cannot be created");
    }
    apr_pool_cleanup_register(pool, object, discard_cleanup, apr_pool_cleanup_null);
    *object_out = object;
    return NULL;
}

static jf_err_t *write_fully(jf_object_t *object, const char *data, apr_size_t length)
{
    while (length > 0) {
        ssize_t written = write(object->fd, data, length);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written < 0) {
            return write_error(object, "cannot be written");
        }
        data += written;
        length -= (apr_size_t)written;
    }
    return NULL;
}

static jf_err_t *flush(jf_object_t *object)
{
    apr_size_t length = object->gathered;
    object->gathered = 0;
    return write_fully(object, object->gather, length);
}

static void need_gather(jf_object_t *object)
{
    if (!object->gather) {
        object->gather = apr_palloc(object->pool, GATHER_BYTES);
    }
}

jf_err_t *jf_store_write(jf_object_t *object, const void *data, apr_size_t length)
{
    if (object->gathered + length > GATHER_BYTES) {
        JF_TRY(flush(object));
    }
    if (length >= GATHER_BYTES) {
        return write_fully(object, data, length);
    }
    need_gather(object);
    memcpy(object->gather + object->gathered, data, length);
    object->gathered += length;
    return NULL;
}

/* ---- from a pipe ---- */

static jf_err_t *pipe_error(const jf_object_t *object, ssize_t count)
{
    if (count == 0) {
        errno = ENODATA;
    }
    return write_error(object, "cannot be written from a pipe");
}

/* For a file system that takes no part in splicing. */
static jf_err_t *copy_from_pipe(jf_object_t *object, int pipe_fd, apr_size_t length)
{
    need_gather(object);
    while (length > 0) {
        ssize_t count =
            read(pipe_fd, object->gather, length < GATHER_BYTES ? length : GATHER_BYTES);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            return pipe_error(object, count);
        }
        JF_TRY(write_fully(object, object->gather, (apr_size_t)count));
        length -= (apr_size_t)count;
    }
    return NULL;
}

jf_err_t *jf_store_write_pipe(jf_object_t *object, int pipe_fd, apr_size_t length)
{
    JF_TRY(flush(object));
    while (length > 0) {
        ssize_t count =
            splice(pipe_fd, NULL, object->fd, NULL, length, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0 && errno == EINVAL) {
            return copy_from_pipe(object, pipe_fd, length);
        }
        if (count <= 0) {
            return pipe_error(object, count);
        }
        length -= (apr_size_t)count;
    }
    return NULL;
}

/* ---- finishing ---- */

jf_err_t *jf_store_finish(jf_object_t *object)
{
    JF_TRY(flush(object));
    if (object->store->is_durable) {
        JF_TRY(jf_store_sync_object(object->store, object->fd, object->name, object->pool));
    }
    int fd = object->fd;
    object->fd = -1;
    return close(fd) == 0 ? NULL : write_error(object, "cannot be closed");
}

void jf_store_keep(jf_object_t *object)
{
    object->is_kept = 1;
    apr_pool_cleanup_kill(object->pool, object, discard_cleanup);
}
