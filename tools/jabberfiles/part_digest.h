/**
 * The digests of a download, computed while it is written.
 */
#ifndef PART_DIGEST_H
#define PART_DIGEST_H

#include "jf_digest.h"

#define PART_SHA3_BYTES 32

typedef struct part_digest_t part_digest_t;

/** Makes digests of nothing. @param wants_sha3 also SHA3-256 */
jf_err_t *part_digest_make(part_digest_t **digest, int wants_sha3, apr_pool_t *pool);

/** Forgets all bytes. */
jf_err_t *part_digest_reset(part_digest_t *digest, apr_pool_t *pool);

jf_err_t *part_digest_update(part_digest_t *digest, const void *data, size_t size,
                             apr_pool_t *pool);

/**
 * Ends it; no more bytes can be added then.
 * @param sha3 PART_SHA3_BYTES bytes, zero if they were not wanted
 */
jf_err_t *part_digest_end(unsigned char *sha256, unsigned char *sha3, part_digest_t *digest,
                          apr_pool_t *pool);

#endif
