#include "mod_jabberfiles_body.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <apr_portable.h>
#include <http_ssl.h>

/*
 * The core reads a connection 8000 bytes at a time. For a large body that is most of what an upload
 * costs. So while one is received over a plain connection, a filter between the core's and all
 * others takes the bytes from the socket itself, either into a pipe, from where they go on to a
 * file without being copied into the process, or in large pieces. Filters above it see no
 * difference: mod_logio counts, mod_reqtimeout sets the socket's timeout.
 *
 * Once added the filter stays with its connection, for others point to it. It lets everything pass
 * while no upload is on.
 */
#define BODY_FILTER "JABBERFILES_BODY"
/* What is smaller is faster without, for it comes in few pieces. */
#define LARGE_BODY_BYTES (16 * 1024)
/* What is smaller is faster copied than by way of a pipe. */
#define PIPED_BODY_BYTES (128 * 1024)
/* Also where a chunk ends: what the core reads then has the next chunk's header, too. */
#define LARGE_PIECE_BYTES (16 * 1024)
#define BUFFER_BYTES_MAX (256 * 1024)

struct jfm_body_t {
    int is_on;
    int is_copied;
    char *buffer; /* of buffer_bytes; NULL until it is needed */
    apr_size_t buffer_bytes;
};

static ap_filter_rec_t *body_filter;

/* ---- taking ---- */

/* What comes next on a connection. */
typedef struct next_t {
    apr_off_t read_bytes; /* the core has them already */
    apr_socket_t *socket; /* has the rest; NULL if there is none */
} next_t;

static void look_at(next_t *next, const core_net_rec *net)
{
    *next = (next_t){0};
    if (!net->in_ctx) {
        return;
    }
    const apr_bucket_brigade *read = net->in_ctx->b;
    for (apr_bucket *b = APR_BRIGADE_FIRST(read); b != APR_BRIGADE_SENTINEL(read);
         b = APR_BUCKET_NEXT(b)) {
        if (APR_BUCKET_IS_SOCKET(b)) {
            next->socket = b->data;
            return;
        }
        if (b->length == (apr_size_t)-1) {
            return;
        }
        next->read_bytes += (apr_off_t)b->length;
    }
}

static apr_status_t take_copy(apr_bucket **bucket, jfm_body_t *body, int fd, apr_size_t most_bytes,
                              apr_bucket_alloc_t *list)
{
    ssize_t count;
    if (!body->buffer) {
        body->buffer = malloc(body->buffer_bytes);
    }
    if (!body->buffer) {
        return APR_ENOMEM;
    }
    if (most_bytes > body->buffer_bytes) {
        most_bytes = body->buffer_bytes;
    }
    do {
        count = recv(fd, body->buffer, most_bytes, MSG_DONTWAIT);
    } while (count < 0 && errno == EINTR);
    if (count > 0) {
        *bucket = apr_bucket_transient_create(body->buffer, (apr_size_t)count, list);
        return APR_SUCCESS;
    }
    return count == 0 ? APR_EOF : errno;
}

static apr_status_t take(apr_bucket **bucket, jfm_body_t *body, int fd, apr_size_t most_bytes,
                         apr_bucket_alloc_t *list)
{
    apr_status_t status =
        body->is_copied ? APR_ENOTIMPL : jfm_pipe_take(bucket, fd, most_bytes, list);
    return status == APR_ENOTIMPL ? take_copy(bucket, body, fd, most_bytes, list) : status;
}

/* As long as a read by the core would. */
static apr_status_t wait_for(apr_socket_t *socket, int fd)
{
    apr_interval_time_t timeout_us;
    struct pollfd wanted = {.fd = fd, .events = POLLIN};
    int count;
    apr_socket_timeout_get(socket, &timeout_us);
    int timeout_ms = timeout_us < 0 ? -1 : (int)apr_time_as_msec(timeout_us + 999);
    do {
        count = poll(&wanted, 1, timeout_ms);
    } while (count < 0 && errno == EINTR);
    return count > 0 ? APR_SUCCESS : count == 0 ? APR_TIMEUP : errno;
}

static apr_status_t take_or_wait(apr_bucket **bucket, jfm_body_t *body, apr_socket_t *socket,
                                 apr_size_t most_bytes, apr_bucket_alloc_t *list,
                                 apr_read_type_e block)
{
    int fd;
    apr_status_t status = apr_os_sock_get(&fd, socket);
    *bucket = NULL;
    while (status == APR_SUCCESS) {
        status = take(bucket, body, fd, most_bytes, list);
        if (!APR_STATUS_IS_EAGAIN(status) || block == APR_NONBLOCK_READ) {
            return status;
        }
        status = wait_for(socket, fd);
    }
    return status;
}

static apr_status_t read_socket(ap_filter_t *filter, apr_bucket_brigade *bb, apr_socket_t *socket,
                                apr_read_type_e block, apr_off_t bytes)
{
    apr_bucket *bucket;
    apr_status_t status = take_or_wait(&bucket, filter->ctx, socket, (apr_size_t)bytes,
                                       filter->c->bucket_alloc, block);
    if (status == APR_SUCCESS) {
        APR_BRIGADE_INSERT_TAIL(bb, bucket);
        return APR_SUCCESS;
    }
    /* How an end looks, and nothing where nobody waits, is known to the core. */
    return status == APR_EOF || APR_STATUS_IS_EAGAIN(status)
               ? ap_get_brigade(filter->next, bb, AP_MODE_READBYTES, block, bytes)
               : status;
}

static apr_status_t read_body(ap_filter_t *filter, apr_bucket_brigade *bb, ap_input_mode_t mode,
                              apr_read_type_e block, apr_off_t bytes)
{
    const jfm_body_t *body = filter->ctx;
    if (!body->is_on || mode != AP_MODE_READBYTES || bytes < LARGE_PIECE_BYTES) {
        return ap_get_brigade(filter->next, bb, mode, block, bytes);
    }
    next_t next;
    look_at(&next, filter->next->ctx);
    if (next.socket && next.read_bytes == 0) {
        return read_socket(filter, bb, next.socket, block, bytes);
    }
    /* If it were asked for more than it has, the core would go on reading in its way. */
    int has_less = next.read_bytes > 0 && next.read_bytes < bytes;
    return ap_get_brigade(filter->next, bb, mode, block, has_less ? next.read_bytes : bytes);
}

/* ---- beginning and ending ---- */

void jfm_register_body(void)
{
    /* As mod_logio's, and added after it: so it comes behind that one. */
    body_filter = ap_register_input_filter(BODY_FILTER, read_body, NULL,
                                           (ap_filter_type)(AP_FTYPE_NETWORK - 1));
}

static ap_filter_t *find_filter(const request_rec *r)
{
    ap_filter_t *filter = r->connection->input_filters;
    while (filter && filter->frec != body_filter) {
        filter = filter->next;
    }
    return filter;
}

static ap_filter_t *add_filter(request_rec *r)
{
    conn_rec *c = r->connection;
    return ap_add_input_filter_handle(body_filter, apr_pcalloc(c->pool, sizeof(jfm_body_t)), r, c);
}

static int is_above_core(const ap_filter_t *filter)
{
    return filter->next && strcasecmp(filter->next->frec->name, "core_in") == 0;
}

static int is_worth_it(const request_rec *r, apr_int64_t length_bytes)
{
    return (length_bytes == JF_LENGTH_UNKNOWN || length_bytes > LARGE_BODY_BYTES) &&
           !r->connection->master && !ap_ssl_conn_is_ssl(r->connection);
}

jfm_body_t *jfm_body_begin(request_rec *r, apr_int64_t length_bytes, int is_looked_at)
{
    if (!is_worth_it(r, length_bytes)) {
        return NULL;
    }
    ap_filter_t *filter = find_filter(r);
    filter = filter ? filter : add_filter(r);
    if (!is_above_core(filter)) {
        return NULL;
    }
    jfm_body_t *body = filter->ctx;
    int is_known = length_bytes != JF_LENGTH_UNKNOWN;
    body->is_on = 1;
    body->is_copied = is_looked_at || (is_known && length_bytes <= PIPED_BODY_BYTES);
    body->buffer_bytes =
        is_known && length_bytes < BUFFER_BYTES_MAX ? (apr_size_t)length_bytes : BUFFER_BYTES_MAX;
    return body;
}

void jfm_body_end(jfm_body_t *body)
{
    if (!body) {
        return;
    }
    body->is_on = 0;
    free(body->buffer);
    body->buffer = NULL;
}
