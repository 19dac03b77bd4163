#include "relay_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <apr_escape.h>
#include <apr_strings.h>

#include "jf_ascii.h"

#define PORT_DIGITS_MAX 5
#define PORT_MAX 65535

static jf_err_t *refuse(const char *text, apr_pool_t *pool)
{
    return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                       "\"%.80s\" is no address with a port: write 192.0.2.1:7777 or "
                       "[2001:db8::1]:7777",
                       apr_pescape_echo(pool, text, 1));
}

/** @return -1 if it is no port. */
static int parse_port(const char *text)
{
    size_t length = strlen(text);
    if (length == 0 || length > PORT_DIGITS_MAX) {
        return -1;
    }
    for (size_t i = 0; i < length; i++) {
        if (!jf_ascii_is_digit(text[i])) {
            return -1;
        }
    }
    long port = strtol(text, NULL, 10);
    return port <= PORT_MAX ? (int)port : -1;
}

static int set_ipv4(relay_address_t *address, const char *host, int port)
{
    struct sockaddr_in *ipv4 = (struct sockaddr_in *)&address->socket;
    ipv4->sin_family = AF_INET;
    ipv4->sin_port = htons((in_port_t)port);
    address->length = sizeof(*ipv4);
    return inet_pton(AF_INET, host, &ipv4->sin_addr) == 1;
}

static int set_ipv6(relay_address_t *address, const char *host, int port)
{
    struct sockaddr_in6 *ipv6 = (struct sockaddr_in6 *)&address->socket;
    ipv6->sin6_family = AF_INET6;
    ipv6->sin6_port = htons((in_port_t)port);
    address->length = sizeof(*ipv6);
    return inet_pton(AF_INET6, host, &ipv6->sin6_addr) == 1;
}

jf_err_t *relay_address_parse(relay_address_t *address, const char *text, int port_min,
                              apr_pool_t *pool)
{
    const char *colon = strrchr(text, ':');
    int port = colon ? parse_port(colon + 1) : -1;
    *address = (relay_address_t){0};
    if (port < port_min) {
        return refuse(text, pool);
    }
    size_t length = (size_t)(colon - text);
    int is_ipv6 = length > 2 && text[0] == '[' && text[length - 1] == ']';
    const char *host =
        is_ipv6 ? apr_pstrmemdup(pool, text + 1, length - 2) : apr_pstrmemdup(pool, text, length);
    int is_set = is_ipv6 ? set_ipv6(address, host, port) : set_ipv4(address, host, port);
    return is_set ? NULL : refuse(text, pool);
}

/** Where the bytes of the address are. @param length set to how many. */
static const void *bytes_of(const relay_address_t *address, size_t *length)
{
    const struct sockaddr_in6 *ipv6 = (const struct sockaddr_in6 *)&address->socket;
    const struct sockaddr_in *ipv4 = (const struct sockaddr_in *)&address->socket;
    int is_ipv6 = address->socket.ss_family == AF_INET6;
    *length = is_ipv6 ? sizeof(ipv6->sin6_addr) : sizeof(ipv4->sin_addr);
    return is_ipv6 ? (const void *)&ipv6->sin6_addr : (const void *)&ipv4->sin_addr;
}

const char *relay_address_host(const relay_address_t *address, apr_pool_t *pool)
{
    char text[INET6_ADDRSTRLEN] = "";
    size_t length;
    inet_ntop(address->socket.ss_family, bytes_of(address, &length), text, sizeof(text));
    return apr_pstrdup(pool, text);
}

int relay_address_port(const relay_address_t *address)
{
    return ntohs(address->socket.ss_family == AF_INET6
                     ? ((const struct sockaddr_in6 *)&address->socket)->sin6_port
                     : ((const struct sockaddr_in *)&address->socket)->sin_port);
}

const char *relay_address_text(const relay_address_t *address, apr_pool_t *pool)
{
    const char *format = address->socket.ss_family == AF_INET6 ? "[%s]:%d" : "%s:%d";
    return apr_psprintf(pool, format, relay_address_host(address, pool),
                        relay_address_port(address));
}

int relay_address_is_same(const relay_address_t *a, const relay_address_t *b)
{
    size_t a_length;
    size_t b_length;
    const void *a_bytes = bytes_of(a, &a_length);
    const void *b_bytes = bytes_of(b, &b_length);
    return a_length == b_length && memcmp(a_bytes, b_bytes, a_length) == 0 &&
           relay_address_port(a) == relay_address_port(b);
}

int relay_address_is_any(const relay_address_t *address)
{
    const struct sockaddr_in6 *ipv6 = (const struct sockaddr_in6 *)&address->socket;
    const struct sockaddr_in *ipv4 = (const struct sockaddr_in *)&address->socket;
    return address->socket.ss_family == AF_INET6 ? IN6_IS_ADDR_UNSPECIFIED(&ipv6->sin6_addr)
                                                 : ipv4->sin_addr.s_addr == htonl(INADDR_ANY);
}

int relay_address_is_loopback(const relay_address_t *address)
{
    const struct sockaddr_in6 *ipv6 = (const struct sockaddr_in6 *)&address->socket;
    const struct sockaddr_in *ipv4 = (const struct sockaddr_in *)&address->socket;
    return address->socket.ss_family == AF_INET6
               ? IN6_IS_ADDR_LOOPBACK(&ipv6->sin6_addr)
               : ntohl(ipv4->sin_addr.s_addr) >> IN_CLASSA_NSHIFT == IN_LOOPBACKNET;
}
