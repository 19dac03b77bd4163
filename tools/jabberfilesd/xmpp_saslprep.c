#include "xmpp_saslprep.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <stringprep.h>
#include <unistr.h>

#include "jf_ascii.h"
#include "jf_secret.h"

#define PREPARED_BYTES_MAX 1024

static jf_err_t *keep(const char **prepared, const char *text, apr_pool_t *pool)
{
    if (text[0] == '\0') {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool, "the password is empty");
    }
    if (strlen(text) > PREPARED_BYTES_MAX) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                           "the password is longer than %d bytes", PREPARED_BYTES_MAX);
    }
    *prepared = jf_secret_copy(text, pool);
    return NULL;
}

static int is_printable(const char *text)
{
    while (jf_ascii_is_printable(*text)) {
        text++;
    }
    return *text == '\0';
}

/**
 * Without STRINGPREP_NO_UNASSIGNED: RFC 4013 section 2.5 lets a query, which a login is, have
 * characters newer than its tables, and people have emoji in their passwords.
 */
static jf_err_t *prepare_unicode(const char **prepared, const char *password, apr_pool_t *pool)
{
    char *result;
    int code = stringprep_profile(password, &result, "SASLprep", 0);
    if (code == STRINGPREP_MALLOC_ERROR) {
        return jf_err_from_system(APR_ENOMEM, pool, "cannot prepare a password");
    }
    if (code != STRINGPREP_OK) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                           "the password has characters that no password can have (RFC 4013)");
    }
    jf_err_t *err = keep(prepared, result, pool);
    OPENSSL_cleanse(result, strlen(result));
    free(result);
    return err;
}

jf_err_t *xmpp_saslprep(const char **prepared, const char *password, apr_pool_t *pool)
{
    /* It stays as it is, and libidn leaves no copies of it on the heap. */
    if (is_printable(password)) {
        return keep(prepared, password, pool);
    }
    if (u8_check((const uint8_t *)password, strlen(password))) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool, "the password is not valid UTF-8");
    }
    return prepare_unicode(prepared, password, pool);
}
