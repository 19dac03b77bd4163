#include "jf_base64.h"

#include <limits.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

const char *jf_base64_encode(const void *bytes, apr_size_t length, apr_pool_t *pool)
{
    unsigned char *text = apr_palloc(pool, (length + 2) / 3 * 4 + 1);
    EVP_EncodeBlock(text, bytes, (int)length);
    return (const char *)text;
}

static apr_size_t padding_of(const char *text, apr_size_t length)
{
    if (length == 0 || text[length - 1] != '=') {
        return 0;
    }
    return text[length - 2] == '=' ? 2 : 1;
}

/* libcrypto's decoder forgives white space and bits that are lost; what it wrote, encoded again,
 * has to be what was read. */
jf_err_t *jf_base64_decode(char **bytes, apr_size_t *bytes_length, const char *text,
                           apr_size_t length, apr_pool_t *pool)
{
    if (length % 4 != 0 || length > INT_MAX / 2) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool, "not base64");
    }
    char *decoded = apr_palloc(pool, length / 4 * 3 + 1);
    int got = EVP_DecodeBlock((unsigned char *)decoded, (const unsigned char *)text, (int)length);
    apr_size_t padding = padding_of(text, length);
    if (got < (int)padding) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool, "not base64");
    }
    apr_size_t count = (apr_size_t)got - padding;
    char *again = (char *)jf_base64_encode(decoded, count, pool);
    int is_same = strlen(again) == length && memcmp(again, text, length) == 0;
    OPENSSL_cleanse(again, strlen(again)); /* it may be a password */
    if (!is_same) {
        OPENSSL_cleanse(decoded, count);
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool, "not base64");
    }
    decoded[count] = '\0';
    *bytes = decoded;
    *bytes_length = count;
    return NULL;
}
