/**
 * Names that nobody can guess, or that never meet: from the kernel's random source (getrandom(2)).
 *
 * Those that the ledger has an index of begin with the time: what is made at about the same time
 * then lies side by side in the index, and a ledger with a million files is as fast as an empty
 * one.
 */
#ifndef JF_TOKEN_H
#define JF_TOKEN_H

#include <apr_time.h>

#include "jf_err.h"

/** Length of a link token: the time and 128 random bits in base64url (RFC 4648 section 5). */
#define JF_TOKEN_LINK_CHARS 28
/** Length of a nonce: 128 random bits in base64url without padding. */
#define JF_TOKEN_NONCE_CHARS 22
/** Length of an object or instance name, in lower-case hex. */
#define JF_TOKEN_HEX_CHARS 32

/** Makes a link token in @a pool. @return JF_ERR_IO if the kernel gives no random bytes. */
jf_err_t *jf_token_link(const char **token, apr_time_t now_us, apr_pool_t *pool);

/** Makes a nonce in @a pool. @return as jf_token_link. */
jf_err_t *jf_token_nonce(const char **nonce, apr_pool_t *pool);

/** Makes an instance name, 128 random bits, in @a pool. @return as jf_token_link. */
jf_err_t *jf_token_hex(const char **name, apr_pool_t *pool);

/**
 * Makes an object name in @a pool: the directory of the store that it goes to, which is another one
 * after a while, the time, and 80 random bits. @return as jf_token_link.
 */
jf_err_t *jf_token_object(const char **name, apr_time_t now_us, apr_pool_t *pool);

/** 1 if @a name has the form that jf_token_hex and jf_token_object make. */
int jf_token_is_hex(const char *name);

#endif
