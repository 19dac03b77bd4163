#include "jf_test.h"

#include <string.h>

#include <apr_strings.h>

#include "jf_units.h"
#include "t_stanza.h"
#include "xmpp_private.h"

#define NS "urn:xmpp:http:upload:0"
#define ERROR_NS "urn:ietf:params:xml:ns:xmpp-stanzas"
#define GOOD "https://files.example.org/s/abc/a.txt"

static const source_file_t source = {.name = "a.txt", .size_bytes = 3000};

static jf_err_t *parse(slot_t **slot, const char *text, apr_pool_t *pool)
{
    return xmpp_slot_parse(slot, t_stanza_read(text, pool), &source, pool);
}

static const char *answer(const char *put, const char *headers, const char *get, apr_pool_t *pool)
{
    return apr_psprintf(pool,
                        "<iq type='result'><slot xmlns='" NS "'><put url='%s'>%s</put>"
                        "<get url='%s'/></slot></iq>",
                        put, headers, get);
}

static void test_a_slot(void **state)
{
    slot_t *slot = NULL;
    const char *text =
        answer(GOOD "?v=1&amp;w=2", "<header name='Authorization'>Bearer x</header>", GOOD, *state);
    jf_test_ok(parse(&slot, text, *state), text);
    assert_string_equal(slot->put_url, GOOD "?v=1&w=2");
    assert_string_equal(slot->get_url, GOOD);
    assert_string_equal(apr_table_get(slot->put_headers, "Authorization"), "Bearer x");
}

static void test_urls(void **state)
{
    static const char *const good[] = {
        GOOD,
        "https://files.example.org:8443/a",
        "HTTPS://files.example.org/%C3%9Cbersicht.pdf?x=1;y=@:",
        "https://[2001:db8::1]:5443/a",
        "http://127.0.0.1:5280/a",
        "http://127.1.2.3/a",
        "http://[::1]:5280/a",
        "http://localhost:5280/a",
    };
    static const char *const bad[] = {
        "",
        "a.txt",
        "/s/a.txt",
        "//files.example.org/a",
        "https:///a",
        "https://",
        "https:a",
        "http://files.example.org/a",
        "http://127.0.0.1.example.org/a",
        "http://127.0.0.1@example.org/a",
        "http://127.evil/a",
        "http://localhost.example.org/a",
        "http://localhost@example.org/a",
        "http://example.org#@127.0.0.1/",
        "http://example.org\\@127.0.0.1/",
        "https://user:password@files.example.org/a",
        "ftp://files.example.org/a",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https://files.example.org/two words",
        " https://files.example.org/a",
        "https://files.example.org/a&#10;Host: b",
        "https://files.example.org/\xC3\x9C",
        "https://files.example.org/a#b",
        "https://files.example.org/&quot;&gt;",
    };

    for (size_t i = 0; i < JF_TEST_COUNT(good); i++) {
        slot_t *slot = NULL;
        jf_test_ok(parse(&slot, answer(good[i], "", good[i], *state), *state), good[i]);
        assert_string_equal(slot->put_url, good[i]);
        assert_string_equal(slot->get_url, good[i]);
    }
    for (size_t i = 0; i < JF_TEST_COUNT(bad); i++) {
        slot_t *slot = NULL;
        jf_test_refused(parse(&slot, answer(bad[i], "", GOOD, *state), *state), JF_ERR_IO, bad[i]);
        jf_test_refused(parse(&slot, answer(GOOD, "", bad[i], *state), *state), JF_ERR_IO, bad[i]);
        assert_null(slot);
    }
    slot_t *slot = NULL;
    const char *longest = jf_test_repeat("https://files.example.org/", 'x', 5000, "", *state);
    jf_test_refused(parse(&slot, answer(longest, "", GOOD, *state), *state), JF_ERR_IO, "long");
}

static int count_field(void *count, const char *name, const char *value)
{
    (void)name;
    (void)value;
    ++*(int *)count;
    return 1;
}

static void test_only_three_header_fields_are_taken(void **state)
{
    static const char *const refused[] = {
        "Host",       "Content-Length", "Content-Type",   "Transfer-Encoding", "X-Authorization",
        "Set-Cookie", "Authorization ", "Authorization:", "Cookie&#10;Host",   "",
        "Expect"};
    slot_t *slot = NULL;
    int count = 0;
    const char *headers = "<other name='Cookie'>no</other>text<header>no name</header>";
    for (size_t i = 0; i < JF_TEST_COUNT(refused); i++) {
        headers = apr_psprintf(*state, "%s<header name='%s'>bad</header>", headers, refused[i]);
    }
    headers = apr_pstrcat(*state, headers,
                          "<header name='COOKIE'>a=1</header><header name='cookie'>b=2</header>"
                          "<header name='expires'>never</header>"
                          "<header name='authorization'>Basic&#13;&#10; x&#10;&#9;&#x7F;y</header>",
                          NULL);
    jf_test_ok(parse(&slot, answer(GOOD, headers, GOOD, *state), *state), headers);
    apr_table_do(count_field, &count, slot->put_headers, NULL);
    assert_int_equal(count, 4);
    assert_string_equal(apr_table_get(slot->put_headers, "Cookie"), "a=1");
    assert_string_equal(apr_table_get(slot->put_headers, "Expires"), "never");
    assert_string_equal(apr_table_get(slot->put_headers, "Authorization"), "Basic xy");
}

static void test_answers_that_are_none(void **state)
{
    static const char *const cases[] = {
        "<iq type='result'/>",
        "<iq/>",
        "<iq type='result'><slot xmlns='urn:xmpp:http:upload'><put>" GOOD "</put></slot></iq>",
        "<iq type='result'><slot xmlns='" NS "'/></iq>",
        "<iq type='result'><slot xmlns='" NS "'><put url='" GOOD "'/></slot></iq>",
        "<iq type='result'><slot xmlns='" NS "'><get url='" GOOD "'/></slot></iq>",
        "<iq type='result'><slot xmlns='" NS "'><put/><get/></slot></iq>",
    };

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        slot_t *slot = NULL;
        jf_test_refused(parse(&slot, cases[i], *state), JF_ERR_IO, cases[i]);
        assert_null(slot);
    }
}

static jf_err_t *refusal(const char *type, const char *condition, const char *more,
                         apr_pool_t *pool)
{
    slot_t *slot = NULL;
    jf_err_t *err = parse(&slot,
                          apr_psprintf(pool,
                                       "<iq type='error'><request xmlns='" NS "' filename='a'/>"
                                       "<error type='%s'><%s xmlns='" ERROR_NS "'/>%s</error></iq>",
                                       type, condition, more),
                          pool);
    assert_null(slot);
    return err;
}

static void test_too_large(void **state)
{
    const char *more = "<file-too-large xmlns='" NS "'><max-file-size>%s</max-file-size>"
                       "</file-too-large>";
    jf_err_t *err = refusal("modify", "not-acceptable", apr_psprintf(*state, more, "2048"), *state);
    jf_test_refused(err, JF_ERR_TOO_LARGE, "2048");
    assert_true(err->limit_bytes == 2048 && err->required_bytes == 3000);
    assert_non_null(strstr(err->text, "2 KiB"));
    static const char *const nonsense[] = {"", "-1", "lots", "99999999999999999999"};
    for (size_t i = 0; i < JF_TEST_COUNT(nonsense); i++) {
        err = refusal("modify", "not-acceptable", apr_psprintf(*state, more, nonsense[i]), *state);
        jf_test_refused(err, JF_ERR_TOO_LARGE, nonsense[i]);
        assert_true(err->limit_bytes == JF_FACT_NONE);
    }
    err = refusal("modify", "not-acceptable", "<file-too-large xmlns='" NS "'/>", *state);
    jf_test_refused(err, JF_ERR_TOO_LARGE, "without a number");
}

static void test_quota(void **state)
{
    const char *more =
        "<text xmlns='" ERROR_NS "'>Daily quota</text><retry xmlns='" NS "' stamp='%s'/>";
    jf_err_t *err = refusal("wait", "resource-constraint",
                            apr_psprintf(*state, more, "2026-11-22T18:00:00Z"), *state);
    jf_test_refused(err, JF_ERR_QUOTA, "retry");
    assert_non_null(strstr(err->text, "try again after 2026-11-22T18:00:00.000Z"));
    assert_non_null(strstr(err->text, "Daily quota"));
    err = refusal("wait", "resource-constraint", apr_psprintf(*state, more, "soon &#x9b;31m"),
                  *state);
    jf_test_refused(err, JF_ERR_QUOTA, "no time");
    assert_non_null(strstr(err->text, "try again later"));
}

static void test_other_refusals(void **state)
{
    static const struct {
        const char *type;
        const char *condition;
        jf_err_code_t code;
    } cases[] = {
        {"auth", "forbidden", JF_ERR_FORBIDDEN},
        {"cancel", "not-allowed", JF_ERR_FORBIDDEN},
        {"wait", "resource-constraint", JF_ERR_QUOTA},
        {"modify", "not-acceptable", JF_ERR_IO},
        {"modify", "bad-request", JF_ERR_IO},
        {"cancel", "service-unavailable", JF_ERR_UNAVAILABLE},
        {"wait", "internal-server-error", JF_ERR_UNAVAILABLE},
        {"wait", "something-new", JF_ERR_UNAVAILABLE},
        {"cancel", "something-new", JF_ERR_IO},
    };

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        jf_test_refused(refusal(cases[i].type, cases[i].condition, "", *state), cases[i].code,
                        cases[i].condition);
    }
    slot_t *slot = NULL;
    jf_test_refused(parse(&slot, "<iq type='error'/>", *state), JF_ERR_IO, "no error element");
}

/* ---- discovery ---- */

static int discover(upload_service_t *service, const char *content, apr_pool_t *pool)
{
    const char *text = apr_psprintf(
        pool,
        "<iq type='result'><query xmlns='http://jabber.org/protocol/disco#info'>%s</query></iq>",
        content);
    return xmpp_disco_parse_upload(service, t_stanza_read(text, pool), pool);
}

#define FEATURE "<feature var='" NS "'/>"
#define FORM(type, value)                                                        \
    "<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE'><value>" type \
    "</value></field><field/><field var='max-file-size'><value>" value "</value></field></x>"

static void test_discovery(void **state)
{
    static const struct {
        const char *content;
        apr_int64_t max_size_bytes;
    } cases[] = {
        {FEATURE, JF_UNLIMITED},
        {"text<identity category='store' type='file'/>" FEATURE FORM(NS, "1048576"), 1048576},
        {FORM(NS, "5") FEATURE, 5},
        {FEATURE FORM("urn:xmpp:http:upload", "5"), JF_UNLIMITED},
        {FEATURE FORM("urn:xmpp:http:upload", "5") FORM(NS, "6"), 6},
        {FEATURE FORM(NS, "-1"), JF_UNLIMITED},
        {FEATURE FORM(NS, ""), JF_UNLIMITED},
        {FEATURE "<x xmlns='jabber:x:data'/>", JF_UNLIMITED},
    };

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        upload_service_t service = {0};
        if (!discover(&service, cases[i].content, *state)) {
            fail_msg("no service: %s", cases[i].content);
        }
        assert_true(service.max_size_bytes == cases[i].max_size_bytes);
        assert_false(service.keeps_ephemeral);
    }
    upload_service_t service = {0};
    assert_true(discover(
        &service, FEATURE "<feature var='urn:xmpp:http:upload:purpose:0#ephemeral'/>", *state));
    assert_true(service.keeps_ephemeral);
}

static void test_what_is_no_upload_service(void **state)
{
    static const char *const cases[] = {
        "",
        "<feature var='urn:xmpp:http:upload'/>",
        "<feature/>",
        "<feature var='" NS "x'/>",
        "<x><feature var='" NS "'/></x>",
        "<identity category='store' type='file'/>",
    };

    upload_service_t service;
    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        if (discover(&service, cases[i], *state)) {
            fail_msg("taken for a service: %s", cases[i]);
        }
    }
    const char *error =
        "<iq type='error'><query xmlns='http://jabber.org/protocol/disco#info'>" FEATURE
        "</query></iq>";
    assert_false(xmpp_disco_parse_upload(&service, t_stanza_read(error, *state), *state));
    assert_false(xmpp_disco_parse_upload(&service, t_stanza_read("<iq/>", *state), *state));
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_a_slot),
    JF_TEST(test_urls),
    JF_TEST(test_only_three_header_fields_are_taken),
    JF_TEST(test_answers_that_are_none),
    JF_TEST(test_too_large),
    JF_TEST(test_quota),
    JF_TEST(test_other_refusals),
    JF_TEST(test_discovery),
    JF_TEST(test_what_is_no_upload_service),
};

JF_TEST_MAIN(tests)
