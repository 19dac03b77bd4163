#include "jf_sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <apr_strings.h>
#include <apr_time.h>

#include "jf_digest.h"

/* Waiters of other processes poll, so the pause grows no longer than a commit takes. */
#define BUSY_PAUSE_US_MIN 100
#define BUSY_PAUSE_US_MAX 2000

struct jf_sqlite_t {
    sqlite3 *handle;
    const char *const *texts;
    int statement_count;
    sqlite3_stmt **statements; /* prepared at first use */
    apr_time_t busy_since_us;
};

jf_err_t *jf_sqlite_error(int code, sqlite3 *handle, apr_pool_t *pool)
{
    const char *message = handle ? sqlite3_errmsg(handle) : sqlite3_errstr(code);
    const char *path = handle ? sqlite3_db_filename(handle, NULL) : NULL;
    const char *text = apr_psprintf(pool, "ledger %s: %s (SQLite code %d)", path ? path : "",
                                    message, handle ? sqlite3_extended_errcode(handle) : code);
    switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return jf_err_make(JF_ERR_BUSY, APR_EBUSY, pool, "%s", text);
    case SQLITE_FULL:
        return jf_err_make(JF_ERR_DISK_FULL, APR_ENOSPC, pool, "%s", text);
    case SQLITE_CONSTRAINT:
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool, "%s", text);
    case SQLITE_READONLY:
        return jf_err_make(JF_ERR_UNAVAILABLE, EROFS, pool, "%s", text);
    default:
        return jf_err_make(JF_ERR_UNAVAILABLE, APR_EGENERAL, pool, "%s", text);
    }
}

static int wait_while_busy(void *baton, int attempt)
{
    jf_sqlite_t *db = baton;
    apr_time_t now_us = apr_time_now();
    if (attempt == 0) {
        db->busy_since_us = now_us;
    }
    if (now_us - db->busy_since_us >= JF_SQLITE_BUSY_US) {
        return 0;
    }
    apr_interval_time_t pause_us = BUSY_PAUSE_US_MIN * (attempt + 1);
    apr_sleep(pause_us < BUSY_PAUSE_US_MAX ? pause_us : BUSY_PAUSE_US_MAX);
    return 1;
}

/* NOFOLLOW refuses a link anywhere in the path, but only the file itself must not be one: operators
 * do link /var/lib/jabberfiles to a bigger disk. */
static const char *resolve_directory(const char *path, apr_pool_t *pool)
{
    const char *slash = strrchr(path, '/');
    const char *directory = slash ? apr_pstrmemdup(pool, path, (apr_size_t)(slash - path)) : ".";
    const char *leaf = slash ? slash + 1 : path;
    char *resolved = realpath(*directory ? directory : "/", NULL);
    const char *result = resolved ? apr_pstrcat(pool, resolved, "/", leaf, NULL) : path;
    free(resolved);
    return result;
}

static int open_flags(jf_sqlite_mode_t mode)
{
    /* NOMUTEX: a connection belongs to one thread at a time. NOFOLLOW: a planted link is no ledger.
     */
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW;
    switch (mode) {
    case JF_SQLITE_CREATE:
    case JF_SQLITE_WRITE:
        return flags | SQLITE_OPEN_READWRITE;
    case JF_SQLITE_READ:
    default:
        return flags | SQLITE_OPEN_READONLY;
    }
}

static jf_err_t *configure(jf_sqlite_t *db, apr_pool_t *pool)
{
    sqlite3_extended_result_codes(db->handle, 1);
    sqlite3_busy_handler(db->handle, wait_while_busy, db);
    /* A text or name in SQL can only come from our own files: no attaching, no hostile schema. */
    sqlite3_limit(db->handle, SQLITE_LIMIT_ATTACHED, 0);
    JF_TRY(jf_sqlite_exec(db, "PRAGMA foreign_keys=ON", pool));
    /* SQLite opens anything; reading shows whether it is a database. */
    apr_int64_t version;
    JF_TRY(jf_sqlite_pragma_int(&version, db, "schema_version", pool));
    /* The journal stays bounded after a burst. */
    return jf_sqlite_exec(db, "PRAGMA journal_size_limit=67108864", pool);
}

jf_err_t *jf_sqlite_create_file(const char *path, apr_pool_t *pool)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return jf_err_from_system(errno, pool, "cannot create %s", path);
    }
    close(fd);
    return NULL;
}

static jf_err_t *create_if_missing(const char *path, apr_pool_t *pool)
{
    jf_err_t *err = jf_sqlite_create_file(path, pool);
    if (err && APR_STATUS_IS_EEXIST(err->status)) {
        return NULL;
    }
    if (err && err->code == JF_ERR_IO) {
        err->code = JF_ERR_UNAVAILABLE;
    }
    return err;
}

jf_err_t *jf_sqlite_open(jf_sqlite_t **db_out, const char *path, jf_sqlite_mode_t mode,
                         const char *const *statements, int statement_count, apr_pool_t *pool)
{
    if (mode == JF_SQLITE_CREATE) {
        JF_TRY(create_if_missing(path, pool));
    }
    jf_sqlite_t *db = calloc(1, sizeof(*db));
    sqlite3_stmt **slots = calloc((size_t)statement_count + 1, sizeof(*slots));
    if (!db || !slots) {
        free(db);
        free(slots);
        return jf_err_make(JF_ERR_UNAVAILABLE, APR_ENOMEM, pool, "ledger %s: out of memory", path);
    }
    db->statements = slots;
    db->texts = statements;
    db->statement_count = statement_count;

    jf_err_t *err = NULL;
    int code = sqlite3_open_v2(resolve_directory(path, pool), &db->handle, open_flags(mode), NULL);
    if (code != SQLITE_OK) {
        err = jf_err_make(JF_ERR_UNAVAILABLE, APR_EGENERAL, pool, "cannot open ledger %s: %s", path,
                          db->handle ? sqlite3_errmsg(db->handle) : sqlite3_errstr(code));
    } else {
        err = configure(db, pool);
    }
    if (err) {
        jf_sqlite_close(db);
        return err;
    }
    *db_out = db;
    return NULL;
}

void jf_sqlite_close(jf_sqlite_t *db)
{
    if (!db) {
        return;
    }
    for (int i = 0; i < db->statement_count; i++) {
        sqlite3_finalize(db->statements[i]);
    }
    sqlite3_close(db->handle);
    free(db->statements);
    free(db);
}

jf_err_t *jf_sqlite_exec(jf_sqlite_t *db, const char *sql, apr_pool_t *pool)
{
    int code = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? NULL : jf_sqlite_error(code, db->handle, pool);
}

jf_err_t *jf_sqlite_pragma_int(apr_int64_t *value, jf_sqlite_t *db, const char *pragma,
                               apr_pool_t *pool)
{
    sqlite3_stmt *stmt;
    int code =
        sqlite3_prepare_v2(db->handle, apr_pstrcat(pool, "PRAGMA ", pragma, NULL), -1, &stmt, NULL);
    if (code == SQLITE_OK) {
        code = sqlite3_step(stmt);
        *value = code == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
    }
    jf_err_t *err = (code == SQLITE_ROW || code == SQLITE_DONE)
                        ? NULL
                        : jf_sqlite_error(code, db->handle, pool);
    sqlite3_finalize(stmt);
    return err;
}

static int bind_parameters(sqlite3_stmt *stmt, const char *format, va_list args)
{
    int code = SQLITE_OK;
    for (int i = 1; format[i - 1] && code == SQLITE_OK; i++) {
        switch (format[i - 1]) {
        case 'i':
            code = sqlite3_bind_int64(stmt, i, va_arg(args, apr_int64_t));
            break;
        case 's':
            code = sqlite3_bind_text(stmt, i, va_arg(args, const char *), -1, SQLITE_STATIC);
            break;
        case 'h':
            code = sqlite3_bind_blob(stmt, i, va_arg(args, const unsigned char *), JF_SHA256_BYTES,
                                     SQLITE_STATIC);
            break;
        default:
            code = SQLITE_MISUSE;
        }
    }
    return code;
}

static jf_err_t *vstart(sqlite3_stmt **stmt, jf_sqlite_t *db, int index, apr_pool_t *pool,
                        const char *format, va_list args)
{
    sqlite3_stmt **slot = &db->statements[index];
    int code = SQLITE_OK;
    if (*slot) {
        sqlite3_reset(*slot);
    } else {
        code = sqlite3_prepare_v3(db->handle, db->texts[index], -1, SQLITE_PREPARE_PERSISTENT, slot,
                                  NULL);
    }
    if (code == SQLITE_OK) {
        code = bind_parameters(*slot, format, args);
    }
    *stmt = *slot;
    return code == SQLITE_OK ? NULL : jf_sqlite_error(code, db->handle, pool);
}

jf_err_t *jf_sqlite_start(sqlite3_stmt **stmt, jf_sqlite_t *db, int index, apr_pool_t *pool,
                          const char *format, ...)
{
    va_list args;
    va_start(args, format);
    jf_err_t *err = vstart(stmt, db, index, pool, format, args);
    va_end(args);
    return err;
}

jf_err_t *jf_sqlite_step(int *has_row, sqlite3_stmt *stmt, apr_pool_t *pool)
{
    int code = sqlite3_step(stmt);
    *has_row = code == SQLITE_ROW;
    if (code == SQLITE_ROW || code == SQLITE_DONE) {
        return NULL;
    }
    return jf_sqlite_error(code, sqlite3_db_handle(stmt), pool);
}

jf_err_t *jf_sqlite_run(int *changes, jf_sqlite_t *db, int index, apr_pool_t *pool,
                        const char *format, ...)
{
    sqlite3_stmt *stmt;
    va_list args;
    va_start(args, format);
    jf_err_t *err = vstart(&stmt, db, index, pool, format, args);
    va_end(args);
    JF_TRY(err);

    int has_row;
    do {
        JF_TRY(jf_sqlite_step(&has_row, stmt, pool));
    } while (has_row);
    if (changes) {
        *changes = sqlite3_changes(db->handle);
    }
    return NULL;
}

void jf_sqlite_reset_all(jf_sqlite_t *db)
{
    for (int i = 0; i < db->statement_count; i++) {
        sqlite3_stmt *stmt = db->statements[i];
        if (stmt && sqlite3_stmt_busy(stmt)) {
            sqlite3_reset(stmt);
        }
    }
}

int jf_sqlite_in_transaction(jf_sqlite_t *db)
{
    return !sqlite3_get_autocommit(db->handle);
}

const char *jf_sqlite_text(sqlite3_stmt *stmt, int column, apr_pool_t *pool)
{
    const unsigned char *text = sqlite3_column_text(stmt, column);
    return text ? apr_pstrmemdup(pool, (const char *)text,
                                 (apr_size_t)sqlite3_column_bytes(stmt, column))
                : NULL;
}

sqlite3 *jf_sqlite_handle(jf_sqlite_t *db)
{
    return db->handle;
}
