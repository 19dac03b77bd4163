#include "jf_test.h"

#include <string.h>

#include <apr_strings.h>

#include "get_offer.h"
#include "get_options.h"
#include "get_source.h"
#include "jf_units.h"

#define WORDS_MAX 32
#define BASE "http://192.0.2.1:80"

/** Parses a line, whose words are separated by single spaces. */
static jf_err_t *parse(get_options_t *options, const char *line, apr_pool_t *pool)
{
    const char *argv[WORDS_MAX + 1] = {"get"};
    char *rest = apr_pstrdup(pool, line);
    char *state;
    int argc = 1;
    for (char *word = apr_strtok(rest, " ", &state); word; word = apr_strtok(NULL, " ", &state)) {
        assert_in_range(argc, 1, WORDS_MAX - 1);
        argv[argc++] = word;
    }
    return get_options_parse(options, argc, argv, pool);
}

static get_options_t parse_well(const char *line, apr_pool_t *pool)
{
    get_options_t options;
    jf_test_ok(parse(&options, line, pool), line);
    return options;
}

/* ---- options ---- */

static void test_what_was_not_given(void **state)
{
    get_options_t options = parse_well("--from h:1 --name x", *state);
    assert_string_equal(options.from, "h:1");
    assert_string_equal(options.name, "x");
    assert_string_equal(options.listen, "127.0.0.1:0");
    assert_null(options.type);
    assert_null(options.url_base);
    assert_int_equal(options.size_bytes, GET_SIZE_UNKNOWN);
    assert_int_equal(options.ttl_us, apr_time_from_sec(3600));
    assert_int_equal(options.connect_timeout_us, apr_time_from_sec(30));
    assert_int_equal(options.idle_timeout_us, apr_time_from_sec(60));
    assert_false(options.speaks_dcc || options.wants_help);
}

static void test_values(void **state)
{
    get_options_t options = parse_well(
        "--dcc --size 5K --from=h:1 --type text/plain --name x --listen [::]:7 --ttl never "
        "--connect-timeout 2m --idle-timeout 1h --url-base https://f.example:8/a//",
        *state);
    assert_true(options.speaks_dcc);
    assert_int_equal(options.size_bytes, 5120);
    assert_string_equal(options.type, "text/plain");
    assert_string_equal(options.listen, "[::]:7");
    assert_int_equal(options.ttl_us, JF_NEVER);
    assert_int_equal(options.connect_timeout_us, apr_time_from_sec(120));
    assert_int_equal(options.idle_timeout_us, apr_time_from_sec(3600));
    assert_string_equal(options.url_base, "https://f.example:8/a");
}

static void test_help_needs_nothing_else(void **state)
{
    assert_true(parse_well("--help", *state).wants_help);
}

static void test_refusals_say_what_would_be_right(void **state)
{
    static const struct {
        const char *line;
        const char *words;
    } cases[] = {
        {"", "--from"},
        {"--from h:1", "--name"},
        {"--name x", "--from"},
        {"--from h:1 --name x y", "nothing is known about y"},
        {"--from h:1 --name", "a value is missing behind --name"},
        {"--from h:1 --name x --frob", "there is no option --frob"},
        {"--from h:1 --name x -z", "there is no option -z"},
        {"--from h:1 --name x --dcc=1", "no value belongs to --dcc=1"},
        {"--from h:1 --name x --size 1.5", "--size: "},
        {"--from h:1 --name x --size unlimited", "without --size"},
        {"--from h:1 --name x --ttl 0", "--ttl: "},
        {"--from h:1 --name x --connect-timeout -1", "--connect-timeout: "},
        {"--from h:1 --name x --idle-timeout 1M", "--idle-timeout: "},
        {"--from h:1 --name x --url-base f.example", "--url-base: "},
        {"--from h:1 --name x --url-base https://", "--url-base: "},
        {"--from h:1 --name x --url-base https:///a", "--url-base: "},
        {"--from h:1 --name x --url-base https://h/?a", "--url-base: "},
        {"--from h:1 --name x --url-base https://h/#a", "--url-base: "},
        {"--from h:1 --name x --url-base https://h/\r\na", "--url-base: "},
        {"--from h:1 --name x --url-base javascript://h/", "--url-base: "},
    };
    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        get_options_t options;
        jf_err_t *err = parse(&options, cases[i].line, *state);
        jf_test_refused(err, JF_ERR_INVALID, cases[i].line);
        assert_non_null(strstr(err->text, cases[i].words));
    }
}

/* ---- the offer ---- */

static get_offer_t *offer(const char *name, const char *type, apr_pool_t *pool)
{
    get_offer_t *made;
    jf_test_ok(get_offer_make(&made, name, type, 5, pool), name);
    return made;
}

static void test_path_is_compared_exactly(void **state)
{
    get_offer_t *made = offer("a b.txt", NULL, *state);
    assert_true(get_offer_is_path(made, made->path));
    char *path = apr_pstrdup(*state, made->path);
    for (size_t i = 0; path[i]; i++) {
        path[i] ^= 1;
        assert_false(get_offer_is_path(made, path));
        path[i] ^= 1;
    }
    assert_false(get_offer_is_path(made, apr_pstrcat(*state, path, "x", NULL)));
    path[strlen(path) - 1] = '\0';
    assert_false(get_offer_is_path(made, path));
    assert_false(get_offer_is_path(made, ""));
}

static void test_url_is_that_of_the_path(void **state)
{
    get_offer_t *made = offer("a b.txt", NULL, *state);
    const char *url = get_offer_url(made, BASE, *state);
    assert_memory_equal(url, BASE "/", strlen(BASE "/"));
    assert_string_equal(url + strlen(url) - strlen("/a%20b.txt"), "/a%20b.txt");
    assert_string_not_equal(made->path, offer("a b.txt", NULL, *state)->path);
}

static void test_type(void **state)
{
    static const struct {
        const char *name;
        const char *type;
        const char *expected;
        const char *disposition;
    } cases[] = {
        {"a.png", NULL, "image/png", "inline"},
        {"a.png", "image/gif", "image/gif", "inline"},
        {"a", NULL, "application/octet-stream", "attachment"},
        {"a.png", "text/html", "text/html", "attachment"},
        {"a.png", "text/html\r\nX: y", "application/octet-stream", "attachment"},
        {"a.txt", "text/plain", "text/plain; charset=utf-8", "inline"},
    };
    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        get_offer_t *made = offer(cases[i].name, cases[i].type, *state);
        assert_string_equal(made->type, cases[i].expected);
        assert_memory_equal(made->disposition, cases[i].disposition, strlen(cases[i].disposition));
    }
}

static void test_names_that_no_file_should_have(void **state)
{
    static const char *const names[] = {
        "", ".", "..", "a/b", "/a", "a\nb", "a\x1b[2Jb", "\xe2\x80\xaegpj.exe", "\xff"};
    for (size_t i = 0; i < JF_TEST_COUNT(names); i++) {
        get_offer_t *made;
        jf_test_refused(get_offer_make(&made, names[i], NULL, 5, *state), JF_ERR_INVALID, names[i]);
    }
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_what_was_not_given),
    JF_TEST(test_values),
    JF_TEST(test_help_needs_nothing_else),
    JF_TEST(test_refusals_say_what_would_be_right),
    JF_TEST(test_path_is_compared_exactly),
    JF_TEST(test_url_is_that_of_the_path),
    JF_TEST(test_type),
    JF_TEST(test_names_that_no_file_should_have),
};
JF_TEST_MAIN(tests)
