#include "bytestream_socks.h"

#include <string.h>

#include <apr_encode.h>

#include "jf_ascii.h"
#include "stream_hash.h"

#define VERSION 5
#define NO_AUTHENTICATION 0
#define CONNECT 1
#define IPV4 1
#define DOMAIN 3
#define IPV6 4
#define PORT_BYTES 2

/* The code of what is not SOCKS5 at all; those of RFC 1928 are below 256. */
#define NONSENSE 256
#define NO_METHOD 257

enum {
    METHOD, /* version and method */
    HEAD,   /* version, code, a zero, type of address, its first byte */
    TAIL,   /* the rest of the address, and a port */
    OVER,
};

#define METHOD_BYTES 2
#define HEAD_BYTES 5

int bytestream_hash(char *hash, const char *sid, const char *requester, const char *target)
{
    unsigned char bytes[STREAM_HASH_BYTES] = {0};
    int is_done = stream_hash(bytes, sid, requester, target);
    apr_encode_base16_binary(hash, bytes, sizeof(bytes), APR_ENCODE_LOWER, NULL);
    return is_done;
}

int bytestream_is_hash(const char *text)
{
    size_t length = 0;
    for (; text[length]; length++) {
        char c = jf_ascii_lower(text[length]);
        if (!jf_ascii_is_digit(c) && (c < 'a' || c > 'f')) {
            return 0;
        }
    }
    return length == BYTESTREAM_HASH_CHARS;
}

/* ---- what is sent ---- */

static void expect(bytestream_socks_t *socks, int state, size_t bytes)
{
    socks->state = state;
    socks->have_bytes = 0;
    socks->need_bytes = bytes;
}

void bytestream_socks_begin(bytestream_socks_t *socks, unsigned char *greeting)
{
    static const unsigned char bytes[] = {VERSION, 1, NO_AUTHENTICATION};
    memset(socks, 0, sizeof(*socks));
    memcpy(greeting, bytes, BYTESTREAM_GREETING_BYTES);
    expect(socks, METHOD, METHOD_BYTES);
}

void bytestream_socks_request(unsigned char *request, const char *hash)
{
    static const unsigned char head[] = {VERSION, CONNECT, 0, DOMAIN, BYTESTREAM_HASH_CHARS};
    memset(request, 0, BYTESTREAM_REQUEST_BYTES);
    memcpy(request, head, sizeof(head));
    memcpy(request + sizeof(head), hash, BYTESTREAM_HASH_CHARS);
}

/* ---- what is answered ---- */

static bytestream_socks_step_t refuse(bytestream_socks_t *socks, int code)
{
    expect(socks, OVER, 0);
    socks->code = code;
    return BYTESTREAM_SOCKS_REFUSED;
}

static bytestream_socks_step_t read_method(bytestream_socks_t *socks)
{
    if (socks->piece[0] != VERSION) {
        return refuse(socks, NONSENSE);
    }
    if (socks->piece[1] != NO_AUTHENTICATION) {
        return refuse(socks, NO_METHOD);
    }
    expect(socks, HEAD, HEAD_BYTES);
    return BYTESTREAM_SOCKS_REQUEST;
}

/* What is left of an address whose first byte, of a name its length, is there. */
static size_t rest_of_address(int type, size_t first)
{
    switch (type) {
    case IPV4:
        return 4 - 1;
    case IPV6:
        return 16 - 1;
    default:
        return first;
    }
}

/* The address is of no use: the stream goes to where it was asked to go, or the proxy lies. */
static bytestream_socks_step_t read_head(bytestream_socks_t *socks)
{
    int type = socks->piece[3];
    if (socks->piece[0] != VERSION) {
        return refuse(socks, NONSENSE);
    }
    if (socks->piece[1] != 0) {
        return refuse(socks, socks->piece[1]);
    }
    if (type != IPV4 && type != DOMAIN && type != IPV6) {
        return refuse(socks, NONSENSE);
    }
    expect(socks, TAIL, rest_of_address(type, socks->piece[4]) + PORT_BYTES);
    return BYTESTREAM_SOCKS_MORE;
}

size_t bytestream_socks_wants(const bytestream_socks_t *socks)
{
    return socks->need_bytes - socks->have_bytes;
}

bytestream_socks_step_t bytestream_socks_take(bytestream_socks_t *socks, const unsigned char *bytes,
                                              size_t length)
{
    memcpy(socks->piece + socks->have_bytes, bytes, length);
    socks->have_bytes += length;
    if (socks->have_bytes < socks->need_bytes) {
        return BYTESTREAM_SOCKS_MORE;
    }
    switch (socks->state) {
    case METHOD:
        return read_method(socks);
    case HEAD:
        return read_head(socks);
    default:
        expect(socks, OVER, 0);
        return BYTESTREAM_SOCKS_CONNECTED;
    }
}

const char *bytestream_socks_words(const bytestream_socks_t *socks)
{
    switch (socks->code) {
    case NONSENSE:
        return "does not speak SOCKS5";
    case NO_METHOD:
        return "wants a password";
    case 2:
        return "does not allow it";
    case 3:
    case 4:
    case 5:
        return "does not know the stream";
    default:
        return "refuses the stream";
    }
}
