/**
 * Passwords in the form that servers hash (RFC 4013, SASLprep, by libidn).
 */
#ifndef XMPP_SASLPREP_H
#define XMPP_SASLPREP_H

#include "jf_err.h"

/**
 * Prepares a password.
 * @param prepared set to a copy in @a pool, which is wiped when the pool goes.
 * @return JF_ERR_INVALID if @a password is empty, becomes empty, is longer than 1024 bytes when
 * prepared, is not UTF-8, or has characters that SASLprep prohibits: no account can have it.
 * JF_ERR_IO if there is no memory. The text never contains the password.
 */
jf_err_t *xmpp_saslprep(const char **prepared, const char *password, apr_pool_t *pool);

#endif
