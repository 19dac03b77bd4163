/**
 * How far a direct send is, told to the user.
 */
#ifndef DIRECT_REPORT_H
#define DIRECT_REPORT_H

#include "direct.h"

typedef struct direct_report_t {
    const source_file_t *source;
    const char *jid;         /**< the recipient, or its client */
    const direct_way_t *way; /**< NULL: none is tried */
    const char *state;       /**< "begun", one of direct_report_state, "left": to the upload area */
    const char *reason;      /**< or NULL */
} direct_report_t;

/** "done", "declined", "failed". */
const char *direct_report_state(direct_outcome_t outcome);

/** Tells it: what the user waits for as a result, the rest as a note; with --json all of it, as an
 * object of type "direct". */
void direct_report(const client_t *client, const direct_report_t *report, apr_pool_t *pool);

#endif
