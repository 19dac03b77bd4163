#include "xmpp_resolve.h"

#include <string.h>

#include <apr_strings.h>
#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <event2/util.h>

#include "xmpp_dns.h"

#define XMPP_PORT 5222
#define TARGETS_MAX 8

typedef struct target_t {
    xmpp_query_t *query;
    const char *host;
    unsigned short port;
    unsigned short priority;
    unsigned short weight;
    int is_direct;
    apr_array_header_t *endpoints; /* of xmpp_endpoint_t */
} target_t;

/* Both kinds of SRV records are asked for at once. */
typedef struct srv_question_t {
    xmpp_query_t *query;
    int is_direct;
} srv_question_t;

struct xmpp_query_t {
    apr_pool_t *pool;
    xmpp_dns_t *dns;
    const xmpp_domain_t *domain;
    xmpp_resolved_fn *resolved;
    void *baton;
    struct event *finish;
    srv_question_t questions[2];
    target_t targets[TARGETS_MAX];
    int target_count;
    int pending_count;
    int is_declined; /* some SRV record said that the service is not offered */
    int is_ended;
    const char *problem;
};

/* ---- the end ---- */

static apr_array_header_t *collect(const xmpp_query_t *query)
{
    apr_array_header_t *all = apr_array_make(query->pool, 4, sizeof(xmpp_endpoint_t));
    for (int i = 0; i < query->target_count; i++) {
        apr_array_cat(all, query->targets[i].endpoints);
    }
    all->nelts = all->nelts > XMPP_ENDPOINTS_MAX ? XMPP_ENDPOINTS_MAX : all->nelts;
    return all;
}

static void finish(evutil_socket_t fd, short what, void *data)
{
    xmpp_query_t *query = data;
    (void)fd;
    (void)what;
    const apr_array_header_t *endpoints = collect(query);
    if (endpoints->nelts > 0) {
        query->resolved(query->baton, endpoints, NULL);
    } else {
        query->resolved(query->baton, NULL, query->problem ? query->problem : "no address");
    }
}

/* Answers may come while the question is being asked; the caller hears of them later. */
static void finish_soon(xmpp_query_t *query)
{
    event_active(query->finish, EV_TIMEOUT, 0);
}

/* ---- addresses ---- */

static void add_ipv4(target_t *target, const void *address)
{
    xmpp_endpoint_t *endpoint = apr_array_push(target->endpoints);
    struct sockaddr_in *in = (struct sockaddr_in *)&endpoint->address;
    memset(endpoint, 0, sizeof(*endpoint));
    in->sin_family = AF_INET;
    in->sin_port = htons(target->port);
    memcpy(&in->sin_addr, address, sizeof(in->sin_addr));
    endpoint->address_length = sizeof(*in);
    endpoint->is_direct = target->is_direct;
}

static void add_ipv6(target_t *target, const void *address)
{
    xmpp_endpoint_t *endpoint = apr_array_push(target->endpoints);
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&endpoint->address;
    memset(endpoint, 0, sizeof(*endpoint));
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(target->port);
    memcpy(&in6->sin6_addr, address, sizeof(in6->sin6_addr));
    endpoint->address_length = sizeof(*in6);
    endpoint->is_direct = target->is_direct;
}

/* c-ares would ask DNS about some of them first. */
static int add_if_literal(target_t *target)
{
    unsigned char address[sizeof(struct in6_addr)];
    if (inet_pton(AF_INET, target->host, address) == 1) {
        add_ipv4(target, address);
    } else if (inet_pton(AF_INET6, target->host, address) == 1) {
        add_ipv6(target, address);
    } else {
        return 0;
    }
    return 1;
}

static void add_node(target_t *target, const struct ares_addrinfo_node *node)
{
    if (node->ai_family == AF_INET) {
        add_ipv4(target, &((const struct sockaddr_in *)node->ai_addr)->sin_addr);
    } else if (node->ai_family == AF_INET6) {
        add_ipv6(target, &((const struct sockaddr_in6 *)node->ai_addr)->sin6_addr);
    }
}

static void finish_one(xmpp_query_t *query)
{
    if (--query->pending_count == 0) {
        finish_soon(query);
    }
}

static void take_addresses(void *data, int status, int timeouts, struct ares_addrinfo *info)
{
    target_t *target = data;
    xmpp_query_t *query = target->query;
    (void)timeouts;
    if (query->is_ended) {
        ares_freeaddrinfo(info);
        return;
    }
    if (status != ARES_SUCCESS) {
        query->problem =
            apr_psprintf(query->pool, "DNS: %s: %s", target->host, ares_strerror(status));
    } else {
        for (const struct ares_addrinfo_node *node = info->nodes; node; node = node->ai_next) {
            add_node(target, node);
        }
        ares_freeaddrinfo(info);
    }
    finish_one(query);
}

static void look_targets_up(xmpp_query_t *query)
{
    static const struct ares_addrinfo_hints hints = {.ai_socktype = SOCK_STREAM};
    query->pending_count = query->target_count;
    for (int i = 0; i < query->target_count; i++) {
        target_t *target = &query->targets[i];
        target->endpoints = apr_array_make(query->pool, 2, sizeof(xmpp_endpoint_t));
        if (add_if_literal(target)) {
            finish_one(query);
        } else {
            ares_getaddrinfo(xmpp_dns_channel(query->dns), target->host, NULL, &hints,
                             take_addresses, target);
        }
    }
    xmpp_dns_started(query->dns);
}

static target_t *add_target(xmpp_query_t *query, const char *host, unsigned short port,
                            int is_direct)
{
    target_t *target = &query->targets[query->target_count++];
    target->query = query;
    target->host = apr_pstrdup(query->pool, host);
    target->port = port;
    target->is_direct = is_direct;
    return target;
}

/* ---- SRV records ---- */

static apr_uint32_t random_up_to(apr_uint32_t most)
{
    apr_uint32_t number;
    evutil_secure_rng_get_bytes(&number, sizeof(number));
    return (apr_uint32_t)((apr_uint64_t)number * (most + 1) >> 32);
}

/* RFC 2782: the lowest priority first; among equals by chance, in proportion to the weights. */
static int choose_next(const xmpp_query_t *query, int from)
{
    unsigned short lowest = 65535;
    apr_uint32_t weights = 0;
    for (int i = from; i < query->target_count; i++) {
        lowest = query->targets[i].priority < lowest ? query->targets[i].priority : lowest;
    }
    for (int i = from; i < query->target_count; i++) {
        weights += query->targets[i].priority == lowest ? query->targets[i].weight : 0;
    }
    apr_uint32_t chosen = random_up_to(weights);
    apr_uint32_t sum = 0;
    for (int i = from; i < query->target_count; i++) {
        if (query->targets[i].priority == lowest) {
            sum += query->targets[i].weight;
            if (sum >= chosen) {
                return i;
            }
        }
    }
    return from;
}

static void put_in_order(xmpp_query_t *query)
{
    for (int i = 0; i < query->target_count; i++) {
        int next = choose_next(query, i);
        target_t target = query->targets[next];
        query->targets[next] = query->targets[i];
        query->targets[i] = target;
    }
}

static void use_domain_itself(xmpp_query_t *query)
{
    if (query->is_declined) {
        query->problem = "DNS: the domain offers no XMPP to clients (SRV \".\")";
    } else if (query->domain->settings->tls == JF_TLS_DIRECT) {
        query->problem = "DNS: no SRV record _xmpps-client._tcp, and tls=direct without connect=";
    } else {
        add_target(query, query->domain->ascii, XMPP_PORT, 0);
    }
}

static void take_all_records(xmpp_query_t *query)
{
    if (query->target_count == 0) {
        use_domain_itself(query);
    }
    if (query->target_count == 0) {
        finish_soon(query);
        return;
    }
    put_in_order(query);
    look_targets_up(query);
}

static void add_record(const srv_question_t *question, const struct ares_srv_reply *record)
{
    xmpp_query_t *query = question->query;
    if (record->host[0] == '\0' || strcmp(record->host, ".") == 0) {
        query->is_declined = 1;
    } else if (query->target_count < TARGETS_MAX) {
        target_t *target = add_target(query, record->host, record->port, question->is_direct);
        target->priority = record->priority;
        target->weight = record->weight;
    }
}

static void take_records(void *data, int status, int timeouts, unsigned char *answer, int length)
{
    const srv_question_t *question = data;
    xmpp_query_t *query = question->query;
    struct ares_srv_reply *records = NULL;
    (void)timeouts;
    if (query->is_ended) {
        return;
    }
    /* Without an answer the domain itself is tried, as RFC 6120 section 3.2.1 says. */
    if (status == ARES_SUCCESS && ares_parse_srv_reply(answer, length, &records) == ARES_SUCCESS) {
        for (const struct ares_srv_reply *record = records; record; record = record->next) {
            add_record(question, record);
        }
        ares_free_data(records);
    }
    if (--query->pending_count == 0) {
        take_all_records(query);
    }
}

static void ask_for_records(xmpp_query_t *query)
{
    static const char *const services[] = {"_xmpp-client._tcp.", "_xmpps-client._tcp."};
    jf_tls_mode_t mode = query->domain->settings->tls;
    int wanted[] = {mode != JF_TLS_DIRECT, mode != JF_TLS_STARTTLS};
    query->pending_count = wanted[0] + wanted[1];
    for (int is_direct = 0; is_direct <= 1; is_direct++) {
        srv_question_t *question = &query->questions[is_direct];
        question->query = query;
        question->is_direct = is_direct;
        if (wanted[is_direct]) {
            const char *name =
                apr_pstrcat(query->pool, services[is_direct], query->domain->ascii, NULL);
            ares_query(xmpp_dns_channel(query->dns), name, ns_c_in, ns_t_srv, take_records,
                       question);
        }
    }
    xmpp_dns_started(query->dns);
}

/* ---- life ---- */

jf_err_t *xmpp_resolve_init(apr_pool_t *pool)
{
    int status = ares_library_init(ARES_LIB_INIT_ALL);
    return status == ARES_SUCCESS
               ? NULL
               : jf_err_make(JF_ERR_IO, APR_SUCCESS, pool, "c-ares: %s", ares_strerror(status));
}

static apr_status_t end_query(void *data)
{
    xmpp_query_t *query = data;
    query->is_ended = 1; /* c-ares reports, when it is closed, what was not answered */
    event_free(query->finish);
    return APR_SUCCESS;
}

static void ask(xmpp_query_t *query)
{
    const xmpp_domain_t *domain = query->domain;
    if (domain->settings->connect_host) {
        add_target(query, domain->settings->connect_host, domain->settings->connect_port,
                   domain->settings->tls == JF_TLS_DIRECT);
        look_targets_up(query);
    } else {
        ask_for_records(query);
    }
}

jf_err_t *xmpp_resolve(xmpp_query_t **query_out, struct event_base *base, const char *server,
                       const xmpp_domain_t *domain, xmpp_resolved_fn *resolved, void *baton,
                       apr_pool_t *parent_pool)
{
    apr_pool_t *pool;
    apr_pool_create(&pool, parent_pool);
    xmpp_query_t *query = apr_pcalloc(pool, sizeof(*query));
    query->pool = pool;
    query->domain = domain;
    query->resolved = resolved;
    query->baton = baton;
    query->finish = event_new(base, -1, 0, finish, query);
    if (!query->finish) {
        apr_pool_destroy(pool);
        return jf_err_make(JF_ERR_IO, APR_ENOMEM, parent_pool, "cannot make an event");
    }
    jf_err_t *err = xmpp_dns_open(&query->dns, base, server, pool);
    if (err) {
        err = jf_err_copy(err, parent_pool);
        event_free(query->finish);
        apr_pool_destroy(pool);
        return err;
    }
    /* Pools clean up in reverse order: the query is marked as ended before its channel closes. */
    apr_pool_cleanup_register(pool, query, end_query, apr_pool_cleanup_null);
    ask(query);
    *query_out = query;
    return NULL;
}

void xmpp_resolve_end(xmpp_query_t *query)
{
    apr_pool_destroy(query->pool);
}

/* ---- looking at endpoints ---- */

int xmpp_endpoint_is_loopback(const xmpp_endpoint_t *endpoint)
{
    if (endpoint->address.ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)&endpoint->address;
        return ntohl(in->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    }
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&endpoint->address;
    return IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
}
