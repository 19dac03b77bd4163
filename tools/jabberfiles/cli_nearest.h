/**
 * The word that somebody may have meant.
 */
#ifndef CLI_NEAREST_H
#define CLI_NEAREST_H

#include <apr_pools.h>

typedef struct cli_nearest_t {
    const char *typed;
    const char *best; /**< NULL as long as nothing is near enough */
    int distance;     /**< of best: so many letters are changed, added, left out or swapped */
} cli_nearest_t;

/** Begins a search for what is near to @a typed. */
cli_nearest_t cli_nearest_make(const char *typed);

/** Tries a word; the first of several that are equally near stays. */
void cli_nearest_try(cli_nearest_t *nearest, const char *word, apr_pool_t *pool);

#endif
