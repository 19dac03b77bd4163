/**
 * Files that were found by their links, remembered for as long as the ledger does not change.
 * Belongs to the ledger (jf_ledger_private.h) and to nothing else.
 */
#ifndef JF_LEDGER_LINKS_H
#define JF_LEDGER_LINKS_H

#include "jf_ledger.h"
#include "jf_sqlite_stamp.h"

typedef struct jf_ledger_links_t jf_ledger_links_t;

/** @return NULL without memory; the locks are in @a pool, which must outlive the result. */
jf_ledger_links_t *jf_ledger_links_make(apr_pool_t *pool);
void jf_ledger_links_free(jf_ledger_links_t *links); /* NULL is allowed */

/** 1 and the file, with its texts in @a pool, if it was remembered under this very stamp. */
int jf_ledger_links_get(jf_file_t *file, jf_ledger_links_t *links, const char *token,
                        const jf_sqlite_stamp_t *stamp, apr_pool_t *pool);

/** Remembers what was read from the ledger while @a stamp was that of the ledger. */
void jf_ledger_links_put(jf_ledger_links_t *links, const jf_file_t *file,
                         const jf_sqlite_stamp_t *stamp);

#endif
