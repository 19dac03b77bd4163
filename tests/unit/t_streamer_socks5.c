#include "jf_test.h"

#include <string.h>

#include <apr_strings.h>

#include "relay_socks5.h"

#define HASH "972b7bf47291ca609517f67f86b5081086052dad"
#define GREETING "\5\1\0"
#define REQUEST "\5\1\0\3\x28" HASH "\0\0"
#define GREETING_BYTES 3
#define REQUEST_BYTES (5 + RELAY_HASH_CHARS + 2)

static const unsigned char hash_bytes[RELAY_HASH_BYTES] = {0x97, 0x2b, 0x7b, 0xf4, 0x72, 0x91, 0xca,
                                                           0x60, 0x95, 0x17, 0xf6, 0x7f, 0x86, 0xb5,
                                                           0x08, 0x10, 0x86, 0x05, 0x2d, 0xad};

/** Feeds bytes in pieces until something is to be done. @return how many were taken. */
static size_t feed(relay_socks5_t *parser, relay_socks5_step_t *step, const char *bytes,
                   size_t length, size_t piece)
{
    size_t at = 0;
    *step = RELAY_SOCKS5_MORE;
    while (at < length && *step == RELAY_SOCKS5_MORE) {
        size_t taken = 99;
        size_t count = length - at < piece ? length - at : piece;
        *step = relay_socks5_feed(parser, &taken, (const unsigned char *)bytes + at, count);
        assert_true(taken <= count);
        assert_true(taken == count || *step != RELAY_SOCKS5_MORE);
        at += taken;
    }
    return at;
}

static void expect_answer(const relay_socks5_t *parser, relay_socks5_step_t step, int code,
                          const char *expected, size_t length)
{
    unsigned char answer[RELAY_SOCKS5_ANSWER_BYTES_MAX];
    memset(answer, 0xAA, sizeof(answer));
    assert_int_equal(relay_socks5_answer(answer, parser, step, code), length);
    assert_memory_equal(answer, expected, length);
}

static void expect_hash(const relay_socks5_t *parser)
{
    unsigned char hash[RELAY_HASH_BYTES];
    relay_socks5_hash(hash, parser);
    assert_memory_equal(hash, hash_bytes, sizeof(hash));
}

static void test_pieces_of_any_size(void **state)
{
    static const char both[] = GREETING REQUEST "early";
    (void)state;
    for (size_t piece = 1; piece < sizeof(both); piece++) {
        relay_socks5_t parser = {0};
        relay_socks5_step_t step;
        size_t taken = feed(&parser, &step, both, sizeof(both) - 1, piece);
        assert_int_equal(step, RELAY_SOCKS5_METHOD);
        assert_int_equal(taken, GREETING_BYTES);
        expect_answer(&parser, step, 0, "\5\0", 2);

        taken += feed(&parser, &step, both + taken, sizeof(both) - 1 - taken, piece);
        assert_int_equal(step, RELAY_SOCKS5_REQUEST);
        assert_int_equal(taken, GREETING_BYTES + REQUEST_BYTES);
        expect_hash(&parser);
    }
}

static void test_cut_anywhere_it_waits_for_more(void **state)
{
    static const char both[] = GREETING REQUEST;
    (void)state;
    for (size_t cut = 0; cut < GREETING_BYTES + REQUEST_BYTES; cut++) {
        relay_socks5_t parser = {0};
        relay_socks5_step_t step;
        size_t taken = feed(&parser, &step, both, cut, 1000);
        if (cut >= GREETING_BYTES) {
            assert_int_equal(step, RELAY_SOCKS5_METHOD);
            taken += feed(&parser, &step, both + taken, cut - taken, 1000);
        }
        assert_int_equal(step, RELAY_SOCKS5_MORE);
        assert_int_equal(taken, cut);
    }
}

static void greet(relay_socks5_t *parser)
{
    relay_socks5_step_t step;
    *parser = (relay_socks5_t){0};
    feed(parser, &step, GREETING, GREETING_BYTES, 1000);
    assert_int_equal(step, RELAY_SOCKS5_METHOD);
}

static void test_answers_repeat_the_address_as_it_came(void **state)
{
    relay_socks5_t parser;
    relay_socks5_step_t step;
    (void)state;
    greet(&parser);
    feed(&parser, &step, REQUEST, REQUEST_BYTES, 1000);
    expect_answer(&parser, step, RELAY_SOCKS5_GRANTED, "\5\0\0\3\x28" HASH "\0\0", REQUEST_BYTES);
    expect_answer(&parser, step, RELAY_SOCKS5_NOT_ALLOWED, "\5\2\0\3\x28" HASH "\0\0",
                  REQUEST_BYTES);
}

static void test_case_of_digits_makes_no_difference(void **state)
{
    static const char request[] = "\5\1\0\3\x28"
                                  "972B7BF47291CA609517F67F86B5081086052DAD\0\0";
    relay_socks5_t parser;
    relay_socks5_step_t step;
    (void)state;
    greet(&parser);
    feed(&parser, &step, request, REQUEST_BYTES, 1000);
    assert_int_equal(step, RELAY_SOCKS5_REQUEST);
    expect_hash(&parser);
    expect_answer(&parser, step, RELAY_SOCKS5_GRANTED,
                  "\5\0\0\3\x28"
                  "972B7BF47291CA609517F67F86B5081086052DAD\0\0",
                  REQUEST_BYTES);
}

static void test_greetings(void **state)
{
    static const struct {
        const char *bytes;
        size_t length;
        relay_socks5_step_t step;
    } cases[] = {
        {"\5\2\2\0", 4, RELAY_SOCKS5_METHOD},
        {"\5\2\0\2", 4, RELAY_SOCKS5_METHOD},
        {"\5\3\1\2\3", 5, RELAY_SOCKS5_REFUSED},
        {"\5\1\2", 3, RELAY_SOCKS5_REFUSED},
        {"\5\0", 2, RELAY_SOCKS5_REFUSED},
        {"\4\1\0\x50\x7f\0\0\1\0", 9, RELAY_SOCKS5_REFUSED},
        {"GET / HTTP/1.1", 14, RELAY_SOCKS5_REFUSED},
    };
    (void)state;
    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        relay_socks5_t parser = {0};
        relay_socks5_step_t step;
        feed(&parser, &step, cases[i].bytes, cases[i].length, 1);
        assert_int_equal(step, cases[i].step);
        expect_answer(&parser, step, 0, step == RELAY_SOCKS5_METHOD ? "\5\0" : "\5\xff", 2);
    }
}

static void test_as_many_methods_as_there_can_be(void **state)
{
    const char *methods = jf_test_repeat("\5\xff", '\7', 254, "", *state);
    relay_socks5_t parser = {0};
    relay_socks5_step_t step;
    feed(&parser, &step, methods, 256, 100);
    assert_int_equal(step, RELAY_SOCKS5_MORE);
    feed(&parser, &step, "\0", 1, 1);
    assert_int_equal(step, RELAY_SOCKS5_METHOD);
}

static void test_wrong_requests(void **state)
{
    static const struct {
        const char *bytes;
        size_t length;
        int code;
    } cases[] = {
        {"\4\1\0\3\x28" HASH "\0\0", REQUEST_BYTES, RELAY_SOCKS5_FAILURE},
        {"\5\2\0\3\x28" HASH "\0\0", REQUEST_BYTES, RELAY_SOCKS5_WRONG_COMMAND},
        {"\5\3\0\3\x28" HASH "\0\0", REQUEST_BYTES, RELAY_SOCKS5_WRONG_COMMAND},
        {"\5\1\1\3\x28" HASH "\0\0", REQUEST_BYTES, RELAY_SOCKS5_FAILURE},
        {"\5\1\0\1\x7f\0\0\1\0\x50", 10, RELAY_SOCKS5_WRONG_ADDRESS_TYPE},
        {"\5\1\0\4", 4, RELAY_SOCKS5_WRONG_ADDRESS_TYPE},
        {"\5\1\0\3\x27" HASH, 44, RELAY_SOCKS5_NOT_ALLOWED},
        {"\5\1\0\3\x29" HASH "0", 46, RELAY_SOCKS5_NOT_ALLOWED},
        {"\5\1\0\3\0\0\0", 7, RELAY_SOCKS5_NOT_ALLOWED},
        {"\5\1\0\3\x28g72b7bf47291ca609517f67f86b5081086052dad\0\0", REQUEST_BYTES,
         RELAY_SOCKS5_NOT_ALLOWED},
        {"\5\1\0\3\x28" HASH "\0\1", REQUEST_BYTES, RELAY_SOCKS5_NOT_ALLOWED},
        {"\5\1\0\3\x28" HASH "\1\0", REQUEST_BYTES, RELAY_SOCKS5_NOT_ALLOWED},
    };
    (void)state;
    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        relay_socks5_t parser;
        relay_socks5_step_t step;
        char expected[] = "\5?\0\1\0\0\0\0\0\0";
        greet(&parser);
        feed(&parser, &step, cases[i].bytes, cases[i].length, 1);
        assert_int_equal(step, RELAY_SOCKS5_REFUSED);
        expected[1] = (char)cases[i].code;
        expect_answer(&parser, step, 0, expected, 10);
    }
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_pieces_of_any_size),
    JF_TEST(test_cut_anywhere_it_waits_for_more),
    JF_TEST(test_answers_repeat_the_address_as_it_came),
    JF_TEST(test_case_of_digits_makes_no_difference),
    JF_TEST(test_greetings),
    JF_TEST(test_as_many_methods_as_there_can_be),
    JF_TEST(test_wrong_requests),
};

JF_TEST_MAIN(tests)
