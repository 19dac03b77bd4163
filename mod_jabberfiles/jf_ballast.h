/**
 * Room that is kept on the ledger's disk for the day it is full: deleting needs a little, too.
 *
 * The ballast is a file beside the database. It is given up when something that frees room fails
 * for lack of it, and is made again when there is room.
 */
#ifndef JF_BALLAST_H
#define JF_BALLAST_H

#include "jf_err.h"

/** Enough for the log of a few dozen deletions. */
#define JF_BALLAST_BYTES (1 << 20)

/**
 * Makes the ballast of a database unless it is there.
 * @return JF_ERR_DISK_FULL if there is no room for it, JF_ERR_IO
 */
jf_err_t *jf_ballast_make(const char *database, apr_pool_t *pool);

/** Gives the ballast up. @return 1 if that freed room, 0 if there was none. */
int jf_ballast_drop(const char *database, apr_pool_t *pool);

#endif
