#include "jf_test.h"

#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "cli_nearest.h"
#include "cli_options.h"
#include "cli_table.h"
#include "jf_units.h"

#define WORDS_MAX 16

/** Parses a line, whose words are separated by single spaces. */
static jf_err_t *parse(options_t *options, const char *line, apr_pool_t *pool)
{
    char **argv = apr_pcalloc(pool, (WORDS_MAX + 1) * sizeof(char *));
    int argc = 0;
    char *rest = apr_psprintf(pool, "jabberfiles%s%s", line[0] ? " " : "", line);
    for (char *word = rest; word; word = rest) {
        assert_in_range(argc, 0, WORDS_MAX - 1);
        rest = strchr(word, ' ');
        if (rest) {
            *rest++ = '\0';
        }
        argv[argc++] = word;
    }
    return cli_options_parse(options, argc, argv, pool);
}

static options_t parse_well(const char *line, apr_pool_t *pool)
{
    options_t options;
    jf_test_ok(parse(&options, line, pool), line);
    return options;
}

/* ---- what is right ---- */

static void test_what_was_not_given(void **state)
{
    options_t options = parse_well("ls", *state);
    assert_string_equal(options.command->name, "ls");
    assert_int_equal(options.argument_count, 0);
    assert_null(options.jid);
    assert_int_equal(options.expire_us, JF_NEVER);
    assert_string_equal(options.directory, ".");
    assert_int_equal(options.max_size_bytes, JF_UNLIMITED);
    assert_int_equal(options.max_time_us, JF_NEVER);
    assert_null(options.sha256);
    assert_int_equal(options.auto_from->nelts, 0);
    assert_int_equal(options.count, 0);
    assert_false(options.is_yes || options.is_quiet || options.is_json || options.allows_private);
}

static void test_values(void **state)
{
    options_t options =
        parse_well("receive --auto-from A@example.org --max-size 1.5K --auto-from=b@example.org "
                   "--max-time 2m -d dir --count 3 -y -q --allow-private",
                   *state);
    assert_int_equal(options.auto_from->nelts, 2);
    assert_string_equal(APR_ARRAY_IDX(options.auto_from, 0, const char *), "a@example.org");
    assert_string_equal(APR_ARRAY_IDX(options.auto_from, 1, const char *), "b@example.org");
    assert_int_equal(options.max_size_bytes, 1536);
    assert_int_equal(options.max_time_us, apr_time_from_sec(120));
    assert_string_equal(options.directory, "dir");
    assert_int_equal(options.count, 3);
    assert_true(options.is_yes && options.is_quiet && options.allows_private);

    options = parse_well("send -m hello --sims --expires 7d --name n --type image/png f b@c -j a@b "
                         "--direct-tls",
                         *state);
    assert_string_equal(options.message, "hello");
    assert_true(options.wants_sims && options.is_direct_tls);
    assert_int_equal(options.expire_us, apr_time_from_sec(7 * 86400));
    assert_string_equal(options.name, "n");
    assert_string_equal(options.media_type, "image/png");
    assert_string_equal(options.jid, "a@b");
}

static void test_sha256(void **state)
{
    const char *hex = jf_test_repeat("get x --sha256 Ff", '0', 60, "a5", *state);
    options_t options = parse_well(hex, *state);
    assert_non_null(options.sha256);
    assert_int_equal(options.sha256[0], 0xff);
    assert_int_equal(options.sha256[1], 0);
    assert_int_equal(options.sha256[31], 0xa5);
}

static void test_options_stand_anywhere(void **state)
{
    static const char *const lines[] = {"--json rm -q a b", "rm --json a -q b", "rm a b -q --json",
                                        "-q rm --json -- a b"};
    for (size_t i = 0; i < JF_TEST_COUNT(lines); i++) {
        options_t options = parse_well(lines[i], *state);
        assert_true(options.is_json && options.is_quiet);
        assert_int_equal(options.argument_count, 2);
        assert_string_equal(options.arguments[0], "a");
        assert_string_equal(options.arguments[1], "b");
    }
}

static void test_dashes(void **state)
{
    options_t options = parse_well("rm -- --json -", *state);
    assert_int_equal(options.argument_count, 2);
    assert_string_equal(options.arguments[0], "--json");
    assert_string_equal(options.arguments[1], "-");
    assert_false(options.is_json);

    options = parse_well("put -", *state);
    assert_string_equal(options.arguments[0], "-");
}

static void test_help_needs_no_arguments(void **state)
{
    assert_true(parse_well("--help", *state).wants_help);
    assert_null(parse_well("--help", *state).command);
    assert_true(parse_well("--version", *state).wants_version);
    options_t options = parse_well("send -h", *state);
    assert_true(options.wants_help);
    assert_string_equal(options.command->name, "send");
}

/* ---- what is wrong ---- */

static void test_refusals_say_what_would_be_right(void **state)
{
    static const struct {
        const char *line;
        const char *hint;
    } cases[] = {
        {"", "--help"},
        {"sned a b", "\"send\""},
        {"--frob ls", "--help"},
        {"rm --exprie 1 a", "--expires"},
        {"ls -x", "-x"},
        {"put a --expires", "--expires DURATION"},
        {"ls --json=yes", "takes no value"},
        {"ls a", "jabberfiles ls [OPTION]..."},
        {"send a", "jabberfiles send [OPTION]... FILE... JID..."},
        {"login a@b c@d", "jabberfiles login [OPTION]... [JID]"},
        {"rm", "NAME..."},
        {"ls --sims", "send, announce"},
        {"put --output x y", "get"},
        {"put --expires soon y", "--expires: "},
        {"put --expires 0 y", "7d"},
        {"get --max-size big y", "--max-size: "},
        {"get --sha256 0123 y", "64 hexadecimal"},
        {"receive --count 0", "from 1 on"},
        {"receive --count 3x", "from 1 on"},
        {"receive --count 99999999999999999999", "from 1 on"},
        {"receive --count -1", "from 1 on"},
        {"receive --auto-from example.org", "--auto-from: "},
        {"xyzzyxyzzy", "--help"},
    };
    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        options_t options;
        jf_err_t *err = parse(&options, cases[i].line, *state);
        jf_test_refused(err, JF_ERR_INVALID, cases[i].line);
        if (!strstr(err->text, cases[i].hint)) {
            fail_msg("\"%s\": \"%s\" does not say \"%s\"", cases[i].line, err->text, cases[i].hint);
        }
    }
}

static void test_sha256_of_wrong_letters(void **state)
{
    options_t options;
    const char *line = jf_test_repeat("get x --sha256 g", '0', 63, "", *state);
    jf_test_refused(parse(&options, line, *state), JF_ERR_INVALID, line);
    line = jf_test_repeat("get x --sha256 ", '0', 66, "", *state);
    jf_test_refused(parse(&options, line, *state), JF_ERR_INVALID, line);
}

static void test_the_form_of_errors_is_known_after_an_error(void **state)
{
    static const char *const lines[] = {"--frob ls --json", "nothing --json", "rm --json",
                                        "put --expires soon --json x"};
    for (size_t i = 0; i < JF_TEST_COUNT(lines); i++) {
        options_t options;
        jf_test_refused(parse(&options, lines[i], *state), JF_ERR_INVALID, lines[i]);
        assert_true(options.is_json);
    }
}

/* ---- the table itself ---- */

static void test_the_table_is_consistent(void **state)
{
    (void)state;
    unsigned used = 0;
    for (const cli_option_t *option = cli_options; option->name; option++) {
        assert_non_null(option->take);
        assert_int_equal(option->value == CLI_NONE, option->argument == NULL);
        assert_true(option->summary[0] && option->summary[strlen(option->summary) - 1] != '.');
        used |= option->groups;
        for (const cli_option_t *other = cli_options; other < option; other++) {
            assert_string_not_equal(option->name, other->name);
            assert_true(!option->letter || option->letter != other->letter);
        }
    }
    for (const cli_command_t *command = cli_commands; command->name; command++) {
        assert_ptr_equal(cli_command_find(command->name), command);
        assert_int_equal(command->groups & ~used, 0);
        assert_non_null(command->run);
        assert_int_equal(command->arguments[0] == '\0', command->most_arguments == 0);
    }
    assert_null(cli_command_find("jabberfiles"));
}

/* ---- what somebody may have meant ---- */

static void test_nearest(void **state)
{
    static const struct {
        const char *typed;
        const char *meant;
    } cases[] = {
        {"sned", "send"},
        {"snd", "send"},
        {"sendd", "send"},
        {"recieve", "receive"},
        {"announe", "announce"},
        {"mr", "rm"},
        {"SEND", NULL},
        {"frobnicate", NULL},
        {"", NULL},
        {"q", NULL},
        {"quotas", "quota"},
    };
    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        cli_nearest_t nearest = cli_nearest_make(cases[i].typed);
        for (const cli_command_t *command = cli_commands; command->name; command++) {
            cli_nearest_try(&nearest, command->name, *state);
        }
        if (!cases[i].meant) {
            assert_null(nearest.best);
        } else {
            assert_non_null(nearest.best);
            assert_string_equal(nearest.best, cases[i].meant);
        }
    }
    cli_nearest_t nearest = cli_nearest_make(jf_test_repeat("", 'x', 5000, "", *state));
    cli_nearest_try(&nearest, "send", *state);
    assert_null(nearest.best);
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_what_was_not_given),
    JF_TEST(test_values),
    JF_TEST(test_sha256),
    JF_TEST(test_options_stand_anywhere),
    JF_TEST(test_dashes),
    JF_TEST(test_help_needs_no_arguments),
    JF_TEST(test_refusals_say_what_would_be_right),
    JF_TEST(test_sha256_of_wrong_letters),
    JF_TEST(test_the_form_of_errors_is_known_after_an_error),
    JF_TEST(test_the_table_is_consistent),
    JF_TEST(test_nearest),
};
JF_TEST_MAIN(tests)
