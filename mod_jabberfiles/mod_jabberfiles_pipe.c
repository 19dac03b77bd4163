#include "mod_jabberfiles_body.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <apr_atomic.h>

/* More slots than a default pipe has: a slot may hold as little as one packet of the network. */
#define PIPE_BYTES (1024 * 1024)
/* The kernel lets a user have a certain number of slots in all pipes together (64 MiB of pages by
 * default); an upload has a pipe only while its bytes are moved, so few pipes serve many. */
#define PIPES_MAX 8
#define PIPES_KEPT 4
/* A filter that wants to see the bytes gets as much at once. */
#define READ_BYTES 65536

enum { PIPE_CLOSED, PIPE_KEPT, PIPE_IN_USE };

typedef struct {
    volatile apr_uint32_t state; /* the rest belongs to whoever has set PIPE_IN_USE */
    int read_fd;
    int write_fd;
    apr_size_t unread_bytes;
} pipe_t;

/* Of this process. Without a lock: in prefork a child may end, and destroy buckets, in a signal
 * handler that has interrupted who uses this. */
static pipe_t pipes[PIPES_MAX];

/* ---- pipes ---- */

/** The first pipe in @a state, now in use; NULL if there is none. */
static pipe_t *claim(apr_uint32_t state)
{
    for (int i = 0; i < PIPES_MAX; i++) {
        if (apr_atomic_cas32(&pipes[i].state, PIPE_IN_USE, state) == state) {
            return &pipes[i];
        }
    }
    return NULL;
}

static pipe_t *open_pipe(void)
{
    int ends[2];
    pipe_t *pipe = claim(PIPE_CLOSED);
    if (pipe && pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
        apr_atomic_set32(&pipe->state, PIPE_CLOSED);
        return NULL;
    }
    if (pipe) {
        /* A user beyond the limit keeps the size that the pipe has. */
        (void)fcntl(ends[1], F_SETPIPE_SZ, PIPE_BYTES);
        pipe->read_fd = ends[0];
        pipe->write_fd = ends[1];
        pipe->unread_bytes = 0;
    }
    return pipe;
}

static pipe_t *get_pipe(void)
{
    pipe_t *pipe = claim(PIPE_KEPT);
    return pipe ? pipe : open_pipe();
}

/* Bytes that nobody wanted go with the pipe: none of them can turn up in another upload. */
static void put_back(pipe_t *pipe)
{
    int is_kept = pipe->unread_bytes == 0 && pipe < pipes + PIPES_KEPT;
    if (!is_kept) {
        close(pipe->read_fd);
        close(pipe->write_fd);
    }
    apr_atomic_set32(&pipe->state, is_kept ? PIPE_KEPT : PIPE_CLOSED);
}

/* ---- the bucket ---- */

static void destroy_bucket(void *data)
{
    put_back(data);
}

static ssize_t read_pipe(int fd, char *buffer, apr_size_t size)
{
    ssize_t count;
    do {
        count = read(fd, buffer, size);
    } while (count < 0 && errno == EINTR);
    return count;
}

static void become_pipe(apr_bucket *bucket, pipe_t *pipe);

/* As with files: the bucket becomes the part that was read, and the rest a bucket behind it. */
static apr_status_t read_bucket(apr_bucket *bucket, const char **data, apr_size_t *length,
                                apr_read_type_e block)
{
    (void)block; /* the bytes are there */
    pipe_t *pipe = bucket->data;
    apr_size_t size = pipe->unread_bytes < READ_BYTES ? pipe->unread_bytes : READ_BYTES;
    char *buffer = apr_bucket_alloc(size, bucket->list);
    ssize_t count = read_pipe(pipe->read_fd, buffer, size);
    if (count <= 0) {
        apr_status_t status = count < 0 ? errno : APR_EOF;
        apr_bucket_free(buffer);
        return status;
    }
    pipe->unread_bytes -= (apr_size_t)count;
    apr_bucket_heap_make(bucket, buffer, (apr_size_t)count, apr_bucket_free);
    if (pipe->unread_bytes > 0) {
        apr_bucket *rest = apr_bucket_alloc(sizeof(*rest), bucket->list);
        APR_BUCKET_INIT(rest);
        rest->free = apr_bucket_free;
        rest->list = bucket->list;
        become_pipe(rest, pipe);
        APR_BUCKET_INSERT_AFTER(bucket, rest);
    } else {
        put_back(pipe);
    }
    *data = buffer;
    *length = (apr_size_t)count;
    return APR_SUCCESS;
}

/* Nothing to set aside: the pipe is the bucket's own. To be cut or copied it must be read first. */
static const apr_bucket_type_t bucket_type = {
    "JABBERFILES_PIPE",
    5,
    APR_BUCKET_DATA,
    destroy_bucket,
    read_bucket,
    apr_bucket_setaside_noop,
    apr_bucket_split_notimpl,
    apr_bucket_copy_notimpl,
};

static void become_pipe(apr_bucket *bucket, pipe_t *pipe)
{
    bucket->type = &bucket_type;
    bucket->start = 0;
    bucket->length = pipe->unread_bytes;
    bucket->data = pipe;
}

int jfm_pipe_fd(const apr_bucket *bucket)
{
    const pipe_t *pipe = bucket->data;
    return bucket->type == &bucket_type ? pipe->read_fd : -1;
}

void jfm_pipe_was_emptied(const apr_bucket *bucket)
{
    pipe_t *pipe = bucket->data;
    pipe->unread_bytes = 0;
}

/* ---- filling ---- */

static apr_status_t fill(pipe_t *pipe, int socket_fd, apr_size_t most_bytes)
{
    ssize_t count;
    do {
        count = splice(socket_fd, NULL, pipe->write_fd, NULL, most_bytes,
                       SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    } while (count < 0 && errno == EINTR);
    if (count > 0) {
        pipe->unread_bytes = (apr_size_t)count;
        return APR_SUCCESS;
    }
    return count == 0 ? APR_EOF : errno == EINVAL ? APR_ENOTIMPL : errno;
}

apr_status_t jfm_pipe_take(apr_bucket **bucket, int socket_fd, apr_size_t most_bytes,
                           apr_bucket_alloc_t *list)
{
    pipe_t *pipe = get_pipe();
    if (!pipe) {
        return APR_ENOTIMPL;
    }
    apr_status_t status = fill(pipe, socket_fd, most_bytes);
    if (status != APR_SUCCESS) {
        put_back(pipe);
        return status;
    }
    apr_bucket *taken = apr_bucket_alloc(sizeof(*taken), list);
    APR_BUCKET_INIT(taken);
    taken->free = apr_bucket_free;
    taken->list = list;
    become_pipe(taken, pipe);
    *bucket = taken;
    return APR_SUCCESS;
}
