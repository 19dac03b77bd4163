#include "jf_domain.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "jf_ascii.h"
#include "jf_jid.h"

static const char *const tls_words[] = {
    [JF_TLS_STARTTLS] = "starttls",
    [JF_TLS_DIRECT] = "direct",
    [JF_TLS_OFF] = "off",
};

jf_err_t *jf_domain_create(jf_domain_t **domain_out, const char *name, apr_pool_t *pool)
{
    jf_domain_t *domain = apr_pcalloc(pool, sizeof(*domain));
    JF_TRY(jf_jid_prepare_domain(&domain->name, name, pool));
    *domain_out = domain;
    return NULL;
}

/* ---- setting ---- */

static jf_err_t *parse_port(unsigned short *port, const char *text, apr_pool_t *pool)
{
    char *end;
    unsigned long number = jf_ascii_is_digit(text[0]) ? strtoul(text, &end, 10) : 0;
    if (number < 1 || number > 65535 || *end != '\0') {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                           "connect= takes HOST:PORT with a port from 1 to 65535");
    }
    *port = (unsigned short)number;
    return NULL;
}

/* Letters of host names and of addresses; a name with others cannot be looked up anyway. */
static int is_host(const char *host)
{
    for (const char *c = host; *c; c++) {
        if (!jf_ascii_is_alnum(*c) && !strchr(".-_:", *c)) {
            return 0;
        }
    }
    return *host != '\0';
}

static jf_err_t *set_connect(jf_domain_t *domain, const char *value, apr_pool_t *pool)
{
    const char *colon = strrchr(value, ':');
    const char *port = colon ? colon + 1 : "";
    apr_size_t length = colon ? (apr_size_t)(colon - value) : 0;
    int is_bracketed = length > 2 && value[0] == '[' && value[length - 1] == ']';
    const char *host = is_bracketed ? apr_pstrmemdup(pool, value + 1, length - 2)
                                    : apr_pstrmemdup(pool, value, length);
    if (!is_host(host) || (!is_bracketed && strchr(host, ':'))) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                           "connect= takes HOST:PORT, as xmpp.example.org:5222 or [::1]:5222");
    }
    JF_TRY(parse_port(&domain->connect_port, port, pool));
    domain->connect_host = host;
    return NULL;
}

static jf_err_t *set_tls(jf_domain_t *domain, const char *value, apr_pool_t *pool)
{
    for (int mode = JF_TLS_STARTTLS; mode <= JF_TLS_OFF; mode++) {
        if (strcmp(value, tls_words[mode]) == 0) {
            domain->tls = (jf_tls_mode_t)mode;
            return NULL;
        }
    }
    return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool, "tls= takes starttls, direct or off");
}

jf_err_t *jf_domain_set(jf_domain_t *domain, const char *option, const char *value,
                        apr_pool_t *pool)
{
    if (strcmp(option, "connect") == 0) {
        return set_connect(domain, value, pool);
    }
    if (strcmp(option, "tls") == 0) {
        return set_tls(domain, value, pool);
    }
    if (strcmp(option, "ca") == 0 && *value) {
        domain->ca_file = apr_pstrdup(pool, value);
        return NULL;
    }
    return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                       "takes connect=HOST:PORT, tls=starttls|direct|off and ca=FILE");
}

/* ---- checking ---- */

/* Other names than localhost are what DNS makes of them. */
static int is_loopback(const char *host)
{
    struct in_addr address;
    if (inet_pton(AF_INET, host, &address) == 1) {
        return ntohl(address.s_addr) >> 24 == IN_LOOPBACKNET;
    }
    return strcmp(host, "::1") == 0 || strcmp(host, "localhost") == 0;
}

jf_err_t *jf_domain_check(const jf_domain_t *domain, apr_pool_t *pool)
{
    if (domain->tls == JF_TLS_OFF && !(domain->connect_host && is_loopback(domain->connect_host))) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                           "tls=off needs connect= to a loopback address, as 127.0.0.1:5222");
    }
    return NULL;
}

const char *jf_domain_get(const jf_domain_t *domain, const char *option, apr_pool_t *pool)
{
    if (strcmp(option, "connect") == 0 && domain->connect_host) {
        int is_ipv6 = strchr(domain->connect_host, ':') != NULL;
        return apr_psprintf(pool, is_ipv6 ? "[%s]:%hu" : "%s:%hu", domain->connect_host,
                            domain->connect_port);
    }
    if (strcmp(option, "tls") == 0) {
        return tls_words[domain->tls];
    }
    return strcmp(option, "ca") == 0 ? domain->ca_file : NULL;
}

static int is_same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

int jf_domain_is_same(const jf_domain_t *a, const jf_domain_t *b)
{
    return strcmp(a->name, b->name) == 0 && is_same_text(a->connect_host, b->connect_host) &&
           a->connect_port == b->connect_port && a->tls == b->tls &&
           is_same_text(a->ca_file, b->ca_file);
}
