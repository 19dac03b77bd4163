/*
 * Areas of which only the hash of the JID is known, until somebody is seen with that JID.
 */
#include "t_crowd.h"
#include "t_granter.h"

#include <string.h>

#include <apr_atomic.h>
#include <apr_strings.h>
#include <sqlite3.h>

#define SHA1_OF_ALICE "45a6b241a242c97f0492d382c390dfa335aac986"
#define SHA1_OF_BOB "97ec78b292ab06a5b64d5cc50140b2a3fd901061"
#define ALICES_HASH "sha1:" SHA1_OF_ALICE
#define LATER_US (JF_NOW_US + 1000)
#define THREADS 8

/* A file in an area of any name; its path is its link, too. */
static jf_err_t *put(jf_fixture_t *fixture, const char *area, const char *path,
                     apr_int64_t size_bytes)
{
    jf_granter_upload_t *upload = jf_granter_upload(path, path, size_bytes, fixture->pool);
    upload->reserve.jid = area;
    JF_TRY(jf_granter_begin(upload, fixture->ledger, fixture->pool));
    return jf_granter_end(upload, fixture->ledger, fixture->pool);
}

static jf_err_t *meet(jf_fixture_t *fixture, const char *jid)
{
    return jf_ledger_area_meet(fixture->ledger, jid, LATER_US, fixture->pool);
}

static jf_err_t *set_quota(jf_fixture_t *fixture, const char *area, apr_int64_t quota_bytes)
{
    return jf_ledger_area_set_quota(fixture->ledger, area, quota_bytes, LATER_US, fixture->pool);
}

/* The names of all areas, each with a comma behind it. */
static const char *list_areas(jf_fixture_t *fixture)
{
    apr_array_header_t *areas;
    const char *names = "";
    jf_test_ok(jf_ledger_area_list(&areas, fixture->ledger, "", 99, fixture->pool), "list");
    for (int i = 0; i < areas->nelts; i++) {
        names =
            apr_pstrcat(fixture->pool, names, APR_ARRAY_IDX(areas, i, jf_area_t).jid, ",", NULL);
    }
    return names;
}

static int count_files(jf_fixture_t *fixture, const char *area)
{
    apr_array_header_t *files;
    jf_test_ok(
        jf_ledger_file_list(&files, fixture->ledger, area, "", "", 99, JF_NOW_US, fixture->pool),
        area);
    return files->nelts;
}

static const char *owner_of(jf_fixture_t *fixture, const char *token)
{
    jf_file_t file;
    jf_test_ok(jf_ledger_file_by_token(&file, fixture->ledger, token, JF_NOW_US, fixture->pool),
               token);
    return file.jid;
}

/* ---- before anybody is seen ---- */

static void test_area_of_a_hash_is_one_like_others(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_test_ok(put(fixture, ALICES_HASH, "a", 5), "a");
    jf_test_ok(put(fixture, "sha1:" SHA1_OF_BOB, "b", 6), "b");
    jf_test_ok(set_quota(fixture, ALICES_HASH, 7), "quota");
    assert_string_equal(owner_of(fixture, "a"), ALICES_HASH);
    assert_int_equal(count_files(fixture, ALICES_HASH), 1);
    jf_area_t area = jf_fixture_area(fixture, ALICES_HASH);
    assert_string_equal(area.jid, ALICES_HASH);
    assert_int_equal(area.used_bytes, 5);
    assert_int_equal(area.quota_bytes, 7);
    assert_string_equal(list_areas(fixture), ALICES_HASH ",sha1:" SHA1_OF_BOB ",");
    jf_test_refused(jf_ledger_area_get(&area, fixture->ledger, JF_ALICE, fixture->pool),
                    JF_ERR_NOT_FOUND, "nobody has seen alice");
}

/* ---- what makes a JID seen ---- */

static jf_err_t *see_by_meeting(jf_fixture_t *fixture)
{
    return meet(fixture, JF_ALICE);
}

static jf_err_t *see_by_quota(jf_fixture_t *fixture)
{
    return set_quota(fixture, JF_ALICE, 500);
}

static jf_err_t *see_by_promise(jf_fixture_t *fixture)
{
    jf_reserve_t reserve = jf_fixture_reserve("seen", 0, fixture->pool);
    apr_int64_t promised_bytes;
    return jf_ledger_reserve(&promised_bytes, fixture->ledger, &reserve, LATER_US, fixture->pool);
}

static jf_err_t *see_by_slot(jf_fixture_t *fixture)
{
    return jf_granter_try(fixture, "seen", 0, JF_UNLIMITED);
}

static void check_takeover(jf_fixture_t *fixture, jf_err_t *(*see)(jf_fixture_t *fixture))
{
    jf_granter_upload_t *upload = jf_granter_upload("in-flight", "in-flight", 9, fixture->pool);
    jf_slot_t slot = jf_granter_slot("slot", 20, fixture->pool);
    upload->reserve.jid = slot.jid = ALICES_HASH;
    jf_test_ok(put(fixture, ALICES_HASH, "a", 5), "a");
    jf_test_ok(set_quota(fixture, ALICES_HASH, 500), "quota");
    jf_test_ok(jf_granter_begin(upload, fixture->ledger, fixture->pool), "in flight");
    jf_test_ok(jf_ledger_slot_grant(fixture->ledger, &slot, 500, JF_NOW_US, fixture->pool), "slot");
    jf_area_t before = jf_fixture_area(fixture, ALICES_HASH);

    jf_test_ok(see(fixture), "alice is seen");
    jf_area_t after = jf_fixture_area(fixture, JF_ALICE);
    assert_string_equal(after.jid, JF_ALICE);
    assert_int_equal(after.id, before.id);
    assert_int_equal(after.created_us, before.created_us);
    assert_int_equal(after.quota_bytes, 500);
    assert_string_equal(list_areas(fixture), JF_ALICE ",");
    assert_string_equal(owner_of(fixture, "a"), JF_ALICE);
    assert_int_equal(count_files(fixture, JF_ALICE), 1);
    jf_fixture_expect(fixture, 5, 29, 1);

    jf_test_ok(jf_granter_end(upload, fixture->ledger, fixture->pool), "what was in flight");
    assert_string_equal(upload->file.jid, JF_ALICE);
    assert_string_equal(owner_of(fixture, "in-flight"), JF_ALICE);
    jf_test_ok(jf_ledger_slot_get(&slot, fixture->ledger, slot.token, JF_NOW_US, fixture->pool),
               "slot");
    assert_string_equal(slot.jid, JF_ALICE);
    jf_fixture_expect(fixture, 14, 20, 2);
}

static void test_hash_becomes_the_jid_when_it_is_met(void **state)
{
    check_takeover(*state, see_by_meeting);
}

static void test_hash_becomes_the_jid_when_it_gets_a_quota(void **state)
{
    check_takeover(*state, see_by_quota);
}

static void test_hash_becomes_the_jid_when_it_uploads(void **state)
{
    check_takeover(*state, see_by_promise);
}

static void test_hash_becomes_the_jid_when_it_gets_a_slot(void **state)
{
    check_takeover(*state, see_by_slot);
}

/* ---- once a JID was seen ---- */

static void test_hash_of_a_known_jid_is_its_area(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_fixture_row(fixture, "a", 5, JF_NEVER);
    jf_test_ok(put(fixture, ALICES_HASH, "b", 6), "b");
    jf_test_ok(put(fixture, ALICES_HASH, "c", 7), "c");
    assert_string_equal(owner_of(fixture, "b"), JF_ALICE);
    jf_test_ok(set_quota(fixture, ALICES_HASH, 18), "quota");
    jf_test_refused(put(fixture, ALICES_HASH, "d", 1), JF_ERR_QUOTA, "one quota for both names");
    assert_int_equal(jf_fixture_area(fixture, JF_ALICE).quota_bytes, 18);
    assert_string_equal(list_areas(fixture), JF_ALICE ",");
    jf_fixture_expect(fixture, 18, 0, 3);
}

/* What removes or shows an area takes its name and no other. */
static void test_area_of_a_known_jid_is_not_found_by_the_hash(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_area_t area;
    apr_array_header_t *objects;
    jf_fixture_row(fixture, "a", 5, JF_NEVER);
    jf_test_refused(jf_ledger_area_get(&area, fixture->ledger, ALICES_HASH, fixture->pool),
                    JF_ERR_NOT_FOUND, "get");
    jf_test_refused(jf_ledger_area_remove(&objects, fixture->ledger, ALICES_HASH, fixture->pool),
                    JF_ERR_NOT_FOUND, "remove");
    jf_fixture_expect(fixture, 5, 0, 1);
}

static void test_hash_of_a_known_jid_has_its_files(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_reserve_t reserve = jf_fixture_reserve("a", 8, fixture->pool);
    apr_int64_t promised_bytes;
    jf_fixture_row(fixture, "a", 5, JF_NEVER);
    reserve.jid = ALICES_HASH;
    reserve.quota_bytes = 8;
    reserve.precondition = jf_fixture_if_none();
    jf_test_refused(
        jf_ledger_reserve(&promised_bytes, fixture->ledger, &reserve, JF_NOW_US, fixture->pool),
        JF_ERR_PRECONDITION, "if none");
    reserve.precondition = jf_fixture_if_any();
    jf_test_ok(
        jf_ledger_reserve(&promised_bytes, fixture->ledger, &reserve, JF_NOW_US, fixture->pool),
        "a replacement");
    jf_fixture_expect(fixture, 5, 3, 1);
}

/* The same hash, now this way, now that. */
static void test_jid_that_is_forgotten_can_come_again_by_its_hash(void **state)
{
    jf_fixture_t *fixture = *state;
    apr_array_header_t *objects;
    for (int i = 0; i < 3; i++) {
        const char *path = apr_psprintf(fixture->pool, "%d", i);
        jf_test_ok(put(fixture, ALICES_HASH, path, 5), path);
        jf_test_ok(meet(fixture, JF_ALICE), "meet");
        jf_test_ok(meet(fixture, JF_ALICE), "meet again");
        assert_string_equal(owner_of(fixture, path), JF_ALICE);
        jf_fixture_expect(fixture, 5, 0, 1);
        jf_test_ok(jf_ledger_area_remove(&objects, fixture->ledger, JF_ALICE, fixture->pool),
                   "remove");
        assert_int_equal(objects->nelts, 1);
        assert_string_equal(list_areas(fixture), "");
    }
}

static void test_area_of_a_hash_can_be_removed(void **state)
{
    jf_fixture_t *fixture = *state;
    apr_array_header_t *objects;
    jf_test_ok(put(fixture, ALICES_HASH, "a", 5), "a");
    jf_test_ok(jf_ledger_area_remove(&objects, fixture->ledger, ALICES_HASH, fixture->pool),
               "remove");
    assert_int_equal(objects->nelts, 1);
    jf_test_ok(meet(fixture, JF_ALICE), "meet");
    assert_string_equal(list_areas(fixture), "");
}

/* ---- what changes nothing ---- */

static void test_meeting_somebody_new_creates_no_area(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_test_ok(meet(fixture, JF_ALICE), "in an empty ledger");
    assert_string_equal(list_areas(fixture), "");
    jf_test_ok(put(fixture, "sha1:" SHA1_OF_BOB, "b", 5), "b");
    jf_test_ok(meet(fixture, JF_ALICE), "beside another's hash");
    assert_string_equal(list_areas(fixture), "sha1:" SHA1_OF_BOB ",");
}

static void test_meeting_somebody_known_changes_nothing(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_fixture_row(fixture, "a", 5, JF_NEVER);
    jf_area_t before = jf_fixture_area(fixture, JF_ALICE);
    jf_test_ok(meet(fixture, JF_ALICE), "meet");
    jf_area_t after = jf_fixture_area(fixture, JF_ALICE);
    assert_int_equal(after.id, before.id);
    assert_int_equal(after.created_us, JF_NOW_US);
    jf_fixture_expect(fixture, 5, 0, 1);
}

/* It happens with every request of every user: it must not wait for those who write. */
static void test_meeting_waits_for_nobody(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_fixture_row(fixture, "a", 5, JF_NEVER);
    sqlite3 *stranger = jf_crowd_stranger(fixture);
    jf_crowd_exec(stranger, "BEGIN IMMEDIATE");
    apr_time_t start_us = apr_time_now();
    jf_test_ok(meet(fixture, JF_ALICE), "somebody known");
    jf_test_ok(meet(fixture, JF_BOB), "somebody new");
    assert_true(apr_time_now() - start_us < apr_time_from_sec(1));
    sqlite3_close(stranger);
}

static void test_other_names_are_nobodys_hash(void **state)
{
    jf_fixture_t *fixture = *state;
    static const char *const names[] = {"node:alice", "sha1:45a6", "slots:alice", "slots:v2"};
    for (size_t i = 0; i < JF_TEST_COUNT(names); i++) {
        jf_test_ok(put(fixture, names[i], names[i], 1), names[i]);
        jf_test_ok(meet(fixture, names[i]), names[i]);
    }
    jf_test_ok(meet(fixture, JF_ALICE), "meet");
    jf_test_ok(see_by_quota(fixture), "quota");
    assert_string_equal(list_areas(fixture),
                        JF_ALICE ",node:alice,sha1:45a6,slots:alice,slots:v2,");
    for (size_t i = 0; i < JF_TEST_COUNT(names); i++) {
        assert_string_equal(owner_of(fixture, names[i]), names[i]);
    }
    sqlite3 *stranger = jf_crowd_stranger(fixture);
    assert_int_equal(
        jf_crowd_number(stranger, "SELECT count(*) FROM area WHERE jid_sha1 IS NOT NULL"), 1);
    assert_int_equal(jf_crowd_number(stranger, "SELECT count(*) FROM area WHERE jid_sha1 = "
                                               "'" SHA1_OF_ALICE "' AND jid = '" JF_ALICE "'"),
                     1);
    sqlite3_close(stranger);
}

static void test_refused_promise_takes_nothing_over(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_test_ok(put(fixture, ALICES_HASH, "a", 5), "a");
    jf_test_refused(jf_granter_try(fixture, "slot", 5, 9), JF_ERR_QUOTA, "a slot of alice's");
    assert_string_equal(list_areas(fixture), ALICES_HASH ",");
    assert_string_equal(owner_of(fixture, "a"), ALICES_HASH);
}

/* ---- all at the same time ---- */

typedef struct meeting_t {
    jf_ledger_t *ledger;
    jf_granter_upload_t *uploads[THREADS];
    volatile apr_uint32_t wrong;
} meeting_t;

/* Some come as alice, some by her hash, and some only look in. */
static void come(void *baton, int number, apr_pool_t *pool)
{
    meeting_t *meeting = baton;
    jf_granter_upload_t *upload = meeting->uploads[number];
    if (number % 4 == 3) {
        if (jf_ledger_area_meet(meeting->ledger, JF_ALICE, JF_NOW_US, pool)) {
            apr_atomic_inc32(&meeting->wrong);
        }
    }
    if (jf_granter_begin(upload, meeting->ledger, pool) ||
        jf_granter_end(upload, meeting->ledger, pool)) {
        apr_atomic_inc32(&meeting->wrong);
    }
}

static void test_there_is_one_area_whoever_comes_first(void **state)
{
    jf_fixture_t *fixture = *state;
    for (int round = 0; round < 20; round++) {
        meeting_t meeting = {.ledger = fixture->ledger};
        apr_array_header_t *objects;
        for (int i = 0; i < THREADS; i++) {
            const char *path = apr_psprintf(fixture->pool, "%d/%d", round, i);
            meeting.uploads[i] = jf_granter_upload(path, path, 5, fixture->pool);
            meeting.uploads[i]->reserve.jid = i % 2 ? ALICES_HASH : JF_ALICE;
        }
        jf_crowd_threads(THREADS, come, &meeting);
        assert_int_equal(meeting.wrong, 0);
        assert_string_equal(list_areas(fixture), JF_ALICE ",");
        jf_fixture_expect(fixture, 5 * THREADS, 0, THREADS);
        jf_test_ok(jf_ledger_area_remove(&objects, fixture->ledger, JF_ALICE, fixture->pool),
                   "remove");
    }
}

static const struct CMUnitTest tests[] = {
    JF_FIXTURE_TEST(test_area_of_a_hash_is_one_like_others),
    JF_FIXTURE_TEST(test_hash_becomes_the_jid_when_it_is_met),
    JF_FIXTURE_TEST(test_hash_becomes_the_jid_when_it_gets_a_quota),
    JF_FIXTURE_TEST(test_hash_becomes_the_jid_when_it_uploads),
    JF_FIXTURE_TEST(test_hash_becomes_the_jid_when_it_gets_a_slot),
    JF_FIXTURE_TEST(test_hash_of_a_known_jid_is_its_area),
    JF_FIXTURE_TEST(test_area_of_a_known_jid_is_not_found_by_the_hash),
    JF_FIXTURE_TEST(test_hash_of_a_known_jid_has_its_files),
    JF_FIXTURE_TEST(test_jid_that_is_forgotten_can_come_again_by_its_hash),
    JF_FIXTURE_TEST(test_area_of_a_hash_can_be_removed),
    JF_FIXTURE_TEST(test_meeting_somebody_new_creates_no_area),
    JF_FIXTURE_TEST(test_meeting_somebody_known_changes_nothing),
    JF_FIXTURE_TEST(test_meeting_waits_for_nobody),
    JF_FIXTURE_TEST(test_other_names_are_nobodys_hash),
    JF_FIXTURE_TEST(test_refused_promise_takes_nothing_over),
    JF_FIXTURE_TEST(test_there_is_one_area_whoever_comes_first),
};

JF_TEST_MAIN(tests)
