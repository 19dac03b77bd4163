#include "jf_ledger_private.h"

#include <string.h>

#include <apr_strings.h>

/* One sentence for each line of PRAGMA integrity_check that is not "ok". */
static jf_err_t *check_database(apr_array_header_t *findings, jf_sqlite_t *db, apr_pool_t *pool)
{
    sqlite3_stmt *stmt;
    int code = sqlite3_prepare_v2(jf_sqlite_handle(db), "PRAGMA integrity_check", -1, &stmt, NULL);
    if (code != SQLITE_OK) {
        return jf_sqlite_error(code, jf_sqlite_handle(db), pool);
    }
    jf_err_t *err;
    int has_row;
    while (!(err = jf_sqlite_step(&has_row, stmt, pool)) && has_row) {
        const char *line = jf_sqlite_text(stmt, 0, pool);
        if (strcmp(line, "ok") != 0) {
            APR_ARRAY_PUSH(findings, const char *) = apr_pstrcat(pool, "ledger: ", line, NULL);
        }
    }
    sqlite3_finalize(stmt);
    return err;
}

static jf_err_t *check_sums(apr_array_header_t *findings, jf_sqlite_t *db, apr_pool_t *pool)
{
    sqlite3_stmt *stmt;
    JF_TRY(jf_sqlite_start(&stmt, db, JF_STMT_AREA_SUMS_WRONG, pool, ""));
    for (;;) {
        int has_row;
        JF_TRY(jf_sqlite_step(&has_row, stmt, pool));
        if (!has_row) {
            return NULL;
        }
        APR_ARRAY_PUSH(findings, const char *) = apr_psprintf(
            pool,
            "area %s: says %" APR_INT64_T_FMT " bytes in %" APR_INT64_T_FMT
            " files and %" APR_INT64_T_FMT " bytes reserved, its rows say %" APR_INT64_T_FMT
            ", %" APR_INT64_T_FMT " and %" APR_INT64_T_FMT,
            jf_sqlite_text(stmt, 0, pool), (apr_int64_t)sqlite3_column_int64(stmt, 1),
            (apr_int64_t)sqlite3_column_int64(stmt, 2), (apr_int64_t)sqlite3_column_int64(stmt, 3),
            (apr_int64_t)sqlite3_column_int64(stmt, 4), (apr_int64_t)sqlite3_column_int64(stmt, 5),
            (apr_int64_t)sqlite3_column_int64(stmt, 6));
    }
}

jf_err_t *jf_ledger_check(apr_array_header_t **findings, jf_ledger_t *ledger, apr_pool_t *pool)
{
    jf_sqlite_t *db;
    *findings = apr_array_make(pool, 4, sizeof(const char *));
    JF_TRY(jf_ledger_read_begin(&db, ledger, pool));
    jf_err_t *err = check_database(*findings, db, pool);
    if (!err) {
        err = check_sums(*findings, db, pool);
    }
    jf_ledger_read_end(ledger, db);
    return err;
}

static jf_err_t *repair_sums_op(jf_sqlite_t *db, void *baton, apr_pool_t *pool)
{
    (void)baton;
    return jf_sqlite_run(NULL, db, JF_STMT_AREA_SUMS_REPAIR, pool, "");
}

jf_err_t *jf_ledger_repair_sums(jf_ledger_t *ledger, apr_pool_t *pool)
{
    return jf_ledger_write(ledger, JF_COMMIT_DURABLE, repair_sums_op, NULL, pool);
}
