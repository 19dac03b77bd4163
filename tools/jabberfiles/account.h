/**
 * Whose tool this is: Jabber ID, password, and where the file area is.
 *
 * From the command line, the environment (JABBERFILES_JID, JABBERFILES_PASSWORD, JABBERFILES_URL)
 * and the configuration file, in this order. The password never comes from the command line.
 */
#ifndef ACCOUNT_H
#define ACCOUNT_H

#include "cli_options.h"
#include "jf_err.h"

typedef struct account_t {
    const char *jid;          /**< prepared bare JID, or NULL */
    const char *url;          /**< BASE of the areas, without slash at its end, or NULL */
    const char *connect_host; /**< of the Jabber server, or NULL: found by SRV records */
    int connect_port;
    int is_direct_tls; /**< the Jabber server speaks TLS from the first byte (XEP-0368) */
    const char *ca;    /**< PEM file of an authority that is trusted, too, or NULL */

    /* where the password comes from; for account_password alone */
    const char *password;
    const char *password_file;
    const char *password_command;
    apr_pool_t *pool;
} account_t;

/**
 * Puts the account together; reads the configuration file if there is one.
 * @return JF_ERR_INVALID naming file, line and what would be right; JF_ERR_FORBIDDEN for a
 * configuration file that others may read and that has a password
 */
jf_err_t *account_load(account_t **account, const options_t *options, apr_pool_t *pool);

/**
 * The password: from the environment, the configuration, a file, a command, or asked on the
 * terminal without echo, once.
 * @param password lives as long as the account. Never to be logged or shown.
 * @return JF_ERR_INVALID saying where a password could come from
 */
jf_err_t *account_password(const char **password, account_t *account);

/** @return JF_ERR_INVALID that says how to tell the Jabber ID, if the account has none */
jf_err_t *account_need_jid(const account_t *account);

/** @return JF_ERR_INVALID that says how to tell the URL, if the account has none */
jf_err_t *account_need_url(const account_t *account);

/** The URL of the account's own area, "URL/JID/", or of the file @a path in it; percent-encoded. */
const char *account_area_url(const account_t *account, const char *path, apr_pool_t *pool);

/** 1 if @a url lies in the account's own area. */
int account_owns_url(const account_t *account, const char *url);

#endif
