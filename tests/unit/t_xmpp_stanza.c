#include "jf_test.h"

#include <string.h>

#include <apr_strings.h>

#include "t_stanza.h"
#include "xmpp_stanza.h"

#define ERROR_NS "urn:ietf:params:xml:ns:xmpp-stanzas"

static const char *write_stanza(xmpp_stanza_t *stanza, apr_pool_t *pool)
{
    char *text = NULL;
    size_t size = 0;
    assert_int_equal(xmpp_stanza_to_text(stanza, &text, &size), XMPP_EOK);
    const char *kept = apr_pstrdup(pool, text);
    xmpp_free(xmpp_stanza_get_context(stanza), text);
    return kept;
}

static void test_building(void **state)
{
    xmpp_ctx_t *ctx = t_stanza_context(*state);
    xmpp_stanza_t *top = xmpp_stanza_element(ctx, NULL, "message", NULL, NULL);
    xmpp_stanza_element(ctx, top, "body", NULL, "a < b & \"c\"");
    xmpp_stanza_t *x = xmpp_stanza_element(ctx, top, "x", "jabber:x:oob", NULL);
    xmpp_stanza_element(ctx, x, "url", NULL, "");
    const char *text = write_stanza(top, *state);
    xmpp_stanza_release(top);

    xmpp_stanza_t *again = t_stanza_read(text, *state);
    assert_string_equal(xmpp_stanza_child_text(again, "body", NULL, *state), "a < b & \"c\"");
    assert_null(xmpp_stanza_child_text(again, "body", "jabber:x:oob", *state));
    assert_null(xmpp_stanza_child_text(again, "subject", NULL, *state));
    x = xmpp_stanza_get_child_by_name_and_ns(again, "x", "jabber:x:oob");
    assert_non_null(x);
    assert_string_equal(xmpp_stanza_child_text(x, "url", "jabber:x:oob", *state), "");
}

static void test_what_xml_cannot_carry_becomes_a_question_mark(void **state)
{
    static const char *const cases[][2] = {
        {"plain", "plain"},
        {"tab\tline\n", "tab\tline\n"},
        {"bell\x07 escape\x1B[31m", "bell? escape?[31m"},
        {"\xC3\xBC \xE6\x97\xA5 \xF0\x9F\x98\x80", "\xC3\xBC \xE6\x97\xA5 \xF0\x9F\x98\x80"},
        {"\xFF\xFE", "??"},
        {"cut \xE6\x97", "cut ??"},
        {"surrogate \xED\xA0\x80", "surrogate ???"},
        {"no character \xEF\xBF\xBE.", "no character ?."},
        {"last one \xEF\xBF\xBD.", "last one \xEF\xBF\xBD."},
        {"\x7F", "\x7F"},
    };

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        xmpp_ctx_t *ctx = t_stanza_context(*state);
        xmpp_stanza_t *top = xmpp_stanza_element(ctx, NULL, "a", NULL, cases[i][0]);
        xmpp_stanza_attribute(top, "b", cases[i][0], *state);
        assert_string_equal(xmpp_stanza_get_attribute(top, "b"), cases[i][1]);
        xmpp_stanza_t *again = t_stanza_read(write_stanza(top, *state), *state);
        assert_string_equal(xmpp_stanza_own_text(again, *state), cases[i][1]);
        xmpp_stanza_release(top);
    }
}

static void test_numbers(void **state)
{
    static const char *const wrong[] = {"",    "0",  "-1",  "+1",  " 1",   "1 ",
                                        "1.5", "1k", "0x1", "abc", "1\n2", "9223372036854775808"};
    apr_int64_t number = 7;
    (void)state;
    assert_true(xmpp_stanza_number(&number, "1"));
    assert_true(number == 1);
    assert_true(xmpp_stanza_number(&number, "0042"));
    assert_true(number == 42);
    assert_true(xmpp_stanza_number(&number, "9223372036854775807"));
    assert_true(number == INT64_MAX);
    for (size_t i = 0; i < JF_TEST_COUNT(wrong); i++) {
        if (xmpp_stanza_number(&number, wrong[i])) {
            fail_msg("\"%s\" is taken for %ld", wrong[i], (long)number);
        }
        assert_true(number == 0);
    }
}

static void test_errors(void **state)
{
    static const struct {
        const char *stanza;
        const char *condition;
        const char *text;
    } cases[] = {
        {"<iq type='error'><error type='cancel'><item-not-found xmlns='" ERROR_NS
         "'/></error></iq>",
         "item-not-found", "there is no such user, room or item"},
        {"<message type='error'><error><text xmlns='" ERROR_NS
         "'>No\n  way&#x9;</text><forbidden xmlns='" ERROR_NS "'/></error></message>",
         "forbidden", "not allowed to this account (the server says: No   way )"},
        {"<iq type='error'><error><new-one xmlns='" ERROR_NS "'/></error></iq>", "new-one",
         "the server says no and gives no reason"},
        {"<iq type='error'><error><gone xmlns='other'/></error></iq>", NULL,
         "the server says no and gives no reason"},
        {"<iq type='error'><error>text</error></iq>", NULL,
         "the server says no and gives no reason"},
        {"<iq type='error'/>", NULL, "the server says no and gives no reason"},
        {"<iq type='result'><error><gone xmlns='" ERROR_NS "'/></error></iq>", NULL, ""},
        {"<iq/>", NULL, ""},
    };

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        xmpp_stanza_t *stanza = t_stanza_read(cases[i].stanza, *state);
        const char *condition = xmpp_stanza_condition(stanza);
        if (cases[i].condition) {
            assert_non_null(condition);
            assert_string_equal(condition, cases[i].condition);
        } else {
            assert_null(condition);
        }
        assert_string_equal(xmpp_stanza_error_text(stanza, *state), cases[i].text);
    }
}

static void test_long_texts_of_errors_are_cut(void **state)
{
    const char *head =
        "<iq type='error'><error><gone xmlns='" ERROR_NS "'/><text xmlns='" ERROR_NS "'>\xC3\xBC";
    const char *stanza = jf_test_repeat(head, 'x', 100000, "</text></error></iq>", *state);
    const char *text = xmpp_stanza_error_text(t_stanza_read(stanza, *state), *state);
    assert_true(strlen(text) < 400);
    assert_non_null(strstr(text, "xxx...)"));
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_building),
    JF_TEST(test_what_xml_cannot_carry_becomes_a_question_mark),
    JF_TEST(test_numbers),
    JF_TEST(test_errors),
    JF_TEST(test_long_texts_of_errors_are_cut),
};

JF_TEST_MAIN(tests)
