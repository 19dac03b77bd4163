/**
 * Looks whether a string was wiped when its pool went.
 */
#ifndef T_SECRET_H
#define T_SECRET_H

#include "jf_test.h"

typedef struct jf_secret_watch_t {
    const char *text; /**< set by the test, in the watched pool */
    size_t length;
    int is_wiped; /**< set when the pool goes */
} jf_secret_watch_t;

/** A pool below @a parent that looks at @a watch when it goes, after all other cleanups. */
apr_pool_t *jf_secret_watched_pool(jf_secret_watch_t *watch, apr_pool_t *parent);

#endif
