#include "relay_socks5.h"

#include <string.h>

#include "jf_ascii.h"

#define VERSION 5
#define METHOD_NO_AUTHENTICATION 0
#define COMMAND_CONNECT 1
#define ADDRESS_IPV4 1
#define ADDRESS_NAME 3

/** What the next byte is. */
enum {
    GREETING_VERSION,
    GREETING_COUNT,
    GREETING_METHODS,
    REQUEST_VERSION,
    REQUEST_COMMAND,
    REQUEST_RESERVED,
    REQUEST_ADDRESS_TYPE,
    REQUEST_LENGTH,
    REQUEST_ADDRESS,
    REQUEST_PORT_HIGH,
    REQUEST_PORT_LOW,
};

static relay_socks5_step_t refuse(relay_socks5_t *parser, int code)
{
    parser->code = (unsigned char)code;
    return RELAY_SOCKS5_REFUSED;
}

/** Goes on to the next kind of byte if this one is as it must be. */
static relay_socks5_step_t demand(relay_socks5_t *parser, int is_right, int code)
{
    if (!is_right) {
        return refuse(parser, code);
    }
    parser->state++;
    return RELAY_SOCKS5_MORE;
}

static relay_socks5_step_t end_greeting(relay_socks5_t *parser)
{
    if (!parser->is_open) {
        return refuse(parser, RELAY_SOCKS5_NO_METHOD);
    }
    parser->state = REQUEST_VERSION;
    return RELAY_SOCKS5_METHOD;
}

static relay_socks5_step_t take_method(relay_socks5_t *parser, unsigned char method)
{
    parser->is_open |= method == METHOD_NO_AUTHENTICATION;
    return --parser->left == 0 ? end_greeting(parser) : RELAY_SOCKS5_MORE;
}

static int is_hex(char c)
{
    char lower = jf_ascii_lower(c);
    return jf_ascii_is_digit(c) || (lower >= 'a' && lower <= 'f');
}

static relay_socks5_step_t take_digit(relay_socks5_t *parser, char digit)
{
    if (!is_hex(digit)) {
        return refuse(parser, RELAY_SOCKS5_NOT_ALLOWED);
    }
    parser->address[RELAY_HASH_CHARS - parser->left] = digit;
    parser->state += --parser->left == 0;
    return RELAY_SOCKS5_MORE;
}

static relay_socks5_step_t end_request(relay_socks5_t *parser, unsigned char port_low)
{
    relay_socks5_step_t step = demand(parser, port_low == 0, RELAY_SOCKS5_NOT_ALLOWED);
    return step == RELAY_SOCKS5_MORE ? RELAY_SOCKS5_REQUEST : step;
}

static relay_socks5_step_t take(relay_socks5_t *parser, unsigned char byte)
{
    switch (parser->state) {
    case GREETING_VERSION:
        return demand(parser, byte == VERSION, RELAY_SOCKS5_NO_METHOD);
    case GREETING_COUNT:
        parser->left = byte;
        return demand(parser, byte > 0, RELAY_SOCKS5_NO_METHOD);
    case GREETING_METHODS:
        return take_method(parser, byte);
    case REQUEST_VERSION:
        return demand(parser, byte == VERSION, RELAY_SOCKS5_FAILURE);
    case REQUEST_COMMAND:
        return demand(parser, byte == COMMAND_CONNECT, RELAY_SOCKS5_WRONG_COMMAND);
    case REQUEST_RESERVED:
        return demand(parser, byte == 0, RELAY_SOCKS5_FAILURE);
    case REQUEST_ADDRESS_TYPE:
        return demand(parser, byte == ADDRESS_NAME, RELAY_SOCKS5_WRONG_ADDRESS_TYPE);
    case REQUEST_LENGTH:
        parser->left = byte;
        return demand(parser, byte == RELAY_HASH_CHARS, RELAY_SOCKS5_NOT_ALLOWED);
    case REQUEST_ADDRESS:
        return take_digit(parser, (char)byte);
    case REQUEST_PORT_HIGH:
        return demand(parser, byte == 0, RELAY_SOCKS5_NOT_ALLOWED);
    case REQUEST_PORT_LOW:
        return end_request(parser, byte);
    default: /* fed after the end */
        return refuse(parser, RELAY_SOCKS5_FAILURE);
    }
}

relay_socks5_step_t relay_socks5_feed(relay_socks5_t *parser, size_t *taken,
                                      const unsigned char *bytes, size_t length)
{
    relay_socks5_step_t step = RELAY_SOCKS5_MORE;
    size_t count = 0;
    while (count < length && step == RELAY_SOCKS5_MORE) {
        step = take(parser, bytes[count++]);
    }
    *taken = count;
    return step;
}

/* The bound address is the one that was asked for (XEP-0065 section 5.3). */
static size_t answer_request(unsigned char *answer, const relay_socks5_t *parser, int code)
{
    const unsigned char head[] = {VERSION, (unsigned char)code, 0, ADDRESS_NAME, RELAY_HASH_CHARS};
    memcpy(answer, head, sizeof(head));
    memcpy(answer + sizeof(head), parser->address, RELAY_HASH_CHARS);
    memset(answer + sizeof(head) + RELAY_HASH_CHARS, 0, 2);
    return RELAY_SOCKS5_ANSWER_BYTES_MAX;
}

size_t relay_socks5_answer(unsigned char *answer, const relay_socks5_t *parser,
                           relay_socks5_step_t step, int code)
{
    if (step == RELAY_SOCKS5_REQUEST) {
        return answer_request(answer, parser, code);
    }
    if (step == RELAY_SOCKS5_METHOD || parser->state <= GREETING_METHODS) {
        answer[0] = VERSION;
        answer[1] = step == RELAY_SOCKS5_METHOD ? METHOD_NO_AUTHENTICATION : parser->code;
        return 2;
    }
    /* No whole request, no address that could be repeated: 0.0.0.0, port 0. */
    const unsigned char refusal[] = {VERSION, parser->code, 0, ADDRESS_IPV4, 0, 0, 0, 0, 0, 0};
    memcpy(answer, refusal, sizeof(refusal));
    return sizeof(refusal);
}

static int digit_value(char digit)
{
    return jf_ascii_is_digit(digit) ? digit - '0' : jf_ascii_lower(digit) - 'a' + 10;
}

void relay_socks5_hash(unsigned char *hash, const relay_socks5_t *parser)
{
    for (int i = 0; i < RELAY_HASH_BYTES; i++) {
        int high = digit_value(parser->address[(ptrdiff_t)2 * i]);
        int low = digit_value(parser->address[(ptrdiff_t)2 * i + 1]);
        hash[i] = (unsigned char)(high * 16 + low);
    }
}
