/**
 * Strings that must not stay in memory when they are not needed any more.
 */
#ifndef JF_SECRET_H
#define JF_SECRET_H

#include <apr_pools.h>

/**
 * Has @a text, a string in @a pool, wiped when the pool goes; the first NUL at that time ends it.
 * @return @a text.
 */
char *jf_secret_wipe_with(apr_pool_t *pool, char *text);

/** A copy of @a text in @a pool that is wiped when the pool goes. */
char *jf_secret_copy(const char *text, apr_pool_t *pool);

#endif
