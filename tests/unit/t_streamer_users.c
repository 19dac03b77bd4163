#include "jf_test.h"

#include <apr_strings.h>

#include "relay_users.h"

#define NOON (apr_time_from_sec(20000) * 86400 + apr_time_from_sec(43200))

static void test_a_user_is_the_same_by_the_jid(void **state)
{
    relay_users_t *users = relay_users_create();
    char *jid = apr_pstrdup(*state, "alice@example.org");
    relay_user_t *alice = relay_users_get(users, jid);
    alice->day_bytes = 7;
    jid[0] = 'e'; /* it was copied */
    assert_ptr_equal(relay_users_get(users, "alice@example.org"), alice);
    assert_ptr_not_equal(relay_users_get(users, "elice@example.org"), alice);
    relay_users_destroy(users);
}

static void test_whoever_used_nothing_is_forgotten(void **state)
{
    relay_users_t *users = relay_users_create();
    relay_user_t *alice = relay_users_get(users, "alice@example.org");
    (void)state;
    alice->streams = 1;
    relay_users_forget(users, alice);
    assert_ptr_equal(relay_users_get(users, "alice@example.org"), alice);
    alice->streams = 0;
    alice->day_bytes = 1;
    relay_users_forget(users, alice);
    assert_ptr_equal(relay_users_get(users, "alice@example.org"), alice);
    alice->day_bytes = 0;
    relay_users_forget(users, alice);
    assert_int_equal(relay_users_get(users, "alice@example.org")->streams, 0);
    relay_users_destroy(users);
}

static void test_a_new_day_begins_at_midnight(void **state)
{
    relay_users_t *users = relay_users_create();
    (void)state;
    relay_users_tell_time(users, NOON);
    relay_user_t *alice = relay_users_get(users, "alice@example.org");
    alice->streams = 1;
    alice->day_bytes = 100;
    relay_users_get(users, "bob@example.org")->day_bytes = 5;
    relay_users_tell_time(users, NOON + apr_time_from_sec(43200) - 1);
    assert_int_equal(alice->day_bytes, 100);
    relay_users_tell_time(users, NOON + apr_time_from_sec(43200));
    assert_int_equal(alice->day_bytes, 0);
    assert_int_equal(alice->streams, 1);
    assert_int_equal(relay_users_get(users, "bob@example.org")->day_bytes, 0);
    relay_users_destroy(users);
}

static void test_many(void **state)
{
    relay_users_t *users = relay_users_create();
    for (int i = 0; i < 1000; i++) {
        relay_users_get(users, apr_psprintf(*state, "%d@example.org", i))->day_bytes = i;
    }
    for (int i = 0; i < 1000; i++) {
        const char *jid = apr_psprintf(*state, "%d@example.org", i);
        assert_int_equal(relay_users_get(users, jid)->day_bytes, i);
    }
    relay_users_destroy(users);
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_a_user_is_the_same_by_the_jid),
    JF_TEST(test_whoever_used_nothing_is_forgotten),
    JF_TEST(test_a_new_day_begins_at_midnight),
    JF_TEST(test_many),
};

JF_TEST_MAIN(tests)
