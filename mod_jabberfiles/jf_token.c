#include "jf_token.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include <apr_encode.h>

#define RANDOM_BYTES 16
#define TIME_BYTES 5
#define LINK_BYTES (TIME_BYTES + RANDOM_BYTES)
/* Milliseconds for short; 5 bytes of them come again after 35 years, which does no harm. */
#define TIME_SHIFT 10
/* 256 directories of the store take turns of a quarter of a minute: a file system is fastest where
 * it has just been. */
#define TURN_SHIFT (TIME_SHIFT + 14)

static jf_err_t *draw_bytes(unsigned char *bytes, size_t size, apr_pool_t *pool)
{
    ssize_t drawn;
    do {
        drawn = getrandom(bytes, size, 0);
    } while (drawn == -1 && errno == EINTR);
    if (drawn != (ssize_t)size) {
        return jf_err_from_system(drawn == -1 ? errno : APR_EGENERAL, pool,
                                  "the kernel gave no random bytes");
    }
    return NULL;
}

static void put_time(unsigned char bytes[TIME_BYTES], apr_time_t now_us)
{
    apr_uint64_t time = (apr_uint64_t)now_us >> TIME_SHIFT;
    for (int i = TIME_BYTES; i-- > 0; time >>= 8) {
        bytes[i] = (unsigned char)time;
    }
}

static const char *base64url(const unsigned char *bytes, size_t size, apr_pool_t *pool)
{
    return apr_pencode_base64_binary(pool, bytes, (apr_ssize_t)size, APR_ENCODE_BASE64URL, NULL);
}

static const char *hex(const unsigned char *bytes, size_t size, apr_pool_t *pool)
{
    return apr_pencode_base16_binary(pool, bytes, (apr_ssize_t)size, APR_ENCODE_LOWER, NULL);
}

jf_err_t *jf_token_link(const char **token, apr_time_t now_us, apr_pool_t *pool)
{
    unsigned char bytes[LINK_BYTES];
    put_time(bytes, now_us);
    JF_TRY(draw_bytes(bytes + TIME_BYTES, RANDOM_BYTES, pool));
    *token = base64url(bytes, sizeof(bytes), pool);
    return NULL;
}

jf_err_t *jf_token_nonce(const char **nonce, apr_pool_t *pool)
{
    unsigned char bytes[RANDOM_BYTES];
    JF_TRY(draw_bytes(bytes, sizeof(bytes), pool));
    *nonce = base64url(bytes, sizeof(bytes), pool);
    return NULL;
}

jf_err_t *jf_token_hex(const char **name, apr_pool_t *pool)
{
    unsigned char bytes[RANDOM_BYTES];
    JF_TRY(draw_bytes(bytes, sizeof(bytes), pool));
    *name = hex(bytes, sizeof(bytes), pool);
    return NULL;
}

jf_err_t *jf_token_object(const char **name, apr_time_t now_us, apr_pool_t *pool)
{
    unsigned char bytes[RANDOM_BYTES];
    bytes[0] = (unsigned char)(now_us >> TURN_SHIFT);
    put_time(bytes + 1, now_us);
    JF_TRY(draw_bytes(bytes + 1 + TIME_BYTES, sizeof(bytes) - 1 - TIME_BYTES, pool));
    *name = hex(bytes, sizeof(bytes), pool);
    return NULL;
}

int jf_token_is_hex(const char *name)
{
    return strspn(name, "0123456789abcdef") == JF_TOKEN_HEX_CHARS &&
           name[JF_TOKEN_HEX_CHARS] == '\0';
}
