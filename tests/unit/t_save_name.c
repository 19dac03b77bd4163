#include "jf_test.h"

#include <string.h>

#include "save_name.h"

typedef struct case_t {
    const char *given;
    const char *expected;
} case_t;

static const char *show(const char *text)
{
    return text ? text : "(none)";
}

static void check(const case_t *cases, size_t count,
                  const char *(*function)(const char *, apr_pool_t *), apr_pool_t *pool)
{
    for (size_t i = 0; i < count; i++) {
        const char *got = function(cases[i].given, pool);
        if (strcmp(show(got), show(cases[i].expected)) != 0) {
            fail_msg("\"%s\" became \"%s\", not \"%s\"", show(cases[i].given), show(got),
                     show(cases[i].expected));
        }
    }
}

static void test_good_names_stay_as_they_are(void **state)
{
    static const char *const names[] = {
        "report.pdf",
        "a",
        "no ending",
        "archive.tar.gz",
        "two  spaces.txt",
        "x-1.jpg",
        "a.b-c_d(1)[2]{3}!@#$%^&+=,;'~`.txt",
        "\u00DCbersicht \u20AC.pdf",
        "\u65E5\u672C\u8A9E.txt",
        "\u05E9\u05DC\u05D5\u05DD.doc", /* written from the right, without overrides */
        "\U0001F600.png",
        "context.txt",
        "const",
        "com.txt",
        "com10.txt",
        "comx",
        "nullo",
        "x.parts",
        "x.part.js",
        "partial",
    };

    for (size_t i = 0; i < JF_TEST_COUNT(names); i++) {
        assert_string_equal(save_name_make(names[i], *state), names[i]);
    }
}

static void test_bad_names_are_made_safe(void **state)
{
    static const case_t cases[] = {
        /* paths */
        {"/etc/passwd", "passwd"},
        {"../../.bashrc", "bashrc"},
        {"..\\..\\autoexec.bat", "autoexec.bat"},
        {"C:\\Windows\\x.exe", "x.exe"},
        {"a/b\\c.txt", "c.txt"},
        {"a\\b/c.txt", "c.txt"},
        {"x/", "download"},
        {"x\\", "download"},
        {"..", "download"},
        {"../", "download"},
        {".", "download"},
        {"/", "download"},
        /* begin and end */
        {".profile", "profile"},
        {"...x", "x"},
        {". .x", "x"},
        {"-rf", "rf"},
        {"--help", "help"},
        {" x", "x"},
        {"x ", "x"},
        {"x.", "x"},
        {"x. . ", "x"},
        {".-. ", "download"},
        {"x.txt\u00A0", "x.txt"},
        {"\u3000x", "x"},
        {"\u2800", "download"},
        {"a\u2003b", "a b"},
        /* what controls or hides */
        {"a\nb", "ab"},
        {"a\r\nb\tc", "abc"},
        {"\x1B]0;owned\x07x", "]0;ownedx"},
        {"\x1B[2Jx", "[2Jx"},
        {"a\x7F"
         "b",
         "ab"},
        {"x\xC2\x85y\xC2\x9Bz", "xyz"},
        {"a\u2028b\u2029c", "abc"},
        {"invoice\u202Egpj.exe", "invoicegpj.exe"},
        {"a\u2066b\u2069c\u200Ed\u200Fe\u061Cf", "abcdef"},
        {"a\u200Bb\u200Cc\u200Dd\uFEFFe\u2060f", "abcdef"},
        {"a\u00ADb\u034Fc\u115Fd\u3164e\uFFA0f", "abcdef"},
        {"a\uFE0Fb", "ab"},
        {"a\U000E0041b", "ab"},
        {"\u202E", "download"},
        {"\u200B.bashrc", "bashrc"}, /* nothing that goes uncovers a dot or a dash */
        {"\u202E-rf", "rf"},
        {"x.\u200B", "x"},
        {"..\u200B/..", "download"},
        /* not UTF-8 */
        {"Gr\xFC\xDF"
         "e",
         "Gr__e"},
        {"\xFF", "_"},
        {"a\xC0\xAF"
         "b",
         "a__b"},
        {"\xED\xA0\x80x", "___x"},
        {"x\xE2\x82", "x__"},
        /* devices */
        {"con", "_con"},
        {"CON.txt", "_CON.txt"},
        {"nul.tar.gz", "_nul.tar.gz"},
        {"com1", "_com1"},
        {"LPT9.doc", "_LPT9.doc"},
        {"aux", "_aux"},
        {"Prn.x", "_Prn.x"},
        /* ours */
        {"x.part", "x.part_"},
        {"x.PART", "x.PART_"},
        {"x.part.json", "x.part.json_"},
        {"x.part.json.", "x.part.json_"},
        {".part", "part"},
        /* nothing */
        {NULL, "download"},
        {"", "download"},
        {" ", "download"},
    };

    check(cases, JF_TEST_COUNT(cases), save_name_make, *state);
}

static void test_long_names_keep_their_ending(void **state)
{
    apr_pool_t *pool = *state;
    const char *name = save_name_make(jf_test_repeat("", 'a', 300, ".jpeg", pool), pool);
    assert_in_range(strlen(name), 190, SAVE_NAME_BYTES_MAX);
    assert_string_equal(strrchr(name, '.'), ".jpeg");

    name = save_name_make(jf_test_repeat("x.", 'a', 300, "", pool), pool);
    assert_in_range(strlen(name), 190, SAVE_NAME_BYTES_MAX);

    name = save_name_make(jf_test_repeat("", 'a', 1000000, "", pool), pool);
    assert_in_range(strlen(name), 190, SAVE_NAME_BYTES_MAX);
}

static void test_characters_are_not_cut(void **state)
{
    char wide[4 * 100 + 1];
    for (size_t shift = 0; shift < 4; shift++) {
        memset(wide, 'a', sizeof(wide));
        for (size_t i = 0; i < 99; i++) {
            memcpy(wide + shift + i * 4, "\U0001F600", 4);
        }
        wide[sizeof(wide) - 1] = '\0';
        const char *name = save_name_make(wide, *state);
        assert_in_range(strlen(name), 190, SAVE_NAME_BYTES_MAX);
        assert_null(strchr(name, '_'));
        assert_string_equal(save_name_make(name, *state), name);
    }
}

/* The cut must not uncover an ending that is ours. */
static void test_cut_names_do_not_become_ours(void **state)
{
    apr_pool_t *pool = *state;
    for (size_t length = 150; length < SAVE_NAME_BYTES_MAX; length++) {
        const char *head = jf_test_repeat("", 'a', length, ".part", pool);
        const char *name = save_name_make(jf_test_repeat(head, 'b', 100, "", pool), pool);
        assert_true(strlen(name) <= SAVE_NAME_BYTES_MAX);
        assert_true(strlen(name) < 5 || strcmp(name + strlen(name) - 5, ".part") != 0);
    }
}

static void test_content_disposition(void **state)
{
    static const case_t cases[] = {
        {"attachment; filename=\"report.pdf\"", "report.pdf"},
        {"attachment; filename=report.pdf", "report.pdf"},
        {"inline;filename=report.pdf", "report.pdf"},
        {"attachment ; FileName = \"report.pdf\" ; x=y", "report.pdf"},
        {"attachment; filename=\"a;b.txt\"; x", "a;b.txt"},
        {"attachment; filename=\"a\\\"b\\\\c.txt\"", "a\"b\\c.txt"},
        {"attachment; filename=two words.txt", "two words.txt"},
        {"attachment; filename=two words.txt ; x=y", "two words.txt"},
        {"attachment; filename=\"open", "open"},
        {"attachment; filename=\"open\\", "open\\"},
        {"attachment; filename=\"\"", ""},
        {"attachment; filename=", ""},
        /* the encoded one is the exact one, wherever it stands */
        {"attachment; filename=\"_.pdf\"; filename*=UTF-8''%C3%9C.pdf", "\u00DC.pdf"},
        {"attachment; filename*=UTF-8''%C3%9C.pdf; filename=\"_.pdf\"", "\u00DC.pdf"},
        {"attachment; filename*=utf-8'en'a%20b.pdf", "a b.pdf"},
        {"attachment; filename*=ISO-8859-1''%DCber.pdf", "\u00DCber.pdf"},
        {"attachment; filename*=UTF-8''a%2Fb.txt", "a/b.txt"}, /* not safe yet */
        {"attachment; filename*=UTF-8''a'b.txt", "a'b.txt"},
        /* an encoded one that is none does not hide the other */
        {"attachment; filename=\"x\"; filename*=UTF-8''%ZZ", "x"},
        {"attachment; filename=\"x\"; filename*=UTF-8''a%00b", "x"},
        {"attachment; filename=\"x\"; filename*=UTF-16''a", "x"},
        {"attachment; filename=\"x\"; filename*=nothing", "x"},
        {"attachment; filename=\"x\"; filename*=UTF-8'", "x"},
        /* the first of several */
        {"attachment; filename=a; filename=b", "a"},
        {"attachment; filename*=UTF-8''a; filename*=UTF-8''b", "a"},
        /* other parameters */
        {"attachment; name=\"filename=x\"; filename=y", "y"},
        {"attachment; xfilename=x", NULL},
        {"attachment; filename", NULL},
        {"attachment", NULL},
        {"filename=x", NULL},
        {"", NULL},
        {";", NULL},
        {";;;", NULL},
        {"attachment; \xFF=x; filename=y", "y"},
    };

    check(cases, JF_TEST_COUNT(cases), save_name_from_disposition, *state);
}

static void test_names_in_urls(void **state)
{
    static const case_t cases[] = {
        {"https://example.org/a/report.pdf", "report.pdf"},
        {"https://example.org/report.pdf?x=/y", "report.pdf"},
        {"https://example.org/report.pdf#/y", "report.pdf"},
        {"https://example.org/%C3%9C.pdf", "\u00DC.pdf"},
        {"https://example.org/a%20b", "a b"},
        {"https://example.org/a%2520b", "a%20b"}, /* once */
        {"https://example.org/a+b", "a+b"},
        {"https://example.org/x/%2E%2E%2F%2E%2E%2Fetc%2Fpasswd", "../../etc/passwd"},
        {"https://example.org/100%.txt", "100%.txt"},
        {"https://example.org/a%00b", "a%00b"},
        {"https://example.org/", NULL},
        {"https://example.org/a/", NULL},
        {"https://example.org", NULL},
        {"https://example.org?x=/y", NULL},
        {"https://example.org#/y", NULL},
        {"https://", NULL},
        {"", NULL},
        {"x", NULL},
    };

    check(cases, JF_TEST_COUNT(cases), save_name_from_url, *state);
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_good_names_stay_as_they_are),
    JF_TEST(test_bad_names_are_made_safe),
    JF_TEST(test_long_names_keep_their_ending),
    JF_TEST(test_characters_are_not_cut),
    JF_TEST(test_cut_names_do_not_become_ours),
    JF_TEST(test_content_disposition),
    JF_TEST(test_names_in_urls),
};

JF_TEST_MAIN(tests)
