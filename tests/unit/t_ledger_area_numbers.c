/*
 * Numbers of areas: memory that processes share knows areas by them, so none is ever given again.
 */
#include "t_fixture.h"

static apr_int64_t make_area(jf_fixture_t *fixture, const char *jid)
{
    jf_test_ok(jf_ledger_area_set_quota(fixture->ledger, jid, 1, JF_NOW_US, fixture->pool), jid);
    return jf_fixture_area(fixture, jid).id;
}

static void remove_area(jf_fixture_t *fixture, const char *jid)
{
    apr_array_header_t *objects;
    jf_test_ok(jf_ledger_area_remove(&objects, fixture->ledger, jid, fixture->pool), jid);
}

static void test_number_of_an_area_finds_its_name(void **state)
{
    jf_fixture_t *fixture = *state;
    const char *jid = NULL;
    apr_int64_t alice = make_area(fixture, JF_ALICE), bob = make_area(fixture, JF_BOB);
    jf_test_ok(jf_ledger_area_jid(&jid, fixture->ledger, alice, fixture->pool), "alice");
    assert_string_equal(jid, JF_ALICE);
    jf_test_ok(jf_ledger_area_jid(&jid, fixture->ledger, bob, fixture->pool), "bob");
    assert_string_equal(jid, JF_BOB);
    remove_area(fixture, JF_BOB);
    jf_test_refused(jf_ledger_area_jid(&jid, fixture->ledger, bob, fixture->pool), JF_ERR_NOT_FOUND,
                    "bob is gone");
    jf_test_refused(jf_ledger_area_jid(&jid, fixture->ledger, 0, fixture->pool), JF_ERR_NOT_FOUND,
                    "nobody");
}

static void test_numbers_of_areas_are_never_given_again(void **state)
{
    jf_fixture_t *fixture = *state;
    apr_int64_t greatest = 0;
    static const char *const jids[] = {"a@a", "b@a", "c@a", "d@a"};
    for (int round = 0; round < 5; round++) {
        for (size_t i = 0; i < JF_TEST_COUNT(jids); i++) {
            apr_int64_t id = make_area(fixture, jids[i]);
            assert_int_equal(id, greatest + 1);
            greatest = id;
        }
        /* The newest and one in the middle, then all that are left. */
        remove_area(fixture, jids[3]);
        remove_area(fixture, jids[1]);
        assert_int_equal(make_area(fixture, "e@a"), ++greatest);
        remove_area(fixture, "e@a");
        remove_area(fixture, jids[0]);
        remove_area(fixture, jids[2]);
    }
}

/* What has come under the hash stays, under the same number. */
static void test_area_keeps_its_number_when_its_jid_is_seen(void **state)
{
    jf_fixture_t *fixture = *state;
    apr_int64_t id = make_area(fixture, "sha1:45a6b241a242c97f0492d382c390dfa335aac986");
    jf_test_ok(jf_ledger_area_meet(fixture->ledger, JF_ALICE, JF_NOW_US, fixture->pool), "meet");
    assert_int_equal(jf_fixture_area(fixture, JF_ALICE).id, id);
    assert_int_equal(make_area(fixture, JF_BOB), id + 1);
}

static const struct CMUnitTest tests[] = {
    JF_FIXTURE_TEST(test_number_of_an_area_finds_its_name),
    JF_FIXTURE_TEST(test_numbers_of_areas_are_never_given_again),
    JF_FIXTURE_TEST(test_area_keeps_its_number_when_its_jid_is_seen),
};

JF_TEST_MAIN(tests)
