/**
 * How far a transfer is: a bar with rate and time left on a terminal, a plain line now and then
 * where standard error is none, nothing with --quiet or --json.
 */
#ifndef PROGRESS_H
#define PROGRESS_H

#include "client.h"

typedef struct progress_t progress_t;

/**
 * Begins to show a transfer.
 * @param label what it is about, any text; made visible here.
 * @param total_bytes its size, or -1 if unknown.
 */
progress_t *progress_begin(const client_t *client, const char *label, apr_int64_t total_bytes,
                           apr_pool_t *pool);

/** @a done_bytes of all are there, those of an earlier attempt too; may go back. Cheap to call. */
void progress_update(progress_t *progress, apr_int64_t done_bytes);

/** Takes the bar away; a plain summary stays if the transfer is complete. */
void progress_end(progress_t *progress, int is_complete);

/** Takes the bar away for now, so that something else can be written to the terminal; the next
 * update draws it again. Nothing to do if there is none. */
void progress_hide(void);

#endif
