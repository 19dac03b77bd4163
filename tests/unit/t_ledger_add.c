/*
 * Files that nothing was promised to: judged and entered by one transaction. Beside promises and
 * slots of others the quota is as hard as with a promise.
 */
#include "t_crowd.h"
#include "t_granter.h"

#include <string.h>
#include <unistd.h>

#include <apr_atomic.h>
#include <apr_strings.h>
#include <sqlite3.h>

#include "jf_area.h"

#define QUOTA 100
#define LATER_US (JF_NOW_US + 1000)

/* What became of it. */
typedef struct added_t {
    jf_file_t file;
    const char *replaced;
    int created;
} added_t;

static jf_err_t *try_add(added_t *added, jf_fixture_t *fixture, const jf_add_t *add,
                         apr_time_t now_us)
{
    *added = (added_t){.created = -1};
    return jf_ledger_add(&added->file, &added->replaced, &added->created, fixture->ledger, add,
                         now_us, fixture->pool);
}

/* Within a quota of QUOTA. */
static jf_err_t *add_path(added_t *added, jf_fixture_t *fixture, const char *path,
                          apr_int64_t size_bytes)
{
    jf_add_t add = jf_fixture_add(path, size_bytes, fixture->pool);
    add.quota_bytes = QUOTA;
    return try_add(added, fixture, &add, JF_NOW_US);
}

static jf_reserve_t reserve(jf_fixture_t *fixture, const char *path, apr_int64_t size_bytes)
{
    jf_reserve_t reserve = jf_fixture_reserve(path, size_bytes, fixture->pool);
    apr_int64_t promised_bytes;
    jf_test_ok(
        jf_ledger_reserve(&promised_bytes, fixture->ledger, &reserve, JF_NOW_US, fixture->pool),
        path);
    return reserve;
}

static void settle(jf_fixture_t *fixture, const jf_reserve_t *reserve)
{
    jf_settle_t settle = jf_fixture_settle(reserve->object, reserve->need_bytes, fixture->pool);
    added_t added;
    jf_test_ok(jf_ledger_settle(&added.file, &added.replaced, &added.created, fixture->ledger,
                                &settle, JF_NOW_US, fixture->pool),
               reserve->path);
}

/* ---- the quota ---------------------------------------------------------------------------------
 */

static void test_quota_is_filled_to_the_last_byte(void **state)
{
    jf_fixture_t *fixture = *state;
    added_t added;
    jf_fixture_row(fixture, "there", 10, JF_NEVER);
    reserve(fixture, "promised", 30);
    jf_granter_grant(fixture, "granted", 20);
    jf_err_t *err = add_path(&added, fixture, "a", 41);
    jf_test_refused(err, JF_ERR_QUOTA, "one byte too many");
    assert_int_equal(err->limit_bytes, QUOTA);
    assert_int_equal(err->used_bytes, 60);
    assert_int_equal(err->required_bytes, 41);
    jf_fixture_expect(fixture, 10, 50, 1);

    jf_test_ok(add_path(&added, fixture, "a", 40), "what fits exactly");
    assert_int_equal(added.created, 1);
    assert_null(added.replaced);
    jf_fixture_expect(fixture, 50, 50, 2);
    jf_test_refused(add_path(&added, fixture, "b", 1), JF_ERR_QUOTA, "into a full area");
    jf_test_ok(add_path(&added, fixture, "b", 0), "nothing fits always");
    jf_fixture_expect(fixture, 50, 50, 3);
}

/* The area's own quota counts, and lowering it below what is there takes nothing away. */
static void test_quota_of_the_area_comes_first(void **state)
{
    jf_fixture_t *fixture = *state;
    added_t added;
    static const struct {
        apr_int64_t quota_bytes;
        apr_int64_t size_bytes;
        int is_refused;
    } cases[] = {{20, 21, 1}, {20, 20, 0},   {5, 1, 1},
                 {5, 0, 0},   {200, 180, 0}, {JF_UNLIMITED, 500, 0},
                 {200, 0, 0}, {200, 1, 1}};
    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        const char *path = apr_psprintf(fixture->pool, "%d", (int)i);
        jf_test_ok(jf_ledger_area_set_quota(fixture->ledger, JF_ALICE, cases[i].quota_bytes,
                                            JF_NOW_US, fixture->pool),
                   path);
        jf_err_t *err = add_path(&added, fixture, path, cases[i].size_bytes);
        if (cases[i].is_refused) {
            jf_test_refused(err, JF_ERR_QUOTA, path);
        } else {
            jf_test_ok(err, path);
        }
    }
    jf_fixture_expect(fixture, 700, 0, 5);
}

static void test_full_area_can_replace_its_file(void **state)
{
    jf_fixture_t *fixture = *state;
    added_t first, added;
    jf_test_ok(add_path(&first, fixture, "a", QUOTA), "all of it");
    jf_test_refused(add_path(&added, fixture, "a", QUOTA + 1), JF_ERR_QUOTA, "one more");
    jf_test_refused(add_path(&added, fixture, "b", 1), JF_ERR_QUOTA, "another path");
    jf_test_ok(add_path(&added, fixture, "a", QUOTA), "the same again");
    assert_int_equal(added.created, 0);
    assert_string_equal(added.replaced, first.file.object);
    assert_string_equal(added.file.token, first.file.token);
    jf_fixture_expect(fixture, QUOTA, 0, 1);
    jf_test_ok(add_path(&added, fixture, "a", 1), "a smaller one");
    jf_fixture_expect(fixture, 1, 0, 1);
}

/* Whoever replaces first cannot count on the old bytes again, for an upload in flight does. */
static void test_credit_of_an_upload_in_flight_is_not_given_twice(void **state)
{
    jf_fixture_t *fixture = *state;
    added_t added;
    jf_fixture_row(fixture, "a", 60, JF_NEVER);
    jf_reserve_t large = reserve(fixture, "a", 90);
    jf_fixture_expect(fixture, 60, 30, 1);
    jf_test_refused(add_path(&added, fixture, "a", 11), JF_ERR_QUOTA, "beside its credit");
    jf_test_ok(add_path(&added, fixture, "a", 10), "what is left");
    /* The large one has only ten to count on now; it needs the others itself. */
    jf_fixture_expect(fixture, 10, 80, 1);
    jf_test_refused(add_path(&added, fixture, "b", 11), JF_ERR_QUOTA, "beyond what is left");
    jf_test_ok(add_path(&added, fixture, "b", 10), "exactly what is left");
    settle(fixture, &large);
    jf_fixture_expect(fixture, QUOTA, 0, 2);
}

/* One that begins when there was no file has no credit that could be taken. */
static void test_upload_in_flight_without_credit_takes_none(void **state)
{
    jf_fixture_t *fixture = *state;
    added_t added;
    jf_reserve_t large = reserve(fixture, "a", 40);
    jf_test_ok(add_path(&added, fixture, "a", 60), "the same path");
    jf_test_ok(add_path(&added, fixture, "a", 60), "once more");
    jf_fixture_expect(fixture, 60, 40, 1);
    settle(fixture, &large);
    jf_fixture_expect(fixture, 40, 0, 1);
}

/* ---- the file that is there --------------------------------------------------------------------
 */

static void test_preconditions(void **state)
{
    jf_fixture_t *fixture = *state;
    added_t added;
    jf_add_t if_any = jf_fixture_add("a", 1, fixture->pool);
    jf_add_t if_none = jf_fixture_add("a", 2, fixture->pool);
    jf_add_t again = jf_fixture_add("a", 3, fixture->pool);
    if_any.settle.precondition = jf_fixture_if_any();
    if_none.settle.precondition = again.settle.precondition = jf_fixture_if_none();
    jf_test_refused(try_add(&added, fixture, &if_any, JF_NOW_US), JF_ERR_PRECONDITION, "no file");
    jf_area_t area;
    jf_test_refused(jf_ledger_area_get(&area, fixture->ledger, JF_ALICE, fixture->pool),
                    JF_ERR_NOT_FOUND, "no area of what was refused");
    if_none.settle.expires_us = LATER_US;
    jf_test_ok(try_add(&added, fixture, &if_none, JF_NOW_US), "none yet");
    jf_test_refused(try_add(&added, fixture, &again, LATER_US - 1), JF_ERR_PRECONDITION, "a file");
    jf_fixture_expect(fixture, 2, 0, 1);
    /* From then on it is as if it were not there. */
    jf_test_refused(try_add(&added, fixture, &if_any, LATER_US), JF_ERR_PRECONDITION, "expired");
    jf_test_ok(try_add(&added, fixture, &again, LATER_US), "expired");
    jf_fixture_expect(fixture, 3, 0, 1);
}

static void test_expired_file_of_the_name_gives_room_and_no_link(void **state)
{
    jf_fixture_t *fixture = *state;
    added_t added;
    jf_file_t found;
    jf_file_t old = jf_fixture_row(fixture, "a", QUOTA, JF_NOW_US);
    jf_test_refused(add_path(&added, fixture, "b", 1), JF_ERR_QUOTA, "it still has its room");
    jf_test_ok(add_path(&added, fixture, "a", QUOTA), "in its place");
    assert_int_equal(added.created, 1);
    assert_string_equal(added.replaced, old.object);
    assert_string_not_equal(added.file.token, old.token);
    jf_test_refused(
        jf_ledger_file_by_token(&found, fixture->ledger, old.token, JF_NOW_US, fixture->pool),
        JF_ERR_NOT_FOUND, "the old link");
    jf_test_ok(jf_ledger_file_by_token(&found, fixture->ledger, added.file.token, JF_NOW_US,
                                       fixture->pool),
               "the new link");
    jf_fixture_expect(fixture, QUOTA, 0, 1);
}

/* What is told is what the ledger says. */
static void test_area_is_told_as_it_is_then(void **state)
{
    jf_fixture_t *fixture = *state;
    static const struct {
        const char *path;
        apr_int64_t size_bytes;
        apr_time_t expires_us;
    } adds[] = {{"a", 10, JF_NEVER}, {"a", 30, JF_NEVER}, {"a", 5, JF_NOW_US},
                {"a", 7, JF_NOW_US}, {"b", 0, JF_NEVER},  {"a", 1, JF_NEVER}};
    reserve(fixture, "c", 4);
    for (size_t i = 0; i < JF_TEST_COUNT(adds); i++) {
        jf_add_t add = jf_fixture_add(adds[i].path, adds[i].size_bytes, fixture->pool);
        jf_area_t told = {0};
        added_t added;
        add.settle.area = &told;
        add.settle.expires_us = adds[i].expires_us;
        jf_test_ok(try_add(&added, fixture, &add, JF_NOW_US), adds[i].path);
        jf_area_t area = jf_fixture_area(fixture, JF_ALICE);
        assert_int_equal(told.id, area.id);
        assert_int_equal(told.used_bytes, area.used_bytes);
        assert_int_equal(told.file_count, area.file_count);
        assert_int_equal(added.file.area_id, area.id);
        assert_string_equal(told.jid, JF_ALICE);
    }
}

/* ---- areas -------------------------------------------------------------------------------------
 */

/* The file of somebody of whom only the hash is known. */
static const char *add_by_hash(jf_fixture_t *fixture, const char *path, apr_int64_t size_bytes)
{
    const char *hash = jf_area_sha1(JF_ALICE, fixture->pool);
    jf_add_t add = jf_fixture_add(path, size_bytes, fixture->pool);
    added_t added;
    add.jid = apr_pstrcat(fixture->pool, "sha1:", hash, NULL);
    jf_test_ok(try_add(&added, fixture, &add, JF_NOW_US), path);
    return add.jid;
}

static void test_area_of_a_hash_becomes_that_of_the_jid(void **state)
{
    jf_fixture_t *fixture = *state;
    added_t added;
    jf_area_t area;
    const char *name = add_by_hash(fixture, "a", 90);
    jf_test_refused(add_path(&added, fixture, "b", 11), JF_ERR_QUOTA, "its bytes count");
    jf_test_ok(jf_ledger_area_get(&area, fixture->ledger, name, fixture->pool), "not renamed yet");
    jf_test_ok(add_path(&added, fixture, "b", 10), "with the JID");
    jf_test_refused(jf_ledger_area_get(&area, fixture->ledger, name, fixture->pool),
                    JF_ERR_NOT_FOUND, "renamed");
    jf_fixture_expect(fixture, QUOTA, 0, 2);
    add_by_hash(fixture, "c", 1);
    jf_fixture_expect(fixture, QUOTA + 1, 0, 3);
}

/* What will be renamed is foreseen: its files, and its own quota. */
static void test_area_of_a_hash_is_foreseen(void **state)
{
    jf_fixture_t *fixture = *state;
    const char *name = add_by_hash(fixture, "a", 90);
    jf_add_t replacing = jf_fixture_add("a", 95, fixture->pool);
    jf_add_t large = jf_fixture_add("b", 500, fixture->pool);
    added_t added;
    replacing.quota_bytes = large.quota_bytes = QUOTA;
    replacing.settle.precondition = jf_fixture_if_any();
    jf_test_ok(jf_ledger_area_set_quota(fixture->ledger, name, 1000, JF_NOW_US, fixture->pool), "");
    jf_err_t *of_quota = jf_ledger_foresee(fixture->ledger, &large, JF_NOW_US, fixture->pool);
    jf_err_t *of_file = jf_ledger_foresee(fixture->ledger, &replacing, JF_NOW_US, fixture->pool);
    jf_test_ok(try_add(&added, fixture, &replacing, JF_NOW_US), "replaces");
    jf_test_ok(try_add(&added, fixture, &large, JF_NOW_US), "in its own quota");
    jf_test_ok(of_quota, "foreseen: the area's own quota");
    jf_test_ok(of_file, "foreseen: the file");
}

/* ---- the age of the object ---------------------------------------------------------------------
 */

static void test_object_that_may_be_swept_is_refused(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_add_t add = jf_fixture_add("a", 1, fixture->pool);
    added_t added;
    jf_area_t area;
    add.written_us = apr_time_now() - JF_ADD_AGE_MAX_US;
    jf_test_refused(try_add(&added, fixture, &add, JF_NOW_US), JF_ERR_IO, "too old");
    jf_test_refused(jf_ledger_area_get(&area, fixture->ledger, JF_ALICE, fixture->pool),
                    JF_ERR_NOT_FOUND, "nothing has changed");
    add.written_us += apr_time_from_sec(60);
    jf_test_ok(try_add(&added, fixture, &add, JF_NOW_US), "a minute younger");
    jf_fixture_expect(fixture, 1, 0, 1);
}

#define THREADS 8

typedef struct batch_t {
    jf_fixture_t *fixture;
    sqlite3 *stranger;
    jf_add_t adds[THREADS];
    volatile apr_uint32_t taken;
    volatile apr_uint32_t refused;
} batch_t;

/* The first lets the others gather behind a lock; of those every other one is too late. */
static void add_together(void *baton, int number, apr_pool_t *pool)
{
    batch_t *batch = baton;
    jf_file_t file;
    const char *replaced;
    int created;
    if (number == 0) {
        usleep(300000);
        sqlite3_exec(batch->stranger, "COMMIT", NULL, NULL, NULL);
        return;
    }
    jf_err_t *err = jf_ledger_add(&file, &replaced, &created, batch->fixture->ledger,
                                  &batch->adds[number], JF_NOW_US, pool);
    apr_atomic_inc32(err ? &batch->refused : &batch->taken);
}

static void test_object_that_may_be_swept_does_no_harm_to_others(void **state)
{
    batch_t batch = {.fixture = *state};
    batch.stranger = jf_crowd_stranger(batch.fixture);
    jf_fixture_row(batch.fixture, "there", 1, JF_NEVER);
    for (int i = 0; i < THREADS; i++) {
        batch.adds[i] =
            jf_fixture_add(apr_psprintf(batch.fixture->pool, "%d", i), 1, batch.fixture->pool);
        batch.adds[i].written_us -= i % 2 ? 0 : JF_ADD_AGE_MAX_US;
    }
    jf_crowd_exec(batch.stranger, "BEGIN IMMEDIATE");
    jf_crowd_threads(THREADS, add_together, &batch);
    sqlite3_close(batch.stranger);
    assert_int_equal(batch.taken, THREADS / 2);
    assert_int_equal(batch.refused, THREADS / 2 - 1);
    jf_fixture_expect(batch.fixture, 1 + THREADS / 2, 0, 1 + THREADS / 2);
}

static const struct CMUnitTest tests[] = {
    JF_FIXTURE_TEST(test_quota_is_filled_to_the_last_byte),
    JF_FIXTURE_TEST(test_quota_of_the_area_comes_first),
    JF_FIXTURE_TEST(test_full_area_can_replace_its_file),
    JF_FIXTURE_TEST(test_credit_of_an_upload_in_flight_is_not_given_twice),
    JF_FIXTURE_TEST(test_upload_in_flight_without_credit_takes_none),
    JF_FIXTURE_TEST(test_preconditions),
    JF_FIXTURE_TEST(test_expired_file_of_the_name_gives_room_and_no_link),
    JF_FIXTURE_TEST(test_area_is_told_as_it_is_then),
    JF_FIXTURE_TEST(test_area_of_a_hash_becomes_that_of_the_jid),
    JF_FIXTURE_TEST(test_area_of_a_hash_is_foreseen),
    JF_FIXTURE_TEST(test_object_that_may_be_swept_is_refused),
    JF_FIXTURE_TEST(test_object_that_may_be_swept_does_no_harm_to_others),
};

JF_TEST_MAIN(tests)
