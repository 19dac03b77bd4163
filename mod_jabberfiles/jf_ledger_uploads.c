#include "jf_ledger_private.h"

#include "jf_units.h"

/* ---- promising ---- */

static apr_int64_t effective_quota(apr_int64_t of_area, apr_int64_t of_configuration)
{
    return of_area == JF_QUOTA_DEFAULT ? of_configuration : of_area;
}

/* What may still be promised. An operator may have lowered the quota below what is used. */
static apr_int64_t room(apr_int64_t quota_bytes, apr_int64_t used_bytes, apr_int64_t reserved_bytes)
{
    apr_int64_t limit_bytes = quota_bytes == JF_UNLIMITED ? APR_INT64_MAX : quota_bytes;
    apr_int64_t taken_bytes = used_bytes + reserved_bytes;
    return limit_bytes > taken_bytes ? limit_bytes - taken_bytes : 0;
}

static apr_int64_t smaller(apr_int64_t a, apr_int64_t b)
{
    return a < b ? a : b;
}

static jf_err_t *over_quota(apr_int64_t quota_bytes, apr_int64_t taken_bytes,
                            apr_int64_t need_bytes, const char *jid, apr_pool_t *pool)
{
    jf_err_t *err =
        jf_err_make(JF_ERR_QUOTA, APR_SUCCESS, pool,
                    "the disk quota of %s is %" APR_INT64_T_FMT " bytes, %" APR_INT64_T_FMT
                    " are used or promised to uploads, and %" APR_INT64_T_FMT " are needed",
                    jid, quota_bytes, taken_bytes, need_bytes);
    err->limit_bytes = quota_bytes;
    err->used_bytes = taken_bytes;
    err->required_bytes = need_bytes;
    return err;
}

jf_err_t *jf_ledger_check_room(apr_int64_t *available_bytes, const jf_area_t *area,
                               apr_int64_t quota_bytes, apr_int64_t credit_bytes,
                               apr_int64_t need_bytes, apr_pool_t *pool)
{
    apr_int64_t limit_bytes = effective_quota(area->quota_bytes, quota_bytes);
    *available_bytes = room(limit_bytes, area->used_bytes, area->reserved_bytes) + credit_bytes;
    return need_bytes > *available_bytes
               ? over_quota(limit_bytes, area->used_bytes + area->reserved_bytes, need_bytes,
                            area->jid, pool)
               : NULL;
}

typedef struct reserve_op_t {
    const jf_reserve_t *want;
    apr_time_t now_us;
    apr_int64_t promised_bytes;
} reserve_op_t;

static jf_err_t *given_back(apr_int64_t *size_bytes, jf_sqlite_t *db, const jf_slot_use_t *use,
                            const jf_file_t *current, apr_pool_t *pool)
{
    jf_slot_t slot;
    int found;
    *size_bytes = current ? current->size_bytes : 0;
    if (use) {
        JF_TRY(jf_ledger_find_slot(&found, &slot, db, use->token, pool));
        *size_bytes = found ? slot.size_bytes : 0;
    }
    return NULL;
}

jf_err_t *jf_ledger_credit(apr_int64_t *credit_bytes, jf_sqlite_t *db, const jf_area_t *area,
                           const char *path, const jf_slot_use_t *slot, const jf_file_t *current,
                           apr_pool_t *pool)
{
    sqlite3_stmt *stmt;
    int is_taken;
    JF_TRY(given_back(credit_bytes, db, slot, current, pool));
    if (*credit_bytes == 0) {
        return NULL;
    }
    JF_TRY(jf_sqlite_start(&stmt, db, JF_STMT_CREDIT_TAKEN, pool, "is", area->id, path));
    JF_TRY(jf_sqlite_step(&is_taken, stmt, pool));
    sqlite3_reset(stmt);
    if (is_taken) {
        *credit_bytes = 0;
    }
    return NULL;
}

jf_err_t *jf_ledger_judge_upload(const jf_precondition_t *precondition, const jf_slot_use_t *slot,
                                 const jf_file_t *current, apr_pool_t *pool)
{
    JF_TRY(jf_ledger_judge(precondition, current, pool));
    return slot && current ? jf_err_make(JF_ERR_PRECONDITION, APR_SUCCESS, pool,
                                         "there is a file of this name already")
                           : NULL;
}

static jf_err_t *reserve_op(jf_sqlite_t *db, void *baton, apr_pool_t *pool)
{
    reserve_op_t *op = baton;
    const jf_reserve_t *want = op->want;
    jf_area_t area;
    jf_file_t current;
    int found;

    if (want->slot) {
        JF_TRY(jf_ledger_check_unused(db, want->slot->token, pool));
    }
    JF_TRY(jf_ledger_ensure_area(&area, db, want->jid, op->now_us, pool));
    JF_TRY(jf_ledger_find_in_area(&found, &current, db, area.id, want->path, pool));
    int is_there = found && !jf_ledger_is_expired(&current, op->now_us);
    JF_TRY(
        jf_ledger_judge_upload(&want->precondition, want->slot, is_there ? &current : NULL, pool));

    apr_int64_t credit_bytes, available_bytes;
    JF_TRY(jf_ledger_credit(&credit_bytes, db, &area, want->path, want->slot,
                            found ? &current : NULL, pool));
    JF_TRY(jf_ledger_check_room(&available_bytes, &area, want->quota_bytes, credit_bytes,
                                want->need_bytes, pool));
    op->promised_bytes = smaller(want->want_bytes, available_bytes);
    if (want->area) {
        *want->area = area;
    }
    return jf_sqlite_run(NULL, db, JF_STMT_RESERVATION_INSERT, pool, "sisiisi", want->object,
                         area.id, want->path, op->promised_bytes, credit_bytes, want->instance,
                         op->now_us);
}

jf_err_t *jf_ledger_reserve(apr_int64_t *promised_bytes, jf_ledger_t *ledger,
                            const jf_reserve_t *reserve, apr_time_t now_us, apr_pool_t *pool)
{
    reserve_op_t op = {reserve, now_us, 0};
    JF_TRY(jf_ledger_write(ledger, JF_COMMIT_LAZY, reserve_op, &op, pool));
    *promised_bytes = op.promised_bytes;
    return NULL;
}

/* ---- the row of a promise ---- */

typedef struct promise_t {
    jf_area_t area;
    const char *path;
    apr_int64_t size_bytes;
    apr_int64_t credit_bytes;
} promise_t;

static jf_err_t *find_promise(promise_t *promise, jf_sqlite_t *db, const char *object,
                              apr_pool_t *pool)
{
    sqlite3_stmt *stmt;
    int found;
    JF_TRY(jf_sqlite_start(&stmt, db, JF_STMT_RESERVATION_GET, pool, "s", object));
    JF_TRY(jf_sqlite_step(&found, stmt, pool));
    if (!found) {
        return jf_err_make(JF_ERR_NOT_FOUND, APR_SUCCESS, pool,
                           "the area was removed while the upload was in flight");
    }
    jf_ledger_read_area_row(&promise->area, stmt, pool);
    promise->path = jf_sqlite_text(stmt, JF_AREA_COLUMNS, pool);
    promise->size_bytes = sqlite3_column_int64(stmt, JF_AREA_COLUMNS + 1);
    promise->credit_bytes = sqlite3_column_int64(stmt, JF_AREA_COLUMNS + 2);
    sqlite3_reset(stmt);
    return NULL;
}

/* ---- extending ---- */

typedef struct extend_op_t {
    const char *object;
    apr_int64_t need_bytes;
    apr_int64_t want_bytes;
    apr_int64_t quota_bytes;
    apr_int64_t promised_bytes;
} extend_op_t;

static jf_err_t *extend_op(jf_sqlite_t *db, void *baton, apr_pool_t *pool)
{
    extend_op_t *op = baton;
    promise_t promise;
    JF_TRY(find_promise(&promise, db, op->object, pool));
    const jf_area_t *area = &promise.area;
    apr_int64_t quota_bytes = effective_quota(area->quota_bytes, op->quota_bytes);
    apr_int64_t covered_bytes =
        promise.size_bytes > promise.credit_bytes ? promise.size_bytes : promise.credit_bytes;
    apr_int64_t available_bytes =
        room(quota_bytes, area->used_bytes, area->reserved_bytes) + covered_bytes;
    if (op->need_bytes > available_bytes) {
        return over_quota(quota_bytes, area->used_bytes + area->reserved_bytes, op->need_bytes,
                          area->jid, pool);
    }
    op->promised_bytes = smaller(op->want_bytes, available_bytes);
    return jf_sqlite_run(NULL, db, JF_STMT_RESERVATION_RESIZE, pool, "si", op->object,
                         op->promised_bytes);
}

jf_err_t *jf_ledger_extend(apr_int64_t *promised_bytes, jf_ledger_t *ledger, const char *object,
                           apr_int64_t need_bytes, apr_int64_t want_bytes, apr_int64_t quota_bytes,
                           apr_pool_t *pool)
{
    extend_op_t op = {object, need_bytes, want_bytes, quota_bytes, 0};
    JF_TRY(jf_ledger_write(ledger, JF_COMMIT_LAZY, extend_op, &op, pool));
    *promised_bytes = op.promised_bytes;
    return NULL;
}

/* ---- settling ---- */

static jf_err_t *insert_file(jf_sqlite_t *db, const jf_file_t *file, apr_pool_t *pool)
{
    return jf_sqlite_run(NULL, db, JF_STMT_FILE_INSERT, pool, "isssishii", file->area_id,
                         file->path, file->token, file->object, file->size_bytes, file->media_type,
                         file->sha256, file->created_us, file->expires_us);
}

static jf_err_t *replace_file(jf_sqlite_t *db, const jf_file_t *file, apr_pool_t *pool)
{
    return jf_sqlite_run(NULL, db, JF_STMT_FILE_REPLACE, pool, "issishii", file->area_id,
                         file->path, file->object, file->size_bytes, file->media_type, file->sha256,
                         file->created_us, file->expires_us);
}

static jf_file_t new_file(const jf_settle_op_t *op, const jf_area_t *area, const char *path)
{
    const jf_settle_t *settle = op->settle;
    return (jf_file_t){
        .area_id = area->id,
        .jid = area->jid,
        .path = path,
        .token = settle->token,
        .object = settle->object,
        .size_bytes = settle->size_bytes,
        .media_type = settle->media_type,
        .sha256 = settle->sha256,
        .created_us = op->now_us,
        .expires_us = settle->expires_us,
        .transfer = area->transfer,
    };
}

/* What the triggers of the table make of it. */
static void tell_area(const jf_settle_op_t *op, const jf_area_t *before, const jf_file_t *current)
{
    jf_area_t *area = op->settle->area;
    if (area) {
        *area = *before;
        area->used_bytes += op->file.size_bytes - (current ? current->size_bytes : 0);
        area->file_count += !current;
    }
}

jf_err_t *jf_ledger_enter(jf_settle_op_t *op, jf_sqlite_t *db, const jf_area_t *area,
                          const char *path, const jf_file_t *current, apr_pool_t *pool)
{
    int is_there = current && !jf_ledger_is_expired(current, op->now_us);
    JF_TRY(jf_ledger_judge_upload(&op->settle->precondition, op->settle->slot,
                                  is_there ? current : NULL, pool));
    op->file = new_file(op, area, path);
    op->created = !is_there;
    op->replaced = current ? current->object : NULL;
    tell_area(op, area, current);
    if (is_there) {
        op->file.token = current->token;
        return replace_file(db, &op->file, pool);
    }
    if (current) {
        /* The link of an expired file must not come back to life with the new one. */
        JF_TRY(jf_sqlite_run(NULL, db, JF_STMT_FILE_DELETE, pool, "is", area->id, path));
    }
    return insert_file(db, &op->file, pool);
}

static jf_err_t *settle_op(jf_sqlite_t *db, void *baton, apr_pool_t *pool)
{
    jf_settle_op_t *op = baton;
    const jf_settle_t *settle = op->settle;
    promise_t promise;
    jf_file_t current;
    int found;

    JF_TRY(find_promise(&promise, db, settle->object, pool));
    if (settle->slot) {
        JF_TRY(jf_ledger_check_unused(db, settle->slot->token, pool));
        JF_TRY(jf_ledger_use_slot(db, settle->slot, pool));
    }
    if (settle->size_bytes > promise.size_bytes) {
        return over_quota(promise.size_bytes, promise.size_bytes, settle->size_bytes,
                          promise.area.jid, pool);
    }
    JF_TRY(jf_ledger_find_in_area(&found, &current, db, promise.area.id, promise.path, pool));
    JF_TRY(jf_sqlite_run(NULL, db, JF_STMT_RESERVATION_DELETE, pool, "s", settle->object));
    return jf_ledger_enter(op, db, &promise.area, promise.path, found ? &current : NULL, pool);
}

jf_err_t *jf_ledger_settle(jf_file_t *file, const char **replaced, int *created,
                           jf_ledger_t *ledger, const jf_settle_t *settle, apr_time_t now_us,
                           apr_pool_t *pool)
{
    jf_settle_op_t op = {.settle = settle, .now_us = now_us};
    JF_TRY(jf_ledger_write(ledger, JF_COMMIT_DURABLE, settle_op, &op, pool));
    *file = op.file;
    *replaced = op.replaced;
    *created = op.created;
    return NULL;
}

/* ---- promises of the dead ---- */

jf_err_t *jf_ledger_instances(apr_array_header_t **instances, jf_ledger_t *ledger, apr_pool_t *pool)
{
    jf_sqlite_t *db;
    sqlite3_stmt *stmt;
    JF_TRY(jf_ledger_read_begin(&db, ledger, pool));
    jf_err_t *err = jf_sqlite_start(&stmt, db, JF_STMT_RESERVATION_INSTANCES, pool, "");
    if (!err) {
        err = jf_ledger_collect_texts(instances, stmt, pool);
    }
    jf_ledger_read_end(ledger, db);
    return err;
}

typedef struct cancel_instance_op_t {
    const char *instance;
    apr_array_header_t *objects;
} cancel_instance_op_t;

static jf_err_t *cancel_instance_op(jf_sqlite_t *db, void *baton, apr_pool_t *pool)
{
    cancel_instance_op_t *op = baton;
    sqlite3_stmt *stmt;
    JF_TRY(jf_sqlite_start(&stmt, db, JF_STMT_RESERVATION_OBJECTS, pool, "s", op->instance));
    JF_TRY(jf_ledger_collect_texts(&op->objects, stmt, pool));
    return jf_sqlite_run(NULL, db, JF_STMT_RESERVATION_DELETE_INSTANCE, pool, "s", op->instance);
}

jf_err_t *jf_ledger_cancel_instance(apr_array_header_t **objects, jf_ledger_t *ledger,
                                    const char *instance, apr_pool_t *pool)
{
    cancel_instance_op_t op = {instance, NULL};
    JF_TRY(jf_ledger_write(ledger, JF_COMMIT_LAZY, cancel_instance_op, &op, pool));
    *objects = op.objects;
    return NULL;
}
