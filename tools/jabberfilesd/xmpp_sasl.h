/**
 * One SASL exchange (RFC 6120 section 6, RFC 4616, RFC 5802) as texts: what the server said goes
 * in, what it is told comes out, both in base64.
 */
#ifndef XMPP_SASL_H
#define XMPP_SASL_H

#include <apr_tables.h>

#include "jf_err.h"

typedef struct xmpp_sasl_t xmpp_sasl_t;

/**
 * Chooses the best mechanism: SCRAM with the longest hash; PLAIN last, and only if @a is_verified.
 * @param offered names of mechanisms, of const char *.
 * @param is_verified 1 inside TLS with a verified certificate.
 * @param user localpart; @param password as xmpp_saslprep made it; both live as long as the object.
 * @return JF_ERR_UNAVAILABLE if nothing suits, with what was offered in the text; JF_ERR_IO.
 */
jf_err_t *xmpp_sasl_create(xmpp_sasl_t **sasl, const apr_array_header_t *offered, int is_verified,
                           const char *user, const char *password, apr_pool_t *pool);

const char *xmpp_sasl_mechanism(const xmpp_sasl_t *sasl);

/** The initial response. */
const char *xmpp_sasl_initial(const xmpp_sasl_t *sasl);

/**
 * Takes a challenge. xmpp_sasl_work says when there is an answer.
 * @return JF_ERR_INVALID, with a text for the log, if the server breaks the protocol.
 */
jf_err_t *xmpp_sasl_challenge(xmpp_sasl_t *sasl, const char *text, apr_size_t length);

/**
 * Does a slice of a few milliseconds of the work for the answer.
 * @param response set to the answer once it is ready, else to NULL.
 */
jf_err_t *xmpp_sasl_work(const char **response, xmpp_sasl_t *sasl);

/**
 * Takes the text of <success/>.
 * @return NULL if the server is entitled to say so; JF_ERR_INVALID if it did not prove that it
 * knows the password.
 */
jf_err_t *xmpp_sasl_success(xmpp_sasl_t *sasl, const char *text, apr_size_t length);

#endif
