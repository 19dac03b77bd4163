/**
 * The SOCKS5 (RFC 1928) of XEP-0065 as the server sees it: a greeting without authentication, then
 * a request to CONNECT to a "domain name" of 40 hexadecimal digits and port 0.
 *
 * A parser that takes bytes in pieces of any size, knows no socket and needs no memory but itself.
 */
#ifndef RELAY_SOCKS5_H
#define RELAY_SOCKS5_H

#include <stddef.h>

/** Length of the hash that names a stream, in hexadecimal digits and in bytes. */
#define RELAY_HASH_CHARS 40
#define RELAY_HASH_BYTES 20

/** The longest answer. */
#define RELAY_SOCKS5_ANSWER_BYTES_MAX (4 + 1 + RELAY_HASH_CHARS + 2)

/** Codes of answers to a request (RFC 1928 section 6). */
enum {
    RELAY_SOCKS5_GRANTED = 0,
    RELAY_SOCKS5_FAILURE = 1,
    RELAY_SOCKS5_NOT_ALLOWED = 2,
    RELAY_SOCKS5_WRONG_COMMAND = 7,
    RELAY_SOCKS5_WRONG_ADDRESS_TYPE = 8,
    RELAY_SOCKS5_NO_METHOD = 0xFF, /**< of a greeting (section 3) */
};

/** What is to be done after some bytes were taken. */
typedef enum {
    RELAY_SOCKS5_MORE,    /**< wait for more bytes */
    RELAY_SOCKS5_METHOD,  /**< send the answer to the greeting, go on */
    RELAY_SOCKS5_REQUEST, /**< a whole request is there: decide, answer, feed no more */
    RELAY_SOCKS5_REFUSED, /**< send the answer with the code that the parser has, and close */
} relay_socks5_step_t;

/** Starts as zeroes. */
typedef struct relay_socks5_t {
    unsigned char state;
    unsigned char left;    /**< bytes that are missing of what has a length */
    unsigned char is_open; /**< the greeting offers to go without authentication */
    unsigned char code;    /**< of the answer after RELAY_SOCKS5_REFUSED */
    char address[RELAY_HASH_CHARS];
} relay_socks5_t;

/**
 * Takes bytes until something is to be done.
 * @param taken set to how many of them; those behind are for the next call.
 */
relay_socks5_step_t relay_socks5_feed(relay_socks5_t *parser, size_t *taken,
                                      const unsigned char *bytes, size_t length);

/**
 * Writes the answer that belongs to @a step.
 * @param answer room for RELAY_SOCKS5_ANSWER_BYTES_MAX bytes.
 * @param code of the answer to a whole request; not looked at after other steps.
 * @return its length.
 */
size_t relay_socks5_answer(unsigned char *answer, const relay_socks5_t *parser,
                           relay_socks5_step_t step, int code);

/** Writes the hash of a whole request, RELAY_HASH_BYTES bytes: digits of either case mean the
 * same stream. */
void relay_socks5_hash(unsigned char *hash, const relay_socks5_t *parser);

#endif
