#include "jf_test.h"

#include "service_acl.h"

static service_acl_t *make(const char *const *allowed, const char *const *denied, apr_pool_t *pool)
{
    service_acl_t *acl = service_acl_create(pool);
    for (; *allowed; allowed++) {
        jf_test_ok(service_acl_add(acl->allowed, *allowed, pool), *allowed);
    }
    for (; *denied; denied++) {
        jf_test_ok(service_acl_add(acl->denied, *denied, pool), *denied);
    }
    return acl;
}

#define WORDS(...)        \
    (const char *const[]) \
    {                     \
        __VA_ARGS__, NULL \
    }
static const char *const nothing[] = {NULL};

static void test_nobody_is_allowed_by_nothing(void **state)
{
    const service_acl_t *acl = make(nothing, nothing, *state);
    assert_false(service_acl_allows(acl, "alice@example.org"));
    assert_false(service_acl_allows(acl, "example.org"));
}

static void test_a_domain(void **state)
{
    const service_acl_t *acl = make(WORDS("Example.ORG."), nothing, *state);
    assert_true(service_acl_allows(acl, "alice@example.org"));
    assert_true(service_acl_allows(acl, "example.org"));
    assert_false(service_acl_allows(acl, "alice@sub.example.org"));
    assert_false(service_acl_allows(acl, "alice@notexample.org"));
    assert_false(service_acl_allows(acl, "alice@example.org.evil.example"));
    assert_false(service_acl_allows(acl, "example.org@evil.example"));
}

static void test_a_user(void **state)
{
    const service_acl_t *acl = make(WORDS("Alice@Example.org"), nothing, *state);
    assert_true(service_acl_allows(acl, "alice@example.org"));
    assert_false(service_acl_allows(acl, "bob@example.org"));
    assert_false(service_acl_allows(acl, "example.org"));
}

static void test_everybody(void **state)
{
    const service_acl_t *acl = make(WORDS("*"), nothing, *state);
    assert_true(service_acl_allows(acl, "alice@example.org"));
    assert_true(service_acl_allows(acl, "other.example"));
}

static void test_deny_wins(void **state)
{
    const service_acl_t *acl = make(WORDS("*", "mallory@example.org", "good@evil.example"),
                                    WORDS("mallory@example.org", "evil.example"), *state);
    assert_true(service_acl_allows(acl, "alice@example.org"));
    assert_false(service_acl_allows(acl, "mallory@example.org"));
    assert_false(service_acl_allows(acl, "good@evil.example"));
    assert_false(service_acl_allows(make(WORDS("*"), WORDS("*"), *state), "alice@example.org"));
}

static void test_wrong_words(void **state)
{
    static const char *const wrong[] = {"",     "@",          "alice@", "alice@example.org/phone",
                                        "a..b", "-a.example", "**",     "a b"};
    service_acl_t *acl = service_acl_create(*state);
    for (size_t i = 0; i < JF_TEST_COUNT(wrong); i++) {
        jf_test_refused(service_acl_add(acl->allowed, wrong[i], *state), JF_ERR_INVALID, wrong[i]);
    }
    assert_int_equal(acl->allowed->nelts, 0);
}

static void test_addresses_are_prepared(void **state)
{
    static const struct {
        const char *jid;
        const char *bare;
        const char *resource;
    } cases[] = {
        {"Alice@Example.org/Phone", "alice@example.org", "/Phone"},
        {"alice@example.org", "alice@example.org", ""},
        {"alice@example.org/a/b@c", "alice@example.org", "/a/b@c"},
        {"Example.org", "example.org", ""},
        {"example.org/x@y", "example.org", "/x@y"},
        {"\xC3\x84rger@example.org/\xC3\x84", "\xC3\xA4rger@example.org", "/\xC3\x84"},
    };
    static const char *const wrong[] = {"", "/x", "@example.org", "a@", "a b@example.org/x"};
    const char *bare;
    const char *resource;
    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        jf_test_ok(service_acl_prepare(&bare, &resource, cases[i].jid, *state), cases[i].jid);
        assert_string_equal(bare, cases[i].bare);
        assert_string_equal(resource, cases[i].resource);
    }
    for (size_t i = 0; i < JF_TEST_COUNT(wrong); i++) {
        jf_test_refused(service_acl_prepare(&bare, &resource, wrong[i], *state), JF_ERR_INVALID,
                        wrong[i]);
    }
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_nobody_is_allowed_by_nothing),
    JF_TEST(test_a_domain),
    JF_TEST(test_a_user),
    JF_TEST(test_everybody),
    JF_TEST(test_deny_wins),
    JF_TEST(test_wrong_words),
    JF_TEST(test_addresses_are_prepared),
};

JF_TEST_MAIN(tests)
