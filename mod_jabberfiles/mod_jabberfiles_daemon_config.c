#include "mod_jabberfiles_private.h"

#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>
#include <jansson.h>

#include "jf_login.h"

/* Whether jabberfilesd is needed, and what it is told when it is started. */

/* ---- is it needed ---- */

/* AuthBasicProvider, AuthFormProvider, AuthnProviderAlias, … */
static int names_provider(const ap_directive_t *directive, apr_pool_t *pool)
{
    const char *words = directive->args;
    const char *word;
    if (strncasecmp(directive->directive, "Auth", 4) != 0 &&
        strncasecmp(directive->directive, "<Auth", 5) != 0) {
        return 0;
    }
    while (*(word = ap_getword_conf(pool, &words))) {
        if (strcasecmp(word, "jabber") == 0) {
            return 1;
        }
    }
    return 0;
}

static int is_named(const ap_directive_t *directive, apr_pool_t *pool)
{
    for (; directive; directive = directive->next) {
        if (names_provider(directive, pool) || is_named(directive->first_child, pool)) {
            return 1;
        }
    }
    return 0;
}

int jfm_daemon_is_needed(apr_pool_t *pool)
{
    return is_named(ap_conftree, pool);
}

/* ---- what it is told ---- */

static json_t *domain_as_json(const jf_domain_t *domain, apr_pool_t *pool)
{
    static const char *const options[] = {"connect", "tls", "ca"};
    json_t *object = json_pack("{s:s}", "name", domain->name);
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        const char *value = jf_domain_get(domain, options[i], pool);
        if (value) {
            json_object_set_new(object, options[i], json_string(value));
        }
    }
    return object;
}

/* Servers may name the same domain, but not in two ways. */
static jf_err_t *add_domain(apr_array_header_t *all, jf_domain_t *domain, apr_pool_t *pool)
{
    for (int i = 0; i < all->nelts; i++) {
        const jf_domain_t *other = APR_ARRAY_IDX(all, i, jf_domain_t *);
        if (jf_domain_is_same(domain, other)) {
            return NULL;
        }
        if (strcmp(domain->name, other->name) == 0) {
            return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                               "JabberFilesDomain %s is given twice with different arguments; "
                               "make them equal",
                               domain->name);
        }
    }
    APR_ARRAY_PUSH(all, jf_domain_t *) = domain;
    return NULL;
}

static jf_err_t *collect_domains(apr_array_header_t *all, const server_rec *server,
                                 apr_pool_t *pool)
{
    for (; server; server = server->next) {
        const jfm_server_config_t *config = jfm_server_config(server);
        for (int i = 0; config->domains && i < config->domains->nelts; i++) {
            JF_TRY(add_domain(all, APR_ARRAY_IDX(config->domains, i, jf_domain_t *), pool));
        }
    }
    return NULL;
}

jf_err_t *jfm_daemon_config(const char **line, const server_rec *main, apr_pool_t *pool)
{
    apr_array_header_t *domains = apr_array_make(pool, 4, sizeof(jf_domain_t *));
    JF_TRY(collect_domains(domains, main, pool));
    json_t *list = json_array();
    for (int i = 0; i < domains->nelts; i++) {
        json_array_append_new(list, domain_as_json(APR_ARRAY_IDX(domains, i, jf_domain_t *), pool));
    }
    json_t *root = json_pack("{s:I,s:o}", "deadline_ms",
                             (json_int_t)apr_time_as_msec(JF_LOGIN_DEADLINE_US), "domains", list);
    char *text = json_dumps(root, JSON_COMPACT);
    *line = apr_pstrcat(pool, text, "\n", NULL);
    free(text);
    json_decref(root);
    return NULL;
}
