#include "jf_test.h"

#include <string.h>

#include <apr_escape.h>
#include <apr_strings.h>

#include "jf_names.h"

#define AREA "/alice@example.org"
#define TOKEN "AbCdEfGhIjKlMnOpQrStUv"

static jf_name_t parse(const char *path, apr_pool_t *pool)
{
    jf_name_t name;
    jf_test_ok(jf_names_parse(&name, path, pool), path);
    return name;
}

static void refuse(const char *path, apr_pool_t *pool)
{
    jf_name_t name;
    jf_test_refused(jf_names_parse(&name, path, pool), JF_ERR_INVALID, path);
}

static void check_kind(const char *path, const jf_name_t *name, jf_name_kind_t kind)
{
    if (name->kind != kind) {
        fail_msg("\"%s\" is of kind %d, not %d", path, name->kind, kind);
    }
}

static void test_base(void **state)
{
    static const char *const paths[] = {"", "/"};

    for (size_t i = 0; i < JF_TEST_COUNT(paths); i++) {
        jf_name_t name = parse(paths[i], *state);
        check_kind(paths[i], &name, JF_NAME_BASE);
        assert_null(name.jid);
        assert_null(name.path);
        assert_null(name.token);
        assert_null(name.leaf);
        assert_int_equal(name.slash_missing, 0);
    }
}

static void test_folders(void **state)
{
    static const struct {
        const char *text;
        const char *jid;
        const char *path;
        int slash_missing;
    } cases[] = {
        {AREA, "alice@example.org", "", 1},
        {AREA "/", "alice@example.org", "", 0},
        {AREA "/docs/", "alice@example.org", "docs/", 0},
        {AREA "/a/b/c/", "alice@example.org", "a/b/c/", 0},
        {"/ALICE@Example.ORG./", "alice@example.org", "", 0},
        {"/\uFF21lice@example.org", "alice@example.org", "", 1},
        {"/a@[2001:DB8::1]/x@y/", "a@[2001:db8::1]", "x@y/", 0},
    };

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        jf_name_t name = parse(cases[i].text, *state);
        check_kind(cases[i].text, &name, JF_NAME_FOLDER);
        assert_string_equal(name.jid, cases[i].jid);
        assert_string_equal(name.path, cases[i].path);
        assert_null(name.token);
        assert_null(name.leaf);
        assert_int_equal(name.slash_missing, cases[i].slash_missing);
    }
}

static void test_files(void **state)
{
    static const struct {
        const char *text;
        const char *path;
        const char *leaf;
    } cases[] = {
        {AREA "/report.pdf", "report.pdf", "report.pdf"},
        {AREA "/a/b/report.pdf", "a/b/report.pdf", "report.pdf"},
        {"/Alice@EXAMPLE.org/Report.PDF", "Report.PDF", "Report.PDF"},
        {AREA "/bob@example.org", "bob@example.org", "bob@example.org"},
        {AREA "/\u00DCbersicht \u20AC.pdf", "\u00DCbersicht \u20AC.pdf",
         "\u00DCbersicht \u20AC.pdf"},
    };

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        jf_name_t name = parse(cases[i].text, *state);
        check_kind(cases[i].text, &name, JF_NAME_FILE);
        assert_string_equal(name.jid, "alice@example.org");
        assert_string_equal(name.path, cases[i].path);
        assert_string_equal(name.leaf, cases[i].leaf);
        assert_null(name.token);
        assert_int_equal(name.slash_missing, 0);
    }
}

static void test_links(void **state)
{
    static const struct {
        const char *text;
        const char *token;
        const char *leaf;
    } cases[] = {
        {"/" TOKEN "/report.pdf", TOKEN, "report.pdf"},
        {"/x/y", "x", "y"},
        {"/x/alice@example.org", "x", "alice@example.org"},
        {"/alice\uFF20example.org/x", "alice\uFF20example.org", "x"}, /* only "@" makes an area */
        {"/alice%40example.org/x", "alice%40example.org", "x"},       /* decoded once, elsewhere */
        {"/" TOKEN "/\u00FC", TOKEN, "\u00FC"},
        {"/x/ ", "x", " "},
        {"/x/y/z", "x/y", "z"}, /* of ejabberd */
        {"/x/y@z/ \u00FC", "x/y@z", " \u00FC"},
        {"/example.org/alice@example.org/x", "example.org/alice@example.org", "x"},
        {"/.slot/x", ".slot", "x"},
        {"/x/.slot", "x", ".slot"},
    };

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        jf_name_t name = parse(cases[i].text, *state);
        check_kind(cases[i].text, &name, JF_NAME_LINK);
        assert_string_equal(name.token, cases[i].token);
        assert_string_equal(name.leaf, cases[i].leaf);
        assert_null(name.jid);
        assert_null(name.path);
    }
}

static void test_slot_service(void **state)
{
    jf_name_t name = parse("/.slot", *state);

    check_kind("/.slot", &name, JF_NAME_SLOT_SERVICE);
    assert_null(name.jid);
    assert_null(name.path);
    assert_null(name.token);
    assert_null(name.leaf);
}

static void test_other_paths_hold_nothing(void **state)
{
    static const char *const paths[] = {
        "/x",       "/x/",       "/.slot/",    "/.slots",
        "/.Slot",   "/slot",     "/" TOKEN,    "/" TOKEN "/",
        "/x/y/",    "/x/y@z/",   "/x/y/z/",    "/.slot/x/",
        "/a/b/c/d", "/a/b/c/d/", "/a/b/c/d/e", "/example.org/x/alice@example.org/x",
    };

    for (size_t i = 0; i < JF_TEST_COUNT(paths); i++) {
        jf_name_t name = parse(paths[i], *state);
        check_kind(paths[i], &name, JF_NAME_OTHER);
        assert_null(name.jid);
        assert_null(name.path);
        assert_null(name.token);
        assert_null(name.leaf);
    }
}

static void test_paths_of_nobody_are_refused(void **state)
{
    static const char *const paths[] = {
        "x",
        "alice@example.org/x",
        "//",
        "///",
        "//x",
        "//x/y",
        "//alice@example.org/x",
        "/x//",
        "/x//y",
        "/x/y//",
        AREA "//",
        AREA "//x",
        AREA "/x//",
        AREA "/x//y",
        "/@",
        "/@/x",
        "/@example.org/x",
        "/alice@/x",
        "/a@b@c/x",
        "/a b@example.org/x",
        "/a\u202E@example.org/x",
        "/a\n@example.org/x",
        "/\xC0\xAF@example.org/x",
        "/alice@ex_ample.org/x",
        "/a@..",
        "/a@../x",
        "/../alice@example.org/x",
        "/./alice@example.org/x",
        AREA "/../bob@example.org/x",
        "/x/..",
        "/../x",
        "/x/../y",
        "/./x",
        "/..",
        "/.",
    };

    for (size_t i = 0; i < JF_TEST_COUNT(paths); i++) {
        refuse(paths[i], *state);
    }
}

/* Nobody likes these names, but they are names: kept byte for byte. */
static const char *const odd_paths[] = {
    "...",
    ". ",
    " ..",
    "..x",
    "x..",
    ".htaccess",
    "-rf",
    "..\\x",
    "C:\\x",
    "C:",
    "CON",
    "nul.txt",
    "x.php.jpg",
    "x.html.gz",
    "x;y=1",
    "a?b",
    "a#b",
    "a%2Fb",
    "%2e%2e",
    "%00",
    "a&b<c>\"d'",
    "`id`$(id)",
    "~root",
    "*",
    " ",
    "trailing space ",
    "etc/passwd",
    "a/-/b",
    "objects/ab/abcdef",
    "\u00FC",       /* NFC */
    "u\u0308",      /* NFD */
    "\uFF0E\uFF0E", /* full-width ".." is no ".." */
    "\uFF0F",       /* full-width slash is no slash */
    "\u200E",       /* a mark for direction overrides nothing */
    "\u05D0a",
    "\U0001F600.png",
    "a\u200D\U0001F525",
    "\xC2\xA0",     /* just after the C1 controls */
    "\xE2\x80\xA7", /* U+2027, just before the separators */
    "\xE2\x80\xAF", /* U+202F, just after the overrides */
    "\u2065x",
    "\u206A",
};

static void test_odd_names_are_kept_as_they_are(void **state)
{
    apr_pool_t *pool = *state;

    for (size_t i = 0; i < JF_TEST_COUNT(odd_paths); i++) {
        jf_test_ok(jf_names_check_path(odd_paths[i], pool), odd_paths[i]);
        jf_name_t name = parse(apr_pstrcat(pool, AREA "/", odd_paths[i], NULL), pool);
        check_kind(odd_paths[i], &name, JF_NAME_FILE);
        assert_string_equal(name.path, odd_paths[i]);
        assert_string_equal(name.leaf, jf_names_leaf(odd_paths[i]));
    }
}

static const char *const wrong_paths[] = {
    "",
    "/",
    "//",
    ".",
    "..",
    "./x",
    "../x",
    "x/.",
    "x/..",
    "x/../y",
    "x/./y",
    "/etc/passwd",
    "/x",
    "x/",
    "x//y",
    "x\x01",
    "\t",
    "x\ny",
    "x\r\nSet-Cookie: a=b",
    "x\x1B[2J",
    "\x1F",
    "\x7F",
    "\xC2\x80",
    "x\xC2\x85y",
    "\xC2\x9F",
    "\u2028",
    "x\u2029",
    "\u202A",
    "\u202B",
    "\u202C",
    "\u202D",
    "invoice\u202Efdp.exe",
    "\u2066",
    "\u2067",
    "\u2068",
    "x/\u2069/y",
    "\x80",
    "\xFF",
    "\xC3",
    "\xC3(",
    "\xE2\x82",
    "\xC0\x80",         /* overlong NUL */
    "\xC0\xAE\xC0\xAE", /* overlong ".." */
    "a\xC0\xAF"
    "b", /* overlong slash */
    "\xE0\x80\xAF",
    "\xF0\x80\x80\xAF",
    "\xED\xA0\x80", /* surrogates */
    "\xED\xA0\xBD\xED\xB8\x80",
    "\xF4\x90\x80\x80",
    "\xF8\x88\x80\x80\x80",
    "Gr\xFC\xDF"
    "e", /* Latin-1 */
};

static void test_wrong_names_are_refused_everywhere(void **state)
{
    apr_pool_t *pool = *state;

    for (size_t i = 0; i < JF_TEST_COUNT(wrong_paths); i++) {
        jf_test_refused(jf_names_check_path(wrong_paths[i], pool), JF_ERR_INVALID, wrong_paths[i]);
        size_t length = strlen(wrong_paths[i]);
        int is_folder = length == 0 || wrong_paths[i][length - 1] == '/';
        if (is_folder) {
            continue;
        }
        refuse(apr_pstrcat(pool, AREA "/", wrong_paths[i], NULL), pool);
        refuse(apr_pstrcat(pool, AREA "/", wrong_paths[i], "/", NULL), pool);
        refuse(apr_pstrcat(pool, AREA "/x/", wrong_paths[i], NULL), pool);
        refuse(apr_pstrcat(pool, "/" TOKEN "/", wrong_paths[i], NULL), pool);
        refuse(apr_pstrcat(pool, "/", wrong_paths[i], "/x", NULL), pool);
        refuse(apr_pstrcat(pool, "/x/", wrong_paths[i], "/x", NULL), pool);
        refuse(apr_pstrcat(pool, "/", wrong_paths[i], NULL), pool);
    }
}

static void test_longest_names(void **state)
{
    apr_pool_t *pool = *state;
    const char *longest = jf_test_repeat("", 'a', JF_NAME_SEGMENT_BYTES_MAX, "", pool);
    const char *longest_wide =
        jf_test_repeat("\u20AC", 'a', JF_NAME_SEGMENT_BYTES_MAX - 3, "", pool);
    const char *longer = jf_test_repeat("", 'a', JF_NAME_SEGMENT_BYTES_MAX + 1, "", pool);
    const char *longer_wide =
        jf_test_repeat("\u20AC", 'a', JF_NAME_SEGMENT_BYTES_MAX - 2, "", pool);

    jf_test_ok(jf_names_check_path(longest, pool), longest);
    jf_test_ok(jf_names_check_path(longest_wide, pool), longest_wide);
    jf_test_ok(jf_names_check_path(apr_pstrcat(pool, longest, "/", longest, NULL), pool), longest);
    parse(apr_pstrcat(pool, AREA "/", longest, "/", NULL), pool);
    parse(apr_pstrcat(pool, "/", longest, "/", longest, NULL), pool);
    parse(apr_pstrcat(pool, "/", longest, "/", longest, "/", longest, NULL), pool);
    refuse(apr_pstrcat(pool, AREA "/", longer, NULL), pool);
    refuse(apr_pstrcat(pool, AREA "/", longer_wide, NULL), pool);
    refuse(apr_pstrcat(pool, AREA "/x/", longer, "/x", NULL), pool);
    refuse(apr_pstrcat(pool, "/", longer, "/x", NULL), pool);
    refuse(apr_pstrcat(pool, "/x/", longer, NULL), pool);
}

static void test_longest_paths(void **state)
{
    apr_pool_t *pool = *state;
    const char *folder = jf_test_repeat("", 'a', 255, "/", pool);
    const char *path = "";
    for (int i = 0; i < 15; i++) {
        path = apr_pstrcat(pool, path, folder, NULL);
    }
    const char *longest = jf_test_repeat(apr_pstrcat(pool, path, "a/", NULL), 'b', 254, "", pool);
    const char *longer = jf_test_repeat(apr_pstrcat(pool, path, "ab/", NULL), 'b', 254, "", pool);

    assert_int_equal(strlen(longest), JF_NAME_PATH_BYTES_MAX);
    jf_test_ok(jf_names_check_path(longest, pool), longest);
    parse(apr_pstrcat(pool, AREA "/", longest, NULL), pool);
    jf_test_refused(jf_names_check_path(longer, pool), JF_ERR_INVALID, longer);
    refuse(apr_pstrcat(pool, AREA "/", longer, NULL), pool);
    refuse(jf_test_repeat(AREA "/", 'a', 1000000, "", pool), pool);
    refuse(jf_test_repeat(AREA "/", '/', 1000000, "", pool), pool);
}

/** A JID may be longer than a segment of a path. */
static void test_area_of_a_long_jid(void **state)
{
    const char *path = jf_test_repeat("/", 'a', 1023, "@example.org/x", *state);
    jf_name_t name = parse(path, *state);

    check_kind(path, &name, JF_NAME_FILE);
    assert_int_equal(strlen(name.jid), strlen("@example.org") + 1023);
    refuse(jf_test_repeat("/", 'a', 1024, "@example.org/x", *state), *state);
}

static void test_parsed_strings_do_not_point_into_the_input(void **state)
{
    apr_pool_t *pool = *state;
    char *file = apr_pstrdup(pool, AREA "/docs/x.txt");
    char *link = apr_pstrdup(pool, "/" TOKEN "/x.txt");
    jf_name_t file_name = parse(file, pool);
    jf_name_t link_name = parse(link, pool);
    memset(file, '#', strlen(file));
    memset(link, '#', strlen(link));

    assert_string_equal(file_name.jid, "alice@example.org");
    assert_string_equal(file_name.path, "docs/x.txt");
    assert_string_equal(file_name.leaf, "x.txt");
    assert_string_equal(link_name.token, TOKEN);
    assert_string_equal(link_name.leaf, "x.txt");
}

static void test_leaf(void **state)
{
    (void)state;
    assert_string_equal(jf_names_leaf("x"), "x");
    assert_string_equal(jf_names_leaf("a/b/c.txt"), "c.txt");
    assert_string_equal(jf_names_leaf("a/"), "");
    assert_string_equal(jf_names_leaf(""), "");
    assert_string_equal(jf_names_leaf("a\\b"), "a\\b");
}

static void test_escape(void **state)
{
    static const struct {
        const char *path;
        const char *escaped;
    } cases[] = {
        {"", ""},
        {"report.pdf", "report.pdf"},
        {"a/b c/d", "a/b%20c/d"},
        {"AZaz09-._~", "AZaz09-._~"},
        {"!\"#$%&'()*+,", "%21%22%23%24%25%26%27%28%29%2A%2B%2C"},
        {":;<=>?@[\\]^`{|}", "%3A%3B%3C%3D%3E%3F%40%5B%5C%5D%5E%60%7B%7C%7D"},
        {"%41", "%2541"},
        {"\u00DCbersicht \u20AC.pdf", "%C3%9Cbersicht%20%E2%82%AC.pdf"},
        {"\x01\r\n\x7F\xFF", "%01%0D%0A%7F%FF"},
    };

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        assert_string_equal(jf_names_escape(cases[i].path, *state), cases[i].escaped);
    }
}

static void test_escaped_names_come_back(void **state)
{
    apr_pool_t *pool = *state;

    for (size_t i = 0; i < JF_TEST_COUNT(odd_paths); i++) {
        const char *escaped = jf_names_escape(odd_paths[i], pool);
        assert_string_equal(apr_punescape_url(pool, escaped, "", "", 0), odd_paths[i]);
    }
}

static void test_refusals_say_what_is_wrong(void **state)
{
    static const struct {
        const char *path;
        const char *part;
    } cases[] = {
        {AREA "/a\rb", "U+000D (a control character)"},
        {AREA "/a\u202E", "U+202E (a bidirectional override"},
        {AREA "/a\u2028", "U+2028 (a line or paragraph separator)"},
        {AREA "/\xFF", "UTF-8"},
        {AREA "/a//b", "empty part"},
        {AREA "/../b", "\"..\""},
        {"/a b@example.org/x", "U+0020"},
        {"x", "begin with a \"/\""},
    };

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        jf_name_t name;
        jf_err_t *err = jf_names_parse(&name, cases[i].path, *state);
        jf_test_refused(err, JF_ERR_INVALID, cases[i].path);
        if (!strstr(err->text, cases[i].part)) {
            fail_msg("\"%s\" lacks \"%s\"", err->text, cases[i].part);
        }
    }
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_base),
    JF_TEST(test_folders),
    JF_TEST(test_files),
    JF_TEST(test_links),
    JF_TEST(test_slot_service),
    JF_TEST(test_other_paths_hold_nothing),
    JF_TEST(test_paths_of_nobody_are_refused),
    JF_TEST(test_odd_names_are_kept_as_they_are),
    JF_TEST(test_wrong_names_are_refused_everywhere),
    JF_TEST(test_longest_names),
    JF_TEST(test_longest_paths),
    JF_TEST(test_area_of_a_long_jid),
    JF_TEST(test_parsed_strings_do_not_point_into_the_input),
    JF_TEST(test_leaf),
    JF_TEST(test_escape),
    JF_TEST(test_escaped_names_come_back),
    JF_TEST(test_refusals_say_what_is_wrong),
};

JF_TEST_MAIN(tests)
