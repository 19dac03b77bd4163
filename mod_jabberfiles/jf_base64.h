/**
 * Base64 (RFC 4648 section 4), strict: no white space, no missing or superfluous padding.
 */
#ifndef JF_BASE64_H
#define JF_BASE64_H

#include <stddef.h>

#include "jf_err.h"

/** Encodes @a length bytes; the text is in @a pool. */
const char *jf_base64_encode(const void *bytes, apr_size_t length, apr_pool_t *pool);

/**
 * Decodes @a length characters of @a text.
 * @param bytes set to the bytes in @a pool, with a NUL after them that is not counted.
 * @param bytes_length set to their number.
 * @return JF_ERR_INVALID if @a text is not exactly what jf_base64_encode would write.
 */
jf_err_t *jf_base64_decode(char **bytes, apr_size_t *bytes_length, const char *text,
                           apr_size_t length, apr_pool_t *pool);

#endif
