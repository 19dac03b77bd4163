#include "jf_test.h"

#include <string.h>

#include "http_url.h"

static void test_what_is_private(void **state)
{
    static const struct {
        const char *url;
        int is_private;
        int is_loopback;
    } cases[] = {
        {"https://example.org/x", 1, 0},
        {"HTTPS://example.org", 1, 0},
        {"http://example.org/", 0, 0},
        {"http://127.0.0.1/", 1, 1},
        {"http://127.0.0.1:8080/x", 1, 1},
        {"http://127.9.9.9/", 1, 1},
        {"http://[::1]:80/", 1, 1},
        {"http://localhost/", 1, 1},
        {"http://LOCALHOST/", 1, 1},
        {"https://localhost/", 1, 1},
        {"http://127.0.0.1.example.org/", 0, 0},
        {"http://localhost.example.org/", 0, 0},
        {"http://127.0.0.1@example.org/", 0, 0},
        {"http://128.0.0.1/", 0, 0},
        {"http://[::2]/", 0, 0},
        {"ftp://127.0.0.1/", 0, 1},
        {"file:///etc/passwd", 0, 0},
        {"127.0.0.1/x", 0, 0},
        {"nonsense", 0, 0},
        {"", 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        if (http_url_is_private(cases[i].url) != cases[i].is_private ||
            http_url_is_loopback(cases[i].url) != cases[i].is_loopback) {
            fail_msg("\"%s\"", cases[i].url);
        }
    }
}

static void test_same_origin(void **state)
{
    static const struct {
        const char *a;
        const char *b;
        int is_same;
    } cases[] = {
        {"https://h/a", "https://h/b?c", 1},     {"https://h/", "https://H:443/", 1},
        {"http://h/", "http://h:80/x", 1},       {"https://h/", "http://h/", 0},
        {"https://h/", "https://h:444/", 0},     {"https://h/", "https://h.org/", 0},
        {"https://h/", "https://h@evil/", 0},    {"https://h/", "nonsense", 0},
        {"https://[::1]/", "https://[::1]/", 1}, {"", "", 0},
    };

    (void)state;
    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        if (http_url_is_same_origin(cases[i].a, cases[i].b) != cases[i].is_same) {
            fail_msg("\"%s\" and \"%s\"", cases[i].a, cases[i].b);
        }
    }
}

static void test_links(void **state)
{
    static const char *const links[] = {"https://h/x", "http://h", "https://h:8443/a?b#c",
                                        "https://[2001:db8::1]/x"};
    static const char *const others[] = {
        "",
        "h/x",
        "ftp://h/",
        "file:///x",
        "https:///h/x",
        "javascript:alert(1)",
        "https://",
        "https://h/ ",
        "https://h/\nx",
        "https://h/\xc3\xa4",
        "https://u@h/",
        "//h/x",
        "/x",
        "https://u:p@h/x",
        "https://h:x/",
        "data:text/html,x",
    };

    (void)state;
    for (size_t i = 0; i < JF_TEST_COUNT(links); i++) {
        if (!http_url_is_link(links[i])) {
            fail_msg("\"%s\" is a link", links[i]);
        }
    }
    for (size_t i = 0; i < JF_TEST_COUNT(others); i++) {
        if (http_url_is_link(others[i])) {
            fail_msg("\"%s\" is no link", others[i]);
        }
    }
}

static void test_hosts_and_references(void **state)
{
    assert_string_equal(http_url_host("https://h.example/x", *state), "h.example");
    assert_string_equal(http_url_host("https://h.example:8443/x", *state), "h.example:8443");
    assert_string_equal(http_url_host("https://[::1]:8443/x", *state), "[::1]:8443");
    assert_string_equal(http_url_host("nonsense", *state), "nonsense");
    assert_string_equal(http_url_resolve("https://h/a/b", "c", *state), "https://h/a/c");
    assert_string_equal(http_url_resolve("https://h/a/b", "/c", *state), "https://h/c");
    assert_string_equal(http_url_resolve("https://h/a", "http://i/", *state), "http://i/");
    assert_null(http_url_resolve("nonsense", "c", *state));
}

static void test_addresses(void **state)
{
    static const struct {
        const char *url;
        const char *address; /* or NULL */
    } cases[] = {
        {"http://192.0.2.7:8010/x", "192.0.2.7"},
        {"https://10.0.0.1/", "10.0.0.1"},
        {"http://[2001:DB8:0::7]:8010/x", "2001:db8::7"},
        {"http://[::1]/", "::1"},
        {"http://0x7f.1/", "127.0.0.1"},
        {"http://example.org/", NULL},
        {"http://10.0.0.1.example.org/", NULL},
        {"http://localhost/", NULL},
        {"nonsense/10.0.0.1", NULL},
        {"", NULL},
    };

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        const char *address = http_url_address(cases[i].url, *state);
        if (!address || !cases[i].address ? address != cases[i].address
                                          : strcmp(address, cases[i].address) != 0) {
            fail_msg("\"%s\" is at %s", cases[i].url, address ? address : "none");
        }
    }
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_what_is_private),      JF_TEST(test_same_origin), JF_TEST(test_links),
    JF_TEST(test_hosts_and_references), JF_TEST(test_addresses),
};

JF_TEST_MAIN(tests)
