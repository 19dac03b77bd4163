#include "mod_jabberfiles_private.h"

#include <string.h>

#include <apr_lib.h>
#include <apr_strings.h>

#include "jf_media.h"
#include "jf_units.h"

/* ---- setters ---- */

const char *jfm_directive_message(const cmd_parms *cmd, const jf_err_t *err)
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

const char *jfm_directive_base(const cmd_parms *cmd)
{
    apr_size_t length = strlen(cmd->path);
    while (length > 0 && cmd->path[length - 1] == '/') {
        length--;
    }
    return apr_pstrmemdup(cmd->pool, cmd->path, length);
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
    config->base = jfm_directive_base(cmd);
    jfm_server_config(cmd->server)->has_location = 1;
    claim_location(cmd);
    return NULL;
}

static const char *set_quota(cmd_parms *cmd, void *dir, const char *text)
{
    jfm_dir_config_t *config = dir;
    return jfm_directive_message(cmd, jf_units_parse_bytes(&config->quota_bytes, text, cmd->pool));
}

static const char *set_max_file_size(cmd_parms *cmd, void *dir, const char *text)
{
    jfm_dir_config_t *config = dir;
    return jfm_directive_message(cmd,
                                 jf_units_parse_bytes(&config->max_file_bytes, text, cmd->pool));
}

static const char *set_expire(cmd_parms *cmd, void *dir, const char *text)
{
    jfm_dir_config_t *config = dir;
    return jfm_directive_message(cmd, jf_units_parse_duration(&config->expire_us, text, cmd->pool));
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
    const char *problem =
        jfm_directive_message(cmd, jf_media_parse_inline(&essence, text, cmd->pool));
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

/* ---- logins ---- */

/* An argument "option=value"; NULL if it has no '='. */
static const char *value_of(const char **option, const char *argument, apr_pool_t *pool)
{
    const char *equals = strchr(argument, '=');
    if (!equals) {
        return NULL;
    }
    *option = apr_pstrmemdup(pool, argument, (apr_size_t)(equals - argument));
    return equals + 1;
}

/* A file that is missing is told when httpd starts, not when the first user cannot log in. */
static const char *check_ca_file(const cmd_parms *cmd, const jf_domain_t *domain)
{
    apr_finfo_t info;
    if (!domain->ca_file) {
        return NULL;
    }
    if (apr_stat(&info, domain->ca_file, APR_FINFO_TYPE, cmd->temp_pool) != APR_SUCCESS ||
        info.filetype != APR_REG) {
        return apr_pstrcat(cmd->pool, cmd->cmd->name, ": ca=: there is no file ", domain->ca_file,
                           NULL);
    }
    return NULL;
}

static const char *set_domain_option(const cmd_parms *cmd, jf_domain_t *domain,
                                     const char *argument)
{
    const char *option = argument;
    const char *value = value_of(&option, argument, cmd->pool);
    if (value && strcmp(option, "ca") == 0) {
        value = ap_server_root_relative(cmd->pool, value);
    }
    return jfm_directive_message(cmd, jf_domain_set(domain, option, value ? value : "", cmd->pool));
}

static const char *add_domain(cmd_parms *cmd, void *dir, int count, char *const arguments[])
{
    (void)dir;
    jfm_server_config_t *config = jfm_server_config(cmd->server);
    jf_domain_t *domain = NULL;
    const char *problem = jfm_directive_message(
        cmd, jf_domain_create(&domain, count > 0 ? arguments[0] : "", cmd->pool));
    for (int i = 1; i < count && !problem; i++) {
        problem = set_domain_option(cmd, domain, arguments[i]);
    }
    problem = problem ? problem : jfm_directive_message(cmd, jf_domain_check(domain, cmd->pool));
    problem = problem ? problem : check_ca_file(cmd, domain);
    if (problem) {
        return problem;
    }
    if (!config->domains) {
        config->domains = apr_array_make(cmd->pool, 2, sizeof(jf_domain_t *));
    }
    APR_ARRAY_PUSH(config->domains, jf_domain_t *) = domain;
    return NULL;
}

static const char *set_daemon(cmd_parms *cmd, void *dir, const char *text)
{
    const char *problem = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    (void)dir;
    return problem ? problem : set_path(cmd, &jfm_server_config(cmd->server)->daemon, text);
}

static const char *set_limit_number(const cmd_parms *cmd, apr_int64_t *number, const char *text)
{
    char *end;
    if (strcasecmp(text, "unlimited") == 0) {
        *number = 0;
        return NULL;
    }
    *number = apr_isdigit(text[0]) ? apr_strtoi64(text, &end, 10) : 0;
    if (*number < 1 || *number > 1000000 || *end) {
        return apr_pstrcat(cmd->pool, cmd->cmd->name,
                           ": takes numbers from 1 to 1000000, or unlimited, not \"", text, "\"",
                           NULL);
    }
    return NULL;
}

static const char *set_limit_period(const cmd_parms *cmd, apr_int64_t *period_us, const char *text)
{
    const char *problem =
        jfm_directive_message(cmd, jf_units_parse_duration(period_us, text, cmd->pool));
    if (!problem && (*period_us < apr_time_from_sec(1) || *period_us > apr_time_from_sec(86400))) {
        return apr_pstrcat(cmd->pool, cmd->cmd->name, ": per= takes a duration from 1 to 1d", NULL);
    }
    return problem;
}

static const char *set_login_limit(cmd_parms *cmd, void *dir, const char *argument)
{
    jfm_dir_config_t *config = dir;
    const char *option = "";
    const char *value = value_of(&option, argument, cmd->pool);
    if (strcasecmp(argument, "off") == 0) {
        config->guesses_per_jid = 0;
        config->guesses_per_address = 0;
        return NULL;
    }
    if (strcmp(option, "jid") == 0) {
        return set_limit_number(cmd, &config->guesses_per_jid, value);
    }
    if (strcmp(option, "address") == 0) {
        return set_limit_number(cmd, &config->guesses_per_address, value);
    }
    if (strcmp(option, "per") == 0) {
        return set_limit_period(cmd, &config->guess_period_us, value);
    }
    return apr_pstrcat(cmd->pool, cmd->cmd->name,
                       ": takes jid=NUMBER, address=NUMBER and per=DURATION, or Off", NULL);
}

static const char *set_slot_service(cmd_parms *cmd, void *dir, int is_on)
{
    static const char end[] = "/.slot";
    jfm_dir_config_t *config = dir;
    apr_size_t length = strlen(cmd->path);
    config->has_slot_service = is_on;
    /* There it would grant slots that BASE does not accept. */
    if (is_on && length >= sizeof(end) - 1 &&
        strcmp(cmd->path + length - (sizeof(end) - 1), end) == 0) {
        return apr_pstrcat(cmd->pool, cmd->cmd->name,
                           " On: belongs into the <Location> with JabberFiles On; the one of .slot "
                           "says who may ask",
                           NULL);
    }
    return NULL;
}

static const char *set_tls_proxy(cmd_parms *cmd, void *dir, int is_there)
{
    jfm_dir_config_t *config = dir;
    (void)cmd;
    config->has_tls_proxy = is_there;
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
    AP_INIT_TAKE12(
        "JabberFilesTransferQuota", jfm_set_transfer_quota, NULL, EVERYWHERE,
        "bytes that are downloaded from an area per day, week, month or so many seconds, "
        "as 50G month, or unlimited"),
    AP_INIT_FLAG(
        "JabberFilesCountOwner", jfm_set_count_owner, NULL, EVERYWHERE,
        "On: what owners download from their own areas counts for the transfer quota, too"),
    AP_INIT_TAKE1("JabberFilesRate", jfm_set_rate, NULL, EVERYWHERE,
                  "bytes per second of all downloads from an area together, as 4M, or unlimited"),
    AP_INIT_TAKE1("JabberFilesUploadRate", jfm_set_upload_rate, NULL, EVERYWHERE,
                  "bytes per second of all uploads into an area together, as 4M, or unlimited"),
    AP_INIT_FLAG("JabberFilesMeter", jfm_set_meter, NULL, EVERYWHERE,
                 "Off: do not count what is transferred, unless a limit needs it"),
    AP_INIT_FLAG("JabberFilesShowJIDs", jfm_set_show_jids, NULL, EVERYWHERE,
                 "On: pages for the operator (metrics, server-status) name areas by their JIDs"),
    AP_INIT_TAKE1("JabberFilesExpire", set_expire, NULL, EVERYWHERE,
                  "age at which a file goes, as 30d, or never"),
    AP_INIT_TAKE_ARGV("JabberFilesDomain", add_domain, NULL, RSRC_CONF,
                      "Jabber domain whose users may have an area, and how its server is reached; "
                      "may be repeated"),
    AP_INIT_TAKE1("JabberFilesDaemon", set_daemon, NULL, RSRC_CONF,
                  "path of jabberfilesd, the helper that asks Jabber servers"),
    AP_INIT_ITERATE("JabberFilesLoginLimit", set_login_limit, NULL, EVERYWHERE,
                    "wrong passwords for a JID and from an address, as jid=10 address=50 per=10m, "
                    "or Off"),
    AP_INIT_FLAG("JabberFilesTLSProxy", set_tls_proxy, NULL, EVERYWHERE,
                 "On: a proxy in front speaks TLS, so passwords may come over plain HTTP"),
    AP_INIT_TAKE23("JabberFilesSlotSecret", jfm_add_slot_secret, NULL, ACCESS_CONF,
                   "accept upload slots of this kind (jwt, v1, v2, token) that are signed with the "
                   "secret in this file; may be repeated"),
    AP_INIT_FLAG("JabberFilesSlotService", set_slot_service, NULL, ACCESS_CONF,
                 "On: grant slots to ejabberd (service_url) at .slot below the base"),
    AP_INIT_TAKE1("JabberFilesBaseURL", set_base_url, NULL, EVERYWHERE,
                  "absolute URL of the base, for the links that are handed out"),
    AP_INIT_ITERATE("JabberFilesInline", add_inline_type, NULL, EVERYWHERE,
                    "media types that browsers may show, instead of the built-in list"),
    AP_INIT_ITERATE("JabberFilesCORS", add_cors, NULL, EVERYWHERE,
                    "origins of web clients, * for all, or Off"),
    {0},
};
