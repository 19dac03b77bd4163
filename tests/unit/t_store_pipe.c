/*
 * Content that comes out of a pipe: whole in any mixture with other content, on file systems that
 * splice and those that do not, and counted like any other.
 */
#include "t_fault.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define GATHER 65536
#define MEBIBYTE (1 << 20)

/* ---- a pipe ---- */

/* With room for a mebibyte, and with @a length bytes in it. */
static void fill_pipe(int ends[2], const char *data, apr_size_t length)
{
    assert_int_equal(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
    assert_true(fcntl(ends[1], F_SETPIPE_SZ, MEBIBYTE) >= MEBIBYTE);
    for (apr_size_t done = 0; done < length;) {
        ssize_t count = write(ends[1], data + done, length - done);
        assert_true(count > 0);
        done += (apr_size_t)count;
    }
}

static void close_pipe(const int ends[2])
{
    close(ends[0]);
    close(ends[1]);
}

static jf_err_t *write_by_pipe(jf_object_t *object, const char *data, apr_size_t length)
{
    int ends[2];
    char rest;
    fill_pipe(ends, data, length);
    jf_err_t *err = jf_store_write_pipe(object, ends[0], length);
    if (!err) {
        assert_int_equal(read(ends[0], &rest, 1), -1);
        assert_int_equal(errno, EAGAIN);
    }
    close_pipe(ends);
    return err;
}

/* ---- objects ---- */

/* Every second piece goes through a pipe. */
static void write_pieces(jf_object_t *object, const char *data, const apr_size_t *pieces,
                         size_t count)
{
    for (size_t i = 0; i < count; i++) {
        jf_test_ok(i % 2 ? write_by_pipe(object, data, pieces[i])
                         : jf_store_write(object, data, pieces[i]),
                   "piece");
        data += pieces[i];
    }
}

/* @a flags: how the object's file is open instead; 0: as always. */
static void check_pieces(jf_fixture_t *fixture, const apr_size_t *pieces, size_t count, int flags)
{
    jf_fault_t fault = {0};
    apr_size_t length = 0;
    for (size_t i = 0; i < count; i++) {
        length += pieces[i];
    }
    const char *name = jf_fixture_new_name(fixture->pool);
    const char *path = jf_fixture_object_path(fixture, name);
    const char *data = jf_fixture_bytes((unsigned)length, length, fixture->pool);
    jf_object_t *object = jf_fixture_new_object(fixture, name, fixture->pool);
    if (flags) {
        jf_fault_begin(&fault, path, path, flags);
    }
    write_pieces(object, data, pieces, count);
    jf_test_ok(jf_store_finish(object), name);
    if (flags) {
        jf_fault_end(&fault);
    }
    jf_store_keep(object);
    jf_file_t file = {.path = name, .object = name, .size_bytes = (apr_int64_t)length};
    jf_fixture_expect_content(fixture, &file, data, length);
}

static const apr_size_t mixtures[][6] = {
    {0, 1, 0, MEBIBYTE, 0, 1},
    {8000, MEBIBYTE - 1, 8000, GATHER + 1, 1, 4097},
    {GATHER - 1, 1, GATHER, MEBIBYTE, GATHER + 1, 0},
    {1, 4095, 1, 4096, 1, 300000},
};

static void test_pipes_between_other_pieces(void **state)
{
    for (size_t i = 0; i < JF_TEST_COUNT(mixtures); i++) {
        check_pieces(*state, mixtures[i], JF_TEST_COUNT(mixtures[i]), 0);
    }
}

/* Nothing is spliced into a file that is open for appending. */
static void test_file_that_takes_no_part_in_splicing(void **state)
{
    for (size_t i = 0; i < JF_TEST_COUNT(mixtures); i++) {
        check_pieces(*state, mixtures[i], JF_TEST_COUNT(mixtures[i]), O_WRONLY | O_APPEND);
    }
}

static void check_fault(jf_fixture_t *fixture, const char *substitute, int flags,
                        jf_err_code_t code)
{
    jf_fault_t fault;
    const char *name = jf_fixture_new_name(fixture->pool);
    const char *path = jf_fixture_object_path(fixture, name);
    const char *data = jf_fixture_bytes(1, MEBIBYTE, fixture->pool);
    jf_object_t *object = jf_fixture_new_object(fixture, name, fixture->pool);
    jf_fault_begin(&fault, path, substitute ? substitute : path, flags);
    jf_err_t *err = write_by_pipe(object, data, MEBIBYTE);
    jf_test_refused(err, code, substitute ? substitute : "read-only");
    jf_fault_end(&fault);
    jf_store_discard(object);
    assert_false(jf_fixture_exists(path));
}

static void test_disk_that_is_full_or_broken(void **state)
{
    check_fault(*state, "/dev/full", O_WRONLY, JF_ERR_DISK_FULL);
    check_fault(*state, NULL, O_RDONLY, JF_ERR_IO);
}

/* An error, and no wait for bytes that never come. */
static void test_pipe_with_less_than_was_told(void **state)
{
    jf_fixture_t *fixture = *state;
    int ends[2];
    for (int is_closed = 0; is_closed <= 1; is_closed++) {
        const char *name = jf_fixture_new_name(fixture->pool);
        jf_object_t *object = jf_fixture_new_object(fixture, name, fixture->pool);
        fill_pipe(ends, "1234567", 7);
        if (is_closed) {
            close(ends[1]);
        }
        jf_test_refused(jf_store_write_pipe(object, ends[0], 8), JF_ERR_IO, "one byte less");
        close(ends[0]);
        if (!is_closed) {
            close(ends[1]);
        }
        jf_store_discard(object);
    }
}

/* ---- uploads ---- */

static jf_err_t *upload_by_pipe(jf_upload_t *upload, const char *data, apr_size_t length)
{
    int ends[2];
    fill_pipe(ends, data, length);
    jf_err_t *err = jf_upload_write_pipe(upload, ends[0], length);
    close_pipe(ends);
    return err;
}

static jf_upload_t *begin(jf_fixture_t *fixture, const jf_upload_request_t *request)
{
    jf_upload_t *upload = NULL;
    jf_test_ok(
        jf_upload_begin(&upload, fixture->service, request, JF_NOW_US, fixture->service_pool),
        request->path);
    return upload;
}

/* Of unknown length: the promise grows with it. */
static void test_upload_by_pipe_is_counted(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_file_t file;
    int created;
    const char *data = jf_fixture_bytes(1, 4 * MEBIBYTE, fixture->pool);
    jf_upload_request_t request = jf_fixture_request("file", JF_LENGTH_UNKNOWN);
    jf_upload_t *upload = begin(fixture, &request);
    for (int i = 0; i < 4; i++) {
        apr_size_t offset = (apr_size_t)i * MEBIBYTE;
        jf_test_ok(upload_by_pipe(upload, data + offset, MEBIBYTE), "a mebibyte");
    }
    assert_true(jf_fixture_area(fixture, JF_ALICE).reserved_bytes >= 4 * MEBIBYTE);
    jf_test_ok(jf_upload_finish(&file, &created, upload, JF_NOW_US), "finish");
    jf_fixture_expect_content(fixture, &file, data, 4 * MEBIBYTE);
    jf_fixture_expect(fixture, 4 * MEBIBYTE, 0, 1);
}

static void check_refused(jf_fixture_t *fixture, const jf_upload_request_t *request,
                          jf_err_code_t code)
{
    const char *data = jf_fixture_bytes(1, MEBIBYTE, fixture->pool);
    jf_upload_t *upload = begin(fixture, request);
    jf_err_t *err = NULL;
    for (int i = 0; i < 2 && !err; i++) {
        err = upload_by_pipe(upload, data, MEBIBYTE);
    }
    jf_test_refused(err, code, request->path);
    jf_upload_abort(upload);
    jf_fixture_expect(fixture, 0, 0, 0);
    assert_int_equal(jf_fixture_count_objects(fixture), 0);
}

static void test_limits_of_an_upload_by_pipe(void **state)
{
    jf_upload_request_t too_long = jf_fixture_request("too long", 2 * MEBIBYTE - 1);
    jf_upload_request_t too_large = jf_fixture_request("too large", JF_LENGTH_UNKNOWN);
    jf_upload_request_t beyond_quota = jf_fixture_request("beyond quota", JF_LENGTH_UNKNOWN);
    too_large.max_file_bytes = 2 * MEBIBYTE - 1;
    beyond_quota.quota_bytes = 2 * MEBIBYTE - 1;
    check_refused(*state, &too_long, JF_ERR_INVALID);
    check_refused(*state, &too_large, JF_ERR_TOO_LARGE);
    check_refused(*state, &beyond_quota, JF_ERR_QUOTA);
}

static const struct CMUnitTest tests[] = {
    JF_FIXTURE_TEST(test_pipes_between_other_pieces),
    JF_FIXTURE_TEST(test_file_that_takes_no_part_in_splicing),
    JF_FIXTURE_TEST(test_disk_that_is_full_or_broken),
    JF_FIXTURE_TEST(test_pipe_with_less_than_was_told),
    JF_FIXTURE_TEST(test_upload_by_pipe_is_counted),
    JF_FIXTURE_TEST(test_limits_of_an_upload_by_pipe),
};

JF_TEST_MAIN(tests)
