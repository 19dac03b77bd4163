#include "jf_test.h"

#include <string.h>
#include <unistd.h>

#include "serve_address.h"

static void test_addresses(void **state)
{
    static const struct {
        const char *text;
        const char *address;
        int port;
    } cases[] = {
        {"192.0.2.7", "192.0.2.7", 0},
        {"192.0.2.7:8010", "192.0.2.7", 8010},
        {"127.0.0.1:1", "127.0.0.1", 1},
        {"10.0.0.1:65535", "10.0.0.1", 65535},
        {"2001:db8::7", "2001:db8::7", 0},
        {"[2001:db8::7]", "2001:db8::7", 0},
        {"[2001:db8::7]:8010", "2001:db8::7", 8010},
        {"::1", "::1", 0},
        {"fd00::1", "fd00::1", 0},
    };

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        const char *address = NULL;
        apr_port_t port = 1;
        jf_test_ok(serve_address_parse(&address, &port, cases[i].text, *state), cases[i].text);
        assert_string_equal(address, cases[i].address);
        assert_int_equal(port, cases[i].port);
    }
}

static void test_what_is_no_address_of_one_machine(void **state)
{
    static const char *const texts[] = {
        "",
        "example.org",
        "localhost",
        "localhost:80",
        "0.0.0.0",
        "0.1.2.3",
        "::",
        "[::]:80",
        "224.0.0.1",
        "255.255.255.255",
        "ff02::1",
        "fe80::1",
        "fe80::1%lo",
        "127.1",
        "0x7f.0.0.1",
        "1.2.3.4:",
        "1.2.3.4:0",
        "1.2.3.4:65536",
        "1.2.3.4:99999999",
        "1.2.3.4:8o",
        "1.2.3.4:+1",
        "1.2.3.4: 1",
        "[::1",
        "[::1]x",
        "[::1]:",
        "[]:80",
        "[1.2.3.4",
        "1.2.3.4/24",
        " 1.2.3.4",
        "1.2.3.4.5",
        "::ffff:1.2.3.4:80:x",
        "1.2.3.4:99999999999999999999999999",
    };

    for (size_t i = 0; i < JF_TEST_COUNT(texts); i++) {
        const char *address = NULL;
        apr_port_t port = 0;
        jf_test_refused(serve_address_parse(&address, &port, texts[i], *state), JF_ERR_INVALID,
                        texts[i]);
    }
}

static void test_listening(void **state)
{
    apr_port_t port = 0;
    int fd = -1;
    int other = -1;
    jf_test_ok(serve_address_listen(&fd, "127.0.0.1", &port, *state), "any port");
    assert_int_not_equal(port, 0);
    jf_err_t *err = serve_address_listen(&other, "127.0.0.1", &port, *state);
    jf_test_refused(err, JF_ERR_INVALID, "a port in use");
    assert_non_null(strstr(err->text, "in use"));
    close(fd);
    jf_test_ok(serve_address_listen(&fd, "127.0.0.1", &port, *state), "the same port, free again");
    close(fd);
    port = 0;
    err = serve_address_listen(&fd, "192.0.2.7", &port, *state);
    jf_test_refused(err, JF_ERR_INVALID, "not ours");
    assert_non_null(strstr(err->text, "--listen"));
    jf_test_refused(serve_address_listen(&fd, "0.0.0.0", &port, *state), JF_ERR_INVALID, "all");
}

static void test_urls(void **state)
{
    assert_string_equal(serve_address_url("192.0.2.7", 80, *state), "http://192.0.2.7:80");
    assert_string_equal(serve_address_url("::1", 8010, *state), "http://[::1]:8010");
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_addresses),
    JF_TEST(test_what_is_no_address_of_one_machine),
    JF_TEST(test_listening),
    JF_TEST(test_urls),
};

JF_TEST_MAIN(tests)
