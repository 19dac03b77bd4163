#include "import.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <apr_strings.h>

#include "jf_area.h"
#include "jf_media.h"
#include "jf_names.h"
#include "jf_slot.h"
#include "jf_units.h"
#include "jf_upload.h"

#define BLOCK_BYTES 65536

/* ---- a new file ---- */

static const char *area_of(const import_t *import, const import_file_t *file, apr_pool_t *pool)
{
    if (!import->layout->has_user) {
        return import->area;
    }
    const char *user = apr_pstrmemdup(pool, file->path, strcspn(file->path, "/"));
    return jf_area_of_ejabberd(user, import->domain, pool);
}

/* A time that has not come yet, or that comes before all times, is a mistake of somebody's. */
static apr_time_t uploaded_us(const struct stat *st, apr_time_t now_us)
{
    if (st->st_mtim.tv_sec < 0 || st->st_mtim.tv_sec > apr_time_sec(now_us)) {
        return st->st_mtim.tv_sec < 0 ? 0 : now_us;
    }
    apr_time_t modified_us = apr_time_make(st->st_mtim.tv_sec, st->st_mtim.tv_nsec / 1000);
    return modified_us < now_us ? modified_us : now_us;
}

/* The content is as long as the upload was told, or there is a problem with the source. */
static jf_err_t *copy_content(jf_err_t **problem, jf_upload_t *upload, const import_file_t *file,
                              int fd, apr_pool_t *pool)
{
    char block[BLOCK_BYTES];
    apr_int64_t left_bytes = file->st.st_size;
    while (left_bytes > 0) {
        size_t want_bytes = left_bytes < BLOCK_BYTES ? (size_t)left_bytes : BLOCK_BYTES;
        ssize_t length = read(fd, block, want_bytes);
        if (length < 0 && errno == EINTR) {
            continue;
        }
        if (length < 0) {
            *problem = jf_err_from_system(errno, pool, "cannot read it");
            return NULL;
        }
        if (length == 0) {
            break;
        }
        JF_TRY(jf_upload_write(upload, block, (size_t)length));
        left_bytes -= length;
    }
    *problem = import_check_unchanged(file, fd, pool);
    return NULL;
}

/* What stands against one file only, so that the next may still be imported. */
static int is_about_file(const jf_err_t *err)
{
    switch (err->code) {
    case JF_ERR_QUOTA:
    case JF_ERR_USED:
    case JF_ERR_NOT_FOUND:
    case JF_ERR_PRECONDITION:
    case JF_ERR_INVALID:
        return 1;
    default:
        return 0;
    }
}

/* Whether a file is still the one that will be replaced. */
static int is_object(void *baton, const jf_file_t *current)
{
    return current && strcmp(current->object, baton) == 0;
}

/* A new file uses its link up; one that is there keeps it. */
static jf_err_t *choose_place(jf_upload_request_t *request, const import_t *import,
                              const import_file_t *file, const jf_file_t *replaced,
                              const jf_slot_use_t *slot, apr_time_t created_us, apr_pool_t *pool)
{
    if (replaced) {
        request->jid = replaced->jid;
        request->path = replaced->path;
        request->precondition = (jf_precondition_t){is_object, apr_pstrdup(pool, replaced->object)};
        return NULL;
    }
    request->jid = area_of(import, file, pool);
    request->slot = slot;
    return jf_slot_path(&request->path, file->leaf, created_us, pool);
}

static jf_err_t *upload_file(jf_err_t **problem, const import_t *import, const import_file_t *file,
                             const jf_file_t *replaced, int fd, apr_time_t created_us,
                             apr_pool_t *pool)
{
    const jf_slot_use_t slot = {file->token, JF_NEVER, JF_NEVER};
    const char *media_type = jf_media_by_name(file->leaf);
    jf_upload_request_t request = {
        .media_type = media_type ? media_type : JF_MEDIA_UNKNOWN,
        .length_bytes = file->st.st_size,
        .max_file_bytes = JF_UNLIMITED,
        .quota_bytes = JF_UNLIMITED,
        .expire_us = import->expire_us,
    };
    jf_upload_t *upload = NULL;
    jf_file_t stored;
    int is_new;
    JF_TRY(choose_place(&request, import, file, replaced, &slot, created_us, pool));
    jf_err_t *err =
        jf_upload_begin(&upload, import->admin->service, &request, apr_time_now(), pool);
    if (!err) {
        err = copy_content(problem, upload, file, fd, pool);
    }
    if (!err && !*problem) {
        /* The file is as old as it was at the other server, and expires by that age. */
        err = jf_upload_finish(&stored, &is_new, upload, created_us);
    }
    if (upload) {
        jf_upload_abort(upload);
    }
    if (err && is_about_file(err)) {
        *problem = err;
        return NULL;
    }
    return err;
}

/* @a replaced is the file whose content comes anew, or NULL. */
static jf_err_t *import_content(jf_err_t **problem, import_t *import, const import_file_t *file,
                                const jf_file_t *replaced, apr_time_t created_us, apr_pool_t *pool)
{
    int fd;
    jf_err_t *err = NULL;
    *problem = import_open_file(&fd, file, pool);
    if (*problem) {
        return NULL;
    }
    if (!import->is_dry_run) {
        err = upload_file(problem, import, file, replaced, fd, created_us, pool);
    }
    close(fd);
    if (!err && !*problem) {
        import->imported_count++;
        import->imported_bytes += file->st.st_size;
    }
    return err;
}

static jf_err_t *second_file(const char *first, apr_pool_t *pool)
{
    return jf_err_make(JF_ERR_PRECONDITION, APR_SUCCESS, pool,
                       "the link of its directory leads to %s, and a link has one file", first);
}

static jf_err_t *import_new(jf_err_t **problem, import_t *import, const import_file_t *file,
                            apr_pool_t *pool)
{
    apr_time_t now_us = apr_time_now();
    apr_time_t created_us = uploaded_us(&file->st, now_us);
    if (import->expire_us != JF_NEVER && now_us - created_us >= import->expire_us) {
        import->expired_count++;
        return NULL;
    }
    if (file->first) {
        *problem = second_file(file->first, pool);
        return NULL;
    }
    return import_content(problem, import, file, NULL, created_us, pool);
}

/* ---- a file whose link is there ---- */

/* The other server may not have had all of it when it was imported. But what its owner has put in
 * its place since then is not touched. */
static jf_err_t *import_again(jf_err_t **problem, import_t *import, const import_file_t *file,
                              const jf_file_t *there, apr_pool_t *pool)
{
    apr_time_t created_us = uploaded_us(&file->st, apr_time_now());
    const char *leaf = jf_names_leaf(there->path);
    if (strcmp(leaf, file->leaf) != 0) {
        *problem = second_file(leaf, pool);
        return NULL;
    }
    if (there->size_bytes == file->st.st_size) {
        import->there_count++;
        return NULL;
    }
    if (created_us < there->created_us) {
        *problem = jf_err_make(JF_ERR_PRECONDITION, APR_SUCCESS, pool,
                               "its link leads to a newer file, of %" APR_INT64_T_FMT " bytes",
                               there->size_bytes);
        return NULL;
    }
    return import_content(problem, import, file, there, created_us, pool);
}

/* ---- every file ---- */

static jf_err_t *find_by_link(int *found, jf_file_t *there, const import_t *import,
                              const import_file_t *file, apr_pool_t *pool)
{
    jf_err_t *err = jf_ledger_file_by_token(there, import->admin->service->ledger, file->token,
                                            apr_time_now(), pool);
    *found = !err;
    return err && err->code == JF_ERR_NOT_FOUND ? NULL : err;
}

/* Whether a link was there, and its file was removed or has expired. */
static jf_err_t *look_for_use(int *is_used, const import_t *import, const import_file_t *file,
                              apr_pool_t *pool)
{
    jf_slot_t slot;
    jf_err_t *err = jf_ledger_slot_get(&slot, import->admin->service->ledger, file->token,
                                       apr_time_now(), pool);
    *is_used = err && err->code == JF_ERR_USED;
    return *is_used || (err && err->code == JF_ERR_NOT_FOUND) ? NULL : err;
}

jf_err_t *import_file(jf_err_t **problem, import_t *import, const import_file_t *file,
                      apr_pool_t *pool)
{
    jf_file_t there;
    int is_used = 0;
    int found;
    *problem = NULL;
    JF_TRY(find_by_link(&found, &there, import, file, pool));
    if (!found) {
        JF_TRY(look_for_use(&is_used, import, file, pool));
    }
    if (is_used) {
        /* Once more: between the two looks another import may have come. */
        JF_TRY(find_by_link(&found, &there, import, file, pool));
    }
    if (found) {
        return import_again(problem, import, file, &there, pool);
    }
    if (is_used) {
        import->removed_count++;
        return NULL;
    }
    return import_new(problem, import, file, pool);
}
