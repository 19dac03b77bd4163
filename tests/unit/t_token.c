#include "jf_test.h"

#include <string.h>

#include <apr_hash.h>

#include "jf_token.h"

#define BASE64URL "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
#define HEX "0123456789abcdef"
#define DRAWS 2000
#define JF_NOW_US APR_TIME_C(1700000000000000)

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

/** So many characters of it are the same for all of one moment. */
#define LINK_TIME_CHARS 6 /* and two bits of the next */
#define OBJECT_TIME_CHARS 12

static jf_err_t *draw_link(const char **random, apr_pool_t *pool)
{
    const char *token;
    JF_TRY(jf_token_link(&token, JF_NOW_US, pool));
    assert_int_equal(strlen(token), JF_TOKEN_LINK_CHARS);
    *random = token + LINK_TIME_CHARS;
    return NULL;
}

static jf_err_t *draw_object(const char **random, apr_pool_t *pool)
{
    const char *name;
    JF_TRY(jf_token_object(&name, JF_NOW_US, pool));
    assert_true(jf_token_is_hex(name));
    *random = name + OBJECT_TIME_CHARS;
    return NULL;
}

static void test_link_tokens_are_random_base64url(void **state)
{
    check_draws(draw_link, JF_TOKEN_LINK_CHARS - LINK_TIME_CHARS, BASE64URL, *state);
}

static void test_object_names_are_random_lower_case_hex(void **state)
{
    check_draws(draw_object, JF_TOKEN_HEX_CHARS - OBJECT_TIME_CHARS, HEX, *state);
}

static void test_nonces_are_random_base64url(void **state)
{
    check_draws(jf_token_nonce, JF_TOKEN_NONCE_CHARS, BASE64URL, *state);
}

/** What is made later lies behind in the index, as long as the objects' directory stays. */
static void test_object_names_are_in_the_order_of_time(void **state)
{
    const char *before = "";
    for (int i = 0; i < 1000; i++) {
        const char *name;
        jf_test_ok(jf_token_object(&name, apr_time_from_msec(2 * i), *state), "a name");
        assert_true(strcmp(before, name) < 0);
        before = name;
    }
}

/** Within half a day or so every directory of the store has its turn. */
static void test_objects_go_to_all_directories(void **state)
{
    apr_hash_t *seen = apr_hash_make(*state);
    for (int i = 0; i < 4096; i++) {
        const char *name;
        jf_test_ok(jf_token_object(&name, JF_NOW_US + apr_time_from_sec(10) * i, *state), "name");
        apr_hash_set(seen, name, 2, name);
    }
    assert_int_equal(apr_hash_count(seen), 256);
}

/** Tokens of the same moment begin alike, those of another one do not. */
static void test_link_tokens_begin_with_the_time(void **state)
{
    const char *first, *second, *later;
    jf_test_ok(jf_token_link(&first, JF_NOW_US, *state), "a");
    jf_test_ok(jf_token_link(&second, JF_NOW_US, *state), "b");
    jf_test_ok(jf_token_link(&later, JF_NOW_US + apr_time_from_sec(1), *state), "c");
    assert_memory_equal(first, second, LINK_TIME_CHARS);
    assert_memory_not_equal(first, later, LINK_TIME_CHARS);
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
    JF_TEST(test_object_names_are_random_lower_case_hex),
    JF_TEST(test_nonces_are_random_base64url),
    JF_TEST(test_object_names_are_in_the_order_of_time),
    JF_TEST(test_objects_go_to_all_directories),
    JF_TEST(test_link_tokens_begin_with_the_time),
    JF_TEST(test_hex_names_are_random_lower_case_hex),
    JF_TEST(test_drawn_hex_names_are_recognised),
    JF_TEST(test_only_hex_names_are_recognised),
};

JF_TEST_MAIN(tests)
