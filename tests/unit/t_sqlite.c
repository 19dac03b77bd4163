#include "t_crowd.h"
#include "t_fault.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <apr_strings.h>

#include "jf_sqlite.h"

enum { CREATE_TABLE, INSERT, SELECT, UPDATE, BROKEN, STATEMENT_COUNT };

static const char *const statements[STATEMENT_COUNT] = {
    [CREATE_TABLE] = "CREATE TABLE t (i INTEGER UNIQUE, s TEXT, h BLOB) STRICT",
    [INSERT] = "INSERT INTO t VALUES (?1, ?2, ?3)",
    [SELECT] = "SELECT i, s, h FROM t WHERE i > ?1 ORDER BY i",
    [UPDATE] = "UPDATE t SET s = ?1",
    [BROKEN] = "SELECT nothing FROM nowhere",
};

static jf_err_t *open_db(jf_sqlite_t **db, const char *path, jf_sqlite_mode_t mode,
                         apr_pool_t *pool)
{
    return jf_sqlite_open(db, path, mode, statements, STATEMENT_COUNT, pool);
}

/* A new database with the table and the rows 1, 2, 3. */
static jf_sqlite_t *make_table(const char *path, apr_pool_t *pool)
{
    jf_sqlite_t *db;
    jf_test_ok(open_db(&db, path, JF_SQLITE_CREATE, pool), path);
    jf_test_ok(jf_sqlite_run(NULL, db, CREATE_TABLE, pool, ""), "create");
    for (apr_int64_t i = 1; i <= 3; i++) {
        int changes = 0;
        jf_test_ok(jf_sqlite_run(&changes, db, INSERT, pool, "ish", i, "text", (const char *)NULL),
                   "insert");
        assert_int_equal(changes, 1);
    }
    return db;
}

static const char *path_in(const jf_fixture_t *fixture, const char *name)
{
    return apr_pstrcat(fixture->pool, fixture->directory, "/", name, NULL);
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* ---- opening ---- */

static void test_what_is_no_ledger_is_unavailable(void **state)
{
    jf_fixture_t *fixture = *state;
    static const struct {
        const char *name;
        jf_sqlite_mode_t mode;
    } cases[] = {
        {"absent", JF_SQLITE_WRITE},      {"absent", JF_SQLITE_READ},
        {"absent/db", JF_SQLITE_CREATE},  {"objects", JF_SQLITE_CREATE},
        {"text", JF_SQLITE_CREATE},       {"text", JF_SQLITE_WRITE},
        {"link", JF_SQLITE_CREATE},       {"link", JF_SQLITE_WRITE},
        {"link", JF_SQLITE_READ},         {"dangling", JF_SQLITE_CREATE},
        {"text/below", JF_SQLITE_CREATE},
    };
    write_file(path_in(fixture, "text"), jf_test_repeat("", 'x', 4096, "", fixture->pool));
    assert_int_equal(symlink("ledger.db", path_in(fixture, "link")), 0);
    assert_int_equal(symlink("absent", path_in(fixture, "dangling")), 0);

    int descriptors = jf_fault_count_descriptors();
    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        jf_sqlite_t *db = NULL;
        jf_err_t *err = open_db(&db, path_in(fixture, cases[i].name), cases[i].mode, fixture->pool);
        jf_test_refused(err, JF_ERR_UNAVAILABLE, cases[i].name);
        assert_null(db);
    }
    assert_int_equal(jf_fault_count_descriptors(), descriptors);
    assert_false(jf_fixture_exists(path_in(fixture, "absent")));
}

/* An operator may have put the directory elsewhere; a link planted as the ledger is another thing
 * (above). */
static void test_directory_may_be_reached_through_a_link(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_sqlite_t *db;
    assert_int_equal(symlink(".", path_in(fixture, "moved")), 0);
    jf_test_ok(open_db(&db, path_in(fixture, "moved/ledger.db"), JF_SQLITE_WRITE, fixture->pool),
               "a directory that is a symbolic link");
    jf_sqlite_close(db);
}

static void test_close_of_nothing_is_harmless(void **state)
{
    (void)state;
    jf_sqlite_close(NULL);
}

static void test_reader_cannot_write(void **state)
{
    jf_fixture_t *fixture = *state;
    const char *path = path_in(fixture, "t.db");
    jf_sqlite_t *reader;
    jf_sqlite_close(make_table(path, fixture->pool));
    jf_test_ok(open_db(&reader, path, JF_SQLITE_READ, fixture->pool), "reader");
    jf_test_refused(jf_sqlite_run(NULL, reader, UPDATE, fixture->pool, "s", "other"),
                    JF_ERR_UNAVAILABLE, "writing");
    jf_sqlite_close(reader);
}

static void test_close_rolls_back(void **state)
{
    jf_fixture_t *fixture = *state;
    const char *path = path_in(fixture, "t.db");
    jf_sqlite_t *db = make_table(path, fixture->pool);
    sqlite3_stmt *stmt;
    int has_row;
    jf_test_ok(jf_sqlite_exec(db, "BEGIN IMMEDIATE", fixture->pool), "begin");
    assert_true(jf_sqlite_in_transaction(db));
    jf_test_ok(jf_sqlite_run(NULL, db, UPDATE, fixture->pool, "s", "lost"), "update");
    jf_sqlite_close(db);

    jf_test_ok(open_db(&db, path, JF_SQLITE_WRITE, fixture->pool), "open");
    assert_false(jf_sqlite_in_transaction(db));
    jf_test_ok(jf_sqlite_start(&stmt, db, SELECT, fixture->pool, "i", (apr_int64_t)0), "select");
    jf_test_ok(jf_sqlite_step(&has_row, stmt, fixture->pool), "step");
    assert_string_equal(jf_sqlite_text(stmt, 1, fixture->pool), "text");
    jf_sqlite_close(db);
}

/* ---- statements ---- */

static void test_parameters_come_back_as_they_went_in(void **state)
{
    jf_fixture_t *fixture = *state;
    apr_pool_t *pool = fixture->pool;
    static const struct {
        apr_int64_t i;
        const char *s;
        int has_hash;
    } rows[] = {
        {INT64_MIN, "", 0},
        {-1, NULL, 1},
        {0, "a'b\"c\\d;--", 0},
        {((apr_int64_t)1 << 53) + 1, "\xC3\xBC\xE2\x82\xAC\xF0\x9F\x98\x80", 1},
        {INT64_MAX, "line\nline\t\x01", 0},
    };
    const unsigned char *hash = (const unsigned char *)jf_fixture_bytes(1, 32, pool);
    jf_sqlite_t *db;
    sqlite3_stmt *stmt;
    int has_row;
    jf_test_ok(open_db(&db, path_in(fixture, "t.db"), JF_SQLITE_CREATE, pool), "open");
    jf_test_ok(jf_sqlite_run(NULL, db, CREATE_TABLE, pool, ""), "create");
    for (size_t i = 0; i < JF_TEST_COUNT(rows); i++) {
        jf_test_ok(jf_sqlite_run(NULL, db, INSERT, pool, "ish", rows[i].i, rows[i].s,
                                 rows[i].has_hash ? hash : NULL),
                   "insert");
    }

    jf_test_ok(jf_sqlite_start(&stmt, db, SELECT, pool, "i", INT64_MIN), "select");
    for (size_t i = 1; i < JF_TEST_COUNT(rows); i++) {
        jf_test_ok(jf_sqlite_step(&has_row, stmt, pool), "step");
        assert_true(has_row);
        assert_int_equal(sqlite3_column_int64(stmt, 0), rows[i].i);
        const char *text = jf_sqlite_text(stmt, 1, pool);
        assert_int_equal(!text, !rows[i].s);
        assert_string_equal(text ? text : "", rows[i].s ? rows[i].s : "");
        assert_int_equal(sqlite3_column_bytes(stmt, 2), rows[i].has_hash ? 32 : 0);
        if (rows[i].has_hash) {
            assert_memory_equal(sqlite3_column_blob(stmt, 2), hash, 32);
        }
    }
    jf_test_ok(jf_sqlite_step(&has_row, stmt, pool), "the last step");
    assert_false(has_row);
    jf_sqlite_close(db);
}

static void test_changes_are_counted(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_sqlite_t *db = make_table(path_in(fixture, "t.db"), fixture->pool);
    int changes = -1;
    jf_test_ok(jf_sqlite_run(&changes, db, UPDATE, fixture->pool, "s", "new"), "update");
    assert_int_equal(changes, 3);
    jf_sqlite_close(db);
}

static void test_statement_errors_name_the_ledger(void **state)
{
    jf_fixture_t *fixture = *state;
    apr_pool_t *pool = fixture->pool;
    jf_sqlite_t *db = make_table(path_in(fixture, "t.db"), pool);
    const struct {
        jf_err_t *err;
        jf_err_code_t code;
    } cases[] = {
        {jf_sqlite_run(NULL, db, BROKEN, pool, ""), JF_ERR_UNAVAILABLE},
        {jf_sqlite_run(NULL, db, INSERT, pool, "iss", (apr_int64_t)1, "twice", (const char *)NULL),
         JF_ERR_INVALID},
        {jf_sqlite_run(NULL, db, SELECT, pool, "ii", (apr_int64_t)1, (apr_int64_t)2),
         JF_ERR_UNAVAILABLE},
        {jf_sqlite_exec(db, "NONSENSE", pool), JF_ERR_UNAVAILABLE},
    };
    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        jf_test_refused(cases[i].err, cases[i].code, "a wrong statement");
        assert_non_null(strstr(cases[i].err->text, "t.db"));
    }
    int changes = 0;
    jf_test_ok(jf_sqlite_run(&changes, db, UPDATE, pool, "s", "still works"), "update");
    assert_int_equal(changes, 3);
    jf_sqlite_close(db);
}

/* A reading statement that nobody resets would keep its snapshot, and the journal would grow. */
static void test_reset_ends_the_read_transaction(void **state)
{
    jf_fixture_t *fixture = *state;
    apr_pool_t *pool = fixture->pool;
    const char *path = path_in(fixture, "t.db");
    jf_sqlite_t *writer = make_table(path, pool);
    jf_sqlite_t *reader;
    sqlite3_stmt *stmt;
    int has_row;
    jf_test_ok(open_db(&reader, path, JF_SQLITE_READ, pool), "reader");
    jf_test_ok(jf_sqlite_start(&stmt, reader, SELECT, pool, "i", (apr_int64_t)0), "select");
    jf_test_ok(jf_sqlite_step(&has_row, stmt, pool), "step");
    assert_int_equal(sqlite3_txn_state(jf_sqlite_handle(reader), NULL), SQLITE_TXN_READ);
    jf_sqlite_reset_all(reader);
    assert_int_equal(sqlite3_txn_state(jf_sqlite_handle(reader), NULL), SQLITE_TXN_NONE);

    jf_test_ok(jf_sqlite_run(NULL, writer, UPDATE, pool, "s", "new"), "update");
    jf_test_ok(jf_sqlite_start(&stmt, reader, SELECT, pool, "i", (apr_int64_t)0), "select");
    jf_test_ok(jf_sqlite_step(&has_row, stmt, pool), "step");
    assert_string_equal(jf_sqlite_text(stmt, 1, pool), "new");
    jf_sqlite_close(reader);
    jf_sqlite_close(writer);
}

static void test_pragma_is_read_as_a_number(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_sqlite_t *db = make_table(path_in(fixture, "t.db"), fixture->pool);
    apr_int64_t value = -1;
    jf_test_ok(jf_sqlite_exec(db, "PRAGMA user_version=77", fixture->pool), "set");
    jf_test_ok(jf_sqlite_pragma_int(&value, db, "user_version", fixture->pool), "get");
    assert_int_equal(value, 77);
    jf_test_ok(jf_sqlite_pragma_int(&value, db, "foreign_keys", fixture->pool), "get");
    assert_int_equal(value, 1);
    jf_sqlite_close(db);
}

static void test_no_other_database_can_be_attached(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_sqlite_t *db = make_table(path_in(fixture, "t.db"), fixture->pool);
    jf_test_refused(jf_sqlite_exec(db, "ATTACH ':memory:' AS other", fixture->pool),
                    JF_ERR_UNAVAILABLE, "attach");
    jf_sqlite_close(db);
}

static const struct CMUnitTest tests[] = {
    JF_FIXTURE_CLOSED_TEST(test_what_is_no_ledger_is_unavailable),
    JF_FIXTURE_CLOSED_TEST(test_directory_may_be_reached_through_a_link),
    JF_FIXTURE_CLOSED_TEST(test_close_of_nothing_is_harmless),
    JF_FIXTURE_CLOSED_TEST(test_reader_cannot_write),
    JF_FIXTURE_CLOSED_TEST(test_close_rolls_back),
    JF_FIXTURE_CLOSED_TEST(test_parameters_come_back_as_they_went_in),
    JF_FIXTURE_CLOSED_TEST(test_changes_are_counted),
    JF_FIXTURE_CLOSED_TEST(test_statement_errors_name_the_ledger),
    JF_FIXTURE_CLOSED_TEST(test_reset_ends_the_read_transaction),
    JF_FIXTURE_CLOSED_TEST(test_pragma_is_read_as_a_number),
    JF_FIXTURE_CLOSED_TEST(test_no_other_database_can_be_attached),
};

JF_TEST_MAIN(tests)
