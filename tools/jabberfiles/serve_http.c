#include "serve_http.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include <apr_strings.h>

#include "jf_digest.h"
#include "jf_media.h"
#include "jf_names.h"
#include "jf_token.h"
#include "serve_private.h"

/* Of one connection: request line and header fields fit in, or they are refused with 431. */
#define CONNECTION_BYTES (16 << 10)

static apr_status_t stop(void *baton)
{
    serve_http_t *server = baton;
    MHD_stop_daemon(server->daemon);
    return APR_SUCCESS;
}

/* @param escaped_path set to the path as it stands in a URL. */
static jf_err_t *describe(serve_http_t *server, const char **escaped_path)
{
    const source_file_t *source = server->source;
    const char *token = NULL;
    JF_TRY(jf_token_nonce(&token, server->pool));
    server->path = apr_pstrcat(server->pool, "/", token, "/", source->name, NULL);
    *escaped_path = apr_pstrcat(server->pool, "/", token, "/",
                                jf_names_escape(source->name, server->pool), NULL);
    server->digest = jf_digest_format(source->sha256, server->pool);
    server->etag = apr_psprintf(server->pool, "\"%s\"", server->digest + strlen("sha-256="));
    server->disposition = jf_media_disposition(0, source->name, server->pool);
    server->media_type = jf_media_to_serve(source->media_type, server->pool);
    if (source->modified_us > 0) {
        apr_rfc822_date(server->modified, source->modified_us);
    }
    return NULL;
}

/* @param fd the listening socket, which becomes libmicrohttpd's; -1: none. */
static jf_err_t *start(serve_http_t *server, int fd, unsigned silence_s)
{
    const struct MHD_OptionItem listening[] = {
        {MHD_OPTION_LISTEN_SOCKET, fd, NULL},
        {MHD_OPTION_END, 0, NULL},
    };
    unsigned flags = MHD_USE_EPOLL | (fd < 0 ? (unsigned)MHD_USE_NO_LISTEN_SOCKET : 0);
    server->daemon =
        MHD_start_daemon(flags, 0, NULL, NULL, serve_answer, server, MHD_OPTION_ARRAY,
                         fd < 0 ? listening + 1 : listening, MHD_OPTION_CONNECTION_LIMIT,
                         (unsigned)SERVE_CONNECTIONS_MAX, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
                         (unsigned)SERVE_CONNECTIONS_OF_ONE_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
                         silence_s, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES,
                         MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
    if (!server->daemon) {
        return jf_err_from_system(errno, server->pool, "no HTTP server can be started");
    }
    apr_pool_cleanup_register(server->pool, server, stop, apr_pool_cleanup_null);
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    server->epoll_fd = info ? info->epoll_fd : -1;
    return NULL;
}

jf_err_t *serve_http_open(serve_http_t **server_out, const serve_place_t *place,
                          const source_file_t *source, apr_pool_t *pool)
{
    serve_http_t *server = apr_pcalloc(pool, sizeof(*server));
    const char *escaped_path = NULL;
    int fd = -1;
    server->source = source;
    server->pool = pool;
    JF_TRY(describe(server, &escaped_path));
    JF_TRY(serve_address_open(&fd, &server->url, place, escaped_path, pool));
    JF_TRY(start(server, fd, place->silence_s));
    *server_out = server;
    return NULL;
}

const char *serve_http_url(const serve_http_t *server)
{
    return server->url;
}

/* How long nothing needs to be done unless something comes. */
static int wait_ms(const serve_http_t *server, apr_interval_time_t left_us)
{
    MHD_UNSIGNED_LONG_LONG due_ms = 0;
    int left_ms = (int)apr_time_as_msec(left_us + 999);
    return MHD_get_timeout(server->daemon, &due_ms) == MHD_YES &&
                   due_ms < (MHD_UNSIGNED_LONG_LONG)left_ms
               ? (int)due_ms
               : left_ms;
}

jf_err_t *serve_http_run(serve_http_t *server, apr_interval_time_t duration_us)
{
    apr_time_t end_us = apr_time_now() + duration_us;
    apr_interval_time_t left_us = duration_us;
    struct pollfd ready = {.fd = server->epoll_fd, .events = POLLIN};
    MHD_run(server->daemon);
    while (!server->err && left_us > 0) {
        if (poll(&ready, 1, wait_ms(server, left_us)) < 0) {
            break;
        }
        MHD_run(server->daemon);
        left_us = end_us - apr_time_now();
    }
    return server->err;
}

apr_int64_t serve_http_sent_bytes(const serve_http_t *server)
{
    return server->sent_bytes;
}

apr_int64_t serve_http_reached_bytes(const serve_http_t *server)
{
    return server->reached_bytes;
}

int serve_http_adopt(serve_http_t *server, int fd, const struct sockaddr *from, socklen_t length)
{
    return MHD_add_connection(server->daemon, fd, from, length) == MHD_YES;
}

void serve_http_close(serve_http_t *server)
{
    apr_pool_cleanup_run(server->pool, server, stop);
}
