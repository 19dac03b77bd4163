#include "jf_test.h"

#include <string.h>
#include <sys/stat.h>

#include <apr_file_io.h>
#include <apr_strings.h>

#include "jf_units.h"
#include "service_config.h"
#include "t_directory.h"

#define HEAD                        \
    "component proxy.example.org\n" \
    "server 127.0.0.1:5347\n"       \
    "secret-file secret\n"
#define MINIMAL HEAD "listen 127.0.0.1:0\n"

static void write_file(const char *path, const char *text, apr_pool_t *pool)
{
    apr_file_t *file;
    assert_int_equal(apr_file_open(&file, path,
                                   APR_FOPEN_WRITE | APR_FOPEN_CREATE | APR_FOPEN_TRUNCATE,
                                   APR_FPROT_UREAD | APR_FPROT_UWRITE, pool),
                     APR_SUCCESS);
    assert_int_equal(apr_file_write_full(file, text, strlen(text), NULL), APR_SUCCESS);
    assert_int_equal(apr_file_close(file), APR_SUCCESS);
}

/** Reads a configuration whose secret file has this content. */
static jf_err_t *read_with_secret(service_config_t **config, const char *text, const char *secret,
                                  apr_pool_t *pool)
{
    const char *directory = t_directory_make(pool);
    const char *path = apr_pstrcat(pool, directory, "/streamer.conf", NULL);
    write_file(path, text, pool);
    write_file(apr_pstrcat(pool, directory, "/secret", NULL), secret, pool);
    return service_config_read(config, path, pool);
}

static jf_err_t *read_text(service_config_t **config, const char *text, apr_pool_t *pool)
{
    return read_with_secret(config, text, "s3cret\n", pool);
}

static void test_defaults(void **state)
{
    service_config_t *config;
    jf_test_ok(read_text(&config, MINIMAL, *state), MINIMAL);
    assert_string_equal(config->component, "proxy.example.org");
    assert_string_equal(relay_address_text(&config->server, *state), "127.0.0.1:5347");
    assert_string_equal(config->secret, "s3cret");
    assert_int_equal(config->listen->nelts, 1);
    assert_int_equal(config->public->nelts, 0);
    assert_int_equal(config->limits.streams, 10000);
    assert_int_equal(config->limits.streams_per_jid, 20);
    assert_int_equal(config->limits.stream_bytes, JF_UNLIMITED);
    assert_int_equal(config->limits.day_bytes, JF_UNLIMITED);
    assert_int_equal(config->limits.rate_bytes_per_s, JF_UNLIMITED);
    assert_int_equal(config->limits.activation_us, apr_time_from_sec(60));
    assert_int_equal(config->limits.idle_us, apr_time_from_sec(600));
    assert_int_equal(config->limits.total_us, JF_NEVER);
    assert_int_equal(config->drain_us, apr_time_from_sec(60));
    assert_false(config->has_metrics);
    assert_true(service_acl_allows(config->acl, "alice@example.org"));
    assert_false(service_acl_allows(config->acl, "alice@other.example"));
}

static void test_all_settings(void **state)
{
    static const char text[] = "# a comment\n"
                               "\n"
                               "component\tProxy.Example.ORG   # the component\r\n"
                               "server [::1]:5275\n"
                               "secret-file secret\n"
                               "listen 192.0.2.1:7777 [2001:db8::1]:7777\n"
                               "listen 0.0.0.0:0\n"
                               "public relay.example.org 198.51.100.7:80\n"
                               "public [2001:DB8::7]:90\n"
                               "allow example.org *\n"
                               "deny Mallory@example.org\n"
                               "streams 7\n"
                               "streams-per-jid 3\n"
                               "stream-bytes 2K\n"
                               "day-bytes 3M\n"
                               "rate 1.5M\n"
                               "activation-timeout 5\n"
                               "idle-timeout 6m\n"
                               "total-timeout 1h\n"
                               "drain-timeout never\n"
                               "metrics 127.0.0.1:9777";
    service_config_t *config;
    jf_test_ok(read_text(&config, text, *state), text);
    assert_string_equal(config->component, "proxy.example.org");
    assert_string_equal(relay_address_text(&config->server, *state), "[::1]:5275");
    assert_int_equal(config->listen->nelts, 3);
    assert_string_equal(
        relay_address_text(&APR_ARRAY_IDX(config->listen, 1, relay_address_t), *state),
        "[2001:db8::1]:7777");
    assert_int_equal(config->public->nelts, 3);
    const service_host_t *hosts = (const service_host_t *)config->public->elts;
    assert_string_equal(hosts[0].host, "relay.example.org");
    assert_int_equal(hosts[0].port, 0);
    assert_string_equal(hosts[1].host, "198.51.100.7");
    assert_int_equal(hosts[1].port, 80);
    assert_string_equal(hosts[2].host, "2001:db8::7");
    assert_int_equal(hosts[2].port, 90);
    assert_true(service_acl_allows(config->acl, "alice@other.example"));
    assert_false(service_acl_allows(config->acl, "mallory@example.org"));
    assert_int_equal(config->limits.streams, 7);
    assert_int_equal(config->limits.streams_per_jid, 3);
    assert_int_equal(config->limits.stream_bytes, 2048);
    assert_int_equal(config->limits.day_bytes, 3 * 1024 * 1024);
    assert_int_equal(config->limits.rate_bytes_per_s, 3 * 512 * 1024);
    assert_int_equal(config->limits.activation_us, apr_time_from_sec(5));
    assert_int_equal(config->limits.idle_us, apr_time_from_sec(360));
    assert_int_equal(config->limits.total_us, apr_time_from_sec(3600));
    assert_int_equal(config->drain_us, JF_NEVER);
    assert_true(config->has_metrics);
}

static void test_wrong_lines(void **state)
{
    static const struct {
        const char *line;
        const char *said;
    } cases[] = {
        {"speed 5", "speed: there is no such setting"},
        {"\x1b[31m 5", "\\x1b[31m: there is no such setting"},
        {"streams", "streams: the value is missing, as in: streams 10000"},
        {"streams many", "streams: \"many\" is not valid"},
        {"streams 0", "streams: \"0\""},
        {"streams -1", "streams: \"-1\""},
        {"streams 3000000000", "streams: \"3000000000\""},
        {"streams 99999999999999999999", "streams: \"99999999999999999999\""},
        {"streams 5 6", "streams: one word is wanted"},
        {"streams 5\nstreams 6", "streams: it is set in line 5 already"},
        {"stream-bytes 0", "stream-bytes: 0 would let nothing through"},
        {"rate fast", "rate: \"fast\" is not valid"},
        {"idle-timeout 0", "idle-timeout: "},
        {"total-timeout 1y", "total-timeout: "},
        {"metrics 192.0.2.1:9777", "metrics: the counters are for this machine alone"},
        {"metrics 9777", "metrics: \"9777\" is no address with a port"},
        {"listen 192.0.2.1", "listen: \"192.0.2.1\" is no address with a port"},
        {"listen example.org:7777", "listen: \"example.org:7777\" is no address"},
        {"listen 192.0.2.1:65536", "listen: "},
        {"listen 192.0.2.1:-1", "listen: "},
        {"listen ::1:7777", "listen: "},
        {"listen [192.0.2.1]:7777", "listen: "},
        {"listen []:7777", "listen: "},
        {"public host:0", "public: write HOST or HOST:PORT"},
        {"public host:70000", "public: write HOST or HOST:PORT"},
        {"public host:", "public: write HOST or HOST:PORT"},
        {"public 2001:db8::1", "public: "},
        {"public a..b", "public: "},
        {"allow alice@example.org/phone", "allow: "},
        {"deny @", "deny: "},
        {"allow a b@", "allow: "},
        {"server 127.0.0.1:5347", "server: it is set in line 2 already"},
    };
    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        service_config_t *config;
        const char *text = apr_pstrcat(*state, MINIMAL, cases[i].line, "\n", NULL);
        jf_err_t *err = read_text(&config, text, *state);
        jf_test_refused(err, JF_ERR_INVALID, cases[i].line);
        int number = strchr(cases[i].line, '\n') ? 6 : 5;
        const char *place = apr_psprintf(*state, "/streamer.conf:%d: %s", number, cases[i].said);
        if (!strstr(err->text, place)) {
            fail_msg("\"%s\" gives: %s", cases[i].line, err->text);
        }
        assert_null(config);
    }
}

static void test_what_must_be_there(void **state)
{
    static const char *const lines[] = {"component proxy.example.org\n", "server 127.0.0.1:5347\n",
                                        "secret-file secret\n", "listen 127.0.0.1:7777\n"};
    for (size_t missing = 0; missing < JF_TEST_COUNT(lines); missing++) {
        service_config_t *config;
        const char *text = "";
        for (size_t i = 0; i < JF_TEST_COUNT(lines); i++) {
            text = apr_pstrcat(*state, text, i == missing ? "" : lines[i], NULL);
        }
        jf_err_t *err = read_text(&config, text, *state);
        jf_test_refused(err, JF_ERR_INVALID, text);
        const char *name = apr_pstrndup(*state, lines[missing], strcspn(lines[missing], " "));
        assert_non_null(strstr(err->text, apr_pstrcat(*state, name, " is missing", NULL)));
    }
}

static void test_what_does_not_go_together(void **state)
{
    service_config_t *config;
    jf_err_t *err = read_text(&config, HEAD "\nlisten [::]:7777\n", *state);
    jf_test_refused(err, JF_ERR_INVALID, "all addresses");
    assert_non_null(strstr(err->text, ":5: listen: [::]:7777 stands for all addresses"));
    jf_test_ok(read_text(&config, HEAD "listen [::]:7777\npublic a.example\n", *state), "public");

    static const char host[] = "component localhost\nserver 127.0.0.1:1\nsecret-file secret\n"
                               "listen 127.0.0.1:0\n";
    err = read_text(&config, host, *state);
    jf_test_refused(err, JF_ERR_INVALID, "no domain above");
    assert_non_null(strstr(err->text, ":1: component: "));
    jf_test_ok(read_text(&config, apr_pstrcat(*state, host, "allow a.example\n", NULL), *state),
               "allow");
}

static void test_secrets(void **state)
{
    static const char *const wrong[] = {"", "\n", "one\ntwo\n", "\nsecret\n"};
    service_config_t *config;
    jf_test_ok(read_with_secret(&config, MINIMAL, "with a space ", *state), "no newline");
    assert_string_equal(config->secret, "with a space ");
    jf_test_ok(read_with_secret(&config, MINIMAL, "dos\r\n", *state), "CRLF");
    assert_string_equal(config->secret, "dos");
    for (size_t i = 0; i < JF_TEST_COUNT(wrong); i++) {
        jf_err_t *err = read_with_secret(&config, MINIMAL, wrong[i], *state);
        jf_test_refused(err, JF_ERR_INVALID, wrong[i]);
        assert_non_null(strstr(err->text, ":3: secret-file: "));
        assert_null(strstr(err->text, "two"));
    }
}

static void test_a_secret_that_others_can_read(void **state)
{
    service_config_t *config;
    const char *directory = t_directory_make(*state);
    const char *path = apr_pstrcat(*state, directory, "/streamer.conf", NULL);
    const char *secret = apr_pstrcat(*state, directory, "/secret", NULL);
    write_file(path, MINIMAL, *state);
    jf_test_refused(service_config_read(&config, path, *state), JF_ERR_INVALID, "no file");
    write_file(secret, "secret", *state);
    assert_int_equal(chmod(secret, 0640), 0);
    jf_test_refused(service_config_read(&config, path, *state), JF_ERR_INVALID, "0640");
    assert_int_equal(chmod(secret, 0600), 0);
    jf_test_ok(service_config_read(&config, path, *state), "0600");
}

static void test_no_configuration(void **state)
{
    service_config_t *config;
    const char *directory = t_directory_make(*state);
    const char *path = apr_pstrcat(*state, directory, "/none.conf", NULL);
    jf_test_refused(service_config_read(&config, path, *state), JF_ERR_NOT_FOUND, path);
    const char *huge = jf_test_repeat("#", 'x', 1024 * 1024, "\n", *state);
    jf_test_refused(read_text(&config, huge, *state), JF_ERR_INVALID, "huge");
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_defaults),
    JF_TEST(test_all_settings),
    JF_TEST(test_wrong_lines),
    JF_TEST(test_what_must_be_there),
    JF_TEST(test_what_does_not_go_together),
    JF_TEST(test_secrets),
    JF_TEST(test_a_secret_that_others_can_read),
    JF_TEST(test_no_configuration),
};

JF_TEST_MAIN(tests)
