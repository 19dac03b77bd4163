#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <apr_strings.h>
#include <openssl/crypto.h>

#include "serve_private.h"
#include "serve_range.h"

/* Read from the disk at a time; each answer under way holds so much. */
#define BLOCK_BYTES (128 << 10)
#define FIELD_BYTES 80

/* Nothing of the file may run or be shown in the place of a page. */
#define POLICY "default-src 'none'; sandbox; frame-ancestors 'none'"

typedef struct field_t {
    const char *name;
    const char *value;
} field_t;

/* What an answer reads. */
typedef struct reading_t {
    serve_http_t *server;
    apr_int64_t begin_bytes;
    apr_int64_t count_bytes;
} reading_t;

/* ---- content ---- */

static ssize_t read_content(void *baton, uint64_t position, char *buffer, size_t size)
{
    const reading_t *reading = baton;
    serve_http_t *server = reading->server;
    apr_int64_t left_bytes = reading->count_bytes - (apr_int64_t)position;
    size_t wanted = left_bytes < (apr_int64_t)size ? (size_t)left_bytes : size;
    apr_int64_t at_bytes = reading->begin_bytes + (apr_int64_t)position;
    ssize_t count;
    if (server->err) {
        return MHD_CONTENT_READER_END_WITH_ERROR;
    }
    do {
        count = pread(server->source->fd, buffer, wanted, at_bytes);
    } while (count < 0 && errno == EINTR);
    server->err = count < 0 ? jf_err_from_system(errno, server->pool, "%s cannot be read",
                                                 server->source->path)
                            : source_file_check(server->source, server->pool);
    if (server->err || count == 0) {
        return MHD_CONTENT_READER_END_WITH_ERROR;
    }
    server->sent_bytes += count;
    if (at_bytes + count > server->reached_bytes) {
        server->reached_bytes = at_bytes + count;
    }
    return count;
}

static void free_reading(void *baton)
{
    free(baton);
}

static struct MHD_Response *make_content(serve_http_t *server, const serve_range_t *range)
{
    reading_t *reading = malloc(sizeof(*reading));
    if (!reading) {
        return NULL;
    }
    *reading = (reading_t){server, range->begin_bytes, range->count_bytes};
    struct MHD_Response *response = MHD_create_response_from_callback(
        (uint64_t)range->count_bytes, BLOCK_BYTES, read_content, reading, free_reading);
    if (!response) {
        free(reading);
    }
    return response;
}

/* ---- answers ---- */

static const char *request_field(struct MHD_Connection *connection, const char *name)
{
    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

static int add_fields(struct MHD_Response *response, const field_t *fields)
{
    for (; fields->name; fields++) {
        if (fields->value[0] != '\0' &&
            MHD_add_response_header(response, fields->name, fields->value) != MHD_YES) {
            return 0;
        }
    }
    return 1;
}

/* Sends an answer and forgets it. @param response NULL: memory was short, the connection breaks. */
static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status,
                              struct MHD_Response *response, const field_t *fields)
{
    static const field_t common[] = {
        {"X-Content-Type-Options", "nosniff"},
        {"Content-Security-Policy", POLICY},
        {"Referrer-Policy", "no-referrer"},
        {"Cache-Control", "private, no-store"},
        {.name = NULL},
    };
    if (!response) {
        return MHD_NO;
    }
    enum MHD_Result result = MHD_NO;
    if (add_fields(response, common) && add_fields(response, fields)) {
        result = MHD_queue_response(connection, status, response);
    }
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result refuse(struct MHD_Connection *connection, unsigned status, const char *name,
                              const char *value)
{
    const field_t fields[] = {{name, value}, {.name = NULL}};
    return answer(connection, status,
                  MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT), fields);
}

/* The range that counts: only a GET has one, and only of the file that If-Range means. */
static serve_range_t find_range(const serve_http_t *server, struct MHD_Connection *connection,
                                int is_get)
{
    const char *condition = request_field(connection, MHD_HTTP_HEADER_IF_RANGE);
    int holds = !condition || strcmp(condition, server->etag) == 0 ||
                (server->modified[0] != '\0' && strcmp(condition, server->modified) == 0);
    const char *field = is_get && holds ? request_field(connection, MHD_HTTP_HEADER_RANGE) : NULL;
    return serve_range_parse(field, server->source->size_bytes);
}

static enum MHD_Result give(serve_http_t *server, struct MHD_Connection *connection, int is_get)
{
    char part[FIELD_BYTES] = "";
    serve_range_t range = find_range(server, connection, is_get);
    apr_int64_t size_bytes = server->source->size_bytes;
    if (range.kind == SERVE_RANGE_BEYOND) {
        apr_snprintf(part, sizeof(part), "bytes */%" APR_INT64_T_FMT, size_bytes);
        return refuse(connection, MHD_HTTP_RANGE_NOT_SATISFIABLE, MHD_HTTP_HEADER_CONTENT_RANGE,
                      part);
    }
    if (range.kind == SERVE_RANGE_PART) {
        apr_snprintf(part, sizeof(part),
                     "bytes %" APR_INT64_T_FMT "-%" APR_INT64_T_FMT "/%" APR_INT64_T_FMT,
                     range.begin_bytes, range.begin_bytes + range.count_bytes - 1, size_bytes);
    }
    const field_t fields[] = {
        {MHD_HTTP_HEADER_CONTENT_TYPE, server->media_type},
        {MHD_HTTP_HEADER_CONTENT_DISPOSITION, server->disposition},
        {MHD_HTTP_HEADER_ACCEPT_RANGES, "bytes"},
        {MHD_HTTP_HEADER_CONTENT_RANGE, part},
        {MHD_HTTP_HEADER_ETAG, server->etag},
        {MHD_HTTP_HEADER_LAST_MODIFIED, server->modified},
        {"Repr-Digest", server->digest},
        {.name = NULL},
    };
    return answer(connection, part[0] ? MHD_HTTP_PARTIAL_CONTENT : MHD_HTTP_OK,
                  make_content(server, &range), fields);
}

/* ---- who asks for what ---- */

static int is_path(const serve_http_t *server, const char *path)
{
    size_t length = strlen(server->path);
    return strlen(path) == length && CRYPTO_memcmp(path, server->path, length) == 0;
}

static int is_same_host(const struct sockaddr_storage *one, const struct sockaddr_storage *other)
{
    if (one->ss_family != other->ss_family) {
        return 0;
    }
    if (one->ss_family == AF_INET6) {
        struct sockaddr_in6 a;
        struct sockaddr_in6 b;
        memcpy(&a, one, sizeof(a));
        memcpy(&b, other, sizeof(b));
        return memcmp(&a.sin6_addr, &b.sin6_addr, sizeof(a.sin6_addr)) == 0;
    }
    struct sockaddr_in a;
    struct sockaddr_in b;
    memcpy(&a, one, sizeof(a));
    memcpy(&b, other, sizeof(b));
    return a.sin_addr.s_addr == b.sin_addr.s_addr;
}

/* The first that knows the path is the receiver. */
static int is_receiver(serve_http_t *server, struct MHD_Connection *connection)
{
    struct sockaddr_storage from = {.ss_family = AF_UNSPEC};
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    if (!info || !info->client_addr) {
        return 0;
    }
    int is_ipv6 = info->client_addr->sa_family == AF_INET6;
    memcpy(&from, info->client_addr,
           is_ipv6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));
    if (!server->has_receiver) {
        server->has_receiver = 1;
        server->receiver = from;
    }
    return is_same_host(&server->receiver, &from);
}

static int has_body(struct MHD_Connection *connection)
{
    const char *length = request_field(connection, MHD_HTTP_HEADER_CONTENT_LENGTH);
    return (length && strcmp(length, "0") != 0) ||
           request_field(connection, MHD_HTTP_HEADER_TRANSFER_ENCODING);
}

static enum MHD_Result respond(serve_http_t *server, struct MHD_Connection *connection,
                               const char *path, const char *method)
{
    if (!is_path(server, path)) {
        return refuse(connection, MHD_HTTP_NOT_FOUND, NULL, NULL);
    }
    int is_get = strcmp(method, MHD_HTTP_METHOD_GET) == 0;
    if (!is_get && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0) {
        return refuse(connection, MHD_HTTP_METHOD_NOT_ALLOWED, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    }
    if (!is_receiver(server, connection)) {
        return refuse(connection, MHD_HTTP_FORBIDDEN, NULL, NULL);
    }
    return give(server, connection, is_get);
}

enum MHD_Result serve_answer(void *baton, struct MHD_Connection *connection, const char *path,
                             const char *method, const char *version, const char *body,
                             size_t *body_bytes, void **request)
{
    (void)version;
    (void)body;
    (void)body_bytes;
    /* libmicrohttpd calls for the header and again behind the body. Who answers at the first call
     * has the connection closed and no body read, which is right where one is announced. */
    if (!*request && !has_body(connection)) {
        *request = baton;
        return MHD_YES;
    }
    return respond(baton, connection, path, method);
}
