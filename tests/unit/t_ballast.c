#include "t_crowd.h"
#include "t_fault.h"
#include "t_granter.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_strings.h>
#include <sqlite3.h>

#include "jf_ballast.h"

static const char *ballast_of(const jf_fixture_t *fixture)
{
    return apr_pstrcat(fixture->pool, fixture->database, "-ballast", NULL);
}

static void test_ballast_takes_real_room_until_it_is_dropped(void **state)
{
    jf_fixture_t *fixture = *state;
    struct stat st;
    (void)jf_ballast_drop(fixture->database, fixture->pool);
    jf_test_ok(jf_ballast_make(fixture->database, fixture->pool), "make");
    jf_test_ok(jf_ballast_make(fixture->database, fixture->pool), "again");
    assert_int_equal(stat(ballast_of(fixture), &st), 0);
    assert_true(st.st_blocks * 512 >= JF_BALLAST_BYTES);
    assert_int_equal(st.st_mode & 077, 0);
    assert_int_equal(jf_ballast_drop(fixture->database, fixture->pool), 1);
    assert_int_equal(jf_ballast_drop(fixture->database, fixture->pool), 0);
    assert_false(jf_fixture_exists(ballast_of(fixture)));
}

static void test_planted_link_is_not_followed(void **state)
{
    jf_fixture_t *fixture = *state;
    const char *target = apr_pstrcat(fixture->pool, fixture->directory, "/elsewhere", NULL);
    (void)jf_ballast_drop(fixture->database, fixture->pool);
    assert_int_equal(symlink("elsewhere", ballast_of(fixture)), 0);
    (void)jf_ballast_make(fixture->database, fixture->pool);
    assert_false(jf_fixture_exists(target));
}

/* The ledger's journal with nothing in it, so that all of it can be on a full disk. */
static const char *empty_journal(const jf_fixture_t *fixture)
{
    sqlite3 *stranger = jf_crowd_stranger(fixture);
    jf_crowd_exec(stranger, "PRAGMA wal_checkpoint(TRUNCATE)");
    sqlite3_close(stranger);
    return apr_pstrcat(fixture->pool, fixture->database, "-wal", NULL);
}

/* The disk stays full here: what frees room gives the ballast up, what needs room does not. */
static void test_only_what_frees_room_drops_the_ballast(void **state)
{
    jf_fixture_t *fixture = *state;
    apr_pool_t *pool = fixture->pool;
    jf_precondition_t always = {0};
    jf_reserve_t reserve = jf_fixture_reserve("b", 1, pool);
    apr_int64_t promised_bytes;
    const char *object;
    jf_fault_t fault;
    jf_fixture_row(fixture, "a", 5, JF_NEVER);
    jf_test_ok(jf_ledger_keep_room(fixture->ledger, pool), "keep room");
    const char *journal = empty_journal(fixture);

    jf_fault_begin(&fault, journal, "/dev/full", O_RDWR);
    jf_err_t *promise_err =
        jf_ledger_reserve(&promised_bytes, fixture->ledger, &reserve, JF_NOW_US, pool);
    int is_there_after_promise = jf_fixture_exists(ballast_of(fixture));
    jf_err_t *remove_err =
        jf_ledger_file_remove(&object, fixture->ledger, JF_ALICE, "a", &always, JF_NOW_US, pool);
    int is_there_after_remove = jf_fixture_exists(ballast_of(fixture));
    jf_fault_end(&fault);

    jf_test_refused(promise_err, JF_ERR_DISK_FULL, "a promise");
    assert_true(is_there_after_promise);
    jf_test_refused(remove_err, JF_ERR_DISK_FULL, "a removal");
    assert_false(is_there_after_remove);
    jf_test_ok(jf_ledger_keep_room(fixture->ledger, pool), "keep room");
    assert_true(jf_fixture_exists(ballast_of(fixture)));
    jf_test_ok(
        jf_ledger_file_remove(&object, fixture->ledger, JF_ALICE, "a", &always, JF_NOW_US, pool),
        "a removal with room");
    assert_true(jf_fixture_exists(ballast_of(fixture)));
}

static void test_slots_that_expire_free_room(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_fault_t fault;
    int count;
    jf_granter_grant(fixture, "a", 5);
    jf_test_ok(jf_ledger_keep_room(fixture->ledger, fixture->pool), "keep room");
    const char *journal = empty_journal(fixture);

    jf_fault_begin(&fault, journal, "/dev/full", O_RDWR);
    jf_err_t *grant_err = jf_granter_try(fixture, "b", 1, JF_UNLIMITED);
    int is_there_after_grant = jf_fixture_exists(ballast_of(fixture));
    jf_err_t *expire_err =
        jf_ledger_slot_expire(&count, fixture->ledger, 9, JF_SLOT_END_US, fixture->pool);
    int is_there_after_expire = jf_fixture_exists(ballast_of(fixture));
    jf_fault_end(&fault);

    jf_test_refused(grant_err, JF_ERR_DISK_FULL, "a new slot");
    assert_true(is_there_after_grant);
    jf_test_refused(expire_err, JF_ERR_DISK_FULL, "an old one");
    assert_false(is_there_after_expire);
    assert_int_equal(jf_granter_expire(fixture, 9, JF_SLOT_END_US), 1);
}

static const struct CMUnitTest tests[] = {
    JF_FIXTURE_CLOSED_TEST(test_ballast_takes_real_room_until_it_is_dropped),
    JF_FIXTURE_CLOSED_TEST(test_planted_link_is_not_followed),
    JF_FIXTURE_TEST(test_only_what_frees_room_drops_the_ballast),
    JF_FIXTURE_TEST(test_slots_that_expire_free_room),
};

JF_TEST_MAIN(tests)
