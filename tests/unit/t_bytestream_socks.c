/* SOCKS5 as the client of a bytestream speaks it. */
#include "jf_test.h"

#include <string.h>

#include "bytestream_socks.h"

#define HASH "26f2c047bd26cf4c666ef69a11f4e901a9ee3338"

/* Takes an answer, @a piece_bytes at a time at most; what is left of it is for the stream. */
static bytestream_socks_step_t take(bytestream_socks_t *socks, const unsigned char **bytes,
                                    const unsigned char *end, size_t piece_bytes)
{
    bytestream_socks_step_t step = BYTESTREAM_SOCKS_MORE;
    while (step == BYTESTREAM_SOCKS_MORE && *bytes < end) {
        size_t size = bytestream_socks_wants(socks);
        size = size < piece_bytes ? size : piece_bytes;
        size = size < (size_t)(end - *bytes) ? size : (size_t)(end - *bytes);
        assert_true(size > 0);
        step = bytestream_socks_take(socks, *bytes, size);
        *bytes += size;
    }
    return step;
}

static void begin(bytestream_socks_t *socks)
{
    unsigned char greeting[BYTESTREAM_GREETING_BYTES];
    bytestream_socks_begin(socks, greeting);
    assert_memory_equal(greeting, "\5\1\0", 3);
}

/* What the second answer, after a good first one, comes to, for pieces of all sizes. */
static void check_answer(const unsigned char *answer, size_t length, size_t surplus,
                         bytestream_socks_step_t expected)
{
    static const unsigned char method[] = {5, 0};
    for (size_t piece_bytes = 1; piece_bytes <= length; piece_bytes++) {
        bytestream_socks_t socks;
        const unsigned char *bytes = method;
        begin(&socks);
        assert_int_equal(take(&socks, &bytes, method + sizeof(method), piece_bytes),
                         BYTESTREAM_SOCKS_REQUEST);
        bytes = answer;
        assert_int_equal(take(&socks, &bytes, answer + length, piece_bytes), expected);
        assert_int_equal(answer + length - bytes, surplus);
    }
}

static void test_hashes(void **state)
{
    char hash[BYTESTREAM_HASH_CHARS + 1];
    (void)state;
    assert_true(bytestream_hash(hash, "s5b-7f3", "alice@example.org/cli", "bob@example.org/desk"));
    assert_string_equal(hash, HASH);
    assert_true(bytestream_hash(hash, "vj3hs98y", "romeo@montague.lit/orchard",
                                "juliet@capulet.lit/balcony"));
    assert_string_equal(hash, "972b7bf47291ca609517f67f86b5081086052dad");
    assert_true(bytestream_hash(hash, "vj3hs98y", "juliet@capulet.lit/balcony",
                                "romeo@montague.lit/orchard"));
    assert_string_equal(hash, "1a12fb7bc625e55f3ed5b29a53dbe0e4aa7d80ba");
}

static void test_what_is_a_hash(void **state)
{
    (void)state;
    assert_true(bytestream_is_hash(HASH));
    assert_true(bytestream_is_hash("26F2C047BD26CF4C666EF69A11F4E901A9EE3338"));
    assert_false(bytestream_is_hash(""));
    assert_false(bytestream_is_hash(HASH "0"));
    assert_false(bytestream_is_hash(&HASH[1]));
    assert_false(bytestream_is_hash("g6f2c047bd26cf4c666ef69a11f4e901a9ee3338"));
}

static void test_the_request(void **state)
{
    unsigned char request[BYTESTREAM_REQUEST_BYTES];
    (void)state;
    bytestream_socks_request(request, HASH);
    assert_memory_equal(request, "\5\1\0\3\50" HASH "\0\0", sizeof(request));
}

static void test_a_stream_is_granted(void **state)
{
    (void)state;
    static const unsigned char name[] = "\5\0\0\3\50" HASH "\0\0stream";
    check_answer(name, sizeof(name) - 1, strlen("stream"), BYTESTREAM_SOCKS_CONNECTED);
    static const unsigned char empty_name[] = {5, 0, 0, 3, 0, 0, 0};
    check_answer(empty_name, sizeof(empty_name), 0, BYTESTREAM_SOCKS_CONNECTED);
    static const unsigned char ipv4[] = {5, 0, 0, 1, 127, 0, 0, 1, 4, 56, 'x'};
    check_answer(ipv4, sizeof(ipv4), 1, BYTESTREAM_SOCKS_CONNECTED);
    static const unsigned char ipv6[4 + 16 + 2] = {5, 0, 0, 4};
    check_answer(ipv6, sizeof(ipv6), 0, BYTESTREAM_SOCKS_CONNECTED);
}

static void test_the_longest_name(void **state)
{
    unsigned char answer[5 + 255 + 2] = {5, 0, 0, 3, 255};
    (void)state;
    check_answer(answer, sizeof(answer), 0, BYTESTREAM_SOCKS_CONNECTED);
}

static void test_a_part_of_an_answer_is_none(void **state)
{
    (void)state;
    static const unsigned char part[] = "\5\0\0\3\50" HASH "\0";
    check_answer(part, sizeof(part) - 1, 0, BYTESTREAM_SOCKS_MORE);
}

static void test_refusals(void **state)
{
    (void)state;
    static const unsigned char version[] = {4, 0, 0, 3, 0};
    check_answer(version, sizeof(version), 0, BYTESTREAM_SOCKS_REFUSED);
    static const unsigned char code[] = {5, 2, 0, 3, 0, 9, 9};
    check_answer(code, sizeof(code), 2, BYTESTREAM_SOCKS_REFUSED);
    static const unsigned char type[] = {5, 0, 0, 2, 0};
    check_answer(type, sizeof(type), 0, BYTESTREAM_SOCKS_REFUSED);
}

static void check_greeting(const unsigned char *answer, const char *words)
{
    bytestream_socks_t socks;
    begin(&socks);
    assert_int_equal(bytestream_socks_take(&socks, answer, 2), BYTESTREAM_SOCKS_REFUSED);
    assert_string_equal(bytestream_socks_words(&socks), words);
    assert_int_equal(bytestream_socks_wants(&socks), 0);
}

static void test_greetings_that_are_refused(void **state)
{
    (void)state;
    check_greeting((const unsigned char *)"\5\xff", "wants a password");
    check_greeting((const unsigned char *)"\5\2", "wants a password");
    check_greeting((const unsigned char *)"HT", "does not speak SOCKS5");
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_hashes),           JF_TEST(test_what_is_a_hash),
    JF_TEST(test_the_request),      JF_TEST(test_a_stream_is_granted),
    JF_TEST(test_the_longest_name), JF_TEST(test_a_part_of_an_answer_is_none),
    JF_TEST(test_refusals),         JF_TEST(test_greetings_that_are_refused),
};

JF_TEST_MAIN(tests)
