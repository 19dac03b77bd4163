#include "jf_ledger_private.h"

#include "jf_token.h"

/* The promise of a slot belongs to no process. */
#define NO_INSTANCE ""

/* ---- inside a transaction ---- */

jf_err_t *jf_ledger_check_unused(jf_sqlite_t *db, const char *token, apr_pool_t *pool)
{
    sqlite3_stmt *stmt;
    int is_used;
    JF_TRY(jf_sqlite_start(&stmt, db, JF_STMT_SLOT_USED, pool, "s", token));
    JF_TRY(jf_sqlite_step(&is_used, stmt, pool));
    sqlite3_reset(stmt);
    return is_used ? jf_err_make(JF_ERR_USED, APR_SUCCESS, pool,
                                 "a file was uploaded to this slot before; ask for a new slot")
                   : NULL;
}

jf_err_t *jf_ledger_find_slot(int *found, jf_slot_t *slot, jf_sqlite_t *db, const char *token,
                              apr_pool_t *pool)
{
    sqlite3_stmt *stmt;
    JF_TRY(jf_sqlite_start(&stmt, db, JF_STMT_SLOT_BY_TOKEN, pool, "s", token));
    JF_TRY(jf_sqlite_step(found, stmt, pool));
    if (*found) {
        slot->token = token;
        slot->jid = jf_sqlite_text(stmt, 0, pool);
        slot->path = jf_sqlite_text(stmt, 1, pool);
        slot->size_bytes = sqlite3_column_int64(stmt, 2);
        slot->media_type = jf_sqlite_text(stmt, 3, pool);
        slot->expires_us = sqlite3_column_int64(stmt, 4);
        sqlite3_reset(stmt);
    }
    return NULL;
}

jf_err_t *jf_ledger_use_slot(jf_sqlite_t *db, const jf_slot_use_t *slot, apr_pool_t *pool)
{
    JF_TRY(jf_sqlite_run(NULL, db, JF_STMT_SLOT_DELETE, pool, "s", slot->token));
    return jf_sqlite_run(NULL, db, JF_STMT_SLOT_MARK_USED, pool, "si", slot->token,
                         slot->forget_us);
}

/* ---- granting ---- */

typedef struct grant_t {
    const jf_slot_t *slot;
    const char *object;
    apr_int64_t quota_bytes;
    apr_time_t now_us;
} grant_t;

static jf_err_t *check_count(jf_sqlite_t *db, const jf_area_t *area, apr_pool_t *pool)
{
    sqlite3_stmt *stmt;
    int has_row;
    JF_TRY(jf_sqlite_start(&stmt, db, JF_STMT_SLOT_COUNT, pool, "i", area->id));
    JF_TRY(jf_sqlite_step(&has_row, stmt, pool));
    apr_int64_t count = sqlite3_column_int64(stmt, 0);
    sqlite3_reset(stmt);
    return count < JF_SLOTS_PER_AREA_MAX
               ? NULL
               : jf_err_make(JF_ERR_TOO_MANY, APR_SUCCESS, pool,
                             "%s has %" APR_INT64_T_FMT " slots that are not used yet", area->jid,
                             count);
}

static jf_err_t *grant_op(jf_sqlite_t *db, void *baton, apr_pool_t *pool)
{
    const grant_t *grant = baton;
    const jf_slot_t *slot = grant->slot;
    jf_area_t area;
    apr_int64_t available_bytes;

    JF_TRY(jf_ledger_ensure_area(&area, db, slot->jid, grant->now_us, pool));
    JF_TRY(check_count(db, &area, pool));
    JF_TRY(jf_ledger_check_room(&available_bytes, &area, grant->quota_bytes, 0, slot->size_bytes,
                                pool));
    JF_TRY(jf_sqlite_run(NULL, db, JF_STMT_RESERVATION_INSERT, pool, "sisiisi", grant->object,
                         area.id, slot->path, slot->size_bytes, APR_INT64_C(0), NO_INSTANCE,
                         grant->now_us));
    return jf_sqlite_run(NULL, db, JF_STMT_SLOT_INSERT, pool, "sssi", slot->token, grant->object,
                         slot->media_type, slot->expires_us);
}

jf_err_t *jf_ledger_slot_grant(jf_ledger_t *ledger, const jf_slot_t *slot, apr_int64_t quota_bytes,
                               apr_time_t now_us, apr_pool_t *pool)
{
    grant_t grant = {slot, NULL, quota_bytes, now_us};
    JF_TRY(jf_token_object(&grant.object, now_us, pool));
    return jf_ledger_write(ledger, JF_COMMIT_LAZY, grant_op, &grant, pool);
}

/* ---- finding ---- */

static jf_err_t *get_live(jf_slot_t *slot, jf_sqlite_t *db, const char *token, apr_time_t now_us,
                          apr_pool_t *pool)
{
    int found;
    JF_TRY(jf_ledger_check_unused(db, token, pool));
    JF_TRY(jf_ledger_find_slot(&found, slot, db, token, pool));
    return found && slot->expires_us > now_us
               ? NULL
               : jf_err_make(JF_ERR_NOT_FOUND, APR_SUCCESS, pool,
                             "there is no such slot, or it has expired");
}

jf_err_t *jf_ledger_slot_get(jf_slot_t *slot, jf_ledger_t *ledger, const char *token,
                             apr_time_t now_us, apr_pool_t *pool)
{
    jf_sqlite_t *db;
    JF_TRY(jf_ledger_read_begin(&db, ledger, pool));
    jf_err_t *err = get_live(slot, db, token, now_us, pool);
    jf_ledger_read_end(ledger, db);
    return err;
}

/* ---- expiring ---- */

typedef struct expire_t {
    int limit;
    apr_time_t now_us;
    int count;
} expire_t;

static jf_err_t *expire_op(jf_sqlite_t *db, void *baton, apr_pool_t *pool)
{
    expire_t *expire = baton;
    int expired, forgotten;
    JF_TRY(jf_sqlite_run(&expired, db, JF_STMT_SLOT_EXPIRE, pool, "ii", expire->now_us,
                         (apr_int64_t)expire->limit));
    JF_TRY(jf_sqlite_run(&forgotten, db, JF_STMT_SLOT_FORGET, pool, "ii", expire->now_us,
                         (apr_int64_t)expire->limit));
    expire->count = expired + forgotten;
    return NULL;
}

jf_err_t *jf_ledger_slot_expire(int *count, jf_ledger_t *ledger, int limit, apr_time_t now_us,
                                apr_pool_t *pool)
{
    expire_t expire = {limit, now_us, 0};
    JF_TRY(jf_ledger_write_freeing(ledger, expire_op, &expire, pool));
    *count = expire.count;
    return NULL;
}
