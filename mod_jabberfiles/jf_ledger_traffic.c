#include "jf_ledger_traffic.h"

#include "jf_ledger_private.h"

/* So many rows of old days go with one batch: nobody shall wait long for the ledger, however many
 * there are. */
#define FORGET_MAX 1000

/* ---- writing ---- */

static int is_of_no_day(const jf_traffic_entry_t *entry)
{
    return entry->sent_bytes == 0 && entry->received_bytes == 0 && entry->downloads == 0 &&
           entry->uploads == 0;
}

static jf_err_t *write_entry(jf_sqlite_t *db, const jf_traffic_entry_t *entry, apr_int64_t day,
                             apr_pool_t *pool)
{
    if (!is_of_no_day(entry)) {
        JF_TRY(jf_sqlite_run(NULL, db, JF_STMT_TRAFFIC_ADD, pool, "iiiiii", entry->area_id, day,
                             entry->sent_bytes, entry->received_bytes, entry->downloads,
                             entry->uploads));
    }
    return jf_sqlite_run(NULL, db, JF_STMT_TRAFFIC_CHARGE, pool, "iiii", entry->area_id,
                         (apr_int64_t)entry->period, entry->period_start_us, entry->charged_bytes);
}

static apr_int64_t day_of(apr_time_t time_us)
{
    return apr_time_sec(jf_period_start(JF_PERIOD_DAY, time_us)) / JF_PERIOD_DAY;
}

static jf_err_t *write_op(jf_sqlite_t *db, void *baton, apr_pool_t *pool)
{
    const jf_traffic_batch_t *batch = baton;
    apr_int64_t day = day_of(batch->now_us);
    for (int i = 0; i < batch->entries->nelts; i++) {
        JF_TRY(write_entry(db, &APR_ARRAY_IDX(batch->entries, i, jf_traffic_entry_t), day, pool));
    }
    if (batch->number != JF_TRAFFIC_NO_NUMBER) {
        JF_TRY(jf_sqlite_run(NULL, db, JF_STMT_TRAFFIC_SET_NUMBER, pool, "i", batch->number));
    }
    return jf_sqlite_run(NULL, db, JF_STMT_TRAFFIC_FORGET, pool, "ii", day - JF_TRAFFIC_DAYS_KEPT,
                         (apr_int64_t)FORGET_MAX);
}

jf_err_t *jf_ledger_traffic_write(jf_ledger_t *ledger, const jf_traffic_batch_t *batch,
                                  apr_pool_t *pool)
{
    jf_traffic_batch_t copy = *batch;
    return jf_ledger_write(ledger, JF_COMMIT_LAZY, write_op, &copy, pool);
}

/* ---- reading ---- */

static jf_err_t *read_number(apr_int64_t *number, sqlite3_stmt *stmt, apr_pool_t *pool)
{
    int found;
    JF_TRY(jf_sqlite_step(&found, stmt, pool));
    *number = found ? sqlite3_column_int64(stmt, 0) : 0;
    return NULL;
}

jf_err_t *jf_ledger_traffic_number(apr_int64_t *number, jf_ledger_t *ledger, apr_pool_t *pool)
{
    jf_sqlite_t *db;
    sqlite3_stmt *stmt;
    *number = 0;
    JF_TRY(jf_ledger_read_begin(&db, ledger, pool));
    jf_err_t *err = jf_sqlite_start(&stmt, db, JF_STMT_TRAFFIC_NUMBER, pool, "");
    if (!err) {
        err = read_number(number, stmt, pool);
    }
    jf_ledger_read_end(ledger, db);
    return err;
}

jf_err_t *jf_ledger_traffic_charged(apr_int64_t *charged_bytes, jf_ledger_t *ledger,
                                    apr_int64_t area_id, jf_period_t period,
                                    apr_time_t period_start_us, apr_pool_t *pool)
{
    jf_sqlite_t *db;
    sqlite3_stmt *stmt;
    *charged_bytes = 0;
    JF_TRY(jf_ledger_read_begin(&db, ledger, pool));
    jf_err_t *err = jf_sqlite_start(&stmt, db, JF_STMT_TRAFFIC_CHARGED, pool, "iii", area_id,
                                    (apr_int64_t)period, period_start_us);
    if (!err) {
        err = read_number(charged_bytes, stmt, pool);
    }
    jf_ledger_read_end(ledger, db);
    return err;
}

/* Adds the row that a statement is at to an array. */
typedef void read_row_t(apr_array_header_t *rows, sqlite3_stmt *stmt);

static jf_err_t *collect(apr_array_header_t *rows, read_row_t *read_row, sqlite3_stmt *stmt,
                         apr_pool_t *pool)
{
    for (;;) {
        int has_row;
        JF_TRY(jf_sqlite_step(&has_row, stmt, pool));
        if (!has_row) {
            return NULL;
        }
        read_row(rows, stmt);
    }
}

static void read_day(apr_array_header_t *rows, sqlite3_stmt *stmt)
{
    APR_ARRAY_PUSH(rows, jf_traffic_day_t) = (jf_traffic_day_t){
        .day_us = apr_time_from_sec(sqlite3_column_int64(stmt, 0) * JF_PERIOD_DAY),
        .sent_bytes = sqlite3_column_int64(stmt, 1),
        .received_bytes = sqlite3_column_int64(stmt, 2),
        .downloads = sqlite3_column_int64(stmt, 3),
        .uploads = sqlite3_column_int64(stmt, 4),
    };
}

jf_err_t *jf_ledger_traffic_days(apr_array_header_t **days, jf_ledger_t *ledger,
                                 apr_int64_t area_id, int limit, apr_pool_t *pool)
{
    jf_sqlite_t *db;
    sqlite3_stmt *stmt;
    *days = apr_array_make(pool, 16, sizeof(jf_traffic_day_t));
    JF_TRY(jf_ledger_read_begin(&db, ledger, pool));
    jf_err_t *err =
        jf_sqlite_start(&stmt, db, JF_STMT_TRAFFIC_DAYS, pool, "ii", area_id, (apr_int64_t)limit);
    if (!err) {
        err = collect(*days, read_day, stmt, pool);
    }
    jf_ledger_read_end(ledger, db);
    return err;
}

static void read_period(apr_array_header_t *rows, sqlite3_stmt *stmt)
{
    APR_ARRAY_PUSH(rows, jf_traffic_period_t) = (jf_traffic_period_t){
        .period = (jf_period_t)sqlite3_column_int64(stmt, 0),
        .start_us = sqlite3_column_int64(stmt, 1),
        .charged_bytes = sqlite3_column_int64(stmt, 2),
    };
}

jf_err_t *jf_ledger_traffic_periods(apr_array_header_t **periods, jf_ledger_t *ledger,
                                    apr_int64_t area_id, apr_pool_t *pool)
{
    jf_sqlite_t *db;
    sqlite3_stmt *stmt;
    *periods = apr_array_make(pool, 2, sizeof(jf_traffic_period_t));
    JF_TRY(jf_ledger_read_begin(&db, ledger, pool));
    jf_err_t *err = jf_sqlite_start(&stmt, db, JF_STMT_TRAFFIC_PERIODS, pool, "i", area_id);
    if (!err) {
        err = collect(*periods, read_period, stmt, pool);
    }
    jf_ledger_read_end(ledger, db);
    return err;
}
