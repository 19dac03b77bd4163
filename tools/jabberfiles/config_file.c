#include "config_file.h"

#include <stdlib.h>
#include <string.h>

#include <apr_file_info.h>
#include <apr_strings.h>
#include <apr_user.h>

#include "cli_nearest.h"
#include "private_file.h"

#define NAME_IN_DIRECTORY "/jabberfiles/config"

const char *const config_key_names[CONFIG_KEY_COUNT] = {
    [CONFIG_JID] = "jid",
    [CONFIG_PASSWORD] = "password",
    [CONFIG_PASSWORD_FILE] = "password-file",
    [CONFIG_PASSWORD_COMMAND] = "password-command",
    [CONFIG_URL] = "url",
    [CONFIG_CONNECT] = "connect",
    [CONFIG_TLS] = "tls",
    [CONFIG_CA] = "ca",
};

/* ---- places ---- */

/* What is not absolute in the environment counts as not set (XDG Base Directory Specification). */
static const char *absolute_variable(const char *name)
{
    const char *value = getenv(name);
    return value && value[0] == '/' ? value : NULL;
}

jf_err_t *config_file_path(const char **path, const char *given, apr_pool_t *pool)
{
    const char *directory = absolute_variable("XDG_CONFIG_HOME");
    const char *home = absolute_variable("HOME");
    *path = NULL;
    if (given) {
        *path = given;
    } else if (directory) {
        *path = apr_pstrcat(pool, directory, NAME_IN_DIRECTORY, NULL);
    } else if (home) {
        *path = apr_pstrcat(pool, home, "/.config" NAME_IN_DIRECTORY, NULL);
    } else {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                           "no place for the configuration is known: set HOME, or use --config");
    }
    return NULL;
}

const char *config_file_place(const config_file_t *config, config_key_t key)
{
    return apr_psprintf(config->pool, "%s:%d: %s", config->path, config->line_numbers[key],
                        config_key_names[key]);
}

const char *config_file_resolve(const config_file_t *config, const char *path)
{
    const char *home = absolute_variable("HOME");
    if (!path || path[0] == '/') {
        return path;
    }
    if (strncmp(path, "~/", 2) == 0 && home) {
        return apr_pstrcat(config->pool, home, path + 1, NULL);
    }
    const char *slash = strrchr(config->path, '/');
    int length = slash ? (int)(slash - config->path) + 1 : 0;
    return apr_psprintf(config->pool, "%.*s%s", length, config->path, path);
}

/* ---- reading ---- */

/* A copy without the white space at both ends. */
static char *trim(const char *text, size_t length, apr_pool_t *pool)
{
    while (length > 0 && strchr(" \t\r", text[0])) {
        text++;
        length--;
    }
    while (length > 0 && strchr(" \t\r", text[length - 1])) {
        length--;
    }
    return apr_pstrmemdup(pool, text, length);
}

static jf_err_t *refuse_key(const config_file_t *config, const char *name)
{
    cli_nearest_t nearest = cli_nearest_make(name);
    const char *all = "";
    for (int key = 0; key < CONFIG_KEY_COUNT; key++) {
        cli_nearest_try(&nearest, config_key_names[key], config->pool);
        all = apr_pstrcat(config->pool, all, key ? ", " : "", config_key_names[key], NULL);
    }
    return jf_err_make(
        JF_ERR_INVALID, APR_SUCCESS, config->pool, "%s:%d: there is no key \"%s\"; %s %s",
        config->path, config->lines->nelts, name,
        nearest.best ? "you may mean" : "these are:", nearest.best ? nearest.best : all);
}

static jf_err_t *take_value(config_file_t *config, const char *name, const char *value)
{
    int key = 0;
    while (key < CONFIG_KEY_COUNT && strcmp(config_key_names[key], name) != 0) {
        key++;
    }
    if (key == CONFIG_KEY_COUNT) {
        return refuse_key(config, name);
    }
    if (config->line_numbers[key]) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, config->pool,
                           "%s:%d: the key \"%s\" is there already, in line %d; take one away",
                           config->path, config->lines->nelts, name, config->line_numbers[key]);
    }
    if (!value[0]) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, config->pool,
                           "%s:%d: the key \"%s\" has no value; give it one, or take the line away",
                           config->path, config->lines->nelts, name);
    }
    config->values[key] = value;
    config->line_numbers[key] = config->lines->nelts;
    return NULL;
}

/* Texts of errors do not show the line: it may be a password. */
static jf_err_t *take_line(config_file_t *config, const char *line)
{
    APR_ARRAY_PUSH(config->lines, const char *) = line;
    const char *text = trim(line, strlen(line), config->pool);
    const char *equals = strchr(text, '=');
    if (!text[0] || text[0] == '#') {
        return NULL;
    }
    if (!equals) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, config->pool,
                           "%s:%d: a line must be \"key = value\", or begin with \"#\"",
                           config->path, config->lines->nelts);
    }
    return take_value(config, trim(text, (size_t)(equals - text), config->pool),
                      trim(equals + 1, strlen(equals + 1), config->pool));
}

jf_err_t *config_file_read(config_file_t **config_out, const char *path, apr_pool_t *pool)
{
    config_file_t *config = apr_pcalloc(pool, sizeof(*config));
    const char *text = NULL;
    *config_out = NULL;
    config->pool = pool;
    config->path = path;
    config->lines = apr_array_make(pool, 16, sizeof(const char *));
    jf_err_t *err = private_file_read(&text, path, pool);
    if (err && err->code != JF_ERR_NOT_FOUND) {
        return err;
    }
    config->exists = !err;
    while (text && *text) {
        size_t length = strcspn(text, "\n");
        JF_TRY(take_line(config, apr_pstrmemdup(pool, text, length)));
        text += length + (text[length] == '\n');
    }
    *config_out = config;
    return NULL;
}

/* ---- writing ---- */

static void remove_line(config_file_t *config, int number)
{
    const char **lines = (const char **)config->lines->elts;
    for (int i = number; i < config->lines->nelts; i++) {
        lines[i - 1] = lines[i];
    }
    config->lines->nelts--;
    for (int key = 0; key < CONFIG_KEY_COUNT; key++) {
        if (config->line_numbers[key] > number) {
            config->line_numbers[key]--;
        }
    }
}

void config_file_set(config_file_t *config, config_key_t key, const char *value)
{
    int number = config->line_numbers[key];
    config->values[key] = value;
    if (!value) {
        config->line_numbers[key] = 0;
        if (number) {
            remove_line(config, number);
        }
        return;
    }
    if (!number) {
        APR_ARRAY_PUSH(config->lines, const char *) = NULL;
        number = config->line_numbers[key] = config->lines->nelts;
    }
    APR_ARRAY_IDX(config->lines, number - 1, const char *) =
        apr_pstrcat(config->pool, config_key_names[key], " = ", value, NULL);
}

jf_err_t *config_file_write(const config_file_t *config)
{
    const char *text = apr_array_pstrcat(config->pool, config->lines, '\n');
    return private_file_write(config->path, apr_pstrcat(config->pool, text, "\n", NULL),
                              config->pool);
}
