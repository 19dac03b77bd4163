#include "jf_test.h"

#include <string.h>

#include <apr_strings.h>

#include "fetch_private.h"

#define NOW "Sun, 22 Nov 2026 12:00:00 GMT"

/** An answer with up to two fields. */
static http_answer_t answer_with(const char *name, const char *value, const char *other_name,
                                 const char *other_value, apr_pool_t *pool)
{
    apr_table_t *headers = apr_table_make(pool, 2);
    if (value) {
        apr_table_setn(headers, name, value);
    }
    if (other_value) {
        apr_table_setn(headers, other_name, other_value);
    }
    return (http_answer_t){.status = 200, .headers = headers, .body = ""};
}

static void test_numbers_of_bytes(void **state)
{
    static const struct {
        const char *text;
        apr_int64_t bytes;
    } cases[] = {
        {"0", 0},
        {"5", 5},
        {"005", 5},
        {"999999999999999999", 999999999999999999},
        {"9999999999999999999", -1},
        {"99999999999999999999999999999999999999999999", -1},
        {"", -1},
        {"-1", -1},
        {"+1", -1},
        {" 1", -1},
        {"1 ", -1},
        {"1.0", -1},
        {"1e3", -1},
        {"0x10", -1},
        {"5, 5", -1},
        {NULL, -1},
    };

    (void)state;
    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        if (fetch_field_bytes(cases[i].text) != cases[i].bytes) {
            fail_msg("\"%s\" is taken for %lld", cases[i].text ? cases[i].text : "(none)",
                     (long long)fetch_field_bytes(cases[i].text));
        }
    }
}

static void test_ranges(void **state)
{
    static const struct {
        const char *field;
        fetch_range_t range;
    } cases[] = {
        {"bytes 0-0/1", {0, 0, 1}},
        {"bytes 5-9/10", {5, 9, 10}},
        {"BYTES 5-9/10", {5, 9, 10}},
        {"bytes 5-9/*", {5, 9, -1}},
        {"bytes 5-8/10", {5, 8, 10}},
        {"bytes 0-999999999999999998/999999999999999999",
         {0, 999999999999999998, 999999999999999999}},
    };

    (void)state;
    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        fetch_range_t range;
        if (!fetch_field_range(&range, cases[i].field)) {
            fail_msg("\"%s\" is refused", cases[i].field);
        }
        assert_int_equal(range.first_bytes, cases[i].range.first_bytes);
        assert_int_equal(range.last_bytes, cases[i].range.last_bytes);
        assert_int_equal(range.size_bytes, cases[i].range.size_bytes);
    }
}

static void test_what_is_no_range(void **state)
{
    static const char *const fields[] = {
        NULL,
        "",
        "bytes",
        "bytes ",
        "bytes */10",
        "bytes 5-9",
        "bytes 5-9/",
        "bytes 5-/10",
        "bytes -9/10",
        "bytes 9-5/10",
        "bytes 5-10/10",
        "bytes 5-9/10x",
        "bytes 5-9/**",
        "bytes 5-9/-1",
        "bytes  5-9/10",
        "bytes 5 - 9/10",
        "bytes=5-9/10",
        "pages 5-9/10",
        "5-9/10",
        "bytes 5-9/10, bytes 5-9/10",
        "bytes 0-18446744073709551615/18446744073709551616",
        "bytes 18446744073709551621-9/10",
    };

    (void)state;
    for (size_t i = 0; i < JF_TEST_COUNT(fields); i++) {
        fetch_range_t range;
        if (fetch_field_range(&range, fields[i])) {
            fail_msg("\"%s\" is taken for a range", fields[i] ? fields[i] : "(none)");
        }
    }
}

/* RFC 9110 section 8.8.2.2 */
static void test_dates_that_are_strong_validators(void **state)
{
    static const struct {
        const char *last_modified;
        const char *date;
        int is_strong;
    } cases[] = {
        {"Sun, 22 Nov 2026 11:59:00 GMT", NOW, 1},
        {"Sun, 22 Nov 2026 11:59:01 GMT", NOW, 0},
        {"Thu, 01 Jan 1998 00:00:00 GMT", NOW, 1},
        {NOW, NOW, 0},
        {"Sun, 22 Nov 2026 12:10:00 GMT", NOW, 0},
        {"Thu, 01 Jan 1998 00:00:00 GMT", NULL, 0},
        {"Thu, 01 Jan 1998 00:00:00 GMT", "today", 0},
        {"long ago", NOW, 0},
        {NULL, NOW, 0},
    };

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        http_answer_t answer =
            answer_with("Last-Modified", cases[i].last_modified, "Date", cases[i].date, *state);
        const char *got = fetch_field_last_modified(&answer);
        if ((got != NULL) != cases[i].is_strong) {
            fail_msg("\"%s\" is judged wrongly", cases[i].last_modified);
        }
        assert_true(!got || strcmp(got, cases[i].last_modified) == 0);
    }
}

static void test_digests(void **state)
{
    static const char *const none[] = {NULL, "", "sha-512=:AAAA:", "sha-256=:AAAA:", "nonsense("};
    unsigned char sha256[JF_SHA256_BYTES];
    memset(sha256, 0x5a, sizeof(sha256));
    http_answer_t answer =
        answer_with("Repr-Digest", jf_digest_format(sha256, *state), NULL, NULL, *state);

    const unsigned char *got = fetch_field_sha256(&answer, *state);
    assert_non_null(got);
    assert_memory_equal(got, sha256, sizeof(sha256));
    for (size_t i = 0; i < JF_TEST_COUNT(none); i++) {
        answer = answer_with("Repr-Digest", none[i], NULL, NULL, *state);
        assert_null(fetch_field_sha256(&answer, *state));
    }
}

static void test_answers_that_are_not_taken(void **state)
{
    static const struct {
        const char *name;
        const char *value;
        jf_err_code_t code;
    } cases[] = {
        {"Content-Encoding", "gzip", JF_ERR_FORBIDDEN},
        {"Content-Encoding", "identity, gzip", JF_ERR_FORBIDDEN},
        {"Content-Encoding", "", JF_ERR_FORBIDDEN},
        {"Content-Length", "", JF_ERR_IO},
        {"Content-Length", "-1", JF_ERR_IO},
        {"Content-Length", "5, 6", JF_ERR_IO},
    };
    http_answer_t good = answer_with("Content-Encoding", "IDENTITY", "Content-Length", "5", *state);

    jf_test_ok(fetch_field_check(&good, *state), "identity");
    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        http_answer_t answer = answer_with(cases[i].name, cases[i].value, NULL, NULL, *state);
        jf_test_refused(fetch_field_check(&answer, *state), cases[i].code, cases[i].value);
    }
}

static void test_urls_in_ascii(void **state)
{
    static const struct {
        const char *url;
        const char *ascii;
    } cases[] = {
        {"https://example.org/a?b#c", "https://example.org/a?b#c"},
        {"https://example.org/\u00DC?\u00FC", "https://example.org/%C3%9C?%C3%BC"},
        {"https://b\u00FCcher.example/x", "https://xn--bcher-kva.example/x"},
        {"https://b\u00FCcher.example:8443/", "https://xn--bcher-kva.example:8443/"},
        {"https://ex\u0430mple.org", "https://xn--exmple-4nf.org"},
        {"https://\u202E.org/", "https://\u202E.org/"}, /* refused by whoever connects */
        {"no url \u00FC", "no url \u00FC"},
    };

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        assert_string_equal(fetch_request_url(cases[i].url, *state), cases[i].ascii);
    }
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_numbers_of_bytes), JF_TEST(test_ranges),
    JF_TEST(test_what_is_no_range), JF_TEST(test_dates_that_are_strong_validators),
    JF_TEST(test_digests),          JF_TEST(test_answers_that_are_not_taken),
    JF_TEST(test_urls_in_ascii),
};

JF_TEST_MAIN(tests)
