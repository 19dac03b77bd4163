/**
 * Telling whether the process that made a promise is still there.
 *
 * Each process holds an exclusive flock(2) on a file of its own name in the directory "alive". The
 * kernel drops the lock when the process ends in whatever way, so nobody has to beat a heart, wait
 * for a timeout or trust a process number. The lock is never inherited by a program that is
 * executed.
 */
#ifndef JF_ALIVE_H
#define JF_ALIVE_H

#include "jf_err.h"

typedef struct jf_alive_t jf_alive_t;

/**
 * Starts to be alive under a new name until @a pool is destroyed or the process ends.
 * @param directory exists; its path must outlive the result.
 */
jf_err_t *jf_alive_enter(jf_alive_t **alive, const char *directory, apr_pool_t *pool);

/** The name of this process; lives as long as @a alive. */
const char *jf_alive_name(const jf_alive_t *alive);

/**
 * Whether the process of this name is there.
 * @return JF_ERR_IO if that cannot be told; then it must be taken for alive.
 */
jf_err_t *jf_alive_check(int *is_alive, const char *directory, const char *name, apr_pool_t *pool);

/**
 * Removes the files that processes which are no more have left in @a directory.
 * @return the first error; everything else was tried all the same.
 */
jf_err_t *jf_alive_tidy(const char *directory, apr_pool_t *pool);

#endif
