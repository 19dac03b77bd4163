#include "part_digest.h"

#include <string.h>

#include <openssl/evp.h>

struct part_digest_t {
    EVP_MD_CTX *sha256;
    EVP_MD_CTX *sha3; /**< or NULL */
};

static jf_err_t *failed(apr_pool_t *pool)
{
    return jf_err_make(JF_ERR_IO, APR_SUCCESS, pool,
                       "libcrypto cannot compute the digest of the download");
}

static apr_status_t release(void *digest)
{
    EVP_MD_CTX_free(((part_digest_t *)digest)->sha256);
    EVP_MD_CTX_free(((part_digest_t *)digest)->sha3);
    return APR_SUCCESS;
}

jf_err_t *part_digest_make(part_digest_t **digest, int wants_sha3, apr_pool_t *pool)
{
    *digest = apr_pcalloc(pool, sizeof(**digest));
    (*digest)->sha256 = EVP_MD_CTX_new();
    (*digest)->sha3 = wants_sha3 ? EVP_MD_CTX_new() : NULL;
    apr_pool_cleanup_register(pool, *digest, release, apr_pool_cleanup_null);
    if (!(*digest)->sha256 || (wants_sha3 && !(*digest)->sha3)) {
        return failed(pool);
    }
    return part_digest_reset(*digest, pool);
}

jf_err_t *part_digest_reset(part_digest_t *digest, apr_pool_t *pool)
{
    if (!EVP_DigestInit_ex(digest->sha256, EVP_sha256(), NULL) ||
        (digest->sha3 && !EVP_DigestInit_ex(digest->sha3, EVP_sha3_256(), NULL))) {
        return failed(pool);
    }
    return NULL;
}

jf_err_t *part_digest_update(part_digest_t *digest, const void *data, size_t size, apr_pool_t *pool)
{
    if (!EVP_DigestUpdate(digest->sha256, data, size) ||
        (digest->sha3 && !EVP_DigestUpdate(digest->sha3, data, size))) {
        return failed(pool);
    }
    return NULL;
}

jf_err_t *part_digest_end(unsigned char *sha256, unsigned char *sha3, part_digest_t *digest,
                          apr_pool_t *pool)
{
    memset(sha3, 0, PART_SHA3_BYTES);
    if (!EVP_DigestFinal_ex(digest->sha256, sha256, NULL) ||
        (digest->sha3 && !EVP_DigestFinal_ex(digest->sha3, sha3, NULL))) {
        return failed(pool);
    }
    return NULL;
}
