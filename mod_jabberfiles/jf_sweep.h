/**
 * Taking back what nobody needs any more: expired files and slots, promises of dead processes,
 * orphaned objects.
 *
 * One process at a time sweeps a store. Each step is short, so that requests are not held up: rows
 * go in small transactions, and the search for orphans goes on where the last call stopped.
 */
#ifndef JF_SWEEP_H
#define JF_SWEEP_H

#include "jf_service.h"

/** An object that nothing points to is an orphan at this age, and not a moment's work in progress.
 */
#define JF_ORPHAN_AGE_US (2 * JF_ADD_AGE_MAX_US)

typedef struct jf_sweep_t {
    jf_service_t *service;
    int next_directory; /**< where the search for orphans goes on */
} jf_sweep_t;

typedef struct jf_sweep_result_t {
    int expired_files;
    int expired_slots; /**< open ones that expired, and used ones that may be forgotten */
    int cancelled_promises;
    int orphans;
} jf_sweep_result_t;

/**
 * Does one round.
 * @param budget_us how long the search for orphans may take; it looks at one directory at least.
 * @param result counts what went, also when an error is returned.
 * @return the first error; everything else was tried all the same.
 */
jf_err_t *jf_sweep_round(jf_sweep_result_t *result, jf_sweep_t *sweep, apr_time_t now_us,
                         apr_interval_time_t budget_us, apr_pool_t *pool);

#endif
