/**
 * What every part of jabberfiles-admin knows: the run, and the codes it can exit with.
 */
#ifndef ADMIN_H
#define ADMIN_H

#include "admin_options.h"
#include "jf_service.h"

/** Exit codes; part of the manual page. */
typedef enum {
    ADMIN_OK = 0,
    ADMIN_FAILED = 1,    /**< ledger, store or disk; or fsck left something wrong */
    ADMIN_USAGE = 2,     /**< the command line is wrong, a JID or size in it included */
    ADMIN_NOT_FOUND = 3, /**< no such area or file */
} admin_exit_t;

/** Rows that are read from the ledger at once. */
#define ADMIN_PAGE_ROWS 1000

/** One run of one command. */
typedef struct admin_t {
    apr_pool_t *pool;
    const admin_options_t *options;
    jf_service_t *service;
    apr_time_t now_us;
    admin_exit_t exit_code; /**< of a command that ended without an error; ADMIN_OK at first */
} admin_t;

/** What a command does. An error it returns decides the exit code. */
typedef jf_err_t *admin_run_t(admin_t *admin);

#endif
