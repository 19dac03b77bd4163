#include "client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <apr_file_info.h>
#include <apr_strings.h>

#include "account_private.h"
#include "config_file.h"
#include "jf_jid.h"
#include "login_trial.h"
#include "output.h"
#include "prompt.h"
#include "tool_text.h"

/* What is typed for "I have no file area", where nothing typed means the one that is set. */
#define NO_URL "none"

#define INPUT_BYTES_MAX 8192

/* ---- asking ---- */

/* What was known belongs to another account. */
static void change_jid(account_t *account, const char *jid, const options_t *options)
{
    int is_same = account->jid && strcmp(account->jid, jid) == 0;
    int is_same_domain =
        account->jid && strcmp(jf_jid_domain(account->jid), jf_jid_domain(jid)) == 0;
    account->jid = jid;
    if (!is_same) {
        account->password = NULL;
    }
    if (!is_same_domain) {
        account->url = options->url ? account->url : NULL;
        account->connect_host = options->connect ? account->connect_host : NULL;
    }
}

static jf_err_t *choose_jid(client_t *client)
{
    account_t *account = client->account;
    const options_t *options = client->options;
    const char *line = NULL;
    const char *jid = NULL;
    if (options->jid || options->argument_count > 0) {
        return NULL;
    }
    if (!prompt_is_possible()) {
        return account->jid ? NULL
                            : jf_err_make(JF_ERR_INVALID, APR_SUCCESS, client->pool,
                                          "which Jabber ID? The usage is: jabberfiles login JID");
    }
    JF_TRY(
        prompt_line(&line, client, "Jabber ID, as alice@example.org", account->jid, client->pool));
    JF_TRY(account_parse_jid(&jid, line ? line : "", "this", client->pool));
    change_jid(account, jid, options);
    return NULL;
}

/* @param is_yes 0 if the account that is configured shall stay. */
static jf_err_t *confirm_replacement(int *is_yes, client_t *client, const config_file_t *config)
{
    const char *configured = NULL;
    const char *value = config->values[CONFIG_JID];
    *is_yes = 1;
    if (!value || jf_jid_prepare(&configured, value, client->pool) ||
        strcmp(configured, client->account->jid) == 0) {
        return NULL;
    }
    return prompt_confirm(is_yes, client, "Replace the account %s by %s?", configured,
                          client->account->jid);
}

static jf_err_t *read_input_line(const char **password, apr_pool_t *pool)
{
    char *buffer = apr_pcalloc(pool, INPUT_BYTES_MAX);
    size_t length = 0;
    ssize_t got;
    do {
        got = read(STDIN_FILENO, buffer + length, INPUT_BYTES_MAX - 1 - length);
        if (client_is_interrupted()) {
            return client_interrupted(pool);
        }
        length += got > 0 ? (size_t)got : 0;
    } while ((got > 0 && !strchr(buffer, '\n')) || (got < 0 && errno == EINTR));
    return account_password_line(password, buffer, "standard input", pool);
}

static jf_err_t *absolute_path(const char **absolute, const char *path, apr_pool_t *pool)
{
    char *merged = NULL;
    apr_status_t status = apr_filepath_merge(&merged, NULL, path, APR_FILEPATH_NATIVE, pool);
    *absolute = merged;
    return status == APR_SUCCESS ? NULL : jf_err_from_system(status, pool, "cannot find %s", path);
}

static jf_err_t *choose_password(client_t *client)
{
    account_t *account = client->account;
    const options_t *options = client->options;
    const char *password = NULL;
    if (options->password_file && options->password_command) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, client->pool,
                           "--password-file and --password-command: one of them is enough");
    }
    if (options->password_file || options->password_command) {
        account->password = NULL;
        account->password_command = options->password_command;
        return options->password_file
                   ? absolute_path(&account->password_file, options->password_file, client->pool)
                   : NULL;
    }
    if (account->password || prompt_is_possible()) {
        return account_password(&password, account);
    }
    return read_input_line(&account->password, client->pool);
}

static jf_err_t *choose_url(client_t *client)
{
    account_t *account = client->account;
    const char *line = NULL;
    if (client->options->url || getenv("JABBERFILES_URL") || client->options->is_yes ||
        !prompt_is_possible()) {
        return NULL;
    }
    JF_TRY(prompt_line(&line, client,
                       account->url ? "URL of the file areas (\"" NO_URL "\": there are none)"
                                    : "URL of the file areas (empty: there are none)",
                       account->url, client->pool));
    if (!line || strcmp(line, NO_URL) == 0) {
        account->url = NULL;
        return NULL;
    }
    return account_parse_url(&account->url, line, "this", client->pool);
}

/* ---- saving ---- */

/* The configuration has a value in a line, without the white space around it. */
static jf_err_t *check_value(const char *value, const char *what, apr_pool_t *pool)
{
    size_t length = value ? strlen(value) : 0;
    if (length == 0 || (!strpbrk(value, "\r\n") && !strchr(" \t", value[0]) &&
                        !strchr(" \t", value[length - 1]))) {
        return NULL;
    }
    return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                       "%s begins or ends with a space, or has more than one line, and cannot "
                       "stand in the configuration; put the password into a file of its own and "
                       "use --password-file",
                       what);
}

/* Which of the three the configuration gets. */
static void set_password(config_file_t *config, const account_t *account)
{
    int is_elsewhere = account->password_file || account->password_command;
    config_file_set(config, CONFIG_PASSWORD, is_elsewhere ? NULL : account->password);
    config_file_set(config, CONFIG_PASSWORD_FILE, account->password_file);
    config_file_set(config, CONFIG_PASSWORD_COMMAND, account->password_command);
}

static jf_err_t *save(config_file_t *config, const client_t *client)
{
    const account_t *account = client->account;
    const char *ca = NULL;
    const char *connect = NULL;
    if (account->connect_host) {
        int is_ipv6 = strchr(account->connect_host, ':') != NULL;
        connect = apr_psprintf(client->pool, is_ipv6 ? "[%s]:%d" : "%s:%d", account->connect_host,
                               account->connect_port);
    }
    config_file_set(config, CONFIG_JID, account->jid);
    set_password(config, account);
    config_file_set(config, CONFIG_URL, account->url);
    config_file_set(config, CONFIG_CONNECT, connect);
    config_file_set(config, CONFIG_TLS, account->is_direct_tls ? "direct" : NULL);
    if (client->options->ca) {
        JF_TRY(absolute_path(&ca, client->options->ca, client->pool));
        config_file_set(config, CONFIG_CA, ca);
    }
    return config_file_write(config);
}

static void tell(client_t *client, const config_file_t *config, const login_trial_t *trial)
{
    const upload_service_t *service = trial->service;
    output_note(client, "the account is saved in %s", config->path);
    if (service || trial->has_area) {
        output_note(client, "now try: jabberfiles send FILE friend@example.org");
    } else {
        output_warn(client,
                    "there is nowhere to upload to: neither an upload service nor a file area; "
                    "\"jabberfiles receive\" works. Ask the operator of %s for either",
                    jf_jid_domain(client->account->jid));
    }
    output_json(client,
                json_pack("{s:s, s:o, s:o, s:o, s:o}", "type", "login", "jid",
                          tool_text_json(client->account->jid, client->pool), "config",
                          tool_text_json(config->path, client->pool), "upload_service",
                          service ? tool_text_json(service->jid, client->pool) : json_null(), "url",
                          client->account->url ? tool_text_json(client->account->url, client->pool)
                                               : json_null()));
}

/* ---- the command ---- */

static jf_err_t *choose_account(int *is_yes, client_t *client, const config_file_t *config)
{
    JF_TRY(choose_jid(client));
    JF_TRY(confirm_replacement(is_yes, client, config));
    if (!*is_yes) {
        return NULL;
    }
    JF_TRY(choose_password(client));
    JF_TRY(check_value(client->account->password, "the password", client->pool));
    JF_TRY(check_value(client->account->password_command, "the command", client->pool));
    return choose_url(client);
}

static jf_err_t *try_account(int *is_yes, login_trial_t *trial, client_t *client)
{
    JF_TRY(login_trial_run(trial, client));
    if (!trial->jabber_err) {
        return NULL;
    }
    output_warn(client, "%s", trial->jabber_err->text);
    return prompt_confirm(is_yes, client, "Save the account for its file area alone?");
}

jf_err_t *cmd_login(client_t *client)
{
    config_file_t *config = NULL;
    login_trial_t trial = {0};
    const char *path = NULL;
    int is_yes = 0;
    JF_TRY(config_file_path(&path, client->options->config, client->pool));
    JF_TRY(config_file_read(&config, path, client->pool));
    JF_TRY(choose_account(&is_yes, client, config));
    if (is_yes) {
        JF_TRY(try_account(&is_yes, &trial, client));
    }
    if (!is_yes) {
        output_note(client, "nothing was changed");
        client->exit_code = CLIENT_DECLINED;
        return NULL;
    }
    JF_TRY(save(config, client));
    tell(client, config, &trial);
    return NULL;
}
