/* libcurl's options, and what its errors mean. */

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>

#include <apr_file_io.h>
#include <apr_strings.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>

#include "http_guard.h"
#include "http_private.h"
#include "http_url.h"
#include "jf_version.h"

#define CONNECT_SECONDS 30L
#define STALL_SECONDS 60L
/* A server that asks a Jabber server for the password may take a while to say 100 or 507. */
#define EXPECT_100_MS 5000L
#define EXPECT_BODY_BYTES (1 << 20)
#define BUFFER_BYTES (128L << 10)
#define CA_FILE_BYTES_MAX (1 << 20)

/* ---- authorities ---- */

static jf_err_t *read_file(char **data, size_t *size, const char *path, apr_pool_t *pool)
{
    apr_file_t *file;
    apr_finfo_t info;
    apr_size_t read_bytes = 0;
    apr_status_t status = apr_file_open(&file, path, APR_FOPEN_READ, APR_FPROT_OS_DEFAULT, pool);
    if (status == APR_SUCCESS) {
        status = apr_file_info_get(&info, APR_FINFO_SIZE, file);
    }
    if (status == APR_SUCCESS && info.size > CA_FILE_BYTES_MAX) {
        status = EFBIG;
    }
    if (status == APR_SUCCESS) {
        *data = apr_palloc(pool, (apr_size_t)info.size + 1);
        status = apr_file_read_full(file, *data, (apr_size_t)info.size, &read_bytes);
        status = status == APR_EOF ? APR_SUCCESS : status;
    }
    if (status != APR_SUCCESS) {
        return jf_err_from_system(status, pool, "%s cannot be read", path);
    }
    (*data)[read_bytes] = '\0';
    *size = read_bytes;
    return NULL;
}

static int has_certificate(const char *data, size_t size)
{
    BIO *bio = BIO_new_mem_buf(data, (int)size);
    X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    int is_there = certificate != NULL;
    X509_free(certificate);
    BIO_free(bio);
    return is_there;
}

/*
 * A file of our own replaces the system's in libcurl, so both go into one text. What libcurl finds
 * in its directory of authorities is used beside them; a system without such a file has none.
 */
static void read_system(char **data, size_t *size, apr_pool_t *pool)
{
    const char *path = curl_version_info(CURLVERSION_NOW)->cainfo;
    if (!path || read_file(data, size, path, pool)) {
        *data = apr_pstrdup(pool, "");
        *size = 0;
    }
}

jf_err_t *http_curl_authorities(http_t *http)
{
    const char *own_path = http->client->account->ca;
    char *own = NULL;
    char *system;
    size_t own_size = 0;
    size_t system_size;
    if (!own_path) {
        return NULL;
    }
    JF_TRY(read_file(&own, &own_size, own_path, http->pool));
    if (!has_certificate(own, own_size)) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, http->pool,
                           "%s has no certificate in PEM form: name the file of the authority that "
                           "has signed your server's certificate",
                           own_path);
    }
    read_system(&system, &system_size, http->pool);
    http->authorities.data = apr_pstrcat(http->pool, system, "\n", own, NULL);
    http->authorities.len = strlen(http->authorities.data);
    http->authorities.flags = CURL_BLOB_NOCOPY;
    return NULL;
}

/* ---- connections ---- */

static const char *address_text(const struct curl_sockaddr *address, apr_pool_t *pool)
{
    char text[NI_MAXHOST];
    int error = getnameinfo(&address->addr, (socklen_t)address->addrlen, text, sizeof(text), NULL,
                            0, NI_NUMERICHOST);
    return error ? "?" : apr_pstrdup(pool, text);
}

/* On the address itself: whatever a name led to a moment ago, this is where we go now. */
static curl_socket_t open_guarded(void *baton, curlsocktype purpose, struct curl_sockaddr *address)
{
    http_exchange_t *exchange = baton;
    (void)purpose;
    const char *agreed = exchange->request->agreed_address;
    int is_agreed = agreed && strcmp(agreed, address_text(address, exchange->scratch)) == 0;
    if (!is_agreed && !http_guard_allows_address(&address->addr)) {
        exchange->guard_err = jf_err_make(
            JF_ERR_FORBIDDEN, APR_SUCCESS, exchange->pool,
            "%s leads to the private address %s: links do not lead there, unless you say "
            "--allow-private",
            http_url_host(exchange->url, exchange->pool), address_text(address, exchange->pool));
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static int show_progress(void *baton, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
                         curl_off_t up)
{
    const http_exchange_t *exchange = baton;
    const http_request_t *request = exchange->request;
    (void)down_total;
    (void)up_total;
    progress_update(request->progress, request->progress_start_bytes + (request->body ? up : down));
    return 0;
}

/* ---- options ---- */

#define SET(option, value)                                                       \
    do {                                                                         \
        if (curl_easy_setopt(exchange->http->easy, option, value) != CURLE_OK) { \
            return 0;                                                            \
        }                                                                        \
    } while (0)

/* Never anything but HTTP, never a connection that is not verified. */
static int set_safety(http_exchange_t *exchange)
{
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_REDIR_PROTOCOLS_STR, "https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    if (exchange->http->authorities.data) {
        SET(CURLOPT_CAINFO_BLOB, &exchange->http->authorities);
    }
    /* A proxy would see what goes to this machine, and would reach what the guard refuses. */
    if (exchange->request->trust == HTTP_FOREIGN || http_url_is_loopback(exchange->url)) {
        SET(CURLOPT_PROXY, "");
    }
    if (exchange->request->trust == HTTP_FOREIGN &&
        !exchange->http->client->options->allows_private) {
        SET(CURLOPT_OPENSOCKETFUNCTION, open_guarded);
        SET(CURLOPT_OPENSOCKETDATA, exchange);
        /* Agreed for one file: the connection must not serve the link of somebody else. */
        SET(CURLOPT_FORBID_REUSE, exchange->request->agreed_address ? 1L : 0L);
    }
    return 1;
}

static int set_transport(http_exchange_t *exchange)
{
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_ERRORBUFFER, exchange->detail);
    SET(CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS);
    SET(CURLOPT_EXPECT_100_TIMEOUT_MS, EXPECT_100_MS);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    SET(CURLOPT_BUFFERSIZE, BUFFER_BYTES);
    SET(CURLOPT_UPLOAD_BUFFERSIZE, BUFFER_BYTES);
    SET(CURLOPT_USERAGENT, "jabberfiles/" JF_VERSION);
    SET(CURLOPT_HEADERFUNCTION, http_flow_head);
    SET(CURLOPT_HEADERDATA, exchange);
    SET(CURLOPT_WRITEFUNCTION, http_flow_in);
    SET(CURLOPT_WRITEDATA, exchange);
    if (exchange->request->progress) {
        SET(CURLOPT_XFERINFOFUNCTION, show_progress);
        SET(CURLOPT_XFERINFODATA, exchange);
        SET(CURLOPT_NOPROGRESS, 0L);
    }
    return 1;
}

/* A stream of which we do not know when it goes on: it may be silent for long, and cannot be sent
 * again if a connection that was kept turns out to be dead. */
static int set_stream(http_exchange_t *exchange, int is_stream)
{
    if (is_stream) {
        SET(CURLOPT_FRESH_CONNECT, 1L);
    } else {
        SET(CURLOPT_LOW_SPEED_LIMIT, 1L);
        SET(CURLOPT_LOW_SPEED_TIME, STALL_SECONDS);
    }
    return 1;
}

static int set_request(http_exchange_t *exchange)
{
    const http_request_t *request = exchange->request;
    SET(CURLOPT_URL, exchange->url);
    if (request->body) {
        SET(CURLOPT_UPLOAD, 1L);
        SET(CURLOPT_READFUNCTION, http_flow_out);
        SET(CURLOPT_READDATA, exchange);
        SET(CURLOPT_INFILESIZE_LARGE, (curl_off_t)request->body->size_bytes);
    } else if (strcmp(request->method, "HEAD") == 0) {
        SET(CURLOPT_NOBODY, 1L);
    }
    SET(CURLOPT_CUSTOMREQUEST, request->method);
    SET(CURLOPT_HTTPHEADER, exchange->fields);
    if (exchange->password) {
        SET(CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        SET(CURLOPT_USERNAME, exchange->http->client->account->jid);
        SET(CURLOPT_PASSWORD, exchange->password);
    }
    return set_stream(exchange, request->body && request->body->size_bytes < 0);
}

/* ---- fields ---- */

static int has_line_end(const char *text)
{
    return strpbrk(text, "\r\n") != NULL;
}

/* What libcurl keeps would be lost if a later line could not be had. */
static int add_line(http_exchange_t *exchange, const char *name, const char *value)
{
    const char *line = apr_pstrcat(exchange->scratch, name, ": ", value, NULL);
    struct curl_slist *longer = curl_slist_append(exchange->fields, line);
    if (longer) {
        exchange->fields = longer;
    }
    return longer && !has_line_end(line);
}

/* A large body is announced before it is sent into an area, which may be full. The service that
 * gave a slot has been told the size; those that do not know Expect would cost its whole timeout.
 */
static int expects_100(const http_request_t *request)
{
    apr_int64_t size_bytes = request->body ? request->body->size_bytes : 0;
    return request->is_as_owner && (size_bytes < 0 || size_bytes >= EXPECT_BODY_BYTES);
}

static int add_lines(http_exchange_t *exchange)
{
    const apr_table_t *headers = exchange->request->headers;
    const apr_array_header_t *entries = headers ? apr_table_elts(headers) : NULL;
    if (!add_line(exchange, "Accept-Encoding", "identity")) {
        return 0;
    }
    /* libcurl sends it unless it is there without a value. */
    if (!expects_100(exchange->request) && !add_line(exchange, "Expect", "")) {
        return 0;
    }
    for (int i = 0; entries && i < entries->nelts; i++) {
        const apr_table_entry_t *entry = &APR_ARRAY_IDX(entries, i, apr_table_entry_t);
        if (!add_line(exchange, entry->key, entry->val)) {
            return 0;
        }
    }
    return 1;
}

jf_err_t *http_curl_prepare(http_exchange_t *exchange)
{
    curl_easy_reset(exchange->http->easy);
    if (add_lines(exchange) && set_safety(exchange) && set_transport(exchange) &&
        set_request(exchange)) {
        return NULL;
    }
    return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, exchange->pool,
                       "a request to %s cannot be put together",
                       http_url_host(exchange->url, exchange->pool));
}

/* ---- errors ---- */

static const char *certificate_advice(http_exchange_t *exchange)
{
    long verdict = X509_V_OK;
    curl_easy_getinfo(exchange->http->easy, CURLINFO_SSL_VERIFYRESULT, &verdict);
    switch (verdict) {
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        return "if an authority of your own has signed it, name that with --ca FILE";
    case X509_V_ERR_CERT_NOT_YET_VALID:
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return "if the clock of this computer is right, tell the operator of the server";
    default:
        return "check the name of the server, or tell its operator";
    }
}

/* @a format has room for the host and for what libcurl says. */
#define MAKE(code, format) jf_err_make(code, APR_SUCCESS, exchange->pool, format, host, detail)

jf_err_t *http_curl_error(http_exchange_t *exchange, CURLcode code)
{
    const char *host = http_url_host(exchange->url, exchange->pool);
    const char *detail = exchange->detail[0] ? apr_pstrdup(exchange->pool, exchange->detail)
                                             : curl_easy_strerror(code);
    switch (code) {
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_LOGIN_DENIED:
        return MAKE(JF_ERR_INVALID, "%s is not the URL of a web server: %s");
    case CURLE_COULDNT_RESOLVE_HOST:
        return MAKE(JF_ERR_UNAVAILABLE, "%s is not known: check the name and your network (%s)");
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
        return exchange->guard_err ? exchange->guard_err
                                   : MAKE(JF_ERR_UNAVAILABLE, "%s cannot be reached: %s");
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
        return jf_err_make(JF_ERR_FORBIDDEN, APR_SUCCESS, exchange->pool,
                           "the certificate of %s cannot be trusted (%s): %s", host, detail,
                           certificate_advice(exchange));
    case CURLE_SSL_CONNECT_ERROR:
        return MAKE(JF_ERR_UNAVAILABLE, "no TLS connection with %s: %s");
    case CURLE_OPERATION_TIMEDOUT:
        return MAKE(JF_ERR_UNAVAILABLE, "%s does not answer: %s");
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_FILESIZE_EXCEEDED:
        return MAKE(JF_ERR_IO, "%s does not answer in proper HTTP: %s");
    case CURLE_OUT_OF_MEMORY:
    case CURLE_FAILED_INIT:
        return MAKE(JF_ERR_IO, "no request to %s can be made: %s");
    default:
        return MAKE(JF_ERR_UNAVAILABLE, "the connection with %s broke: %s");
    }
}
