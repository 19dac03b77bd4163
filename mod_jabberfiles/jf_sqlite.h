/**
 * A thin wrapper of one SQLite connection: opening, prepared statements, transactions, errors.
 *
 * A connection belongs to one thread at a time and never crosses a fork (SQLite's own rule). Errors
 * carry SQLite's text and are one of JF_ERR_BUSY (locked for longer than JF_SQLITE_BUSY_US),
 * JF_ERR_DISK_FULL, or JF_ERR_UNAVAILABLE (cannot be opened, corrupt, input/output; read-only with
 * status EROFS). What the schema's constraints refuse is JF_ERR_INVALID.
 */
#ifndef JF_SQLITE_H
#define JF_SQLITE_H

#include <sqlite3.h>

#include "jf_err.h"

/** How long a connection waits for another's lock, in microseconds. */
#define JF_SQLITE_BUSY_US 5000000

typedef struct jf_sqlite_t jf_sqlite_t;

typedef enum {
    JF_SQLITE_CREATE, /**< create the file if there is none */
    JF_SQLITE_WRITE,  /**< the file must be there */
    JF_SQLITE_READ,   /**< for reading only; still needs write access to the -shm file */
} jf_sqlite_mode_t;

/**
 * Opens a connection.
 * @param statements texts of the statements that jf_sqlite_start takes by index; must outlive the
 *                   connection.
 * @param db freed by jf_sqlite_close; it does not depend on @a pool, which is for errors only.
 */
jf_err_t *jf_sqlite_open(jf_sqlite_t **db, const char *path, jf_sqlite_mode_t mode,
                         const char *const *statements, int statement_count, apr_pool_t *pool);

/**
 * Creates an empty file of mode 0600, as SQLite would not: whoever reads a ledger knows every link.
 * @return JF_ERR_IO, also if there is one already (status APR_EEXIST)
 */
jf_err_t *jf_sqlite_create_file(const char *path, apr_pool_t *pool);

/** Closes a connection and its statements; an open transaction is rolled back. NULL is allowed. */
void jf_sqlite_close(jf_sqlite_t *db);

/** Runs SQL without parameters or results: pragmas, schema, transactions. */
jf_err_t *jf_sqlite_exec(jf_sqlite_t *db, const char *sql, apr_pool_t *pool);

/** Reads an integer pragma, such as "user_version". */
jf_err_t *jf_sqlite_pragma_int(apr_int64_t *value, jf_sqlite_t *db, const char *pragma,
                               apr_pool_t *pool);

/**
 * Readies statement @a index with its parameters bound.
 * @param format one letter for each parameter: 'i' apr_int64_t; 's' const char *, NULL for SQL
 * NULL; 'h' const unsigned char * to 32 bytes of SHA-256, NULL for SQL NULL.
 * @param stmt valid until it is started again, reset or the connection is closed. Texts that were
 *             bound must live as long.
 */
jf_err_t *jf_sqlite_start(sqlite3_stmt **stmt, jf_sqlite_t *db, int index, apr_pool_t *pool,
                          const char *format, ...);

/** Steps to the next row; @a has_row is 0 after the last one. */
jf_err_t *jf_sqlite_step(int *has_row, sqlite3_stmt *stmt, apr_pool_t *pool);

/**
 * Starts statement @a index (see jf_sqlite_start) and steps it to its end.
 * @param changes number of rows inserted, updated or deleted (not counting triggers); may be NULL.
 */
jf_err_t *jf_sqlite_run(int *changes, jf_sqlite_t *db, int index, apr_pool_t *pool,
                        const char *format, ...);

/**
 * Resets every statement that was stepped and not finished, so that no read transaction stays open
 * and no bound text is referred to any more.
 */
void jf_sqlite_reset_all(jf_sqlite_t *db);

/** 1 inside a transaction, 0 if there is none (SQLite rolls back by itself on some errors). */
int jf_sqlite_in_transaction(jf_sqlite_t *db);

/** Text of column @a column copied into @a pool, NULL for SQL NULL. */
const char *jf_sqlite_text(sqlite3_stmt *stmt, int column, apr_pool_t *pool);

/** The SQLite handle, for sqlite3_backup_init(). */
sqlite3 *jf_sqlite_handle(jf_sqlite_t *db);

/** Makes the error of the last failed call on a raw handle. */
jf_err_t *jf_sqlite_error(int code, sqlite3 *handle, apr_pool_t *pool);

#endif
