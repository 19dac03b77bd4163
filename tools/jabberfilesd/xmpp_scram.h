/**
 * The client's side of SCRAM (RFC 5802, RFC 7677), as steps that never block.
 *
 * Written on libcrypto because no library at hand does all that a verifier of passwords needs:
 * SHA-512, a limit on the server's iteration count, work in slices, and the check that the server
 * knows the password, too. No channel binding: the caller has verified the server's certificate.
 *
 * One object is one attempt, used by one thread: first, challenge, work until it is done, final,
 * verify. A text from the server is hostile until checked.
 */
#ifndef XMPP_SCRAM_H
#define XMPP_SCRAM_H

#include "jf_err.h"

/** Fewest and most iterations that a server may ask for (RFC 7677 section 4 for the fewest). */
#define XMPP_SCRAM_ITERATIONS_MIN 4096
#define XMPP_SCRAM_ITERATIONS_MAX 1000000

typedef struct xmpp_scram_t xmpp_scram_t;

/**
 * Begins an attempt.
 * @param mechanism "SCRAM-SHA-1", "SCRAM-SHA-256" or "SCRAM-SHA-512".
 * @param user localpart of the prepared JID, UTF-8; escaped here as RFC 5802 section 5.1 says.
 * @param password UTF-8, prepared by xmpp_saslprep; must live as long as the object.
 * @param nonce NULL for a random one (the normal case), or a fixed one for test vectors.
 * @param pool the object lives in it; what is secret is wiped when the pool goes.
 * @return JF_ERR_INVALID for another mechanism, JF_ERR_IO if there are no random bytes or libcrypto
 * fails.
 */
jf_err_t *xmpp_scram_create(xmpp_scram_t **scram, const char *mechanism, const char *user,
                            const char *password, const char *nonce, apr_pool_t *pool);

/** 1 if @a mechanism is one that xmpp_scram_create takes. */
int xmpp_scram_is_mechanism(const char *mechanism);

/** The client-first message, "n,,n=…,r=…". Lives as long as @a scram. */
const char *xmpp_scram_first(const xmpp_scram_t *scram);

/**
 * Takes the server-first message.
 * @param text need not end with NUL and may hold any bytes.
 * @return JF_ERR_INVALID with a text for the log if it is malformed, if its nonce does not go on
 * from ours, asks for an extension ("m="), for fewer than XMPP_SCRAM_ITERATIONS_MIN or for more
 * than XMPP_SCRAM_ITERATIONS_MAX iterations, or has a salt longer than 1024 bytes.
 */
jf_err_t *xmpp_scram_challenge(xmpp_scram_t *scram, const char *text, apr_size_t length);

/**
 * Does up to @a rounds of the iterations, about a microsecond each.
 * @param is_done set to 1 when all are done, else to 0.
 * @return JF_ERR_IO if libcrypto fails.
 */
jf_err_t *xmpp_scram_work(int *is_done, xmpp_scram_t *scram, apr_uint32_t rounds);

/** The client-final message "c=biws,r=…,p=…", after the work is done. Lives as long as @a scram. */
jf_err_t *xmpp_scram_final(const char **message, xmpp_scram_t *scram);

/**
 * Takes the server-final message and checks in constant time that the server knows the password.
 * @return NULL only for the right signature "v=…"; JF_ERR_INVALID with a text for the log for
 * anything else: another signature, "e=…", nothing, garbage.
 */
jf_err_t *xmpp_scram_verify(xmpp_scram_t *scram, const char *text, apr_size_t length);

#endif
