#include "jf_test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "http_guard.h"

static int allows(const char *text)
{
    struct sockaddr_in ipv4 = {.sin_family = AF_INET};
    struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &ipv4.sin_addr) == 1) {
        return http_guard_allows_address((const struct sockaddr *)&ipv4);
    }
    if (inet_pton(AF_INET6, text, &ipv6.sin6_addr) != 1) {
        fail_msg("\"%s\" is no address", text);
    }
    return http_guard_allows_address((const struct sockaddr *)&ipv6);
}

static void expect(const char *const *addresses, size_t count, int is_allowed)
{
    for (size_t i = 0; i < count; i++) {
        if (allows(addresses[i]) != is_allowed) {
            fail_msg("%s is %s", addresses[i], is_allowed ? "refused" : "allowed");
        }
    }
}

/* First and last address of each range of the IANA registries, and its public neighbours. */
static void test_special_ipv4_addresses_are_refused(void **state)
{
    static const char *const addresses[] = {
        "0.0.0.0",         "0.255.255.255",   "10.0.0.0",        "10.255.255.255",
        "100.64.0.0",      "100.127.255.255", "127.0.0.0",       "127.0.0.1",
        "127.255.255.255", "169.254.0.0",     "169.254.169.254", "169.254.255.255",
        "172.16.0.0",      "172.31.255.255",  "192.0.0.0",       "192.0.0.8",
        "192.0.0.170",     "192.0.0.255",     "192.0.2.0",       "192.0.2.255",
        "192.31.196.0",    "192.31.196.255",  "192.52.193.0",    "192.52.193.255",
        "192.88.99.0",     "192.88.99.255",   "192.168.0.0",     "192.168.255.255",
        "192.175.48.0",    "192.175.48.255",  "198.18.0.0",      "198.19.255.255",
        "198.51.100.0",    "198.51.100.255",  "203.0.113.0",     "203.0.113.255",
        "224.0.0.0",       "239.255.255.255", "240.0.0.0",       "255.255.255.254",
        "255.255.255.255",
    };

    (void)state;
    expect(addresses, JF_TEST_COUNT(addresses), 0);
}

static void test_public_ipv4_addresses_are_allowed(void **state)
{
    static const char *const addresses[] = {
        "1.0.0.0",        "1.1.1.1",        "8.8.8.8",         "9.255.255.255",   "11.0.0.0",
        "100.63.255.255", "100.128.0.0",    "126.255.255.255", "128.0.0.0",       "169.253.255.255",
        "169.255.0.0",    "172.15.255.255", "172.32.0.0",      "191.255.255.255", "192.0.1.0",
        "192.0.3.0",      "192.31.195.255", "192.31.197.0",    "192.52.192.255",  "192.52.194.0",
        "192.88.98.255",  "192.88.100.0",   "192.167.255.255", "192.169.0.0",     "192.175.47.255",
        "192.175.49.0",   "198.17.255.255", "198.20.0.0",      "198.51.99.255",   "198.51.101.0",
        "203.0.112.255",  "203.0.114.0",    "223.255.255.255",
    };

    (void)state;
    expect(addresses, JF_TEST_COUNT(addresses), 1);
}

static void test_special_ipv6_addresses_are_refused(void **state)
{
    static const char *const addresses[] = {
        "::",
        "::1",
        "::2",
        "0:ffff::", /* the begin of nothing that is given out */
        "64:ff9b:1::",
        "64:ff9b:1::8.8.8.8",
        "64:ff9b:1:ffff:ffff:ffff:ffff:ffff",
        "64:ff9b::1:808:808", /* not the well-known prefix */
        "100::",
        "100::ffff:ffff:ffff:ffff",
        "100:0:0:1::",
        "200::1",
        "1fff:ffff::1",
        "2001::",
        "2001::1",
        "2001:1::1",
        "2001:2::",
        "2001:3::1",
        "2001:4:112::1",
        "2001:10::1",
        "2001:20::1",
        "2001:30::1",
        "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff",
        "2001:db8::",
        "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
        "2620:4f:8000::",
        "2620:4f:8000:ffff:ffff:ffff:ffff:ffff",
        "3ffe::1",
        "3fff::",
        "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff",
        "4000::1",
        "5f00::1",
        "8000::1",
        "e000::1",
        "fc00::",
        "fd00:ec2::254",
        "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "fe80::",
        "fe80::1",
        "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "fec0::1",
        "feff::1",
        "ff00::",
        "ff02::1",
        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    };

    (void)state;
    expect(addresses, JF_TEST_COUNT(addresses), 0);
}

static void test_public_ipv6_addresses_are_allowed(void **state)
{
    static const char *const addresses[] = {
        "2000::1",         "2001:200::1",       "2001:4860:4860::8888", "2001:db7:ffff::1",
        "2001:db9::1",     "2003::1",           "2606:4700:4700::1111", "2620:4f:7fff::1",
        "2620:4f:8001::1", "2a00:1450:4001::1", "3ffd:ffff::1",         "3fff:1000::1",
    };

    (void)state;
    expect(addresses, JF_TEST_COUNT(addresses), 1);
}

static void test_ipv4_within_ipv6_decides(void **state)
{
    static const char *const refused[] = {
        "::127.0.0.1",
        "::8.8.8.8", /* compatible: never used in earnest */
        "::ffff:127.0.0.1",
        "::ffff:0.0.0.0",
        "::ffff:10.1.2.3",
        "::ffff:169.254.169.254",
        "::ffff:192.168.1.1",
        "::ffff:0:8.8.8.8", /* translated, RFC 2765 */
        "64:ff9b::127.0.0.1",
        "64:ff9b::10.1.2.3",
        "64:ff9b::169.254.169.254",
        "2002:7f00:1::1",
        "2002:a00:1::1",
        "2002:a9fe:a9fe::1",
        "2002:c0a8:101::1",
        "2001:0:808:808::1", /* Teredo */
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    };
    static const char *const allowed[] = {
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8", /* all that a network without IPv4 has of it */
        "2002:808:808::1",
    };

    (void)state;
    expect(refused, JF_TEST_COUNT(refused), 0);
    expect(allowed, JF_TEST_COUNT(allowed), 1);
}

static void test_other_families_are_refused(void **state)
{
    struct sockaddr_un local = {.sun_family = AF_UNIX, .sun_path = "/run/x"};

    (void)state;
    assert_int_equal(http_guard_allows_address((const struct sockaddr *)&local), 0);
}

static void test_ports(void **state)
{
    static const int allowed[] = {80, 443, 1024, 3000, 5280, 5281, 5443, 8000, 8080, 8443, 65535};
    static const int refused[] = {-1,   0,    1,    7,     21,    22,   25,    53,    79,
                                  81,   110,  442,  444,   445,   587,  993,   1023,  1433,
                                  2049, 2375, 3306, 3389,  5222,  5269, 5432,  5900,  6000,
                                  6063, 6379, 6667, 10080, 11211, 9200, 27017, 65536, 1 << 30};

    (void)state;
    for (size_t i = 0; i < JF_TEST_COUNT(allowed); i++) {
        if (!http_guard_allows_port(allowed[i])) {
            fail_msg("port %d is refused", allowed[i]);
        }
    }
    for (size_t i = 0; i < JF_TEST_COUNT(refused); i++) {
        if (http_guard_allows_port(refused[i])) {
            fail_msg("port %d is allowed", refused[i]);
        }
    }
}

static void test_good_urls(void **state)
{
    static const char *const urls[] = {
        "https://example.org",
        "https://example.org/",
        "HTTPS://EXAMPLE.ORG/x",
        "http://example.org/x",
        "https://example.org:8443/x?y=z#f",
        "https://example.org:/x",
        "https://example.org/x@y:z",
        "https://example.org/?u=http://a:b@c/",
        "https://example.org/%00%1B%5C",
        "https://[2001:4860:4860::8888]/",
        "https://8.8.8.8/",
        "https://b\u00FCcher.example/\u00DCbersicht.pdf",
        "https://127.0.0.1/", /* the address is looked at when it is connected to */
    };

    for (size_t i = 0; i < JF_TEST_COUNT(urls); i++) {
        jf_test_ok(http_guard_check_url(urls[i], *state), urls[i]);
    }
}

static void test_what_is_no_url_is_refused(void **state)
{
    static const char *const urls[] = {
        "",
        "x",
        "example.org/x",
        "//example.org/x",
        "/etc/passwd",
        "file:///etc/passwd",
        "ftp://example.org/x",
        "gopher://example.org:70/x",
        "dict://example.org:2628/x",
        "javascript:alert(1)",
        "data:text/plain,x",
        "aesgcm://example.org/x#00",
        "xmpp:alice@example.org",
        "https:///x",
        "https://",
        "https://:443/",
        "https://example.org:port/",
        "https://example.org:65536/",
        "https://example.org:-1/",
        "https://[::1/",
        "https://exam ple.org/",
        "https://example.org/a b",
        " https://example.org/",
        "https://example.org/\n",
        "https://example.org/\r\nHost: evil",
        "https://example.org/\t",
        "https://example.org/\x1B[2J",
        "https://example.org/\x7F",
        "https://example.org/\u202Egpj.exe",
        "https://example.org/\xC2\x85",
        "https://example.org/\xFF",
        "https://example.org\\@evil.example/",
        "https:\\\\example.org\\x",
    };

    for (size_t i = 0; i < JF_TEST_COUNT(urls); i++) {
        jf_err_t *err = http_guard_check_url(urls[i], *state);
        jf_test_refused(err, JF_ERR_INVALID, urls[i]);
    }
}

static void test_logins_in_urls_are_refused(void **state)
{
    static const char *const urls[] = {
        "https://user@example.org/",
        "https://user:password@example.org/",
        "https://:password@example.org/",
        "https://example.com@example.org/",
        "https://example.com%2Fx@example.org/",
    };

    for (size_t i = 0; i < JF_TEST_COUNT(urls); i++) {
        jf_err_t *err = http_guard_check_url(urls[i], *state);
        jf_test_refused(err, JF_ERR_FORBIDDEN, urls[i]);
        assert_null(strstr(err->text, "password@"));
    }
}

/* What others can offer lies elsewhere: not on this machine, not on its link. */
static void test_what_a_person_may_agree_to(void **state)
{
    static const struct {
        const char *address;
        int may_be_agreed;
        int is_public;
    } cases[] = {
        {"10.0.0.1", 1, 0},
        {"172.16.0.1", 1, 0},
        {"172.31.255.255", 1, 0},
        {"192.168.255.255", 1, 0},
        {"100.64.0.1", 1, 0},
        {"fd00::1", 1, 0},
        {"8.8.8.8", 1, 1},
        {"2a00::1", 1, 1},
        {"127.0.0.1", 0, 0},
        {"127.9.9.9", 0, 0},
        {"0.0.0.0", 0, 0},
        {"169.254.169.254", 0, 0},
        {"172.32.0.0", 1, 1},
        {"192.0.2.1", 0, 0},
        {"198.18.0.1", 0, 0},
        {"224.0.0.1", 0, 0},
        {"255.255.255.255", 0, 0},
        {"::1", 0, 0},
        {"::", 0, 0},
        {"fe80::1", 0, 0},
        {"ff02::1", 0, 0},
        {"::ffff:127.0.0.1", 0, 0},
        {"::ffff:10.0.0.1", 0, 0},
        {"64:ff9b::7f00:1", 0, 0},
        {"2001:db8::1", 0, 0},
        {"localhost", 0, 0},
        {"", 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        if (http_guard_may_be_agreed(cases[i].address) != cases[i].may_be_agreed ||
            http_guard_is_public(cases[i].address) != cases[i].is_public) {
            fail_msg("\"%s\"", cases[i].address);
        }
    }
}

static void test_refusal_of_a_port_names_it_and_the_way_out(void **state)
{
    jf_err_t *err = http_guard_check_url("https://example.org:22/x", *state);

    jf_test_refused(err, JF_ERR_FORBIDDEN, "port 22");
    assert_non_null(strstr(err->text, "port 22 of example.org"));
    assert_non_null(strstr(err->text, "--allow-private"));
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_special_ipv4_addresses_are_refused),
    JF_TEST(test_public_ipv4_addresses_are_allowed),
    JF_TEST(test_special_ipv6_addresses_are_refused),
    JF_TEST(test_public_ipv6_addresses_are_allowed),
    JF_TEST(test_ipv4_within_ipv6_decides),
    JF_TEST(test_other_families_are_refused),
    JF_TEST(test_ports),
    JF_TEST(test_good_urls),
    JF_TEST(test_what_is_no_url_is_refused),
    JF_TEST(test_logins_in_urls_are_refused),
    JF_TEST(test_what_a_person_may_agree_to),
    JF_TEST(test_refusal_of_a_port_names_it_and_the_way_out),
};

JF_TEST_MAIN(tests)
