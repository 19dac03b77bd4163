/**
 * Unguessable names from the kernel's random source (getrandom(2)).
 */
#ifndef JF_TOKEN_H
#define JF_TOKEN_H

#include "jf_err.h"

/** Length of a link token: 128 random bits in base64url without padding (RFC 4648 section 5). */
#define JF_TOKEN_LINK_CHARS 22
/** Length of an object or instance name: 128 random bits in lower-case hex. */
#define JF_TOKEN_HEX_CHARS 32

/** Makes a link token in @a pool. @return JF_ERR_IO if the kernel gives no random bytes. */
jf_err_t *jf_token_link(const char **token, apr_pool_t *pool);

/** Makes an object or instance name in @a pool. @return as jf_token_link. */
jf_err_t *jf_token_hex(const char **name, apr_pool_t *pool);

/** 1 if @a name has the form that jf_token_hex makes. */
int jf_token_is_hex(const char *name);

#endif
