#include "jf_test.h"

#include <string.h>

#include <apr_strings.h>

#include "jf_jid.h"

#define DOMAIN "@example.org"

typedef struct mapping_t {
    const char *text;
    const char *prepared;
} mapping_t;

static const char *prepare(const char *text, apr_pool_t *pool)
{
    const char *jid = NULL;
    jf_test_ok(jf_jid_prepare(&jid, text, pool), text);
    return jid;
}

/** Each text becomes its prepared form, and that one stays as it is. */
static void check_jids(const mapping_t *cases, size_t count, apr_pool_t *pool)
{
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(prepare(cases[i].text, pool), cases[i].prepared);
        assert_string_equal(prepare(cases[i].prepared, pool), cases[i].prepared);
    }
}

static void check_domains(const mapping_t *cases, size_t count, apr_pool_t *pool)
{
    for (size_t i = 0; i < count; i++) {
        const char *domain = NULL;
        jf_test_ok(jf_jid_prepare_domain(&domain, cases[i].text, pool), cases[i].text);
        assert_string_equal(domain, cases[i].prepared);
        jf_test_ok(jf_jid_prepare_domain(&domain, cases[i].prepared, pool), cases[i].prepared);
        assert_string_equal(domain, cases[i].prepared);
    }
}

static void refuse_jids(const char *const *texts, size_t count, apr_pool_t *pool)
{
    for (size_t i = 0; i < count; i++) {
        const char *jid = "untouched";
        jf_test_refused(jf_jid_prepare(&jid, texts[i], pool), JF_ERR_INVALID, texts[i]);
        assert_string_equal(jid, "untouched");
    }
}

static void refuse_domains(const char *const *texts, size_t count, apr_pool_t *pool)
{
    for (size_t i = 0; i < count; i++) {
        const char *domain = "untouched";
        jf_test_refused(jf_jid_prepare_domain(&domain, texts[i], pool), JF_ERR_INVALID, texts[i]);
        assert_string_equal(domain, "untouched");
    }
}

/* RFC 7622 section 3.5, tables 1 and 2, as far as they are bare JIDs with a localpart. */
static void test_examples_of_the_rfc(void **state)
{
    static const mapping_t valid[] = {
        {"juliet@example.com", "juliet@example.com"},
        {"foo\\20bar@example.com", "foo\\20bar@example.com"},
        {"fussball@example.com", "fussball@example.com"},
        {"fu\u00DFball@example.com", "fu\u00DFball@example.com"},
        {"\u03C0@example.com", "\u03C0@example.com"},
        {"\u03A3@example.com", "\u03C3@example.com"},
        {"\u03C3@example.com", "\u03C3@example.com"},
        {"\u03C2@example.com", "\u03C2@example.com"},
    };
    static const char *const invalid[] = {
        "\"juliet\"@example.com",
        "foo bar@example.com",
        "<foo@example.com",
        "@example.com/",
        "henry\u2163@example.com",
        "\u265A@example.com",
        "juliet@",
        "/foobar",
        "@example.com",
        "example.com",
        "juliet@example.com/foo",
    };

    check_jids(valid, JF_TEST_COUNT(valid), *state);
    refuse_jids(invalid, JF_TEST_COUNT(invalid), *state);
}

static void test_ascii_names(void **state)
{
    static const mapping_t cases[] = {
        {"alice@example.org", "alice@example.org"},
        {"ALICE@EXAMPLE.ORG", "alice@example.org"},
        {"a.b-c_d+e@example.org", "a.b-c_d+e@example.org"},
        {"..@example.org", "..@example.org"},
        {"-@localhost", "-@localhost"},
        {"CON@example.org", "con@example.org"},
        {"!#$%()*+,-.;=?[\\]^_`{|}~@example.org", "!#$%()*+,-.;=?[\\]^_`{|}~@example.org"},
        {"o\\27brien@example.org", "o\\27brien@example.org"}, /* XEP-0106 stays escaped */
        {"tom\\40oldchat.example@gw.example.org", "tom\\40oldchat.example@gw.example.org"},
        {"%41@example.org", "%41@example.org"}, /* decoded once, elsewhere */
        {"alice@example.org.", "alice@example.org"},
        {"alice@192.0.2.7", "alice@192.0.2.7"},
        {"alice@[2001:DB8::1]", "alice@[2001:db8::1]"},
    };

    check_jids(cases, JF_TEST_COUNT(cases), *state);
}

static void test_one_user_has_one_form(void **state)
{
    static const mapping_t cases[] = {
        /* capitals */
        {"\u00DCber@example.org", "\u00FCber@example.org"},
        {"\u0416\u0423\u041A@example.org", "\u0436\u0443\u043A@example.org"},
        {"\u1E9E@example.org", "\u00DF@example.org"},
        {"\u0130@example.org", "i\u0307@example.org"},
        /* NFD and NFC */
        {"u\u0308ber@example.org", "\u00FCber@example.org"},
        {"U\u0308ber@example.org", "\u00FCber@example.org"},
        {"e\u0301\u0323@example.org", "\u1EB9\u0301@example.org"},
        /* full-width and half-width variants */
        {"\uFF41\uFF4C\uFF49\uFF43\uFF45@example.org", "alice@example.org"},
        {"\uFF21\uFF2C\uFF29\uFF23\uFF25@example.org", "alice@example.org"},
        {"alic\uFF45@\uFF45\uFF58ample\uFF0Eorg", "alice@example.org"},
        {"\uFF11\uFF12@example.org", "12@example.org"},
        {"\uFF76\uFF9E@example.org", "\u30AC@example.org"}, /* half-width ka and voiced mark */
        {"alice@example\u3002org", "alice@example.org"},
        {"alice@example.org\uFF61", "alice@example.org"},
    };

    check_jids(cases, JF_TEST_COUNT(cases), *state);
}

static void test_different_users_stay_different(void **state)
{
    static const mapping_t pairs[] = {
        {"alice@example.org", "alice@example.com"},
        {"alice@example.org", "alice@sub.example.org"},
        {"alice@example.org", "\u0430lice@example.org"}, /* Cyrillic a */
        {"strasse@example.org", "stra\u00DFe@example.org"},
        {"alice@strasse.example", "alice@stra\u00DFe.example"},
        {"i@example.org", "\u0131@example.org"},
        {"a.b@example.org", "ab@example.org"},
        {"\\5cx@example.org", "\\x@example.org"},
    };

    for (size_t i = 0; i < JF_TEST_COUNT(pairs); i++) {
        assert_string_not_equal(prepare(pairs[i].text, *state), prepare(pairs[i].prepared, *state));
    }
}

static void test_wrong_separators_are_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "@",
        "/",
        "@/",
        "alice",
        "alice@",
        "@example.org",
        "@@example.org",
        "alice@@example.org",
        "alice@bob@example.org",
        "a@b/c@d",
        "a/b@c",
        "alice@example.org/",
        "alice@example.org/desk",
        "alice@/desk",
        "/alice@example.org",
        "al\uFF20ice@example.org", /* full-width "@" becomes one in the localpart */
        "al\uFF0Fice@example.org",
        "alice\uFF20example.org",
        "alice@ex\uFF20ample.org",
        "alice@example.org\uFF0Fdesk",
        "alice@ example.org",
        " alice@example.org",
        "alice @example.org",
        "alice@example.org ",
        "alice@example.org\n",
        "xmpp:alice@example.org",
    };

    refuse_jids(texts, JF_TEST_COUNT(texts), *state);
}

static void test_wrong_characters_are_refused(void **state)
{
    static const char *const texts[] = {
        "a\"b" DOMAIN,        "a&b" DOMAIN,        "a'b" DOMAIN,      "a:b" DOMAIN,
        "a<b" DOMAIN,         "a>b" DOMAIN,        "a\uFF06b" DOMAIN, /* full-width "&" */
        "a\tb" DOMAIN,        "a\r\nb" DOMAIN,     "a\x01" DOMAIN,    "a\x1B[31m" DOMAIN,
        "a\x7F" DOMAIN,       "\u00FC\x01" DOMAIN, "\u00FC b" DOMAIN, "a\u00A0" DOMAIN,
        "a\u202E" DOMAIN, /* right-to-left override */
        "a\U0001F600" DOMAIN,
    };

    refuse_jids(texts, JF_TEST_COUNT(texts), *state);
}

static void test_text_that_is_not_utf8_is_refused(void **state)
{
    static const char *const texts[] = {
        "\x80" DOMAIN,
        "\xFF" DOMAIN,
        "\xC3" DOMAIN,
        "a\xC3(" DOMAIN,
        "\xC0\xAF" DOMAIN, /* overlong "/" */
        "\xC1\x81" DOMAIN, /* overlong "A" */
        "\xE0\x80\xAF" DOMAIN,
        "\xE0\x81\x80" DOMAIN, /* overlong "@" */
        "\xF0\x80\x80\xAF" DOMAIN,
        "\xED\xA0\x80" DOMAIN,     /* surrogate */
        "\xF4\x90\x80\x80" DOMAIN, /* above U+10FFFF */
        "\xF8\x88\x80\x80\x80" DOMAIN,
        "\xFC" DOMAIN,
        "alice@ex\xE4mple.org",
        "alice@\xC0\xAE"
        "example.org",
    };

    refuse_jids(texts, JF_TEST_COUNT(texts), *state);
}

static void test_domains(void **state)
{
    static const mapping_t cases[] = {
        {"example.org", "example.org"},
        {"EXAMPLE.org", "example.org"},
        {"example.org.", "example.org"},
        {"localhost", "localhost"},
        {"a", "a"},
        {"1a.example", "1a.example"},
        {"3com.example", "3com.example"},
        {"x-1.example", "x-1.example"},
        {"1.2.3.4", "1.2.3.4"},
        {"\uFF11.\uFF12.3.4", "1.2.3.4"},
        {"1.2.3.4.", "1.2.3.4"},
        {"b\u00FCcher.example", "b\u00FCcher.example"},
        {"B\u00DCCHER.example", "b\u00FCcher.example"},
        {"bu\u0308cher.example", "b\u00FCcher.example"},
        {"xn--bcher-kva.example", "b\u00FCcher.example"},
        {"XN--BCHER-KVA.EXAMPLE.", "b\u00FCcher.example"},
        {"fa\u00DF.example", "fa\u00DF.example"}, /* non-transitional */
        {"xn--fa-hia.example", "fa\u00DF.example"},
        {"\u043F\u0440\u0438\u043C\u0435\u0440.\u0440\u0444",
         "\u043F\u0440\u0438\u043C\u0435\u0440.\u0440\u0444"},
        {"xn--e1afmkfd.xn--p1ai", "\u043F\u0440\u0438\u043C\u0435\u0440.\u0440\u0444"},
        {"l\u00B7l.example", "l\u00B7l.example"},
        {"\u05D0\u05D1"
         "1.example",
         "\u05D0\u05D1"
         "1.example"},
        {"[::1]", "[::1]"},
        {"[0:0:0:0:0:0:0:1]", "[::1]"},
        {"[2001:0DB8::0:1]", "[2001:db8::1]"},
        {"[::ffff:192.0.2.7]", "[::ffff:192.0.2.7]"},
    };

    check_domains(cases, JF_TEST_COUNT(cases), *state);
}

static void test_wrong_domains_are_refused(void **state)
{
    static const char *const texts[] = {
        "",
        ".",
        "..",
        ".example.org",
        "example..org",
        "example.org..",
        "\u3002",
        "b\u00FCcher..example",
        "-a.example",
        "a-.example",
        "-\u00FC.example",
        "a_b.example", /* libidn2 with STD3 rules would make "ab" of it */
        "a b.example",
        "a\tb.example",
        "a\x01.example",
        "a\r\nb.example",
        "a\x1B[31m.example",
        "a*.example",
        "*.example.org",
        "a%62.example",
        "a:5222",
        "example.org:5222",
        "a@b",
        "a/b",
        "ab--cd.example",
        "ab--\u00FC.example",
        "xn--",
        "xn--.example",
        "xn--a.example",
        "xn--bcher-kv.example",
        "xn--ccecace.org", /* capitals */
        "xn--abc-.example",
        "xn--xn---epa.example",
        "a.xn--a",
        "exa\u00ADmple.org", /* soft hyphen, which UTS #46 drops */
        "exa\u200Bmple.org",
        "exa\uFE0Fmple.org",
        "a\u200Db.example",
        "\u202E"
        "example.org",
        "\U0001F600.example",
        "i\u2665ny.example",
        "a\u2044b.example",
        "\u00BD.example",
        "a\u2488"
        "b.example", /* "1." in one character */
        "a\u05D0.example",
        "1\u05D0.example",
        "1.2.3",
        "1.2.3.4.5",
        "1.2.3.256",
        "01.2.3.4",
        "0x7f.1",
        "300.example.1",
        "12345",
        "[",
        "]",
        "[]",
        "[:",
        "[::1",
        "::1",
        "[::1]x",
        "[::1].",
        "[::1]]",
        "[[::1]]",
        "[::1%lo]",
        "[fe80::1%25eth0]",
        "[1.2.3.4]",
        "[::g]",
        "[1::2::3]",
        "[example.org]",
        "\uFF3B::1\uFF3D",
    };

    refuse_domains(texts, JF_TEST_COUNT(texts), *state);
}

static void test_longest_names(void **state)
{
    apr_pool_t *pool = *state;
    const char *longest = jf_test_repeat("", 'a', JF_JID_PART_BYTES_MAX, DOMAIN, pool);
    const char *longest_wide =
        jf_test_repeat("\u00FC", 'a', JF_JID_PART_BYTES_MAX - 2, DOMAIN, pool);
    const char *texts[] = {
        jf_test_repeat("", 'a', JF_JID_PART_BYTES_MAX + 1, DOMAIN, pool),
        jf_test_repeat("\u00FC", 'a', JF_JID_PART_BYTES_MAX - 1, DOMAIN, pool),
        jf_test_repeat("", 'a', 1000000, DOMAIN, pool),
        jf_test_repeat("\u00FC", 'a', 1000000, DOMAIN, pool),
        jf_test_repeat("alice@", 'a', JF_JID_PART_BYTES_MAX, "", pool),
        jf_test_repeat("alice@", 'a', JF_JID_PART_BYTES_MAX + 1, "", pool),
        jf_test_repeat("alice@", 'a', 1000000, "", pool),
        jf_test_repeat("alice@\u00FC", 'a', 1000000, "", pool),
    };

    assert_string_equal(prepare(longest, pool), longest);
    assert_string_equal(prepare(longest_wide, pool), longest_wide);
    refuse_jids(texts, JF_TEST_COUNT(texts), pool);
}

/** Full-width letters have three bytes, but the limit holds for the prepared form. */
static void test_limit_counts_prepared_bytes(void **state)
{
    apr_pool_t *pool = *state;
    const char *wide = "";
    for (int i = 0; i < 400; i++) {
        wide = apr_pstrcat(pool, wide, "\uFF41", NULL);
    }
    const char *expected = jf_test_repeat("", 'a', 400, DOMAIN, pool);

    assert_string_equal(prepare(apr_pstrcat(pool, wide, DOMAIN, NULL), pool), expected);
}

static void test_longest_domains(void **state)
{
    apr_pool_t *pool = *state;
    const char *label = jf_test_repeat("", 'a', 63, ".", pool);
    const char *three = apr_pstrcat(pool, label, label, label, NULL);
    const char *longest = jf_test_repeat(three, 'b', 61, "", pool);
    const char *texts[] = {
        jf_test_repeat(three, 'b', 62, "", pool),
        jf_test_repeat("", 'a', 64, ".example", pool),
        jf_test_repeat("\u00FC", 'a', 63, ".example", pool),
        jf_test_repeat("[", '1', 1000, "]", pool),
    };
    const mapping_t cases[] = {
        {longest, longest},
        {apr_pstrcat(pool, longest, ".", NULL), longest},
    };

    assert_int_equal(strlen(longest), 253);
    check_domains(cases, JF_TEST_COUNT(cases), pool);
    refuse_domains(texts, JF_TEST_COUNT(texts), pool);
}

static void test_domain_of_a_jid(void **state)
{
    assert_string_equal(jf_jid_domain(prepare("Alice@B\u00FCcher.example.", *state)),
                        "b\u00FCcher.example");
    assert_string_equal(jf_jid_domain(prepare("a@[::1]", *state)), "[::1]");
}

static void test_refusals_say_what_is_wrong(void **state)
{
    static const struct {
        const char *text;
        const char *part;
    } cases[] = {
        {"alice", "as in \"alice@example.org\""},
        {"alice@example.org/desk", "resource"},
        {"a b@example.org", "U+0020"},
        {"a\u202E@example.org", "U+202E"},
        {"a\U0001F600@example.org", "U+1F600"},
        {"l\u00B7@example.org", "U+00B7 at this place"},
        {"a\u05D0@example.org", "writing directions"},
        {"\xFF@example.org", "UTF-8"},
        {"a@ex_ample.org", "\"ex_ample.org\""},
        {"a@ex\nample.org", "\"ex\\nample.org\""},
        {"a@1.2.3", "IPv4"},
        {"a@[1]", "IPv6"},
        {"a@i\u2665.org", "IDNA2008"},
    };

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        const char *jid;
        jf_err_t *err = jf_jid_prepare(&jid, cases[i].text, *state);
        jf_test_refused(err, JF_ERR_INVALID, cases[i].text);
        if (!strstr(err->text, cases[i].part)) {
            fail_msg("\"%s\" lacks \"%s\"", err->text, cases[i].part);
        }
    }
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_examples_of_the_rfc),
    JF_TEST(test_ascii_names),
    JF_TEST(test_one_user_has_one_form),
    JF_TEST(test_different_users_stay_different),
    JF_TEST(test_wrong_separators_are_refused),
    JF_TEST(test_wrong_characters_are_refused),
    JF_TEST(test_text_that_is_not_utf8_is_refused),
    JF_TEST(test_domains),
    JF_TEST(test_wrong_domains_are_refused),
    JF_TEST(test_longest_names),
    JF_TEST(test_limit_counts_prepared_bytes),
    JF_TEST(test_longest_domains),
    JF_TEST(test_domain_of_a_jid),
    JF_TEST(test_refusals_say_what_is_wrong),
};

JF_TEST_MAIN(tests)
