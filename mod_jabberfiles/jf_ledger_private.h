/**
 * Shared by the files of the ledger and by nothing else.
 */
#ifndef JF_LEDGER_PRIVATE_H
#define JF_LEDGER_PRIVATE_H

#include <apr_reslist.h>
#include <apr_thread_mutex.h>

#include "jf_ledger.h"
#include "jf_ledger_links.h"
#include "jf_sqlite.h"
#include "jf_statements.h"

/** Who has the turn for longer is stuck, and SQLite's lock, which is what counts, says with what.
 */
#define JF_TURN_WAIT_US apr_time_from_sec(1)

/** One thread's wish to write; lives on the stack of that thread, which waits. */
typedef struct jf_write_t jf_write_t;

/** A promise that could not be taken back yet (see jf_ledger_cancel). */
typedef struct jf_forgotten_t jf_forgotten_t;

/** Whether links are remembered: from the first that is found on, if SQLite tells of changes. */
typedef enum {
    JF_WATCH_NEVER_TRIED,
    JF_WATCH_IS_TRIED,
    JF_WATCHING,
    JF_WATCH_IMPOSSIBLE
} jf_watching_t;

struct jf_ledger_t {
    apr_pool_t *pool; /* unmanaged: a child process ends without touching the ledger */
    const char *database;
    const char *const *statements;
    jf_durability_t durability;
    apr_reslist_t *readers;
    apr_proc_mutex_t *turn; /* or NULL; the caller's */
    volatile apr_uint32_t stopped;

    volatile apr_uint32_t watching; /* a jf_watching_t; the three below are for JF_WATCHING */
    jf_sqlite_t *watch;             /* only keeps the source alive */
    const void *stamp_source;
    jf_ledger_links_t *links;

    volatile apr_uint32_t log_pages; /* length of the log when this process last wrote */
    jf_sqlite_t *copier; /* this and the next are for the one thread in jf_ledger_checkpoint */
    apr_time_t copy_again_us;

    apr_thread_mutex_t *mutex; /* guards everything below */
    jf_write_t *waiting;
    jf_write_t **waiting_end;
    int is_writing; /* a thread writes for all; it alone uses the two members below */
    jf_sqlite_t *writer;
    int writer_syncs; /* PRAGMA synchronous as last set, -1 unknown */
    jf_forgotten_t *forgotten;
};

/** A connection for reading; give it back with jf_ledger_read_end on every way out. */
jf_err_t *jf_ledger_read_begin(jf_sqlite_t **db, jf_ledger_t *ledger, apr_pool_t *pool);
void jf_ledger_read_end(jf_ledger_t *ledger, jf_sqlite_t *db);

/** The state that the ledger is in; 0 if that cannot be told. */
int jf_ledger_stamp(jf_sqlite_stamp_t *stamp, const jf_ledger_t *ledger);
/** Makes jf_ledger_stamp and the memory of links work; @a pool is for errors. */
void jf_ledger_watch(jf_ledger_t *ledger, apr_pool_t *pool);
void jf_ledger_unwatch(jf_ledger_t *ledger);

/** From now on the commits of @a writer say how long the log is (jf_ledger_checkpoint.h). */
void jf_ledger_note_log(jf_ledger_t *ledger, jf_sqlite_t *writer);

/** Opens a connection of the ledger and makes sure that it is one. */
jf_err_t *jf_ledger_connect(jf_sqlite_t **db, const jf_ledger_t *ledger, jf_sqlite_mode_t mode,
                            apr_pool_t *pool);

/** What a write does inside the transaction. It runs in the thread that writes for all. */
typedef jf_err_t *jf_ledger_op_t(jf_sqlite_t *db, void *baton, apr_pool_t *pool);

typedef enum {
    JF_COMMIT_LAZY,   /**< may be lost with the power: a promise, which is void then anyway */
    JF_COMMIT_DURABLE /**< as JabberFilesDurability says */
} jf_commit_t;

/**
 * Runs @a op in a transaction, together with what other threads want to write, and waits until it
 * is committed. If @a op returns an error its own changes are undone and the error is returned.
 */
jf_err_t *jf_ledger_write(jf_ledger_t *ledger, jf_commit_t commit, jf_ledger_op_t *op, void *baton,
                          apr_pool_t *pool);

/**
 * As jf_ledger_write with JF_COMMIT_DURABLE, for what frees room: on a full disk the ballast is
 * given up and @a op runs a second time.
 */
jf_err_t *jf_ledger_write_freeing(jf_ledger_t *ledger, jf_ledger_op_t *op, void *baton,
                                  apr_pool_t *pool);

/** Reads an area's override of its transfer quota, from two columns on. */
jf_transfer_limit_t jf_ledger_read_transfer(sqlite3_stmt *stmt, int column);

/** How many columns a row of STMT_AREA_BY_JID has. */
#define JF_AREA_COLUMNS 9

/** Reads an area row (columns as in STMT_AREA_BY_JID). */
void jf_ledger_read_area_row(jf_area_t *area, sqlite3_stmt *stmt, apr_pool_t *pool);

/** Reads a file row (columns as in STMT_FILE_BY_TOKEN). */
void jf_ledger_read_file_row(jf_file_t *file, sqlite3_stmt *stmt, apr_pool_t *pool);

/** Inside a transaction: the area of this name, which is made if there is none. */
jf_err_t *jf_ledger_ensure_area(jf_area_t *area, jf_sqlite_t *db, const char *jid,
                                apr_time_t now_us, apr_pool_t *pool);

/** Inside a transaction or not: the area that jf_ledger_ensure_area would find, or rename. */
jf_err_t *jf_ledger_foresee_area(int *found, jf_area_t *area, jf_sqlite_t *db, const char *name,
                                 apr_pool_t *pool);

/** Inside a transaction: JF_ERR_QUOTA if @a need_bytes do not fit into what @a area may still
 * promise; else available_bytes is how much that is. */
jf_err_t *jf_ledger_check_room(apr_int64_t *available_bytes, const jf_area_t *area,
                               apr_int64_t quota_bytes, apr_int64_t credit_bytes,
                               apr_int64_t need_bytes, apr_pool_t *pool);

/** Inside a transaction: what an upload gives back when it ends, the bytes of @a current, the file
 * that it replaces (or NULL), or of the promise of its slot; unless another upload already counts
 * on it. */
jf_err_t *jf_ledger_credit(apr_int64_t *credit_bytes, jf_sqlite_t *db, const jf_area_t *area,
                           const char *path, const jf_slot_use_t *slot, const jf_file_t *current,
                           apr_pool_t *pool);

/** JF_ERR_PRECONDITION if an upload may not follow @a current (NULL: no file). One that came by a
 * slot has the slot's link, so it never replaces another. */
jf_err_t *jf_ledger_judge_upload(const jf_precondition_t *precondition, const jf_slot_use_t *slot,
                                 const jf_file_t *current, apr_pool_t *pool);

/** The baton of a transaction that makes a file of an upload. */
typedef struct jf_settle_op_t {
    const jf_settle_t *settle;
    apr_time_t now_us;
    jf_file_t file;
    const char *replaced;
    int created;
} jf_settle_op_t;

/** Inside a transaction: judges the preconditions and enters the file @a path, whose row was
 * @a current (NULL: none), into @a area. The room for it was checked. */
jf_err_t *jf_ledger_enter(jf_settle_op_t *op, jf_sqlite_t *db, const jf_area_t *area,
                          const char *path, const jf_file_t *current, apr_pool_t *pool);

/** Inside a transaction: JF_ERR_USED if the slot of @a token is used up. */
jf_err_t *jf_ledger_check_unused(jf_sqlite_t *db, const char *token, apr_pool_t *pool);

/** Inside a transaction: the slot that was granted with @a token, expired or not. */
jf_err_t *jf_ledger_find_slot(int *found, jf_slot_t *slot, jf_sqlite_t *db, const char *token,
                              apr_pool_t *pool);

/** Inside a transaction: uses a slot up, granted here or signed elsewhere; it is not used yet. */
jf_err_t *jf_ledger_use_slot(jf_sqlite_t *db, const jf_slot_use_t *slot, apr_pool_t *pool);

/** Inside a transaction or not: an area, or JF_ERR_NOT_FOUND. */
jf_err_t *jf_ledger_find_area(jf_area_t *area, jf_sqlite_t *db, const char *jid, apr_pool_t *pool);

/** Inside a transaction or not: the row of a path, expired or not; *found says if there is one. */
jf_err_t *jf_ledger_find_path(int *found, jf_file_t *file, jf_sqlite_t *db, const char *jid,
                              const char *path, apr_pool_t *pool);

/** The same where the area is known. */
jf_err_t *jf_ledger_find_in_area(int *found, jf_file_t *file, jf_sqlite_t *db, apr_int64_t area_id,
                                 const char *path, apr_pool_t *pool);

/** Collects column 0 of all rows of a started statement into an array of const char *. */
jf_err_t *jf_ledger_collect_texts(apr_array_header_t **texts, sqlite3_stmt *stmt, apr_pool_t *pool);

/** 1 if @a file is past its time at @a now_us. */
int jf_ledger_is_expired(const jf_file_t *file, apr_time_t now_us);

/** JF_ERR_PRECONDITION if @a precondition does not hold for @a current (NULL: no file). */
jf_err_t *jf_ledger_judge(const jf_precondition_t *precondition, const jf_file_t *current,
                          apr_pool_t *pool);

#endif
