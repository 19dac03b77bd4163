#include "jf_schema.h"

#include <apr_strings.h>

#include "jf_area.h"
#include "jf_schema_sql.h"

/* "JFL1" in SQLite's application_id: tells our ledger from any other database. */
#define APPLICATION_ID 0x4a464c31

static const apr_int64_t newest = sizeof(jf_schema_versions) / sizeof(jf_schema_versions[0]);

/* jf_sha1(NAME): NULL for an area whose name is no JID. */
static void sha1_of_name(sqlite3_context *context, int count, sqlite3_value **values)
{
    const char *name = (const char *)sqlite3_value_text(values[0]);
    apr_pool_t *pool;
    (void)count;
    if (!name || !jf_area_is_jid(name)) {
        sqlite3_result_null(context);
        return;
    }
    apr_pool_create(&pool, NULL);
    sqlite3_result_text(context, jf_area_sha1(name, pool), JF_AREA_SHA1_CHARS, SQLITE_TRANSIENT);
    apr_pool_destroy(pool);
}

static jf_err_t *add_functions(jf_sqlite_t *db, apr_pool_t *pool)
{
    sqlite3 *handle = jf_sqlite_handle(db);
    int code = sqlite3_create_function(handle, "jf_sha1", 1, SQLITE_UTF8 | SQLITE_DETERMINISTIC,
                                       NULL, sha1_of_name, NULL, NULL);
    return code == SQLITE_OK ? NULL : jf_sqlite_error(code, handle, pool);
}

static jf_err_t *apply_from(jf_sqlite_t *db, apr_int64_t version, apr_pool_t *pool)
{
    for (apr_int64_t next = version; next < newest; next++) {
        JF_TRY(jf_sqlite_exec(db, jf_schema_versions[next], pool));
    }
    const char *marks =
        apr_psprintf(pool, "PRAGMA application_id=%d; PRAGMA user_version=%" APR_INT64_T_FMT,
                     APPLICATION_ID, newest);
    JF_TRY(jf_sqlite_exec(db, marks, pool));
    return jf_sqlite_exec(db, "COMMIT", pool);
}

static const char *path_of(jf_sqlite_t *db)
{
    return sqlite3_db_filename(jf_sqlite_handle(db), NULL);
}

typedef struct marks_t {
    apr_int64_t schema_version; /* SQLite's own: 0 if there is not one table */
    apr_int64_t version;
    apr_int64_t owner;
} marks_t;

/* In this order: another process may make the ledger meanwhile, all of it in one transaction, and
 * must not be seen as tables that belong to nobody. */
static jf_err_t *read_marks(marks_t *marks, jf_sqlite_t *db, apr_pool_t *pool)
{
    JF_TRY(jf_sqlite_pragma_int(&marks->schema_version, db, "schema_version", pool));
    JF_TRY(jf_sqlite_pragma_int(&marks->version, db, "user_version", pool));
    return jf_sqlite_pragma_int(&marks->owner, db, "application_id", pool);
}

/* Empty means: no version, no mark of any program, and not one table. */
static jf_err_t *check_owner(jf_sqlite_t *db, const marks_t *marks, apr_pool_t *pool)
{
    apr_int64_t owner = marks->owner;
    apr_int64_t version = marks->version;
    int is_ours = owner == APPLICATION_ID;
    int is_empty = owner == 0 && version == 0 && marks->schema_version == 0;
    if (!is_ours && !is_empty) {
        return jf_err_make(JF_ERR_UNAVAILABLE, APR_SUCCESS, pool,
                           "%s belongs to another program (application id %" APR_INT64_T_FMT ")",
                           path_of(db), owner);
    }
    if (version > newest) {
        return jf_err_make(JF_ERR_UNAVAILABLE, APR_SUCCESS, pool,
                           "the ledger %s has schema version %" APR_INT64_T_FMT
                           ", this program knows versions up to %" APR_INT64_T_FMT,
                           path_of(db), version, newest);
    }
    return NULL;
}

static jf_err_t *checked_version(apr_int64_t *version, jf_sqlite_t *db, apr_pool_t *pool)
{
    marks_t marks;
    JF_TRY(read_marks(&marks, db, pool));
    *version = marks.version;
    return check_owner(db, &marks, pool);
}

jf_err_t *jf_schema_check(jf_sqlite_t *db, apr_pool_t *pool)
{
    apr_int64_t version;
    JF_TRY(checked_version(&version, db, pool));
    if (version < newest) {
        return jf_err_make(JF_ERR_UNAVAILABLE, APR_SUCCESS, pool,
                           "the ledger %s has schema version %" APR_INT64_T_FMT
                           ", a start of httpd upgrades it to %" APR_INT64_T_FMT,
                           path_of(db), version, newest);
    }
    return NULL;
}

static jf_err_t *check_and_apply(jf_sqlite_t *db, apr_pool_t *pool)
{
    apr_int64_t version;
    JF_TRY(checked_version(&version, db, pool));
    return apply_from(db, version, pool);
}

jf_err_t *jf_schema_upgrade(jf_sqlite_t *db, apr_pool_t *pool)
{
    apr_int64_t version;
    /* Before anything is written: the file of another program stays as it is. */
    JF_TRY(checked_version(&version, db, pool));
    JF_TRY(add_functions(db, pool));
    /* A property of the file; it cannot be set in a transaction. */
    JF_TRY(jf_sqlite_exec(db, "PRAGMA journal_mode=WAL", pool));

    /* IMMEDIATE: two processes that start together must not both see the old version. */
    JF_TRY(jf_sqlite_exec(db, "BEGIN IMMEDIATE", pool));
    jf_err_t *err = check_and_apply(db, pool);
    if (err && jf_sqlite_in_transaction(db)) {
        jf_sqlite_exec(db, "ROLLBACK", pool);
    }
    return err;
}
