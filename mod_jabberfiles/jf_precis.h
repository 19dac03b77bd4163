/**
 * The Unicode rules of JIDs: the PRECIS profile of the localpart and the mapping of domain names.
 *
 * Pure functions, usable in any thread. Plain ASCII does not need them: see jf_jid.c.
 */
#ifndef JF_PRECIS_H
#define JF_PRECIS_H

#include "jf_err.h"

/**
 * Enforces the profile UsernameCaseMapped (RFC 8265 section 3.3): width mapping, characters of the
 * IdentifierClass (RFC 8264) only, contextual rules, lower case, NFC, Bidi rule.
 * @param text not empty; anything may be in it.
 * @param username the result in @a pool.
 * @return JF_ERR_INVALID naming the first character that is wrong.
 */
jf_err_t *jf_precis_enforce_username(const char **username, const char *text, apr_pool_t *pool);

/**
 * Maps what people type as a domain name to what IDNA2008 accepts (RFC 5895): lower case, no
 * full-width or half-width variants, NFC, ideographic full stop as ".". Refuses nothing but text
 * that is not UTF-8.
 * @param mapped the result in @a pool; not yet checked.
 */
jf_err_t *jf_precis_map_domain(const char **mapped, const char *text, apr_pool_t *pool);

#endif
