/*
 * Uploads by slots: of what was promised, and of nothing that was promised.
 */
#include "t_granter.h"

#include <apr_strings.h>

#include "jf_digest.h"

/* What holds for every upload is tried with a promise and without. */
static const int is_promised[] = {0, 1};

static jf_err_t *send_file(jf_fixture_t *fixture, const jf_upload_request_t *request,
                           apr_size_t length)
{
    jf_file_t file;
    int created;
    const char *data = jf_fixture_bytes(1, length, fixture->pool);
    return jf_fixture_send(&file, &created, fixture->service, request, data, length, 50000,
                           fixture->pool);
}

/* What was promised is all there is. */
static jf_upload_request_t by_slot(const jf_slot_use_t *use, const char *path, int needs_area)
{
    jf_upload_request_t request = jf_fixture_request(path, 60);
    request.slot = use;
    request.quota_bytes = 60;
    request.needs_area = needs_area;
    return request;
}

static void remove_everything(jf_fixture_t *fixture)
{
    jf_test_ok(jf_service_remove_area(fixture->service, JF_ALICE, fixture->pool), "alice");
    assert_int_equal(jf_fixture_count_objects(fixture), 0);
}

static void test_slot_becomes_the_link(void **state)
{
    jf_fixture_t *fixture = *state;
    const char *data = jf_fixture_bytes(1, 60, fixture->pool);
    for (size_t i = 0; i < JF_TEST_COUNT(is_promised); i++) {
        jf_slot_t slot = jf_granter_grant(fixture, "chat/a", 60);
        jf_slot_use_t use = {slot.token, JF_NEVER, JF_NEVER};
        jf_upload_request_t request = by_slot(&use, "chat/a", is_promised[i]);
        jf_file_t file;
        jf_test_ok(send_file(fixture, &request, 60), "by the slot");
        jf_test_ok(
            jf_ledger_file_by_token(&file, fixture->ledger, slot.token, JF_NOW_US, fixture->pool),
            "the link");
        assert_string_equal(file.path, "chat/a");
        jf_fixture_expect_content(fixture, &file, data, 60);
        jf_fixture_expect(fixture, 60, 0, 1);
        jf_granter_expect_rows(fixture, 0, (int)i + 1);
        remove_everything(fixture);
    }
}

static void break_off(jf_fixture_t *fixture, const jf_upload_request_t *request)
{
    jf_upload_t *upload;
    apr_pool_t *pool;
    apr_pool_create(&pool, fixture->pool);
    jf_test_ok(jf_upload_begin(&upload, fixture->service, request, JF_NOW_US, pool), "begin");
    jf_test_ok(jf_upload_write(upload, "half", 4), "write");
    apr_pool_destroy(pool);
}

/* A broken connection, a wrong length, a wrong digest: the client may come again. */
static void test_upload_that_fails_leaves_the_slot_open(void **state)
{
    jf_fixture_t *fixture = *state;
    static const unsigned char wrong[JF_SHA256_BYTES] = {0};
    for (size_t i = 0; i < JF_TEST_COUNT(is_promised); i++) {
        jf_slot_t slot = jf_granter_grant(fixture, "a", 60);
        jf_slot_use_t use = {slot.token, JF_NEVER, JF_NEVER};
        jf_upload_request_t request = by_slot(&use, "a", is_promised[i]);
        jf_test_refused(send_file(fixture, &request, 59), JF_ERR_INVALID, "too short");
        jf_test_refused(send_file(fixture, &request, 61), JF_ERR_INVALID, "too long");
        request.sha256 = wrong;
        jf_test_refused(send_file(fixture, &request, 60), JF_ERR_DIGEST, "another digest");
        request.sha256 = NULL;
        break_off(fixture, &request);
        assert_int_equal(jf_fixture_count_objects(fixture), 0);
        jf_fixture_expect(fixture, 0, 60, 0);
        jf_granter_expect_rows(fixture, 1, (int)i);
        jf_test_ok(send_file(fixture, &request, 60), "once more");
        jf_granter_expect_rows(fixture, 0, (int)i + 1);
        remove_everything(fixture);
    }
}

/* Two that have begun with one token: the first that ends has it. */
static void race_to_the_end(jf_fixture_t *fixture, const char *token, int needs_area)
{
    jf_slot_use_t use = {token, JF_NEVER, JF_NEVER};
    jf_upload_request_t requests[] = {jf_fixture_request("a", 3), jf_fixture_request("b", 3)};
    jf_upload_t *uploads[2];
    jf_file_t file, late;
    int created;
    for (int i = 0; i < 2; i++) {
        requests[i].slot = &use;
        requests[i].needs_area = needs_area;
        jf_test_ok(
            jf_upload_begin(&uploads[i], fixture->service, &requests[i], JF_NOW_US, fixture->pool),
            "begin");
        jf_test_ok(jf_upload_write(uploads[i], i ? "xyz" : "abc", 3), "write");
    }
    jf_test_ok(jf_upload_finish(&file, &created, uploads[1], JF_NOW_US), "the first that ends");
    jf_test_refused(jf_upload_finish(&late, &created, uploads[0], JF_NOW_US), JF_ERR_USED,
                    "the other");
    requests[0].is_client_waiting = 1;
    jf_test_refused(
        jf_upload_begin(&uploads[0], fixture->service, &requests[0], JF_NOW_US, fixture->pool),
        JF_ERR_USED, "one more");
    jf_fixture_expect_content(fixture, &file, "xyz", 3);
    assert_string_equal(file.token, token);
}

static void test_used_slot_is_refused_at_begin_and_at_the_end(void **state)
{
    jf_fixture_t *fixture = *state;
    for (size_t i = 0; i < JF_TEST_COUNT(is_promised); i++) {
        race_to_the_end(fixture, jf_granter_token(fixture->pool), is_promised[i]);
        assert_int_equal(jf_fixture_count_objects(fixture), 1);
        jf_fixture_expect(fixture, 3, 0, 1);
        remove_everything(fixture);
    }
}

static void test_file_goes_when_the_first_of_two_says_so(void **state)
{
    jf_fixture_t *fixture = *state;
    static const struct end_t {
        apr_interval_time_t expire_us; /* by its age */
        apr_time_t slot_us;            /* by its slot */
        apr_time_t expected_us;
    } ends[] = {
        {JF_NEVER, JF_NEVER, JF_NEVER},
        {1000, JF_NEVER, JF_NOW_US + 1000},
        {JF_NEVER, JF_NOW_US + 500, JF_NOW_US + 500},
        {1000, JF_NOW_US + 999, JF_NOW_US + 999},
        {1000, JF_NOW_US + 1000, JF_NOW_US + 1000},
        {1000, JF_NOW_US + 1001, JF_NOW_US + 1000},
        {0, JF_NOW_US + 1, JF_NOW_US},
        {1000, JF_NOW_US - 1, JF_NOW_US - 1},
        {1000, 0, 0},
        {INT64_MAX, JF_NOW_US + 500, JF_NOW_US + 500},
        {INT64_MAX, JF_NEVER, JF_NEVER},
        {1000, INT64_MAX, JF_NOW_US + 1000},
    };
    for (size_t i = 0; i < JF_TEST_COUNT(ends) * JF_TEST_COUNT(is_promised); i++) {
        const struct end_t *end = &ends[i / JF_TEST_COUNT(is_promised)];
        jf_slot_use_t use = {jf_granter_token(fixture->pool), end->slot_us, JF_NEVER};
        jf_upload_request_t request =
            jf_fixture_request(apr_psprintf(fixture->pool, "%d", (int)i), 0);
        jf_file_t file = {0};
        int created;
        request.slot = &use;
        request.expire_us = end->expire_us;
        request.needs_area = is_promised[i % JF_TEST_COUNT(is_promised)];
        jf_test_ok(
            jf_fixture_send(&file, &created, fixture->service, &request, "", 0, 1, fixture->pool),
            request.path);
        assert_int_equal(file.expires_us, end->expected_us);
    }
}

static const struct CMUnitTest tests[] = {
    JF_FIXTURE_TEST(test_slot_becomes_the_link),
    JF_FIXTURE_TEST(test_upload_that_fails_leaves_the_slot_open),
    JF_FIXTURE_TEST(test_used_slot_is_refused_at_begin_and_at_the_end),
    JF_FIXTURE_TEST(test_file_goes_when_the_first_of_two_says_so),
};

JF_TEST_MAIN(tests)
