#include "jf_schema.h"

#include <apr_strings.h>

#include "jf_schema_sql.h"

/* "JFL1" in SQLite's application_id: tells our ledger from any other database. */
#define APPLICATION_ID 0x4a464c31

static const apr_int64_t newest = sizeof(jf_schema_versions) / sizeof(jf_schema_versions[0]);

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

/* Empty means: no version, no mark of any program, and not one table. */
static jf_err_t *check_owner(jf_sqlite_t *db, apr_int64_t version, apr_pool_t *pool)
{
    apr_int64_t owner, schema_version;
    JF_TRY(jf_sqlite_pragma_int(&owner, db, "application_id", pool));
    JF_TRY(jf_sqlite_pragma_int(&schema_version, db, "schema_version", pool));
    int is_ours = owner == APPLICATION_ID;
    int is_empty = owner == 0 && version == 0 && schema_version == 0;
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
    JF_TRY(jf_sqlite_pragma_int(version, db, "user_version", pool));
    return check_owner(db, *version, pool);
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
