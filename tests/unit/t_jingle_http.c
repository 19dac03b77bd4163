#include "jf_test.h"

#include <string.h>

#include <apr_strings.h>

#include "jingle_http.h"
#include "put_fields.h"
#include "t_stanza.h"

#define URL "http://198.51.100.7:8010/k3Zp"

static apr_array_header_t *read_candidates(const char *content, apr_pool_t *pool)
{
    const char *xml =
        apr_psprintf(pool, "<transport xmlns='" JINGLE_HTTP_UPLOAD_NS "'>%s</transport>", content);
    return jingle_http_read(t_stanza_read(xml, pool), pool);
}

static const jingle_candidate_t *only(const apr_array_header_t *candidates)
{
    assert_int_equal(candidates->nelts, 1);
    return &APR_ARRAY_IDX(candidates, 0, jingle_candidate_t);
}

static void test_which_urls_are_taken(void **state)
{
    static const struct {
        const char *url;
        int is_taken;
    } cases[] = {
        {URL, 1},
        {"https://example.org/", 1},
        {"HTTPS://example.org/", 1},
        {"http://[2001:db8::7]:8010/x", 1},
        {"ftp://example.org/", 0},
        {"file:///etc/passwd", 0},
        {"javascript:alert(1)", 0},
        {"//example.org/", 0},
        {"", 0},
        {"http://example.org/a b", 0},
        {"http://example.org/#a", 0},
        {"http://example.org/\\a", 0},
        {"http://example.org/&lt;a", 0},
        {"http://example.org/&#xe9;", 0},
        {"http://example.org/&#10;a", 0},
    };
    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        const char *content = apr_psprintf(*state, "<candidate uri='%s'/>", cases[i].url);
        if (read_candidates(content, *state)->nelts != cases[i].is_taken) {
            fail_msg("%s", cases[i].url);
        }
    }
    assert_int_equal(read_candidates("<candidate/>", *state)->nelts, 0);
    assert_int_equal(read_candidates("<other uri='" URL "'/>text", *state)->nelts, 0);
    const char *too_long =
        jf_test_repeat("<candidate uri='http://example.org/", 'x', 4096, "'/>", *state);
    assert_int_equal(read_candidates(too_long, *state)->nelts, 0);
}

static void test_only_harmless_fields_are_taken(void **state)
{
    const jingle_candidate_t *candidate =
        only(read_candidates("<candidate uri='" URL "'>"
                             "<header name='authorization'>Bearer x</header>"
                             "<header name='COOKIE'>a=b</header><header name='Expires'/>"
                             "<header name='Host'>evil</header>"
                             "<header name='Content-Length'>1</header>"
                             "<header name='Transfer-Encoding'>chunked</header>"
                             "<header name='Expect'>x</header><header>y</header>"
                             "<other name='Cookie'>z</other></candidate>",
                             *state));
    assert_string_equal(candidate->url, URL);
    assert_int_equal(apr_table_elts(candidate->headers)->nelts, 3);
    assert_string_equal(apr_table_get(candidate->headers, "Authorization"), "Bearer x");
    assert_string_equal(apr_table_get(candidate->headers, "Cookie"), "a=b");
    assert_string_equal(apr_table_get(candidate->headers, "Expires"), "");
}

static void test_a_field_that_is_more_than_a_field_ends_the_candidate(void **state)
{
    static const char *const values[] = {"a&#13;&#10;Host: evil", "a&#10;b", "a&#13;b", "a&#9;b",
                                         "a&#127;b"};
    for (size_t i = 0; i < JF_TEST_COUNT(values); i++) {
        const char *content =
            apr_psprintf(*state,
                         "<candidate uri='" URL "'><header name='Cookie'>%s</header></candidate>"
                         "<candidate uri='" URL "2'/>",
                         values[i]);
        assert_string_equal(only(read_candidates(content, *state))->url, URL "2");
    }
}

static void test_how_much_is_taken(void **state)
{
    const char *many = "";
    const char *headers = "";
    for (int i = 0; i < 20; i++) {
        many = apr_psprintf(*state, "%s<candidate uri='" URL "%d'/>", many, i);
        headers = apr_pstrcat(*state, headers, "<header name='Cookie'>x</header>", NULL);
    }
    apr_array_header_t *candidates = read_candidates(many, *state);
    assert_int_equal(candidates->nelts, JINGLE_HTTP_CANDIDATES_MAX);
    assert_string_equal(APR_ARRAY_IDX(candidates, 1, jingle_candidate_t).url, URL "1");
    const char *one = apr_psprintf(*state, "<candidate uri='" URL "'>%s</candidate>", headers);
    assert_true(apr_table_elts(only(read_candidates(one, *state))->headers)->nelts < 20);
}

static void test_what_is_written_is_read(void **state)
{
    xmpp_ctx_t *ctx = t_stanza_context(*state);
    xmpp_stanza_t *transport =
        xmpp_stanza_element(ctx, NULL, "transport", JINGLE_HTTP_UPLOAD_NS, NULL);
    assert_int_equal(jingle_http_is_completed(transport), 0);
    jingle_http_add_candidate(ctx, transport, URL "?a=1&b=2", *state);
    assert_string_equal(only(jingle_http_read(transport, *state))->url, URL "?a=1&b=2");
    jingle_http_add_completed(ctx, transport);
    assert_int_equal(jingle_http_is_completed(transport), 1);
    xmpp_stanza_release(transport);
}

static void test_names_of_fields(void **state)
{
    (void)state;
    assert_string_equal(put_fields_name("expires"), "Expires");
    assert_null(put_fields_name(NULL));
    assert_null(put_fields_name(""));
    assert_null(put_fields_name("Cookie2"));
    assert_null(put_fields_name("Cookie: x\r\nHost"));
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_which_urls_are_taken),
    JF_TEST(test_only_harmless_fields_are_taken),
    JF_TEST(test_a_field_that_is_more_than_a_field_ends_the_candidate),
    JF_TEST(test_how_much_is_taken),
    JF_TEST(test_what_is_written_is_read),
    JF_TEST(test_names_of_fields),
};

JF_TEST_MAIN(tests)
