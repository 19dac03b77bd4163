/**
 * The SOCKS5 (RFC 1928) of XEP-0065 as the client sees it: no authentication, CONNECT to a "domain
 * name" that is the hash of the stream, and port 0. Pure: knows no socket.
 */
#ifndef BYTESTREAM_SOCKS_H
#define BYTESTREAM_SOCKS_H

#include <stddef.h>

/** Length of the hash that names a stream, in lower-case hexadecimal digits. */
#define BYTESTREAM_HASH_CHARS 40

#define BYTESTREAM_GREETING_BYTES 3
#define BYTESTREAM_REQUEST_BYTES (4 + 1 + BYTESTREAM_HASH_CHARS + 2)

/** A piece of an answer is never longer. */
#define BYTESTREAM_PIECE_BYTES_MAX (255 + 2)

/** What is to be done after some bytes of the answers were taken. */
typedef enum {
    BYTESTREAM_SOCKS_MORE,      /**< wait for more bytes */
    BYTESTREAM_SOCKS_REQUEST,   /**< the greeting is accepted: send the request */
    BYTESTREAM_SOCKS_CONNECTED, /**< what comes now is not SOCKS any more */
    BYTESTREAM_SOCKS_REFUSED,   /**< see bytestream_socks_words */
} bytestream_socks_step_t;

/** Answers as they come; begun by bytestream_socks_begin. */
typedef struct bytestream_socks_t {
    int state;
    int code; /**< of a refusal */
    size_t have_bytes;
    size_t need_bytes;
    unsigned char piece[BYTESTREAM_PIECE_BYTES_MAX];
} bytestream_socks_t;

/**
 * The hash of a stream (stream_hash.h) in digits.
 * @param hash room for BYTESTREAM_HASH_CHARS digits and a NUL. @return 0 if there is no SHA-1 here
 */
int bytestream_hash(char *hash, const char *sid, const char *requester, const char *target);

/** 1 if @a text is such a hash, in digits of either case. */
int bytestream_is_hash(const char *text);

/** What to send first. @param greeting room for BYTESTREAM_GREETING_BYTES. */
void bytestream_socks_begin(bytestream_socks_t *socks, unsigned char *greeting);

/** What to send next. @param request room for BYTESTREAM_REQUEST_BYTES. */
void bytestream_socks_request(unsigned char *request, const char *hash);

/** So many bytes the answer has at least that have not been taken yet: who reads no more than that
 * reads nothing of the stream. */
size_t bytestream_socks_wants(const bytestream_socks_t *socks);

/** Takes bytes, bytestream_socks_wants of them at most. */
bytestream_socks_step_t bytestream_socks_take(bytestream_socks_t *socks, const unsigned char *bytes,
                                              size_t length);

/** Why it was refused, for people: what the proxy does. */
const char *bytestream_socks_words(const bytestream_socks_t *socks);

#endif
