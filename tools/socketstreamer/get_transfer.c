#include "get_transfer.h"

#include <string.h>

#include <apr_strings.h>

#include "get_client.h"
#include "get_server.h"
#include "get_timer.h"
#include "jf_units.h"
#include "tool_text.h"

struct get_transfer_t {
    apr_pool_t *pool;
    struct event_base *base;
    get_transfer_config_t config;
    get_server_t *server;
    get_source_t *source;
    struct event *ttl;
    struct MHD_Connection *connection; /* the one GET's, until it is over */
    get_client_t *client;              /* NULL until there is a GET */
    int is_suspended;
    int has_begun;
    int is_closing; /* the pool goes */
    get_outcome_t outcome;
    apr_time_t begin_us;
    apr_time_t end_us;
};

/* ---- the end ---- */

static void leave(get_transfer_t *transfer)
{
    transfer->end_us = apr_time_now();
    event_base_loopexit(transfer->base, NULL);
}

static void resume(get_transfer_t *transfer)
{
    if (transfer->is_suspended) {
        transfer->is_suspended = 0;
        get_client_watch(transfer->client, 0);
        MHD_resume_connection(transfer->connection);
        get_server_wake(transfer->server);
    }
}

static void suspend(get_transfer_t *transfer)
{
    transfer->is_suspended = 1;
    get_client_watch(transfer->client, 1);
    MHD_suspend_connection(transfer->connection);
}

/* The first cause counts; what follows from it is no other one. */
static void decide(get_transfer_t *transfer, get_outcome_t outcome)
{
    if (transfer->outcome == GET_UNDECIDED) {
        transfer->outcome = outcome;
    }
}

static void on_ttl(evutil_socket_t fd, short what, void *data)
{
    get_transfer_t *transfer = data;
    (void)fd;
    (void)what;
    decide(transfer, GET_NOBODY_CAME);
    leave(transfer);
}

void get_transfer_stop(get_transfer_t *transfer)
{
    decide(transfer, GET_STOPPED);
    if (!transfer->connection) {
        leave(transfer);
    } else if (transfer->is_suspended) {
        resume(transfer);
    } else {
        get_client_break(transfer->client);
    }
}

/* ---- content ---- */

static ssize_t break_answer(get_transfer_t *transfer)
{
    get_client_break(transfer->client);
    return MHD_CONTENT_READER_END_WITH_ERROR;
}

static ssize_t read_content(void *cls, uint64_t position, char *buffer, size_t size)
{
    get_transfer_t *transfer = cls;
    (void)position;
    if (transfer->outcome != GET_UNDECIDED) {
        return break_answer(transfer);
    }
    ssize_t count = get_source_read(transfer->source, buffer, size);
    switch (count) {
    case GET_SOURCE_NOTHING_YET:
        suspend(transfer);
        return 0;
    case GET_SOURCE_END:
        return MHD_CONTENT_READER_END_OF_STREAM;
    case GET_SOURCE_FAILED:
        decide(transfer, get_source_outcome(transfer->source));
        return break_answer(transfer);
    default:
        return count;
    }
}

/* An answer to HEAD has the fields of content that nobody asks for. */
static ssize_t read_nothing(void *cls, uint64_t position, char *buffer, size_t size)
{
    (void)cls;
    (void)position;
    (void)buffer;
    (void)size;
    return MHD_CONTENT_READER_END_WITH_ERROR;
}

/* ---- news ---- */

static void on_source_news(void *baton)
{
    resume(baton);
}

static void on_client_news(void *baton, int has_all)
{
    get_transfer_t *transfer = baton;
    decide(transfer, has_all ? GET_DELIVERED : GET_CLIENT_GONE);
    if (transfer->connection) {
        resume(transfer);
    } else {
        leave(transfer);
    }
}

static void on_over(void *baton, void *state, int is_whole)
{
    get_transfer_t *transfer = baton;
    if (state != transfer || transfer->is_closing) {
        return; /* not the GET, but one that was answered at once */
    }
    transfer->connection = NULL;
    if (is_whole) {
        get_client_drain(transfer->client);
    } else {
        /* Before the library closes: to a client of HTTP/1.0 that could look like the end. */
        get_client_break(transfer->client);
        decide(transfer, GET_CLIENT_GONE);
        leave(transfer);
    }
}

/* ---- requests ---- */

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status,
                              struct MHD_Response *response)
{
    if (!response) {
        return MHD_NO;
    }
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result refuse(struct MHD_Connection *connection, unsigned status)
{
    return answer(connection, status, get_offer_refusal(status));
}

/* The foreign side has said something, or something has ended the wait for that. */
static enum MHD_Result answer_get(get_transfer_t *transfer)
{
    if (get_source_outcome(transfer->source) != GET_UNDECIDED) {
        decide(transfer, get_source_outcome(transfer->source));
    }
    if (transfer->outcome == GET_UNDECIDED) {
        return answer(transfer->connection, MHD_HTTP_OK,
                      get_offer_answer(transfer->config.offer, read_content, transfer));
    }
    unsigned status = get_outcome_status(transfer->outcome);
    return status ? refuse(transfer->connection, status) : MHD_NO;
}

static unsigned timeout_s(apr_interval_time_t duration_us)
{
    return duration_us == JF_NEVER ? 0 : (unsigned)apr_time_sec(duration_us);
}

static enum MHD_Result begin_get(get_transfer_t *transfer, struct MHD_Connection *connection,
                                 void **state)
{
    int fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    transfer->client = get_client_create(fd, transfer->base, transfer->config.idle_timeout_us,
                                         on_client_news, transfer, transfer->pool);
    if (!transfer->client) {
        return refuse(connection, MHD_HTTP_SERVICE_UNAVAILABLE);
    }
    MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT,
                              timeout_s(transfer->config.idle_timeout_us));
    event_del(transfer->ttl);
    *state = transfer;
    transfer->connection = connection;
    transfer->has_begun = 1;
    transfer->begin_us = apr_time_now();
    get_source_start(transfer->source);
    suspend(transfer);
    return MHD_YES;
}

static const char *field(struct MHD_Connection *connection, const char *name)
{
    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

static int has_content(struct MHD_Connection *connection)
{
    const char *length = field(connection, MHD_HTTP_HEADER_CONTENT_LENGTH);
    return field(connection, MHD_HTTP_HEADER_TRANSFER_ENCODING) ||
           (length && strcmp(length, "0") != 0);
}

/* Ranges and conditions are of no use: the bytes come once, and nothing is known that one of them
 * could be compared with. A server may ignore both (RFC 9110, sections 13.2.1 and 14.2). */
static enum MHD_Result on_request(void *baton, struct MHD_Connection *connection, const char *path,
                                  const char *method, void **state)
{
    get_transfer_t *transfer = baton;
    if (*state == transfer) {
        return answer_get(transfer);
    }
    if (!get_offer_is_path(transfer->config.offer, path)) {
        return refuse(connection, MHD_HTTP_NOT_FOUND);
    }
    if (strcmp(method, MHD_HTTP_METHOD_HEAD) == 0) {
        return answer(connection, MHD_HTTP_OK,
                      get_offer_answer(transfer->config.offer, read_nothing, NULL));
    }
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0) {
        return refuse(connection, MHD_HTTP_METHOD_NOT_ALLOWED);
    }
    if (has_content(connection)) {
        return refuse(connection, MHD_HTTP_BAD_REQUEST);
    }
    if (transfer->has_begun || transfer->outcome != GET_UNDECIDED) {
        return refuse(connection, MHD_HTTP_CONFLICT);
    }
    return begin_get(transfer, connection, state);
}

/* ---- life ---- */

static apr_status_t destroy(void *data)
{
    get_transfer_t *transfer = data;
    transfer->is_closing = 1;
    if (transfer->is_suspended) {
        MHD_resume_connection(transfer->connection);
    }
    get_server_stop(transfer->server);
    event_free(transfer->ttl);
    return APR_SUCCESS;
}

jf_err_t *get_transfer_create(get_transfer_t **transfer_out, const get_transfer_config_t *config,
                              struct event_base *base, apr_pool_t *pool)
{
    static const get_server_handlers_t handlers = {on_request, on_over};
    get_transfer_t *transfer = apr_pcalloc(pool, sizeof(*transfer));
    transfer->pool = pool;
    transfer->base = base;
    transfer->config = *config;
    transfer->config.source.size_bytes = config->offer->size_bytes;
    transfer->outcome = GET_UNDECIDED;
    transfer->source =
        get_source_create(&transfer->config.source, base, on_source_news, transfer, pool);
    JF_TRY(get_server_create(&transfer->server, &handlers, transfer, base, pool));
    transfer->ttl = evtimer_new(base, on_ttl, transfer);
    get_timer_start(transfer->ttl, config->ttl_us);
    /* Before all that the server's callbacks look at. */
    apr_pool_pre_cleanup_register(pool, transfer, destroy);
    *transfer_out = transfer;
    return NULL;
}

void get_transfer_take(get_transfer_t *transfer, int fd)
{
    get_server_take(transfer->server, fd);
}

get_outcome_t get_transfer_outcome(const get_transfer_t *transfer)
{
    return transfer->outcome;
}

int get_transfer_has_begun(const get_transfer_t *transfer)
{
    return transfer->has_begun;
}

const char *get_transfer_report(const get_transfer_t *transfer, apr_pool_t *pool)
{
    const get_offer_t *offer = transfer->config.offer;
    const char *reason = get_source_reason(transfer->source);
    const char *expected = offer->size_bytes == GET_SIZE_UNKNOWN
                               ? ""
                               : apr_psprintf(pool, " of %" APR_INT64_T_FMT, offer->size_bytes);
    apr_int64_t duration_ms =
        transfer->has_begun ? apr_time_as_msec(transfer->end_us - transfer->begin_us) : 0;
    return apr_psprintf(
        pool,
        "JF0230: %s: %" APR_INT64_T_FMT "%s bytes, %" APR_INT64_T_FMT " ms, client %s: %s%s%s",
        tool_text_visible(offer->name, pool), get_source_received_bytes(transfer->source), expected,
        duration_ms, transfer->client ? get_client_address(transfer->client) : "none",
        get_outcome_text(transfer->outcome), *reason ? ", " : "", reason);
}
