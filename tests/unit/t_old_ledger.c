#include "t_old_ledger.h"

#include <unistd.h>

#include <apr_strings.h>
#include <sqlite3.h>

#include "t_crowd.h"

/* Version 1 as it once was. This must never change, nor may what version 2 added. */
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

/* What version 2 added; the hashes are in the rows below. */
static const char version_2[] =
    "ALTER TABLE area ADD COLUMN jid_sha1 TEXT;\n"
    "CREATE UNIQUE INDEX area_jid_sha1 ON area (jid_sha1);\n"
    "CREATE TABLE slot (\n"
    "  token      TEXT    PRIMARY KEY,\n"
    "  object     TEXT    NOT NULL UNIQUE,\n"
    "  media_type TEXT    NOT NULL,\n"
    "  expires_us INTEGER NOT NULL\n"
    ") STRICT, WITHOUT ROWID;\n"
    "CREATE INDEX slot_expiry ON slot (expires_us);\n"
    "CREATE TABLE used_slot (\n"
    "  token     TEXT    PRIMARY KEY,\n"
    "  forget_us INTEGER -- NULL: never\n"
    ") STRICT, WITHOUT ROWID;\n"
    "CREATE INDEX used_slot_forget ON used_slot (forget_us) WHERE forget_us IS NOT NULL;\n"
    "DROP TRIGGER reservation_deleted;\n"
    "CREATE TRIGGER reservation_deleted AFTER DELETE ON reservation WHEN old.instance <> '' BEGIN\n"
    "  UPDATE area SET reserved_bytes = reserved_bytes - max(0, old.size_bytes - "
    "old.credit_bytes)\n"
    "   WHERE id = old.area_id;\n"
    "END;\n"
    "CREATE TRIGGER slot_ended AFTER DELETE ON reservation WHEN old.instance = '' BEGIN\n"
    "  UPDATE area SET reserved_bytes = reserved_bytes - max(0, old.size_bytes - "
    "old.credit_bytes)\n"
    "   WHERE id = old.area_id;\n"
    "  DELETE FROM slot WHERE object = old.object;\n"
    "  UPDATE reservation SET credit_bytes = 0\n"
    "   WHERE area_id = old.area_id AND path = old.path AND credit_bytes > 0;\n"
    "END;\n";

/* alice replaces "a" and uploads "new"; bob has no limit; the last one was never a JID. */
static const char rows[] =
    "INSERT INTO area (id, jid, quota_bytes, created_us) VALUES"
    " (1, '" JF_ALICE "', NULL, 1), (2, '" JF_BOB "', -1, 2), (4, '" JF_OLD_UMLAUT "', 0, 3),"
    " (9, 'no-jid', 77, 4);"
    "INSERT INTO file (id, area_id, path, token, object, size_bytes, media_type, sha256,"
    " created_us, expires_us) VALUES"
    " (1, 1, 'a', 'link-a', '000000000000000000000000000000a1', 5, 'text/plain', NULL, 5, NULL),"
    " (2, 1, 'b/\xC3\xA4', 'link-b', '000000000000000000000000000000a2', 6, 'image/png',"
    "  zeroblob(32), 6, 4000000000000000),"
    " (7, 2, 'c', 'link-c', '000000000000000000000000000000a3', 1099511627776, 'x/y', NULL, 7,"
    "  NULL);"
    "INSERT INTO reservation VALUES"
    " ('" JF_OLD_OBJECT_IN_FLIGHT "', 1, 'a', 8, 5, '00000000000000000000000000000001', 8),"
    " ('" JF_OLD_NEW_PROMISE "', 1, 'new', 10, 0, '00000000000000000000000000000002', 9);";

static const char rows_of_version_2[] =
    "UPDATE area SET jid_sha1 = '" JF_OLD_SHA1_OF_ALICE "' WHERE id = 1;"
    "UPDATE area SET jid_sha1 = '" JF_OLD_SHA1_OF_BOB "' WHERE id = 2;"
    "UPDATE area SET jid_sha1 = '" JF_OLD_SHA1_OF_UMLAUT "' WHERE id = 4;"
    "INSERT INTO reservation VALUES"
    " ('000000000000000000000000000000f3', 1, 'slot', 20, 0, '', 10);"
    "INSERT INTO slot VALUES ('" JF_OLD_SLOT_TOKEN "', '000000000000000000000000000000f3', 'a/b',"
    " 4000000000000000);"
    "INSERT INTO used_slot VALUES ('" JF_OLD_USED_TOKEN "', NULL);";

static void fill(sqlite3 *db, int version, apr_pool_t *pool)
{
    jf_crowd_exec(db, version_1);
    if (version > 1) {
        jf_crowd_exec(db, version_2);
    }
    jf_crowd_exec(db, apr_psprintf(pool, "PRAGMA application_id=1246121009; PRAGMA user_version=%d",
                                   version));
    jf_crowd_exec(db, rows);
    if (version > 1) {
        jf_crowd_exec(db, rows_of_version_2);
    }
}

void jf_old_ledger_make(const jf_fixture_t *fixture, int version)
{
    sqlite3 *db = jf_crowd_stranger(fixture);
    const char *id = jf_crowd_text(db, "SELECT id FROM ledger", fixture->pool);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    assert_int_equal(unlink(fixture->database), 0);
    assert_int_equal(sqlite3_open(fixture->database, &db), SQLITE_OK);
    jf_crowd_exec(db, "PRAGMA journal_mode=WAL");
    fill(db, version, fixture->pool);
    jf_crowd_exec(db, apr_pstrcat(fixture->pool, "UPDATE ledger SET id = '", id, "'", NULL));
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}
