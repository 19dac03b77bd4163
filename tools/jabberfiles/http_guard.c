#include "http_guard.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include <apr_strings.h>
#include <curl/curl.h>

#include "jf_ascii.h"
#include "tool_text.h"

#define FIRST_PORT_OF_USERS 1024
#define LAST_PORT 65535
#define IPV4_BYTES 4
#define IPV6_BYTES 16

typedef struct network_t {
    unsigned char address[IPV6_BYTES]; /**< an IPv4 address in the first four */
    int bits;
} network_t;

/* https://www.iana.org/assignments/iana-ipv4-special-registry, and class D and E. */
static const network_t ipv4_refused[] = {
    {{0}, 8},             /* this network */
    {{10}, 8},            /* private */
    {{100, 64}, 10},      /* shared by customers of a provider */
    {{127}, 8},           /* loopback */
    {{169, 254}, 16},     /* link-local, where clouds have their metadata */
    {{172, 16}, 12},      /* private */
    {{192, 0, 0}, 24},    /* protocol assignments */
    {{192, 0, 2}, 24},    /* documentation */
    {{192, 31, 196}, 24}, /* AS112 */
    {{192, 52, 193}, 24}, /* multicast tunneling */
    {{192, 88, 99}, 24},  /* relays of 6to4 */
    {{192, 168}, 16},     /* private */
    {{192, 175, 48}, 24}, /* AS112 */
    {{198, 18}, 15},      /* benchmarks */
    {{198, 51, 100}, 24}, /* documentation */
    {{203, 0, 113}, 24},  /* documentation */
    {{224}, 4},           /* multicast */
    {{240}, 4},           /* reserved, and broadcast */
};

/* https://www.iana.org/assignments/iana-ipv6-special-registry: what of it lies within 2000::/3, the
 * only addresses that are public unicast at all. */
static const network_t ipv6_refused[] = {
    {{0x20, 0x01, 0x00}, 23},                   /* protocol assignments, Teredo, ORCHID */
    {{0x20, 0x01, 0x0d, 0xb8}, 32},             /* documentation */
    {{0x26, 0x20, 0x00, 0x4f, 0x80, 0x00}, 48}, /* AS112 */
    {{0x3f, 0xfe}, 16},                         /* 6bone, long closed */
    {{0x3f, 0xff, 0x00}, 20},                   /* documentation */
};

static const network_t ipv6_unicast = {{0x20}, 3};

/** Addresses whose last or inner four bytes are an IPv4 address that decides. */
typedef struct carrier_t {
    network_t network;
    int offset_bytes;
} carrier_t;

static const carrier_t carriers[] = {
    {{{[10] = 0xff, [11] = 0xff}, 96}, 12}, /* mapped */
    {{{0x00, 0x64, 0xff, 0x9b}, 96}, 12},   /* NAT64: all IPv4 where there is no other way */
    {{{0x20, 0x02}, 16}, 2},                /* 6to4 */
};

static int is_in(const unsigned char *address, const network_t *network)
{
    int whole_bytes = network->bits / 8;
    int mask = 0xff00 >> (network->bits % 8) & 0xff;
    if (memcmp(address, network->address, (size_t)whole_bytes) != 0) {
        return 0;
    }
    return mask == 0 || (address[whole_bytes] & mask) == network->address[whole_bytes];
}

static int is_in_any(const unsigned char *address, const network_t *networks, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (is_in(address, &networks[i])) {
            return 1;
        }
    }
    return 0;
}

static int allows_ipv4(const unsigned char *address)
{
    return !is_in_any(address, ipv4_refused, sizeof(ipv4_refused) / sizeof(ipv4_refused[0]));
}

static int allows_ipv6(const unsigned char *address)
{
    for (size_t i = 0; i < sizeof(carriers) / sizeof(carriers[0]); i++) {
        if (is_in(address, &carriers[i].network)) {
            return allows_ipv4(address + carriers[i].offset_bytes);
        }
    }
    return is_in(address, &ipv6_unicast) &&
           !is_in_any(address, ipv6_refused, sizeof(ipv6_refused) / sizeof(ipv6_refused[0]));
}

int http_guard_allows_address(const struct sockaddr *address)
{
    /* Copied: what is pointed to may be less aligned than its type wants. */
    if (address->sa_family == AF_INET) {
        struct sockaddr_in ipv4;
        memcpy(&ipv4, address, sizeof(ipv4));
        unsigned char bytes[IPV4_BYTES];
        memcpy(bytes, &ipv4.sin_addr, sizeof(bytes));
        return allows_ipv4(bytes);
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 ipv6;
        memcpy(&ipv6, address, sizeof(ipv6));
        return allows_ipv6(ipv6.sin6_addr.s6_addr);
    }
    return 0;
}

/* Private networks: of homes and companies, of providers' customers, and IPv6's unique local. */
static const network_t ipv4_private[] = {
    {{10}, 8},
    {{100, 64}, 10},
    {{172, 16}, 12},
    {{192, 168}, 16},
};
static const network_t ipv6_private = {{0xfc}, 7};

int http_guard_is_public(const char *address)
{
    unsigned char bytes[IPV6_BYTES];
    if (inet_pton(AF_INET, address, bytes) == 1) {
        return allows_ipv4(bytes);
    }
    return inet_pton(AF_INET6, address, bytes) == 1 && allows_ipv6(bytes);
}

int http_guard_may_be_agreed(const char *address)
{
    unsigned char bytes[IPV6_BYTES];
    if (http_guard_is_public(address)) {
        return 1;
    }
    if (inet_pton(AF_INET, address, bytes) == 1) {
        return is_in_any(bytes, ipv4_private, sizeof(ipv4_private) / sizeof(ipv4_private[0]));
    }
    return inet_pton(AF_INET6, address, bytes) == 1 && is_in(bytes, &ipv6_private);
}

/* Services that would be harmed or used by a request that they do not expect: those that browsers
 * refuse (https://fetch.spec.whatwg.org/#port-blocking) from 1024 on, and databases, caches, remote
 * control and chat, which browsers leave to same-origin rules that we do not have. */
static const struct {
    int first;
    int last;
} service_ports[] = {
    {1080, 1080},   /* SOCKS */
    {1433, 1434},   /* SQL Server */
    {1521, 1521},   /* Oracle */
    {1719, 1720},   /* H.323 */
    {1723, 1723},   /* PPTP */
    {2049, 2049},   /* NFS */
    {2375, 2380},   /* Docker, etcd */
    {3306, 3306},   /* MySQL */
    {3389, 3389},   /* RDP */
    {3659, 3659},   /* Apple SASL */
    {4045, 4045},   /* NFS lockd */
    {4190, 4190},   /* ManageSieve */
    {4369, 4369},   /* Erlang */
    {5060, 5061},   /* SIP */
    {5222, 5223},   /* XMPP */
    {5269, 5270},   /* XMPP */
    {5347, 5347},   /* XMPP components */
    {5432, 5432},   /* PostgreSQL */
    {5671, 5672},   /* AMQP */
    {5900, 5909},   /* VNC */
    {5984, 5986},   /* CouchDB, WinRM */
    {6000, 6063},   /* X11 */
    {6379, 6379},   /* Redis */
    {6443, 6443},   /* Kubernetes */
    {6566, 6566},   /* SANE */
    {6665, 6669},   /* IRC */
    {6679, 6679},   /* IRC */
    {6697, 6697},   /* IRC */
    {9042, 9042},   /* Cassandra */
    {9092, 9092},   /* Kafka */
    {9100, 9100},   /* printers */
    {9200, 9200},   /* Elasticsearch */
    {9300, 9300},   /* Elasticsearch */
    {10080, 10080}, /* Amanda */
    {10250, 10250}, /* Kubernetes */
    {11211, 11211}, /* memcached */
    {27017, 27019}, /* MongoDB */
};

int http_guard_allows_port(int port)
{
    if (port == 80 || port == 443) {
        return 1;
    }
    for (size_t i = 0; i < sizeof(service_ports) / sizeof(service_ports[0]); i++) {
        if (port >= service_ports[i].first && port <= service_ports[i].last) {
            return 0;
        }
    }
    return port >= FIRST_PORT_OF_USERS && port <= LAST_PORT;
}

/** 1 if nothing in the URL is hidden, and no parser of URLs can take it for another one. */
static int is_plain(const char *url, apr_pool_t *pool)
{
    return !strchr(url, ' ') && strcmp(tool_text_visible(url, pool), url) == 0;
}

/** A part of a parsed URL in @a pool, or NULL if it has none. */
static const char *part_of(CURLU *parsed, CURLUPart which, unsigned flags, apr_pool_t *pool)
{
    char *part = NULL;
    if (curl_url_get(parsed, which, &part, flags) != CURLUE_OK) {
        return NULL;
    }
    const char *copy = apr_pstrdup(pool, part);
    curl_free(part);
    return copy;
}

static jf_err_t *check_parsed(CURLU *parsed, apr_pool_t *pool)
{
    const char *scheme = part_of(parsed, CURLUPART_SCHEME, 0, pool);
    if (!scheme || (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0)) {
        return jf_err_make(
            JF_ERR_INVALID, APR_SUCCESS, pool,
            "this is a link of the kind \"%s:\", only https: and http: can be fetched",
            scheme ? scheme : "?");
    }
    const char *host = part_of(parsed, CURLUPART_HOST, 0, pool);
    if (!host || host[0] == '\0') {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool, "the link names no host");
    }
    if (part_of(parsed, CURLUPART_USER, 0, pool) || part_of(parsed, CURLUPART_PASSWORD, 0, pool)) {
        return jf_err_make(JF_ERR_FORBIDDEN, APR_SUCCESS, pool,
                           "the link to %s has a user name or password in it, which may disguise "
                           "where it leads: take it out if you know what it is",
                           tool_text_visible(host, pool));
    }
    const char *port = part_of(parsed, CURLUPART_PORT, CURLU_DEFAULT_PORT, pool);
    apr_int64_t number = port ? apr_strtoi64(port, NULL, 10) : 0;
    if (!http_guard_allows_port(number > LAST_PORT ? 0 : (int)number)) {
        return jf_err_make(JF_ERR_FORBIDDEN, APR_SUCCESS, pool,
                           "the link leads to port %s of %s, which is none for web servers; "
                           "--allow-private fetches it all the same",
                           port ? port : "?", tool_text_visible(host, pool));
    }
    return NULL;
}

/** libcurl is generous with the slashes before a host, other parsers are not. */
static int has_authority(const char *url)
{
    const char *colon = strchr(url, ':');
    return colon && strncmp(colon, "://", 3) == 0 && colon[3] != '/';
}

static jf_err_t *no_link(const char *url, const char *why, apr_pool_t *pool)
{
    return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                       "\"%s\" is no link (%s): one begins with https://",
                       tool_text_visible(url, pool), why);
}

jf_err_t *http_guard_check_url(const char *url, apr_pool_t *pool)
{
    if (!is_plain(url, pool)) {
        return no_link(url, "a space, a backslash or something that cannot be seen is in it", pool);
    }
    if (!has_authority(url)) {
        return no_link(url, "no host is in it", pool);
    }
    CURLU *parsed = curl_url();
    if (!parsed) {
        return jf_err_from_system(APR_ENOMEM, pool, "the link cannot be looked at");
    }
    CURLUcode rc = curl_url_set(parsed, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME);
    jf_err_t *err =
        rc == CURLUE_OK ? check_parsed(parsed, pool) : no_link(url, curl_url_strerror(rc), pool);
    curl_url_cleanup(parsed);
    return err;
}
