#include "take_http.h"

#include <errno.h>
#include <string.h>
#include <sys/select.h>

#include <apr_strings.h>
#include <microhttpd.h>
#include <openssl/crypto.h>

#include "jf_token.h"
#include "jf_units.h"

/* One uploads; a few others may knock without locking that one out. */
#define CONNECTIONS_MAX 16
#define CONNECTIONS_OF_ADDRESS_MAX 8
/* For the head and for each piece of the body: larger pieces are fewer calls. */
#define CONNECTION_BYTES ((size_t)128 << 10)
#define CONNECTION_STEP_BYTES ((size_t)32 << 10)

struct take_http_t {
    struct MHD_Daemon *daemon;
    const char *url;
    const char *path;
    apr_int64_t size_bytes;
    const char *size_text;
    take_sink_t sink;
    take_state_t state;
    apr_int64_t done_bytes;
    jf_err_t *err;
    apr_pool_t *pool;
};

/* ---- requests ---- */

static void fail(take_http_t *take, jf_err_t *err)
{
    take->state = TAKE_FAILED;
    take->err = err;
}

static jf_err_t *wrong_size(const take_http_t *take)
{
    return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, take->pool,
                       "the sender has another number of bytes than the %s that were announced",
                       take->size_text);
}

static enum MHD_Result reply(struct MHD_Connection *connection, unsigned status)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(0, (void *)"", MHD_RESPMEM_PERSISTENT);
    if (!response) {
        return MHD_NO;
    }
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED) {
        MHD_add_response_header(response, "Allow", "PUT");
    }
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

/* How much of a guess is right must not show in the time that it takes. */
static int is_path(const take_http_t *take, const char *path)
{
    size_t length = strlen(take->path);
    return strlen(path) == length && CRYPTO_memcmp(path, take->path, length) == 0;
}

static const char *field(struct MHD_Connection *connection, const char *name)
{
    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

/* A body whose length is not told is counted as it comes. */
static unsigned judge_length(const take_http_t *take, struct MHD_Connection *connection)
{
    const char *length = field(connection, MHD_HTTP_HEADER_CONTENT_LENGTH);
    if (!length) {
        int is_chunked = field(connection, MHD_HTTP_HEADER_TRANSFER_ENCODING) != NULL;
        return is_chunked || take->size_bytes == 0 ? 0 : MHD_HTTP_LENGTH_REQUIRED;
    }
    if (strcmp(length, take->size_text) == 0) {
        return 0;
    }
    return apr_atoi64(length) > take->size_bytes ? MHD_HTTP_CONTENT_TOO_LARGE
                                                 : MHD_HTTP_BAD_REQUEST;
}

/* The status of a refusal; 0 for the upload that is waited for. */
static unsigned judge(const take_http_t *take, struct MHD_Connection *connection, const char *path,
                      const char *method)
{
    if (!is_path(take, path)) {
        return MHD_HTTP_NOT_FOUND;
    }
    if (strcmp(method, MHD_HTTP_METHOD_PUT) != 0) {
        return MHD_HTTP_METHOD_NOT_ALLOWED;
    }
    if (take->state != TAKE_WAITING) {
        return MHD_HTTP_CONFLICT;
    }
    /* A part, or something that unfolds to any size, is not the file that was announced. */
    if (field(connection, MHD_HTTP_HEADER_CONTENT_RANGE)) {
        return MHD_HTTP_BAD_REQUEST;
    }
    if (field(connection, MHD_HTTP_HEADER_CONTENT_ENCODING)) {
        return MHD_HTTP_UNSUPPORTED_MEDIA_TYPE;
    }
    return judge_length(take, connection);
}

static enum MHD_Result take_data(take_http_t *take, const char *data, size_t size)
{
    if (take->state != TAKE_COMING) {
        return MHD_NO;
    }
    if ((apr_int64_t)size > take->size_bytes - take->done_bytes) {
        fail(take, wrong_size(take));
        return MHD_NO;
    }
    jf_err_t *err = take->sink.write(take->sink.baton, data, size);
    if (err) {
        fail(take, err);
        return MHD_NO;
    }
    take->done_bytes += (apr_int64_t)size;
    return MHD_YES;
}

static enum MHD_Result take_end(take_http_t *take, struct MHD_Connection *connection)
{
    if (take->done_bytes != take->size_bytes) {
        fail(take, wrong_size(take));
        return reply(connection, MHD_HTTP_BAD_REQUEST);
    }
    take->state = TAKE_COMPLETE;
    return reply(connection, MHD_HTTP_CREATED);
}

/* Called with the head, then for each piece of the body, then at its end. *mine is the take_http_t
 * for the one upload. */
static enum MHD_Result handle(void *baton, struct MHD_Connection *connection, const char *path,
                              const char *method, const char *version, const char *data,
                              size_t *size, void **mine)
{
    take_http_t *take = baton;
    (void)version;
    if (!*mine) {
        unsigned status = judge(take, connection, path, method);
        if (status) {
            return reply(connection, status);
        }
        take->state = TAKE_COMING;
        *mine = take;
        return MHD_YES;
    }
    if (*size > 0) {
        enum MHD_Result result = take_data(take, data, *size);
        *size = 0;
        return result;
    }
    return take_end(take, connection);
}

static void note_end(void *baton, struct MHD_Connection *connection, void **mine,
                     enum MHD_RequestTerminationCode code)
{
    take_http_t *take = baton;
    (void)connection;
    (void)code;
    if (*mine && take->state == TAKE_COMING) {
        fail(take, jf_err_make(JF_ERR_UNAVAILABLE, APR_SUCCESS, take->pool,
                               "the connection broke after %s of %s",
                               jf_units_format_bytes(take->done_bytes, take->pool),
                               jf_units_format_bytes(take->size_bytes, take->pool)));
    }
}

/* ---- life ---- */

static apr_status_t close_take(void *baton)
{
    take_http_t *take = baton;
    if (take->daemon) {
        MHD_stop_daemon(take->daemon);
    }
    take->daemon = NULL;
    return APR_SUCCESS;
}

/* @param fd the listening socket, which becomes libmicrohttpd's; -1: none. */
static jf_err_t *start(take_http_t *take, int fd, unsigned silence_s)
{
    const struct MHD_OptionItem listening[] = {
        {MHD_OPTION_LISTEN_SOCKET, fd, NULL},
        {MHD_OPTION_END, 0, NULL},
    };
    /* Not by epoll: libmicrohttpd 0.9.75 does not notice there that a sender has hung up if that
     * comes together with bytes. */
    unsigned flags = fd < 0 ? (unsigned)MHD_USE_NO_LISTEN_SOCKET : 0U;
    take->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, handle, take, MHD_OPTION_ARRAY, fd < 0 ? listening + 1 : listening,
        MHD_OPTION_NOTIFY_COMPLETED, note_end, take, MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX,
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, CONNECTIONS_OF_ADDRESS_MAX,
        MHD_OPTION_CONNECTION_TIMEOUT, silence_s, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        CONNECTION_BYTES, MHD_OPTION_CONNECTION_MEMORY_INCREMENT, CONNECTION_STEP_BYTES,
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
    if (!take->daemon) {
        return jf_err_from_system(errno, take->pool, "no HTTP server can be started");
    }
    apr_pool_cleanup_register(take->pool, take, close_take, apr_pool_cleanup_null);
    return NULL;
}

jf_err_t *take_http_open(take_http_t **take_out, const serve_place_t *place, apr_int64_t size_bytes,
                         const take_sink_t *sink, apr_pool_t *pool)
{
    take_http_t *take = apr_pcalloc(pool, sizeof(*take));
    const char *secret = NULL;
    int fd = -1;
    *take_out = NULL;
    JF_TRY(jf_token_nonce(&secret, pool));
    take->pool = pool;
    take->path = apr_pstrcat(pool, "/", secret, NULL);
    take->size_bytes = size_bytes;
    take->size_text = apr_psprintf(pool, "%" APR_INT64_T_FMT, size_bytes);
    take->sink = *sink;
    JF_TRY(serve_address_open(&fd, &take->url, place, take->path, pool));
    JF_TRY(start(take, fd, place->silence_s));
    *take_out = take;
    return NULL;
}

void take_http_close(take_http_t *take)
{
    apr_pool_cleanup_run(take->pool, take, close_take);
}

int take_http_adopt(take_http_t *take, int fd, const struct sockaddr *from, socklen_t length)
{
    return MHD_add_connection(take->daemon, fd, from, length) == MHD_YES;
}

/* ---- work ---- */

/* How long nothing needs to be done unless something comes. */
static struct timeval find_timeout(const take_http_t *take, apr_interval_time_t most_us)
{
    MHD_UNSIGNED_LONG_LONG due_ms = 0;
    if (MHD_get_timeout(take->daemon, &due_ms) == MHD_YES &&
        due_ms < (MHD_UNSIGNED_LONG_LONG)apr_time_as_msec(most_us)) {
        most_us = apr_time_from_msec((apr_interval_time_t)due_ms);
    }
    return (struct timeval){.tv_sec = apr_time_sec(most_us), .tv_usec = apr_time_usec(most_us)};
}

void take_http_turn(take_http_t *take, apr_interval_time_t timeout_us)
{
    fd_set reading;
    fd_set writing;
    fd_set failing;
    MHD_socket highest = -1;
    FD_ZERO(&reading);
    FD_ZERO(&writing);
    FD_ZERO(&failing);
    MHD_get_fdset(take->daemon, &reading, &writing, &failing, &highest);
    struct timeval timeout = find_timeout(take, timeout_us);
    if (select(highest + 1, &reading, &writing, &failing, &timeout) >= 0) {
        MHD_run_from_select(take->daemon, &reading, &writing, &failing);
    }
}

const char *take_http_url(const take_http_t *take)
{
    return take->url;
}

take_state_t take_http_state(const take_http_t *take)
{
    return take->state;
}

apr_int64_t take_http_bytes(const take_http_t *take)
{
    return take->done_bytes;
}

jf_err_t *take_http_error(const take_http_t *take)
{
    return take->err;
}
