#include "jf_test.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "jf_base64.h"

typedef struct mapping_t {
    const char *bytes;
    const char *text;
} mapping_t;

/* RFC 4648 section 10, and two that have all that is special in the alphabet. */
static const mapping_t vectors[] = {
    {"", ""},
    {"f", "Zg=="},
    {"fo", "Zm8="},
    {"foo", "Zm9v"},
    {"foob", "Zm9vYg=="},
    {"fooba", "Zm9vYmE="},
    {"foobar", "Zm9vYmFy"},
    {"\xFB\xEF\xBE\xFF\xFF\xFF", "++++////"},
    {"p\u00E4ssw\u00F6rt", "cMOkc3N3w7ZydA=="},
};

/** Decodes from a copy that has no byte more: valgrind sees reads beyond its end. */
static jf_err_t *decode(char **bytes, apr_size_t *count, const char *text, apr_size_t length,
                        apr_pool_t *pool)
{
    char *copy = malloc(length > 0 ? length : 1);
    assert_non_null(copy);
    memcpy(copy, text, length);
    jf_err_t *err = jf_base64_decode(bytes, count, copy, length, pool);
    free(copy);
    return err;
}

static void refuse(const char *text, apr_size_t length, apr_pool_t *pool)
{
    char untouched[] = "untouched";
    char *bytes = untouched;
    apr_size_t count = 4711;
    jf_test_refused(decode(&bytes, &count, text, length, pool), JF_ERR_INVALID, text);
    assert_ptr_equal(bytes, untouched);
    assert_int_equal(count, 4711);
}

static void test_vectors(void **state)
{
    for (size_t i = 0; i < JF_TEST_COUNT(vectors); i++) {
        char *bytes = NULL;
        apr_size_t count = 4711;
        const mapping_t *vector = &vectors[i];
        assert_string_equal(jf_base64_encode(vector->bytes, strlen(vector->bytes), *state),
                            vector->text);
        jf_test_ok(decode(&bytes, &count, vector->text, strlen(vector->text), *state),
                   vector->text);
        assert_int_equal(count, strlen(vector->bytes));
        assert_string_equal(bytes, vector->bytes); /* so there is a NUL after them */
    }
}

static void test_only_the_given_length_counts(void **state)
{
    char *bytes = NULL;
    apr_size_t count = 0;

    assert_string_equal(jf_base64_encode("foobar", 3, *state), "Zm9v");
    jf_test_ok(jf_base64_decode(&bytes, &count, "Zm9vYmFy", 4, *state), "half of it");
    assert_string_equal(bytes, "foo");
    jf_test_ok(jf_base64_decode(&bytes, &count, "Zm8=\n,i=4096", 4, *state), "a part of it");
    assert_string_equal(bytes, "fo");
}

static void test_any_bytes_come_back(void **state)
{
    unsigned char all[600];
    for (size_t i = 0; i < sizeof(all); i++) {
        all[i] = (unsigned char)(i * 7);
    }
    for (apr_size_t length = 0; length <= sizeof(all); length++) {
        char *bytes = NULL;
        apr_size_t count = 0;
        const char *text = jf_base64_encode(all, length, *state);
        assert_int_equal(strlen(text), (length + 2) / 3 * 4);
        jf_test_ok(decode(&bytes, &count, text, strlen(text), *state), text);
        assert_int_equal(count, length);
        assert_memory_equal(bytes, all, length);
        assert_int_equal(bytes[length], '\0');
    }
}

static void test_nul_bytes_are_bytes(void **state)
{
    char *bytes = NULL;
    apr_size_t count = 0;

    assert_string_equal(jf_base64_encode("\0a\0", 3, *state), "AGEA");
    jf_test_ok(decode(&bytes, &count, "AAAA", 4, *state), "three of them");
    assert_int_equal(count, 3);
    assert_memory_equal(bytes, "\0\0\0", 4);
}

static void test_other_texts_are_refused(void **state)
{
    static const char *const texts[] = {
        "Z",
        "Zg",
        "Zg=",
        "Zm8",
        "Zm9vY", /* too short */
        "=",
        "==",
        "===",
        "====",
        "A===",
        "Zg==Zg==",
        "Z=g=", /* padding */
        "=Zg=",
        "Zm9v=",
        "Zm9v==",
        "Zm9v====",
        "Zm=v",
        "A==A",
        "Zh==",
        "Zm9=",
        "AB==",
        "AAB=",
        "//==",
        "///=", /* bits that would be lost */
        " ",
        "    ",
        "Zm9v ",
        " Zm9v",
        "Zm9vYmFy    ", /* white space */
        "    Zm9v",
        "Zm9v\n",
        "Zm9vYmE\n",
        "Zm 9v\nYQ",
        "\tZm9",
        "Zm9\r",
        "Zg==\n\n\n\n",
        "-_-_",
        "Zm9-",
        "Zm9_",
        "Zm9.",
        "Zm9,",
        "Zm9%",
        "Zm9\\",
        "Zm9\x7F", /* letters */
        "\xC3\xA4\xC3\xA4",
        "Zm9\xFF",
        "\xFF\xFF\xFF\xFF",
        "Zm9v-A==",
    };

    for (size_t i = 0; i < JF_TEST_COUNT(texts); i++) {
        refuse(texts[i], strlen(texts[i]), *state);
    }
}

static void test_nul_in_the_text_is_refused(void **state)
{
    refuse("\0\0\0\0", 4, *state);
    refuse("Zm9v\0\0\0\0", 8, *state);
    refuse("Zm9v\0m9v", 8, *state);
    refuse("Zg=\0", 4, *state);
    refuse("Zg\0=", 4, *state);
}

/* Of all bytes, at each place, exactly those of the alphabet. */
static void test_alphabet(void **state)
{
    for (int place = 0; place < 4; place++) {
        int accepted = 0;
        for (int byte = 0; byte < 256; byte++) {
            char *bytes;
            apr_size_t count;
            char text[] = "AAAA";
            text[place] = (char)byte;
            accepted += !decode(&bytes, &count, text, 4, *state);
        }
        assert_int_equal(accepted, place == 3 ? 64 + 1 : 64); /* "AAA=" as well */
    }
}

/* There is one text for some bytes: of all endings, those are accepted that encode would write. */
static void test_one_text_for_the_same_bytes(void **state)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
    int accepted = 0;

    for (size_t i = 0; i + 1 < sizeof(letters); i++) {
        for (size_t j = 0; j + 1 < sizeof(letters); j++) {
            char *bytes;
            apr_size_t count;
            char text[] = {'Z', 'm', letters[i], letters[j], '\0'};
            if (!decode(&bytes, &count, text, 4, *state)) {
                assert_string_equal(jf_base64_encode(bytes, count, *state), text);
                accepted++;
            }
        }
    }
    /* Three bytes, or two. Not one: that would lose bits of the "m". */
    assert_int_equal(accepted, 64 * 64 + 16);
}

static void test_long_texts(void **state)
{
    char *bytes = NULL;
    apr_size_t count = 0;
    const char *text = jf_test_repeat("", 'A', 4000000, "", *state);

    jf_test_ok(decode(&bytes, &count, text, 4000000, *state), "3 MB of NULs");
    assert_int_equal(count, 3000000);
    refuse(text, 3999999, *state);
}

/* Nothing of it is read. */
static void test_a_length_beyond_int_is_refused(void **state)
{
    char *bytes = NULL;
    apr_size_t count = 0;

    jf_test_refused(jf_base64_decode(&bytes, &count, "Zm9v", (apr_size_t)INT_MAX + 1, *state),
                    JF_ERR_INVALID, "2 GiB");
    jf_test_refused(jf_base64_decode(&bytes, &count, "Zm9v", ~(apr_size_t)3, *state),
                    JF_ERR_INVALID, "all the memory there is");
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_vectors),
    JF_TEST(test_only_the_given_length_counts),
    JF_TEST(test_any_bytes_come_back),
    JF_TEST(test_nul_bytes_are_bytes),
    JF_TEST(test_other_texts_are_refused),
    JF_TEST(test_nul_in_the_text_is_refused),
    JF_TEST(test_alphabet),
    JF_TEST(test_one_text_for_the_same_bytes),
    JF_TEST(test_long_texts),
    JF_TEST(test_a_length_beyond_int_is_refused),
};

JF_TEST_MAIN(tests)
