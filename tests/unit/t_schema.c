#include "t_crowd.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <apr_file_io.h>
#include <apr_strings.h>
#include <sqlite3.h>

#include "jf_schema.h"

/* "JFL1", the mark of our ledgers. */
#define OUR_APPLICATION_ID 1246121009

#define NEWEST_VERSION 3
#define TOO_NEW_VERSION 4

#define PROCESSES 8

static const char *other_path(const jf_fixture_t *fixture)
{
    return apr_pstrcat(fixture->pool, fixture->directory, "/other.db", NULL);
}

/* What is in a file, so that two moments can be compared. */
static const char *content_of(apr_size_t *length, const char *path, apr_pool_t *pool)
{
    apr_file_t *file;
    apr_finfo_t info;
    assert_int_equal(apr_file_open(&file, path, APR_FOPEN_READ, APR_FPROT_OS_DEFAULT, pool), 0);
    assert_int_equal(apr_file_info_get(&info, APR_FINFO_SIZE, file), 0);
    *length = (apr_size_t)info.size;
    char *content = apr_palloc(pool, *length + 1);
    assert_int_equal(apr_file_read_full(file, content, *length, NULL), 0);
    apr_file_close(file);
    return content;
}

/* A database made by @a sql and by nobody else. */
static void make_database(const char *path, const char *sql)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    jf_crowd_exec(db, sql);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static apr_int64_t pragma_of(const jf_fixture_t *fixture, const char *path, const char *pragma)
{
    jf_sqlite_t *db;
    apr_int64_t value = -1;
    jf_test_ok(jf_sqlite_open(&db, path, JF_SQLITE_READ, NULL, 0, fixture->pool), path);
    jf_test_ok(jf_sqlite_pragma_int(&value, db, pragma, fixture->pool), pragma);
    jf_sqlite_close(db);
    return value;
}

/* ---- making and upgrading ---- */

static void test_creation_marks_the_ledger_as_ours(void **state)
{
    jf_fixture_t *fixture = *state;
    assert_int_equal(pragma_of(fixture, fixture->database, "application_id"), OUR_APPLICATION_ID);
    assert_int_equal(pragma_of(fixture, fixture->database, "user_version"), NEWEST_VERSION);
}

/* The ledger holds every link: who can read it can download every file. */
static void test_ledger_is_for_its_owner_only(void **state)
{
    jf_fixture_t *fixture = *state;
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    const char *path = other_path(fixture);
    jf_ledger_t *ledger;
    mode_t mask = umask(0);
    jf_test_ok(jf_ledger_create(path, fixture->pool), "create");
    jf_test_ok(jf_ledger_open(&ledger, path, JF_DURABILITY_FULL, fixture->pool), "open");
    jf_test_ok(jf_ledger_area_set_quota(ledger, JF_ALICE, 1, JF_NOW_US, fixture->pool), "write");
    umask(mask);
    for (size_t i = 0; i < JF_TEST_COUNT(suffixes); i++) {
        struct stat st;
        assert_int_equal(stat(apr_pstrcat(fixture->pool, path, suffixes[i], NULL), &st), 0);
        if ((st.st_mode & 077) != 0) {
            fail_msg("%s%s has mode %04o", path, suffixes[i], st.st_mode & 07777);
        }
    }
    jf_ledger_close(ledger);
}

static void test_creating_again_keeps_everything(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_file_t file = jf_fixture_row(fixture, "a", 5, JF_NEVER);
    apr_int64_t version = pragma_of(fixture, fixture->database, "schema_version");
    jf_test_ok(jf_ledger_create(fixture->database, fixture->pool), "while it is open");
    jf_fixture_close(fixture);
    jf_test_ok(jf_ledger_create(fixture->database, fixture->pool), "while it is closed");

    assert_int_equal(pragma_of(fixture, fixture->database, "schema_version"), version);
    jf_test_ok(jf_fixture_open(fixture, JF_DURABILITY_FULL), "open");
    jf_file_t found;
    jf_test_ok(
        jf_ledger_file_by_token(&found, fixture->ledger, file.token, JF_NOW_US, fixture->pool),
        "the file");
    jf_fixture_expect(fixture, 5, 0, 1);
}

static void test_an_empty_file_becomes_a_ledger(void **state)
{
    jf_fixture_t *fixture = *state;
    const char *path = other_path(fixture);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fclose(file);
    jf_test_ok(jf_ledger_create(path, fixture->pool), "an empty file");
    assert_int_equal(pragma_of(fixture, path, "user_version"), NEWEST_VERSION);
}

/* The version says 0 and the tables are there: the upgrade fails in the middle. */
static void test_failed_upgrade_changes_nothing(void **state)
{
    jf_fixture_t *fixture = *state;
    const char *path = other_path(fixture);
    make_database(path, "CREATE TABLE reservation (x); PRAGMA journal_mode=WAL;"
                        "PRAGMA application_id=" APR_STRINGIFY(OUR_APPLICATION_ID));
    jf_test_refused(jf_ledger_create(path, fixture->pool), JF_ERR_UNAVAILABLE, "half a ledger");
    assert_int_equal(pragma_of(fixture, path, "user_version"), 0);

    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    jf_crowd_exec(db, "CREATE TABLE area (x)"); /* fails if the upgrade has left one */
    sqlite3_close(db);
}

/* SQLite's lock of a connection that uses a database: so many bytes from here on. */
#define SHARED_LOCK_START 0x40000002
#define SHARED_LOCK_LENGTH 510

static int is_locked(void *path)
{
    struct flock lock = {.l_type = F_WRLCK,
                         .l_whence = SEEK_SET,
                         .l_start = SHARED_LOCK_START,
                         .l_len = SHARED_LOCK_LENGTH};
    int fd = open(path, O_RDWR);
    return fd >= 0 && fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

/* close(2) on any descriptor of a file drops all locks that the process has on it; then another
 * process may throw away the journal that this one is using. */
static void test_creating_again_drops_no_lock(void **state)
{
    jf_fixture_t *fixture = *state;
    char *path = apr_pstrdup(fixture->pool, fixture->database);
    jf_fixture_row(fixture, "a", 5, JF_NEVER);
    assert_true(jf_crowd_child(is_locked, path) != 0);
    jf_test_ok(jf_ledger_create(path, fixture->pool), "again");
    assert_true(jf_crowd_child(is_locked, path) != 0);
}

static int create_ledger(void *baton, int number)
{
    apr_pool_t *pool;
    (void)number;
    apr_pool_create(&pool, NULL);
    return jf_ledger_create(baton, pool) ? 1 : 0;
}

static void test_processes_that_start_together_all_succeed(void **state)
{
    jf_fixture_t *fixture = *state;
    for (int round = 0; round < 20; round++) {
        char *path = apr_psprintf(fixture->pool, "%s/new%d.db", fixture->directory, round);
        assert_int_equal(jf_crowd_children(PROCESSES, create_ledger, path), PROCESSES);
        assert_int_equal(pragma_of(fixture, path, "user_version"), NEWEST_VERSION);
    }
}

/* ---- refusing ---- */

static void test_other_databases_are_refused_and_left_alone(void **state)
{
    jf_fixture_t *fixture = *state;
    const char *path = other_path(fixture);
    static const char *const databases[] = {
        "CREATE TABLE t (x)",
        "CREATE TABLE t (x); PRAGMA application_id=42",
        "PRAGMA application_id=42",
        "PRAGMA user_version=1",
        "PRAGMA user_version=-1",
        "CREATE TABLE t (x); DROP TABLE t",
        "CREATE TABLE t (x); PRAGMA user_version=1",
        "PRAGMA application_id=" APR_STRINGIFY(
            OUR_APPLICATION_ID) "; PRAGMA user_version=" APR_STRINGIFY(TOO_NEW_VERSION),
        "PRAGMA application_id=" APR_STRINGIFY(
            OUR_APPLICATION_ID) "; PRAGMA user_version=2147483647",
    };
    for (size_t i = 0; i < JF_TEST_COUNT(databases); i++) {
        apr_size_t length_before, length_after;
        make_database(path, databases[i]);
        const char *before = content_of(&length_before, path, fixture->pool);
        jf_err_t *err = jf_ledger_create(path, fixture->pool);
        jf_test_refused(err, JF_ERR_UNAVAILABLE, databases[i]);
        const char *after = content_of(&length_after, path, fixture->pool);
        if (length_before != length_after || memcmp(before, after, length_after) != 0) {
            fail_msg("\"%s\" was refused and changed all the same", databases[i]);
        }
        assert_int_equal(unlink(path), 0);
    }
}

/* The operator must be able to see which file is meant. */
static void test_refusal_names_the_file(void **state)
{
    jf_fixture_t *fixture = *state;
    const char *path = other_path(fixture);
    make_database(path, "CREATE TABLE t (x)");
    jf_err_t *err = jf_ledger_create(path, fixture->pool);
    jf_test_refused(err, JF_ERR_UNAVAILABLE, "another program's database");
    assert_non_null(strstr(err->text, path));
}

static void test_damaged_file_is_unavailable(void **state)
{
    jf_fixture_t *fixture = *state;
    static const struct {
        const char *name;
        long offset;
        int count;
    } damages[] = {
        {"the first page", 0, 4096},
        {"the magic string", 0, 16},
        {"all of it", 0, 1 << 16},
    };
    for (size_t i = 0; i < JF_TEST_COUNT(damages); i++) {
        FILE *file = fopen(fixture->database, "r+");
        assert_non_null(file);
        fseek(file, damages[i].offset, SEEK_SET);
        fwrite(jf_fixture_bytes(7, (apr_size_t)damages[i].count, fixture->pool), 1,
               (size_t)damages[i].count, file);
        fclose(file);
        jf_test_refused(jf_ledger_create(fixture->database, fixture->pool), JF_ERR_UNAVAILABLE,
                        damages[i].name);
    }
}

/* ---- read-only ---- */

static jf_err_code_t code_of(const jf_err_t *err)
{
    return err ? err->code : 0;
}

/* The operator's "chmod 600 ledger.db*". */
static int mend(jf_fixture_t *fixture)
{
    (void)chmod(apr_pstrcat(fixture->pool, fixture->database, "-wal", NULL), 0600);
    (void)chmod(apr_pstrcat(fixture->pool, fixture->database, "-shm", NULL), 0600);
    return chmod(fixture->database, 0600);
}

static int use_read_only_ledger(void *baton)
{
    jf_fixture_t *fixture = baton;
    apr_pool_t *pool = fixture->pool;
    jf_area_t area;
    if (chmod(fixture->database, 0400) != 0) {
        return 1;
    }
    if (code_of(jf_ledger_create(fixture->database, pool)) != JF_ERR_UNAVAILABLE) {
        return 2;
    }
    if (jf_fixture_open(fixture, JF_DURABILITY_FULL)) {
        return 3;
    }
    jf_ledger_t *ledger = fixture->ledger;
    if (code_of(jf_ledger_area_set_quota(ledger, JF_BOB, 1, JF_NOW_US, pool)) !=
        JF_ERR_UNAVAILABLE) {
        return 4;
    }
    if (code_of(jf_ledger_area_get(&area, ledger, JF_BOB, pool)) != JF_ERR_NOT_FOUND) {
        return 5;
    }
    if (mend(fixture) != 0) {
        return 6;
    }
    if (jf_ledger_area_set_quota(ledger, JF_BOB, 1, JF_NOW_US, pool)) {
        return 7;
    }
    return jf_ledger_area_get(&area, ledger, JF_BOB, pool) ? 8 : 0;
}

/* Reading goes on; and the operator's chmod is enough, without a restart. */
static void test_read_only_ledger_is_unavailable_until_it_is_mended(void **state)
{
    jf_fixture_t *fixture = *state;
    int status = jf_crowd_plain_child(use_read_only_ledger, fixture, fixture->directory);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static const struct CMUnitTest tests[] = {
    JF_FIXTURE_CLOSED_TEST(test_creation_marks_the_ledger_as_ours),
    JF_FIXTURE_CLOSED_TEST(test_ledger_is_for_its_owner_only),
    JF_FIXTURE_TEST(test_creating_again_keeps_everything),
    JF_FIXTURE_TEST(test_creating_again_drops_no_lock),
    JF_FIXTURE_CLOSED_TEST(test_an_empty_file_becomes_a_ledger),
    JF_FIXTURE_CLOSED_TEST(test_failed_upgrade_changes_nothing),
    JF_FIXTURE_CLOSED_TEST(test_processes_that_start_together_all_succeed),
    JF_FIXTURE_CLOSED_TEST(test_other_databases_are_refused_and_left_alone),
    JF_FIXTURE_CLOSED_TEST(test_refusal_names_the_file),
    JF_FIXTURE_CLOSED_TEST(test_damaged_file_is_unavailable),
    JF_FIXTURE_CLOSED_TEST(test_read_only_ledger_is_unavailable_until_it_is_mended),
};

JF_TEST_MAIN(tests)
