#include "t_crowd.h"
#include "t_fault.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <apr_atomic.h>
#include <apr_strings.h>

#include "jf_token.h"

static const char *alive_directory(const jf_fixture_t *fixture)
{
    return apr_pstrcat(fixture->pool, fixture->directory, "/alive", NULL);
}

static const char *file_of(const jf_fixture_t *fixture, const char *name)
{
    return apr_pstrcat(fixture->pool, alive_directory(fixture), "/", name, NULL);
}

static int is_alive(const jf_fixture_t *fixture, const char *name)
{
    int alive = -1;
    jf_test_ok(jf_alive_check(&alive, alive_directory(fixture), name, fixture->pool), name);
    return alive;
}

/* ---- one process ---- */

static void test_alive_until_the_pool_goes(void **state)
{
    jf_fixture_t *fixture = *state;
    int descriptors = jf_fault_count_descriptors();
    apr_pool_t *pool;
    jf_alive_t *alive;
    struct stat st;
    apr_pool_create(&pool, fixture->pool);
    jf_test_ok(jf_alive_enter(&alive, alive_directory(fixture), pool), "enter");
    const char *name = apr_pstrdup(fixture->pool, jf_alive_name(alive));
    assert_true(jf_token_is_hex(name));
    assert_int_equal(is_alive(fixture, name), 1);
    assert_int_equal(is_alive(fixture, name), 1); /* asking does not take the lock away */
    assert_int_equal(stat(file_of(fixture, name), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);

    apr_pool_destroy(pool);
    assert_int_equal(is_alive(fixture, name), 0);
    assert_false(jf_fixture_exists(file_of(fixture, name)));
    assert_int_equal(jf_fault_count_descriptors(), descriptors);
}

static void test_every_entry_has_its_own_name(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_alive_t *first, *second;
    apr_pool_t *pool;
    apr_pool_create(&pool, fixture->pool);
    jf_test_ok(jf_alive_enter(&first, alive_directory(fixture), fixture->pool), "first");
    jf_test_ok(jf_alive_enter(&second, alive_directory(fixture), pool), "second");
    assert_string_not_equal(jf_alive_name(first), jf_alive_name(second));
    apr_pool_destroy(pool);
    assert_int_equal(is_alive(fixture, jf_alive_name(first)), 1);
}

static void test_missing_directory(void **state)
{
    jf_fixture_t *fixture = *state;
    const char *absent = apr_pstrcat(fixture->pool, fixture->directory, "/absent", NULL);
    jf_alive_t *alive;
    jf_test_refused(jf_alive_enter(&alive, absent, fixture->pool), JF_ERR_IO, "enter");
    jf_test_refused(jf_alive_tidy(absent, fixture->pool), JF_ERR_IO, "tidy");
}

/* ---- other processes ---- */

typedef struct victim_t {
    pid_t pid;
    char name[JF_TOKEN_HEX_CHARS + 1];
} victim_t;

/* In the child: enters, tells its name, and waits to be killed. */
static void live(const char *directory, int tell)
{
    apr_pool_t *pool;
    jf_alive_t *alive;
    apr_pool_create(&pool, NULL);
    if (jf_alive_enter(&alive, directory, pool) ||
        write(tell, jf_alive_name(alive), JF_TOKEN_HEX_CHARS) != JF_TOKEN_HEX_CHARS) {
        _exit(1);
    }
    /* A program that it starts must not keep it alive. */
    if (fork() == 0) {
        execlp("sleep", "sleep", "20", (char *)NULL);
        _exit(1);
    }
    (void)!write(tell, "!", 1);
    for (;;) {
        pause();
    }
}

static victim_t give_birth(const jf_fixture_t *fixture)
{
    victim_t victim = {0};
    int tell[2];
    char ready;
    assert_int_equal(pipe(tell), 0);
    victim.pid = fork();
    if (victim.pid == 0) {
        setpgid(0, 0);
        live(alive_directory(fixture), tell[1]);
    }
    assert_true(victim.pid > 0);
    assert_int_equal(read(tell[0], victim.name, JF_TOKEN_HEX_CHARS), JF_TOKEN_HEX_CHARS);
    assert_int_equal(read(tell[0], &ready, 1), 1);
    close(tell[0]);
    close(tell[1]);
    return victim;
}

/* Kills the process alone; what it has started lives on. */
static void murder(const victim_t *victim)
{
    int status;
    assert_int_equal(kill(victim->pid, SIGKILL), 0);
    assert_int_equal(waitpid(victim->pid, &status, 0), victim->pid);
    assert_true(WIFSIGNALED(status));
}

/* Between its fork and its exec the program has the lock; then it must lose it. */
static int is_dead_soon(const jf_fixture_t *fixture, const char *name)
{
    for (int i = 0; i < 200; i++) {
        if (!is_alive(fixture, name)) {
            return 1;
        }
        usleep(20000);
    }
    return 0;
}

static void test_killed_process_is_dead(void **state)
{
    jf_fixture_t *fixture = *state;
    victim_t first = give_birth(fixture), second = give_birth(fixture);
    assert_int_equal(is_alive(fixture, first.name), 1);
    assert_int_equal(is_alive(fixture, second.name), 1);
    jf_test_ok(jf_alive_tidy(alive_directory(fixture), fixture->pool), "tidy");
    assert_int_equal(is_alive(fixture, second.name), 1);

    murder(&first);
    assert_true(is_dead_soon(fixture, first.name));
    assert_int_equal(is_alive(fixture, second.name), 1);
    assert_false(jf_fixture_exists(file_of(fixture, first.name)));

    murder(&second);
    for (int i = 0; i < 200 && jf_fixture_exists(file_of(fixture, second.name)); i++) {
        jf_test_ok(jf_alive_tidy(alive_directory(fixture), fixture->pool), "tidy");
        usleep(20000);
    }
    assert_false(jf_fixture_exists(file_of(fixture, second.name)));
    kill(-first.pid, SIGKILL);
    kill(-second.pid, SIGKILL);
}

/* ---- what lies around ---- */

static void leave_file(const char *path)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fclose(file);
}

static void test_tidy_removes_the_dead_and_nothing_else(void **state)
{
    jf_fixture_t *fixture = *state;
    static const char *const foreign[] = {"README", "0123", "0123456789ABCDEF0123456789ABCDEF",
                                          "0123456789abcdef0123456789abcdef.bak"};
    jf_alive_t *alive;
    jf_test_ok(jf_alive_enter(&alive, alive_directory(fixture), fixture->pool), "enter");
    for (size_t i = 0; i < JF_TEST_COUNT(foreign); i++) {
        leave_file(file_of(fixture, foreign[i]));
    }
    leave_file(file_of(fixture, "00000000000000000000000000000001"));
    jf_test_ok(jf_alive_tidy(alive_directory(fixture), fixture->pool), "tidy");
    assert_false(jf_fixture_exists(file_of(fixture, "00000000000000000000000000000001")));
    assert_int_equal(is_alive(fixture, jf_alive_name(alive)), 1);
    for (size_t i = 0; i < JF_TEST_COUNT(foreign); i++) {
        assert_true(jf_fixture_exists(file_of(fixture, foreign[i])));
    }
}

/* What cannot be told must be taken for alive; it must not keep the dead from being buried. */
static void test_what_cannot_be_told_is_an_error_and_stands_in_nobodys_way(void **state)
{
    jf_fixture_t *fixture = *state;
    const char *directory = "00000000000000000000000000000000";
    const char *link = "0000000000000000000000000000000f";
    const char *secret = apr_pstrcat(fixture->pool, fixture->directory, "/secret", NULL);
    int alive;
    leave_file(secret);
    assert_int_equal(mkdir(file_of(fixture, directory), 0700), 0);
    assert_int_equal(symlink("../secret", file_of(fixture, link)), 0);
    jf_test_refused(jf_alive_check(&alive, alive_directory(fixture), directory, fixture->pool),
                    JF_ERR_IO, "a directory");
    jf_test_refused(jf_alive_check(&alive, alive_directory(fixture), link, fixture->pool),
                    JF_ERR_IO, "a link");

    for (int i = 1; i < 30; i++) {
        leave_file(file_of(fixture, apr_psprintf(fixture->pool, "%032x", i * 256)));
    }
    jf_test_refused(jf_alive_tidy(alive_directory(fixture), fixture->pool), JF_ERR_IO, "tidy");
    for (int i = 1; i < 30; i++) {
        assert_false(
            jf_fixture_exists(file_of(fixture, apr_psprintf(fixture->pool, "%032x", i * 256))));
    }
    assert_true(jf_fixture_exists(secret));
}

/* ---- between the creation of the file and its lock ---------------------------------------------
 */

static void (*before_next_lock)(int fd);

/* Takes the place of the C library's, so that others come in between for certain. */
int flock(int fd, int operation)
{
    if (before_next_lock) {
        void (*come_between)(int) = before_next_lock;
        before_next_lock = NULL;
        come_between(fd);
    }
    return (int)syscall(SYS_flock, fd, operation);
}

static const char *path_of_descriptor(int fd)
{
    static char path[PATH_MAX];
    char link[64];
    (void)apr_snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof(path) - 1);
    assert_true(length > 0);
    path[length] = '\0';
    return path;
}

static void tidy_it_away(int fd)
{
    assert_int_equal(unlink(path_of_descriptor(fd)), 0);
}

static int busy_fd = -1;

static void hold_its_lock(int fd)
{
    busy_fd = open(path_of_descriptor(fd), O_RDWR | O_CLOEXEC);
    assert_int_equal(syscall(SYS_flock, busy_fd, LOCK_EX | LOCK_NB), 0);
}

static void test_entering_starts_again_if_somebody_tidies_in_between(void **state)
{
    jf_fixture_t *fixture = *state;
    static void (*const others[])(int) = {tidy_it_away, hold_its_lock};
    for (size_t i = 0; i < JF_TEST_COUNT(others); i++) {
        jf_alive_t *alive;
        before_next_lock = others[i];
        jf_test_ok(jf_alive_enter(&alive, alive_directory(fixture), fixture->pool), "enter");
        assert_null(before_next_lock);
        assert_int_equal(is_alive(fixture, jf_alive_name(alive)), 1);
    }
    close(busy_fd);
}

/* ---- entering while others tidy ---- */

typedef struct party_t {
    const char *directory;
    volatile apr_uint32_t wrong;
} party_t;

static void enter_or_tidy(void *baton, int number, apr_pool_t *pool)
{
    party_t *party = baton;
    for (int i = 0; i < 200; i++) {
        jf_alive_t *alive;
        int told = 0;
        jf_err_t *err = number % 2 ? jf_alive_tidy(party->directory, pool)
                                   : jf_alive_enter(&alive, party->directory, pool);
        if (!err && number % 2 == 0) {
            err = jf_alive_check(&told, party->directory, jf_alive_name(alive), pool);
        }
        if (err || (number % 2 == 0 && !told)) {
            apr_atomic_inc32(&party->wrong);
        }
        apr_pool_clear(pool);
    }
}

static void test_entering_while_others_tidy_is_safe(void **state)
{
    jf_fixture_t *fixture = *state;
    int descriptors = jf_fault_count_descriptors();
    party_t party = {.directory = alive_directory(fixture)};
    jf_crowd_threads(8, enter_or_tidy, &party);
    assert_int_equal(party.wrong, 0);
    jf_test_ok(jf_alive_tidy(party.directory, fixture->pool), "tidy");
    assert_int_equal(rmdir(party.directory), 0); /* so nothing is left in it */
    assert_int_equal(jf_fault_count_descriptors(), descriptors);
}

static const struct CMUnitTest tests[] = {
    JF_FIXTURE_CLOSED_TEST(test_alive_until_the_pool_goes),
    JF_FIXTURE_CLOSED_TEST(test_every_entry_has_its_own_name),
    JF_FIXTURE_CLOSED_TEST(test_missing_directory),
    JF_FIXTURE_CLOSED_TEST(test_killed_process_is_dead),
    JF_FIXTURE_CLOSED_TEST(test_tidy_removes_the_dead_and_nothing_else),
    JF_FIXTURE_CLOSED_TEST(test_what_cannot_be_told_is_an_error_and_stands_in_nobodys_way),
    JF_FIXTURE_CLOSED_TEST(test_entering_starts_again_if_somebody_tidies_in_between),
    JF_FIXTURE_CLOSED_TEST(test_entering_while_others_tidy_is_safe),
};

JF_TEST_MAIN(tests)
