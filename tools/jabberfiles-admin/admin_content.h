/**
 * The content of a file, read from the store and compared with what the ledger says of it.
 */
#ifndef ADMIN_CONTENT_H
#define ADMIN_CONTENT_H

#include "jf_ledger.h"
#include "jf_store.h"

/** The content is only read, not copied. */
#define ADMIN_CONTENT_NO_COPY (-1)

/**
 * Reads the content of a file and checks its size and, if the ledger has one, its SHA-256.
 * @param copy_fd descriptor that gets the content, or ADMIN_CONTENT_NO_COPY. It may have got some
 * of it when an error is returned.
 * @return JF_ERR_DIGEST; JF_ERR_IO for an object that is missing, of the wrong size or unreadable;
 * JF_ERR_DISK_FULL
 */
jf_err_t *admin_content_read(const jf_store_t *store, const jf_file_t *file, int copy_fd,
                             apr_pool_t *pool);

#endif
