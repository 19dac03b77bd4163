/*
 * Slots that were granted: what they promise, how long, to how many; without the uploads that use
 * them up, see t_ledger_slot_uploads.c.
 */
#include "t_crowd.h"
#include "t_granter.h"

#include <string.h>

#include <apr_strings.h>
#include <sqlite3.h>

static void set_quota(jf_fixture_t *fixture, apr_int64_t quota_bytes)
{
    jf_test_ok(
        jf_ledger_area_set_quota(fixture->ledger, JF_ALICE, quota_bytes, JF_NOW_US, fixture->pool),
        "quota");
}

static void remove_area(jf_fixture_t *fixture)
{
    apr_array_header_t *objects;
    jf_test_ok(jf_ledger_area_remove(&objects, fixture->ledger, JF_ALICE, fixture->pool), "remove");
}

static void expect_no_area(jf_fixture_t *fixture)
{
    jf_area_t area;
    jf_test_refused(jf_ledger_area_get(&area, fixture->ledger, JF_ALICE, fixture->pool),
                    JF_ERR_NOT_FOUND, "the area");
}

/* ---- granting ---- */

static void test_slot_is_what_was_granted(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_slot_t slot = jf_granter_slot("chat/a", 60, fixture->pool);
    jf_slot_t found;
    slot.media_type = "image/png";
    jf_test_ok(jf_ledger_slot_grant(fixture->ledger, &slot, 60, JF_NOW_US, fixture->pool), "grant");
    jf_granter_grant(fixture, "chat/b", 5);
    jf_test_ok(jf_ledger_slot_get(&found, fixture->ledger, slot.token, JF_NOW_US, fixture->pool),
               "get");
    assert_string_equal(found.token, slot.token);
    assert_string_equal(found.jid, JF_ALICE);
    assert_string_equal(found.path, "chat/a");
    assert_int_equal(found.size_bytes, 60);
    assert_string_equal(found.media_type, "image/png");
    assert_int_equal(found.expires_us, JF_SLOT_END_US);
    jf_fixture_expect(fixture, 0, 65, 0);
    jf_granter_expect_rows(fixture, 2, 0);
}

static void test_first_slot_creates_the_area(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_granter_grant(fixture, "a", 7);
    jf_area_t area = jf_fixture_area(fixture, JF_ALICE);
    assert_int_equal(area.created_us, JF_NOW_US);
    assert_int_equal(area.quota_bytes, JF_QUOTA_DEFAULT);
    jf_fixture_expect(fixture, 0, 7, 0);
}

static void test_refused_slot_leaves_nothing(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_test_refused(jf_granter_try(fixture, "a", 7, 6), JF_ERR_QUOTA, "too much");
    expect_no_area(fixture);
    jf_test_refused(jf_granter_try(fixture, "a", -1, 6), JF_ERR_INVALID, "less than nothing");
    expect_no_area(fixture);
    jf_granter_expect_rows(fixture, 0, 0);
}

/* Half of it is written before the ledger sees that the token is there already. */
static void test_token_is_granted_once(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_slot_t slot = jf_granter_grant(fixture, "a", 7);
    jf_slot_t again = jf_granter_slot("b", 8, fixture->pool);
    again.token = slot.token;
    jf_test_refused(
        jf_ledger_slot_grant(fixture->ledger, &again, JF_UNLIMITED, JF_NOW_US, fixture->pool),
        JF_ERR_INVALID, "the same token");
    jf_fixture_expect(fixture, 0, 7, 0);
    jf_granter_expect_rows(fixture, 1, 0);
}

/* ---- quota ---- */

static void test_slots_files_and_uploads_share_the_quota_to_the_byte(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_reserve_t upload = jf_fixture_reserve("upload", 20, fixture->pool);
    jf_reserve_t byte = jf_fixture_reserve("byte", 1, fixture->pool);
    apr_int64_t promised_bytes;
    jf_fixture_row(fixture, "file", 30, JF_NEVER);
    jf_test_ok(
        jf_ledger_reserve(&promised_bytes, fixture->ledger, &upload, JF_NOW_US, fixture->pool),
        "upload");
    jf_test_refused(jf_granter_try(fixture, "a", 51, 100), JF_ERR_QUOTA, "51");
    jf_test_ok(jf_granter_try(fixture, "a", 49, 100), "49");
    jf_test_refused(jf_granter_try(fixture, "b", 2, 100), JF_ERR_QUOTA, "2");
    jf_test_ok(jf_granter_try(fixture, "b", 1, 100), "1");
    jf_test_refused(jf_granter_try(fixture, "c", 1, 100), JF_ERR_QUOTA, "1 more");
    jf_test_ok(jf_granter_try(fixture, "c", 0, 100), "0");
    byte.quota_bytes = 100;
    jf_test_refused(
        jf_ledger_reserve(&promised_bytes, fixture->ledger, &byte, JF_NOW_US, fixture->pool),
        JF_ERR_QUOTA, "an upload besides");
    jf_fixture_expect(fixture, 30, 70, 1);
    jf_granter_expect_rows(fixture, 3, 0);
}

static void test_quota_of_the_area_comes_first(void **state)
{
    jf_fixture_t *fixture = *state;
    set_quota(fixture, 10);
    jf_test_refused(jf_granter_try(fixture, "a", 11, 100), JF_ERR_QUOTA, "11 of 10");
    jf_test_ok(jf_granter_try(fixture, "a", 10, 100), "10 of 10");
    set_quota(fixture, 200);
    jf_test_refused(jf_granter_try(fixture, "b", 191, 100), JF_ERR_QUOTA, "191 of 190");
    jf_test_ok(jf_granter_try(fixture, "b", 190, 100), "190 of 190");
    set_quota(fixture, JF_UNLIMITED);
    jf_test_ok(jf_granter_try(fixture, "c", 1000, 100), "1000 without a limit");
    set_quota(fixture, JF_QUOTA_DEFAULT);
    jf_test_refused(jf_granter_try(fixture, "d", 1, 1200), JF_ERR_QUOTA, "1 of 0");
    jf_test_ok(jf_granter_try(fixture, "d", 1, 1201), "1 of 1");
    set_quota(fixture, 5); /* lowered below what is promised: nothing is taken back */
    jf_test_refused(jf_granter_try(fixture, "e", 1, 5000), JF_ERR_QUOTA, "over and over");
    jf_fixture_expect(fixture, 0, 1201, 0);
}

static void test_refusal_has_the_facts(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_fixture_row(fixture, "file", 30, JF_NEVER);
    jf_granter_grant(fixture, "a", 40);
    jf_err_t *err = jf_granter_try(fixture, "b", 31, 100);
    jf_test_refused(err, JF_ERR_QUOTA, "31");
    assert_int_equal(err->limit_bytes, 100);
    assert_int_equal(err->used_bytes, 70);
    assert_int_equal(err->required_bytes, 31);
}

/* Sizes that a hostile client announces: what no number can hold is over quota, too, and what is
 * promised all the same ends like any other slot. */
static void test_unlimited_ends_where_the_numbers_end(void **state)
{
    jf_fixture_t *fixture = *state;
    static const apr_int64_t sizes[] = {INT64_MAX, INT64_MAX / 2 + 1, INT64_MAX / 2, INT64_MAX / 4};
    for (size_t i = 0; i < JF_TEST_COUNT(sizes); i++) {
        jf_slot_t slot = jf_granter_slot("a", sizes[i], fixture->pool);
        jf_granter_upload_t *upload = jf_granter_upload(slot.token, "a", sizes[i], fixture->pool);
        jf_err_t *err =
            jf_ledger_slot_grant(fixture->ledger, &slot, JF_UNLIMITED, JF_NOW_US, fixture->pool);
        if (err) {
            jf_test_refused(err, JF_ERR_QUOTA, "a hostile size");
            assert_true(sizes[i] > INT64_MAX / 4);
            continue;
        }
        jf_test_refused(jf_granter_try(fixture, "b", INT64_MAX, JF_UNLIMITED), JF_ERR_QUOTA,
                        "all numbers");
        jf_test_ok(jf_granter_begin(upload, fixture->ledger, fixture->pool), "begin");
        jf_fixture_expect(fixture, 0, sizes[i], 0);
        assert_int_equal(jf_granter_expire(fixture, 9, JF_SLOT_END_US), 1);
        jf_fixture_expect(fixture, 0, sizes[i], 0);
        jf_test_ok(jf_granter_end(upload, fixture->ledger, fixture->pool), "end");
        jf_fixture_expect(fixture, sizes[i], 0, 1);
        remove_area(fixture);
    }
}

/* ---- how many ---- */

/* So many empty slots that @a leave more are allowed; the last one. */
static jf_slot_t grant_all_but(jf_fixture_t *fixture, int leave)
{
    jf_slot_t slot = {0};
    for (int i = 0; i < JF_SLOTS_PER_AREA_MAX - leave; i++) {
        slot = jf_granter_grant(fixture, apr_psprintf(fixture->pool, "slot/%d", i), 0);
    }
    return slot;
}

static void test_area_has_so_many_slots_at_most(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_reserve_t upload = jf_fixture_reserve("upload", 0, fixture->pool);
    jf_reserve_t other = jf_fixture_reserve("other", 0, fixture->pool);
    jf_slot_t of_bob = jf_granter_slot("a", 5, fixture->pool);
    apr_int64_t promised_bytes;
    of_bob.jid = JF_BOB;
    of_bob.expires_us++; /* not the one that will expire */
    jf_test_ok(
        jf_ledger_reserve(&promised_bytes, fixture->ledger, &upload, JF_NOW_US, fixture->pool),
        "an upload is no slot");
    jf_slot_t slot = grant_all_but(fixture, 1);
    jf_test_ok(jf_granter_try(fixture, "last", 0, 0), "the last");
    jf_test_refused(jf_granter_try(fixture, "more", 0, 0), JF_ERR_TOO_MANY, "one more");
    jf_test_ok(
        jf_ledger_slot_grant(fixture->ledger, &of_bob, JF_UNLIMITED, JF_NOW_US, fixture->pool),
        "bob's");
    jf_test_ok(
        jf_ledger_reserve(&promised_bytes, fixture->ledger, &other, JF_NOW_US, fixture->pool),
        "an upload without a slot");

    jf_granter_put(fixture, slot.token, slot.path, 0);
    jf_test_ok(jf_granter_try(fixture, "more", 0, 0), "once one is used");
    jf_test_refused(jf_granter_try(fixture, "even more", 0, 0), JF_ERR_TOO_MANY, "one more");
    assert_int_equal(jf_granter_expire(fixture, 1, JF_SLOT_END_US), 1);
    jf_test_ok(jf_granter_try(fixture, "even more", 0, 0), "once one has expired");
    jf_granter_expect_rows(fixture, JF_SLOTS_PER_AREA_MAX + 1, 1);
}

/* ---- finding ---- */

static void test_unknown_expired_and_used_are_told_apart(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_slot_t slot = jf_granter_grant(fixture, "a", 5);
    jf_slot_t used = jf_granter_grant(fixture, "b", 5);
    jf_file_t file = jf_fixture_row(fixture, "c", 5, JF_NEVER);
    jf_granter_put(fixture, used.token, "b", 5);
    jf_test_refused(jf_granter_get(fixture, jf_granter_token(fixture->pool), JF_NOW_US),
                    JF_ERR_NOT_FOUND, "unknown");
    jf_test_refused(jf_granter_get(fixture, "", JF_NOW_US), JF_ERR_NOT_FOUND, "no token at all");
    jf_test_ok(jf_granter_get(fixture, slot.token, JF_SLOT_END_US - 1), "the last moment");
    jf_test_refused(jf_granter_get(fixture, slot.token, JF_SLOT_END_US), JF_ERR_NOT_FOUND,
                    "expired, still there");
    jf_test_refused(jf_granter_get(fixture, used.token, JF_NOW_US), JF_ERR_USED, "used");
    jf_test_refused(jf_granter_get(fixture, used.token, JF_SLOT_END_US), JF_ERR_USED,
                    "used and expired");
    jf_test_refused(jf_granter_get(fixture, file.token, JF_NOW_US), JF_ERR_USED,
                    "the link of a file that came without a slot");
    assert_int_equal(jf_granter_expire(fixture, 9, JF_SLOT_END_US), 1);
    jf_test_refused(jf_granter_get(fixture, slot.token, JF_NOW_US), JF_ERR_NOT_FOUND,
                    "expired and gone");
    jf_test_refused(jf_granter_get(fixture, used.token, JF_SLOT_END_US), JF_ERR_USED,
                    "used, all others gone");
}

/* ---- expiring ---- */

static void test_expired_slots_give_their_bytes_back(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_slot_t lasting = jf_granter_slot("lasting", 100, fixture->pool);
    lasting.expires_us = JF_SLOT_END_US + 1;
    jf_test_ok(
        jf_ledger_slot_grant(fixture->ledger, &lasting, JF_UNLIMITED, JF_NOW_US, fixture->pool),
        "lasting");
    for (int i = 0; i < 5; i++) {
        jf_granter_grant(fixture, apr_psprintf(fixture->pool, "%d", i), 7);
    }
    assert_int_equal(jf_granter_expire(fixture, 9, JF_SLOT_END_US - 1), 0);
    jf_fixture_expect(fixture, 0, 135, 0);
    jf_test_refused(jf_granter_try(fixture, "a", 1, 135), JF_ERR_QUOTA, "while they live");
    static const int counts[] = {2, 2, 1, 0};
    apr_int64_t reserved_bytes = 135;
    for (size_t i = 0; i < JF_TEST_COUNT(counts); i++) {
        assert_int_equal(jf_granter_expire(fixture, 2, JF_SLOT_END_US), counts[i]);
        reserved_bytes -= 7 * counts[i];
        jf_fixture_expect(fixture, 0, reserved_bytes, 0);
    }
    jf_granter_expect_rows(fixture, 1, 0);
    jf_test_ok(jf_granter_get(fixture, lasting.token, JF_SLOT_END_US), "the lasting one");
    jf_test_ok(jf_granter_try(fixture, "a", 35, 135), "the same bytes again");
}

static jf_file_t use_until(jf_fixture_t *fixture, const char *path, apr_time_t forget_us)
{
    jf_granter_upload_t *upload =
        jf_granter_upload(jf_granter_token(fixture->pool), path, 1, fixture->pool);
    upload->use.forget_us = forget_us;
    jf_test_ok(jf_granter_begin(upload, fixture->ledger, fixture->pool), path);
    jf_test_ok(jf_granter_end(upload, fixture->ledger, fixture->pool), path);
    return upload->file;
}

static void test_used_tokens_are_forgotten_in_time(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_precondition_t always = {0};
    const char *object;
    jf_file_t lasting = use_until(fixture, "for ever", JF_NEVER);
    jf_file_t first = use_until(fixture, "10", JF_NOW_US + 10);
    for (int i = 0; i < 4; i++) {
        use_until(fixture, apr_psprintf(fixture->pool, "20, %d", i), JF_NOW_US + 20);
    }
    jf_granter_expect_rows(fixture, 0, 6);
    assert_int_equal(jf_granter_expire(fixture, 9, JF_NOW_US + 9), 0);
    assert_int_equal(jf_granter_expire(fixture, 9, JF_NOW_US + 10), 1);
    jf_test_refused(jf_granter_get(fixture, first.token, JF_NOW_US + 10), JF_ERR_USED,
                    "forgotten, but the link of a file");
    jf_test_ok(jf_ledger_file_remove(&object, fixture->ledger, JF_ALICE, "10", &always, JF_NOW_US,
                                     fixture->pool),
               "10");
    jf_test_refused(jf_granter_get(fixture, first.token, JF_NOW_US + 10), JF_ERR_NOT_FOUND,
                    "forgotten");
    assert_int_equal(jf_granter_expire(fixture, 3, INT64_MAX), 3);
    assert_int_equal(jf_granter_expire(fixture, 3, INT64_MAX), 1);
    assert_int_equal(jf_granter_expire(fixture, 3, INT64_MAX), 0);
    jf_granter_expect_rows(fixture, 0, 1);
    jf_test_ok(jf_ledger_file_remove(&object, fixture->ledger, JF_ALICE, "for ever", &always,
                                     JF_NOW_US, fixture->pool),
               "for ever");
    jf_test_refused(jf_granter_get(fixture, lasting.token, INT64_MAX), JF_ERR_USED, "for ever");
    jf_fixture_expect(fixture, 4, 0, 4);
}

static void test_expired_and_forgotten_are_counted_together(void **state)
{
    jf_fixture_t *fixture = *state;
    for (int i = 0; i < 3; i++) {
        use_until(fixture, apr_psprintf(fixture->pool, "used %d", i), JF_NOW_US);
        jf_granter_grant(fixture, apr_psprintf(fixture->pool, "open %d", i), 1);
    }
    assert_int_equal(jf_granter_expire(fixture, 9, JF_SLOT_END_US), 6);
    jf_granter_expect_rows(fixture, 0, 0);
    jf_fixture_expect(fixture, 3, 0, 3);
}

/* ---- what a slot is not ---- */

static void test_totals_count_uploads_and_not_slots(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_slot_t slot = jf_granter_grant(fixture, "a", 5);
    jf_granter_grant(fixture, "b", 5);
    jf_granter_upload_t *upload = jf_granter_upload(slot.token, "a", 5, fixture->pool);
    jf_totals_t totals;
    for (int uploads = 0; uploads < 2; uploads++) {
        jf_test_ok(jf_ledger_totals(&totals, fixture->ledger, fixture->pool), "totals");
        assert_int_equal(totals.uploads_in_flight, uploads);
        if (!uploads) {
            jf_test_ok(jf_granter_begin(upload, fixture->ledger, fixture->pool), "begin");
        }
    }
    assert_int_equal(totals.areas, 1);
    assert_int_equal(totals.files, 0);
    assert_int_equal(totals.used_bytes, 0);
}

static void test_slots_belong_to_no_process(void **state)
{
    jf_fixture_t *fixture = *state;
    apr_array_header_t *list;
    jf_slot_t slot = jf_granter_grant(fixture, "a", 5);
    jf_granter_grant(fixture, "b", 6);
    jf_test_ok(jf_ledger_instances(&list, fixture->ledger, fixture->pool), "of slots");
    assert_int_equal(list->nelts, 0);

    jf_granter_upload_t *upload = jf_granter_upload(slot.token, "a", 5, fixture->pool);
    jf_test_ok(jf_granter_begin(upload, fixture->ledger, fixture->pool), "begin");
    jf_test_ok(jf_ledger_instances(&list, fixture->ledger, fixture->pool), "of an upload");
    assert_int_equal(list->nelts, 1);
    assert_string_equal(APR_ARRAY_IDX(list, 0, const char *), upload->reserve.instance);

    jf_test_ok(
        jf_ledger_cancel_instance(&list, fixture->ledger, upload->reserve.instance, fixture->pool),
        "the process dies");
    assert_int_equal(list->nelts, 1);
    assert_string_equal(APR_ARRAY_IDX(list, 0, const char *), upload->reserve.object);
    jf_fixture_expect(fixture, 0, 11, 0);
    jf_granter_expect_rows(fixture, 2, 0);
    jf_granter_put(fixture, slot.token, "a", 5); /* the next one takes the slot */
    jf_fixture_expect(fixture, 5, 6, 1);
}

/* ---- areas that go ---- */

static void test_removed_area_takes_its_open_slots_along(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_slot_t open = jf_granter_grant(fixture, "open", 5);
    jf_slot_t busy = jf_granter_grant(fixture, "busy", 6);
    jf_slot_t used = jf_granter_grant(fixture, "used", 7);
    jf_slot_t of_bob = jf_granter_slot("open", 8, fixture->pool);
    jf_granter_upload_t *upload = jf_granter_upload(busy.token, "busy", 6, fixture->pool);
    of_bob.jid = JF_BOB;
    jf_test_ok(
        jf_ledger_slot_grant(fixture->ledger, &of_bob, JF_UNLIMITED, JF_NOW_US, fixture->pool),
        "bob's");
    jf_test_ok(jf_granter_begin(upload, fixture->ledger, fixture->pool), "busy");
    jf_granter_put(fixture, used.token, "used", 7);

    remove_area(fixture);
    jf_granter_expect_rows(fixture, 1, 1);
    jf_test_refused(jf_granter_get(fixture, open.token, JF_NOW_US), JF_ERR_NOT_FOUND, "open");
    jf_test_refused(jf_granter_get(fixture, busy.token, JF_NOW_US), JF_ERR_NOT_FOUND, "busy");
    jf_test_refused(jf_granter_get(fixture, used.token, JF_NOW_US), JF_ERR_USED, "used");
    jf_test_ok(jf_granter_get(fixture, of_bob.token, JF_NOW_US), "bob's");
    assert_int_equal(jf_fixture_area(fixture, JF_BOB).reserved_bytes, 8);

    /* The same person comes back, perhaps with the same row number. */
    jf_granter_grant(fixture, "open", 1);
    jf_test_refused(jf_granter_end(upload, fixture->ledger, fixture->pool), JF_ERR_NOT_FOUND,
                    "an upload into the old area");
    jf_ledger_cancel(fixture->ledger, upload->reserve.object);
    jf_fixture_expect(fixture, 0, 1, 0);
    jf_granter_expect_rows(fixture, 2, 1);
}

/* The promise of a slot has a name of an object, and there never was one. */
static void test_area_with_slots_is_removed_with_its_bytes(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_granter_grant(fixture, "a", 5);
    jf_fixture_put(fixture, "b", "content", 7);
    jf_test_ok(jf_service_remove_area(fixture->service, JF_ALICE, fixture->pool), "alice");
    assert_int_equal(jf_fixture_count_objects(fixture), 0);
    jf_granter_expect_rows(fixture, 0, 0);
}

/* ---- checking and repairing ---- */

static void test_wrong_sums_are_repaired_with_slots_in_them(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_slot_t slot = jf_granter_grant(fixture, "a", 5);
    jf_granter_grant(fixture, "b", 6);
    jf_granter_upload_t *upload = jf_granter_upload(slot.token, "a", 9, fixture->pool);
    jf_test_ok(jf_granter_begin(upload, fixture->ledger, fixture->pool), "begin");
    jf_fixture_expect(fixture, 0, 15, 0);
    sqlite3 *stranger = jf_crowd_stranger(fixture);
    jf_crowd_exec(stranger, "UPDATE area SET reserved_bytes = 3");
    sqlite3_close(stranger);
    apr_array_header_t *findings;
    jf_test_ok(jf_ledger_check(&findings, fixture->ledger, fixture->pool), "check");
    assert_int_equal(findings->nelts, 1);
    jf_test_ok(jf_ledger_repair_sums(fixture->ledger, fixture->pool), "repair");
    jf_fixture_expect(fixture, 0, 15, 0);
}

static const struct CMUnitTest tests[] = {
    JF_FIXTURE_TEST(test_slot_is_what_was_granted),
    JF_FIXTURE_TEST(test_first_slot_creates_the_area),
    JF_FIXTURE_TEST(test_refused_slot_leaves_nothing),
    JF_FIXTURE_TEST(test_token_is_granted_once),
    JF_FIXTURE_TEST(test_slots_files_and_uploads_share_the_quota_to_the_byte),
    JF_FIXTURE_TEST(test_quota_of_the_area_comes_first),
    JF_FIXTURE_TEST(test_refusal_has_the_facts),
    JF_FIXTURE_TEST(test_unlimited_ends_where_the_numbers_end),
    JF_FIXTURE_TEST(test_area_has_so_many_slots_at_most),
    JF_FIXTURE_TEST(test_unknown_expired_and_used_are_told_apart),
    JF_FIXTURE_TEST(test_expired_slots_give_their_bytes_back),
    JF_FIXTURE_TEST(test_used_tokens_are_forgotten_in_time),
    JF_FIXTURE_TEST(test_expired_and_forgotten_are_counted_together),
    JF_FIXTURE_TEST(test_totals_count_uploads_and_not_slots),
    JF_FIXTURE_TEST(test_slots_belong_to_no_process),
    JF_FIXTURE_TEST(test_removed_area_takes_its_open_slots_along),
    JF_FIXTURE_TEST(test_area_with_slots_is_removed_with_its_bytes),
    JF_FIXTURE_TEST(test_wrong_sums_are_repaired_with_slots_in_them),
};

JF_TEST_MAIN(tests)
