#include "mod_jabberfiles_pages.h"

#include <string.h>

#include <apr_fnmatch.h>
#include <apr_strings.h>
#include <http_main.h>

/*
 * What an area may store and transfer is said by the sections of the configuration that match its
 * URL. Links and slots have URLs that do not name the area, and pages about all areas have no
 * request to any: here the sections are found and merged as httpd does it.
 */

static const apr_array_header_t *sections_of(const server_rec *server)
{
    const core_server_config *core = ap_get_core_module_config(server->module_config);
    return core->sec_url;
}

/* What a section says of us, or NULL. */
static jfm_dir_config_t *ours(const apr_array_header_t *sections, int i)
{
    return ap_get_module_config(APR_ARRAY_IDX(sections, i, ap_conf_vector_t *),
                                &jabberfiles_module);
}

static int matches(const core_dir_config *section, const char *path)
{
    size_t length = strlen(section->d);
    if (section->r) {
        return ap_regexec(section->r, path, 0, NULL, 0) == 0;
    }
    if (section->d_is_fnmatch) {
        return apr_fnmatch(section->d, path, APR_FNM_PATHNAME) == APR_SUCCESS;
    }
    return strncmp(section->d, path, length) == 0 &&
           (length == 0 || section->d[length - 1] == '/' || path[length] == '/' ||
            path[length] == '\0');
}

static const char *first_base(const apr_array_header_t *sections)
{
    for (int i = 0; i < sections->nelts; i++) {
        const jfm_dir_config_t *config = ours(sections, i);
        if (config && config->is_on == 1) {
            return config->base;
        }
    }
    return "";
}

static const server_rec *first_server(const jfm_server_config_t *store)
{
    const server_rec *server = ap_server_conf;
    while (server->next && jfm_server_config(server) != store) {
        server = server->next;
    }
    return server;
}

static const jfm_dir_config_t *find(const server_rec *server, const char *base, const char *jid,
                                    apr_pool_t *pool)
{
    const apr_array_header_t *sections = sections_of(server);
    const char *path = apr_pstrcat(pool, base, "/", jid, "/", NULL);
    jfm_dir_config_t *config = ap_get_module_config(server->lookup_defaults, &jabberfiles_module);
    for (int i = 0; i < sections->nelts; i++) {
        const core_dir_config *core =
            ap_get_core_module_config(APR_ARRAY_IDX(sections, i, ap_conf_vector_t *));
        jfm_dir_config_t *add = ours(sections, i);
        if (add && matches(core, path)) {
            config = jfm_dir_config_merge(pool, config, add);
        }
    }
    return config;
}

static int has_terms(const jfm_dir_config_t *config)
{
    return config->transfer_quota_bytes != JFM_UNSET || config->counts_owner != JFM_UNSET ||
           config->rate_bytes_per_s != JFM_UNSET || config->upload_rate_bytes_per_s != JFM_UNSET ||
           config->is_metered != JFM_UNSET;
}

/* A link is found in a few microseconds; sections are not gone through for it without need. */
void jfm_look_for_area_terms(server_rec *server)
{
    const apr_array_header_t *sections = sections_of(server);
    for (int i = 0; i < sections->nelts; i++) {
        const jfm_dir_config_t *config = ours(sections, i);
        if (config && config->is_on != 1 && has_terms(config)) {
            jfm_server_config(server)->has_area_terms = 1;
        }
    }
}

const jfm_dir_config_t *jfm_config_of_area(const request_rec *r, const char *jid)
{
    const jfm_request_t *request = jfm_request(r);
    int names_area = request->name.kind == JF_NAME_FILE || request->name.kind == JF_NAME_FOLDER;
    if (names_area || request->server->has_area_terms != 1) {
        return request->config;
    }
    return find(r->server, request->config->base, jid, r->pool);
}

const jfm_dir_config_t *jfm_config_in_store(const jfm_server_config_t *store, const char *jid,
                                            apr_pool_t *pool)
{
    const server_rec *server = first_server(store);
    return find(server, first_base(sections_of(server)), jid, pool);
}
