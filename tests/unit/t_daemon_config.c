#include "jf_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <apr_file_io.h>
#include <apr_strings.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "daemon_config.h"
#include "jf_login.h"
#include "xmpp_domain.h"

/* ---- the pipe ---- */

/** The end to read of a pipe with @a text in it; the other one is closed. */
static int pipe_with(const char *text)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], text, strlen(text)), strlen(text));
    close(ends[1]);
    return ends[0];
}

static jf_err_t *read_config(daemon_config_t **config, const char *text, apr_pool_t *pool)
{
    int fd = pipe_with(text);
    jf_err_t *err = daemon_config_read(config, fd, pool);
    close(fd);
    return err;
}

static daemon_config_t *read_well(const char *text, apr_pool_t *pool)
{
    daemon_config_t *config = NULL;
    jf_test_ok(read_config(&config, text, pool), text);
    return config;
}

static void refuse(const char *text, apr_pool_t *pool)
{
    daemon_config_t *config = NULL;
    jf_test_refused(read_config(&config, text, pool), JF_ERR_INVALID, text);
}

static xmpp_domain_t *domain_at(const daemon_config_t *config, int i)
{
    assert_in_range(i, 0, config->domains->nelts - 1);
    return APR_ARRAY_IDX(config->domains, i, xmpp_domain_t *);
}

/** The only domain of a configuration with this object in it. */
static xmpp_domain_t *read_domain(const char *object, apr_pool_t *pool)
{
    const char *text = apr_pstrcat(pool, "{\"domains\": [", object, "]}\n", NULL);
    daemon_config_t *config = read_well(text, pool);
    assert_int_equal(config->domains->nelts, 1);
    return domain_at(config, 0);
}

/* ---- what is right ---- */

static void test_all_settings(void **state)
{
    daemon_config_t *config =
        read_well("{\"deadline_ms\": 2500, \"domains\": ["
                  "{\"name\": \"example.org\", \"connect\": \"127.0.0.1:5222\", \"tls\": \"off\"},"
                  "{\"name\": \"example.com\", \"tls\": \"direct\"}],"
                  "\"resolver\": \"127.0.0.1:5353\"}\n",
                  *state);

    assert_int_equal(config->deadline_us, apr_time_from_msec(2500));
    assert_string_equal(config->dns_server, "127.0.0.1:5353");
    assert_int_equal(config->domains->nelts, 2);
    const xmpp_domain_t *first = domain_at(config, 0);
    assert_string_equal(first->settings->name, "example.org");
    assert_string_equal(first->ascii, "example.org");
    assert_string_equal(first->settings->connect_host, "127.0.0.1");
    assert_int_equal(first->settings->connect_port, 5222);
    assert_int_equal(first->settings->tls, JF_TLS_OFF);
    assert_null(first->settings->ca_file);
    assert_non_null(first->tls_context);
    const xmpp_domain_t *second = domain_at(config, 1);
    assert_string_equal(second->settings->name, "example.com");
    assert_null(second->settings->connect_host);
    assert_int_equal(second->settings->tls, JF_TLS_DIRECT);
    assert_non_null(second->tls_context);
    assert_ptr_equal(first->tls_context, second->tls_context); /* neither has CAs of its own */
}

static void test_what_may_be_missing(void **state)
{
    daemon_config_t *config = read_well("{}\n", *state);
    assert_int_equal(config->deadline_us, JF_LOGIN_DEADLINE_US);
    assert_int_equal(config->domains->nelts, 0);
    assert_null(config->dns_server);

    const xmpp_domain_t *domain = read_domain("{\"name\": \"example.org\"}", *state);
    assert_null(domain->settings->connect_host);
    assert_int_equal(domain->settings->tls, JF_TLS_ANY);
    assert_null(domain->settings->ca_file);
}

static void test_unknown_keys_are_ignored(void **state)
{
    daemon_config_t *config =
        read_well("{\"x\": [1, {}], \"domains\": [{\"name\": \"example.org\", \"y\": null, "
                  "\"Connect\": \"nowhere\"}], \"\": \"\", \"deadline_ms\": 1000}\n",
                  *state);

    assert_int_equal(config->deadline_us, apr_time_from_sec(1));
    assert_int_equal(config->domains->nelts, 1);
    assert_null(domain_at(config, 0)->settings->connect_host);
}

static void test_names_in_ascii(void **state)
{
    static const struct {
        const char *name;
        const char *prepared;
        const char *ascii;
    } cases[] = {
        {"example.org", "example.org", "example.org"},
        {"EXAMPLE.org.", "example.org", "example.org"},
        {"b\u00FCcher.example", "b\u00FCcher.example", "xn--bcher-kva.example"},
        {"B\\u00DCCHER.example", "b\u00FCcher.example", "xn--bcher-kva.example"},
        {"xn--bcher-kva.example", "b\u00FCcher.example", "xn--bcher-kva.example"},
        {"fa\u00DF.example", "fa\u00DF.example", "xn--fa-hia.example"},
        {"\u043F\u0440\u0438\u043C\u0435\u0440.\u0440\u0444",
         "\u043F\u0440\u0438\u043C\u0435\u0440.\u0440\u0444", "xn--e1afmkfd.xn--p1ai"},
        {"localhost", "localhost", "localhost"},
        {"192.0.2.7", "192.0.2.7", "192.0.2.7"},
        {"[2001:DB8::1]", "[2001:db8::1]", "[2001:db8::1]"},
    };

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        const xmpp_domain_t *domain =
            read_domain(apr_pstrcat(*state, "{\"name\": \"", cases[i].name, "\"}", NULL), *state);
        assert_string_equal(domain->settings->name, cases[i].prepared);
        assert_string_equal(domain->ascii, cases[i].ascii);
    }
}

static void test_deadlines(void **state)
{
    static const struct {
        const char *value;
        apr_interval_time_t us;
    } cases[] = {
        {"1", 1000},
        {"10000", JF_LOGIN_DEADLINE_US},
        {"86400000", apr_time_from_sec(86400)},
        {"0", JF_LOGIN_DEADLINE_US},
        {"-5", JF_LOGIN_DEADLINE_US},
        {"null", JF_LOGIN_DEADLINE_US},
    };

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        const char *text = apr_pstrcat(*state, "{\"deadline_ms\": ", cases[i].value, "}\n", NULL);
        assert_int_equal(read_well(text, *state)->deadline_us, cases[i].us);
    }
}

/* Whether it is refused, cut or ignored: it does not become a time in the past. */
static void test_a_deadline_does_not_overflow(void **state)
{
    static const char *const texts[] = {"{\"deadline_ms\": 9223372036854775807}\n",
                                        "{\"deadline_ms\": 9223372036854776}\n"};

    for (size_t i = 0; i < JF_TEST_COUNT(texts); i++) {
        daemon_config_t *config = NULL;
        if (!read_config(&config, texts[i], *state)) {
            assert_true(config->deadline_us > 0);
        }
    }
}

/* ---- many domains ---- */

static void count_call(evutil_socket_t fd, short what, void *data)
{
    int *count = data;
    (void)fd;
    (void)what;
    ++*count;
}

/** Fails unless one more than there are places can pass a gate, one after the other. */
static void use_gate(xmpp_gate_t *gate, struct event_base *base)
{
    int count = 0;
    xmpp_pass_t passes[XMPP_GATE_PLACES + 1] = {{.state = XMPP_PASS_NONE}};
    for (size_t i = 0; i < JF_TEST_COUNT(passes); i++) {
        passes[i].granted = event_new(base, -1, 0, count_call, &count);
        xmpp_gate_enter(gate, &passes[i]);
    }
    event_base_loop(base, EVLOOP_NONBLOCK);
    assert_int_equal(count, XMPP_GATE_PLACES);
    for (size_t i = 0; i < JF_TEST_COUNT(passes); i++) {
        xmpp_gate_leave(gate, &passes[i]);
        event_base_loop(base, EVLOOP_NONBLOCK);
        event_free(passes[i].granted);
    }
    assert_int_equal(count, XMPP_GATE_PLACES + 1);
    assert_int_equal(gate->granted_count, 0);
}

/* A gate that was moved in memory, as an array moves what is in it, would not work. */
static void test_every_domain_has_a_gate(void **state)
{
    const char *objects = "";
    for (int i = 0; i < 20; i++) {
        objects = apr_psprintf(*state, "%s%s{\"name\": \"d%d.example\"}", objects, i ? "," : "", i);
    }
    daemon_config_t *config =
        read_well(apr_pstrcat(*state, "{\"domains\": [", objects, "]}\n", NULL), *state);
    struct event_base *base = event_base_new();

    assert_int_equal(config->domains->nelts, 20);
    for (int i = 0; i < 20; i++) {
        xmpp_domain_t *domain = domain_at(config, i);
        assert_string_equal(domain->ascii, apr_psprintf(*state, "d%d.example", i));
        use_gate(&domain->gate, base);
    }
    event_base_free(base);
}

/* ---- what is wrong ---- */

static void test_no_line(void **state)
{
    daemon_config_t *config = NULL;

    refuse("", *state);
    refuse("{}", *state);
    refuse("{\"domains\": []", *state);
    jf_test_refused(daemon_config_read(&config, -1, *state), JF_ERR_IO, "no descriptor");
    assert_null(config);
}

static void test_wrong_json(void **state)
{
    static const char *const lines[] = {
        "\n",
        " \n",
        "{\n",
        "}\n",
        "{}}\n",
        "{} {}\n",
        "x\n",
        "null\n",
        "\"{}\"\n",
        "17\n",
        "{'domains': []}\n",
        "{\"domains\": [}\n",
        "{\"domains\": [],}\n",
        "{\"domains\"}\n",
        "{\"deadline_ms\": 1, \"deadline_ms\": 2}\n",
        "{\"a\": \"\xFF\"}\n",
        "{\"a\": \"\\u0000\"}\n",
        "{\"a\": 1e999}\n",
        "{\"a\": 99999999999999999999}\n",
        "{\"a\": \"\n\"}\n",
        "\xEF\xBB\xBF{}\n",
        "{\"domains\": [{\"name\": \"example.org\"}]\n",
        "{\n}\n",
        "\n{}\n",
        "GET / HTTP/1.1\r\n\r\n",
    };

    for (size_t i = 0; i < JF_TEST_COUNT(lines); i++) {
        daemon_config_t *config = NULL;
        jf_err_t *err = read_config(&config, lines[i], *state);
        assert_non_null(err);
        assert_int_equal(err->code, JF_ERR_INVALID);
    }
}

static void test_deep_json(void **state)
{
    refuse(jf_test_repeat("{\"a\": ", '[', 60000, "\n", *state), *state);
}

static void test_wrong_domains(void **state)
{
    static const char *const objects[] = {
        "{}",
        "[]",
        "null",
        "\"example.org\"",
        "17",
        "{\"name\": null}",
        "{\"name\": 17}",
        "{\"name\": \"\"}",
        "{\"name\": \"alice@example.org\"}",
        "{\"name\": \"example.org:5222\"}",
        "{\"name\": \"a b\"}",
        "{\"name\": \"a\\n\"}",
        "{\"Name\": \"example.org\"}",
        "{\"name\": \"example.org\", \"tls\": \"none\"}",
        "{\"name\": \"example.org\", \"tls\": \"\"}",
        "{\"name\": \"example.org\", \"connect\": \"localhost\"}",
        "{\"name\": \"example.org\", \"connect\": \"localhost:0\"}",
        "{\"name\": \"example.org\", \"connect\": \"\"}",
        "{\"name\": \"example.org\", \"ca\": \"\"}",
        "{\"name\": \"example.org\", \"tls\": \"off\"}",
        "{\"name\": \"example.org\", \"tls\": \"off\", \"connect\": \"192.0.2.7:5222\"}",
    };

    for (size_t i = 0; i < JF_TEST_COUNT(objects); i++) {
        refuse(apr_pstrcat(*state, "{\"domains\": [", objects[i], "]}\n", NULL), *state);
        refuse(apr_pstrcat(*state, "{\"domains\": [{\"name\": \"example.com\"}, ", objects[i],
                           "]}\n", NULL),
               *state);
    }
}

/* ---- certificates ---- */

static const char *new_directory(apr_pool_t *pool)
{
    const char *parent;
    assert_int_equal(apr_temp_dir_get(&parent, pool), APR_SUCCESS);
    char *directory = apr_pstrcat(pool, parent, "/t_daemon_config.XXXXXX", NULL);
    assert_non_null(mkdtemp(directory));
    return directory;
}

static X509 *make_certificate(void)
{
    X509 *certificate = X509_new();
    EVP_PKEY *key = EVP_EC_gen("P-256");
    assert_true(certificate && key);
    X509_NAME *name = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)"Test CA", -1, -1,
                               0);
    X509_set_issuer_name(certificate, name);
    X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    EVP_PKEY_free(key);
    return certificate;
}

static void write_certificate(const char *path, const X509 *certificate)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(PEM_write_X509(file, certificate), 1);
    assert_int_equal(fclose(file), 0);
}

static int is_trusted(const xmpp_domain_t *domain, X509 *certificate)
{
    X509_STORE *store = SSL_CTX_get_cert_store(domain->tls_context);
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    assert_true(X509_STORE_CTX_init(context, store, certificate, NULL));
    int is_valid = X509_verify_cert(context) == 1;
    X509_STORE_CTX_free(context);
    return is_valid;
}

static const char *object_with_ca(const char *path, apr_pool_t *pool)
{
    return apr_pstrcat(pool, "{\"name\": \"example.org\", \"ca\": \"", path, "\"}", NULL);
}

static void test_ca(void **state)
{
    const char *directory = new_directory(*state);
    const char *path = apr_pstrcat(*state, directory, "/ca.pem", NULL);
    X509 *certificate = make_certificate();
    write_certificate(path, certificate);

    const xmpp_domain_t *with = read_domain(object_with_ca(path, *state), *state);
    const xmpp_domain_t *without = read_domain("{\"name\": \"example.org\"}", *state);
    assert_string_equal(with->settings->ca_file, path);
    assert_true(is_trusted(with, certificate));
    assert_false(is_trusted(without, certificate));
    assert_int_equal(SSL_CTX_get_verify_mode(with->tls_context), SSL_VERIFY_PEER);
    assert_int_equal(SSL_CTX_get_verify_mode(without->tls_context), SSL_VERIFY_PEER);
    assert_int_equal(SSL_CTX_get_min_proto_version(with->tls_context), TLS1_2_VERSION);
    X509_free(certificate);
    unlink(path);
    rmdir(directory);
}

static void test_wrong_ca(void **state)
{
    const char *directory = new_directory(*state);
    const char *path = apr_pstrcat(*state, directory, "/ca.pem", NULL);

    const char *text =
        apr_pstrcat(*state, "{\"domains\": [", object_with_ca(path, *state), "]}\n", NULL);
    daemon_config_t *config = NULL;
    jf_err_t *err = read_config(&config, text, *state);
    jf_test_refused(err, JF_ERR_INVALID, "a missing file");
    assert_non_null(strstr(err->text, path));
    FILE *file = fopen(path, "w");
    fclose(file);
    refuse(text, *state); /* an empty one */
    file = fopen(path, "w");
    fputs("-----BEGIN CERTIFICATE-----\nbm90IG9uZQ==\n-----END CERTIFICATE-----\n", file);
    fclose(file);
    refuse(text, *state);
    unlink(path);
    refuse(apr_pstrcat(*state, "{\"domains\": [", object_with_ca(directory, *state), "]}\n", NULL),
           *state);
    rmdir(directory);
}

/* ---- reading ---- */

static void test_not_a_byte_past_the_line(void **state)
{
    static const char *const lines[] = {"{}\n", "x\n", "\n", "{\"domains\": [{}]}\n"};

    for (size_t i = 0; i < JF_TEST_COUNT(lines); i++) {
        char rest[16] = "";
        daemon_config_t *config;
        int fd = pipe_with(apr_pstrcat(*state, lines[i], "\nrest", NULL));
        jf_err_t *err = daemon_config_read(&config, fd, *state);
        assert_int_equal(!err, i == 0);
        assert_int_equal(read(fd, rest, sizeof(rest) - 1), 5);
        assert_string_equal(rest, "\nrest");
        close(fd);
    }
}

/** Reads @a text from a file: a pipe holds 64 KiB only. */
static jf_err_t *read_from_file(daemon_config_t **config, const char *text, apr_pool_t *pool)
{
    FILE *file = tmpfile();
    assert_non_null(file);
    fputs(text, file);
    rewind(file);
    jf_err_t *err = daemon_config_read(config, fileno(file), pool);
    fclose(file);
    return err;
}

static void test_long_lines(void **state)
{
    daemon_config_t *config = NULL;
    const char *text =
        jf_test_repeat("{\"x\": \"", 'x', 1000000, "\", \"deadline_ms\": 7}\n", *state);

    jf_test_ok(read_from_file(&config, text, *state), "1 MB");
    assert_int_equal(config->deadline_us, 7000);
    text = jf_test_repeat("{\"x\": \"", 'x', 1024 * 1024, "\"}\n", *state);
    jf_test_refused(read_from_file(&config, text, *state), JF_ERR_INVALID, "more than 1 MiB");
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_all_settings),
    JF_TEST(test_what_may_be_missing),
    JF_TEST(test_unknown_keys_are_ignored),
    JF_TEST(test_names_in_ascii),
    JF_TEST(test_deadlines),
    JF_TEST(test_a_deadline_does_not_overflow),
    JF_TEST(test_every_domain_has_a_gate),
    JF_TEST(test_no_line),
    JF_TEST(test_wrong_json),
    JF_TEST(test_deep_json),
    JF_TEST(test_wrong_domains),
    JF_TEST(test_ca),
    JF_TEST(test_wrong_ca),
    JF_TEST(test_not_a_byte_past_the_line),
    JF_TEST(test_long_lines),
};

JF_TEST_MAIN(tests)
