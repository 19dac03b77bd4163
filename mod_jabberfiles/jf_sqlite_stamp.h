/**
 * Whether a database has changed, told by a few words of memory and no system call.
 *
 * The index of the write-ahead log (https://www.sqlite.org/walformat.html) is in memory that all
 * processes share which have the database open. Its header changes with every commit, before the
 * commit returns, whichever process or program makes it; by the same header SQLite finds out
 * whether its own cache of pages is still good. A stamp is a copy of that header: two that are
 * equal prove that nothing was committed between them.
 */
#ifndef JF_SQLITE_STAMP_H
#define JF_SQLITE_STAMP_H

#include "jf_sqlite.h"

#define JF_SQLITE_STAMP_WORDS 6

typedef struct jf_sqlite_stamp_t {
    apr_uint64_t words[JF_SQLITE_STAMP_WORDS];
} jf_sqlite_stamp_t;

/**
 * Where stamps of the database of @a db come from; stays valid until @a db is closed, and any
 * thread may use it. As long as @a db is open, no process can replace the index by a new one.
 * @return NULL if this SQLite or this database does not tell.
 */
const void *jf_sqlite_stamp_source(jf_sqlite_t *db);

/** Takes a stamp. @return 0 if the state cannot be told now, because a commit is under way or the
 * log is empty. */
int jf_sqlite_stamp_take(jf_sqlite_stamp_t *stamp, const void *source);

/** 1 if nothing was committed between the two. */
int jf_sqlite_stamp_equal(const jf_sqlite_stamp_t *a, const jf_sqlite_stamp_t *b);

#endif
