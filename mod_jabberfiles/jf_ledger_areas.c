#include "jf_ledger_private.h"

#include "jf_units.h"

void jf_ledger_read_area_row(jf_area_t *area, sqlite3_stmt *stmt, apr_pool_t *pool)
{
    area->id = sqlite3_column_int64(stmt, 0);
    area->jid = jf_sqlite_text(stmt, 1, pool);
    area->quota_bytes = sqlite3_column_type(stmt, 2) == SQLITE_NULL ? JF_QUOTA_DEFAULT
                                                                    : sqlite3_column_int64(stmt, 2);
    area->used_bytes = sqlite3_column_int64(stmt, 3);
    area->reserved_bytes = sqlite3_column_int64(stmt, 4);
    area->file_count = sqlite3_column_int64(stmt, 5);
    area->created_us = sqlite3_column_int64(stmt, 6);
}

jf_err_t *jf_ledger_find_area(jf_area_t *area, jf_sqlite_t *db, const char *jid, apr_pool_t *pool)
{
    sqlite3_stmt *stmt;
    int found;
    JF_TRY(jf_sqlite_start(&stmt, db, JF_STMT_AREA_BY_JID, pool, "s", jid));
    JF_TRY(jf_sqlite_step(&found, stmt, pool));
    if (!found) {
        return jf_err_make(JF_ERR_NOT_FOUND, APR_SUCCESS, pool, "%s has no area", jid);
    }
    jf_ledger_read_area_row(area, stmt, pool);
    sqlite3_reset(stmt);
    return NULL;
}

jf_err_t *jf_ledger_area_get(jf_area_t *area, jf_ledger_t *ledger, const char *jid,
                             apr_pool_t *pool)
{
    jf_sqlite_t *db;
    JF_TRY(jf_ledger_read_begin(&db, ledger, pool));
    jf_err_t *err = jf_ledger_find_area(area, db, jid, pool);
    jf_ledger_read_end(ledger, db);
    return err;
}

static jf_err_t *list_areas(apr_array_header_t *areas, jf_sqlite_t *db, const char *after,
                            int limit, apr_pool_t *pool)
{
    sqlite3_stmt *stmt;
    JF_TRY(jf_sqlite_start(&stmt, db, JF_STMT_AREA_LIST, pool, "si", after, (apr_int64_t)limit));
    for (;;) {
        int has_row;
        JF_TRY(jf_sqlite_step(&has_row, stmt, pool));
        if (!has_row) {
            return NULL;
        }
        jf_ledger_read_area_row(apr_array_push(areas), stmt, pool);
    }
}

jf_err_t *jf_ledger_area_list(apr_array_header_t **areas, jf_ledger_t *ledger, const char *after,
                              int limit, apr_pool_t *pool)
{
    jf_sqlite_t *db;
    *areas = apr_array_make(pool, 16, sizeof(jf_area_t));
    JF_TRY(jf_ledger_read_begin(&db, ledger, pool));
    jf_err_t *err = list_areas(*areas, db, after, limit, pool);
    jf_ledger_read_end(ledger, db);
    return err;
}

/* ---- quota ---- */

typedef struct set_quota_t {
    const char *jid;
    apr_int64_t quota_bytes;
    apr_time_t now_us;
} set_quota_t;

static jf_err_t *set_quota_op(jf_sqlite_t *db, void *baton, apr_pool_t *pool)
{
    const set_quota_t *set = baton;
    JF_TRY(jf_sqlite_run(NULL, db, JF_STMT_AREA_INSERT, pool, "si", set->jid, set->now_us));
    return jf_sqlite_run(NULL, db, JF_STMT_AREA_SET_QUOTA, pool, "si", set->jid, set->quota_bytes);
}

jf_err_t *jf_ledger_area_set_quota(jf_ledger_t *ledger, const char *jid, apr_int64_t quota_bytes,
                                   apr_time_t now_us, apr_pool_t *pool)
{
    set_quota_t set = {jid, quota_bytes, now_us};
    return jf_ledger_write(ledger, JF_COMMIT_DURABLE, set_quota_op, &set, pool);
}

/* ---- removal ---- */

typedef struct remove_area_t {
    const char *jid;
    apr_array_header_t *objects;
} remove_area_t;

static jf_err_t *remove_area_op(jf_sqlite_t *db, void *baton, apr_pool_t *pool)
{
    remove_area_t *removal = baton;
    jf_area_t area;
    sqlite3_stmt *stmt;
    JF_TRY(jf_ledger_find_area(&area, db, removal->jid, pool));
    JF_TRY(jf_sqlite_start(&stmt, db, JF_STMT_FILE_OBJECTS_OF_AREA, pool, "i", area.id));
    JF_TRY(jf_ledger_collect_texts(&removal->objects, stmt, pool));
    JF_TRY(jf_sqlite_run(NULL, db, JF_STMT_RESERVATION_DELETE_AREA, pool, "i", area.id));
    JF_TRY(jf_sqlite_run(NULL, db, JF_STMT_FILE_DELETE_AREA, pool, "i", area.id));
    return jf_sqlite_run(NULL, db, JF_STMT_AREA_DELETE, pool, "i", area.id);
}

jf_err_t *jf_ledger_area_remove(apr_array_header_t **objects, jf_ledger_t *ledger, const char *jid,
                                apr_pool_t *pool)
{
    remove_area_t removal = {jid, NULL};
    JF_TRY(jf_ledger_write_freeing(ledger, remove_area_op, &removal, pool));
    *objects = removal.objects;
    return NULL;
}

/* ---- sums ---- */

static jf_err_t *read_totals(jf_totals_t *totals, jf_sqlite_t *db, apr_pool_t *pool)
{
    sqlite3_stmt *stmt;
    int has_row;
    JF_TRY(jf_sqlite_start(&stmt, db, JF_STMT_TOTALS, pool, ""));
    JF_TRY(jf_sqlite_step(&has_row, stmt, pool));
    totals->areas = sqlite3_column_int64(stmt, 0);
    totals->files = sqlite3_column_int64(stmt, 1);
    totals->used_bytes = sqlite3_column_int64(stmt, 2);
    totals->uploads_in_flight = sqlite3_column_int64(stmt, 3);
    return NULL;
}

jf_err_t *jf_ledger_totals(jf_totals_t *totals, jf_ledger_t *ledger, apr_pool_t *pool)
{
    jf_sqlite_t *db;
    JF_TRY(jf_ledger_read_begin(&db, ledger, pool));
    jf_err_t *err = read_totals(totals, db, pool);
    jf_ledger_read_end(ledger, db);
    return err;
}
