/*
 * A ledger of any older version becomes one of the newest: nothing is lost, and work goes on.
 */
#include "t_crowd.h"
#include "t_granter.h"
#include "t_old_ledger.h"

#include <string.h>

#include <apr_strings.h>
#include <sqlite3.h>

#include "jf_ledger_traffic.h"

#define NEWEST_VERSION 3
#define PROCESSES 8

/* ---- looking ---- */

static const char all_areas[] =
    "SELECT group_concat(id || jid || quote(quota_bytes) || ' ' || used_bytes || ' ' ||"
    " reserved_bytes || ' ' || file_count || ' ' || created_us, '; ')"
    " FROM (SELECT * FROM area ORDER BY id)";
static const char all_files[] =
    "SELECT group_concat(id || ' ' || area_id || path || token || object || size_bytes ||"
    " media_type || quote(sha256) || created_us || quote(expires_us), '; ')"
    " FROM (SELECT * FROM file ORDER BY id)";
static const char all_promises[] =
    "SELECT group_concat(object || area_id || path || size_bytes || ' ' || credit_bytes ||"
    " instance || created_us, '; ') FROM (SELECT * FROM reservation ORDER BY object)";
static const char all_slots[] =
    "SELECT (SELECT group_concat(token || object || media_type || expires_us, '; ') FROM slot)"
    " || (SELECT group_concat(token || quote(forget_us), '; ') FROM used_slot)";

/* Everything that a version has, as text. */
static const char *content_of(const jf_fixture_t *fixture, int version)
{
    static const char *const parts[] = {"SELECT id FROM ledger", all_areas, all_files, all_promises,
                                        all_slots};
    size_t count = version > 1 ? JF_TEST_COUNT(parts) : JF_TEST_COUNT(parts) - 1;
    const char *content = "";
    sqlite3 *db = jf_crowd_stranger(fixture);
    for (size_t i = 0; i < count; i++) {
        content = apr_pstrcat(fixture->pool, content, jf_crowd_text(db, parts[i], fixture->pool),
                              "\n", NULL);
    }
    sqlite3_close(db);
    return content;
}

static apr_int64_t number_of(const jf_fixture_t *fixture, const char *sql)
{
    sqlite3 *db = jf_crowd_stranger(fixture);
    apr_int64_t number = jf_crowd_number(db, sql);
    sqlite3_close(db);
    return number;
}

static const char *schema_of(const jf_fixture_t *fixture)
{
    sqlite3 *db = jf_crowd_stranger(fixture);
    const char *schema = jf_crowd_text(
        db, "SELECT group_concat(sql, '; ') FROM (SELECT sql FROM sqlite_master ORDER BY name)",
        fixture->pool);
    sqlite3_close(db);
    return schema;
}

static void upgrade_and_open(jf_fixture_t *fixture)
{
    jf_test_ok(jf_service_create(fixture->directory, fixture->database, fixture->pool), "upgrade");
    jf_test_ok(jf_fixture_open(fixture, JF_DURABILITY_RELAXED), "open");
}

/* What alice has in a ledger of an old version. */
static void expect_alice(jf_fixture_t *fixture, int version)
{
    jf_fixture_expect(fixture, 11, version > 1 ? 33 : 13, 2);
}

/* Runs a test with a ledger of each old version. */
static void with_each_version(jf_fixture_t *fixture, void (*test)(jf_fixture_t *, int version))
{
    for (int version = 1; version <= JF_OLD_VERSIONS; version++) {
        jf_old_ledger_make(fixture, version);
        test(fixture, version);
        jf_fixture_close(fixture);
    }
}

/* ---- tests ---- */

static void lose_nothing(jf_fixture_t *fixture, int version)
{
    jf_file_t file;
    const char *before = content_of(fixture, version);
    upgrade_and_open(fixture);
    assert_string_equal(content_of(fixture, version), before);
    expect_alice(fixture, version);
    assert_int_equal(jf_fixture_area(fixture, JF_BOB).quota_bytes, JF_UNLIMITED);
    assert_int_equal(jf_fixture_area(fixture, JF_BOB).used_bytes, 1099511627776);
    assert_int_equal(jf_fixture_area(fixture, JF_OLD_UMLAUT).quota_bytes, 0);
    jf_test_ok(jf_ledger_file_by_token(&file, fixture->ledger, "link-b", JF_NOW_US, fixture->pool),
               "a link");
    assert_string_equal(file.jid, JF_ALICE);
    assert_int_equal(file.expires_us, 4000000000000000);
    jf_granter_expect_rows(fixture, version > 1, version > 1);
}

static void test_upgrade_loses_nothing(void **state)
{
    with_each_version(*state, lose_nothing);
}

/* A ledger that was upgraded must not differ for ever from one that was new. */
static void test_upgraded_and_new_ledgers_are_the_same(void **state)
{
    jf_fixture_t *fixture = *state;
    const char *schema = schema_of(fixture);
    for (int version = 1; version <= JF_OLD_VERSIONS; version++) {
        jf_old_ledger_make(fixture, version);
        assert_string_not_equal(schema_of(fixture), schema);
        upgrade_and_open(fixture);
        assert_string_equal(schema_of(fixture), schema);
        jf_fixture_close(fixture);
    }
}

static void know_the_hashes(jf_fixture_t *fixture, int version)
{
    static const char *const areas[][2] = {{JF_ALICE, JF_OLD_SHA1_OF_ALICE},
                                           {JF_BOB, JF_OLD_SHA1_OF_BOB},
                                           {JF_OLD_UMLAUT, JF_OLD_SHA1_OF_UMLAUT}};
    (void)version;
    upgrade_and_open(fixture);
    for (size_t i = 0; i < JF_TEST_COUNT(areas); i++) {
        const char *sql = apr_psprintf(fixture->pool,
                                       "SELECT count(*) FROM area WHERE jid = '%s' AND "
                                       "jid_sha1 = '%s'",
                                       areas[i][0], areas[i][1]);
        assert_int_equal(number_of(fixture, sql), 1);
    }
    assert_int_equal(number_of(fixture, "SELECT count(*) FROM area WHERE jid_sha1 IS NULL AND "
                                        "jid = '" JF_OLD_NO_JID "'"),
                     1);
    assert_int_equal(number_of(fixture, "SELECT count(*) FROM area WHERE jid_sha1 IS NULL"), 1);
}

static void test_upgrade_knows_the_hashes(void **state)
{
    with_each_version(*state, know_the_hashes);
}

static void go_on_uploading(jf_fixture_t *fixture, int version)
{
    apr_array_header_t *list;
    jf_settle_t settle = jf_fixture_settle(JF_OLD_OBJECT_IN_FLIGHT, 8, fixture->pool);
    apr_int64_t of_slot = version > 1 ? 20 : 0;
    jf_file_t file;
    const char *replaced;
    int created;
    upgrade_and_open(fixture);
    jf_test_ok(jf_ledger_settle(&file, &replaced, &created, fixture->ledger, &settle, JF_NOW_US,
                                fixture->pool),
               "an upload of the old version");
    assert_string_equal(file.token, "link-a");
    assert_int_equal(created, 0);
    jf_fixture_expect(fixture, 14, 10 + of_slot, 2);
    jf_test_ok(jf_ledger_instances(&list, fixture->ledger, fixture->pool), "instances");
    assert_int_equal(list->nelts, 1);
    jf_ledger_cancel(fixture->ledger, JF_OLD_NEW_PROMISE);

    jf_slot_t slot = jf_granter_grant(fixture, "another", 30);
    jf_fixture_expect(fixture, 14, 30 + of_slot, 2);
    jf_granter_put(fixture, slot.token, "another", 30);
    jf_fixture_expect(fixture, 44, of_slot, 3);
    jf_test_ok(jf_ledger_area_remove(&list, fixture->ledger, JF_BOB, fixture->pool), "bob");
    assert_int_equal(list->nelts, 1);
}

static void test_work_goes_on_after_the_upgrade(void **state)
{
    with_each_version(*state, go_on_uploading);
}

static void test_slots_of_version_2_are_kept(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_old_ledger_make(fixture, 2);
    upgrade_and_open(fixture);
    jf_granter_put(fixture, JF_OLD_SLOT_TOKEN, "slot", 20);
    jf_fixture_expect(fixture, 31, 13, 3);
    jf_test_refused(jf_granter_get(fixture, JF_OLD_USED_TOKEN, JF_NOW_US), JF_ERR_USED, "used");
}

/* Nothing is known of their traffic and no limit is set; both can be from now on. */
static void begin_counting(jf_fixture_t *fixture, int version)
{
    apr_array_header_t *list;
    apr_int64_t number = -1;
    const jf_transfer_limit_t limit = {5, JF_PERIOD_WEEK};
    (void)version;
    upgrade_and_open(fixture);
    jf_area_t area = jf_fixture_area(fixture, JF_ALICE);
    assert_int_equal(area.transfer.quota_bytes, JF_QUOTA_DEFAULT);
    assert_int_equal(area.transfer.period, JF_PERIOD_DEFAULT);
    jf_test_ok(jf_ledger_traffic_number(&number, fixture->ledger, fixture->pool), "number");
    assert_int_equal(number, 0);
    jf_test_ok(jf_ledger_traffic_days(&list, fixture->ledger, area.id, 9, fixture->pool), "days");
    assert_int_equal(list->nelts, 0);
    jf_test_ok(
        jf_ledger_area_set_transfer(fixture->ledger, JF_ALICE, &limit, JF_NOW_US, fixture->pool),
        "a limit");
    assert_int_equal(jf_fixture_area(fixture, JF_ALICE).transfer.quota_bytes, 5);
}

static void test_traffic_begins_after_the_upgrade(void **state)
{
    with_each_version(*state, begin_counting);
}

static void number_on(jf_fixture_t *fixture, int version)
{
    apr_array_header_t *list;
    (void)version;
    upgrade_and_open(fixture);
    jf_test_ok(jf_ledger_area_remove(&list, fixture->ledger, JF_OLD_NO_JID, fixture->pool),
               "the newest area");
    jf_test_ok(
        jf_ledger_area_set_quota(fixture->ledger, "new@example.org", 1, JF_NOW_US, fixture->pool),
        "a new one");
    assert_int_equal(jf_fixture_area(fixture, "new@example.org").id, JF_OLD_GREATEST_AREA + 1);
}

static void test_numbers_of_old_areas_are_not_given_again(void **state)
{
    with_each_version(*state, number_on);
}

/* A process that outlives the upgrade's beginning, or a program that is older than the ledger. */
static void refuse_until_upgraded(jf_fixture_t *fixture, int version)
{
    jf_area_t area;
    const char *before = content_of(fixture, version);
    jf_test_ok(jf_fixture_open(fixture, JF_DURABILITY_RELAXED), "open");
    jf_err_t *errors[] = {
        jf_ledger_area_get(&area, fixture->ledger, JF_ALICE, fixture->pool),
        jf_ledger_area_set_quota(fixture->ledger, JF_ALICE, 1, JF_NOW_US, fixture->pool)};
    for (size_t i = 0; i < JF_TEST_COUNT(errors); i++) {
        jf_test_refused(errors[i], JF_ERR_UNAVAILABLE, "an old version");
        assert_non_null(strstr(errors[i]->text, fixture->database));
    }
    assert_string_equal(content_of(fixture, version), before);
    jf_test_ok(jf_ledger_create(fixture->database, fixture->pool), "upgrade");
    expect_alice(fixture, version);
}

static void test_old_ledger_is_refused_until_it_is_upgraded(void **state)
{
    with_each_version(*state, refuse_until_upgraded);
}

/* The table is one of the newest version: what the versions before it change must be undone. */
static void fail_to_upgrade(jf_fixture_t *fixture, int version)
{
    const char *content = content_of(fixture, version);
    sqlite3 *stranger = jf_crowd_stranger(fixture);
    jf_crowd_exec(stranger, "CREATE TABLE charge (x)");
    const char *schema = schema_of(fixture);
    jf_test_refused(jf_ledger_create(fixture->database, fixture->pool), JF_ERR_UNAVAILABLE,
                    "a table is in the way");
    assert_int_equal(number_of(fixture, "PRAGMA user_version"), version);
    assert_string_equal(schema_of(fixture), schema);
    assert_string_equal(content_of(fixture, version), content);

    jf_crowd_exec(stranger, "DROP TABLE charge");
    sqlite3_close(stranger);
    upgrade_and_open(fixture);
    expect_alice(fixture, version);
}

static void test_failed_upgrade_leaves_the_old_ledger(void **state)
{
    with_each_version(*state, fail_to_upgrade);
}

static int upgrade_ledger(void *baton, int number)
{
    apr_pool_t *pool;
    (void)number;
    apr_pool_create(&pool, NULL);
    return jf_ledger_create(baton, pool) ? 1 : 0;
}

static void upgrade_together(jf_fixture_t *fixture, int version)
{
    const char *before = content_of(fixture, version);
    assert_int_equal(jf_crowd_children(PROCESSES, upgrade_ledger, (void *)fixture->database),
                     PROCESSES);
    assert_int_equal(number_of(fixture, "PRAGMA user_version"), NEWEST_VERSION);
    assert_string_equal(content_of(fixture, version), before);
}

static void test_processes_that_upgrade_together_all_succeed(void **state)
{
    for (int round = 0; round < 10; round++) {
        with_each_version(*state, upgrade_together);
    }
}

static const struct CMUnitTest tests[] = {
    JF_FIXTURE_CLOSED_TEST(test_upgrade_loses_nothing),
    JF_FIXTURE_CLOSED_TEST(test_upgraded_and_new_ledgers_are_the_same),
    JF_FIXTURE_CLOSED_TEST(test_upgrade_knows_the_hashes),
    JF_FIXTURE_CLOSED_TEST(test_work_goes_on_after_the_upgrade),
    JF_FIXTURE_CLOSED_TEST(test_slots_of_version_2_are_kept),
    JF_FIXTURE_CLOSED_TEST(test_traffic_begins_after_the_upgrade),
    JF_FIXTURE_CLOSED_TEST(test_numbers_of_old_areas_are_not_given_again),
    JF_FIXTURE_CLOSED_TEST(test_old_ledger_is_refused_until_it_is_upgraded),
    JF_FIXTURE_CLOSED_TEST(test_failed_upgrade_leaves_the_old_ledger),
    JF_FIXTURE_CLOSED_TEST(test_processes_that_upgrade_together_all_succeed),
};

JF_TEST_MAIN(tests)
