#include "jf_test.h"

#include <string.h>

#include <apr_hash.h>

#include "jf_token.h"

#define BASE64URL "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
#define HEX "0123456789abcdef"
#define DRAWS 2000

typedef jf_err_t *draw_t(const char **, apr_pool_t *);

/** Draws many: all have the length and the alphabet, no two are equal, no character stays. */
static void check_draws(draw_t *draw, size_t length, const char *alphabet, apr_pool_t *pool)
{
    apr_hash_t *seen = apr_hash_make(pool);
    const char *first;
    char changed[64] = {0};

    jf_test_ok(draw(&first, pool), "the first draw");
    for (int i = 0; i < DRAWS; i++) {
        const char *name;
        jf_test_ok(draw(&name, pool), "a draw");
        assert_int_equal(strlen(name), length);
        assert_int_equal(strspn(name, alphabet), length);
        assert_null(apr_hash_get(seen, name, APR_HASH_KEY_STRING));
        apr_hash_set(seen, name, APR_HASH_KEY_STRING, name);
        for (size_t c = 0; c < length; c++) {
            changed[c] |= name[c] != first[c];
        }
    }
    for (size_t c = 0; c < length; c++) {
        assert_true(changed[c]);
    }
}

static void test_link_tokens_are_random_base64url(void **state)
{
    check_draws(jf_token_link, JF_TOKEN_LINK_CHARS, BASE64URL, *state);
}

static void test_hex_names_are_random_lower_case_hex(void **state)
{
    check_draws(jf_token_hex, JF_TOKEN_HEX_CHARS, HEX, *state);
}

static void test_drawn_hex_names_are_recognised(void **state)
{
    const char *name;
    jf_test_ok(jf_token_hex(&name, *state), "a draw");
    assert_true(jf_token_is_hex(name));
}

static void test_only_hex_names_are_recognised(void **state)
{
    static const struct {
        const char *name;
        int is_hex;
    } cases[] = {
        {"0123456789abcdef0123456789abcdef", 1},
        {"00000000000000000000000000000000", 1},
        {"", 0},
        {"0", 0},
        {"0123456789abcdef0123456789abcde", 0},
        {"0123456789abcdef0123456789abcdef0", 0},
        {"0123456789abcdef0123456789abcdef\n", 0},
        {"0123456789ABCDEF0123456789ABCDEF", 0},
        {"0123456789abcdef0123456789abcdeF", 0},
        {"0123456789abcdef0123456789abcdeg", 0},
        {"/123456789abcdef0123456789abcdef", 0},
        {"../../../../../../../../etc/pass", 0},
        {"0123456789abcdef.123456789abcdef", 0},
        {"01234567-89ab-cdef-0123-456789ab", 0},
        {"\xEF\xBC\x90"
         "123456789abcdef0123456789abcd",
         0},
    };
    (void)state;

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        if (jf_token_is_hex(cases[i].name) != cases[i].is_hex) {
            fail_msg("\"%s\": %d was expected", cases[i].name, cases[i].is_hex);
        }
    }
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_link_tokens_are_random_base64url),
    JF_TEST(test_hex_names_are_random_lower_case_hex),
    JF_TEST(test_drawn_hex_names_are_recognised),
    JF_TEST(test_only_hex_names_are_recognised),
};

JF_TEST_MAIN(tests)
