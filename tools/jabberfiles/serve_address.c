#include "serve_address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <apr_strings.h>

#define QUEUE_LENGTH 8

/* APR alone would ask DNS about a name, and take "127.1" for an address. */
static apr_sockaddr_t *parse_numeric(const char *address, apr_port_t port, apr_pool_t *pool)
{
    apr_sockaddr_t *parsed = NULL;
    unsigned char bytes[sizeof(struct in6_addr)];
    if (inet_pton(AF_INET, address, bytes) != 1 && inet_pton(AF_INET6, address, bytes) != 1) {
        return NULL;
    }
    apr_status_t status = apr_sockaddr_info_get(&parsed, address, APR_UNSPEC, port, 0, pool);
    return status == APR_SUCCESS ? parsed : NULL;
}

/* 1 for one machine that others can name: not all addresses, no group, none that needs a zone. */
static int is_of_one(const apr_sockaddr_t *address)
{
    if (address->family == APR_INET) {
        apr_uint32_t ipv4 = ntohl(address->sa.sin.sin_addr.s_addr);
        return ipv4 >> 24 != 0 && ipv4 >> 28 < 0xe;
    }
    const struct in6_addr *ipv6 = &address->sa.sin6.sin6_addr;
    return !IN6_IS_ADDR_UNSPECIFIED(ipv6) && !IN6_IS_ADDR_MULTICAST(ipv6) &&
           !IN6_IS_ADDR_LINKLOCAL(ipv6);
}

static jf_err_t *refuse(const char *text, apr_pool_t *pool)
{
    return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                       "\"%s\" is no address to listen on: one of this machine's own is needed, as "
                       "192.0.2.7, 192.0.2.7:8010 or [2001:db8::7]:8010",
                       text);
}

jf_err_t *serve_address_parse(const char **address_out, apr_port_t *port, const char *text,
                              apr_pool_t *pool)
{
    const char *address = text;
    const char *digits = NULL;
    const char *colon = strchr(text, ':');
    if (text[0] == '[') {
        const char *end = strchr(text, ']');
        if (!end || !strchr(text, ':') || (end[1] != '\0' && end[1] != ':')) {
            return refuse(text, pool);
        }
        address = apr_pstrmemdup(pool, text + 1, (apr_size_t)(end - text - 1));
        digits = end[1] == ':' ? end + 2 : NULL;
    } else if (colon && !strchr(colon + 1, ':')) {
        address = apr_pstrmemdup(pool, text, (apr_size_t)(colon - text));
        digits = colon + 1;
    }
    apr_int64_t number = 0;
    if (digits) {
        char *end = NULL;
        number = apr_strtoi64(digits, &end, 10);
        if (digits[strspn(digits, "0123456789")] != '\0' || number < 1 || number > 65535) {
            return refuse(text, pool);
        }
    }
    const apr_sockaddr_t *parsed = parse_numeric(address, (apr_port_t)number, pool);
    if (!parsed || !is_of_one(parsed)) {
        return refuse(text, pool);
    }
    *address_out = address;
    *port = (apr_port_t)number;
    return NULL;
}

/* The port that the kernel has chosen. */
static int read_port(apr_port_t *port, int fd)
{
    struct sockaddr_storage own = {.ss_family = AF_UNSPEC};
    socklen_t length = sizeof(own);
    struct sockaddr_in ipv4;
    struct sockaddr_in6 ipv6;
    if (getsockname(fd, (struct sockaddr *)&own, &length) != 0) {
        return 0;
    }
    if (own.ss_family == AF_INET) {
        memcpy(&ipv4, &own, sizeof(ipv4));
        *port = ntohs(ipv4.sin_port);
    } else {
        memcpy(&ipv6, &own, sizeof(ipv6));
        *port = ntohs(ipv6.sin6_port);
    }
    return 1;
}

static int bind_and_listen(int fd, const apr_sockaddr_t *address, apr_port_t *port)
{
    int yes = 1;
    if (*port != 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) != 0) {
        return 0;
    }
    return bind(fd, (const struct sockaddr *)&address->sa, address->salen) == 0 &&
           listen(fd, QUEUE_LENGTH) == 0 && read_port(port, fd);
}

jf_err_t *serve_address_listen(int *fd_out, const char *address, apr_port_t *port, apr_pool_t *pool)
{
    const apr_sockaddr_t *parsed = parse_numeric(address, *port, pool);
    if (!parsed || !is_of_one(parsed)) {
        return refuse(address, pool);
    }
    int fd = socket(parsed->family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && bind_and_listen(fd, parsed, port)) {
        *fd_out = fd;
        return NULL;
    }
    apr_status_t status = errno;
    if (fd >= 0) {
        close(fd);
    }
    return jf_err_make(JF_ERR_INVALID, status, pool,
                       "cannot listen on %s%s: name an address of this machine and a free port "
                       "with --listen",
                       serve_address_url(address, *port, pool) + strlen("http://"),
                       status == EADDRINUSE ? ", which is in use" : "");
}

const char *serve_address_url(const char *address, apr_port_t port, apr_pool_t *pool)
{
    int is_ipv6 = strchr(address, ':') != NULL;
    return apr_psprintf(pool, "http://%s%s%s:%d", is_ipv6 ? "[" : "", address, is_ipv6 ? "]" : "",
                        (int)port);
}

jf_err_t *serve_address_open(int *fd, const char **url, const serve_place_t *place,
                             const char *path, apr_pool_t *pool)
{
    apr_port_t port = place->port;
    *fd = -1;
    *url = path;
    if (!place->address) {
        return NULL;
    }
    JF_TRY(serve_address_listen(fd, place->address, &port, pool));
    *url = apr_pstrcat(pool, serve_address_url(place->address, port, pool), path, NULL);
    return NULL;
}
