/*
 * Uploads that are held in memory until they are whole: nothing is promised to them, and whatever
 * ends them early leaves nothing.
 */
#include "t_crowd.h"
#include "t_fault.h"

#include <stdio.h>

#include <apr_strings.h>
#include <sqlite3.h>

static jf_upload_t *begin(jf_fixture_t *fixture, const jf_upload_request_t *request)
{
    jf_upload_t *upload = NULL;
    jf_test_ok(jf_upload_begin(&upload, fixture->service, request, JF_NOW_US, fixture->pool),
               request->path);
    return upload;
}

static jf_err_t *finish(jf_upload_t *upload)
{
    jf_file_t file;
    int created;
    return jf_upload_finish(&file, &created, upload, JF_NOW_US);
}

static void expect_no_area(jf_fixture_t *fixture)
{
    jf_totals_t totals;
    jf_test_ok(jf_ledger_totals(&totals, fixture->ledger, fixture->pool), "totals");
    assert_int_equal(totals.areas + totals.files + totals.uploads_in_flight, 0);
    assert_int_equal(jf_fixture_count_objects(fixture), 0);
}

/* ---- which are small, and what they take -------------------------------------------------------
 */

static void test_only_short_ones_of_a_known_length_get_no_promise(void **state)
{
    jf_fixture_t *fixture = *state;
    static const struct {
        apr_int64_t length_bytes;
        int needs_area;
        int is_small;
    } cases[] = {{0, 0, 1},
                 {JF_UPLOAD_SMALL_BYTES, 0, 1},
                 {JF_UPLOAD_SMALL_BYTES + 1, 0, 0},
                 {JF_UPLOAD_SMALL_BYTES, 1, 0},
                 {0, 1, 0},
                 {JF_LENGTH_UNKNOWN, 0, 0}};
    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        jf_upload_request_t request = jf_fixture_request("a", cases[i].length_bytes);
        jf_totals_t totals;
        request.needs_area = cases[i].needs_area;
        jf_upload_t *upload = begin(fixture, &request);
        jf_test_ok(jf_ledger_totals(&totals, fixture->ledger, fixture->pool), "totals");
        assert_int_equal(totals.uploads_in_flight, !cases[i].is_small);
        assert_int_equal(jf_fixture_count_objects(fixture), !cases[i].is_small);
        assert_int_equal(jf_upload_area(upload) != NULL, !cases[i].is_small);
        jf_upload_abort(upload);
    }
}

static void test_area_is_known_at_the_end(void **state)
{
    jf_fixture_t *fixture = *state;
    for (int i = 0; i < 4; i++) {
        jf_upload_request_t request = jf_fixture_request(i / 2 ? "b" : "a", 3 + i);
        request.needs_area = i == 3;
        jf_upload_t *upload = begin(fixture, &request);
        const jf_area_t *area = jf_upload_area(upload);
        if (request.needs_area) {
            assert_int_equal(area->used_bytes, jf_fixture_area(fixture, JF_ALICE).used_bytes);
        } else {
            assert_null(area);
        }
        jf_test_ok(jf_upload_write(upload, "abcdef", 3 + (apr_size_t)i), "write");
        jf_test_ok(finish(upload), "finish");
        jf_area_t now = jf_fixture_area(fixture, JF_ALICE);
        area = jf_upload_area(upload);
        assert_int_equal(area->id, now.id);
        assert_int_equal(area->used_bytes, now.used_bytes);
        assert_int_equal(area->file_count, now.file_count);
    }
    jf_fixture_expect(fixture, 4 + 6, 0, 2);
}

/* The client that waits is told early, any other one at the end; and both leave nothing. */
static void test_quota_is_judged_early_for_who_waits(void **state)
{
    jf_fixture_t *fixture = *state;
    for (int is_waiting = 0; is_waiting <= 1; is_waiting++) {
        jf_upload_request_t request = jf_fixture_request("a", 101);
        jf_upload_t *upload;
        request.quota_bytes = 100;
        request.is_client_waiting = is_waiting;
        jf_err_t *err =
            jf_upload_begin(&upload, fixture->service, &request, JF_NOW_US, fixture->pool);
        if (!is_waiting) {
            jf_test_ok(err, "begin");
            jf_test_ok(jf_upload_write(upload, jf_fixture_bytes(1, 101, fixture->pool), 101), "");
            err = finish(upload);
        }
        jf_test_refused(err, JF_ERR_QUOTA, "one byte too many");
        assert_int_equal(err->limit_bytes, 100);
        expect_no_area(fixture);
        request.length_bytes = 100;
        upload = begin(fixture, &request);
        jf_test_ok(jf_upload_write(upload, jf_fixture_bytes(1, 100, fixture->pool), 100), "write");
        jf_test_ok(finish(upload), "what fits exactly");
        jf_test_ok(jf_service_remove_area(fixture->service, JF_ALICE, fixture->pool), "alice");
    }
}

/* What is refused and broken off before there is any file leaves not even an area. */
static void test_early_end_leaves_nothing(void **state)
{
    jf_fixture_t *fixture = *state;
    const unsigned char sha256[32] = {1};
    jf_upload_request_t request = jf_fixture_request("a", 4);
    jf_fixture_put(fixture, "a", "x", 1); /* opens what stays open */
    jf_test_ok(jf_service_remove_area(fixture->service, JF_ALICE, fixture->pool), "alice");
    expect_no_area(fixture);
    int descriptors = jf_fault_count_descriptors();

    jf_upload_t *upload = begin(fixture, &request);
    jf_upload_abort(upload);
    jf_upload_abort(upload);
    upload = begin(fixture, &request);
    jf_test_ok(jf_upload_write(upload, "abc", 3), "three of four");
    jf_test_refused(finish(upload), JF_ERR_INVALID, "too few");
    expect_no_area(fixture);
    upload = begin(fixture, &request);
    jf_test_ok(jf_upload_write(upload, "abc", 3), "three of four");
    jf_test_refused(jf_upload_write(upload, "de", 2), JF_ERR_INVALID, "too many");
    jf_upload_abort(upload);
    expect_no_area(fixture);
    request.sha256 = sha256;
    upload = begin(fixture, &request);
    jf_test_ok(jf_upload_write(upload, "abcd", 4), "all");
    jf_test_refused(finish(upload), JF_ERR_DIGEST, "another digest");
    expect_no_area(fixture);
    request.sha256 = NULL;
    request.precondition = jf_fixture_if_any();
    upload = begin(fixture, &request);
    jf_test_ok(jf_upload_write(upload, "abcd", 4), "all");
    jf_test_refused(finish(upload), JF_ERR_PRECONDITION, "no file");
    expect_no_area(fixture);
    request.is_client_waiting = 1;
    jf_test_refused(jf_upload_begin(&upload, fixture->service, &request, JF_NOW_US, fixture->pool),
                    JF_ERR_PRECONDITION, "no file");
    expect_no_area(fixture);
    assert_int_equal(jf_fault_count_descriptors(), descriptors);
}

static void test_store_that_cannot_be_written_leaves_no_row(void **state)
{
    jf_fixture_t *fixture = *state;
    const char *objects = apr_pstrcat(fixture->pool, fixture->directory, "/objects", NULL);
    const char *aside = apr_pstrcat(fixture->pool, fixture->directory, "/aside", NULL);
    jf_upload_request_t request = jf_fixture_request("a", 3);
    jf_upload_t *upload = begin(fixture, &request);
    jf_test_ok(jf_upload_write(upload, "abc", 3), "write");
    assert_int_equal(rename(objects, aside), 0);
    jf_test_refused(finish(upload), JF_ERR_IO, "no directory");
    assert_int_equal(rename(aside, objects), 0);
    expect_no_area(fixture);
}

/* An area that goes while the bytes are on their way is like one that was never there. */
static void test_area_removed_meanwhile_is_made_again(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_upload_request_t request = jf_fixture_request("a", 3);
    jf_fixture_put(fixture, "a", "old", 3);
    jf_upload_t *upload = begin(fixture, &request);
    jf_test_ok(jf_upload_write(upload, "new", 3), "write");
    jf_test_ok(jf_service_remove_area(fixture->service, JF_ALICE, fixture->pool), "alice");
    jf_test_ok(finish(upload), "finish");
    jf_fixture_expect(fixture, 3, 0, 1);
    assert_int_equal(jf_fixture_count_objects(fixture), 1);
}

/* A slow sender holds nothing at all. */
static void test_waiting_upload_holds_nothing(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_upload_request_t request = jf_fixture_request("a", 60000);
    jf_fixture_row(fixture, "b", 1, JF_NEVER);
    request.quota_bytes = 60000;
    jf_upload_t *upload = begin(fixture, &request);
    sqlite3 *stranger = jf_crowd_stranger(fixture);
    jf_test_ok(jf_upload_write(upload, "half", 4), "write");
    jf_crowd_exec(stranger, "BEGIN IMMEDIATE; ROLLBACK; PRAGMA wal_checkpoint(TRUNCATE)");
    sqlite3_close(stranger);
    jf_fixture_expect(fixture, 1, 0, 1);
    jf_upload_abort(upload);
}

static const struct CMUnitTest tests[] = {
    JF_FIXTURE_TEST(test_only_short_ones_of_a_known_length_get_no_promise),
    JF_FIXTURE_TEST(test_area_is_known_at_the_end),
    JF_FIXTURE_TEST(test_quota_is_judged_early_for_who_waits),
    JF_FIXTURE_TEST(test_early_end_leaves_nothing),
    JF_FIXTURE_TEST(test_store_that_cannot_be_written_leaves_no_row),
    JF_FIXTURE_TEST(test_area_removed_meanwhile_is_made_again),
    JF_FIXTURE_TEST(test_waiting_upload_holds_nothing),
};

JF_TEST_MAIN(tests)
