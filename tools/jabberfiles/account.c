#include "account_private.h"

#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "cli_table.h"
#include "config_file.h"
#include "jf_domain.h"
#include "jf_jid.h"

/* ---- values ---- */

jf_err_t *account_parse_jid(const char **jid, const char *text, const char *place, apr_pool_t *pool)
{
    const char *bare = strncmp(text, "xmpp:", 5) == 0 ? text + 5 : text;
    jf_err_t *err = jf_jid_prepare(jid, bare, pool);
    return err ? jf_err_make(err->code, err->status, pool,
                             "%s must be a Jabber ID, as alice@example.org: %s", place, err->text)
               : NULL;
}

static jf_err_t *take_connect(account_t *account, const char *value, const char *place)
{
    jf_domain_t domain = {0};
    if (jf_domain_set(&domain, "connect", value, account->pool)) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, account->pool,
                           "%s must be HOST:PORT, as xmpp.example.org:5222 or [::1]:5222", place);
    }
    account->connect_host = domain.connect_host;
    account->connect_port = domain.connect_port;
    return NULL;
}

static jf_err_t *take_tls(account_t *account, const char *value, const char *place)
{
    account->is_direct_tls = strcmp(value, "direct") == 0;
    if (account->is_direct_tls || strcmp(value, "starttls") == 0) {
        return NULL;
    }
    return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, account->pool,
                       "%s must be starttls or direct; TLS cannot be turned off", place);
}

/* ---- sources, the strongest first ---- */

static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value && value[0] ? value : NULL;
}

static jf_err_t *take_options(account_t *account, const options_t *options, int is_login)
{
    if (options->jid) {
        JF_TRY(account_parse_jid(&account->jid, options->jid, "--jid", account->pool));
    }
    if (is_login && options->argument_count > 0) {
        JF_TRY(
            account_parse_jid(&account->jid, options->arguments[0], "the argument", account->pool));
    }
    if (options->url) {
        JF_TRY(account_parse_url(&account->url, options->url, "--url", account->pool));
    }
    if (options->connect) {
        JF_TRY(take_connect(account, options->connect, "--connect"));
    }
    account->is_direct_tls = options->is_direct_tls;
    account->ca = options->ca;
    return NULL;
}

/* The password is taken out of the environment, so that no program that we start gets it. */
static jf_err_t *take_environment(account_t *account)
{
    const char *jid = variable("JABBERFILES_JID");
    const char *url = variable("JABBERFILES_URL");
    const char *password = variable("JABBERFILES_PASSWORD");
    const char *prepared = account->jid;
    if (jid) {
        JF_TRY(account_parse_jid(&prepared, jid, "JABBERFILES_JID", account->pool));
    }
    if (url && !account->url) {
        JF_TRY(account_parse_url(&account->url, url, "JABBERFILES_URL", account->pool));
    }
    /* It belongs to the Jabber ID beside it: no other server may learn it. */
    int is_mine = !account->jid || strcmp(prepared, account->jid) == 0;
    account->jid = account->jid ? account->jid : prepared;
    if (password && is_mine) {
        account->password = apr_pstrdup(account->pool, password);
    }
    unsetenv("JABBERFILES_PASSWORD");
    return NULL;
}

static void take_password(account_t *account, const config_file_t *config)
{
    account->password = account->password ? account->password : config->values[CONFIG_PASSWORD];
    account->password_file = config_file_resolve(config, config->values[CONFIG_PASSWORD_FILE]);
    account->password_command = config->values[CONFIG_PASSWORD_COMMAND];
}

/* What of the configuration is wrong is told even if something stronger stands over it. */
static jf_err_t *parse_config(account_t *configured, const config_file_t *config)
{
    const char *const *values = config->values;
    if (values[CONFIG_JID]) {
        JF_TRY(account_parse_jid(&configured->jid, values[CONFIG_JID],
                                 config_file_place(config, CONFIG_JID), configured->pool));
    }
    if (values[CONFIG_URL]) {
        JF_TRY(account_parse_url(&configured->url, values[CONFIG_URL],
                                 config_file_place(config, CONFIG_URL), configured->pool));
    }
    if (values[CONFIG_CONNECT]) {
        JF_TRY(take_connect(configured, values[CONFIG_CONNECT],
                            config_file_place(config, CONFIG_CONNECT)));
    }
    if (values[CONFIG_TLS]) {
        JF_TRY(take_tls(configured, values[CONFIG_TLS], config_file_place(config, CONFIG_TLS)));
    }
    return NULL;
}

static int is_same_domain(const char *jid, const char *other)
{
    return strcmp(jf_jid_domain(jid), jf_jid_domain(other)) == 0;
}

/* Servers of another domain are not those of this account: they may not see its password. */
static void take_servers(account_t *account, const account_t *configured)
{
    if (!account->url) {
        account->url = configured->url;
    }
    if (!account->connect_host) {
        account->connect_host = configured->connect_host;
        account->connect_port = configured->connect_port;
        account->is_direct_tls = account->is_direct_tls || configured->is_direct_tls;
    }
}

static jf_err_t *take_config(account_t *account, const config_file_t *config, int is_login)
{
    account_t configured = {.pool = account->pool};
    JF_TRY(parse_config(&configured, config));
    if (!account->ca) {
        account->ca = config_file_resolve(config, config->values[CONFIG_CA]);
    }
    if (!account->jid) {
        account->jid = configured.jid;
    }
    if (!account->jid || !configured.jid || is_same_domain(account->jid, configured.jid)) {
        take_servers(account, &configured);
    }
    /* login sets the password anew. */
    if (!is_login && account->jid && configured.jid && strcmp(account->jid, configured.jid) == 0) {
        take_password(account, config);
    }
    return NULL;
}

jf_err_t *account_load(account_t **account_out, const options_t *options, apr_pool_t *pool)
{
    account_t *account = apr_pcalloc(pool, sizeof(*account));
    config_file_t *config = NULL;
    const char *path = NULL;
    int is_login = (options->command->groups & CLI_GROUP_LOGIN) != 0;
    *account_out = account;
    account->pool = pool;
    JF_TRY(take_options(account, options, is_login));
    JF_TRY(take_environment(account));
    if (config_file_path(&path, options->config, pool)) {
        return NULL; /* a service may have no home: the environment can say everything */
    }
    JF_TRY(config_file_read(&config, path, pool));
    if (options->config && !config->exists && !is_login) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                           "there is no configuration %s; \"jabberfiles login\" with the same "
                           "option makes it",
                           path);
    }
    return take_config(account, config, is_login);
}

/* ---- what a command needs ---- */

jf_err_t *account_need_jid(const account_t *account)
{
    return account->jid ? NULL
                        : jf_err_make(JF_ERR_INVALID, APR_SUCCESS, account->pool,
                                      "no Jabber ID is known: run \"jabberfiles login\", or set "
                                      "JABBERFILES_JID");
}

jf_err_t *account_need_url(const account_t *account)
{
    return account->url ? NULL
                        : jf_err_make(JF_ERR_INVALID, APR_SUCCESS, account->pool,
                                      "no file area is known: run \"jabberfiles login\" and give "
                                      "its URL, or set JABBERFILES_URL");
}
