#include "jf_ledger_private.h"

/*
 * Uploads that are small enough to be held in memory: nothing is promised to them, for they take
 * nothing from the store before they are whole. One transaction judges them and makes the file.
 */

/* ---- adding ---- */

typedef struct add_op_t {
    jf_settle_op_t settle;
    const jf_add_t *add;
} add_op_t;

/* What is older may have been swept as an orphan. Nobody is that slow, but a machine can be put to
 * sleep. */
static jf_err_t *check_age(const jf_add_t *add, apr_pool_t *pool)
{
    apr_interval_time_t age_us = apr_time_now() - add->written_us;
    return age_us < JF_ADD_AGE_MAX_US
               ? NULL
               : jf_err_make(JF_ERR_IO, APR_TIMEUP, pool,
                             "the file was written %" APR_TIME_T_FMT " s ago, which is too long",
                             apr_time_sec(age_us));
}

static jf_err_t *check_room(jf_sqlite_t *db, const jf_add_t *add, const jf_area_t *area,
                            const jf_file_t *current, apr_pool_t *pool)
{
    apr_int64_t credit_bytes, available_bytes;
    JF_TRY(jf_ledger_credit(&credit_bytes, db, area, add->path, add->settle.slot, current, pool));
    return jf_ledger_check_room(&available_bytes, area, add->quota_bytes, credit_bytes,
                                add->settle.size_bytes, pool);
}

static jf_err_t *add_op(jf_sqlite_t *db, void *baton, apr_pool_t *pool)
{
    add_op_t *op = baton;
    const jf_add_t *add = op->add;
    const jf_slot_use_t *slot = add->settle.slot;
    jf_area_t area;
    jf_file_t row;
    int found;

    JF_TRY(check_age(add, pool));
    if (slot) {
        JF_TRY(jf_ledger_check_unused(db, slot->token, pool));
    }
    JF_TRY(jf_ledger_ensure_area(&area, db, add->jid, op->settle.now_us, pool));
    JF_TRY(jf_ledger_find_in_area(&found, &row, db, area.id, add->path, pool));
    const jf_file_t *current = found ? &row : NULL;
    JF_TRY(check_room(db, add, &area, current, pool));
    if (slot) {
        JF_TRY(jf_ledger_use_slot(db, slot, pool));
    }
    return jf_ledger_enter(&op->settle, db, &area, add->path, current, pool);
}

jf_err_t *jf_ledger_add(jf_file_t *file, const char **replaced, int *created, jf_ledger_t *ledger,
                        const jf_add_t *add, apr_time_t now_us, apr_pool_t *pool)
{
    add_op_t op = {.settle = {.settle = &add->settle, .now_us = now_us}, .add = add};
    JF_TRY(jf_ledger_write(ledger, JF_COMMIT_DURABLE, add_op, &op, pool));
    *file = op.settle.file;
    *replaced = op.settle.replaced;
    *created = op.settle.created;
    return NULL;
}

/* ---- foreseeing ---- */

/* What is given back may be counted on by another upload, too: then it will be refused in the end,
 * but nobody is who would have been taken. */
static jf_err_t *foresee(jf_sqlite_t *db, const jf_add_t *add, apr_time_t now_us, apr_pool_t *pool)
{
    jf_area_t area = {.jid = add->jid, .quota_bytes = JF_QUOTA_DEFAULT};
    jf_file_t current;
    jf_slot_t slot;
    int has_area, found = 0, is_granted = 0;
    apr_int64_t available_bytes;

    JF_TRY(jf_ledger_foresee_area(&has_area, &area, db, add->jid, pool));
    if (has_area) {
        JF_TRY(jf_ledger_find_in_area(&found, &current, db, area.id, add->path, pool));
    }
    if (add->settle.slot) {
        JF_TRY(jf_ledger_check_unused(db, add->settle.slot->token, pool));
        JF_TRY(jf_ledger_find_slot(&is_granted, &slot, db, add->settle.slot->token, pool));
    }
    int is_there = found && !jf_ledger_is_expired(&current, now_us);
    JF_TRY(jf_ledger_judge_upload(&add->settle.precondition, add->settle.slot,
                                  is_there ? &current : NULL, pool));
    apr_int64_t credit_bytes =
        (found ? current.size_bytes : 0) + (is_granted ? slot.size_bytes : 0);
    return jf_ledger_check_room(&available_bytes, &area, add->quota_bytes, credit_bytes,
                                add->settle.size_bytes, pool);
}

jf_err_t *jf_ledger_foresee(jf_ledger_t *ledger, const jf_add_t *add, apr_time_t now_us,
                            apr_pool_t *pool)
{
    jf_sqlite_t *db;
    JF_TRY(jf_ledger_read_begin(&db, ledger, pool));
    jf_err_t *err = foresee(db, add, now_us, pool);
    jf_ledger_read_end(ledger, db);
    return err;
}
