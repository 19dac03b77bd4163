#include "service_settings.h"

#include <stddef.h>
#include <string.h>

#include <apr_escape.h>
#include <apr_strings.h>

#include "jf_jid.h"
#include "jf_secret.h"
#include "jf_units.h"
#include "private_file.h"

static jf_err_t *refuse(apr_pool_t *pool, const char *text)
{
    return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool, "%s", text);
}

static void *field_of(service_config_t *config, const service_setting_t *setting)
{
    return (char *)config + setting->at;
}

/* ---- sizes, numbers, durations ---- */

static jf_err_t *set_bytes(service_config_t *config, const service_setting_t *setting,
                           const char *value, const char *directory, apr_pool_t *pool)
{
    apr_int64_t bytes = 0;
    (void)directory;
    JF_TRY(jf_units_parse_bytes(&bytes, value, pool));
    if (bytes == 0) {
        return refuse(pool, "0 would let nothing through: write a size, as in 500M, or unlimited");
    }
    *(apr_int64_t *)field_of(config, setting) = bytes;
    return NULL;
}

static jf_err_t *set_count(service_config_t *config, const service_setting_t *setting,
                           const char *value, const char *directory, apr_pool_t *pool)
{
    char *end = NULL;
    apr_int64_t count = apr_strtoi64(value, &end, 10);
    (void)directory;
    if (*end != '\0' || strspn(value, "0123456789") == 0 || count < 1 || count > APR_INT32_MAX) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                           "\"%.80s\" is not valid: a number of streams is wanted, from 1 on",
                           apr_pescape_echo(pool, value, 1));
    }
    *(apr_int64_t *)field_of(config, setting) = count;
    return NULL;
}

static jf_err_t *set_duration(service_config_t *config, const service_setting_t *setting,
                              const char *value, const char *directory, apr_pool_t *pool)
{
    (void)directory;
    return jf_units_parse_duration(field_of(config, setting), value, pool);
}

/* ---- the Jabber server ---- */

static jf_err_t *set_component(service_config_t *config, const service_setting_t *setting,
                               const char *value, const char *directory, apr_pool_t *pool)
{
    (void)setting;
    (void)directory;
    return jf_jid_prepare_domain(&config->component, value, pool);
}

static jf_err_t *set_server(service_config_t *config, const service_setting_t *setting,
                            const char *value, const char *directory, apr_pool_t *pool)
{
    (void)setting;
    (void)directory;
    return relay_address_parse(&config->server, value, 1, pool);
}

static jf_err_t *set_secret(service_config_t *config, const service_setting_t *setting,
                            const char *value, const char *directory, apr_pool_t *pool)
{
    const char *text = NULL;
    const char *path = value[0] == '/' ? value : apr_pstrcat(pool, directory, value, NULL);
    (void)setting;
    JF_TRY(private_file_read(&text, path, pool));
    char *secret = jf_secret_wipe_with(pool, (char *)text);
    size_t length = strcspn(secret, "\r\n");
    if (length == 0 || secret[length + strspn(secret + length, "\r\n")] != '\0') {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                           "%s must have one line, the secret that the Jabber server has for this "
                           "component",
                           path);
    }
    memset(secret + length, 0, strlen(secret + length));
    config->secret = secret;
    return NULL;
}

/* ---- addresses ---- */

static jf_err_t *set_listen(service_config_t *config, const service_setting_t *setting,
                            const char *value, const char *directory, apr_pool_t *pool)
{
    relay_address_t address;
    (void)setting;
    (void)directory;
    JF_TRY(relay_address_parse(&address, value, 0, pool));
    APR_ARRAY_PUSH(config->listen, relay_address_t) = address;
    return NULL;
}

/** Cuts ":PORT" from a host. @return 0 if there is a colon and no port. */
static int split_port(const char **host, int *port, const char *value, apr_pool_t *pool)
{
    const char *colon = strrchr(value, ':');
    const char *bracket = strrchr(value, ']');
    *host = value;
    *port = 0;
    if (!colon || (bracket && bracket > colon)) {
        return 1;
    }
    *host = apr_pstrmemdup(pool, value, (apr_size_t)(colon - value));
    apr_size_t digits = strspn(colon + 1, "0123456789");
    apr_int64_t number = apr_atoi64(colon + 1);
    *port = number <= APR_UINT16_MAX ? (int)number : 0;
    return digits > 0 && colon[1 + digits] == '\0' && *port > 0;
}

static jf_err_t *set_public(service_config_t *config, const service_setting_t *setting,
                            const char *value, const char *directory, apr_pool_t *pool)
{
    service_host_t host = {0};
    const char *name = NULL;
    (void)setting;
    (void)directory;
    if (!split_port(&name, &host.port, value, pool)) {
        return refuse(pool, "write HOST or HOST:PORT, with an IPv6 address in brackets: "
                            "proxy.example.org:7777, [2001:db8::1]:7777");
    }
    JF_TRY(jf_jid_prepare_domain(&host.host, name, pool));
    if (host.host[0] == '[') {
        host.host = apr_pstrmemdup(pool, host.host + 1, strlen(host.host) - 2);
    }
    APR_ARRAY_PUSH(config->public, service_host_t) = host;
    return NULL;
}

static jf_err_t *set_metrics(service_config_t *config, const service_setting_t *setting,
                             const char *value, const char *directory, apr_pool_t *pool)
{
    (void)setting;
    (void)directory;
    JF_TRY(relay_address_parse(&config->metrics, value, 0, pool));
    if (!relay_address_is_loopback(&config->metrics)) {
        return refuse(pool, "the counters are for this machine alone: write a loopback address, "
                            "as in 127.0.0.1:9777");
    }
    config->has_metrics = 1;
    return NULL;
}

/* ---- who ---- */

static jf_err_t *set_allow(service_config_t *config, const service_setting_t *setting,
                           const char *value, const char *directory, apr_pool_t *pool)
{
    (void)setting;
    (void)directory;
    return service_acl_add(config->acl->allowed, value, pool);
}

static jf_err_t *set_deny(service_config_t *config, const service_setting_t *setting,
                          const char *value, const char *directory, apr_pool_t *pool)
{
    (void)setting;
    (void)directory;
    return service_acl_add(config->acl->denied, value, pool);
}

#define LIMIT(field) offsetof(service_config_t, limits.field)

const service_setting_t service_settings[] = {
    {"component", set_component, 0, 0, 1, "component proxy.example.org"},
    {"server", set_server, 0, 0, 1, "server 127.0.0.1:5347"},
    {"secret-file", set_secret, 0, 0, 1, "secret-file /etc/jabberfiles/socketstreamer.secret"},
    {"listen", set_listen, 0, 1, 1, "listen 192.0.2.1:7777"},
    {"public", set_public, 0, 1, 0, "public proxy.example.org:7777"},
    {"allow", set_allow, 0, 1, 0, "allow example.org"},
    {"deny", set_deny, 0, 1, 0, "deny mallory@example.org"},
    {"streams", set_count, LIMIT(streams), 0, 0, "streams 10000"},
    {"streams-per-jid", set_count, LIMIT(streams_per_jid), 0, 0, "streams-per-jid 20"},
    {"stream-bytes", set_bytes, LIMIT(stream_bytes), 0, 0, "stream-bytes 2G"},
    {"day-bytes", set_bytes, LIMIT(day_bytes), 0, 0, "day-bytes 20G"},
    {"rate", set_bytes, LIMIT(rate_bytes_per_s), 0, 0, "rate 10M"},
    {"activation-timeout", set_duration, LIMIT(activation_us), 0, 0, "activation-timeout 60"},
    {"idle-timeout", set_duration, LIMIT(idle_us), 0, 0, "idle-timeout 10m"},
    {"total-timeout", set_duration, LIMIT(total_us), 0, 0, "total-timeout 1d"},
    {"drain-timeout", set_duration, offsetof(service_config_t, drain_us), 0, 0, "drain-timeout 60"},
    {"metrics", set_metrics, 0, 0, 0, "metrics 127.0.0.1:9777"},
    {NULL, NULL, 0, 0, 0, NULL},
};
