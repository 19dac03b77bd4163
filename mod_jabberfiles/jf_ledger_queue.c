#include "jf_ledger_private.h"

#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>

#include <apr_atomic.h>
#include <apr_strings.h>

#include "jf_ballast.h"
#include "jf_token.h"

/* A batch ends somewhere, so that the first of it does not wait for the last of a long queue. */
#define BATCH_MAX 256

struct jf_write_t {
    jf_ledger_op_t *op;
    void *baton;
    jf_commit_t commit;
    apr_pool_t *pool; /* of the waiting thread: nobody else uses it meanwhile */
    jf_err_t *err;
    sem_t turn; /* each has its own, so that nobody wakes up to find that another one was meant */
    int is_leader;
    jf_write_t *next;
};

struct jf_forgotten_t {
    char object[JF_TOKEN_HEX_CHARS + 1];
    jf_forgotten_t *next;
};

/* ---- one batch: only the thread that has set is_writing comes here ---- */

static jf_err_t *ready_writer(jf_ledger_t *ledger, jf_commit_t commit, apr_pool_t *pool)
{
    if (!ledger->writer) {
        JF_TRY(jf_ledger_connect(&ledger->writer, ledger, JF_SQLITE_WRITE, pool));
        jf_ledger_note_log(ledger, ledger->writer);
        ledger->writer_syncs = -1;
    }
    int syncs = commit == JF_COMMIT_DURABLE && ledger->durability == JF_DURABILITY_FULL;
    if (syncs != ledger->writer_syncs) {
        JF_TRY(jf_sqlite_exec(
            ledger->writer, syncs ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL", pool));
        ledger->writer_syncs = syncs;
    }
    return jf_sqlite_run(NULL, ledger->writer, JF_STMT_BEGIN, pool, "");
}

static jf_err_t *end_savepoint(jf_sqlite_t *db, int is_kept, apr_pool_t *pool)
{
    if (!is_kept) {
        JF_TRY(jf_sqlite_run(NULL, db, JF_STMT_ROLLBACK_TO, pool, ""));
    }
    return jf_sqlite_run(NULL, db, JF_STMT_RELEASE, pool, "");
}

static void run_one(jf_ledger_t *ledger, jf_write_t *write)
{
    jf_sqlite_t *db = ledger->writer;
    write->err = jf_sqlite_run(NULL, db, JF_STMT_SAVEPOINT, write->pool, "");
    if (write->err) {
        return;
    }
    write->err = write->op(db, write->baton, write->pool);
    jf_sqlite_reset_all(db);
    if (!jf_sqlite_in_transaction(db)) {
        return;
    }
    /* If this fails, the others must not be committed together with half of this one. */
    jf_err_t *err = end_savepoint(db, !write->err, write->pool);
    write->err = err ? err : write->err;
}

/* Those too whose operation was refused: they may have seen what others did and what never came to
 * be. */
static void fail_all(jf_write_t *batch, const jf_err_t *err)
{
    for (jf_write_t *write = batch; write; write = write->next) {
        write->err = jf_err_copy(err, write->pool);
    }
}

/* A connection that was opened while the file was read-only stays so; a new one shows what is
 * mended. */
static void give_up_writer(jf_ledger_t *ledger, const jf_err_t *err, apr_pool_t *pool)
{
    if (!ledger->writer) {
        return;
    }
    if (jf_sqlite_in_transaction(ledger->writer)) {
        jf_sqlite_exec(ledger->writer, "ROLLBACK", pool);
    }
    if (err->status == EROFS) {
        jf_sqlite_close(ledger->writer);
        ledger->writer = NULL;
    }
}

/* Not one operation's affair: the next one would fail as well, or see a transaction that is half
 * gone. */
static int is_database_failure(const jf_err_t *err)
{
    return err && (err->code == JF_ERR_UNAVAILABLE || err->code == JF_ERR_DISK_FULL ||
                   err->code == JF_ERR_BUSY);
}

static jf_err_t *transaction_lost(const jf_ledger_t *ledger, apr_pool_t *pool)
{
    return jf_err_make(JF_ERR_UNAVAILABLE, APR_EGENERAL, pool, "ledger %s: transaction lost",
                       ledger->database);
}

static jf_commit_t strictest_commit(const jf_write_t *batch)
{
    jf_commit_t commit = batch->commit;
    for (const jf_write_t *write = batch->next; write; write = write->next) {
        commit = write->commit > commit ? write->commit : commit;
    }
    return commit;
}

static jf_err_t *run_all(jf_ledger_t *ledger, jf_write_t *batch)
{
    JF_TRY(ready_writer(ledger, strictest_commit(batch), batch->pool));
    for (jf_write_t *write = batch; write; write = write->next) {
        run_one(ledger, write);
        if (is_database_failure(write->err)) {
            return write->err;
        }
        if (!jf_sqlite_in_transaction(ledger->writer)) {
            return write->err ? write->err : transaction_lost(ledger, batch->pool);
        }
    }
    return jf_sqlite_run(NULL, ledger->writer, JF_STMT_COMMIT, batch->pool, "");
}

static void run_batch(jf_ledger_t *ledger, jf_write_t *batch)
{
    jf_err_t *err = run_all(ledger, batch);
    if (err) {
        give_up_writer(ledger, err, batch->pool);
        fail_all(batch, err);
    }
}

/* ---- the queue ---- */

/* Called with the mutex held. */
static jf_write_t *take_batch(jf_ledger_t *ledger)
{
    jf_write_t *batch = ledger->waiting;
    jf_write_t *last = batch;
    for (int i = 1; i < BATCH_MAX && last->next; i++) {
        last = last->next;
    }
    ledger->waiting = last->next;
    if (!ledger->waiting) {
        ledger->waiting_end = &ledger->waiting;
    }
    last->next = NULL;
    return batch;
}

/* While one waits for the other processes, more come to be written with it. */
static jf_write_t *gather_batch(jf_ledger_t *ledger, int *has_turn)
{
    *has_turn =
        ledger->turn && apr_proc_mutex_timedlock(ledger->turn, JF_TURN_WAIT_US) == APR_SUCCESS;
    apr_thread_mutex_lock(ledger->mutex);
    jf_write_t *batch = take_batch(ledger);
    apr_thread_mutex_unlock(ledger->mutex);
    return batch;
}

static void wake(jf_write_t *write)
{
    sem_post(&write->turn);
}

/* The first of those who wait leads next. */
static void hand_over(jf_ledger_t *ledger)
{
    apr_thread_mutex_lock(ledger->mutex);
    jf_write_t *heir = ledger->waiting;
    ledger->is_writing = heir != NULL;
    apr_thread_mutex_unlock(ledger->mutex);
    if (heir) {
        heir->is_leader = 1;
        wake(heir);
    }
}

/* Writes for everyone who waits, the leader itself first. */
static void lead(jf_ledger_t *ledger, const jf_write_t *leader)
{
    int has_turn;
    jf_write_t *batch = gather_batch(ledger, &has_turn);
    run_batch(ledger, batch);
    if (has_turn) {
        apr_proc_mutex_unlock(ledger->turn);
    }
    hand_over(ledger);
    while (batch) {
        /* A thread that is woken leaves, and its stack frame is gone. */
        jf_write_t *next = batch->next;
        if (batch != leader) {
            wake(batch);
        }
        batch = next;
    }
}

/* @return 1 if it leads. If not, it has to be woken before it looks at itself again: whoever makes
 * it a leader wakes it after that. */
static int queue(jf_ledger_t *ledger, jf_write_t *write)
{
    apr_thread_mutex_lock(ledger->mutex);
    int is_leader = !ledger->is_writing;
    *ledger->waiting_end = write;
    ledger->waiting_end = &write->next;
    write->is_leader = is_leader;
    ledger->is_writing = 1;
    apr_thread_mutex_unlock(ledger->mutex);
    return is_leader;
}

jf_err_t *jf_ledger_write(jf_ledger_t *ledger, jf_commit_t commit, jf_ledger_op_t *op, void *baton,
                          apr_pool_t *pool)
{
    if (apr_atomic_read32(&ledger->stopped)) {
        return jf_err_make(JF_ERR_UNAVAILABLE, APR_SUCCESS, pool,
                           "ledger %s: the process is ending", ledger->database);
    }
    jf_write_t write = {.op = op, .baton = baton, .commit = commit, .pool = pool};
    sem_init(&write.turn, 0, 0);
    if (!queue(ledger, &write)) {
        while (sem_wait(&write.turn) != 0 && errno == EINTR) {
        }
    }
    if (write.is_leader) {
        lead(ledger, &write);
    }
    sem_destroy(&write.turn);
    return write.err;
}

jf_err_t *jf_ledger_write_freeing(jf_ledger_t *ledger, jf_ledger_op_t *op, void *baton,
                                  apr_pool_t *pool)
{
    jf_err_t *err = jf_ledger_write(ledger, JF_COMMIT_DURABLE, op, baton, pool);
    if (err && err->code == JF_ERR_DISK_FULL && jf_ballast_drop(ledger->database, pool)) {
        err = jf_ledger_write(ledger, JF_COMMIT_DURABLE, op, baton, pool);
    }
    return err;
}

/* ---- promises that could not be taken back ---- */

static jf_err_t *cancel_op(jf_sqlite_t *db, void *baton, apr_pool_t *pool)
{
    return jf_sqlite_run(NULL, db, JF_STMT_RESERVATION_DELETE, pool, "s", (const char *)baton);
}

static void remember(jf_ledger_t *ledger, const char *object)
{
    jf_forgotten_t *forgotten = malloc(sizeof(*forgotten));
    if (forgotten) {
        apr_cpystrn(forgotten->object, object, sizeof(forgotten->object));
        apr_thread_mutex_lock(ledger->mutex);
        forgotten->next = ledger->forgotten;
        ledger->forgotten = forgotten;
        apr_thread_mutex_unlock(ledger->mutex);
    }
}

void jf_ledger_cancel(jf_ledger_t *ledger, const char *object)
{
    if (apr_atomic_read32(&ledger->stopped)) {
        return;
    }
    apr_pool_t *pool;
    apr_pool_create_unmanaged_ex(&pool, NULL, NULL);
    if (jf_ledger_write(ledger, JF_COMMIT_LAZY, cancel_op, apr_pstrdup(pool, object), pool)) {
        remember(ledger, object);
    }
    apr_pool_destroy(pool);
}

static jf_forgotten_t *next_forgotten(jf_ledger_t *ledger)
{
    apr_thread_mutex_lock(ledger->mutex);
    jf_forgotten_t *forgotten = ledger->forgotten;
    if (forgotten) {
        ledger->forgotten = forgotten->next;
    }
    apr_thread_mutex_unlock(ledger->mutex);
    return forgotten;
}

jf_err_t *jf_ledger_retry_cancels(jf_ledger_t *ledger, apr_pool_t *pool)
{
    jf_err_t *err = NULL;
    jf_forgotten_t *forgotten;
    while (!err && (forgotten = next_forgotten(ledger))) {
        err = jf_ledger_write(ledger, JF_COMMIT_LAZY, cancel_op, forgotten->object, pool);
        if (err) {
            remember(ledger, forgotten->object);
        }
        free(forgotten);
    }
    return err;
}

void jf_ledger_close(jf_ledger_t *ledger)
{
    jf_forgotten_t *forgotten;
    while ((forgotten = next_forgotten(ledger))) {
        free(forgotten);
    }
    /* The writer last: the last connection moves the write-ahead log into the database. */
    jf_ledger_unwatch(ledger);
    apr_reslist_destroy(ledger->readers);
    jf_sqlite_close(ledger->copier);
    jf_sqlite_close(ledger->writer);
    apr_pool_destroy(ledger->pool);
}
