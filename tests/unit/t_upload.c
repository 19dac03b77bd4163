#include "t_fault.h"

#include <string.h>
#include <unistd.h>

#include <apr_strings.h>
#include <openssl/evp.h>

#include "jf_digest.h"

#define MEBIBYTE (1 << 20)

/* What holds for every upload is tried with a promise and without. */
static const int is_promised[] = {0, 1};

static const char *old_content = "the old content";

static jf_err_t *send_file(jf_fixture_t *fixture, const jf_upload_request_t *request,
                           apr_size_t length)
{
    jf_file_t file;
    int created;
    const char *data = jf_fixture_bytes(1, length, fixture->pool);
    return jf_fixture_send(&file, &created, fixture->service, request, data, length, 50000,
                           fixture->pool);
}

static jf_err_t *try_begin(jf_fixture_t *fixture, const jf_upload_request_t *request)
{
    jf_upload_t *upload;
    return jf_upload_begin(&upload, fixture->service, request, JF_NOW_US, fixture->pool);
}

static jf_upload_t *begin(jf_fixture_t *fixture, const jf_upload_request_t *request)
{
    jf_upload_t *upload = NULL;
    jf_test_ok(jf_upload_begin(&upload, fixture->service, request, JF_NOW_US, fixture->pool),
               request->path);
    return upload;
}

/* ---- what succeeds -----------------------------------------------------------------------------
 */

static void test_upload_of_every_length(void **state)
{
    jf_fixture_t *fixture = *state;
    static const apr_size_t lengths[] = {0, 1, 65535, 65536, 65537, MEBIBYTE + 1, 3 * MEBIBYTE};
    static const apr_size_t pieces[] = {1000, 65536, 4 * MEBIBYTE};
    apr_int64_t used_bytes = 0;
    for (size_t i = 0; i < JF_TEST_COUNT(lengths); i++) {
        for (size_t j = 0; j < JF_TEST_COUNT(pieces); j++) {
            const char *path = apr_psprintf(fixture->pool, "%d/%d", (int)i, (int)j);
            const char *data = jf_fixture_bytes((unsigned)i, lengths[i], fixture->pool);
            jf_upload_request_t request =
                jf_fixture_request(path, j ? (apr_int64_t)lengths[i] : JF_LENGTH_UNKNOWN);
            jf_file_t file;
            int created = -1;
            jf_test_ok(jf_fixture_send(&file, &created, fixture->service, &request, data,
                                       lengths[i], pieces[j], fixture->pool),
                       path);
            assert_int_equal(created, 1);
            jf_fixture_expect_content(fixture, &file, data, lengths[i]);
            used_bytes += (apr_int64_t)lengths[i];
        }
    }
    jf_fixture_expect(fixture, used_bytes, 0,
                      (apr_int64_t)(JF_TEST_COUNT(lengths) * JF_TEST_COUNT(pieces)));
}

static void test_file_is_what_the_request_says(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_upload_request_t request = jf_fixture_request("docs/a", 7);
    jf_file_t file, found;
    int created;
    request.media_type = "text/plain";
    request.expire_us = 1000;
    jf_test_ok(jf_fixture_send(&file, &created, fixture->service, &request, "content", 7, 3,
                               fixture->pool),
               "docs/a");
    jf_test_ok(
        jf_ledger_file_by_token(&found, fixture->ledger, file.token, JF_NOW_US, fixture->pool),
        "the link");
    assert_string_equal(found.jid, JF_ALICE);
    assert_string_equal(found.path, "docs/a");
    assert_string_equal(found.media_type, "text/plain");
    assert_string_equal(found.object, file.object);
    assert_int_equal(found.created_us, JF_NOW_US);
    assert_int_equal(found.expires_us, JF_NOW_US + 1000);
    assert_null(found.sha256);
}

static void test_replacement_takes_the_place_of_the_old_content(void **state)
{
    jf_fixture_t *fixture = *state;
    for (size_t i = 0; i < JF_TEST_COUNT(is_promised); i++) {
        jf_file_t old = jf_fixture_put(fixture, "a", old_content, strlen(old_content));
        jf_upload_request_t request = jf_fixture_request("a", 3);
        jf_file_t file;
        int created = -1;
        request.needs_area = is_promised[i];
        jf_upload_t *upload = begin(fixture, &request);
        jf_test_ok(jf_upload_write(upload, "new", 3), "a");
        jf_fixture_expect_content(fixture, &old, old_content, strlen(old_content));
        jf_test_ok(jf_upload_finish(&file, &created, upload, JF_NOW_US), "a");
        assert_int_equal(created, 0);
        assert_string_equal(file.token, old.token);
        jf_fixture_expect_content(fixture, &file, "new", 3);
        assert_int_equal(jf_fixture_count_objects(fixture), 1);
        jf_fixture_expect(fixture, 3, 0, 1);
    }
}

static void test_download_in_progress_keeps_the_old_content(void **state)
{
    jf_fixture_t *fixture = *state;
    char found[64];
    int fd;
    jf_file_t old = jf_fixture_put(fixture, "a", old_content, strlen(old_content));
    jf_test_ok(jf_store_open_object(&fd, fixture->service->store, old.object, fixture->pool),
               "open");
    jf_fixture_put(fixture, "a", "new", 3);
    assert_int_equal(read(fd, found, sizeof(found)), strlen(old_content));
    assert_memory_equal(found, old_content, strlen(old_content));
    close(fd);
}

/* ---- what is refused leaves what was there -----------------------------------------------------
 */

typedef struct refusal_t {
    const char *name;
    apr_int64_t announced_bytes;
    apr_size_t sent_bytes;
    apr_int64_t max_file_bytes;
    apr_int64_t quota_bytes;
    jf_err_code_t code;
    int is_refused_at_begin; /* of a small upload if the client waits for it */
} refusal_t;

static const refusal_t refusals[] = {
    {"too large", 101, 101, 100, JF_UNLIMITED, JF_ERR_TOO_LARGE, 1},
    {"too large, chunked", JF_LENGTH_UNKNOWN, 101, 100, JF_UNLIMITED, JF_ERR_TOO_LARGE, 0},
    {"too large in the second piece", JF_LENGTH_UNKNOWN, 90000, 60000, JF_UNLIMITED,
     JF_ERR_TOO_LARGE, 0},
    {"over quota", 101, 101, JF_UNLIMITED, 100, JF_ERR_QUOTA, 1},
    {"over quota, chunked", JF_LENGTH_UNKNOWN, 101, JF_UNLIMITED, 100, JF_ERR_QUOTA, 0},
    {"over quota in the second piece", JF_LENGTH_UNKNOWN, 90000, JF_UNLIMITED, 60000, JF_ERR_QUOTA,
     0},
    {"over quota by one byte, far out", JF_LENGTH_UNKNOWN, 3 * MEBIBYTE + 1, JF_UNLIMITED,
     3 * MEBIBYTE, JF_ERR_QUOTA, 0},
    {"too large and over quota", 101, 101, 100, 100, JF_ERR_TOO_LARGE, 1},
    {"more than announced", 100, 101, JF_UNLIMITED, JF_UNLIMITED, JF_ERR_INVALID, 0},
    {"much more than announced", 1, 200000, JF_UNLIMITED, JF_UNLIMITED, JF_ERR_INVALID, 0},
    {"something where nothing was announced", 0, 1, JF_UNLIMITED, JF_UNLIMITED, JF_ERR_INVALID, 0},
    {"less than announced", 100, 99, JF_UNLIMITED, JF_UNLIMITED, JF_ERR_INVALID, 0},
    {"nothing where something was announced", 1, 0, JF_UNLIMITED, JF_UNLIMITED, JF_ERR_INVALID, 0},
};

static void expect_only_the_old_file(jf_fixture_t *fixture, const jf_file_t *old)
{
    jf_fixture_expect_content(fixture, old, old_content, strlen(old_content));
    jf_fixture_expect(fixture, (apr_int64_t)strlen(old_content), 0, 1);
    assert_int_equal(jf_fixture_count_objects(fixture), 1);
}

static void refuse(jf_fixture_t *fixture, const refusal_t *refusal, int needs_area,
                   const jf_file_t *old)
{
    jf_upload_request_t request = jf_fixture_request("a", refusal->announced_bytes);
    request.max_file_bytes = refusal->max_file_bytes;
    request.quota_bytes = refusal->quota_bytes;
    request.needs_area = needs_area;
    jf_test_refused(send_file(fixture, &request, refusal->sent_bytes), refusal->code,
                    refusal->name);
    if (refusal->is_refused_at_begin) {
        request.is_client_waiting = 1;
        jf_test_refused(try_begin(fixture, &request), refusal->code, refusal->name);
    }
    expect_only_the_old_file(fixture, old);
}

static void test_refused_upload_leaves_nothing(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_file_t old = jf_fixture_put(fixture, "a", old_content, strlen(old_content));
    expect_only_the_old_file(fixture, &old); /* and connections are open from here on */
    const char *instance;
    jf_test_ok(jf_service_instance(&instance, fixture->service, fixture->pool), "and this mark");
    int descriptors = jf_fault_count_descriptors();
    for (size_t i = 0; i < JF_TEST_COUNT(refusals); i++) {
        for (size_t j = 0; j < JF_TEST_COUNT(is_promised); j++) {
            refuse(fixture, &refusals[i], is_promised[j], &old);
        }
    }
    assert_int_equal(jf_fault_count_descriptors(), descriptors);
}

static void test_too_large_has_the_facts(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_upload_request_t request = jf_fixture_request("a", 101);
    request.max_file_bytes = 100;
    jf_err_t *err = send_file(fixture, &request, 101);
    jf_test_refused(err, JF_ERR_TOO_LARGE, "101");
    assert_int_equal(err->limit_bytes, 100);
    assert_int_equal(err->required_bytes, 101);
}

static void test_precondition_is_judged_before_the_content(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_file_t old = jf_fixture_put(fixture, "a", old_content, strlen(old_content));
    jf_upload_request_t request = jf_fixture_request("a", 3);
    request.precondition = jf_fixture_if_none();
    for (size_t i = 0; i < JF_TEST_COUNT(is_promised); i++) {
        request.needs_area = is_promised[i];
        request.is_client_waiting = !is_promised[i];
        jf_test_refused(try_begin(fixture, &request), JF_ERR_PRECONDITION, "if none");
        expect_only_the_old_file(fixture, &old);
    }
}

static void test_precondition_is_judged_again_at_the_end(void **state)
{
    jf_fixture_t *fixture = *state;
    for (size_t i = 0; i < JF_TEST_COUNT(is_promised); i++) {
        jf_upload_request_t request = jf_fixture_request("a", 3);
        jf_file_t file;
        int created;
        request.precondition = jf_fixture_if_none();
        request.needs_area = is_promised[i];
        jf_upload_t *upload = begin(fixture, &request);
        jf_test_ok(jf_upload_write(upload, "new", 3), "a");
        jf_file_t old = jf_fixture_put(fixture, "a", old_content, strlen(old_content));
        jf_test_refused(jf_upload_finish(&file, &created, upload, JF_NOW_US), JF_ERR_PRECONDITION,
                        "somebody was faster");
        expect_only_the_old_file(fixture, &old);
        jf_test_ok(jf_service_remove_area(fixture->service, JF_ALICE, fixture->pool), "alice");
    }
}

/* ---- digest ------------------------------------------------------------------------------------
 */

static void test_digest_is_verified(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_file_t old = jf_fixture_put(fixture, "a", old_content, strlen(old_content));
    unsigned char sha256[EVP_MAX_MD_SIZE];
    static const struct {
        apr_size_t length;
        apr_int64_t announced_bytes;
    } uploads[] = {{100000, 100000}, {100000, JF_LENGTH_UNKNOWN}, {60000, 60000}, {1, 1}};
    for (size_t i = 0; i < JF_TEST_COUNT(uploads); i++) {
        apr_size_t length = uploads[i].length;
        const char *data = jf_fixture_bytes(1, length, fixture->pool);
        assert_int_equal(EVP_Digest(data, length, sha256, NULL, EVP_sha256(), NULL), 1);
        jf_upload_request_t request = jf_fixture_request("a", uploads[i].announced_bytes);
        request.sha256 = sha256;
        sha256[31] ^= 1;
        jf_test_refused(send_file(fixture, &request, length), JF_ERR_DIGEST, "one bit");
        expect_only_the_old_file(fixture, &old);
        sha256[31] ^= 1;
        request.path = "b";
        jf_test_ok(send_file(fixture, &request, length), "the right digest");
        jf_file_t file;
        jf_test_ok(
            jf_ledger_file_by_path(&file, fixture->ledger, JF_ALICE, "b", JF_NOW_US, fixture->pool),
            "b");
        assert_memory_equal(file.sha256, sha256, JF_SHA256_BYTES);
        jf_fixture_expect_content(fixture, &file, data, length);
        jf_test_ok(jf_service_remove_file(fixture->service, JF_ALICE, "b", &(jf_precondition_t){0},
                                          JF_NOW_US, fixture->pool),
                   "b");
    }
}

static void test_digest_of_nothing(void **state)
{
    jf_fixture_t *fixture = *state;
    unsigned char sha256[EVP_MAX_MD_SIZE];
    jf_upload_request_t request = jf_fixture_request("a", 0);
    assert_int_equal(EVP_Digest("", 0, sha256, NULL, EVP_sha256(), NULL), 1);
    request.sha256 = sha256;
    jf_test_ok(send_file(fixture, &request, 0), "an empty file");
    jf_fixture_expect(fixture, 0, 0, 1);
}

static const struct CMUnitTest tests[] = {
    JF_FIXTURE_TEST(test_upload_of_every_length),
    JF_FIXTURE_TEST(test_file_is_what_the_request_says),
    JF_FIXTURE_TEST(test_replacement_takes_the_place_of_the_old_content),
    JF_FIXTURE_TEST(test_download_in_progress_keeps_the_old_content),
    JF_FIXTURE_TEST(test_refused_upload_leaves_nothing),
    JF_FIXTURE_TEST(test_too_large_has_the_facts),
    JF_FIXTURE_TEST(test_precondition_is_judged_before_the_content),
    JF_FIXTURE_TEST(test_precondition_is_judged_again_at_the_end),
    JF_FIXTURE_TEST(test_digest_is_verified),
    JF_FIXTURE_TEST(test_digest_of_nothing),
};

JF_TEST_MAIN(tests)
