#include "daemon_config.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <apr_strings.h>
#include <idn2.h>
#include <jansson.h>

#include "jf_login.h"
#include "xmpp_domain.h"
#include "xmpp_tls.h"

#define LINE_BYTES_MAX (1024 * 1024)
#define DEADLINE_MS_MAX (24 * 60 * 60 * 1000)

/* ---- the line ---- */

static jf_err_t *read_line(const char **line, int fd, apr_pool_t *pool)
{
    apr_array_header_t *bytes = apr_array_make(pool, 1024, sizeof(char));
    char c;
    while (bytes->nelts < LINE_BYTES_MAX) {
        ssize_t got = read(fd, &c, 1);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return jf_err_from_system(errno, pool, "cannot read the configuration");
        }
        if (got == 0) {
            break;
        }
        if (c == '\n') {
            APR_ARRAY_PUSH(bytes, char) = '\0';
            *line = bytes->elts;
            return NULL;
        }
        APR_ARRAY_PUSH(bytes, char) = c;
    }
    return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                       "the configuration is no line; httpd starts this program, not you");
}

/* ---- domains ---- */

static const char *to_ascii(const char *name, apr_pool_t *pool)
{
    char *ascii;
    if (idn2_to_ascii_8z(name, &ascii, IDN2_NONTRANSITIONAL) != IDN2_OK) {
        return name; /* an IP address */
    }
    const char *copy = apr_pstrdup(pool, ascii);
    idn2_free(ascii);
    return copy;
}

static jf_err_t *set_options(jf_domain_t *domain, const json_t *object, apr_pool_t *pool)
{
    static const char *const options[] = {"connect", "tls", "ca"};
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        const char *value = json_string_value(json_object_get(object, options[i]));
        if (value) {
            JF_TRY(jf_domain_set(domain, options[i], value, pool));
        }
    }
    return jf_domain_check(domain, pool);
}

/* The CAs of the system are a megabyte, which domains can share. */
static jf_err_t *set_tls(daemon_config_t *config, xmpp_domain_t *domain, apr_pool_t *pool)
{
    if (domain->settings->ca_file) {
        return xmpp_tls_create_context(&domain->tls_context, domain->settings->ca_file, pool);
    }
    if (!config->system_tls) {
        JF_TRY(xmpp_tls_create_context(&config->system_tls, NULL, pool));
    }
    domain->tls_context = config->system_tls;
    return NULL;
}

static jf_err_t *add_domain(daemon_config_t *config, const json_t *object, apr_pool_t *pool)
{
    jf_domain_t *settings;
    const char *name = json_string_value(json_object_get(object, "name"));
    JF_TRY(jf_domain_create(&settings, name ? name : "", pool));
    JF_TRY(set_options(settings, object, pool));
    xmpp_domain_t *domain = apr_pcalloc(pool, sizeof(*domain));
    APR_ARRAY_PUSH(config->domains, xmpp_domain_t *) = domain;
    domain->settings = settings;
    domain->ascii = to_ascii(settings->name, pool);
    xmpp_gate_init(&domain->gate);
    return set_tls(config, domain, pool);
}

/* ---- all of it ---- */

static jf_err_t *parse(daemon_config_t *config, const json_t *root, apr_pool_t *pool)
{
    const json_t *domains = json_object_get(root, "domains");
    json_int_t deadline_ms = json_integer_value(json_object_get(root, "deadline_ms"));
    int is_sensible = deadline_ms > 0 && deadline_ms <= DEADLINE_MS_MAX;
    config->deadline_us = is_sensible ? apr_time_from_msec(deadline_ms) : JF_LOGIN_DEADLINE_US;
    config->dns_server = apr_pstrdup(pool, json_string_value(json_object_get(root, "resolver")));
    config->domains = apr_array_make(pool, 4, sizeof(xmpp_domain_t *));
    for (size_t i = 0; i < json_array_size(domains); i++) {
        JF_TRY(add_domain(config, json_array_get(domains, i), pool));
    }
    return NULL;
}

jf_err_t *daemon_config_read(daemon_config_t **config_out, int fd, apr_pool_t *pool)
{
    const char *line = NULL;
    json_error_t problem;
    JF_TRY(read_line(&line, fd, pool));
    json_t *root = json_loads(line, JSON_REJECT_DUPLICATES, &problem);
    if (!root) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool, "the configuration: %s",
                           problem.text);
    }
    daemon_config_t *config = apr_pcalloc(pool, sizeof(*config));
    jf_err_t *err = parse(config, root, pool);
    json_decref(root);
    JF_TRY(err);
    *config_out = config;
    return NULL;
}
