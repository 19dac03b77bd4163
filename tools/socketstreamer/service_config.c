#include "service_config.h"

#include <string.h>

#include <apr_escape.h>
#include <apr_file_io.h>
#include <apr_strings.h>

#include "jf_units.h"
#include "service_settings.h"

#define FILE_BYTES_MAX (1024 * 1024)
#define SETTINGS_MAX 32
#define WHITE_SPACE " \t\r"

/** A file that is being read. */
typedef struct reading_t {
    const char *path;
    const char *directory; /**< with a slash at its end, or "" */
    int line;
    int lines[SETTINGS_MAX]; /**< where each setting was seen first, 0: nowhere */
    service_config_t *config;
    apr_pool_t *pool;
} reading_t;

/* ---- lines ---- */

static jf_err_t *refuse_line(const reading_t *reading, const char *name, const char *text)
{
    return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, reading->pool, "%s:%d: %s: %s", reading->path,
                       reading->line, apr_pescape_echo(reading->pool, name, 1), text);
}

static jf_err_t *refuse_name(const reading_t *reading, const char *name)
{
    const char *all = "";
    for (const service_setting_t *setting = service_settings; setting->name; setting++) {
        all = apr_pstrcat(reading->pool, all, *all ? ", " : "", setting->name, NULL);
    }
    return refuse_line(
        reading, name,
        apr_pstrcat(reading->pool, "there is no such setting; these are: ", all, NULL));
}

/** The place of a setting in the table, or -1. */
static int find_setting(const char *name)
{
    for (int i = 0; service_settings[i].name; i++) {
        if (strcmp(service_settings[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

static jf_err_t *take_words(reading_t *reading, const service_setting_t *setting, char *rest)
{
    int count = 0;
    for (const char *word; (word = apr_strtok(rest, WHITE_SPACE, &rest)); count++) {
        if (count > 0 && !setting->is_repeatable) {
            return refuse_line(
                reading, setting->name,
                apr_pstrcat(reading->pool, "one word is wanted, as in: ", setting->example, NULL));
        }
        jf_err_t *err =
            setting->set(reading->config, setting, word, reading->directory, reading->pool);
        if (err) {
            return refuse_line(reading, setting->name, err->text);
        }
    }
    return count > 0
               ? NULL
               : refuse_line(reading, setting->name,
                             apr_pstrcat(reading->pool,
                                         "the value is missing, as in: ", setting->example, NULL));
}

static jf_err_t *take_line(reading_t *reading, char *line)
{
    char *rest = NULL;
    line[strcspn(line, "#")] = '\0';
    const char *name = apr_strtok(line, WHITE_SPACE, &rest);
    if (!name) {
        return NULL;
    }
    int index = find_setting(name);
    if (index < 0) {
        return refuse_name(reading, name);
    }
    const service_setting_t *setting = &service_settings[index];
    if (reading->lines[index] && !setting->is_repeatable) {
        return refuse_line(reading, name,
                           apr_psprintf(reading->pool,
                                        "it is set in line %d already; take one away",
                                        reading->lines[index]));
    }
    if (!reading->lines[index]) {
        reading->lines[index] = reading->line;
    }
    return take_words(reading, setting, rest);
}

/* ---- the whole ---- */

static jf_err_t *check_required(const reading_t *reading)
{
    for (int i = 0; service_settings[i].name; i++) {
        if (service_settings[i].is_required && !reading->lines[i]) {
            return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, reading->pool,
                               "%s: %s is missing; add a line as: %s", reading->path,
                               service_settings[i].name, service_settings[i].example);
        }
    }
    return NULL;
}

static jf_err_t *check_public(const reading_t *reading)
{
    const service_config_t *config = reading->config;
    for (int i = 0; config->public->nelts == 0 && i < config->listen->nelts; i++) {
        const relay_address_t *address = &APR_ARRAY_IDX(config->listen, i, relay_address_t);
        if (relay_address_is_any(address)) {
            return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, reading->pool,
                               "%s:%d: listen: %s stands for all addresses; add a line that says "
                               "which one clients are told, as: public proxy.example.org",
                               reading->path, reading->lines[find_setting("listen")],
                               relay_address_text(address, reading->pool));
        }
    }
    return NULL;
}

/** Who may use it if nothing was said: the users of the domain that the component belongs to. */
static jf_err_t *allow_own_domain(const reading_t *reading)
{
    const service_config_t *config = reading->config;
    if (config->acl->allowed->nelts > 0) {
        return NULL;
    }
    const char *dot = strchr(config->component, '.');
    if (!dot || service_acl_add(config->acl->allowed, dot + 1, reading->pool)) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, reading->pool,
                           "%s:%d: component: %s is below no domain whose users could be meant; "
                           "add a line as: allow example.org",
                           reading->path, reading->lines[find_setting("component")],
                           config->component);
    }
    return NULL;
}

static jf_err_t *take_text(reading_t *reading, char *text)
{
    while (*text) {
        size_t length = strcspn(text, "\n");
        char *next = text + length + (text[length] == '\n');
        text[length] = '\0';
        reading->line++;
        JF_TRY(take_line(reading, text));
        text = next;
    }
    JF_TRY(check_required(reading));
    JF_TRY(check_public(reading));
    return allow_own_domain(reading);
}

/* ---- the file ---- */

static jf_err_t *read_text(char **text_out, const char *path, apr_pool_t *pool)
{
    apr_file_t *file = NULL;
    apr_size_t length = 0;
    char *text = apr_palloc(pool, FILE_BYTES_MAX + 1);
    *text_out = NULL;
    apr_status_t status = apr_file_open(&file, path, APR_FOPEN_READ, APR_FPROT_OS_DEFAULT, pool);
    if (status == APR_SUCCESS) {
        status = apr_file_read_full(file, text, FILE_BYTES_MAX + 1, &length);
        apr_file_close(file);
    }
    if (APR_STATUS_IS_ENOENT(status)) {
        return jf_err_make(JF_ERR_NOT_FOUND, status, pool, "there is no file %s", path);
    }
    if (status != APR_SUCCESS && !APR_STATUS_IS_EOF(status)) {
        return jf_err_from_system(status, pool, "cannot read %s", path);
    }
    if (length > FILE_BYTES_MAX || memchr(text, '\0', length)) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                           "%s is no configuration: it is larger than 1 MiB or no text", path);
    }
    text[length] = '\0';
    *text_out = text;
    return NULL;
}

static service_config_t *make_default(apr_pool_t *pool)
{
    service_config_t *config = apr_pcalloc(pool, sizeof(*config));
    config->listen = apr_array_make(pool, 2, sizeof(relay_address_t));
    config->public = apr_array_make(pool, 2, sizeof(service_host_t));
    config->acl = service_acl_create(pool);
    config->limits = (relay_limits_t){
        .streams = 10000,
        .streams_per_jid = 20,
        .stream_bytes = JF_UNLIMITED,
        .day_bytes = JF_UNLIMITED,
        .rate_bytes_per_s = JF_UNLIMITED,
        .activation_us = apr_time_from_sec(60),
        .idle_us = apr_time_from_sec(600),
        .total_us = JF_NEVER,
    };
    config->drain_us = apr_time_from_sec(60);
    return config;
}

jf_err_t *service_config_read(service_config_t **config_out, const char *path, apr_pool_t *pool)
{
    char *text = NULL;
    const char *slash = strrchr(path, '/');
    reading_t reading = {.path = path, .config = make_default(pool), .pool = pool};
    reading.directory = slash ? apr_pstrmemdup(pool, path, (apr_size_t)(slash - path) + 1) : "";
    *config_out = NULL;
    JF_TRY(read_text(&text, path, pool));
    JF_TRY(take_text(&reading, text));
    *config_out = reading.config;
    return NULL;
}
