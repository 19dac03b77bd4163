#include "admin_files.h"

jf_err_t *admin_files_each(const admin_t *admin, const char *jid, admin_files_visit_t *visit,
                           void *baton)
{
    const char *after = "";
    apr_array_header_t *files;
    do {
        JF_TRY(jf_ledger_file_list(&files, admin->service->ledger, jid, "", after, ADMIN_PAGE_ROWS,
                                   admin->now_us, admin->pool));
        for (int i = 0; i < files->nelts; i++) {
            const jf_file_t *file = &APR_ARRAY_IDX(files, i, jf_file_t);
            visit(baton, file, admin->pool);
            after = file->path;
        }
    } while (files->nelts == ADMIN_PAGE_ROWS);
    return NULL;
}
