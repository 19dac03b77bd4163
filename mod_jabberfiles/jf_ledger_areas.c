#include "jf_ledger_private.h"

#include "jf_area.h"
#include "jf_units.h"

jf_transfer_limit_t jf_ledger_read_transfer(sqlite3_stmt *stmt, int column)
{
    /* A period of NULL is read as 0, which is JF_PERIOD_DEFAULT. */
    return (jf_transfer_limit_t){
        .quota_bytes = sqlite3_column_type(stmt, column) == SQLITE_NULL
                           ? JF_QUOTA_DEFAULT
                           : sqlite3_column_int64(stmt, column),
        .period = (jf_period_t)sqlite3_column_int64(stmt, column + 1),
    };
}

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
    area->transfer = jf_ledger_read_transfer(stmt, 7);
}

static jf_err_t *look_up(int *found, jf_area_t *area, jf_sqlite_t *db, int statement,
                         const char *key, apr_pool_t *pool)
{
    sqlite3_stmt *stmt;
    JF_TRY(jf_sqlite_start(&stmt, db, statement, pool, "s", key));
    JF_TRY(jf_sqlite_step(found, stmt, pool));
    if (*found) {
        jf_ledger_read_area_row(area, stmt, pool);
        sqlite3_reset(stmt);
    }
    return NULL;
}

/* An upload that names its user by the hash of the JID goes to the JID's area, if that one is
 * there. */
static jf_err_t *look_up_for_upload(int *found, jf_area_t *area, jf_sqlite_t *db, const char *name,
                                    apr_pool_t *pool)
{
    const char *hash = jf_area_hash(name);
    JF_TRY(look_up(found, area, db, JF_STMT_AREA_BY_JID, name, pool));
    return *found || !hash ? NULL : look_up(found, area, db, JF_STMT_AREA_BY_SHA1, hash, pool);
}

jf_err_t *jf_ledger_find_area(jf_area_t *area, jf_sqlite_t *db, const char *jid, apr_pool_t *pool)
{
    int found;
    JF_TRY(look_up(&found, area, db, JF_STMT_AREA_BY_JID, jid, pool));
    return found ? NULL : jf_err_make(JF_ERR_NOT_FOUND, APR_SUCCESS, pool, "%s has no area", jid);
}

/* What the area of a JID is called while only its hash is known. */
static const char *name_of_hash(const char *hash, apr_pool_t *pool)
{
    return jf_area_of_ejabberd(hash, NULL, pool);
}

static jf_err_t *make_area(jf_sqlite_t *db, const char *jid, apr_time_t now_us, apr_pool_t *pool)
{
    int renamed = 0;
    const char *hash = jf_area_is_jid(jid) ? jf_area_sha1(jid, pool) : NULL;
    if (hash) {
        JF_TRY(jf_sqlite_run(&renamed, db, JF_STMT_AREA_RENAME, pool, "sss",
                             name_of_hash(hash, pool), jid, hash));
    }
    return renamed ? NULL
                   : jf_sqlite_run(NULL, db, JF_STMT_AREA_INSERT, pool, "ssi", jid, hash, now_us);
}

jf_err_t *jf_ledger_foresee_area(int *found, jf_area_t *area, jf_sqlite_t *db, const char *name,
                                 apr_pool_t *pool)
{
    JF_TRY(look_up_for_upload(found, area, db, name, pool));
    if (*found || !jf_area_is_jid(name)) {
        return NULL;
    }
    return look_up(found, area, db, JF_STMT_AREA_BY_JID,
                   name_of_hash(jf_area_sha1(name, pool), pool), pool);
}

jf_err_t *jf_ledger_ensure_area(jf_area_t *area, jf_sqlite_t *db, const char *jid,
                                apr_time_t now_us, apr_pool_t *pool)
{
    int found;
    JF_TRY(look_up_for_upload(&found, area, db, jid, pool));
    if (found) {
        return NULL;
    }
    JF_TRY(make_area(db, jid, now_us, pool));
    return jf_ledger_find_area(area, db, jid, pool);
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

static jf_err_t *find_jid(const char **jid, jf_sqlite_t *db, apr_int64_t area_id, apr_pool_t *pool)
{
    sqlite3_stmt *stmt;
    int found;
    JF_TRY(jf_sqlite_start(&stmt, db, JF_STMT_AREA_JID, pool, "i", area_id));
    JF_TRY(jf_sqlite_step(&found, stmt, pool));
    if (!found) {
        return jf_err_make(JF_ERR_NOT_FOUND, APR_SUCCESS, pool,
                           "there is no area %" APR_INT64_T_FMT, area_id);
    }
    *jid = jf_sqlite_text(stmt, 0, pool);
    return NULL;
}

jf_err_t *jf_ledger_area_jid(const char **jid, jf_ledger_t *ledger, apr_int64_t area_id,
                             apr_pool_t *pool)
{
    jf_sqlite_t *db;
    JF_TRY(jf_ledger_read_begin(&db, ledger, pool));
    jf_err_t *err = find_jid(jid, db, area_id, pool);
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

/* ---- a JID that is seen ---- */

static jf_err_t *has_area_by_hash(int *found, jf_sqlite_t *db, const char *jid, apr_pool_t *pool)
{
    jf_area_t area;
    return look_up(found, &area, db, JF_STMT_AREA_BY_JID,
                   name_of_hash(jf_area_sha1(jid, pool), pool), pool);
}

typedef struct meet_t {
    const char *jid;
    apr_time_t now_us;
} meet_t;

static jf_err_t *meet_op(jf_sqlite_t *db, void *baton, apr_pool_t *pool)
{
    const meet_t *meet = baton;
    jf_area_t area;
    return jf_ledger_ensure_area(&area, db, meet->jid, meet->now_us, pool);
}

jf_err_t *jf_ledger_area_meet(jf_ledger_t *ledger, const char *jid, apr_time_t now_us,
                              apr_pool_t *pool)
{
    jf_sqlite_t *db;
    meet_t meet = {jid, now_us};
    int found = 0;
    JF_TRY(jf_ledger_read_begin(&db, ledger, pool));
    jf_err_t *err = has_area_by_hash(&found, db, jid, pool);
    jf_ledger_read_end(ledger, db);
    if (err || !found) {
        return err;
    }
    return jf_ledger_write(ledger, JF_COMMIT_DURABLE, meet_op, &meet, pool);
}

/* ---- quotas ---- */

typedef struct set_quota_t {
    const char *jid;
    apr_int64_t quota_bytes;
    apr_time_t now_us;
} set_quota_t;

static jf_err_t *set_quota_op(jf_sqlite_t *db, void *baton, apr_pool_t *pool)
{
    const set_quota_t *set = baton;
    jf_area_t area;
    JF_TRY(jf_ledger_ensure_area(&area, db, set->jid, set->now_us, pool));
    return jf_sqlite_run(NULL, db, JF_STMT_AREA_SET_QUOTA, pool, "si", area.jid, set->quota_bytes);
}

jf_err_t *jf_ledger_area_set_quota(jf_ledger_t *ledger, const char *jid, apr_int64_t quota_bytes,
                                   apr_time_t now_us, apr_pool_t *pool)
{
    set_quota_t set = {jid, quota_bytes, now_us};
    return jf_ledger_write(ledger, JF_COMMIT_DURABLE, set_quota_op, &set, pool);
}

typedef struct set_transfer_t {
    const char *jid;
    const jf_transfer_limit_t *transfer;
    apr_time_t now_us;
} set_transfer_t;

static jf_err_t *set_transfer_op(jf_sqlite_t *db, void *baton, apr_pool_t *pool)
{
    const set_transfer_t *set = baton;
    jf_area_t area;
    JF_TRY(jf_ledger_ensure_area(&area, db, set->jid, set->now_us, pool));
    return jf_sqlite_run(NULL, db, JF_STMT_AREA_SET_TRANSFER, pool, "sii", area.jid,
                         set->transfer->quota_bytes, (apr_int64_t)set->transfer->period);
}

jf_err_t *jf_ledger_area_set_transfer(jf_ledger_t *ledger, const char *jid,
                                      const jf_transfer_limit_t *transfer, apr_time_t now_us,
                                      apr_pool_t *pool)
{
    set_transfer_t set = {jid, transfer, now_us};
    return jf_ledger_write(ledger, JF_COMMIT_DURABLE, set_transfer_op, &set, pool);
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
