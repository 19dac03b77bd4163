/**
 * The others who are in a store at the same time: processes, threads, foreign connections.
 */
#ifndef T_CROWD_H
#define T_CROWD_H

#include "t_fixture.h"

/* ---- other processes and threads ---- */

/**
 * Runs @a work in a child process and waits for its end. A child must not use cmocka's assertions:
 * it says what went wrong by what it returns, which becomes its exit code.
 * @return as waitpid(2) gives it.
 */
int jf_crowd_child(int (*work)(void *baton), void *baton);

/** As jf_crowd_child, as somebody who is not root and owns @a directory and what is in it. */
int jf_crowd_plain_child(int (*work)(void *baton), void *baton, const char *directory);

/**
 * Runs @a work in @a count child processes that start together; each gets its number.
 * @return how many of them returned 0.
 */
int jf_crowd_children(int count, int (*work)(void *baton, int number), void *baton);

/**
 * Runs @a work in @a count threads that start together; it gets its number and a pool of its own.
 * Threads must not use cmocka's assertions either.
 */
void jf_crowd_threads(int count, void (*work)(void *baton, int number, apr_pool_t *pool),
                      void *baton);

/* ---- the ledger from outside ---- */

/** A connection of somebody else to the ledger of a fixture. */
struct sqlite3 *jf_crowd_stranger(const jf_fixture_t *fixture);

/** Runs SQL on such a connection; fails the test if it cannot. */
void jf_crowd_exec(struct sqlite3 *stranger, const char *sql);

/** The one number that @a sql asks for; fails the test if there is none. */
apr_int64_t jf_crowd_number(struct sqlite3 *stranger, const char *sql);

/** The one text that @a sql asks for, in @a pool. */
const char *jf_crowd_text(struct sqlite3 *stranger, const char *sql, apr_pool_t *pool);

#endif
