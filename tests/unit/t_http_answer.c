#include "jf_test.h"

#include <string.h>

#include <apr_strings.h>

#include "http.h"

#define PROBLEM "application/problem+json"
#define ALICE "alice@example.org"

static http_answer_t make(int status, const char *type, const char *body, const char *retry_after,
                          apr_pool_t *pool)
{
    apr_table_t *headers = apr_table_make(pool, 2);
    if (type) {
        apr_table_setn(headers, "Content-Type", type);
    }
    if (retry_after) {
        apr_table_setn(headers, "Retry-After", retry_after);
    }
    return (http_answer_t){.status = status,
                           .headers = headers,
                           .body = body ? body : "",
                           .url = "https://files.example.org/files/x"};
}

static void test_statuses_stand_for_errors(void **state)
{
    static const struct {
        int status;
        jf_err_code_t code;
        const char *words;
    } cases[] = {
        {301, JF_ERR_IO, "names no other place instead"},
        {400, JF_ERR_IO, "answers 400"},
        {401, JF_ERR_FORBIDDEN, "wants a login"},
        {402, JF_ERR_QUOTA, "quota"},
        {403, JF_ERR_FORBIDDEN, "does not allow"},
        {404, JF_ERR_NOT_FOUND, "nothing at this address"},
        {405, JF_ERR_IO, "check the URL"},
        {410, JF_ERR_NOT_FOUND, "its time is over"},
        {412, JF_ERR_PRECONDITION, "has changed"},
        {413, JF_ERR_TOO_LARGE, "larger than the server takes"},
        {418, JF_ERR_IO, "answers 418"},
        {429, JF_ERR_TOO_MANY, "too many requests; try again later"},
        {500, JF_ERR_UNAVAILABLE, "cannot do it now, 500; try again later"},
        {501, JF_ERR_IO, "check the URL"},
        {503, JF_ERR_UNAVAILABLE, "503"},
        {507, JF_ERR_DISK_FULL, "no room"},
        {599, JF_ERR_UNAVAILABLE, "599"},
    };

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        http_answer_t answer = make(cases[i].status, NULL, NULL, NULL, *state);
        const jf_err_t *err = http_answer_error(&answer, "uploading x.pdf", *state);
        jf_test_refused(err, cases[i].code, cases[i].words);
        assert_ptr_equal(strstr(err->text, "uploading x.pdf: "), err->text);
        if (!strstr(err->text, cases[i].words)) {
            fail_msg("%d: \"%s\" does not say \"%s\"", cases[i].status, err->text, cases[i].words);
        }
    }
}

/* What mod_jabberfiles sends. */
static void test_problems_of_our_server_are_told_in_numbers(void **state)
{
    static const struct {
        int status;
        jf_err_code_t code;
        const char *body;
        const char *text;
        apr_int64_t limit_bytes;
        apr_int64_t used_bytes;
        apr_int64_t required_bytes;
    } cases[] = {
        {507, JF_ERR_QUOTA,
         "{\"detail\":\"The disk quota.\",\"quota_bytes\":524288000,\"used_bytes\":503316480,"
         "\"required_bytes\":734003200}",
         "x: the area is full: 480 MiB of 500 MiB are used, and it needs 700 MiB; delete something "
         "with \"jabberfiles rm\"",
         524288000, 503316480, 734003200},
        {507, JF_ERR_QUOTA, "{\"quota_bytes\":1024,\"used_bytes\":0}",
         "x: the area is full: 0 bytes of 1 KiB are used; delete something with "
         "\"jabberfiles rm\"",
         1024, 0, JF_FACT_NONE},
        {507, JF_ERR_DISK_FULL, "{\"detail\":\"The disk of the server is full.\"}",
         "x: the server has no room for it (The disk of the server is full)", JF_FACT_NONE,
         JF_FACT_NONE, JF_FACT_NONE},
        {413, JF_ERR_TOO_LARGE, "{\"max_file_size_bytes\":104857600,\"required_bytes\":104857601}",
         "x: it is larger than the 100 MiB that the server takes", 104857600, JF_FACT_NONE,
         104857601},
        {429, JF_ERR_TRANSFER_QUOTA,
         "{\"transfer_quota_bytes\":1048576,\"transferred_bytes\":1048570}",
         "x: the 1 MiB that may be downloaded from this area in a period are used up; try again "
         "later",
         1048576, 1048570, JF_FACT_NONE},
        {403, JF_ERR_FORBIDDEN, "{\"detail\":\"Not over plain HTTP.\"}",
         "x: the server does not allow it (Not over plain HTTP)", JF_FACT_NONE, JF_FACT_NONE,
         JF_FACT_NONE},
    };

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        http_answer_t answer = make(cases[i].status, PROBLEM, cases[i].body, NULL, *state);
        const jf_err_t *err = http_answer_error(&answer, "x", *state);
        assert_int_equal(err->code, cases[i].code);
        assert_string_equal(err->text, cases[i].text);
        assert_int_equal(err->limit_bytes, cases[i].limit_bytes);
        assert_int_equal(err->used_bytes, cases[i].used_bytes);
        assert_int_equal(err->required_bytes, cases[i].required_bytes);
    }
}

static void test_what_cannot_be_meant_is_not_believed(void **state)
{
    static const char *const bodies[] = {
        "",
        "nonsense",
        "[]",
        "null",
        "{\"detail\":7}",
        "{\"quota_bytes\":-1,\"used_bytes\":-1}",
        "7",
        "{\"detail\":\"  \"}",
        "{\"quota_bytes\":\"1\",\"used_bytes\":1.5}",
    };

    for (size_t i = 0; i < JF_TEST_COUNT(bodies); i++) {
        http_answer_t answer = make(507, PROBLEM, bodies[i], NULL, *state);
        const jf_err_t *err = http_answer_error(&answer, "x", *state);
        assert_int_equal(err->code, JF_ERR_DISK_FULL);
        assert_string_equal(err->text, "x: the server has no room for it");
        assert_int_equal(err->limit_bytes, JF_FACT_NONE);
    }
}

static void test_one_line_of_plain_text_is_quoted_and_html_never(void **state)
{
    static const struct {
        const char *type;
        const char *body;
        const char *text;
    } cases[] = {
        {"text/plain", "\r\n  Too bad. \r\nsecond", "x: the server does not allow it (Too bad)"},
        {"text/plain; charset=utf-8", "Too bad", "x: the server does not allow it (Too bad)"},
        {"Text/Plain", "Too bad", "x: the server does not allow it (Too bad)"},
        {"text/plainest", "Too bad", "x: the server does not allow it"},
        {"text/html", "Too bad", "x: the server does not allow it"},
        {NULL, "Too bad", "x: the server does not allow it"},
        {PROBLEM, "{\"detail\":\"one\\ntwo\"}", "x: the server does not allow it (one)"},
    };

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        http_answer_t answer = make(403, cases[i].type, cases[i].body, NULL, *state);
        assert_string_equal(http_answer_error(&answer, "x", *state)->text, cases[i].text);
    }
}

static void test_a_long_line_is_cut_between_characters(void **state)
{
    apr_pool_t *pool = *state;
    for (size_t length = 296; length <= 304; length++) {
        const char *body = apr_pstrcat(pool, jf_test_repeat("", 'a', length, "", pool),
                                       "\u65e5\u672c\u8a9e and so on", NULL);
        http_answer_t answer = make(403, "text/plain", body, NULL, pool);
        const char *text = http_answer_error(&answer, "x", pool)->text;
        size_t end = strlen(text) - 2;
        assert_true(strlen(text) < 350);
        /* Either an "a", or the last byte of a whole character. */
        assert_true(text[end] == 'a' || (unsigned char)text[end - 2] >= 0xe0);
    }
}

static void test_a_wrong_password_names_the_account(void **state)
{
    http_answer_t answer = make(401, NULL, NULL, NULL, *state);
    answer.login = ALICE;
    const jf_err_t *err = http_answer_error(&answer, "x", *state);
    assert_int_equal(err->code, JF_ERR_FORBIDDEN);
    assert_non_null(strstr(err->text, "the password of " ALICE));
    assert_non_null(strstr(err->text, "\"jabberfiles login\""));
}

static void test_when_it_works_again(void **state)
{
    static const struct {
        const char *retry_after;
        const char *words;
    } cases[] = {
        {"0", "; try again in 1 second"},     {"1", "; try again in 1 second"},
        {"30", "; try again in 30 seconds"},  {"120", "; try again in 120 seconds"},
        {"7200", "; try again on 20"},        {"Fri, 31 Dec 1999 23:59:59 GMT", "in 1 second"},
        {"soon", "; try again later"},        {"", "; try again later"},
        {"-5", "; try again later"},          {"5 seconds", "; try again later"},
        {"99999999999", "; try again later"}, {"99999999999999999999999", "; try again later"},
    };

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        http_answer_t answer = make(503, NULL, NULL, cases[i].retry_after, *state);
        const char *text = http_answer_error(&answer, "x", *state)->text;
        if (!strstr(text, cases[i].words)) {
            fail_msg("\"%s\": \"%s\"", cases[i].retry_after, text);
        }
    }
}

static void test_retry_after_in_seconds_and_as_a_date(void **state)
{
    const apr_time_t now_us = apr_time_from_sec(1795000000); /* 2026-11-18 11:06:40 */
    http_answer_t in_seconds = make(503, NULL, NULL, "120", *state);
    http_answer_t at_date = make(503, NULL, NULL, "Wed, 18 Nov 2026 11:07:40 GMT", *state);
    http_answer_t in_centuries = make(503, NULL, NULL, "Wed, 18 Nov 2226 11:07:40 GMT", *state);
    http_answer_t never = make(503, NULL, NULL, NULL, *state);
    assert_int_equal(http_answer_retry_at(&in_seconds, now_us), now_us + apr_time_from_sec(120));
    assert_int_equal(http_answer_retry_at(&at_date, now_us), now_us + apr_time_from_sec(60));
    assert_int_equal(http_answer_retry_at(&in_centuries, now_us), 0);
    assert_int_equal(http_answer_retry_at(&never, now_us), 0);
}

static void test_a_redirect_names_its_target(void **state)
{
    http_answer_t answer = make(302, NULL, NULL, NULL, *state);
    apr_table_setn((apr_table_t *)answer.headers, "Location", "/elsewhere");
    assert_non_null(strstr(http_answer_error(&answer, "x", *state)->text,
                           "answers 302 and names https://files.example.org/elsewhere instead"));
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_statuses_stand_for_errors),
    JF_TEST(test_problems_of_our_server_are_told_in_numbers),
    JF_TEST(test_what_cannot_be_meant_is_not_believed),
    JF_TEST(test_one_line_of_plain_text_is_quoted_and_html_never),
    JF_TEST(test_a_long_line_is_cut_between_characters),
    JF_TEST(test_a_wrong_password_names_the_account),
    JF_TEST(test_when_it_works_again),
    JF_TEST(test_retry_after_in_seconds_and_as_a_date),
    JF_TEST(test_a_redirect_names_its_target),
};

JF_TEST_MAIN(tests)
