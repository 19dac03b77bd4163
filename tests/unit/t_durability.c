/*
 * What is synced, in which order, and what happens when syncing fails. The calls of the C library
 * are replaced by ones that keep a log: "o" object synced, "d" its directory, "w" the ledger's
 * journal, "b" the ledger itself, "u" an object removed, "?" anything else.
 */
#include "t_crowd.h"
#include "t_fault.h"
#include "t_granter.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <apr_strings.h>

#include "jf_sweep.h"
#include "jf_token.h"

/* ---- the log -----------------------------------------------------------------------------------
 */

static char events[64];
static char failing_event; /* this kind fails with failing_errno */
static int failing_errno;
static void (*when_failing)(void);

static void log_event(char event)
{
    size_t length = strlen(events);
    if (length < sizeof(events) - 1) {
        events[length] = event;
        events[length + 1] = '\0';
    }
}

static void forget_events(void)
{
    events[0] = '\0';
}

static char kind_of_descriptor(int fd)
{
    char path[PATH_MAX] = "";
    char link[64];
    apr_snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    if (readlink(link, path, sizeof(path) - 1) < 0) {
        return '?';
    }
    const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    if (strcmp(name, "ledger.db-wal") == 0) {
        return 'w';
    }
    if (strcmp(name, "ledger.db") == 0) {
        return 'b';
    }
    if (jf_token_is_hex(name)) {
        return 'o';
    }
    return strstr(path, "/objects/") ? 'd' : '?';
}

static int sync_descriptor(int fd, long number)
{
    char event = kind_of_descriptor(fd);
    log_event(event);
    if (event == failing_event) {
        if (when_failing) {
            when_failing();
        }
        errno = failing_errno;
        return -1;
    }
    return (int)syscall(number, fd);
}

int fsync(int fd)
{
    return sync_descriptor(fd, SYS_fsync);
}

int fdatasync(int fildes)
{
    return sync_descriptor(fildes, SYS_fdatasync);
}

int unlinkat(int fd, const char *name, int flag)
{
    log_event('u');
    return (int)syscall(SYS_unlinkat, fd, name, flag);
}

static void fail_from_now_on(char event, int error)
{
    failing_event = event;
    failing_errno = error;
}

/* ---- the order ---------------------------------------------------------------------------------
 */

/* With a promise or without. */
static void replace(jf_fixture_t *fixture, int needs_area, jf_durability_t durability,
                    const char *expected)
{
    jf_upload_request_t request = jf_fixture_request("a", 3);
    jf_upload_t *upload;
    jf_file_t file;
    int created;
    request.needs_area = needs_area;
    jf_test_ok(jf_fixture_open(fixture, durability), "open");
    jf_fixture_put(fixture, "a", "old", 3);
    forget_events();
    jf_test_ok(jf_upload_begin(&upload, fixture->service, &request, JF_NOW_US, fixture->pool), "a");
    jf_test_ok(jf_upload_write(upload, "new", 3), "a");
    assert_string_equal(events, ""); /* a promise is not worth a sync */
    jf_test_ok(jf_upload_finish(&file, &created, upload, JF_NOW_US), "a");
    assert_string_equal(events, expected);
    jf_fixture_close(fixture);
}

static void check_replacement(jf_fixture_t *fixture, jf_durability_t durability,
                              const char *expected)
{
    replace(fixture, 0, durability, expected);
    replace(fixture, 1, durability, expected);
}

static void test_object_then_row_then_removal_of_the_old(void **state)
{
    check_replacement(*state, JF_DURABILITY_FULL, "odwu");
}

static void test_relaxed_upload_syncs_nothing(void **state)
{
    check_replacement(*state, JF_DURABILITY_RELAXED, "u");
}

static void test_row_is_durably_gone_before_its_bytes_go(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_precondition_t always = {0};
    jf_sweep_t sweep = {.service = NULL};
    jf_sweep_result_t result;
    jf_test_ok(jf_fixture_open(fixture, JF_DURABILITY_FULL), "open");
    jf_fixture_put(fixture, "a", "x", 1);
    jf_fixture_put(fixture, "b", "x", 1);
    forget_events();
    jf_test_ok(
        jf_service_remove_file(fixture->service, JF_ALICE, "a", &always, JF_NOW_US, fixture->pool),
        "a");
    assert_string_equal(events, "wu");
    forget_events();
    jf_test_ok(jf_service_remove_area(fixture->service, JF_ALICE, fixture->pool), "alice");
    assert_string_equal(events, "wu");

    jf_fixture_row(fixture, "c", 1, JF_NOW_US);
    forget_events();
    sweep.service = fixture->service;
    jf_test_ok(jf_sweep_round(&result, &sweep, JF_NOW_US, 0, fixture->pool), "sweep");
    assert_int_equal(result.expired_files, 1);
    assert_string_equal(events, "wu");
}

/* Nobody was told yet that a file is there. That the token is used is as durable as the file. */
static void test_slot_is_a_promise_until_it_is_used(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_upload_request_t request = jf_fixture_request("a", 3);
    jf_upload_t *upload;
    jf_file_t file;
    int created;
    jf_test_ok(jf_fixture_open(fixture, JF_DURABILITY_FULL), "open");
    jf_fixture_put(fixture, "other", "x", 1);
    forget_events();
    jf_slot_t slot = jf_granter_grant(fixture, "a", 3);
    jf_slot_use_t use = {slot.token, JF_NEVER, JF_NEVER};
    request.slot = &use;
    request.needs_area = 1;
    jf_test_ok(jf_upload_begin(&upload, fixture->service, &request, JF_NOW_US, fixture->pool), "a");
    jf_test_ok(jf_upload_write(upload, "abc", 3), "a");
    assert_string_equal(events, "");
    jf_test_ok(jf_upload_finish(&file, &created, upload, JF_NOW_US), "a");
    assert_string_equal(events, "odw");
}

/* ---- failures ----------------------------------------------------------------------------------
 */

static void test_sync_that_fails_fails_the_upload(void **state)
{
    jf_fixture_t *fixture = *state;
    static const struct {
        char event;
        int error;
        jf_err_code_t code;
    } failures[] = {
        {'o', EIO, JF_ERR_IO}, {'o', ENOSPC, JF_ERR_DISK_FULL}, {'o', EDQUOT, JF_ERR_DISK_FULL},
        {'d', EIO, JF_ERR_IO}, {'d', ENOSPC, JF_ERR_DISK_FULL}, {'w', EIO, JF_ERR_UNAVAILABLE},
    };
    jf_test_ok(jf_fixture_open(fixture, JF_DURABILITY_FULL), "open");
    jf_file_t old = jf_fixture_put(fixture, "a", "old", 3);
    jf_upload_request_t request = jf_fixture_request("a", 3);
    for (size_t i = 0; i < 2 * JF_TEST_COUNT(failures); i++) {
        size_t failure = i / 2;
        jf_upload_t *upload;
        jf_file_t file;
        int created;
        request.needs_area = i % 2 == 1;
        jf_test_ok(jf_upload_begin(&upload, fixture->service, &request, JF_NOW_US, fixture->pool),
                   "begin");
        jf_test_ok(jf_upload_write(upload, "new", 3), "write");
        fail_from_now_on(failures[failure].event, failures[failure].error);
        jf_err_t *err = jf_upload_finish(&file, &created, upload, JF_NOW_US);
        fail_from_now_on('\0', 0);
        jf_test_refused(err, failures[failure].code, "a sync that fails");
        jf_test_ok(jf_ledger_retry_cancels(fixture->ledger, fixture->pool), "cancel");
        jf_fixture_expect_content(fixture, &old, "old", 3);
        jf_fixture_expect(fixture, 3, 0, 1);
    }
}

/* From here on the journal can neither be synced nor written. */
static const char *broken_journal;
static jf_fault_t broken;

static void break_journal(void)
{
    if (broken.count == 0) {
        jf_fault_begin(&broken, broken_journal, broken_journal, O_RDONLY);
    }
}

static int replace_on_a_dying_disk(void *baton)
{
    jf_fixture_t *fixture = baton;
    jf_upload_request_t request = jf_fixture_request("a", 3);
    jf_upload_t *upload;
    jf_file_t file;
    int created;
    broken_journal = apr_pstrcat(fixture->pool, fixture->database, "-wal", NULL);
    if (jf_fixture_open(fixture, JF_DURABILITY_FULL) ||
        jf_upload_begin(&upload, fixture->service, &request, JF_NOW_US, fixture->pool) ||
        jf_upload_write(upload, "new", 3)) {
        return 1;
    }
    when_failing = break_journal;
    fail_from_now_on('w', EIO);
    if (!jf_upload_finish(&file, &created, upload, JF_NOW_US)) {
        return 2;
    }
    raise(SIGKILL);
    return 3;
}

/*
 * The commit is in the journal, its sync fails, nothing can be written any more, the process dies.
 * Whoever opens the ledger next finds a valid commit in the journal: the upload that was said to
 * have failed has succeeded. Then its bytes must be there.
 */
static void test_row_that_comes_back_with_the_journal_has_its_object(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_file_t file;
    jf_test_ok(jf_fixture_open(fixture, JF_DURABILITY_FULL), "open");
    jf_fixture_put(fixture, "a", "old", 3);
    jf_fixture_close(fixture);
    int status = jf_crowd_child(replace_on_a_dying_disk, fixture);
    assert_true(WIFSIGNALED(status));

    jf_test_ok(jf_fixture_open(fixture, JF_DURABILITY_FULL), "open");
    jf_test_ok(
        jf_ledger_file_by_path(&file, fixture->ledger, JF_ALICE, "a", JF_NOW_US, fixture->pool),
        "a");
    jf_test_ok(jf_store_check(fixture->service->store, file.object, 3, fixture->pool),
               "the object of the file");
}

static const struct CMUnitTest tests[] = {
    JF_FIXTURE_CLOSED_TEST(test_object_then_row_then_removal_of_the_old),
    JF_FIXTURE_CLOSED_TEST(test_relaxed_upload_syncs_nothing),
    JF_FIXTURE_CLOSED_TEST(test_row_is_durably_gone_before_its_bytes_go),
    JF_FIXTURE_CLOSED_TEST(test_slot_is_a_promise_until_it_is_used),
    JF_FIXTURE_CLOSED_TEST(test_sync_that_fails_fails_the_upload),
    JF_FIXTURE_CLOSED_TEST(test_row_that_comes_back_with_the_journal_has_its_object),
};

JF_TEST_MAIN(tests)
