#include "jf_test.h"

#include <string.h>

#include <apr_strings.h>

#include "jf_domain.h"

static jf_domain_t *create(const char *name, apr_pool_t *pool)
{
    jf_domain_t *domain = NULL;
    jf_test_ok(jf_domain_create(&domain, name, pool), name);
    return domain;
}

static void set(jf_domain_t *domain, const char *option, const char *value, apr_pool_t *pool)
{
    jf_test_ok(jf_domain_set(domain, option, value, pool), value);
}

/** example.org with these settings; NULL leaves one out. */
static jf_domain_t *make(const char *connect, const char *tls, const char *ca, apr_pool_t *pool)
{
    jf_domain_t *domain = create("example.org", pool);
    if (connect) {
        set(domain, "connect", connect, pool);
    }
    if (tls) {
        set(domain, "tls", tls, pool);
    }
    if (ca) {
        set(domain, "ca", ca, pool);
    }
    return domain;
}

static void test_a_new_domain_has_no_settings(void **state)
{
    jf_domain_t *domain = create("Example.ORG.", *state);

    assert_string_equal(domain->name, "example.org");
    assert_null(domain->connect_host);
    assert_int_equal(domain->connect_port, 0);
    assert_int_equal(domain->tls, JF_TLS_ANY);
    assert_null(domain->ca_file);
    jf_test_ok(jf_domain_check(domain, *state), "no settings");
}

static void test_names_are_prepared(void **state)
{
    assert_string_equal(create("xn--bcher-kva.example", *state)->name, "b\u00FCcher.example");
    assert_string_equal(create("B\u00DCCHER.example", *state)->name, "b\u00FCcher.example");
    assert_string_equal(create("192.0.2.7", *state)->name, "192.0.2.7");
    assert_string_equal(create("[0::1]", *state)->name, "[::1]");
}

static void test_wrong_names_are_refused(void **state)
{
    static const char *const names[] = {"",
                                        ".",
                                        "alice@example.org",
                                        "example.org:1",
                                        "*.example",
                                        "a b",
                                        "example..org",
                                        "::1",
                                        "a/b.example",
                                        "a'b",
                                        "a<b",
                                        "a\n.example"};

    for (size_t i = 0; i < JF_TEST_COUNT(names); i++) {
        jf_domain_t *domain = NULL;
        jf_test_refused(jf_domain_create(&domain, names[i], *state), JF_ERR_INVALID, names[i]);
        assert_null(domain);
    }
}

static void test_connect(void **state)
{
    static const struct {
        const char *value;
        const char *host;
        unsigned short port;
        const char *got;
    } cases[] = {
        {"xmpp.example.org:5222", "xmpp.example.org", 5222, "xmpp.example.org:5222"},
        {"localhost:1", "localhost", 1, "localhost:1"},
        {"localhost:65535", "localhost", 65535, "localhost:65535"},
        {"localhost:05222", "localhost", 5222, "localhost:5222"},
        {"127.0.0.1:5222", "127.0.0.1", 5222, "127.0.0.1:5222"},
        {"[::1]:5222", "::1", 5222, "[::1]:5222"},
        {"[2001:db8::7]:443", "2001:db8::7", 443, "[2001:db8::7]:443"},
        {"under_score-1.example:5222", "under_score-1.example", 5222, "under_score-1.example:5222"},
    };

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        jf_domain_t *domain = make(cases[i].value, NULL, NULL, *state);
        assert_string_equal(domain->connect_host, cases[i].host);
        assert_int_equal(domain->connect_port, cases[i].port);
        assert_string_equal(jf_domain_get(domain, "connect", *state), cases[i].got);
    }
}

static void test_wrong_connect_is_refused(void **state)
{
    static const char *const values[] = {
        "",
        ":",
        "localhost",
        "localhost:",
        ":5222",
        "5222",
        "::",
        "[]:5222",
        "[:5222",
        "]:5222",
        "localhost:0",
        "localhost:00",
        "localhost:65536",
        "localhost:99999999999999999999",
        "localhost:18446744073709556838", /* 5222 more than 64 bits hold */
        "localhost:-1",
        "localhost:+1",
        "localhost: 1",
        "localhost:1 ",
        "localhost:0x50",
        "localhost:5222x",
        "localhost:http",
        "localhost:5222\n",
        "localhost:5222:",
        "a:b:5222",
        "::1:5222",
        "::1",
        "[::1]",
        "[::1]:",
        "[::1]5222",
        "[::1]x:5222",
        "[[::1]]:5222",
        " localhost:5222",
        "local host:5222",
        "local\thost:5222",
        "localhost\n:5222",
        "a/b:5222",
        "a@b:5222",
        "xmpp://localhost:5222",
        "b\u00FCcher.example:5222",
        "a\x01:5222",
        "a%41:5222",
        "a\\:5222",
        "a\":5222",
        "a':5222",
        "[::1%lo]:5222",
        "[fe80::1%25eth0]:5222",
        "[a b]:1",
    };

    for (size_t i = 0; i < JF_TEST_COUNT(values); i++) {
        jf_domain_t *domain = make("before.example:7", NULL, NULL, *state);
        jf_test_refused(jf_domain_set(domain, "connect", values[i], *state), JF_ERR_INVALID,
                        values[i]);
        assert_string_equal(jf_domain_get(domain, "connect", *state), "before.example:7");
    }
}

static void test_tls(void **state)
{
    static const struct {
        const char *value;
        jf_tls_mode_t mode;
    } cases[] = {{"starttls", JF_TLS_STARTTLS}, {"direct", JF_TLS_DIRECT}, {"off", JF_TLS_OFF}};
    static const char *const wrong[] = {"",     "OFF",       "on",   "any",    "none",
                                        "off ", "no",        " off", "Direct", "starttl",
                                        "tls",  "starttlss", "0",    "off\n",  "directly"};

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        jf_domain_t *domain = make(NULL, cases[i].value, NULL, *state);
        assert_int_equal(domain->tls, cases[i].mode);
        assert_string_equal(jf_domain_get(domain, "tls", *state), cases[i].value);
    }
    for (size_t i = 0; i < JF_TEST_COUNT(wrong); i++) {
        jf_domain_t *domain = make(NULL, "direct", NULL, *state);
        jf_test_refused(jf_domain_set(domain, "tls", wrong[i], *state), JF_ERR_INVALID, wrong[i]);
        assert_int_equal(domain->tls, JF_TLS_DIRECT);
    }
}

static void test_ca(void **state)
{
    char path[] = "/etc/ssl/my ca.pem";
    jf_domain_t *domain = make(NULL, NULL, path, *state);

    memset(path, 'x', strlen(path)); /* it has a copy */
    assert_string_equal(domain->ca_file, "/etc/ssl/my ca.pem");
    assert_string_equal(jf_domain_get(domain, "ca", *state), "/etc/ssl/my ca.pem");
    jf_test_refused(jf_domain_set(domain, "ca", "", *state), JF_ERR_INVALID, "no file");
    assert_string_equal(domain->ca_file, "/etc/ssl/my ca.pem");
}

static void test_values_are_copied(void **state)
{
    char connect[] = "localhost:5222";
    jf_domain_t *domain = make(connect, NULL, NULL, *state);

    memset(connect, 'X', strlen(connect));
    assert_string_equal(domain->connect_host, "localhost");
}

static void test_the_last_one_counts(void **state)
{
    jf_domain_t *domain = make("[::1]:1", "off", "/a", *state);

    set(domain, "connect", "127.0.0.1:2", *state);
    set(domain, "tls", "direct", *state);
    set(domain, "ca", "/b", *state);
    assert_string_equal(jf_domain_get(domain, "connect", *state), "127.0.0.1:2");
    assert_string_equal(jf_domain_get(domain, "tls", *state), "direct");
    assert_string_equal(jf_domain_get(domain, "ca", *state), "/b");
}

static void test_other_options_are_refused(void **state)
{
    static const char *const options[] = {"",       "Connect",  "TLS",  "CA",     "name",
                                          "connec", "connect=", "port", "verify", "ca "};

    for (size_t i = 0; i < JF_TEST_COUNT(options); i++) {
        jf_domain_t *domain = create("example.org", *state);
        jf_test_refused(jf_domain_set(domain, options[i], "off", *state), JF_ERR_INVALID,
                        options[i]);
        assert_null(jf_domain_get(domain, options[i], *state));
        assert_true(jf_domain_is_same(domain, create("example.org", *state)));
    }
}

static void test_what_is_not_set_is_null(void **state)
{
    static const char *const options[] = {"connect", "tls", "ca"};

    for (size_t i = 0; i < JF_TEST_COUNT(options); i++) {
        assert_null(jf_domain_get(create("example.org", *state), options[i], *state));
    }
}

/* Passwords go over the loopback interface in clear, if somebody wants it, and nowhere else. */
static void test_without_tls_only_to_loopback(void **state)
{
    static const char *const good[] = {"127.0.0.1:5222", "127.255.255.255:1", "127.0.0.53:5222",
                                       "[::1]:5222", "localhost:5222"};
    static const char *const bad[] = {"128.0.0.1:5222",
                                      "126.255.255.255:5222",
                                      "0.0.0.0:5222",
                                      "192.0.2.7:5222",
                                      "10.127.0.1:5222",
                                      "xmpp.example.org:5222",
                                      "localhost.example.org:5222",
                                      "127.0.0.1.example.org:5222",
                                      "127.example:5222",
                                      "[::]:5222",
                                      "[::2]:5222",
                                      "[fe80::1]:5222",
                                      "[2001:db8::1]:5222",
                                      "[1::1]:5222",
                                      "2130706433:5222",
                                      "notlocalhost:5222",
                                      "[::ffff:192.0.2.7]:5222"};

    for (size_t i = 0; i < JF_TEST_COUNT(good); i++) {
        jf_test_ok(jf_domain_check(make(good[i], "off", NULL, *state), *state), good[i]);
    }
    for (size_t i = 0; i < JF_TEST_COUNT(bad); i++) {
        jf_test_refused(jf_domain_check(make(bad[i], "off", NULL, *state), *state), JF_ERR_INVALID,
                        bad[i]);
        jf_test_ok(jf_domain_check(make(bad[i], "starttls", NULL, *state), *state), bad[i]);
        jf_test_ok(jf_domain_check(make(bad[i], "direct", NULL, *state), *state), bad[i]);
        jf_test_ok(jf_domain_check(make(bad[i], NULL, NULL, *state), *state), bad[i]);
    }
    jf_test_refused(jf_domain_check(make(NULL, "off", NULL, *state), *state), JF_ERR_INVALID,
                    "wherever DNS points to");
}

/* What is got can be set: so the helper is told. */
static void test_got_values_can_be_set(void **state)
{
    static const char *const options[] = {"connect", "tls", "ca"};
    const jf_domain_t *domains[] = {
        make(NULL, NULL, NULL, *state),
        make("[2001:db8::1]:65535", "direct", "/etc/ca.pem", *state),
        make("xmpp.example.org:1", "starttls", NULL, *state),
        make("127.0.0.1:5222", "off", "relative path", *state),
    };

    for (size_t i = 0; i < JF_TEST_COUNT(domains); i++) {
        jf_domain_t *copy = create(domains[i]->name, *state);
        for (size_t option = 0; option < JF_TEST_COUNT(options); option++) {
            const char *value = jf_domain_get(domains[i], options[option], *state);
            if (value) {
                set(copy, options[option], value, *state);
            }
        }
        assert_true(jf_domain_is_same(domains[i], copy));
    }
}

static void test_same(void **state)
{
    const jf_domain_t *all[] = {
        make(NULL, NULL, NULL, *state),          make("localhost:1", NULL, NULL, *state),
        make("localhost:2", NULL, NULL, *state), make("127.0.0.1:1", NULL, NULL, *state),
        make(NULL, "starttls", NULL, *state),    make(NULL, "direct", NULL, *state),
        make(NULL, NULL, "/a", *state),          make(NULL, NULL, "/b", *state),
        create("example.com", *state),
    };

    for (size_t i = 0; i < JF_TEST_COUNT(all); i++) {
        for (size_t j = 0; j < JF_TEST_COUNT(all); j++) {
            assert_int_equal(jf_domain_is_same(all[i], all[j]), i == j);
        }
    }
    assert_true(jf_domain_is_same(make("localhost:1", "off", "/a", *state),
                                  make("localhost:1", "off", "/a", *state)));
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_a_new_domain_has_no_settings),
    JF_TEST(test_names_are_prepared),
    JF_TEST(test_wrong_names_are_refused),
    JF_TEST(test_connect),
    JF_TEST(test_wrong_connect_is_refused),
    JF_TEST(test_tls),
    JF_TEST(test_ca),
    JF_TEST(test_values_are_copied),
    JF_TEST(test_the_last_one_counts),
    JF_TEST(test_other_options_are_refused),
    JF_TEST(test_what_is_not_set_is_null),
    JF_TEST(test_without_tls_only_to_loopback),
    JF_TEST(test_got_values_can_be_set),
    JF_TEST(test_same),
};

JF_TEST_MAIN(tests)
