#include "t_crowd.h"
#include "t_fault.h"
#include "t_granter.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <apr_strings.h>

#include "jf_sweep.h"

#define A_LONG_TIME_US (3600 * APR_USEC_PER_SEC)
#define AGED_US (JF_NOW_US - JF_ORPHAN_AGE_US)

static jf_sweep_result_t sweep(jf_fixture_t *fixture, apr_time_t now_us)
{
    jf_sweep_t state = {.service = fixture->service};
    jf_sweep_result_t result;
    jf_test_ok(jf_sweep_round(&result, &state, now_us, A_LONG_TIME_US, fixture->pool), "sweep");
    return result;
}

static const char *in_store(jf_fixture_t *fixture, const char *path)
{
    return apr_pstrcat(fixture->pool, fixture->directory, "/", path, NULL);
}

static void set_modified(const char *path, apr_time_t modified_us)
{
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT},
                                {.tv_sec = (time_t)apr_time_sec(modified_us),
                                 .tv_nsec = (long)apr_time_usec(modified_us) * 1000}};
    assert_int_equal(utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW), 0);
}

/* A file that was last written at @a modified_us. */
static const char *leave_file(const char *path, apr_time_t modified_us)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs("x", file) >= 0);
    fclose(file);
    set_modified(path, modified_us);
    return path;
}

/* An object that nothing points to, in directory @a directory. */
static const char *leave_orphan(jf_fixture_t *fixture, int directory, apr_time_t modified_us)
{
    const char *name = jf_fixture_new_name(fixture->pool);
    name = apr_psprintf(fixture->pool, "%02x%s", directory, name + 2);
    return leave_file(jf_fixture_object_path(fixture, name), modified_us);
}

/* A directory where the bytes of an object should be: it cannot be removed. */
static void make_unremovable(jf_fixture_t *fixture, const char *object)
{
    const char *path = jf_fixture_object_path(fixture, object);
    (void)remove(path);
    assert_int_equal(mkdir(path, 0700), 0);
}

/* A promise by a process that is no more, with an object. */
static const char *leave_promise(jf_fixture_t *fixture, const char *path, const char *instance)
{
    jf_reserve_t reserve = jf_fixture_reserve(path, 10, fixture->pool);
    apr_int64_t promised_bytes;
    reserve.instance = instance;
    jf_test_ok(
        jf_ledger_reserve(&promised_bytes, fixture->ledger, &reserve, JF_NOW_US, fixture->pool),
        path);
    leave_file(jf_fixture_object_path(fixture, reserve.object), JF_NOW_US);
    return reserve.object;
}

/* ---- expiry ------------------------------------------------------------------------------------
 */

static void test_expired_files_go_with_their_bytes(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_upload_request_t request = jf_fixture_request("short-lived", 3);
    jf_upload_t *upload;
    jf_file_t file;
    int created;
    request.expire_us = 1000;
    jf_test_ok(jf_upload_begin(&upload, fixture->service, &request, JF_NOW_US, fixture->pool), "a");
    jf_test_ok(jf_upload_write(upload, "abc", 3), "a");
    jf_test_ok(jf_upload_finish(&file, &created, upload, JF_NOW_US), "a");
    jf_file_t kept = jf_fixture_put(fixture, "kept", "xyz", 3);

    assert_int_equal(sweep(fixture, JF_NOW_US + 999).expired_files, 0);
    jf_fixture_expect_content(fixture, &file, "abc", 3);
    assert_int_equal(sweep(fixture, JF_NOW_US + 1000).expired_files, 1);
    assert_false(jf_fixture_exists(jf_fixture_object_path(fixture, file.object)));
    jf_fixture_expect_content(fixture, &kept, "xyz", 3);
    jf_fixture_expect(fixture, 3, 0, 1);
    assert_int_equal(sweep(fixture, JF_NOW_US + 1000).expired_files, 0);
}

/* More than one transaction's worth; and one whose bytes cannot be removed is in nobody's way. */
static void test_many_expired_files_go_in_one_round(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_sweep_t state_of_sweep = {.service = fixture->service};
    jf_sweep_result_t result;
    for (int i = 0; i < 250; i++) {
        jf_file_t file =
            jf_fixture_row(fixture, apr_psprintf(fixture->pool, "%03d", i), 1, JF_NOW_US - i);
        if (i % 50 == 0) {
            make_unremovable(fixture, file.object);
        }
    }
    jf_test_refused(
        jf_sweep_round(&result, &state_of_sweep, JF_NOW_US, A_LONG_TIME_US, fixture->pool),
        JF_ERR_IO, "directories in the place of objects");
    assert_int_equal(result.expired_files, 250);
    jf_fixture_expect(fixture, 0, 0, 0);
}

/* ---- slots ------------------------------------------------------------------------------------
 */

/* A token that was used, of which nobody needs to know after @a forget_us. */
static const char *use_token(jf_fixture_t *fixture, const char *path, apr_time_t forget_us)
{
    jf_granter_upload_t *upload =
        jf_granter_upload(jf_granter_token(fixture->pool), path, 0, fixture->pool);
    upload->use.forget_us = forget_us;
    jf_test_ok(jf_granter_begin(upload, fixture->ledger, fixture->pool), path);
    jf_test_ok(jf_granter_end(upload, fixture->ledger, fixture->pool), path);
    return upload->use.token;
}

static void test_slots_live_until_their_time(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_slot_t slot = jf_granter_grant(fixture, "a", 60);
    jf_granter_grant(fixture, "b", 5);
    use_token(fixture, "c", JF_SLOT_END_US);
    jf_sweep_result_t result = sweep(fixture, JF_SLOT_END_US - 1);
    assert_int_equal(result.expired_slots + result.cancelled_promises, 0);
    jf_test_ok(jf_granter_get(fixture, slot.token, JF_NOW_US), "a slot is no promise of the dead");
    jf_fixture_expect(fixture, 0, 65, 1);

    result = sweep(fixture, JF_SLOT_END_US);
    assert_int_equal(result.expired_slots, 3);
    assert_int_equal(result.cancelled_promises, 0);
    jf_fixture_expect(fixture, 0, 0, 1);
    jf_granter_expect_rows(fixture, 0, 0);
    assert_int_equal(sweep(fixture, JF_SLOT_END_US).expired_slots, 0);
}

/* More than one transaction's worth of each kind, and not the same number of both. */
static void test_many_slots_go_in_one_round(void **state)
{
    jf_fixture_t *fixture = *state;
    for (int i = 0; i < 250; i++) {
        const char *path = apr_psprintf(fixture->pool, "%03d", i);
        jf_granter_grant(fixture, path, 1);
        if (i < 130) {
            use_token(fixture, apr_pstrcat(fixture->pool, "used", path, NULL), JF_NOW_US + i);
        }
    }
    assert_int_equal(sweep(fixture, JF_SLOT_END_US).expired_slots, 380);
    jf_granter_expect_rows(fixture, 0, 0);
    jf_fixture_expect(fixture, 0, 0, 130);
}

/* One without a promise has nothing that could be swept. */
static void sweep_during_upload_by_slot(jf_fixture_t *fixture, const char *path, int is_promised)
{
    jf_slot_t slot = jf_granter_grant(fixture, path, 3);
    jf_slot_use_t use = {slot.token, JF_NEVER, JF_NEVER};
    jf_upload_request_t request = jf_fixture_request(path, 3);
    jf_area_t before = jf_fixture_area(fixture, JF_ALICE);
    jf_upload_t *upload;
    jf_file_t file;
    int created;
    request.slot = &use;
    request.needs_area = is_promised;
    jf_test_ok(jf_upload_begin(&upload, fixture->service, &request, JF_NOW_US, fixture->pool),
               path);
    jf_test_ok(jf_upload_write(upload, "abc", 3), path);
    jf_sweep_result_t result = sweep(fixture, apr_time_now() + 100 * A_LONG_TIME_US);
    assert_int_equal(result.expired_slots, 1);
    assert_int_equal(result.cancelled_promises + result.orphans, 0);
    jf_fixture_expect(fixture, before.used_bytes, is_promised ? 3 : 0, before.file_count);
    jf_test_ok(jf_upload_finish(&file, &created, upload, JF_SLOT_END_US), path);
    assert_string_equal(file.token, slot.token);
    jf_fixture_expect_content(fixture, &file, "abc", 3);
    jf_fixture_expect(fixture, before.used_bytes + 3, 0, before.file_count + 1);
}

static void test_upload_outlives_its_slot_and_the_sweep(void **state)
{
    sweep_during_upload_by_slot(*state, "a", 1);
    sweep_during_upload_by_slot(*state, "b", 0);
}

/* ---- promises of the dead ----------------------------------------------------------------------
 */

static int begin_uploads_and_die(void *baton)
{
    jf_fixture_t *fixture = baton;
    if (jf_fixture_open(fixture, JF_DURABILITY_FULL)) {
        return 1;
    }
    for (int i = 0; i < 3; i++) {
        jf_upload_request_t request =
            jf_fixture_request(apr_psprintf(fixture->pool, "%d", i), JF_LENGTH_UNKNOWN);
        jf_upload_t *upload;
        if (jf_upload_begin(&upload, fixture->service, &request, JF_NOW_US, fixture->pool) ||
            jf_upload_write(upload, fixture->directory, 10)) {
            return 2;
        }
    }
    raise(SIGKILL);
    return 3;
}

static void test_promises_of_a_dead_process_go_with_their_bytes(void **state)
{
    jf_fixture_t *fixture = *state;
    int status = jf_crowd_child(begin_uploads_and_die, fixture);
    assert_true(WIFSIGNALED(status));
    jf_test_ok(jf_fixture_open(fixture, JF_DURABILITY_RELAXED), "open");
    jf_upload_request_t request = jf_fixture_request("mine", 5);
    jf_upload_t *upload;
    jf_file_t file;
    int created;
    request.needs_area = 1;
    jf_test_ok(jf_upload_begin(&upload, fixture->service, &request, JF_NOW_US, fixture->pool), "m");
    jf_test_ok(jf_upload_write(upload, "alive", 5), "m");
    assert_int_equal(jf_fixture_count_objects(fixture), 4);

    assert_int_equal(sweep(fixture, JF_NOW_US).cancelled_promises, 3);
    jf_fixture_expect(fixture, 0, 5, 0);
    assert_int_equal(jf_fixture_count_objects(fixture), 1);
    assert_int_equal(sweep(fixture, JF_NOW_US).cancelled_promises, 0);
    jf_test_ok(jf_upload_finish(&file, &created, upload, JF_NOW_US), "m");
    jf_fixture_expect_content(fixture, &file, "alive", 5);

    const char *name;
    jf_test_ok(jf_service_instance(&name, fixture->service, fixture->pool), "instance");
    assert_true(jf_fixture_exists(apr_pstrcat(
        fixture->pool, jf_store_alive_directory(fixture->service->store), "/", name, NULL)));
    jf_fixture_close(fixture);
    assert_int_equal(rmdir(in_store(fixture, "alive")), 0); /* so nothing is left in it */
}

/* Three dead processes; something is wrong with what each but one has left. */
static void test_one_dead_process_is_in_no_others_way(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_sweep_t state_of_sweep = {.service = fixture->service};
    jf_sweep_result_t result;
    static const char *const dead[] = {"00000000000000000000000000000001",
                                       "7fffffffffffffffffffffffffffffff",
                                       "ffffffffffffffffffffffffffffffff"};
    for (size_t i = 0; i < JF_TEST_COUNT(dead); i++) {
        const char *path = apr_psprintf(fixture->pool, "%d", (int)i);
        const char *object = leave_promise(fixture, path, dead[i]);
        if (i != 1) {
            make_unremovable(fixture, object);
        }
    }
    jf_test_refused(
        jf_sweep_round(&result, &state_of_sweep, JF_NOW_US, A_LONG_TIME_US, fixture->pool),
        JF_ERR_IO, "directories in the place of objects");
    assert_int_equal(result.cancelled_promises, 3);
    jf_fixture_expect(fixture, 0, 0, 0);
}

/* ---- orphans -----------------------------------------------------------------------------------
 */

static void test_orphans_go_when_they_are_old_enough(void **state)
{
    jf_fixture_t *fixture = *state;
    const char *old = leave_orphan(fixture, 0x00, AGED_US);
    const char *older = leave_orphan(fixture, 0xff, AGED_US - 365 * 24 * A_LONG_TIME_US);
    const char *young = leave_orphan(fixture, 0x00, AGED_US + 1);
    const char *of_tomorrow = leave_orphan(fixture, 0x7f, JF_NOW_US + 24 * A_LONG_TIME_US);
    assert_int_equal(sweep(fixture, JF_NOW_US).orphans, 2);
    assert_false(jf_fixture_exists(old));
    assert_false(jf_fixture_exists(older));
    assert_true(jf_fixture_exists(young));
    assert_true(jf_fixture_exists(of_tomorrow));
    assert_int_equal(sweep(fixture, JF_NOW_US + 1).orphans, 1);
    assert_false(jf_fixture_exists(young));
}

static void test_known_objects_stay_however_old(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_file_t file = jf_fixture_put(fixture, "a", "abc", 3);
    jf_upload_request_t request = jf_fixture_request("b", 3);
    jf_upload_t *upload;
    jf_file_t uploaded;
    int created;
    set_modified(jf_fixture_object_path(fixture, file.object), 0);
    request.needs_area = 1; /* so that there is an object from the start */
    jf_test_ok(jf_upload_begin(&upload, fixture->service, &request, JF_NOW_US, fixture->pool), "b");
    jf_test_ok(jf_upload_write(upload, "xyz", 3), "b");

    jf_sweep_result_t result = sweep(fixture, apr_time_now() + 100 * A_LONG_TIME_US);
    assert_int_equal(result.orphans + result.cancelled_promises + result.expired_files, 0);
    jf_test_ok(jf_upload_finish(&uploaded, &created, upload, JF_NOW_US), "b");
    jf_fixture_expect_content(fixture, &file, "abc", 3);
    jf_fixture_expect_content(fixture, &uploaded, "xyz", 3);
}

static void test_foreign_files_stay(void **state)
{
    jf_fixture_t *fixture = *state;
    static const char *const names[] = {"README",
                                        ".nfs0001",
                                        "ab0000000000000000000000000000",
                                        "AB000000000000000000000000000000",
                                        "ab0000000000000000000000000000000",
                                        "cd000000000000000000000000000000"};
    const char *link = in_store(fixture, "objects/ab/ab000000000000000000000000000001");
    const char *directory = in_store(fixture, "objects/ab/ab000000000000000000000000000002");
    const char *outside = leave_file(in_store(fixture, "outside"), 0);
    for (size_t i = 0; i < JF_TEST_COUNT(names); i++) {
        leave_file(apr_pstrcat(fixture->pool, in_store(fixture, "objects/ab/"), names[i], NULL), 0);
    }
    assert_int_equal(symlink("../../outside", link), 0);
    set_modified(link, 0);
    assert_int_equal(mkdir(directory, 0700), 0);
    set_modified(directory, 0);

    assert_int_equal(sweep(fixture, JF_NOW_US).orphans, 0);
    assert_int_equal(jf_fixture_count_objects(fixture), JF_TEST_COUNT(names) + 2);
    assert_true(jf_fixture_exists(outside));
}

static void test_budget_ends_a_round_and_the_next_goes_on(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_sweep_t state_of_sweep = {.service = fixture->service};
    jf_sweep_result_t result;
    static const int directories[] = {0, 1, 100, 255};
    for (size_t i = 0; i < JF_TEST_COUNT(directories); i++) {
        leave_orphan(fixture, directories[i], AGED_US);
    }
    int removed = 0;
    for (int round = 0; round < JF_STORE_FANOUT; round++) {
        jf_test_ok(jf_sweep_round(&result, &state_of_sweep, JF_NOW_US, 0, fixture->pool), "round");
        int is_due = 0;
        for (size_t i = 0; i < JF_TEST_COUNT(directories); i++) {
            is_due |= directories[i] == round;
        }
        assert_int_equal(result.orphans, is_due);
        removed += result.orphans;
    }
    assert_int_equal(removed, JF_TEST_COUNT(directories));
    leave_orphan(fixture, 0, AGED_US);
    jf_test_ok(jf_sweep_round(&result, &state_of_sweep, JF_NOW_US, 0, fixture->pool), "once more");
    assert_int_equal(result.orphans, 1);
}

static void test_a_lost_directory_does_not_hide_the_others(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_sweep_t state_of_sweep = {.service = fixture->service};
    jf_sweep_result_t result;
    assert_int_equal(rmdir(in_store(fixture, "objects/10")), 0);
    leave_orphan(fixture, 0x0f, AGED_US);
    leave_orphan(fixture, 0x11, AGED_US);
    leave_orphan(fixture, 0xff, AGED_US);
    jf_test_refused(
        jf_sweep_round(&result, &state_of_sweep, JF_NOW_US, A_LONG_TIME_US, fixture->pool),
        JF_ERR_IO, "a directory is lost");
    assert_int_equal(result.orphans, 3);
}

/* ---- everything --------------------------------------------------------------------------------
 */

static void test_new_store_has_nothing_to_sweep(void **state)
{
    jf_fixture_t *fixture = *state;
    int descriptors = jf_fault_count_descriptors();
    for (int i = 0; i < 3; i++) {
        jf_sweep_result_t result = sweep(fixture, JF_NOW_US);
        assert_int_equal(result.expired_files + result.expired_slots, 0);
        assert_int_equal(result.cancelled_promises + result.orphans, 0);
        descriptors =
            i ? descriptors : jf_fault_count_descriptors(); /* the first opens the ledger */
    }
    assert_int_equal(jf_fault_count_descriptors(), descriptors);
}

/* An error in one part, and the other parts are done all the same. */
static void test_one_part_that_fails_leaves_the_others_to_work(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_sweep_t state_of_sweep = {.service = fixture->service};
    jf_sweep_result_t result;
    jf_file_t expired = jf_fixture_row(fixture, "old", 1, JF_NOW_US);
    make_unremovable(fixture, expired.object);
    jf_granter_grant(fixture, "slot", 5);
    leave_promise(fixture, "dead", "00000000000000000000000000000001");
    leave_orphan(fixture, 0x42, AGED_US);
    jf_test_refused(
        jf_sweep_round(&result, &state_of_sweep, JF_SLOT_END_US, A_LONG_TIME_US, fixture->pool),
        JF_ERR_IO, "expiry fails");
    assert_int_equal(result.expired_files, 1);
    assert_int_equal(result.expired_slots, 1);
    assert_int_equal(result.cancelled_promises, 1);
    assert_int_equal(result.orphans, 1);
}

static const struct CMUnitTest tests[] = {
    JF_FIXTURE_TEST(test_expired_files_go_with_their_bytes),
    JF_FIXTURE_TEST(test_many_expired_files_go_in_one_round),
    JF_FIXTURE_TEST(test_slots_live_until_their_time),
    JF_FIXTURE_TEST(test_many_slots_go_in_one_round),
    JF_FIXTURE_TEST(test_upload_outlives_its_slot_and_the_sweep),
    JF_FIXTURE_CLOSED_TEST(test_promises_of_a_dead_process_go_with_their_bytes),
    JF_FIXTURE_TEST(test_one_dead_process_is_in_no_others_way),
    JF_FIXTURE_TEST(test_orphans_go_when_they_are_old_enough),
    JF_FIXTURE_TEST(test_known_objects_stay_however_old),
    JF_FIXTURE_TEST(test_foreign_files_stay),
    JF_FIXTURE_TEST(test_budget_ends_a_round_and_the_next_goes_on),
    JF_FIXTURE_TEST(test_a_lost_directory_does_not_hide_the_others),
    JF_FIXTURE_TEST(test_new_store_has_nothing_to_sweep),
    JF_FIXTURE_TEST(test_one_part_that_fails_leaves_the_others_to_work),
};

JF_TEST_MAIN(tests)
