/*
 * The input is what a client says, in hexadecimal, since it has zeroes: two digits make a byte, and
 * everything else is skipped.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include <apr_pools.h>

#include "relay_socks5.h"

/** What came out of a conversation. */
typedef struct outcome_t {
    relay_socks5_step_t step;
    size_t taken;
    int answers;
    relay_socks5_t parser;
} outcome_t;

static int value_of(char digit)
{
    static const char digits[] = "0123456789abcdef";
    const char *found = digit ? strchr(digits, digit) : NULL;
    return found ? (int)(found - digits) : -1;
}

static size_t decode(unsigned char *bytes, const char *text)
{
    size_t length = 0;
    int high = -1;
    for (; *text; text++) {
        int value = value_of(*text);
        if (value >= 0 && high >= 0) {
            bytes[length++] = (unsigned char)(high * 16 + value);
            high = -1;
        } else if (value >= 0) {
            high = value;
        }
    }
    return length;
}

static void check_answer(const outcome_t *outcome)
{
    unsigned char answer[RELAY_SOCKS5_ANSWER_BYTES_MAX];
    size_t length =
        relay_socks5_answer(answer, &outcome->parser, outcome->step, RELAY_SOCKS5_GRANTED);
    FUZZ_CHECK(length == 2 || length == 10 || length == sizeof(answer));
    FUZZ_CHECK(answer[0] == 5);
    FUZZ_CHECK((outcome->step == RELAY_SOCKS5_REFUSED) == (answer[1] != 0));
    FUZZ_CHECK((outcome->step == RELAY_SOCKS5_REQUEST) == (length == sizeof(answer)));
}

/** Feeds pieces of @a size bytes, each from memory of its exact size. */
static outcome_t converse(const unsigned char *bytes, size_t length, size_t size)
{
    outcome_t outcome = {.step = RELAY_SOCKS5_MORE};
    while (outcome.taken < length &&
           (outcome.step == RELAY_SOCKS5_MORE || outcome.step == RELAY_SOCKS5_METHOD)) {
        size_t count = length - outcome.taken < size ? length - outcome.taken : size;
        size_t taken = 0;
        unsigned char *piece = malloc(count);
        FUZZ_CHECK(piece);
        memcpy(piece, bytes + outcome.taken, count);
        outcome.step = relay_socks5_feed(&outcome.parser, &taken, piece, count);
        free(piece);
        FUZZ_CHECK(taken > 0 && taken <= count);
        outcome.taken += taken;
        if (outcome.step != RELAY_SOCKS5_MORE) {
            outcome.answers++;
            check_answer(&outcome);
        }
    }
    return outcome;
}

/** A request that was taken has all that XEP-0065 wants, at its end. */
static void check_request(const unsigned char *bytes, const outcome_t *outcome)
{
    static const unsigned char head[] = {5, 1, 0, 3, RELAY_HASH_CHARS};
    unsigned char hash[RELAY_HASH_BYTES];
    size_t request_bytes = sizeof(head) + RELAY_HASH_CHARS + 2;
    FUZZ_CHECK(outcome->answers == 2);
    FUZZ_CHECK(outcome->taken >= request_bytes + 3);
    const unsigned char *request = bytes + outcome->taken - request_bytes;
    FUZZ_CHECK(memcmp(request, head, sizeof(head)) == 0);
    FUZZ_CHECK(request[request_bytes - 1] == 0 && request[request_bytes - 2] == 0);
    relay_socks5_hash(hash, &outcome->parser);
    for (int i = 0; i < RELAY_HASH_CHARS; i++) {
        char digit = (char)request[sizeof(head) + (size_t)i];
        int value = value_of(digit >= 'A' && digit <= 'F' ? (char)(digit - 'A' + 'a') : digit);
        FUZZ_CHECK(value == (i % 2 ? hash[i / 2] & 15 : hash[i / 2] >> 4));
    }
}

void fuzz_one(const char *text, apr_pool_t *pool)
{
    unsigned char *bytes = apr_palloc(pool, strlen(text) / 2 + 1);
    size_t length = decode(bytes, text);
    outcome_t whole = converse(bytes, length, length + 1);
    FUZZ_CHECK(whole.taken <= 2 + 255 + RELAY_SOCKS5_ANSWER_BYTES_MAX);
    if (whole.step == RELAY_SOCKS5_REQUEST) {
        check_request(bytes, &whole);
    }
    for (size_t size = 1; size <= 7; size++) {
        outcome_t pieces = converse(bytes, length, size);
        FUZZ_CHECK(pieces.step == whole.step && pieces.taken == whole.taken);
        FUZZ_CHECK(memcmp(&pieces.parser, &whole.parser, sizeof(whole.parser)) == 0);
    }
}
