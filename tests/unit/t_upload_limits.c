/*
 * Uploads at the limits of quota, disk and ledger.
 */
#include "t_crowd.h"
#include "t_fault.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <apr_strings.h>
#include <sqlite3.h>

#include "jf_sweep.h"

#define MEBIBYTE (1 << 20)
#define STEP_MAX_BYTES (64 * MEBIBYTE)

/* What holds for every upload is tried with a promise and without. */
static const int is_promised[] = {0, 1};

static jf_upload_t *begin(jf_fixture_t *fixture, const jf_upload_request_t *request)
{
    jf_upload_t *upload;
    jf_test_ok(jf_upload_begin(&upload, fixture->service, request, JF_NOW_US, fixture->pool),
               "begin");
    return upload;
}

static jf_err_t *finish(jf_upload_t *upload)
{
    jf_file_t file;
    int created;
    return jf_upload_finish(&file, &created, upload, JF_NOW_US);
}

static apr_int64_t reserved(jf_fixture_t *fixture)
{
    return jf_fixture_area(fixture, JF_ALICE).reserved_bytes;
}

/* ---- growing -----------------------------------------------------------------------------------
 */

/* The content fits the quota exactly, or has one byte too many. */
static void test_unknown_length_grows_to_the_exact_quota(void **state)
{
    jf_fixture_t *fixture = *state;
    static const apr_size_t quotas[] = {1,        65536,        MEBIBYTE - 1,
                                        MEBIBYTE, MEBIBYTE + 1, 3 * MEBIBYTE + 17};
    const char *data = jf_fixture_bytes(1, 4 * MEBIBYTE, fixture->pool);
    for (size_t i = 0; i < JF_TEST_COUNT(quotas); i++) {
        jf_upload_request_t request = jf_fixture_request("a", JF_LENGTH_UNKNOWN);
        request.quota_bytes = (apr_int64_t)quotas[i];
        for (apr_size_t extra = 0; extra <= 1; extra++) {
            jf_upload_t *upload = begin(fixture, &request);
            apr_size_t length = quotas[i] + extra;
            jf_err_t *err = NULL;
            for (apr_size_t sent = 0; sent < length && !err; sent += 65536) {
                apr_size_t rest = length - sent;
                err = jf_upload_write(upload, data + sent, rest < 65536 ? rest : 65536);
                assert_true(reserved(fixture) <= request.quota_bytes);
            }
            if (extra) {
                jf_test_refused(err, JF_ERR_QUOTA, "one byte too many");
                jf_upload_abort(upload);
            } else {
                jf_test_ok(err, "the exact quota");
                jf_test_ok(finish(upload), "the exact quota");
                jf_fixture_expect(fixture, request.quota_bytes, 0, 1);
                jf_test_ok(jf_service_remove_area(fixture->service, JF_ALICE, fixture->pool), "a");
            }
        }
        jf_fixture_expect(fixture, 0, 0, 0);
        assert_int_equal(jf_fixture_count_objects(fixture), 0);
    }
}

static void test_long_upload_costs_few_promises(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_upload_request_t request = jf_fixture_request("a", JF_LENGTH_UNKNOWN);
    const char *data = jf_fixture_bytes(1, MEBIBYTE, fixture->pool);
    jf_upload_t *upload = begin(fixture, &request);
    apr_int64_t promised_bytes = reserved(fixture);
    int promises = 1;
    assert_in_range(promised_bytes, 1, MEBIBYTE);
    for (apr_int64_t sent = MEBIBYTE; sent <= 40 * MEBIBYTE; sent += MEBIBYTE) {
        jf_test_ok(jf_upload_write(upload, data, MEBIBYTE), "a mebibyte");
        promises += reserved(fixture) != promised_bytes;
        promised_bytes = reserved(fixture);
        assert_in_range(promised_bytes, sent, sent + STEP_MAX_BYTES);
    }
    assert_in_range(promises, 3, 8);
    jf_test_ok(finish(upload), "finish");
    jf_fixture_expect(fixture, 40 * MEBIBYTE, 0, 1);
}

static void test_known_length_is_promised_whole_at_the_start(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_upload_request_t request = jf_fixture_request("a", 70);
    jf_upload_request_t other = jf_fixture_request("b", 31);
    jf_upload_t *upload, *second;
    request.needs_area = other.needs_area = 1;
    request.quota_bytes = other.quota_bytes = 100;
    upload = begin(fixture, &request);
    assert_int_equal(reserved(fixture), 70);
    jf_test_refused(jf_upload_begin(&second, fixture->service, &other, JF_NOW_US, fixture->pool),
                    JF_ERR_QUOTA, "31 more");
    other.length_bytes = 30;
    second = begin(fixture, &other);
    jf_upload_abort(upload);
    jf_upload_abort(second);
    jf_upload_abort(second);
    assert_int_equal(reserved(fixture), 0);
}

static void test_full_area_can_replace_its_file_once_at_a_time(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_upload_request_t request = jf_fixture_request("a", 100);
    jf_upload_t *second;
    jf_fixture_put(fixture, "a", jf_fixture_bytes(1, 100, fixture->pool), 100);
    request.needs_area = 1;
    request.quota_bytes = 100;
    jf_upload_t *first = begin(fixture, &request);
    jf_test_refused(jf_upload_begin(&second, fixture->service, &request, JF_NOW_US, fixture->pool),
                    JF_ERR_QUOTA, "a second at the same time");
    jf_test_ok(jf_upload_write(first, jf_fixture_bytes(2, 100, fixture->pool), 100), "write");
    jf_test_ok(finish(first), "the first");
    second = begin(fixture, &request);
    jf_upload_abort(second);
    jf_fixture_expect(fixture, 100, 0, 1);
}

/* ---- ending early ------------------------------------------------------------------------------
 */

static void test_pool_that_goes_takes_the_upload_along(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_upload_request_t request = jf_fixture_request("a", 60000);
    unsigned char sha256[32] = {0};
    request.sha256 = sha256; /* so that there is a hash to free as well */
    jf_fixture_row(fixture, "other", 1, JF_NEVER);
    for (int i = 0; i < 4; i++) {
        int written = i / 2;
        apr_pool_t *pool;
        jf_upload_t *upload;
        request.needs_area = is_promised[i % 2];
        apr_pool_create(&pool, fixture->pool);
        jf_test_ok(jf_upload_begin(&upload, fixture->service, &request, JF_NOW_US, pool), "begin");
        if (written) {
            const char *data = jf_fixture_bytes(1, 50000, fixture->pool);
            jf_test_ok(jf_upload_write(upload, data, 50000), "write");
        }
        apr_pool_destroy(pool);
        assert_int_equal(jf_fixture_count_objects(fixture), 0);
        assert_int_equal(reserved(fixture), 0);
    }
}

static void test_abort_after_finish_is_harmless(void **state)
{
    jf_fixture_t *fixture = *state;
    for (size_t i = 0; i < JF_TEST_COUNT(is_promised); i++) {
        jf_upload_request_t request = jf_fixture_request("a", 3);
        apr_pool_t *pool;
        jf_upload_t *upload;
        jf_file_t file;
        int created;
        request.needs_area = is_promised[i];
        apr_pool_create(&pool, fixture->pool);
        jf_test_ok(jf_upload_begin(&upload, fixture->service, &request, JF_NOW_US, pool), "begin");
        jf_test_ok(jf_upload_write(upload, "abc", 3), "write");
        jf_test_ok(jf_upload_finish(&file, &created, upload, JF_NOW_US), "finish");
        jf_upload_abort(upload);
        file.object = apr_pstrdup(fixture->pool, file.object);
        file.path = "a";
        apr_pool_destroy(pool);
        jf_fixture_expect_content(fixture, &file, "abc", 3);
        jf_fixture_expect(fixture, 3, 0, 1);
    }
}

static void test_area_removed_meanwhile(void **state)
{
    jf_fixture_t *fixture = *state;
    static const apr_int64_t lengths[] = {4, JF_LENGTH_UNKNOWN};
    for (size_t i = 0; i < JF_TEST_COUNT(lengths); i++) {
        jf_upload_request_t request = jf_fixture_request("a", lengths[i]);
        request.needs_area = 1;
        jf_upload_t *upload = begin(fixture, &request);
        jf_test_ok(jf_upload_write(upload, "half", 4), "write");
        jf_test_ok(jf_service_remove_area(fixture->service, JF_ALICE, fixture->pool), "remove");
        jf_area_t area;
        jf_test_refused(finish(upload), JF_ERR_NOT_FOUND, "finish");
        jf_test_refused(jf_ledger_area_get(&area, fixture->ledger, JF_ALICE, fixture->pool),
                        JF_ERR_NOT_FOUND, "the area");
        assert_int_equal(jf_fixture_count_objects(fixture), 0);
    }
}

/* ---- disk and ledger ---------------------------------------------------------------------------
 */

/* The name of the one object in the store: its place is only known by looking. */
static jf_err_t *take_name(void *baton, const jf_store_entry_t *entry, apr_pool_t *pool)
{
    (void)pool;
    apr_cpystrn(baton, entry->name, 40);
    return NULL;
}

static const char *only_object(jf_fixture_t *fixture)
{
    char *name = apr_pcalloc(fixture->pool, 40);
    for (int i = 0; i < JF_STORE_FANOUT; i++) {
        jf_test_ok(jf_store_walk(fixture->service->store, i, take_name, name, fixture->pool), "");
    }
    return jf_store_path(fixture->service->store, name, fixture->pool);
}

static void test_full_disk_is_not_the_quota(void **state)
{
    jf_fixture_t *fixture = *state;
    static const apr_size_t lengths[] = {10, 70000}; /* seen at the end, seen at once */
    for (size_t i = 0; i < JF_TEST_COUNT(lengths); i++) {
        jf_upload_request_t request = jf_fixture_request("a", (apr_int64_t)lengths[i]);
        jf_fault_t fault;
        request.needs_area = 1; /* so that the object is there before the content */
        jf_upload_t *upload = begin(fixture, &request);
        jf_fault_begin(&fault, only_object(fixture), "/dev/full", O_WRONLY);
        const char *data = jf_fixture_bytes(1, lengths[i], fixture->pool);
        jf_err_t *err = jf_upload_write(upload, data, lengths[i]);
        err = err ? err : finish(upload);
        jf_fault_end(&fault);
        jf_test_refused(err, JF_ERR_DISK_FULL, "a full disk");
        jf_upload_abort(upload);
        assert_int_equal(jf_fixture_count_objects(fixture), 0);
        jf_fixture_expect(fixture, 0, 0, 0);
    }
}

static void test_store_that_cannot_be_written_gives_the_promise_back(void **state)
{
    jf_fixture_t *fixture = *state;
    const char *objects = apr_pstrcat(fixture->pool, fixture->directory, "/objects", NULL);
    const char *aside = apr_pstrcat(fixture->pool, fixture->directory, "/aside", NULL);
    jf_upload_request_t request = jf_fixture_request("b", 3);
    jf_upload_t *upload;
    request.needs_area = 1;
    jf_fixture_put(fixture, "a", "abc", 3);
    assert_int_equal(rename(objects, aside), 0);
    jf_test_refused(jf_upload_begin(&upload, fixture->service, &request, JF_NOW_US, fixture->pool),
                    JF_ERR_IO, "no directory");
    assert_int_equal(rename(aside, objects), 0);
    jf_fixture_expect(fixture, 3, 0, 1);
}

/* The bytes are durable and the row cannot be written: then there is no file. The bytes may stay
 * until the orphans are swept, for a commit whose sync fails may yet turn out to have happened. */
static void fail_at_the_end(jf_fixture_t *fixture, int needs_area)
{
    jf_file_t old = jf_fixture_put(fixture, "a", "old", 3);
    const char *journal = apr_pstrcat(fixture->pool, fixture->database, "-wal", NULL);
    jf_upload_request_t request = jf_fixture_request("a", 3);
    request.needs_area = needs_area;
    jf_upload_t *upload = begin(fixture, &request);
    jf_fault_t fault;
    jf_test_ok(jf_upload_write(upload, "new", 3), "write");
    jf_fault_begin(&fault, journal, journal, O_RDONLY);
    jf_err_t *err = finish(upload);
    jf_fault_end(&fault);
    jf_test_refused(err, JF_ERR_UNAVAILABLE, "finish");
    jf_test_ok(jf_ledger_retry_cancels(fixture->ledger, fixture->pool), "the promise");
    jf_fixture_expect(fixture, 3, 0, 1);

    jf_sweep_t sweep = {.service = fixture->service};
    jf_sweep_result_t result;
    apr_time_t later_us = apr_time_now() + 2 * JF_ORPHAN_AGE_US;
    jf_test_ok(jf_sweep_round(&result, &sweep, later_us, JF_ORPHAN_AGE_US, fixture->pool), "sweep");
    jf_fixture_expect_content(fixture, &old, "old", 3);
    assert_int_equal(jf_fixture_count_objects(fixture), 1);
}

static void test_ledger_that_fails_at_the_end(void **state)
{
    for (size_t i = 0; i < JF_TEST_COUNT(is_promised); i++) {
        fail_at_the_end(*state, is_promised[i]);
    }
}

/* A slow sender must hold up nobody: while bytes are awaited the ledger is free. */
static void test_waiting_upload_holds_no_lock(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_upload_request_t request = jf_fixture_request("a", JF_LENGTH_UNKNOWN);
    jf_upload_t *upload = begin(fixture, &request);
    sqlite3 *stranger = jf_crowd_stranger(fixture);
    jf_crowd_exec(stranger, "BEGIN IMMEDIATE; ROLLBACK");
    jf_test_ok(jf_upload_write(upload, "half", 4), "write");
    jf_crowd_exec(stranger, "BEGIN IMMEDIATE; ROLLBACK; PRAGMA wal_checkpoint(TRUNCATE)");
    sqlite3_close(stranger);
    jf_test_ok(finish(upload), "finish");
}

static const struct CMUnitTest tests[] = {
    JF_FIXTURE_TEST(test_unknown_length_grows_to_the_exact_quota),
    JF_FIXTURE_TEST(test_long_upload_costs_few_promises),
    JF_FIXTURE_TEST(test_known_length_is_promised_whole_at_the_start),
    JF_FIXTURE_TEST(test_full_area_can_replace_its_file_once_at_a_time),
    JF_FIXTURE_TEST(test_pool_that_goes_takes_the_upload_along),
    JF_FIXTURE_TEST(test_abort_after_finish_is_harmless),
    JF_FIXTURE_TEST(test_area_removed_meanwhile),
    JF_FIXTURE_TEST(test_full_disk_is_not_the_quota),
    JF_FIXTURE_TEST(test_store_that_cannot_be_written_gives_the_promise_back),
    JF_FIXTURE_TEST(test_ledger_that_fails_at_the_end),
    JF_FIXTURE_TEST(test_waiting_upload_holds_no_lock),
};

JF_TEST_MAIN(tests)
