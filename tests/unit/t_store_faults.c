/*
 * Writing to disks that are full or broken, beyond limits, and through interruptions.
 */
#include "t_crowd.h"
#include "t_fault.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <apr_strings.h>

#define GATHER 65536
#define MEBIBYTE (1 << 20)

/* ---- full and broken disks ---- */

/* Writes and finishes while the descriptor of the object is not what it was. */
static void check_fault(jf_fixture_t *fixture, const char *substitute, int flags, apr_size_t piece,
                        jf_err_code_t code)
{
    apr_pool_t *pool;
    jf_fault_t fault;
    apr_pool_create(&pool, fixture->pool);
    const char *name = jf_fixture_new_name(fixture->pool);
    const char *data = jf_fixture_bytes(1, piece, pool);
    jf_object_t *object = jf_fixture_new_object(fixture, name, pool);
    const char *path = jf_fixture_object_path(fixture, name);
    jf_fault_begin(&fault, path, substitute ? substitute : path, flags);
    jf_err_t *err = jf_store_write(object, data, piece);
    if (!err) {
        err = jf_store_finish(object);
    }
    jf_test_refused(err, code, substitute ? substitute : "read-only");
    jf_fault_end(&fault);
    apr_pool_destroy(pool);
    assert_false(jf_fixture_exists(jf_fixture_object_path(fixture, name)));
}

static void test_disk_that_is_full_or_broken(void **state)
{
    jf_fixture_t *fixture = *state;
    static const apr_size_t pieces[] = {1, GATHER - 1, GATHER, GATHER + 1};
    for (size_t i = 0; i < JF_TEST_COUNT(pieces); i++) {
        check_fault(fixture, "/dev/full", O_WRONLY, pieces[i], JF_ERR_DISK_FULL);
        check_fault(fixture, NULL, O_RDONLY, pieces[i], JF_ERR_IO);
    }
}

static int write_beyond_limit(void *baton)
{
    jf_fixture_t *fixture = baton;
    struct rlimit limit = {100000, 100000};
    jf_object_t *object;
    signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) {
        return 1;
    }
    const char *name = jf_fixture_new_name(fixture->pool);
    const char *data = jf_fixture_bytes(1, MEBIBYTE, fixture->pool);
    if (jf_store_new_object(&object, fixture->service->store, name, fixture->pool)) {
        return 2;
    }
    jf_err_t *err = jf_store_write(object, data, MEBIBYTE);
    if (!err || err->code != JF_ERR_IO || err->status != EFBIG) {
        return 3;
    }
    jf_store_discard(object);
    return jf_fixture_exists(jf_fixture_object_path(fixture, name)) ? 4 : 0;
}

/* The first write comes back short, the second fails. */
static void test_file_above_the_limit_of_the_process(void **state)
{
    int status = jf_crowd_child(write_beyond_limit, *state);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

typedef struct slow_reader_t {
    pthread_t writer;
    int fd;
    char *found;
    apr_size_t count;
} slow_reader_t;

/* Interrupts the writer twice before each read: the first signal cuts a write short that has begun,
 * the second stops one that finds the pipe still full. */
static void *read_slowly(void *data)
{
    slow_reader_t *reader = data;
    ssize_t got = 1;
    while (reader->count < MEBIBYTE && got > 0) {
        for (int i = 0; i < 2; i++) {
            usleep(1000);
            pthread_kill(reader->writer, SIGUSR1);
        }
        usleep(1000);
        got = read(reader->fd, reader->found + reader->count, 16384);
        reader->count += got > 0 ? (apr_size_t)got : 0;
    }
    return NULL;
}

static void do_nothing(int number)
{
    (void)number;
}

/* The object is a pipe that is full most of the time. */
static void test_interrupted_writes_lose_nothing(void **state)
{
    jf_fixture_t *fixture = *state;
    struct sigaction action = {.sa_handler = do_nothing}; /* without SA_RESTART */
    const char *name = jf_fixture_new_name(fixture->pool);
    const char *data = jf_fixture_bytes(1, MEBIBYTE, fixture->pool);
    slow_reader_t reader = {.writer = pthread_self(), .found = apr_palloc(fixture->pool, MEBIBYTE)};
    jf_fault_t fault;
    pthread_t thread;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
    jf_object_t *object = jf_fixture_new_object(fixture, name, fixture->pool);
    jf_fault_begin(&fault, jf_fixture_object_path(fixture, name),
                   apr_psprintf(fixture->pool, "/proc/self/fd/%d", ends[1]), O_WRONLY);
    close(ends[1]);
    reader.fd = ends[0];
    assert_int_equal(pthread_create(&thread, NULL, read_slowly, &reader), 0);
    jf_err_t *err = jf_store_write(object, data, MEBIBYTE);
    jf_fault_end(&fault);
    pthread_join(thread, NULL);
    close(ends[0]);
    jf_store_discard(object);
    jf_test_ok(err, "a mebibyte");
    assert_int_equal(reader.count, MEBIBYTE);
    assert_memory_equal(reader.found, data, MEBIBYTE);
}

static const struct CMUnitTest tests[] = {
    JF_FIXTURE_TEST(test_disk_that_is_full_or_broken),
    JF_FIXTURE_TEST(test_file_above_the_limit_of_the_process),
    JF_FIXTURE_TEST(test_interrupted_writes_lose_nothing),
};

JF_TEST_MAIN(tests)
