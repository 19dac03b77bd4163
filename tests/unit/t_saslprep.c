#include "jf_test.h"

#include <string.h>

#include <apr_strings.h>

#include "xmpp_saslprep.h"

typedef struct mapping_t {
    const char *password;
    const char *prepared;
} mapping_t;

static const char *prepare(const char *password, apr_pool_t *pool)
{
    const char *prepared = NULL;
    jf_test_ok(xmpp_saslprep(&prepared, password, pool), password);
    return prepared;
}

/** Each becomes its prepared form, and that one stays as it is. */
static void check(const mapping_t *cases, size_t count, apr_pool_t *pool)
{
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(prepare(cases[i].password, pool), cases[i].prepared);
        assert_string_equal(prepare(cases[i].prepared, pool), cases[i].prepared);
    }
}

static void refuse(const char *const *passwords, size_t count, apr_pool_t *pool)
{
    for (size_t i = 0; i < count; i++) {
        const char *prepared = "untouched";
        jf_test_refused(xmpp_saslprep(&prepared, passwords[i], pool), JF_ERR_INVALID, passwords[i]);
        assert_string_equal(prepared, "untouched");
    }
}

static void test_examples_of_the_rfc(void **state)
{
    static const mapping_t valid[] = {
        {"I\u00ADX", "IX"}, {"user", "user"}, {"USER", "USER"}, {"\u00AA", "a"}, {"\u2168", "IX"},
    };
    static const char *const invalid[] = {"\x07", "\u0627\x31"};

    check(valid, JF_TEST_COUNT(valid), *state);
    refuse(invalid, JF_TEST_COUNT(invalid), *state);
}

static void test_ascii_stays_as_it_is(void **state)
{
    char all[] = "                                                                               "
                 "                ";
    assert_int_equal(strlen(all), '~' - ' ' + 1);
    for (int c = ' '; c <= '~'; c++) {
        all[c - ' '] = (char)c;
    }
    const mapping_t cases[] = {{all, all}, {" ", " "}, {"  two  spaces  ", "  two  spaces  "}};

    check(cases, JF_TEST_COUNT(cases), *state);
}

/* libidn, which ASCII does not come to, says the same: a letter that is not ASCII leads it there.
 */
static void test_ascii_among_other_characters_stays_as_it_is(void **state)
{
    for (int c = ' '; c <= '~'; c++) {
        const char *password = apr_psprintf(*state, "\u00FC%c\u00FC", c);
        assert_string_equal(prepare(password, *state), password);
    }
}

static void test_spaces_become_a_space(void **state)
{
    static const mapping_t cases[] = {
        {"a\u00A0b", "a b"}, {"a\u1680b", "a b"}, {"a\u2000\u2009b", "a  b"}, {"a\u202Fb", "a b"},
        {"a\u205Fb", "a b"}, {"a\u3000b", "a b"}, {"\u00A0a\u3000", " a "},
    };

    check(cases, JF_TEST_COUNT(cases), *state);
}

static void test_what_cannot_be_seen_goes(void **state)
{
    static const mapping_t cases[] = {
        {"a\u00ADb", "ab"}, {"a\u200Cb", "ab"}, {"a\u200Db", "ab"}, {"a\u2060b", "ab"},
        {"a\uFE0Fb", "ab"}, {"\uFEFFab", "ab"}, {"a\u034Fb", "ab"}, {"a\u1806b", "ab"},
    };

    check(cases, JF_TEST_COUNT(cases), *state);
}

static void test_one_password_has_one_form(void **state)
{
    static const mapping_t cases[] = {
        {"pa\u0308sswort", "p\u00E4sswort"}, /* NFD */
        {"p\u00E4sswort", "p\u00E4sswort"},
        {"P\u00C4SSWORT", "P\u00C4SSWORT"}, /* case stays */
        {"\uFF50\uFF41\uFF53\uFF53", "pass"},
        {"\uFB01", "fi"},
        {"\u2460", "1"},
        {"\u00B2", "2"},
        {"\u212B", "\u00C5"},
        {"\uFF76\uFF9E", "\u30AC"},
        {"a\u0323\u0307", "\u1EA1\u0307"},
        {"a\u0307\u0323", "\u1EA1\u0307"}, /* marks in their order */
        {"\u1100\u1161", "\uAC00"},
        {"stra\u00DFe", "stra\u00DFe"},
        {"\u043F\u0430\u0440\u043E\u043B\u044C", "\u043F\u0430\u0440\u043E\u043B\u044C"},
        {"\u5BC6\u7801", "\u5BC6\u7801"},
    };

    check(cases, JF_TEST_COUNT(cases), *state);
}

/* They are newer than the tables, and a query may have them. */
static void test_emoji_pass(void **state)
{
    static const mapping_t cases[] = {
        {"\U0001F600", "\U0001F600"},
        {"pass\U0001F511word", "pass\U0001F511word"},
        {"\U0001F468\u200D\U0001F469", "\U0001F468\U0001F469"},
        {"\u2764\uFE0F", "\u2764"},
        {"\U0001FAE0", "\U0001FAE0"},
    };

    check(cases, JF_TEST_COUNT(cases), *state);
}

static void test_writing_directions_do_not_mix(void **state)
{
    static const mapping_t valid[] = {
        {"\u05D0\u05D1", "\u05D0\u05D1"},
        {"\u0627\x31\u0628", "\u0627\x31\u0628"},
        {"\u0645\u0631\u062D\u0628\u0627", "\u0645\u0631\u062D\u0628\u0627"},
        {"12\u00FC", "12\u00FC"},
    };
    static const char *const invalid[] = {
        "\u05D0a\u05D1", "a\u05D0", "\u05D0a", "\u05D0\x31", "\x31\u05D0", "\u0627 a \u0627",
    };

    check(valid, JF_TEST_COUNT(valid), *state);
    refuse(invalid, JF_TEST_COUNT(invalid), *state);
}

static void test_prohibited_characters_are_refused(void **state)
{
    static const char *const passwords[] = {
        "a\tb",        "a\nb",        "a\x7F",       "\x01",
        "\x1F\u00FC",  "\u00FC\x7F",  "a\xC2\x85",   "a\xC2\x9F",
        "a\u06DD",     "a\u180E",     "a\u2028",     "a\u200E", /* left-to-right mark */
        "a\u202E",                                              /* right-to-left override */
        "a\u2FF0",     "a\uE000",                               /* private use */
        "a\uF8FF",     "a\uFFFD",                               /* replacement character */
        "a\uFFFE",     "a\uFDD0",     "a\U0001D173", "a\U000E0001",
        "a\U000F0000", "a\U0010FFFF",
    };

    refuse(passwords, JF_TEST_COUNT(passwords), *state);
}

static void test_text_that_is_not_utf8_is_refused(void **state)
{
    static const char *const passwords[] = {
        "\x80",
        "\xFF",
        "\xC3",
        "abc\xC3",
        "a\xC3(",
        "\xC0\xAF", /* overlong "/" */
        "\xE0\x80\xAF",
        "\xF0\x80\x80\xAF",
        "\xED\xA0\x80", /* surrogate */
        "\xED\xBF\xBF",
        "\xF4\x90\x80\x80", /* above U+10FFFF */
        "\xF8\x88\x80\x80\x80",
        "\xFC\x84\x80\x80\x80\x80",
        "\xE4sswort", /* Latin-1 */
        "\u00FC\xE2\x82",
    };

    refuse(passwords, JF_TEST_COUNT(passwords), *state);
}

static void test_what_is_empty_or_becomes_so_is_refused(void **state)
{
    static const char *const passwords[] = {"", "\u00AD", "\u200D\uFE0F\u2060", "\uFEFF"};

    refuse(passwords, JF_TEST_COUNT(passwords), *state);
}

static void test_the_length_counts_after_preparation(void **state)
{
    apr_pool_t *pool = *state;
    const char *longest = jf_test_repeat("", 'x', 1024, "", pool);
    const char *umlauts = "";
    const char *hidden = longest;
    const char *wide = "";
    for (int i = 0; i < 512; i++) {
        umlauts = apr_pstrcat(pool, umlauts, "\u00FC", NULL);
        hidden = apr_pstrcat(pool, hidden, "\u00AD", NULL);
        wide = apr_pstrcat(pool, wide, "\uFF58\uFF58", NULL);
    }
    const char *const too_long[] = {
        apr_pstrcat(pool, longest, "x", NULL),         apr_pstrcat(pool, umlauts, "x", NULL),
        apr_pstrcat(pool, hidden, "x", NULL),          apr_pstrcat(pool, wide, "x", NULL),
        jf_test_repeat("\u00FC", 'x', 1023, "", pool), jf_test_repeat("", 'x', 100000, "", pool),
    };

    assert_string_equal(prepare(longest, pool), longest);
    assert_string_equal(prepare(umlauts, pool), umlauts);
    assert_string_equal(prepare(hidden, pool), longest);
    assert_string_equal(prepare(wide, pool), longest);
    refuse(too_long, JF_TEST_COUNT(too_long), pool);
}

static void test_no_refusal_tells_the_password(void **state)
{
    static const char *const passwords[] = {"secret\x01", "secret\xFF", "secret\u00FC\x07",
                                            "secret\u05D0"};

    for (size_t i = 0; i < JF_TEST_COUNT(passwords); i++) {
        const char *prepared;
        jf_err_t *err = xmpp_saslprep(&prepared, passwords[i], *state);
        jf_test_refused(err, JF_ERR_INVALID, passwords[i]);
        assert_null(strstr(err->text, "secret"));
    }
}

/** Registered before the copy is made, so it runs after the copy is wiped. */
static apr_status_t check_wiped(void *data)
{
    const char *const *prepared = data;
    for (int i = 0; i < 6; i++) {
        assert_int_equal((*prepared)[i], '\0');
    }
    return APR_SUCCESS;
}

static void test_the_copy_is_wiped(void **state)
{
    static const char *const passwords[] = {"secret", "s\u00FCcret"};
    (void)state;

    for (size_t i = 0; i < JF_TEST_COUNT(passwords); i++) {
        apr_pool_t *pool;
        const char *prepared = NULL;
        assert_int_equal(apr_pool_create(&pool, NULL), APR_SUCCESS);
        apr_pool_cleanup_register(pool, &prepared, check_wiped, apr_pool_cleanup_null);
        jf_test_ok(xmpp_saslprep(&prepared, passwords[i], pool), passwords[i]);
        assert_true(prepared != passwords[i]);
        apr_pool_destroy(pool);
    }
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_examples_of_the_rfc),
    JF_TEST(test_ascii_stays_as_it_is),
    JF_TEST(test_ascii_among_other_characters_stays_as_it_is),
    JF_TEST(test_spaces_become_a_space),
    JF_TEST(test_what_cannot_be_seen_goes),
    JF_TEST(test_one_password_has_one_form),
    JF_TEST(test_emoji_pass),
    JF_TEST(test_writing_directions_do_not_mix),
    JF_TEST(test_prohibited_characters_are_refused),
    JF_TEST(test_text_that_is_not_utf8_is_refused),
    JF_TEST(test_what_is_empty_or_becomes_so_is_refused),
    JF_TEST(test_the_length_counts_after_preparation),
    JF_TEST(test_no_refusal_tells_the_password),
    JF_TEST(test_the_copy_is_wiped),
};

JF_TEST_MAIN(tests)
