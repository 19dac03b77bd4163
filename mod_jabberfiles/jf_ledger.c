#define JF_STATEMENT_TEXTS
#include "jf_ledger_private.h"

#include <unistd.h>

#include <apr_atomic.h>
#include <apr_strings.h>

#include "jf_ballast.h"
#include "jf_schema.h"

/* Reading takes microseconds, so a few connections serve many threads. */
#define READERS_MAX 32

#define CREATE_PAUSE_US 10000

static jf_err_t *create_once(const char *database, apr_pool_t *pool)
{
    jf_sqlite_t *db;
    JF_TRY(jf_sqlite_open(&db, database, JF_SQLITE_CREATE, NULL, 0, pool));
    jf_err_t *err = jf_schema_upgrade(db, pool);
    jf_sqlite_close(db);
    return err;
}

jf_err_t *jf_ledger_create(const char *database, apr_pool_t *pool)
{
    apr_time_t end_us = apr_time_now() + JF_SQLITE_BUSY_US;
    jf_err_t *err;
    /* Of two that switch a new file to WAL mode at once, SQLite refuses one without waiting. */
    while ((err = create_once(database, pool)) && err->code == JF_ERR_BUSY &&
           apr_time_now() < end_us) {
        apr_sleep(CREATE_PAUSE_US);
    }
    return err;
}

jf_err_t *jf_ledger_connect(jf_sqlite_t **db_out, const jf_ledger_t *ledger, jf_sqlite_mode_t mode,
                            apr_pool_t *pool)
{
    jf_sqlite_t *db;
    JF_TRY(jf_sqlite_open(&db, ledger->database, mode, ledger->statements, JF_STMT_COUNT, pool));
    jf_err_t *err = jf_schema_check(db, pool);
    if (err) {
        jf_sqlite_close(db);
        return err;
    }
    *db_out = db;
    return NULL;
}

static apr_status_t open_reader(void **resource, void *params, apr_pool_t *pool)
{
    jf_ledger_t *ledger = params;
    (void)pool; /* the list's own pool: it must not grow with failed attempts */
    apr_pool_t *scratch;
    apr_pool_create_unmanaged_ex(&scratch, NULL, NULL);
    jf_sqlite_t *db = NULL;
    jf_err_t *err = jf_ledger_connect(&db, ledger, JF_SQLITE_READ, scratch);
    apr_pool_destroy(scratch);
    *resource = db;
    return err ? APR_EGENERAL : APR_SUCCESS;
}

static apr_status_t close_reader(void *resource, void *params, apr_pool_t *pool)
{
    (void)params;
    (void)pool;
    jf_sqlite_close(resource);
    return APR_SUCCESS;
}

jf_err_t *jf_ledger_open(jf_ledger_t **ledger_out, const char *database, jf_durability_t durability,
                         apr_pool_t *pool)
{
    apr_pool_t *own;
    apr_status_t status = apr_pool_create_unmanaged_ex(&own, NULL, NULL);
    if (status != APR_SUCCESS) {
        return jf_err_from_system(status, pool, "cannot make the ledger's pool");
    }
    jf_ledger_t *ledger = apr_pcalloc(own, sizeof(*ledger));
    ledger->pool = own;
    ledger->database = apr_pstrdup(own, database);
    ledger->statements = jf_statement_texts;
    ledger->durability = durability;
    ledger->waiting_end = &ledger->waiting;
    ledger->writer_syncs = -1;

    status = apr_thread_mutex_create(&ledger->mutex, APR_THREAD_MUTEX_DEFAULT, own);
    if (status == APR_SUCCESS) {
        status = apr_reslist_create(&ledger->readers, 0, READERS_MAX, READERS_MAX, 0, open_reader,
                                    close_reader, ledger, own);
    }
    if (status != APR_SUCCESS) {
        apr_pool_destroy(own);
        return jf_err_from_system(status, pool, "cannot make the ledger's locks");
    }
    *ledger_out = ledger;
    return NULL;
}

jf_err_t *jf_ledger_keep_room(jf_ledger_t *ledger, apr_pool_t *pool)
{
    return jf_ballast_make(ledger->database, pool);
}

void jf_ledger_take_turns(jf_ledger_t *ledger, apr_proc_mutex_t *turn)
{
    ledger->turn = turn;
}

void jf_ledger_stop(jf_ledger_t *ledger)
{
    apr_atomic_set32(&ledger->stopped, 1);
}

jf_err_t *jf_ledger_read_begin(jf_sqlite_t **db, jf_ledger_t *ledger, apr_pool_t *pool)
{
    void *resource = NULL;
    apr_status_t status = apr_reslist_acquire(ledger->readers, &resource);
    if (status == APR_SUCCESS) {
        *db = resource;
        return NULL;
    }
    /* The list keeps only a status; opening once more tells the reason. */
    JF_TRY(jf_ledger_connect(db, ledger, JF_SQLITE_READ, pool));
    jf_sqlite_close(*db);
    return jf_err_make(JF_ERR_BUSY, status, pool, "ledger %s: no connection for reading",
                       ledger->database);
}

void jf_ledger_read_end(jf_ledger_t *ledger, jf_sqlite_t *db)
{
    jf_sqlite_reset_all(db);
    apr_reslist_release(ledger->readers, db);
}

/* ---- noticing changes ---- */

int jf_ledger_stamp(jf_sqlite_stamp_t *stamp, const jf_ledger_t *ledger)
{
    return __atomic_load_n(&ledger->watching, __ATOMIC_ACQUIRE) == JF_WATCHING &&
           jf_sqlite_stamp_take(stamp, ledger->stamp_source);
}

/* A connection that does nothing: while it is open, the index that is watched is the ledger's. */
static jf_watching_t begin_watching(jf_ledger_t *ledger, apr_pool_t *pool)
{
    if (jf_ledger_connect(&ledger->watch, ledger, JF_SQLITE_READ, pool)) {
        return JF_WATCH_NEVER_TRIED;
    }
    ledger->stamp_source = jf_sqlite_stamp_source(ledger->watch);
    ledger->links = ledger->stamp_source ? jf_ledger_links_make(ledger->pool) : NULL;
    return ledger->links ? JF_WATCHING : JF_WATCH_IMPOSSIBLE;
}

void jf_ledger_watch(jf_ledger_t *ledger, apr_pool_t *pool)
{
    if (apr_atomic_read32(&ledger->watching) == JF_WATCH_NEVER_TRIED &&
        apr_atomic_cas32(&ledger->watching, JF_WATCH_IS_TRIED, JF_WATCH_NEVER_TRIED) ==
            JF_WATCH_NEVER_TRIED) {
        jf_watching_t result = begin_watching(ledger, pool);
        __atomic_store_n(&ledger->watching, result, __ATOMIC_RELEASE);
    }
}

void jf_ledger_unwatch(jf_ledger_t *ledger)
{
    jf_ledger_links_free(ledger->links);
    jf_sqlite_close(ledger->watch);
}

static jf_err_t *read_id(const char **id, jf_sqlite_t *db, apr_pool_t *pool)
{
    sqlite3_stmt *stmt;
    int found;
    JF_TRY(jf_sqlite_start(&stmt, db, JF_STMT_LEDGER_ID, pool, ""));
    JF_TRY(jf_sqlite_step(&found, stmt, pool));
    if (!found) {
        return jf_err_make(JF_ERR_UNAVAILABLE, APR_SUCCESS, pool, "the ledger has no id");
    }
    *id = jf_sqlite_text(stmt, 0, pool);
    return NULL;
}

jf_err_t *jf_ledger_id(const char **id, jf_ledger_t *ledger, apr_pool_t *pool)
{
    jf_sqlite_t *db;
    JF_TRY(jf_ledger_read_begin(&db, ledger, pool));
    jf_err_t *err = read_id(id, db, pool);
    jf_ledger_read_end(ledger, db);
    return err;
}

static jf_err_t *copy_pages(sqlite3 *target, jf_sqlite_t *source, const char *path,
                            apr_pool_t *pool)
{
    sqlite3_backup *backup = sqlite3_backup_init(target, "main", jf_sqlite_handle(source), "main");
    if (!backup) {
        return jf_sqlite_error(sqlite3_errcode(target), target, pool);
    }
    sqlite3_backup_step(backup, -1);
    int code = sqlite3_backup_finish(backup);
    return code == SQLITE_OK ? NULL
                             : jf_err_make(JF_ERR_IO, APR_EGENERAL, pool, "backup to %s: %s", path,
                                           sqlite3_errmsg(target));
}

static jf_err_t *back_up(jf_ledger_t *ledger, sqlite3 *target, const char *path, apr_pool_t *pool)
{
    jf_sqlite_t *source;
    JF_TRY(jf_ledger_read_begin(&source, ledger, pool));
    jf_err_t *err = copy_pages(target, source, path, pool);
    jf_ledger_read_end(ledger, source);
    return err;
}

jf_err_t *jf_ledger_backup(jf_ledger_t *ledger, const char *path, apr_pool_t *pool)
{
    sqlite3 *target = NULL;
    JF_TRY(jf_sqlite_create_file(path, pool));
    int code = sqlite3_open_v2(path, &target, SQLITE_OPEN_READWRITE, NULL);
    jf_err_t *err = code == SQLITE_OK
                        ? back_up(ledger, target, path, pool)
                        : jf_err_make(JF_ERR_IO, APR_EGENERAL, pool, "cannot open %s: %s", path,
                                      sqlite3_errstr(code));
    sqlite3_close(target);
    if (err) {
        unlink(path);
    }
    return err;
}
