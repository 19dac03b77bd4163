#include "mod_jabberfiles_private.h"

#include <string.h>

#include <apr_lib.h>
#include <apr_strings.h>

#include "jf_jid.h"
#include "jf_media.h"
#include "jf_units.h"

/* ---- setters ---- */

/* NULL, or the message with the directive's name in front, as httpd wants it. */
static const char *message(const cmd_parms *cmd, const jf_err_t *err)
{
    return err ? apr_pstrcat(cmd->pool, cmd->cmd->name, ": ", err->text, NULL) : NULL;
}

/* What the core would do by itself with a <Location> like any other, and what must not happen here.
 */
static void claim_location(const cmd_parms *cmd)
{
    core_dir_config *core = ap_get_core_module_config((ap_conf_vector_t *)cmd->context);
    /* Our entity tags are stronger than those made of size and time, and PUT must know them, too.
     */
    core->etag_bits = ETAG_NONE;
    /* Objects are never truncated or written to once they are served, so sendfile is safe. */
    core->enable_sendfile = ENABLE_SENDFILE_ON;
    /* No server-side includes, no scripts in what users upload. */
    core->opts = OPT_NONE;
    core->opts_add = OPT_NONE;
    core->opts_remove = OPT_NONE;
    /* JabberFilesMaxFileSize is the limit; the core's default of 1 GiB would be a second, hidden
     * one. */
    if (core->limit_req_body < 0) {
        core->limit_req_body = 0;
    }
}

/* BASE must be known without looking at a request: one path, no pattern, no condition. */
static int is_in_plain_location(const cmd_parms *cmd)
{
    const ap_directive_t *section = cmd->directive->parent;
    return section && strcasecmp(section->directive, "<Location") == 0 && cmd->path &&
           section->args[0] != '~' && !strpbrk(cmd->path, "*?[");
}

static const char *set_on(cmd_parms *cmd, void *dir, int is_on)
{
    jfm_dir_config_t *config = dir;
    config->is_on = is_on;
    if (!is_on) {
        return NULL;
    }
    if (!is_in_plain_location(cmd)) {
        return apr_pstrcat(cmd->pool, cmd->cmd->name,
                           " On: belongs into a <Location \"/path\"> without patterns", NULL);
    }
    apr_size_t length = strlen(cmd->path);
    while (length > 0 && cmd->path[length - 1] == '/') {
        length--;
    }
    config->base = apr_pstrmemdup(cmd->pool, cmd->path, length);
    jfm_server_config(cmd->server)->has_location = 1;
    claim_location(cmd);
    return NULL;
}

static const char *set_quota(cmd_parms *cmd, void *dir, const char *text)
{
    jfm_dir_config_t *config = dir;
    return message(cmd, jf_units_parse_bytes(&config->quota_bytes, text, cmd->pool));
}

static const char *set_max_file_size(cmd_parms *cmd, void *dir, const char *text)
{
    jfm_dir_config_t *config = dir;
    return message(cmd, jf_units_parse_bytes(&config->max_file_bytes, text, cmd->pool));
}

static const char *set_expire(cmd_parms *cmd, void *dir, const char *text)
{
    jfm_dir_config_t *config = dir;
    return message(cmd, jf_units_parse_duration(&config->expire_us, text, cmd->pool));
}

/* What follows http:// or https://, or NULL if there is nothing or it is neither. */
static const char *after_scheme(const char *url)
{
    const char *host = strncmp(url, "http://", 7) == 0    ? url + 7
                       : strncmp(url, "https://", 8) == 0 ? url + 8
                                                          : "";
    return *host && *host != '/' ? host : NULL;
}

static const char *set_base_url(cmd_parms *cmd, void *dir, const char *url)
{
    jfm_dir_config_t *config = dir;
    apr_size_t length = strlen(url);
    if (!after_scheme(url) || strpbrk(url, "?# \"<>")) {
        return apr_pstrcat(cmd->pool, cmd->cmd->name,
                           ": takes an http:// or https:// URL without query, as "
                           "https://files.example.org/files",
                           NULL);
    }
    while (length > 0 && url[length - 1] == '/') {
        length--;
    }
    config->base_url = apr_pstrmemdup(cmd->pool, url, length);
    return NULL;
}

static const char *add_inline_type(cmd_parms *cmd, void *dir, const char *text)
{
    jfm_dir_config_t *config = dir;
    const char *essence;
    const char *problem = message(cmd, jf_media_parse_inline(&essence, text, cmd->pool));
    if (problem) {
        return problem;
    }
    if (!config->inline_types) {
        config->inline_types = apr_array_make(cmd->pool, 8, sizeof(const char *));
    }
    APR_ARRAY_PUSH(config->inline_types, const char *) = essence;
    return NULL;
}

static int is_origin(const char *text)
{
    const char *host = after_scheme(text);
    return host && !strpbrk(host, "/?#@* \"\\");
}

static const char *add_cors(cmd_parms *cmd, void *dir, const char *text)
{
    jfm_dir_config_t *config = dir;
    int is_word = strcmp(text, "*") == 0 || strcasecmp(text, "off") == 0;
    if (!is_word && !is_origin(text)) {
        return apr_pstrcat(cmd->pool, cmd->cmd->name,
                           ": takes origins as https://chat.example.org, or *, or Off", NULL);
    }
    if (config->cors != JFM_UNSET && (is_word || config->cors != JFM_CORS_LIST)) {
        return apr_pstrcat(cmd->pool, cmd->cmd->name, ": * and Off stand alone", NULL);
    }
    if (is_word) {
        config->cors = text[0] == '*' ? JFM_CORS_ALL : JFM_CORS_OFF;
        return NULL;
    }
    config->cors = JFM_CORS_LIST;
    if (!config->cors_origins) {
        config->cors_origins = apr_array_make(cmd->pool, 2, sizeof(const char *));
    }
    APR_ARRAY_PUSH(config->cors_origins, const char *) = apr_pstrdup(cmd->pool, text);
    return NULL;
}

static const char *set_path(const cmd_parms *cmd, const char **path, const char *text)
{
    *path = ap_server_root_relative(cmd->pool, text);
    return *path ? NULL
                 : apr_pstrcat(cmd->pool, cmd->cmd->name, ": \"", text, "\" is no path", NULL);
}

static const char *set_store(cmd_parms *cmd, void *dir, const char *text)
{
    (void)dir;
    return set_path(cmd, &jfm_server_config(cmd->server)->store, text);
}

static const char *set_database(cmd_parms *cmd, void *dir, const char *text)
{
    (void)dir;
    return set_path(cmd, &jfm_server_config(cmd->server)->database, text);
}

static const char *set_durability(cmd_parms *cmd, void *dir, const char *text)
{
    (void)dir;
    jfm_server_config_t *config = jfm_server_config(cmd->server);
    if (strcasecmp(text, "full") == 0) {
        config->durability = JF_DURABILITY_FULL;
    } else if (strcasecmp(text, "relaxed") == 0) {
        config->durability = JF_DURABILITY_RELAXED;
    } else {
        return apr_pstrcat(cmd->pool, cmd->cmd->name, ": takes full or relaxed, not \"", text, "\"",
                           NULL);
    }
    return NULL;
}

static const char *add_domain(cmd_parms *cmd, void *dir, const char *text)
{
    (void)dir;
    jfm_server_config_t *config = jfm_server_config(cmd->server);
    const char *domain;
    const char *problem = message(cmd, jf_jid_prepare_domain(&domain, text, cmd->pool));
    if (problem) {
        return problem;
    }
    if (!config->domains) {
        config->domains = apr_array_make(cmd->pool, 2, sizeof(const char *));
    }
    APR_ARRAY_PUSH(config->domains, const char *) = domain;
    return NULL;
}

#define EVERYWHERE (RSRC_CONF | ACCESS_CONF)

const command_rec jfm_commands[] = {
    AP_INIT_FLAG("JabberFiles", set_on, NULL, ACCESS_CONF,
                 "On: this <Location> is the base of the file areas"),
    AP_INIT_TAKE1("JabberFilesStore", set_store, NULL, RSRC_CONF,
                  "directory of the objects and of what else is kept"),
    AP_INIT_TAKE1("JabberFilesDatabase", set_database, NULL, RSRC_CONF,
                  "path of the ledger (default: ledger.db in the store)"),
    AP_INIT_TAKE1("JabberFilesDurability", set_durability, NULL, RSRC_CONF,
                  "full: an acknowledged upload survives power loss; relaxed: it survives a crash "
                  "of httpd"),
    AP_INIT_TAKE1("JabberFilesQuota", set_quota, NULL, EVERYWHERE,
                  "disk quota of an area, as 500M, or unlimited"),
    AP_INIT_TAKE1("JabberFilesMaxFileSize", set_max_file_size, NULL, EVERYWHERE,
                  "largest file, as 100M, or unlimited"),
    AP_INIT_TAKE1("JabberFilesExpire", set_expire, NULL, EVERYWHERE,
                  "age at which a file goes, as 30d, or never"),
    AP_INIT_TAKE1("JabberFilesDomain", add_domain, NULL, RSRC_CONF,
                  "Jabber domain whose users may have an area; may be repeated"),
    AP_INIT_TAKE1("JabberFilesBaseURL", set_base_url, NULL, EVERYWHERE,
                  "absolute URL of the base, for the links that are handed out"),
    AP_INIT_ITERATE("JabberFilesInline", add_inline_type, NULL, EVERYWHERE,
                    "media types that browsers may show, instead of the built-in list"),
    AP_INIT_ITERATE("JabberFilesCORS", add_cors, NULL, EVERYWHERE,
                    "origins of web clients, * for all, or Off"),
    {0},
};
