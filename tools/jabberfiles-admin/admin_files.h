/**
 * The files of an area, page by page.
 */
#ifndef ADMIN_FILES_H
#define ADMIN_FILES_H

#include "admin.h"

/** Called for each file; @a pool lives until all were visited, and longer. */
typedef void admin_files_visit_t(void *baton, const jf_file_t *file, apr_pool_t *pool);

/** Visits the files of an area that have not expired, sorted by path. */
jf_err_t *admin_files_each(const admin_t *admin, const char *jid, admin_files_visit_t *visit,
                           void *baton);

#endif
