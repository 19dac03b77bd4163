#include "jf_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_file_io.h>
#include <apr_strings.h>

#include "cli_table.h"
#include "config_file.h"
#include "private_file.h"

/** A new directory, which the test removes with what is in it by remove_directory. */
static const char *make_directory(apr_pool_t *pool)
{
    char *path = apr_pstrdup(pool, "t_config_file.XXXXXX");
    assert_non_null(mkdtemp(path));
    return path;
}

static void remove_file(const char *directory, const char *name, apr_pool_t *pool)
{
    remove(apr_pstrcat(pool, directory, "/", name, NULL));
}

static const char *write_file(const char *directory, const char *text, int mode, apr_pool_t *pool)
{
    const char *path = apr_pstrcat(pool, directory, "/config", NULL);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, (mode_t)mode), 0);
    return path;
}

static jf_err_t *read_text(config_file_t **config, const char *text, int mode, apr_pool_t *pool)
{
    const char *directory = make_directory(pool);
    const char *path = write_file(directory, text, mode, pool);
    jf_err_t *err = config_file_read(config, path, pool);
    remove(path);
    rmdir(directory);
    return err;
}

static config_file_t *read_well(const char *text, apr_pool_t *pool)
{
    config_file_t *config = NULL;
    jf_test_ok(read_text(&config, text, 0600, pool), text);
    return config;
}

/* ---- reading ---- */

static void test_keys_and_values(void **state)
{
    config_file_t *config = read_well("# mine\n"
                                      "jid = alice@example.org\n"
                                      "\n"
                                      "  password=a = b # c  \r\n"
                                      "\turl\t=\thttps://files.example.org/files\t\n"
                                      "tls = direct",
                                      *state);
    assert_true(config->exists);
    assert_string_equal(config->values[CONFIG_JID], "alice@example.org");
    assert_string_equal(config->values[CONFIG_PASSWORD], "a = b # c");
    assert_string_equal(config->values[CONFIG_URL], "https://files.example.org/files");
    assert_string_equal(config->values[CONFIG_TLS], "direct");
    assert_null(config->values[CONFIG_CA]);
    assert_int_equal(config->line_numbers[CONFIG_PASSWORD], 4);
    assert_int_equal(config->line_numbers[CONFIG_CA], 0);
    const char *place = config_file_place(config, CONFIG_TLS);
    assert_non_null(strstr(place, "/config:6: tls"));
}

static void test_empty_and_missing_files(void **state)
{
    config_file_t *config = read_well("", *state);
    assert_true(config->exists);
    assert_null(config->values[CONFIG_JID]);
    jf_test_ok(config_file_read(&config, "no such directory/config", *state), "missing");
    assert_false(config->exists);
}

static void test_refusals_name_the_line(void **state)
{
    static const struct {
        const char *text;
        const char *hint;
    } cases[] = {
        {"jid\n", ":1: a line must be"},
        {"\n#\nhunter2\n", ":3: a line must be"},
        {"jid = a@b\npasword = x\n", ":2: there is no key \"pasword\"; you may mean password"},
        {"frobnicate = x\n", ":1: there is no key \"frobnicate\"; these are: jid, password, "},
        {"jid = a@b\n\njid = c@d\n", ":3: the key \"jid\" is there already, in line 1"},
        {"url =\n", ":1: the key \"url\" has no value"},
        {"= x\n", ":1: there is no key"},
    };
    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        config_file_t *config = NULL;
        jf_err_t *err = read_text(&config, cases[i].text, 0600, *state);
        jf_test_refused(err, JF_ERR_INVALID, cases[i].text);
        if (!strstr(err->text, cases[i].hint)) {
            fail_msg("\"%s\" does not say \"%s\"", err->text, cases[i].hint);
        }
        assert_null(strstr(err->text, "hunter2"));
    }
}

static void test_files_of_others_are_refused(void **state)
{
    static const int modes[] = {0640, 0604, 0620, 0602, 0644, 0666};
    config_file_t *config = NULL;
    for (size_t i = 0; i < JF_TEST_COUNT(modes); i++) {
        jf_err_t *err = read_text(&config, "jid = a@b\n", modes[i], *state);
        jf_test_refused(err, JF_ERR_FORBIDDEN, "mode");
        assert_non_null(strstr(err->text, "chmod 600 "));
    }
    jf_test_ok(read_text(&config, "jid = a@b\n", 0400, *state), "0400");
    jf_test_ok(read_text(&config, "jid = a@b\n", 0700, *state), "0700");
}

/* Only root can give files away. */
static void test_files_that_belong_to_others_are_refused(void **state)
{
    apr_pool_t *pool = *state;
    const char *text = NULL;
    const char *directory = make_directory(pool);
    const char *path = write_file(directory, "jid = a@b\n", 0600, pool);
    if (geteuid() == 0) {
        assert_int_equal(chown(path, 1, 1), 0);
        jf_err_t *err = private_file_read(&text, path, pool);
        jf_test_refused(err, JF_ERR_FORBIDDEN, "another owner");
        assert_non_null(strstr(err->text, "chown 0 "));
    }
    remove(path);
    rmdir(directory);
}

static void test_what_is_no_text_is_refused(void **state)
{
    apr_pool_t *pool = *state;
    const char *text = NULL;
    const char *directory = make_directory(pool);
    jf_test_refused(private_file_read(&text, directory, pool), JF_ERR_INVALID, "directory");
    jf_test_refused(private_file_read(&text, "/dev/null", pool), JF_ERR_INVALID, "device");

    const char *path = write_file(directory, "ab", 0600, pool);
    assert_int_equal(truncate(path, 3), 0);
    jf_test_refused(private_file_read(&text, path, pool), JF_ERR_INVALID, "NUL");
    assert_int_equal(truncate(path, PRIVATE_FILE_BYTES_MAX + 1), 0);
    jf_test_refused(private_file_read(&text, path, pool), JF_ERR_INVALID, "large");
    remove(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    jf_test_refused(private_file_read(&text, path, pool), JF_ERR_INVALID, "pipe");
    remove(path);
    rmdir(directory);
}

/* The keys of the man page are those that are read. */
static void test_all_keys_are_documented(void **state)
{
    (void)state;
    for (int key = 0; key < CONFIG_KEY_COUNT; key++) {
        assert_string_equal(cli_config_keys[key].term, config_key_names[key]);
    }
    assert_null(cli_config_keys[CONFIG_KEY_COUNT].term);
}

/* ---- writing ---- */

static void test_setting_keeps_other_lines(void **state)
{
    apr_pool_t *pool = *state;
    const char *directory = make_directory(pool);
    const char *path = write_file(directory,
                                  "# mine\n  jid=old@example.org\npassword = secret\n\n"
                                  "# the area\nurl = https://a/\n",
                                  0600, pool);
    config_file_t *config = NULL;
    const char *text = NULL;
    jf_test_ok(config_file_read(&config, path, pool), path);
    config_file_set(config, CONFIG_PASSWORD, NULL);
    config_file_set(config, CONFIG_JID, "new@example.org");
    config_file_set(config, CONFIG_URL, "https://b");
    config_file_set(config, CONFIG_CA, "/ca.pem");
    config_file_set(config, CONFIG_TLS, NULL);
    config_file_set(config, CONFIG_TLS, "direct");
    config_file_set(config, CONFIG_TLS, NULL);
    jf_test_ok(config_file_write(config), path);
    jf_test_ok(private_file_read(&text, path, pool), path);
    assert_string_equal(text, "# mine\njid = new@example.org\n\n# the area\nurl = https://b\n"
                              "ca = /ca.pem\n");
    remove(path);
    assert_int_equal(rmdir(directory), 0); /* nothing else was left */
}

static void test_new_files_are_private(void **state)
{
    apr_pool_t *pool = *state;
    const char *directory = make_directory(pool);
    const char *path = apr_pstrcat(pool, directory, "/new/er/config", NULL);
    struct stat info;
    mode_t before = umask(0);
    jf_test_ok(private_file_write(path, "x\n", pool), path);
    umask(before);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0600);
    assert_int_equal(stat(apr_pstrcat(pool, directory, "/new", NULL), &info), 0);
    assert_int_equal(info.st_mode & 07777, 0700);
    remove_file(directory, "new/er/config", pool);
    remove_file(directory, "new/er", pool);
    remove_file(directory, "new", pool);
    assert_int_equal(rmdir(directory), 0);
}

static void test_a_link_stays_one(void **state)
{
    apr_pool_t *pool = *state;
    const char *directory = make_directory(pool);
    const char *path = write_file(directory, "old\n", 0600, pool);
    const char *link = apr_pstrcat(pool, directory, "/link", NULL);
    const char *text = NULL;
    struct stat info;
    assert_int_equal(symlink("config", link), 0);
    jf_test_ok(private_file_write(link, "new\n", pool), link);
    assert_int_equal(lstat(link, &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    jf_test_ok(private_file_read(&text, path, pool), path);
    assert_string_equal(text, "new\n");
    remove(link);
    remove(path);
    assert_int_equal(rmdir(directory), 0);
}

/* ---- places ---- */

static void test_where_the_configuration_is(void **state)
{
    const char *path = NULL;
    setenv("HOME", "/home/alice", 1);
    unsetenv("XDG_CONFIG_HOME");
    jf_test_ok(config_file_path(&path, NULL, *state), "home");
    assert_string_equal(path, "/home/alice/.config/jabberfiles/config");
    setenv("XDG_CONFIG_HOME", "/etc/alice", 1);
    jf_test_ok(config_file_path(&path, NULL, *state), "XDG");
    assert_string_equal(path, "/etc/alice/jabberfiles/config");
    setenv("XDG_CONFIG_HOME", "relative", 1);
    jf_test_ok(config_file_path(&path, NULL, *state), "relative");
    assert_string_equal(path, "/home/alice/.config/jabberfiles/config");
    jf_test_ok(config_file_path(&path, "mine", *state), "given");
    assert_string_equal(path, "mine");
    unsetenv("HOME");
    unsetenv("XDG_CONFIG_HOME");
    jf_test_refused(config_file_path(&path, NULL, *state), JF_ERR_INVALID, "nowhere");
}

static void test_paths_in_the_configuration(void **state)
{
    config_file_t *config = NULL;
    setenv("HOME", "/home/alice", 1);
    jf_test_ok(config_file_read(&config, "/nowhere/at/config", *state), "missing");
    assert_null(config_file_resolve(config, NULL));
    assert_string_equal(config_file_resolve(config, "/ca.pem"), "/ca.pem");
    assert_string_equal(config_file_resolve(config, "~/ca.pem"), "/home/alice/ca.pem");
    assert_string_equal(config_file_resolve(config, "ca.pem"), "/nowhere/at/ca.pem");
    jf_test_ok(config_file_read(&config, "nowhere", *state), "missing");
    assert_string_equal(config_file_resolve(config, "ca.pem"), "ca.pem");
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_keys_and_values),
    JF_TEST(test_empty_and_missing_files),
    JF_TEST(test_refusals_name_the_line),
    JF_TEST(test_files_of_others_are_refused),
    JF_TEST(test_files_that_belong_to_others_are_refused),
    JF_TEST(test_what_is_no_text_is_refused),
    JF_TEST(test_all_keys_are_documented),
    JF_TEST(test_setting_keeps_other_lines),
    JF_TEST(test_new_files_are_private),
    JF_TEST(test_a_link_stays_one),
    JF_TEST(test_where_the_configuration_is),
    JF_TEST(test_paths_in_the_configuration),
};
JF_TEST_MAIN(tests)
