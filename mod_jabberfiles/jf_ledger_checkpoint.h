/**
 * Keeps the ledger's write-ahead log short, in a thread that no upload waits for.
 *
 * SQLite copies the log into the database (https://www.sqlite.org/wal.html#ckpt) in the commit that
 * finds it long, and all who wait for that commit wait for the copying, too. So commits here only
 * note how long the log is, and somebody calls jf_ledger_checkpoint now and then. If nobody does,
 * the log grows to four times the length and commits copy it after all.
 */
#ifndef JF_LEDGER_CHECKPOINT_H
#define JF_LEDGER_CHECKPOINT_H

#include "jf_ledger.h"

/** From this length on there is something to do: a page that many uploads touch is copied once for
 * all of them. */
#define JF_LOG_LONG_PAGES 8192

/** How long the log is left alone after an error. */
#define JF_CHECKPOINT_RETRY_US apr_time_from_sec(10)

/**
 * If the log of this ledger has become long by writes of this process: copies it into the database
 * while others read and write, and lets it start anew as soon as next to nothing is left to copy.
 * Returns at once otherwise. What somebody who reads for long still needs stays for a later call.
 * Not by two threads of a process at once; any number of processes may do it at the same time.
 * @return JF_ERR_DISK_FULL, JF_ERR_UNAVAILABLE; nothing is lost then, and the log goes on to grow.
 */
jf_err_t *jf_ledger_checkpoint(jf_ledger_t *ledger, apr_time_t now_us, apr_pool_t *pool);

#endif
