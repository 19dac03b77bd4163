/*
 * A ledger of version 1 becomes one of the newest: nothing is lost, and work goes on.
 */
#include "t_crowd.h"
#include "t_granter.h"

#include <string.h>
#include <unistd.h>

#include <apr_strings.h>
#include <sqlite3.h>

#define PROCESSES 8
#define SHA1_OF_ALICE "45a6b241a242c97f0492d382c390dfa335aac986"
#define SHA1_OF_BOB "97ec78b292ab06a5b64d5cc50140b2a3fd901061"
#define SHA1_OF_UMLAUT "494dfbac0bd525caafcc61ff32ce9c82b30e4256"
#define UMLAUT "j\xC3\xBCrgen@example.org"
#define OBJECT_IN_FLIGHT "000000000000000000000000000000f1"
#define NEW_PROMISE "000000000000000000000000000000f2"

/* Version 1 as it once was; this must never change. */
static const char version_1[] =
    "CREATE TABLE ledger (id TEXT NOT NULL) STRICT;\n"
    "INSERT INTO ledger VALUES (lower(hex(randomblob(16))));\n"
    "CREATE TABLE area (\n"
    "  id             INTEGER PRIMARY KEY,\n"
    "  jid            TEXT    NOT NULL UNIQUE,\n"
    "  quota_bytes    INTEGER CHECK (quota_bytes >= -1), -- NULL: by the "
    "configuration; -1: unlimited\n"
    "  used_bytes     INTEGER NOT NULL DEFAULT 0 CHECK (used_bytes >= 0),\n"
    "  reserved_bytes INTEGER NOT NULL DEFAULT 0 CHECK (reserved_bytes >= 0),\n"
    "  file_count     INTEGER NOT NULL DEFAULT 0 CHECK (file_count >= 0),\n"
    "  created_us     INTEGER NOT NULL\n"
    ") STRICT;\n"
    "CREATE TABLE file (\n"
    "  id         INTEGER PRIMARY KEY,\n"
    "  area_id    INTEGER NOT NULL REFERENCES area (id),\n"
    "  path       TEXT    NOT NULL,\n"
    "  token      TEXT    NOT NULL UNIQUE,\n"
    "  object     TEXT    NOT NULL UNIQUE,\n"
    "  size_bytes INTEGER NOT NULL CHECK (size_bytes >= 0),\n"
    "  media_type TEXT    NOT NULL,\n"
    "  sha256     BLOB    CHECK (sha256 IS NULL OR length(sha256) = 32),\n"
    "  created_us INTEGER NOT NULL,\n"
    "  expires_us INTEGER, -- NULL: never\n"
    "  UNIQUE (area_id, path)\n"
    ") STRICT;\n"
    "CREATE INDEX file_expiry ON file (expires_us) WHERE expires_us IS NOT NULL;\n"
    "CREATE TABLE reservation (\n"
    "  object       TEXT    PRIMARY KEY,\n"
    "  area_id      INTEGER NOT NULL REFERENCES area (id),\n"
    "  path         TEXT    NOT NULL,\n"
    "  size_bytes   INTEGER NOT NULL CHECK (size_bytes >= 0),\n"
    "  credit_bytes INTEGER NOT NULL CHECK (credit_bytes >= 0),\n"
    "  instance     TEXT    NOT NULL,\n"
    "  created_us   INTEGER NOT NULL\n"
    ") STRICT, WITHOUT ROWID;\n"
    "CREATE INDEX reservation_path ON reservation (area_id, path);\n"
    "CREATE INDEX reservation_instance ON reservation (instance);\n"
    "CREATE TRIGGER file_inserted AFTER INSERT ON file BEGIN\n"
    "  UPDATE area SET used_bytes = used_bytes + new.size_bytes, file_count = file_count + 1\n"
    "   WHERE id = new.area_id;\n"
    "END;\n"
    "CREATE TRIGGER file_deleted AFTER DELETE ON file BEGIN\n"
    "  UPDATE area SET used_bytes = used_bytes - old.size_bytes, file_count = file_count - 1\n"
    "   WHERE id = old.area_id;\n"
    "  UPDATE reservation SET credit_bytes = 0\n"
    "   WHERE area_id = old.area_id AND path = old.path AND credit_bytes > 0;\n"
    "END;\n"
    "CREATE TRIGGER file_replaced AFTER UPDATE OF size_bytes ON file BEGIN\n"
    "  UPDATE area SET used_bytes = used_bytes - old.size_bytes + new.size_bytes\n"
    "   WHERE id = new.area_id;\n"
    "  UPDATE reservation SET credit_bytes = min(credit_bytes, new.size_bytes)\n"
    "   WHERE area_id = new.area_id AND path = new.path AND credit_bytes > new.size_bytes;\n"
    "END;\n"
    "CREATE TRIGGER reservation_inserted AFTER INSERT ON reservation BEGIN\n"
    "  UPDATE area SET reserved_bytes = reserved_bytes + max(0, new.size_bytes - "
    "new.credit_bytes)\n"
    "   WHERE id = new.area_id;\n"
    "END;\n"
    "CREATE TRIGGER reservation_deleted AFTER DELETE ON reservation BEGIN\n"
    "  UPDATE area SET reserved_bytes = reserved_bytes - max(0, old.size_bytes - "
    "old.credit_bytes)\n"
    "   WHERE id = old.area_id;\n"
    "END;\n"
    "CREATE TRIGGER reservation_updated AFTER UPDATE OF size_bytes, credit_bytes ON "
    "reservation BEGIN\n"
    "  UPDATE area SET reserved_bytes = reserved_bytes\n"
    "                                   - max(0, old.size_bytes - old.credit_bytes)\n"
    "                                   + max(0, new.size_bytes - new.credit_bytes)\n"
    "   WHERE id = new.area_id;\n"
    "END;\n";

static const char marks[] = "PRAGMA application_id=1246121009; PRAGMA user_version=1;";

/* alice replaces "a" and uploads "new"; bob has no limit; the last one was never a JID. */
static const char rows[] =
    "INSERT INTO area (id, jid, quota_bytes, created_us) VALUES"
    " (1, '" JF_ALICE "', NULL, 1), (2, '" JF_BOB "', -1, 2), (4, '" UMLAUT "', 0, 3),"
    " (9, 'no-jid', 77, 4);"
    "INSERT INTO file (id, area_id, path, token, object, size_bytes, media_type, sha256,"
    " created_us, expires_us) VALUES"
    " (1, 1, 'a', 'link-a', '000000000000000000000000000000a1', 5, 'text/plain', NULL, 5, NULL),"
    " (2, 1, 'b/\xC3\xA4', 'link-b', '000000000000000000000000000000a2', 6, 'image/png',"
    "  zeroblob(32), 6, 4000000000000000),"
    " (7, 2, 'c', 'link-c', '000000000000000000000000000000a3', 1099511627776, 'x/y', NULL, 7,"
    "  NULL);"
    "INSERT INTO reservation VALUES"
    " ('" OBJECT_IN_FLIGHT "', 1, 'a', 8, 5, '00000000000000000000000000000001', 8),"
    " ('" NEW_PROMISE "', 1, 'new', 10, 0, '00000000000000000000000000000002', 9);";

/* ---- making and looking ---- */

/* The fixture's ledger, with the id it had, as version 1 would have left it. */
static void make_version_1(jf_fixture_t *fixture)
{
    sqlite3 *db = jf_crowd_stranger(fixture);
    const char *id = jf_crowd_text(db, "SELECT id FROM ledger", fixture->pool);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    assert_int_equal(unlink(fixture->database), 0);
    assert_int_equal(sqlite3_open(fixture->database, &db), SQLITE_OK);
    jf_crowd_exec(db, "PRAGMA journal_mode=WAL");
    jf_crowd_exec(db, version_1);
    jf_crowd_exec(db, marks);
    jf_crowd_exec(db, rows);
    jf_crowd_exec(db, apr_pstrcat(fixture->pool, "UPDATE ledger SET id = '", id, "'", NULL));
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

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

/* Everything that version 1 has, as text. */
static const char *content_of(const jf_fixture_t *fixture)
{
    static const char *const parts[] = {"SELECT id FROM ledger", all_areas, all_files,
                                        all_promises};
    const char *content = "";
    sqlite3 *db = jf_crowd_stranger(fixture);
    for (size_t i = 0; i < JF_TEST_COUNT(parts); i++) {
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

/* ---- tests ---- */

static void test_upgrade_loses_nothing(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_file_t file;
    make_version_1(fixture);
    const char *before = content_of(fixture);
    upgrade_and_open(fixture);
    assert_string_equal(content_of(fixture), before);
    jf_fixture_expect(fixture, 11, 13, 2);
    assert_int_equal(jf_fixture_area(fixture, JF_BOB).quota_bytes, JF_UNLIMITED);
    assert_int_equal(jf_fixture_area(fixture, JF_BOB).used_bytes, 1099511627776);
    assert_int_equal(jf_fixture_area(fixture, UMLAUT).quota_bytes, 0);
    jf_test_ok(jf_ledger_file_by_token(&file, fixture->ledger, "link-b", JF_NOW_US, fixture->pool),
               "a link");
    assert_string_equal(file.jid, JF_ALICE);
    assert_int_equal(file.expires_us, 4000000000000000);
    jf_granter_expect_rows(fixture, 0, 0);
}

/* A ledger that was upgraded must not differ for ever from one that was new. */
static void test_upgraded_and_new_ledgers_are_the_same(void **state)
{
    jf_fixture_t *fixture = *state;
    const char *schema = schema_of(fixture);
    make_version_1(fixture);
    assert_string_not_equal(schema_of(fixture), schema);
    upgrade_and_open(fixture);
    assert_string_equal(schema_of(fixture), schema);
}

static void test_upgrade_knows_the_hashes(void **state)
{
    jf_fixture_t *fixture = *state;
    static const char *const areas[][2] = {
        {JF_ALICE, SHA1_OF_ALICE}, {JF_BOB, SHA1_OF_BOB}, {UMLAUT, SHA1_OF_UMLAUT}};
    make_version_1(fixture);
    upgrade_and_open(fixture);
    for (size_t i = 0; i < JF_TEST_COUNT(areas); i++) {
        const char *sql = apr_psprintf(fixture->pool,
                                       "SELECT count(*) FROM area WHERE jid = '%s' AND "
                                       "jid_sha1 = '%s'",
                                       areas[i][0], areas[i][1]);
        assert_int_equal(number_of(fixture, sql), 1);
    }
    assert_int_equal(
        number_of(fixture, "SELECT count(*) FROM area WHERE jid_sha1 IS NULL AND jid = 'no-jid'"),
        1);
    assert_int_equal(number_of(fixture, "SELECT count(*) FROM area WHERE jid_sha1 IS NULL"), 1);
}

static void test_work_goes_on_after_the_upgrade(void **state)
{
    jf_fixture_t *fixture = *state;
    apr_array_header_t *list;
    jf_settle_t settle = jf_fixture_settle(OBJECT_IN_FLIGHT, 8, fixture->pool);
    jf_file_t file;
    const char *replaced;
    int created;
    make_version_1(fixture);
    upgrade_and_open(fixture);
    jf_test_ok(jf_ledger_settle(&file, &replaced, &created, fixture->ledger, &settle, JF_NOW_US,
                                fixture->pool),
               "an upload of the old version");
    assert_string_equal(file.token, "link-a");
    assert_int_equal(created, 0);
    jf_fixture_expect(fixture, 14, 10, 2);
    jf_test_ok(jf_ledger_instances(&list, fixture->ledger, fixture->pool), "instances");
    assert_int_equal(list->nelts, 1);
    jf_ledger_cancel(fixture->ledger, NEW_PROMISE);

    jf_slot_t slot = jf_granter_grant(fixture, "slot", 20);
    jf_fixture_expect(fixture, 14, 20, 2);
    jf_granter_put(fixture, slot.token, "slot", 20);
    jf_fixture_expect(fixture, 34, 0, 3);
    jf_test_ok(jf_ledger_area_remove(&list, fixture->ledger, JF_BOB, fixture->pool), "bob");
    assert_int_equal(list->nelts, 1);
}

/* A process that outlives the upgrade's beginning, or a program that is older than the ledger. */
static void test_old_ledger_is_refused_until_it_is_upgraded(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_area_t area;
    make_version_1(fixture);
    const char *before = content_of(fixture);
    jf_test_ok(jf_fixture_open(fixture, JF_DURABILITY_RELAXED), "open");
    jf_err_t *errors[] = {
        jf_ledger_area_get(&area, fixture->ledger, JF_ALICE, fixture->pool),
        jf_ledger_area_set_quota(fixture->ledger, JF_ALICE, 1, JF_NOW_US, fixture->pool)};
    for (size_t i = 0; i < JF_TEST_COUNT(errors); i++) {
        jf_test_refused(errors[i], JF_ERR_UNAVAILABLE, "version 1");
        assert_non_null(strstr(errors[i]->text, fixture->database));
    }
    assert_string_equal(content_of(fixture), before);
    jf_test_ok(jf_ledger_create(fixture->database, fixture->pool), "upgrade");
    jf_fixture_expect(fixture, 11, 13, 2);
}

static void test_failed_upgrade_leaves_the_old_ledger(void **state)
{
    jf_fixture_t *fixture = *state;
    make_version_1(fixture);
    const char *content = content_of(fixture);
    sqlite3 *stranger = jf_crowd_stranger(fixture);
    jf_crowd_exec(stranger, "CREATE TABLE used_slot (x)");
    const char *schema = schema_of(fixture);
    jf_test_refused(jf_ledger_create(fixture->database, fixture->pool), JF_ERR_UNAVAILABLE,
                    "a table is in the way");
    assert_int_equal(number_of(fixture, "PRAGMA user_version"), 1);
    assert_string_equal(schema_of(fixture), schema);
    assert_string_equal(content_of(fixture), content);

    jf_crowd_exec(stranger, "DROP TABLE used_slot");
    sqlite3_close(stranger);
    upgrade_and_open(fixture);
    jf_fixture_expect(fixture, 11, 13, 2);
}

static int upgrade_ledger(void *baton, int number)
{
    apr_pool_t *pool;
    (void)number;
    apr_pool_create(&pool, NULL);
    return jf_ledger_create(baton, pool) ? 1 : 0;
}

static void test_processes_that_upgrade_together_all_succeed(void **state)
{
    jf_fixture_t *fixture = *state;
    for (int round = 0; round < 10; round++) {
        make_version_1(fixture);
        const char *before = content_of(fixture);
        assert_int_equal(jf_crowd_children(PROCESSES, upgrade_ledger, (void *)fixture->database),
                         PROCESSES);
        assert_int_equal(number_of(fixture, "PRAGMA user_version"), 2);
        assert_string_equal(content_of(fixture), before);
    }
}

static const struct CMUnitTest tests[] = {
    JF_FIXTURE_CLOSED_TEST(test_upgrade_loses_nothing),
    JF_FIXTURE_CLOSED_TEST(test_upgraded_and_new_ledgers_are_the_same),
    JF_FIXTURE_CLOSED_TEST(test_upgrade_knows_the_hashes),
    JF_FIXTURE_CLOSED_TEST(test_work_goes_on_after_the_upgrade),
    JF_FIXTURE_CLOSED_TEST(test_old_ledger_is_refused_until_it_is_upgraded),
    JF_FIXTURE_CLOSED_TEST(test_failed_upgrade_leaves_the_old_ledger),
    JF_FIXTURE_CLOSED_TEST(test_processes_that_upgrade_together_all_succeed),
};

JF_TEST_MAIN(tests)
