#include "jf_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_strings.h>

#include "account.h"
#include "cli_recipients.h"
#include "cli_table.h"
#include "jf_units.h"

#define CONFIG "t_account.config"

/** An account from this command line and configuration. */
static jf_err_t *load(account_t **account, const options_t *given, const char *text,
                      apr_pool_t *pool)
{
    options_t *options = apr_pmemdup(pool, given, sizeof(*given));
    FILE *file = fopen(CONFIG, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(CONFIG, 0600), 0);
    options->config = CONFIG;
    options->command = options->command ? options->command : cli_command_find("ls");
    jf_err_t *err = account_load(account, options, pool);
    remove(CONFIG);
    return err;
}

static account_t *load_well(const options_t *options, const char *text, apr_pool_t *pool)
{
    account_t *account = NULL;
    jf_test_ok(load(&account, options, text, pool), text);
    return account;
}

static void clear_environment(void)
{
    unsetenv("JABBERFILES_JID");
    unsetenv("JABBERFILES_PASSWORD");
    unsetenv("JABBERFILES_URL");
}

#define ALICE                                                                            \
    "jid = Alice@example.org\npassword = of-alice\nurl = https://f.example.org/files/\n" \
    "connect = [::1]:5223\ntls = direct\nca = ca.pem\n"

/* ---- sources ---- */

static void test_configuration(void **state)
{
    clear_environment();
    account_t *account = load_well(&(options_t){0}, ALICE, *state);
    const char *password = NULL;
    assert_string_equal(account->jid, "alice@example.org");
    assert_string_equal(account->url, "https://f.example.org/files");
    assert_string_equal(account->connect_host, "::1");
    assert_int_equal(account->connect_port, 5223);
    assert_true(account->is_direct_tls);
    assert_string_equal(account->ca, "ca.pem");
    jf_test_ok(account_password(&password, account), "password");
    assert_string_equal(password, "of-alice");
    jf_test_ok(account_need_jid(account), "jid");
    jf_test_ok(account_need_url(account), "url");
}

static void test_nothing_is_known(void **state)
{
    clear_environment();
    account_t *account = load_well(&(options_t){0}, "", *state);
    jf_test_refused(account_need_jid(account), JF_ERR_INVALID, "jid");
    jf_test_refused(account_need_url(account), JF_ERR_INVALID, "url");
    assert_non_null(strstr(account_need_jid(account)->text, "jabberfiles login"));
    assert_non_null(strstr(account_need_url(account)->text, "JABBERFILES_URL"));
}

static void test_options_stand_over_the_environment_and_that_over_the_file(void **state)
{
    clear_environment();
    setenv("JABBERFILES_JID", "alice@example.org", 1);
    setenv("JABBERFILES_PASSWORD", "of-env", 1);
    setenv("JABBERFILES_URL", "https://env.example.org/", 1);
    options_t options = {.url = "https://option.example.org", .connect = "h:1", .ca = "mine.pem"};
    account_t *account = load_well(&options, ALICE, *state);
    assert_string_equal(account->url, "https://option.example.org");
    assert_string_equal(account->connect_host, "h");
    assert_false(account->is_direct_tls);
    assert_string_equal(account->ca, "mine.pem");
    assert_string_equal(account->password, "of-env");
    assert_null(getenv("JABBERFILES_PASSWORD"));
    account = load_well(&(options_t){0}, ALICE, *state);
    assert_string_equal(account->url, "https://env.example.org");
    clear_environment();
}

/* No server may learn the password of an account that is not its own. */
static void test_passwords_stay_with_their_accounts(void **state)
{
    static const struct {
        const char *option;
        const char *variable;
        const char *variable_password;
        const char *password;
    } cases[] = {
        {NULL, NULL, NULL, "of-alice"},
        {"ALICE@example.org", NULL, NULL, "of-alice"},
        {"bob@example.org", NULL, NULL, NULL},
        {NULL, "bob@example.org", NULL, NULL},
        {NULL, "bob@example.org", "of-bob", "of-bob"},
        {"bob@example.org", NULL, "of-bob", "of-bob"},
        {"alice@example.org", "bob@example.org", "of-bob", "of-alice"},
        {"carol@example.org", "bob@example.org", "of-bob", NULL},
    };
    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        clear_environment();
        if (cases[i].variable) {
            setenv("JABBERFILES_JID", cases[i].variable, 1);
        }
        if (cases[i].variable_password) {
            setenv("JABBERFILES_PASSWORD", cases[i].variable_password, 1);
        }
        account_t *account = load_well(&(options_t){.jid = cases[i].option}, ALICE, *state);
        if (cases[i].password) {
            assert_non_null(account->password);
            assert_string_equal(account->password, cases[i].password);
        } else {
            assert_null(account->password);
        }
    }
    clear_environment();
}

static void test_servers_stay_with_their_domains(void **state)
{
    clear_environment();
    account_t *account = load_well(&(options_t){.jid = "bob@example.org"}, ALICE, *state);
    assert_string_equal(account->url, "https://f.example.org/files");
    assert_string_equal(account->connect_host, "::1");
    account = load_well(&(options_t){.jid = "alice@example.net"}, ALICE, *state);
    assert_null(account->url);
    assert_null(account->connect_host);
    assert_false(account->is_direct_tls);
}

static void test_values_that_are_refused(void **state)
{
    static const struct {
        const char *text;
        const char *hint;
    } cases[] = {
        {"jid = example.org\n", CONFIG ":1: jid must be a Jabber ID"},
        {"jid = a@b/c\n", "must be a Jabber ID"},
        {"\nurl = http://files.example.org/\n", CONFIG ":2: url must begin with https://"},
        {"url = files.example.org\n", "must be an https URL"},
        {"url = https:///x\n", "must be an https URL"},
        {"url = https://a:b@files.example.org/\n", "without user"},
        {"url = https://files.example.org/?a=b\n", "must be an https URL"},
        {"url = https://files.example.org/#a\n", "must be an https URL"},
        {"url = ftp://files.example.org/\n", "must be an https URL"},
        {"url = https://files.example.org/a b\n", "must be an https URL"},
        {"connect = example.org\n", CONFIG ":1: connect must be HOST:PORT"},
        {"connect = example.org:0\n", "must be HOST:PORT"},
        {"connect = ::1:5222\n", "must be HOST:PORT"},
        {"connect = example.org:65536\n", "must be HOST:PORT"},
        {"tls = off\n", CONFIG ":1: tls must be starttls or direct"},
    };
    clear_environment();
    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        account_t *account = NULL;
        jf_err_t *err = load(&account, &(options_t){0}, cases[i].text, *state);
        jf_test_refused(err, JF_ERR_INVALID, cases[i].text);
        if (!strstr(err->text, cases[i].hint)) {
            fail_msg("\"%s\" does not say \"%s\"", err->text, cases[i].hint);
        }
    }
}

static void test_http_to_this_machine(void **state)
{
    static const char *const urls[] = {"http://localhost:8080/files", "http://127.0.0.1/files",
                                       "http://[::1]:8080/files"};
    clear_environment();
    for (size_t i = 0; i < JF_TEST_COUNT(urls); i++) {
        account_t *account = load_well(&(options_t){.url = urls[i]}, "", *state);
        assert_string_equal(account->url, urls[i]);
    }
}

static void test_a_configuration_that_was_named_must_be_there(void **state)
{
    account_t *account = NULL;
    options_t options = {.config = "no such file", .command = cli_command_find("ls")};
    jf_test_refused(account_load(&account, &options, *state), JF_ERR_INVALID, "ls");
    options.command = cli_command_find("login");
    jf_test_ok(account_load(&account, &options, *state), "login");
}

/* ---- passwords ---- */

static const char *password_of(const char *line, apr_pool_t *pool)
{
    const char *password = NULL;
    clear_environment();
    account_t *account =
        load_well(&(options_t){0}, apr_pstrcat(pool, "jid = a@b\n", line, "\n", NULL), pool);
    jf_test_ok(account_password(&password, account), line);
    return password;
}

static jf_err_t *refused_password(const char *line, apr_pool_t *pool)
{
    const char *password = NULL;
    clear_environment();
    account_t *account =
        load_well(&(options_t){0}, apr_pstrcat(pool, "jid = a@b\n", line, "\n", NULL), pool);
    return account_password(&password, account);
}

static void test_password_commands(void **state)
{
    assert_string_equal(password_of("password-command = echo hunter2", *state), "hunter2");
    assert_string_equal(password_of("password-command = printf ' a b \\nmore\\n'", *state),
                        " a b ");
    assert_string_equal(password_of("password-command = printf x; yes | head -c 200000", *state),
                        "xy");
    setenv("JABBERFILES_PASSWORD", "secret", 1);
    account_t *account = load_well(&(options_t){.jid = "c@d"}, "", *state);
    (void)account;
    assert_string_equal(password_of("password-command = echo \"<$JABBERFILES_PASSWORD>\"", *state),
                        "<>");
    jf_err_t *err = refused_password("password-command = echo hunter2; exit 3", *state);
    jf_test_refused(err, JF_ERR_INVALID, "exit 3");
    assert_non_null(strstr(err->text, "exit code 3"));
    assert_null(strstr(err->text, "hunter2"));
    jf_test_refused(refused_password("password-command = kill -9 $$", *state), JF_ERR_INVALID,
                    "killed");
    jf_test_refused(refused_password("password-command = true", *state), JF_ERR_INVALID, "empty");
    jf_test_refused(
        refused_password("password-command = yes x | tr -d '\\n' | head -c 5000", *state),
        JF_ERR_INVALID, "long");
}

static void test_password_files(void **state)
{
    const char *path = "t_account.password";
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(" hunter 2 \r\nmore\n", file);
    fclose(file);
    assert_int_equal(chmod(path, 0600), 0);
    assert_string_equal(password_of("password-file = t_account.password", *state), " hunter 2 ");
    assert_int_equal(chmod(path, 0640), 0);
    jf_test_refused(refused_password("password-file = t_account.password", *state),
                    JF_ERR_FORBIDDEN, "0640");
    remove(path);
    jf_test_refused(refused_password("password-file = t_account.password", *state), JF_ERR_INVALID,
                    "missing");
}

/* ---- the area ---- */

static void test_area_urls(void **state)
{
    account_t account = {.jid = "a b@example.org", .url = "https://f/x", .pool = *state};
    assert_string_equal(account_area_url(&account, "", *state), "https://f/x/a%20b%40example.org/");
    assert_string_equal(account_area_url(&account, "dir/50% #1?.txt", *state),
                        "https://f/x/a%20b%40example.org/dir/50%25%20%231%3F.txt");
}

static void test_what_lies_in_the_area(void **state)
{
    static const struct {
        const char *url;
        int owns;
    } cases[] = {
        {"https://f.example.org/files/alice@example.org/x", 1},
        {"https://f.example.org/files/alice%40example.org/dir/x%20y", 1},
        {"https://F.EXAMPLE.ORG:443/files/Alice@EXAMPLE.org/x", 1},
        {"https://f.example.org/files/alice@example.org/", 1},
        {"https://f.example.org/files/alice@example.org", 0},
        {"https://f.example.org/files/bob@example.org/x", 0},
        {"https://f.example.org/files/alice@example.org.evil/x", 0},
        {"https://f.example.org/filesx/alice@example.org/x", 0},
        {"https://f.example.org/files/token/x", 0},
        {"https://f.example.org:444/files/alice@example.org/x", 0},
        {"http://f.example.org/files/alice@example.org/x", 0},
        {"https://g.example.org/files/alice@example.org/x", 0},
        {"https://f.example.org@evil/files/alice@example.org/x", 0},
        {"https://f.example.org/files/alice@example.org/../bob@example.org/x", 0},
        {"https://f.example.org/files/alice@example.org/%2e%2e/x", 0},
        {"https://f.example.org/files/alice@example.org%2Fx", 0},
        {"https://f.example.org/files/alice@example.org/%zz", 0},
        {"https://f.example.org/files/alice@example.org/x?y", 0},
        {"https://f.example.org/files/alice@example.org/x#y", 0},
        {"alice@example.org/x", 0},
        {"", 0},
    };
    account_t account = {
        .jid = "alice@example.org", .url = "https://f.example.org/files", .pool = *state};
    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        if (account_owns_url(&account, cases[i].url) != cases[i].owns) {
            fail_msg("%s", cases[i].url);
        }
    }
    account.url = "https://f.example.org";
    assert_true(account_owns_url(&account, "https://f.example.org/alice@example.org/x"));
    account.url = NULL;
    assert_false(account_owns_url(&account, cases[0].url));
}

/* ---- recipients ---- */

static const char *joined(const apr_array_header_t *texts, apr_pool_t *pool)
{
    return apr_array_pstrcat(pool, texts, ' ');
}

static void test_files_and_recipients(void **state)
{
    static const char *const arguments[] = {
        "a.txt",
        "./a@b",
        "B@example.org",
        "xmpp:c@example.org",
        "b@example.org",
        "a.txt",
        "-",
        "/tmp/x@y",
        "xmpp:room@rooms.example.org?join",
        CONFIG "@there",
        "xmpp:caf%C3%A9@example.org",
        "../d@e",
        "no-such-file",
    };
    apr_array_header_t *files = NULL;
    apr_array_header_t *jids = NULL;
    FILE *file = fopen(CONFIG "@there", "w");
    assert_non_null(file);
    fclose(file);
    jf_err_t *err =
        cli_split_recipients(&files, &jids, arguments, (int)JF_TEST_COUNT(arguments), 0, *state);
    remove(CONFIG "@there");
    jf_test_ok(err, "split");
    assert_string_equal(joined(files, *state),
                        "a.txt ./a@b - /tmp/x@y " CONFIG "@there ../d@e no-such-file");
    assert_string_equal(joined(jids, *state), "b@example.org c@example.org "
                                              "room@rooms.example.org caf\u00E9@example.org");
}

static void test_recipients_that_are_none(void **state)
{
    static const struct {
        const char *arguments[2];
        int takes_files;
        const char *hint;
    } cases[] = {
        {{"a.txt", "b.txt"}, 1, "nobody to send to"},
        {{"a@b", "c@d"}, 1, "nothing to send"},
        {{"a.txt", "b@"}, 1, "b@ is neither a file nor a Jabber ID"},
        {{"a.txt", "b@c/phone"}, 1, "neither a file nor a Jabber ID"},
        {{"a.txt", "xmpp:rooms"}, 1, "xmpp:rooms is no Jabber ID"},
        {{"a.txt", "xmpp:%zz@b"}, 1, "is no Jabber ID"},
        {{"a@b", "example.org"}, 0, "example.org is no Jabber ID"},
    };
    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        apr_array_header_t *files = NULL;
        apr_array_header_t *jids = NULL;
        jf_err_t *err = cli_split_recipients(cases[i].takes_files ? &files : NULL, &jids,
                                             cases[i].arguments, 2, 0, *state);
        jf_test_refused(err, JF_ERR_INVALID, cases[i].arguments[1]);
        if (!strstr(err->text, cases[i].hint)) {
            fail_msg("\"%s\" does not say \"%s\"", err->text, cases[i].hint);
        }
    }
}

/* The bare part is prepared, the resource is the client's own word. */
static void test_recipients_with_resources(void **state)
{
    static const char *const good[] = {"a.txt", "B@Example.org/Desk 1/@x", "c@example.org",
                                       "xmpp:d@example.org/caf%C3%A9"};
    static const char *const bad[] = {"b@example.org/", "xmpp:b@example.org/%07",
                                      "xmpp:b@example.org/%ff", "@example.org/x", "xmpp:b/x"};
    apr_array_header_t *files = NULL;
    apr_array_header_t *jids = NULL;
    jf_test_ok(cli_split_recipients(&files, &jids, good, (int)JF_TEST_COUNT(good), 1, *state),
               "full JIDs");
    assert_string_equal(joined(files, *state), "a.txt");
    assert_string_equal(joined(jids, *state),
                        "b@example.org/Desk 1/@x c@example.org d@example.org/caf\u00E9");
    for (size_t i = 0; i < JF_TEST_COUNT(bad); i++) {
        jf_err_t *err = cli_split_recipients(NULL, &jids, &bad[i], 1, 1, *state);
        jf_test_refused(err, JF_ERR_INVALID, bad[i]);
    }
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_configuration),
    JF_TEST(test_nothing_is_known),
    JF_TEST(test_options_stand_over_the_environment_and_that_over_the_file),
    JF_TEST(test_passwords_stay_with_their_accounts),
    JF_TEST(test_servers_stay_with_their_domains),
    JF_TEST(test_values_that_are_refused),
    JF_TEST(test_http_to_this_machine),
    JF_TEST(test_a_configuration_that_was_named_must_be_there),
    JF_TEST(test_password_commands),
    JF_TEST(test_password_files),
    JF_TEST(test_area_urls),
    JF_TEST(test_what_lies_in_the_area),
    JF_TEST(test_files_and_recipients),
    JF_TEST(test_recipients_that_are_none),
    JF_TEST(test_recipients_with_resources),
};
JF_TEST_MAIN(tests)
