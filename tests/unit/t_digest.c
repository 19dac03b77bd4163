#include "jf_test.h"

#include <string.h>

#include <apr_strings.h>

#include "jf_digest.h"

/* Two values of 32 bytes; the second is 0 to 31. */
#define HELLO ":qUiQTy8PR5uPgZdpSzAYSw0u0cHNKh7A+4XSmaGSpEc=:"
#define COUNTING ":AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=:"

static void counting_bytes(unsigned char *bytes)
{
    for (unsigned i = 0; i < JF_SHA256_BYTES; i++) {
        bytes[i] = i;
    }
}

static void test_sha256_is_found(void **state)
{
    static const char *const fields[] = {
        "sha-256=" COUNTING,
        "  sha-256=" COUNTING "  ",
        "sha-256=:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8:", /* padding left out */
        "sha-512=:AAAA:, sha-256=" COUNTING,
        "sha-256=" COUNTING ", sha-512=:AAAA:",
        "md5=:AAAA:,sha-256=" COUNTING ",crc32c=:AAAA:",
        "sha-512=:AAAA:\t ,\t sha-256=" COUNTING,
        "sha-256=" COUNTING ";q=1",
        "sha-256=" COUNTING ";a;b=?0; c=\"x\\\"y\\\\z\";d=tok:en/x;*e=-1.5;f=:AA==:",
        "sha-256=" HELLO ", sha-256=" COUNTING, /* the last one counts */
        "sha-256=1, sha-256=" COUNTING,
        "a, b=?1, c=?0;x, sha-256=" COUNTING,
        "n=12, m=-999999999999.125, sha-256=" COUNTING,
        "l=(), ll=( 1  2.5 \"s\" t :AA==: ?1;p=1 );x, sha-256=" COUNTING,
        "t=*tok/en:%, s=\"a, sha-256=:AAAA:\", sha-256=" COUNTING,
        "sha-2560=:AAAA:, sha-25=:AAAA:, xsha-256=:AAAA:, sha-256=" COUNTING,
        "*=1, a_-.*=2, sha-256=" COUNTING,
    };
    unsigned char expected[JF_SHA256_BYTES];
    counting_bytes(expected);

    for (size_t i = 0; i < JF_TEST_COUNT(fields); i++) {
        unsigned char sha256[JF_SHA256_BYTES] = {0xEE};
        int found = -7;
        jf_test_ok(jf_digest_parse(sha256, &found, fields[i], *state), fields[i]);
        if (found != 1 || memcmp(sha256, expected, sizeof(expected)) != 0) {
            fail_msg("\"%s\": found is %d, or the bytes are wrong", fields[i], found);
        }
    }
}

static void test_other_algorithms_are_ignored(void **state)
{
    static const char *const fields[] = {
        "",
        "   ",
        "sha-512=:AAAA:",
        "sha-512=:AAAA:, md5=:AAAA:",
        "sha-2567=" COUNTING,
        "sha-25=" COUNTING,
        "sha-256.x=" COUNTING,
        "sha-512=:AAAA:;sha-256=" COUNTING,
        "x=\"sha-256=" COUNTING "\"",
    };

    for (size_t i = 0; i < JF_TEST_COUNT(fields); i++) {
        unsigned char sha256[JF_SHA256_BYTES];
        int found = -7;
        jf_test_ok(jf_digest_parse(sha256, &found, fields[i], *state), fields[i]);
        if (found != 0) {
            fail_msg("\"%s\": found is %d", fields[i], found);
        }
    }
}

static void test_fields_that_are_no_dictionary_are_refused(void **state)
{
    static const char *const fields[] = {
        ",",
        "sha-256=" COUNTING ",",
        "sha-256=" COUNTING ", ",
        ",sha-256=" COUNTING,
        "sha-256=" COUNTING ",,md5=:AAAA:",
        "sha-256=" COUNTING " md5=:AAAA:",
        "sha-256 =" COUNTING,
        "sha-256= " COUNTING,
        "=" COUNTING,
        COUNTING,
        "SHA-256=" COUNTING,
        "sha-256=" COUNTING "x",
        "sha-256=:AAECAw",
        "sha-256=:AAEC Aw==:",
        "sha-256=:AAEC\nAw==:",
        "a=:AA-_:",
        "sha-256=::x:",
        "sha-256=a9489",
        "256=:AAAA:",
        "-a=:AAAA:",
        "a=1.",
        "a=-",
        "a=1.2345",
        "a=1234567890123.1",
        "a=1234567890123456",
        "a=\"open",
        "a=\"bad \\n escape\"",
        "a=\"tail\\",
        "a=\"\x01\"",
        "a=\"\xC3\xBC\"",
        "a=?",
        "a=?2",
        "a=(",
        "a=(1",
        "a=(1,2)",
        "a=(1\"x\")",
        "a=((1))",
        "a=",
        "a=;",
        "a;",
        "a;=1",
        "a;b=",
        "a;B=1",
        "a=@1",
        "\x01",
        "\xFF=1",
        "a\r\nb",
        "sha-256=" COUNTING "\r\nx: y",
    };

    for (size_t i = 0; i < JF_TEST_COUNT(fields); i++) {
        unsigned char sha256[JF_SHA256_BYTES];
        int found = -7;
        jf_test_refused(jf_digest_parse(sha256, &found, fields[i], *state), JF_ERR_INVALID,
                        fields[i]);
        assert_int_equal(found, -7);
    }
}

static void test_sha256_of_wrong_type_or_length_is_refused(void **state)
{
    static const char *const fields[] = {
        "sha-256",
        "sha-256;x",
        "sha-256, md5=:AAAA:",
        "sha-256=?1",
        "sha-256=1",
        "sha-256=abc",
        "sha-256=\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"",
        "sha-256=(" COUNTING ")",
        "sha-256=()",
        "sha-256=::",
        "sha-256=:=:",
        "sha-256=:AA==:",
        "sha-256=:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg==:",     /* 31 bytes */
        "sha-256=:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g:",     /* 33 bytes */
        "sha-256=:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIj:", /* 36 bytes */
        "sha-256=:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8==:",
        "sha-256=:=AECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8:",
        "sha-256=:AAECAwQFBgcICQoLDA0ODxARE=MUFRYXGBkaGxwdHh8=:",
        "sha-256=:a9489093cb0f479b8f819769 4b30184b:",
        "sha-256=:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f:",
        "sha-256=" COUNTING ", sha-256=:AA==:",
        "sha-256=" COUNTING ", sha-256",
    };

    for (size_t i = 0; i < JF_TEST_COUNT(fields); i++) {
        unsigned char sha256[JF_SHA256_BYTES];
        int found = -7;
        jf_test_refused(jf_digest_parse(sha256, &found, fields[i], *state), JF_ERR_INVALID,
                        fields[i]);
        assert_int_equal(found, -7);
    }
}

static void test_format_writes_what_parse_reads(void **state)
{
    unsigned char bytes[JF_SHA256_BYTES];
    unsigned char parsed[JF_SHA256_BYTES];
    int found;
    counting_bytes(bytes);

    const char *field = jf_digest_format(bytes, *state);

    assert_string_equal(field, "sha-256=" COUNTING);
    jf_test_ok(jf_digest_parse(parsed, &found, field, *state), field);
    assert_int_equal(found, 1);
    assert_memory_equal(parsed, bytes, sizeof(bytes));
}

static void test_bytes_that_need_the_whole_alphabet(void **state)
{
    unsigned char bytes[JF_SHA256_BYTES];
    unsigned char parsed[JF_SHA256_BYTES];
    int found;
    memset(bytes, 0xFF, sizeof(bytes));
    bytes[1] = 0xEF;

    const char *field = jf_digest_format(bytes, *state);

    assert_non_null(strchr(field, '+') ? strchr(field, '/') : NULL);
    jf_test_ok(jf_digest_parse(parsed, &found, field, *state), field);
    assert_memory_equal(parsed, bytes, sizeof(bytes));
}

static void test_long_fields_are_read_in_time(void **state)
{
    const char *opened = jf_test_repeat("a=", '(', 1000000, "", *state);
    const char *spaces = jf_test_repeat("a=(", ' ', 1000000, "1", *state);
    const char *base64 = jf_test_repeat("sha-256=:", 'A', 1000000, ":", *state);
    unsigned char sha256[JF_SHA256_BYTES];
    int found;

    jf_test_refused(jf_digest_parse(sha256, &found, opened, *state), JF_ERR_INVALID, "a=((((…");
    jf_test_refused(jf_digest_parse(sha256, &found, spaces, *state), JF_ERR_INVALID, "a=(   …");
    jf_test_refused(jf_digest_parse(sha256, &found, base64, *state), JF_ERR_INVALID, ":AAAA…:");
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_sha256_is_found),
    JF_TEST(test_other_algorithms_are_ignored),
    JF_TEST(test_fields_that_are_no_dictionary_are_refused),
    JF_TEST(test_sha256_of_wrong_type_or_length_is_refused),
    JF_TEST(test_format_writes_what_parse_reads),
    JF_TEST(test_bytes_that_need_the_whole_alphabet),
    JF_TEST(test_long_fields_are_read_in_time),
};

JF_TEST_MAIN(tests)
