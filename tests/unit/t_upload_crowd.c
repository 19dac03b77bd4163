/*
 * Uploads at the same time: what the quota lets in, and whose content is in the file at last.
 */
#include "t_crowd.h"

#include <string.h>
#include <unistd.h>

#include <apr_atomic.h>
#include <apr_strings.h>

#define THREADS 16

typedef struct race_t {
    jf_service_t *service;
    apr_size_t length;
    apr_int64_t quota_bytes;
    int is_length_known; /* of every one, not of every other */
    int same_path;
    volatile apr_uint32_t succeeded;
    volatile apr_uint32_t wrong;
} race_t;

static void upload_one(void *baton, int number, apr_pool_t *pool)
{
    race_t *race = baton;
    const char *path = race->same_path ? "a" : apr_psprintf(pool, "%d", number);
    const char *data = jf_fixture_bytes((unsigned)number, race->length, pool);
    int is_known = race->is_length_known || number % 2;
    jf_upload_request_t request =
        jf_fixture_request(path, is_known ? (apr_int64_t)race->length : JF_LENGTH_UNKNOWN);
    request.quota_bytes = race->quota_bytes;
    request.is_client_waiting = number % 4 == 1;
    jf_file_t file;
    int created;
    jf_err_t *err =
        jf_fixture_send(&file, &created, race->service, &request, data, race->length, 1000, pool);
    if (!err) {
        apr_atomic_inc32(&race->succeeded);
    } else if (err->code != JF_ERR_QUOTA) {
        apr_atomic_inc32(&race->wrong);
    }
}

/* Number of the upload whose content @a file has, from the first 1000 bytes. */
static int author_of(jf_fixture_t *fixture, const jf_file_t *file)
{
    char head[1000];
    int fd;
    jf_test_ok(jf_store_open_object(&fd, fixture->service->store, file->object, fixture->pool),
               file->path);
    assert_int_equal(read(fd, head, sizeof(head)), sizeof(head));
    close(fd);
    for (int i = 0; i < THREADS; i++) {
        const char *data = jf_fixture_bytes((unsigned)i, sizeof(head), fixture->pool);
        if (memcmp(head, data, sizeof(head)) == 0) {
            return i;
        }
    }
    fail_msg("%s has the content of nobody", file->path);
    return -1;
}

static void check_contents(jf_fixture_t *fixture, const race_t *race)
{
    apr_array_header_t *files;
    jf_test_ok(jf_ledger_file_list(&files, fixture->ledger, JF_ALICE, "", "", 99, JF_NOW_US,
                                   fixture->pool),
               "list");
    assert_int_equal(files->nelts, race->same_path ? 1 : race->succeeded);
    assert_int_equal(files->nelts, jf_fixture_count_objects(fixture));
    for (int i = 0; i < files->nelts; i++) {
        const jf_file_t *file = &APR_ARRAY_IDX(files, i, jf_file_t);
        int author = author_of(fixture, file);
        const char *data = jf_fixture_bytes((unsigned)author, race->length, fixture->pool);
        jf_fixture_expect_content(fixture, file, data, race->length);
    }
    jf_fixture_expect(fixture, files->nelts * (apr_int64_t)race->length, 0, files->nelts);
}

static void test_parallel_uploads_stay_within_the_quota(void **state)
{
    jf_fixture_t *fixture = *state;
    race_t race = {.service = fixture->service, .length = 100000, .quota_bytes = 1050000};
    jf_crowd_threads(THREADS, upload_one, &race);
    assert_int_equal(race.wrong, 0);
    /* Those of unknown length ask for more at first, so that fewer than ten may be let in. */
    assert_in_range(race.succeeded, 1, 10);
    check_contents(fixture, &race);
}

/* Nobody holds more than he needs, so that exactly as many are let in as fit. */
static void test_parallel_small_uploads_fill_the_quota(void **state)
{
    jf_fixture_t *fixture = *state;
    race_t race = {
        .service = fixture->service, .length = 10000, .quota_bytes = 105000, .is_length_known = 1};
    jf_crowd_threads(THREADS, upload_one, &race);
    assert_int_equal(race.wrong, 0);
    assert_int_equal(race.succeeded, 10);
    check_contents(fixture, &race);
}

static void test_parallel_uploads_of_one_path_leave_one_whole_file(void **state)
{
    jf_fixture_t *fixture = *state;
    static const apr_size_t lengths[] = {200000, 20000};
    for (size_t i = 0; i < JF_TEST_COUNT(lengths); i++) {
        race_t race = {.service = fixture->service,
                       .length = lengths[i],
                       .quota_bytes = JF_UNLIMITED,
                       .same_path = 1};
        jf_crowd_threads(THREADS, upload_one, &race);
        assert_int_equal(race.wrong, 0);
        assert_int_equal(race.succeeded, THREADS);
        check_contents(fixture, &race);
    }
}

static const struct CMUnitTest tests[] = {
    JF_FIXTURE_TEST(test_parallel_uploads_stay_within_the_quota),
    JF_FIXTURE_TEST(test_parallel_small_uploads_fill_the_quota),
    JF_FIXTURE_TEST(test_parallel_uploads_of_one_path_leave_one_whole_file),
};

JF_TEST_MAIN(tests)
