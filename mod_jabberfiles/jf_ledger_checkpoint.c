#include "jf_ledger_checkpoint.h"

#include <apr_atomic.h>

#include "jf_ledger_private.h"

/* Nobody has looked after the log. */
#define TOO_LONG_PAGES (4 * JF_LOG_LONG_PAGES)

/* So little is copied in less than a millisecond, and writers can wait for that. */
#define REST_PAGES 128
#define ROUNDS_MAX 4

/* Writers wait as long, for those who still read from the log. */
#define READERS_WAIT_MS 10

/* ---- in commits ---- */

static int note_length(void *baton, sqlite3 *handle, const char *name, int pages)
{
    jf_ledger_t *ledger = baton;
    apr_atomic_set32(&ledger->log_pages, (apr_uint32_t)pages);
    if (pages >= TOO_LONG_PAGES) {
        /* The commit has succeeded, whatever comes of this. */
        sqlite3_wal_checkpoint_v2(handle, name, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    }
    return SQLITE_OK;
}

void jf_ledger_note_log(jf_ledger_t *ledger, jf_sqlite_t *writer)
{
    sqlite3_wal_hook(jf_sqlite_handle(writer), note_length, ledger);
}

/* ---- copying ---- */

/** Of the log, in pages; both are 0 while another process copies. */
typedef struct progress_t {
    int length;
    int copied;
} progress_t;

static jf_err_t *ready_copier(jf_ledger_t *ledger, apr_pool_t *pool)
{
    if (!ledger->copier) {
        JF_TRY(jf_ledger_connect(&ledger->copier, ledger, JF_SQLITE_WRITE, pool));
        sqlite3_busy_timeout(jf_sqlite_handle(ledger->copier), READERS_WAIT_MS);
    }
    return NULL;
}

/** That others are at work is no error: they copy, or are read from, and there is a next time. */
static jf_err_t *copy(progress_t *progress, jf_ledger_t *ledger, int mode, apr_pool_t *pool)
{
    sqlite3 *handle = jf_sqlite_handle(ledger->copier);
    *progress = (progress_t){0};
    int code = sqlite3_wal_checkpoint_v2(handle, NULL, mode, &progress->length, &progress->copied);
    if (code == SQLITE_OK) {
        return NULL;
    }
    *progress = (progress_t){0};
    return (code & 0xff) == SQLITE_BUSY ? NULL : jf_sqlite_error(code, handle, pool);
}

/** The next writer begins the log anew. Nobody else may begin to write meanwhile. */
static jf_err_t *restart(jf_ledger_t *ledger, apr_pool_t *pool)
{
    progress_t progress;
    if (ledger->turn && apr_proc_mutex_timedlock(ledger->turn, JF_TURN_WAIT_US) != APR_SUCCESS) {
        return NULL;
    }
    jf_err_t *err = copy(&progress, ledger, SQLITE_CHECKPOINT_RESTART, pool);
    if (ledger->turn) {
        apr_proc_mutex_unlock(ledger->turn);
    }
    return err;
}

static jf_err_t *copy_all(jf_ledger_t *ledger, apr_pool_t *pool)
{
    progress_t progress = {0};
    JF_TRY(ready_copier(ledger, pool));
    for (int i = 0; i < ROUNDS_MAX; i++) {
        JF_TRY(copy(&progress, ledger, SQLITE_CHECKPOINT_PASSIVE, pool));
        if (progress.length - progress.copied <= REST_PAGES) {
            break;
        }
    }
    int is_ready =
        progress.length >= JF_LOG_LONG_PAGES && progress.length - progress.copied <= REST_PAGES;
    /* Whoever ends the process waits for this thread. */
    return is_ready && !apr_atomic_read32(&ledger->stopped) ? restart(ledger, pool) : NULL;
}

/** Not for good, even if the clock goes back. */
static int is_left_alone(const jf_ledger_t *ledger, apr_time_t now_us)
{
    apr_interval_time_t rest_us = ledger->copy_again_us - now_us;
    return rest_us > 0 && rest_us <= JF_CHECKPOINT_RETRY_US;
}

jf_err_t *jf_ledger_checkpoint(jf_ledger_t *ledger, apr_time_t now_us, apr_pool_t *pool)
{
    if (apr_atomic_read32(&ledger->log_pages) < JF_LOG_LONG_PAGES ||
        apr_atomic_read32(&ledger->stopped) || is_left_alone(ledger, now_us)) {
        return NULL;
    }
    /* The next commit says it anew. */
    apr_atomic_set32(&ledger->log_pages, 0);
    jf_err_t *err = copy_all(ledger, pool);
    if (err) {
        apr_atomic_set32(&ledger->log_pages, JF_LOG_LONG_PAGES);
        ledger->copy_again_us = now_us + JF_CHECKPOINT_RETRY_US;
        /* A connection that was opened while the file was read-only stays so. */
        jf_sqlite_close(ledger->copier);
        ledger->copier = NULL;
    }
    return err;
}
