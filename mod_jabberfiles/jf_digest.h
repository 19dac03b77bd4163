/**
 * Digest fields (RFC 9530) for sha-256: Repr-Digest and Content-Digest.
 */
#ifndef JF_DIGEST_H
#define JF_DIGEST_H

#include "jf_err.h"

#define JF_SHA256_BYTES 32

/**
 * Reads the sha-256 member of a digest field, a dictionary of byte sequences (RFC 8941
 * section 3.2).
 * @param sha256 JF_SHA256_BYTES bytes, filled in if the member is there.
 * @param found set to 1 if it is, 0 if the field has only other algorithms. The last of several
 * members with one key counts, as the RFC says.
 * @param field the field value (several lines joined with ", ").
 * @return JF_ERR_INVALID if the field is no dictionary or sha-256 is not 32 bytes between colons.
 */
jf_err_t *jf_digest_parse(unsigned char *sha256, int *found, const char *field, apr_pool_t *pool);

/** "sha-256=:BASE64:" of JF_SHA256_BYTES bytes, in @a pool. */
const char *jf_digest_format(const unsigned char *sha256, apr_pool_t *pool);

#endif
