/**
 * What the parts of account share.
 */
#ifndef ACCOUNT_PRIVATE_H
#define ACCOUNT_PRIVATE_H

#include "account.h"

/**
 * Checks the URL of the file areas: https, or http to this machine, for tunnels and tests.
 * @param base without slash at its end.
 * @param place where it was said, for the error: "--url".
 * @return JF_ERR_INVALID
 */
jf_err_t *account_parse_url(const char **base, const char *text, const char *place,
                            apr_pool_t *pool);

/** Prepares the account's Jabber ID; "xmpp:" before it is taken off. @return JF_ERR_INVALID */
jf_err_t *account_parse_jid(const char **jid, const char *text, const char *place,
                            apr_pool_t *pool);

/**
 * Takes a password from the first line of a text.
 * @param place where the text came from, for the error.
 * @return JF_ERR_INVALID if there is none, or one that is too long
 */
jf_err_t *account_password_line(const char **password, const char *text, const char *place,
                                apr_pool_t *pool);

#endif
