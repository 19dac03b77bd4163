#include "fsck.h"

#include <apr_strings.h>

#include "admin_content.h"

static jf_err_t *look_at_content(const fsck_t *fsck, const jf_file_t *file, apr_pool_t *pool)
{
    const jf_store_t *store = fsck->admin->service->store;
    int is_deep = (fsck->admin->options->given & ADMIN_OPT_DEEP) != 0;
    return is_deep && file->sha256 ? admin_content_read(store, file, ADMIN_CONTENT_NO_COPY, pool)
                                   : jf_store_check(store, file->object, file->size_bytes, pool);
}

static void note_file(fsck_t *fsck, const jf_file_t *file, const jf_err_t *problem)
{
    apr_pool_t *pool = fsck->admin->pool;
    finding_kind_t kind = problem->code == JF_ERR_DIGEST ? FINDING_DAMAGED : FINDING_LOST;
    finding_t *finding = fsck_add(fsck, kind, problem->text);
    finding->jid = apr_pstrdup(pool, file->jid);
    finding->path = apr_pstrdup(pool, file->path);
    finding->object = apr_pstrdup(pool, file->object);
}

static jf_err_t *look_at_file(fsck_t *fsck, const jf_file_t *file, apr_pool_t *pool)
{
    int is_known;
    fsck->files++;
    jf_err_t *problem = look_at_content(fsck, file, pool);
    if (!problem) {
        return NULL;
    }
    /* Between reading the row and looking at the object the file may have been replaced, or gone
     * the usual way. */
    JF_TRY(jf_ledger_object_is_known(&is_known, fsck->admin->service->ledger, file->object, pool));
    if (is_known) {
        note_file(fsck, file, problem);
    }
    return NULL;
}

static jf_err_t *look_at_page(int *rows, const char **after, fsck_t *fsck, apr_pool_t *page)
{
    apr_array_header_t *files;
    apr_pool_t *each;
    apr_pool_create(&each, page);
    JF_TRY(
        jf_ledger_file_each(&files, fsck->admin->service->ledger, *after, ADMIN_PAGE_ROWS, page));
    for (int i = 0; i < files->nelts; i++) {
        const jf_file_t *file = &APR_ARRAY_IDX(files, i, jf_file_t);
        apr_pool_clear(each);
        JF_TRY(look_at_file(fsck, file, each));
        *after = file->object;
    }
    *after = apr_pstrdup(fsck->admin->pool, *after);
    *rows = files->nelts;
    return NULL;
}

jf_err_t *fsck_look_at_files(fsck_t *fsck)
{
    apr_pool_t *page;
    const char *after = "";
    int rows;
    apr_pool_create(&page, fsck->admin->pool);
    do {
        apr_pool_clear(page);
        JF_TRY(look_at_page(&rows, &after, fsck, page));
    } while (rows == ADMIN_PAGE_ROWS);
    apr_pool_destroy(page);
    return NULL;
}
