#include "jf_token.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include <apr_encode.h>

#define TOKEN_BYTES 16

static jf_err_t *draw_bytes(unsigned char bytes[TOKEN_BYTES], apr_pool_t *pool)
{
    ssize_t drawn;
    do {
        drawn = getrandom(bytes, TOKEN_BYTES, 0);
    } while (drawn == -1 && errno == EINTR);
    if (drawn != TOKEN_BYTES) {
        return jf_err_from_system(drawn == -1 ? errno : APR_EGENERAL, pool,
                                  "the kernel gave no random bytes");
    }
    return NULL;
}

jf_err_t *jf_token_link(const char **token, apr_pool_t *pool)
{
    unsigned char bytes[TOKEN_BYTES];
    JF_TRY(draw_bytes(bytes, pool));
    *token = apr_pencode_base64_binary(pool, bytes, sizeof(bytes), APR_ENCODE_BASE64URL, NULL);
    return NULL;
}

jf_err_t *jf_token_hex(const char **name, apr_pool_t *pool)
{
    unsigned char bytes[TOKEN_BYTES];
    JF_TRY(draw_bytes(bytes, pool));
    *name = apr_pencode_base16_binary(pool, bytes, sizeof(bytes), APR_ENCODE_LOWER, NULL);
    return NULL;
}

int jf_token_is_hex(const char *name)
{
    return strspn(name, "0123456789abcdef") == JF_TOKEN_HEX_CHARS &&
           name[JF_TOKEN_HEX_CHARS] == '\0';
}
