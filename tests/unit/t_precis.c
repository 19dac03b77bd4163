#include "jf_test.h"

#include <string.h>

#include <apr_strings.h>
#include <unistr.h>

#include "jf_precis.h"

typedef struct mapping_t {
    const char *text;
    const char *enforced;
} mapping_t;

static const char *enforce(const char *text, apr_pool_t *pool)
{
    const char *username = NULL;
    jf_test_ok(jf_precis_enforce_username(&username, text, pool), text);
    return username;
}

/** Each text becomes its enforced form, and that one stays as it is. */
static void check_names(const mapping_t *cases, size_t count, apr_pool_t *pool)
{
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(enforce(cases[i].text, pool), cases[i].enforced);
        assert_string_equal(enforce(cases[i].enforced, pool), cases[i].enforced);
    }
}

static void refuse_names(const char *const *texts, size_t count, apr_pool_t *pool)
{
    for (size_t i = 0; i < count; i++) {
        const char *username = "untouched";
        jf_test_refused(jf_precis_enforce_username(&username, texts[i], pool), JF_ERR_INVALID,
                        texts[i]);
        assert_string_equal(username, "untouched");
    }
}

static void test_mappings(void **state)
{
    static const mapping_t cases[] = {
        {"alice", "alice"},
        {"ALICE", "alice"},
        {"!#$%()*+,-.;=?[\\]^_`{|}~\u00FC", "!#$%()*+,-.;=?[\\]^_`{|}~\u00FC"},
        {"\u00DC", "\u00FC"},
        {"U\u0308", "\u00FC"},
        {"\uFF21\uFF5E", "a~"},
        {"\uFF76\uFF9E", "\u30AC"},
        {"\u0130", "i\u0307"},
        {"\u039F\u03A3", "\u03BF\u03C2"}, /* a sigma at the end is a final one */
        {"\U00010400", "\U00010428"},     /* Deseret */
    };

    check_names(cases, JF_TEST_COUNT(cases), *state);
}

static void test_characters_outside_the_class_are_refused(void **state)
{
    static const char *const texts[] = {
        "a b",          "a\x01",       "a\x7F",       "a\xC2\x85",
        "a\u00A0",      "a\u3000",     "a\u2028",     "a\u202E", /* right-to-left override */
        "a\u2066",      "a\u200B",                               /* zero width space */
        "a\u00AD",                                               /* soft hyphen */
        "a\uFEFF",      "a\uFE0F",                               /* variation selector, a mark */
        "a\u034F",                                    /* combining grapheme joiner, a mark */
        "a\uFFFD",      "a\uFFFE",                    /* no character */
        "a\uE000",                                    /* private use */
        "a\u0378",                                    /* unassigned */
        "a\U0001F600",  "a\U000E0041", "henry\u2163", /* Roman four */
        "\u265A",       "\u01C5",                     /* titlecase digraph */
        "\uFB01",                                     /* ligature fi */
        "\u2460",                                     /* circled one */
        "\u00AA",                                     /* feminine ordinal */
        "\u212B",                                     /* Angstrom sign */
        "\u1F71",                                     /* alpha with oxia, which NFC replaces */
        "\u1100",                                     /* conjoining jamo */
        "\u1100\u1161", "\uA960",      "\uD7B0",      "\u0640", /* tatweel */
        "\u303B",       "\u20AC",      "\u2014",
    };

    refuse_names(texts, JF_TEST_COUNT(texts), *state);
}

/* Allowed one by one, but composed by NFC into what is not. */
static void test_wrong_compositions_are_refused(void **state)
{
    static const char *const texts[] = {
        "=\u0338", "\uFF1D\u0338", "<\u0338", "\uFF1C\u0338", ">\u0338",
    };

    refuse_names(texts, JF_TEST_COUNT(texts), *state);
}

static void test_contextual_rules(void **state)
{
    static const mapping_t valid[] = {
        {"l\u00B7l", "l\u00B7l"},
        {"L\u00B7L", "l\u00B7l"},
        {"\u0375\u03B1", "\u0375\u03B1"},
        {"\u05D0\u05F3", "\u05D0\u05F3"},
        {"\u05D0\u05F4\u05D1", "\u05D0\u05F4\u05D1"},
        {"\u30A2\u30FB\u30A4", "\u30A2\u30FB\u30A4"},
        {"a\u30FB\u6F22", "a\u30FB\u6F22"},
        {"\u0915\u094D\u200D\u0937", "\u0915\u094D\u200D\u0937"},
        {"\u0915\u094D\u200C\u0937", "\u0915\u094D\u200C\u0937"},
        {"\u0646\u0627\u0645\u0647\u200C\u0627\u06CC",
         "\u0646\u0627\u0645\u0647\u200C\u0627\u06CC"},
        {"\u0628\u064E\u200C\u064E\u0628", "\u0628\u064E\u200C\u064E\u0628"},
        {"\u0628\u0661\u0662", "\u0628\u0661\u0662"},
        {"\u0628\u06F1\u06F2", "\u0628\u06F1\u06F2"},
        {"\u3007", "\u3007"},
    };
    static const char *const invalid[] = {
        "\u00B7",
        "a\u00B7l",
        "l\u00B7",
        "\u00B7l",
        "\u0375",
        "\u0375a",
        "\u05F3",
        "a\u05F4",
        "a\u30FB",
        "\u200D",
        "a\u200Db",
        "a\u200C",
        "\u200C\u0628",
        "\u0628\u200C",
        "\u0627\u200C\u0628", /* alef does not join to the left */
        "\u0628\u0661\u06F1",
    };

    check_names(valid, JF_TEST_COUNT(valid), *state);
    refuse_names(invalid, JF_TEST_COUNT(invalid), *state);
}

static void test_writing_directions(void **state)
{
    static const mapping_t valid[] = {
        {"\u05D0\u05D1", "\u05D0\u05D1"}, {"\u05D0-1", "\u05D0-1"},
        {"\u05D0\u05B0", "\u05D0\u05B0"}, /* ends in a mark */
        {"\u0628\u0661", "\u0628\u0661"}, {"1a", "1a"},
    };
    static const char *const invalid[] = {
        "a\u05D0", "\u05D0a", "\u05D0a\u05D1", "1\u05D0",       "\u05D0-",
        "-\u05D0", "\u0661",  "\u0661\u0628",  "\u06281\u0661", "\u05B0\u05D0",
    };

    check_names(valid, JF_TEST_COUNT(valid), *state);
    refuse_names(invalid, JF_TEST_COUNT(invalid), *state);
}

/** @return 1 if @a text is a name; its enforced form must be one too, and the same. */
static int is_stable_name(const char *text, apr_pool_t *pool)
{
    const char *username;
    if (jf_precis_enforce_username(&username, text, pool)) {
        return 0;
    }
    assert_string_equal(enforce(username, pool), username);
    return 1;
}

static void test_every_character_is_refused_or_stable(void **state)
{
    static const struct {
        const char *before;
        const char *after;
    } frames[] = {
        {"", ""},
        {"", "\u0338"}, /* composes with symbols, too */
        {"\u05D0", ""},
        {"a", "b"},
    };
    apr_pool_t *pool;
    int accepted = 0;
    assert_int_equal(apr_pool_create(&pool, *state), APR_SUCCESS);

    for (ucs4_t uc = 1; uc <= 0xFFFF; uc++) {
        uint8_t character[5] = {0};
        u8_uctomb(character, uc, sizeof(character) - 1);
        for (size_t i = 0; i < JF_TEST_COUNT(frames); i++) {
            accepted += is_stable_name(
                apr_pstrcat(pool, frames[i].before, character, frames[i].after, NULL), pool);
        }
        apr_pool_clear(pool);
    }
    assert_true(accepted > 100000);
}

static void test_domains_are_mapped(void **state)
{
    static const mapping_t cases[] = {
        {"B\u00DCcher.Example", "b\u00FCcher.example"},
        {"bu\u0308cher", "b\u00FCcher"},
        {"\uFF45\uFF38\uFF0Eorg", "ex.org"},
        {"a\u3002b\uFF61c", "a.b.c"},
        {"fa\u00DF.example", "fa\u00DF.example"},
        {"exa\u00ADmple", "exa\u00ADmple"}, /* left for IDNA2008 to refuse */
    };
    static const char *const wrong[] = {"\xFF", "a\xC0\xAE", "\xED\xA0\x80"};

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        const char *mapped = NULL;
        jf_test_ok(jf_precis_map_domain(&mapped, cases[i].text, *state), cases[i].text);
        assert_string_equal(mapped, cases[i].enforced);
    }
    for (size_t i = 0; i < JF_TEST_COUNT(wrong); i++) {
        const char *mapped;
        jf_test_refused(jf_precis_map_domain(&mapped, wrong[i], *state), JF_ERR_INVALID, wrong[i]);
    }
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_mappings),
    JF_TEST(test_characters_outside_the_class_are_refused),
    JF_TEST(test_wrong_compositions_are_refused),
    JF_TEST(test_contextual_rules),
    JF_TEST(test_writing_directions),
    JF_TEST(test_every_character_is_refused_or_stable),
    JF_TEST(test_domains_are_mapped),
};

JF_TEST_MAIN(tests)
