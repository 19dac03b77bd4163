/*
 * Uploads that use slots up: the promised bytes are counted once, the first that ends has the slot,
 * and a token is used for as long as somebody could come with it.
 */
#include "t_crowd.h"
#include "t_granter.h"

#include <string.h>

#include <apr_strings.h>

static const jf_precondition_t always = {0};

static jf_granter_upload_t *upload_to(jf_fixture_t *fixture, const jf_slot_t *slot)
{
    return jf_granter_upload(slot->token, slot->path, slot->size_bytes, fixture->pool);
}

static jf_err_t *begin(jf_fixture_t *fixture, jf_granter_upload_t *upload)
{
    return jf_granter_begin(upload, fixture->ledger, fixture->pool);
}

static jf_err_t *end(jf_fixture_t *fixture, jf_granter_upload_t *upload)
{
    return jf_granter_end(upload, fixture->ledger, fixture->pool);
}

static void cancel(jf_fixture_t *fixture, const jf_granter_upload_t *upload)
{
    jf_ledger_cancel(fixture->ledger, upload->reserve.object);
}

static void remove_file(jf_fixture_t *fixture, const char *path)
{
    const char *object;
    jf_test_ok(jf_ledger_file_remove(&object, fixture->ledger, JF_ALICE, path, &always, JF_NOW_US,
                                     fixture->pool),
               path);
}

static void remove_area(jf_fixture_t *fixture)
{
    apr_array_header_t *objects;
    jf_test_ok(jf_ledger_area_remove(&objects, fixture->ledger, JF_ALICE, fixture->pool), "remove");
}

static jf_file_t find_file(jf_fixture_t *fixture, const char *token)
{
    jf_file_t file;
    jf_test_ok(jf_ledger_file_by_token(&file, fixture->ledger, token, JF_NOW_US, fixture->pool),
               token);
    return file;
}

/* ---- one upload ---- */

static void test_upload_has_the_bytes_that_were_promised(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_slot_t slot = jf_granter_grant(fixture, "a", 60);
    jf_granter_upload_t *upload = upload_to(fixture, &slot);
    upload->reserve.quota_bytes = 60;
    jf_test_ok(begin(fixture, upload), "begin");
    assert_int_equal(upload->promised_bytes, 60);
    jf_fixture_expect(fixture, 0, 60, 0);
    jf_granter_expect_rows(fixture, 1, 0);
    jf_test_ok(jf_granter_get(fixture, slot.token, JF_NOW_US), "it is not used yet");

    jf_test_ok(end(fixture, upload), "end");
    assert_int_equal(upload->created, 1);
    assert_null(upload->replaced);
    assert_string_equal(upload->file.token, slot.token);
    assert_string_equal(find_file(fixture, slot.token).object, upload->reserve.object);
    jf_fixture_expect(fixture, 60, 0, 1);
    jf_granter_expect_rows(fixture, 0, 1);
}

/* Slots of 60 bytes in a quota of 100, of which 20 are taken otherwise. */
static void test_upload_of_another_size_than_the_slots(void **state)
{
    jf_fixture_t *fixture = *state;
    static const struct {
        apr_int64_t size_bytes;
        apr_int64_t reserved_bytes; /* while it is in flight */
        int code;
    } uploads[] = {{0, 60, 0},  {59, 60, 0}, {60, 60, 0},
                   {61, 61, 0}, {80, 80, 0}, {81, 60, JF_ERR_QUOTA}};
    jf_fixture_row(fixture, "other", 20, JF_NEVER);
    for (size_t i = 0; i < JF_TEST_COUNT(uploads); i++) {
        jf_slot_t slot = jf_granter_grant(fixture, "a", 60);
        jf_granter_upload_t *upload =
            jf_granter_upload(slot.token, "a", uploads[i].size_bytes, fixture->pool);
        upload->reserve.quota_bytes = 100;
        jf_err_t *err = begin(fixture, upload);
        assert_int_equal(err ? err->code : 0, uploads[i].code);
        jf_fixture_expect(fixture, 20, uploads[i].reserved_bytes, 1);
        if (err) {
            assert_int_equal(err->used_bytes, 80);
            continue;
        }
        jf_test_ok(end(fixture, upload), "end");
        jf_fixture_expect(fixture, 20 + uploads[i].size_bytes, 0, 2);
        remove_file(fixture, "a");
    }
}

static void test_promise_grows_from_that_of_the_slot(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_slot_t slot = jf_granter_grant(fixture, "a", 60);
    jf_granter_upload_t *upload = jf_granter_upload(slot.token, "a", 10, fixture->pool);
    apr_int64_t promised_bytes;
    jf_test_ok(begin(fixture, upload), "begin");
    jf_fixture_expect(fixture, 0, 60, 0);
    jf_test_ok(jf_ledger_extend(&promised_bytes, fixture->ledger, upload->reserve.object, 20, 99,
                                60, fixture->pool),
               "to the quota");
    assert_int_equal(promised_bytes, 60);
    jf_test_refused(jf_ledger_extend(&promised_bytes, fixture->ledger, upload->reserve.object, 61,
                                     99, 60, fixture->pool),
                    JF_ERR_QUOTA, "beyond");
    jf_fixture_expect(fixture, 0, 60, 0);
}

static void test_empty_slot_is_used_once_as_well(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_slot_t slot = jf_granter_slot("a", 0, fixture->pool);
    jf_test_ok(jf_ledger_slot_grant(fixture->ledger, &slot, 0, JF_NOW_US, fixture->pool), "grant");
    jf_granter_upload_t *first = upload_to(fixture, &slot);
    jf_granter_upload_t *second = upload_to(fixture, &slot);
    first->reserve.quota_bytes = second->reserve.quota_bytes = 0;
    jf_test_ok(begin(fixture, first), "first");
    jf_test_ok(begin(fixture, second), "second");
    jf_test_ok(end(fixture, second), "second");
    jf_test_refused(end(fixture, first), JF_ERR_USED, "first");
    cancel(fixture, first);
    assert_int_equal(find_file(fixture, slot.token).size_bytes, 0);
    jf_fixture_expect(fixture, 0, 0, 1);
    jf_granter_expect_rows(fixture, 0, 1);
}

/* Nobody has granted it here: it counts like any upload, and is used up all the same. */
static void test_slot_that_was_signed_elsewhere(void **state)
{
    jf_fixture_t *fixture = *state;
    const char *token = jf_granter_token(fixture->pool);
    jf_granter_upload_t *upload = jf_granter_upload(token, "a", 60, fixture->pool);
    upload->reserve.quota_bytes = 59;
    jf_test_refused(begin(fixture, upload), JF_ERR_QUOTA, "over quota");
    upload->reserve.quota_bytes = 60;
    jf_test_ok(begin(fixture, upload), "begin");
    jf_fixture_expect(fixture, 0, 60, 0);
    jf_granter_expect_rows(fixture, 0, 0);
    jf_test_ok(end(fixture, upload), "end");
    assert_string_equal(find_file(fixture, token).path, "a");
    jf_fixture_expect(fixture, 60, 0, 1);
    jf_granter_expect_rows(fixture, 0, 1);
}

/* ---- the same slot twice ---- */

static void test_one_upload_at_a_time_counts_on_the_slot(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_slot_t slot = jf_granter_grant(fixture, "a", 60);
    jf_granter_upload_t *uploads[4];
    for (size_t i = 0; i < JF_TEST_COUNT(uploads); i++) {
        uploads[i] = upload_to(fixture, &slot);
        uploads[i]->reserve.quota_bytes = 100;
    }
    jf_test_ok(begin(fixture, uploads[0]), "first");
    jf_test_refused(begin(fixture, uploads[1]), JF_ERR_QUOTA, "second");
    uploads[1]->reserve.need_bytes = 40;
    jf_test_ok(begin(fixture, uploads[1]), "a smaller second");
    jf_fixture_expect(fixture, 0, 100, 0);
    cancel(fixture, uploads[1]); /* the first keeps what it counts on */
    jf_fixture_expect(fixture, 0, 60, 0);
    jf_test_refused(begin(fixture, uploads[2]), JF_ERR_QUOTA, "third");
    cancel(fixture, uploads[0]);
    jf_test_ok(begin(fixture, uploads[3]), "after the first has given up");
    jf_test_ok(end(fixture, uploads[3]), "and ends");
    jf_fixture_expect(fixture, 60, 0, 1);
}

static void test_promise_is_back_after_a_cancel(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_slot_t slot = jf_granter_grant(fixture, "a", 60);
    for (int i = 0; i < 3; i++) {
        jf_granter_upload_t *upload = upload_to(fixture, &slot);
        upload->reserve.quota_bytes = 60;
        jf_test_ok(begin(fixture, upload), "begin");
        cancel(fixture, upload);
        jf_fixture_expect(fixture, 0, 60, 0);
        jf_granter_expect_rows(fixture, 1, 0);
        jf_test_ok(jf_granter_get(fixture, slot.token, JF_NOW_US), "the slot");
        jf_test_refused(jf_granter_try(fixture, "b", 1, 60), JF_ERR_QUOTA, "it keeps its bytes");
    }
}

/* Two uploads, and which of them ends first; by a slot granted here they have one path, by one
 * signed elsewhere each has its own. */
static void test_first_that_ends_has_the_slot(void **state)
{
    jf_fixture_t *fixture = *state;
    for (int i = 0; i < 4; i++) {
        int is_granted = i & 1;
        int winner = i >> 1;
        jf_slot_t slot = jf_granter_slot("a", 10, fixture->pool);
        if (is_granted) {
            slot = jf_granter_grant(fixture, "a", 10);
        }
        jf_granter_upload_t *uploads[] = {
            upload_to(fixture, &slot),
            jf_granter_upload(slot.token, is_granted ? "a" : "b", 10, fixture->pool)};
        jf_test_ok(begin(fixture, uploads[0]), "first");
        jf_test_ok(begin(fixture, uploads[1]), "second");
        jf_fixture_expect(fixture, 0, 20, 0);
        jf_test_ok(end(fixture, uploads[winner]), "the winner");
        jf_fixture_expect(fixture, 10, 10, 1);
        jf_test_refused(end(fixture, uploads[!winner]), JF_ERR_USED, "the other");
        jf_fixture_expect(fixture, 10, 10, 1); /* its promise stays until it is taken back */
        cancel(fixture, uploads[!winner]);
        jf_fixture_expect(fixture, 10, 0, 1);
        jf_granter_expect_rows(fixture, 0, i + 1);
        assert_string_equal(find_file(fixture, slot.token).object, uploads[winner]->reserve.object);
        remove_file(fixture, uploads[winner]->reserve.path);
    }
}

/* An upload that fails in its last moment has not used the slot. */
static void test_failed_end_leaves_the_slot_open(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_slot_t slot = jf_granter_grant(fixture, "a", 10);
    jf_granter_upload_t *upload = upload_to(fixture, &slot);
    jf_file_t file = jf_fixture_row(fixture, "other", 1, JF_NEVER);
    jf_test_ok(begin(fixture, upload), "begin");
    upload->settle.size_bytes = 11;
    jf_test_refused(end(fixture, upload), JF_ERR_QUOTA, "more than promised");
    upload->settle.size_bytes = 10;
    upload->settle.precondition = jf_fixture_if_any();
    jf_test_refused(end(fixture, upload), JF_ERR_PRECONDITION, "a condition");
    upload->settle.precondition = always;
    upload->settle.token = file.token; /* the row is refused after the slot was used up */
    jf_test_refused(end(fixture, upload), JF_ERR_INVALID, "another file's link");
    jf_granter_expect_rows(fixture, 1, 0);
    jf_fixture_expect(fixture, 1, 10, 1);
    upload->settle.token = slot.token;
    jf_test_ok(end(fixture, upload), "all is well");
    jf_fixture_expect(fixture, 11, 0, 2);
}

/* ---- tokens that are used ---- */

static void expect_used(jf_fixture_t *fixture, const char *token)
{
    jf_granter_upload_t *upload = jf_granter_upload(token, "again", 1, fixture->pool);
    jf_test_refused(jf_granter_get(fixture, token, JF_NOW_US), JF_ERR_USED, "get");
    jf_test_refused(begin(fixture, upload), JF_ERR_USED, "begin");
}

static void test_used_token_is_refused_before_the_content(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_slot_t slot = jf_granter_grant(fixture, "a", 5);
    jf_granter_put(fixture, slot.token, "a", 5);
    expect_used(fixture, slot.token);
    jf_granter_upload_t *upload = jf_granter_upload(slot.token, "a", 5, fixture->pool);
    upload->reserve.quota_bytes = 5;
    jf_test_refused(begin(fixture, upload), JF_ERR_USED, "rather than over quota");
    jf_fixture_expect(fixture, 5, 0, 1);
}

static void test_used_token_stays_used_when_the_file_goes(void **state)
{
    jf_fixture_t *fixture = *state;
    apr_array_header_t *objects;
    jf_area_t area;
    jf_slot_t slot = jf_granter_grant(fixture, "removed", 5);
    const char *tokens[] = {slot.token, jf_granter_token(fixture->pool),
                            jf_granter_token(fixture->pool)};
    jf_granter_put(fixture, tokens[0], "removed", 5);
    remove_file(fixture, "removed");
    expect_used(fixture, tokens[0]);

    jf_granter_upload_t *expiring = jf_granter_upload(tokens[1], "expired", 5, fixture->pool);
    expiring->settle.expires_us = JF_NOW_US + 1;
    jf_test_ok(begin(fixture, expiring), "expired");
    jf_test_ok(end(fixture, expiring), "expired");
    expiring->now_us = JF_NOW_US + 1;
    jf_test_refused(begin(fixture, expiring), JF_ERR_USED, "expired, still there");
    jf_test_ok(jf_ledger_file_expire(&objects, fixture->ledger, 9, JF_NOW_US + 1, fixture->pool),
               "expire");
    assert_int_equal(objects->nelts, 1);
    expect_used(fixture, tokens[1]);

    jf_granter_put(fixture, tokens[2], "whole area", 5);
    remove_area(fixture);
    for (size_t i = 0; i < JF_TEST_COUNT(tokens); i++) {
        expect_used(fixture, tokens[i]);
    }
    jf_test_refused(jf_ledger_area_get(&area, fixture->ledger, JF_ALICE, fixture->pool),
                    JF_ERR_NOT_FOUND, "a refused upload makes no area");
    jf_granter_expect_rows(fixture, 0, 3);
}

/* Files that were imported have links that were slots once, and nobody has marked them. */
static void test_link_of_a_file_is_a_used_token(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_file_t file = jf_fixture_row(fixture, "a", 5, JF_NEVER);
    expect_used(fixture, file.token);

    const char *token = jf_granter_token(fixture->pool);
    jf_granter_upload_t *upload = jf_granter_upload(token, "b", 5, fixture->pool);
    jf_granter_upload_t *import = jf_granter_upload(token, "c", 5, fixture->pool);
    import->reserve.slot = import->settle.slot = NULL;
    jf_test_ok(begin(fixture, upload), "an upload");
    jf_test_ok(begin(fixture, import), "an import");
    jf_test_ok(end(fixture, import), "the import is first");
    jf_test_refused(end(fixture, upload), JF_ERR_USED, "the upload");
    cancel(fixture, upload);
    assert_string_equal(find_file(fixture, token).path, "c");
    jf_fixture_expect(fixture, 10, 0, 2);
    jf_granter_expect_rows(fixture, 0, 0);
}

static void test_replaced_file_keeps_the_link_that_was_its_slot(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_slot_t slot = jf_granter_grant(fixture, "a", 5);
    jf_file_t old = jf_granter_put(fixture, slot.token, "a", 5);
    jf_file_t file = jf_fixture_row(fixture, "a", 8, JF_NEVER);
    assert_string_equal(file.token, slot.token);
    assert_string_not_equal(file.object, old.object);
    assert_int_equal(find_file(fixture, slot.token).size_bytes, 8);
    expect_used(fixture, slot.token);
    jf_fixture_expect(fixture, 8, 0, 1);
}

/* The owner was faster and has put a file where that of the slot should go: it has another link. */
static void test_upload_to_a_slot_replaces_no_file(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_slot_t slot = jf_granter_grant(fixture, "a", 5);
    jf_granter_upload_t *early = upload_to(fixture, &slot);
    jf_granter_upload_t *late = upload_to(fixture, &slot);
    jf_test_ok(begin(fixture, early), "before");
    jf_file_t file = jf_fixture_row(fixture, "a", 8, JF_NOW_US + 1);
    jf_test_refused(begin(fixture, late), JF_ERR_PRECONDITION, "after");
    jf_test_refused(end(fixture, early), JF_ERR_PRECONDITION, "before");
    cancel(fixture, early);
    assert_int_equal(find_file(fixture, file.token).size_bytes, 8);
    jf_fixture_expect(fixture, 8, 5, 1);
    jf_granter_expect_rows(fixture, 1, 0);

    late->now_us = JF_NOW_US + 1;
    jf_test_ok(begin(fixture, late), "the file has expired");
    jf_test_ok(end(fixture, late), "the file has expired");
    assert_int_equal(late->created, 1);
    assert_string_equal(late->replaced, file.object);
    assert_string_equal(find_file(fixture, slot.token).object, late->reserve.object);
    jf_fixture_expect(fixture, 5, 0, 1);
    jf_granter_expect_rows(fixture, 0, 1);
}

/* ---- slots that end under an upload ---- */

/* Uploads of some size by slots of 60 bytes; the quota has room for nothing else. */
static void test_upload_outlives_its_slot(void **state)
{
    jf_fixture_t *fixture = *state;
    static const apr_int64_t sizes[] = {0, 40, 60, 80};
    for (size_t i = 0; i < JF_TEST_COUNT(sizes); i++) {
        jf_slot_t slot = jf_granter_grant(fixture, "a", 60);
        jf_granter_upload_t *upload = jf_granter_upload(slot.token, "a", sizes[i], fixture->pool);
        upload->reserve.quota_bytes = 80;
        jf_test_ok(begin(fixture, upload), "begin");
        assert_int_equal(jf_granter_expire(fixture, 9, JF_SLOT_END_US), 1);
        jf_fixture_expect(fixture, 0, sizes[i], 0); /* what was the slot's is now the upload's */
        jf_test_refused(jf_granter_try(fixture, "b", 81 - sizes[i], 80), JF_ERR_QUOTA, "too much");
        upload->now_us = JF_SLOT_END_US;
        jf_test_ok(end(fixture, upload), "end");
        assert_string_equal(find_file(fixture, slot.token).object, upload->reserve.object);
        jf_fixture_expect(fixture, sizes[i], 0, 1);
        expect_used(fixture, slot.token);
        remove_file(fixture, "a");
    }
}

static void test_upload_that_outlives_its_slot_can_fail(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_slot_t slot = jf_granter_grant(fixture, "a", 60);
    jf_granter_upload_t *upload = upload_to(fixture, &slot);
    jf_test_ok(begin(fixture, upload), "begin");
    assert_int_equal(jf_granter_expire(fixture, 9, JF_SLOT_END_US), 1);
    cancel(fixture, upload);
    jf_fixture_expect(fixture, 0, 0, 0);
    jf_granter_expect_rows(fixture, 0, 0);
    jf_test_refused(jf_granter_get(fixture, slot.token, JF_NOW_US), JF_ERR_NOT_FOUND, "get");
}

/* The end of a slot is no business of uploads to other paths or of other people. */
static void test_slot_that_ends_touches_only_its_own_upload(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_slot_t slots[] = {jf_granter_slot("a", 10, fixture->pool),
                         jf_granter_slot("b", 20, fixture->pool),
                         jf_granter_slot("a", 40, fixture->pool)};
    slots[1].expires_us = slots[2].expires_us = JF_SLOT_END_US + 1;
    slots[2].jid = JF_BOB;
    for (size_t i = 0; i < JF_TEST_COUNT(slots); i++) {
        jf_test_ok(jf_ledger_slot_grant(fixture->ledger, &slots[i], JF_UNLIMITED, JF_NOW_US,
                                        fixture->pool),
                   "grant");
        jf_granter_upload_t *upload = upload_to(fixture, &slots[i]);
        upload->reserve.jid = slots[i].jid;
        jf_test_ok(begin(fixture, upload), "begin");
    }
    jf_fixture_expect(fixture, 0, 30, 0);
    assert_int_equal(jf_granter_expire(fixture, 9, JF_SLOT_END_US), 1);
    jf_fixture_expect(fixture, 0, 30, 0);
    assert_int_equal(jf_fixture_area(fixture, JF_BOB).reserved_bytes, 40);
    jf_granter_expect_rows(fixture, 2, 0);
}

static const struct CMUnitTest tests[] = {
    JF_FIXTURE_TEST(test_upload_has_the_bytes_that_were_promised),
    JF_FIXTURE_TEST(test_upload_of_another_size_than_the_slots),
    JF_FIXTURE_TEST(test_promise_grows_from_that_of_the_slot),
    JF_FIXTURE_TEST(test_empty_slot_is_used_once_as_well),
    JF_FIXTURE_TEST(test_slot_that_was_signed_elsewhere),
    JF_FIXTURE_TEST(test_one_upload_at_a_time_counts_on_the_slot),
    JF_FIXTURE_TEST(test_promise_is_back_after_a_cancel),
    JF_FIXTURE_TEST(test_first_that_ends_has_the_slot),
    JF_FIXTURE_TEST(test_failed_end_leaves_the_slot_open),
    JF_FIXTURE_TEST(test_used_token_is_refused_before_the_content),
    JF_FIXTURE_TEST(test_used_token_stays_used_when_the_file_goes),
    JF_FIXTURE_TEST(test_link_of_a_file_is_a_used_token),
    JF_FIXTURE_TEST(test_replaced_file_keeps_the_link_that_was_its_slot),
    JF_FIXTURE_TEST(test_upload_to_a_slot_replaces_no_file),
    JF_FIXTURE_TEST(test_upload_outlives_its_slot),
    JF_FIXTURE_TEST(test_upload_that_outlives_its_slot_can_fail),
    JF_FIXTURE_TEST(test_slot_that_ends_touches_only_its_own_upload),
};

JF_TEST_MAIN(tests)
