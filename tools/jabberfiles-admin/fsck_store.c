#include "fsck.h"

#include <stdlib.h>
#include <string.h>

#include <apr_file_info.h>
#include <apr_strings.h>

#include "jf_sweep.h"

static void note_foreign(fsck_t *fsck, const char *directory, const char *name, const char *what)
{
    const char *message = apr_psprintf(fsck->admin->pool, "%s/%s/%s %s",
                                       fsck->admin->options->store, directory, name, what);
    fsck_add(fsck, FINDING_FOREIGN, message);
}

/* ---- objects ---- */

typedef struct walk_t {
    fsck_t *fsck;
    const char *directory; /* "objects/ab" */
} walk_t;

static jf_err_t *look_at_object(fsck_t *fsck, const jf_store_entry_t *entry, apr_pool_t *pool)
{
    int is_known;
    JF_TRY(jf_ledger_object_is_known(&is_known, fsck->admin->service->ledger, entry->name, pool));
    fsck->objects++;
    fsck->matches += is_known;
    if (!is_known && fsck->admin->now_us - entry->modified_us >= JF_ORPHAN_AGE_US) {
        const char *message =
            apr_psprintf(pool, "object %s belongs to no file, %" APR_INT64_T_FMT " bytes",
                         entry->name, entry->size_bytes);
        finding_t *finding = fsck_add(fsck, FINDING_ORPHAN, message);
        finding->object = apr_pstrdup(fsck->admin->pool, entry->name);
    }
    return NULL;
}

static jf_err_t *look_at_entry(void *baton, const jf_store_entry_t *entry, apr_pool_t *pool)
{
    const walk_t *walk = baton;
    const char *prefix = strrchr(walk->directory, '/') + 1;
    if (!entry->is_object) {
        /* A file whose object is no regular file is told of by the file. */
        int is_known;
        JF_TRY(jf_ledger_object_is_known(&is_known, walk->fsck->admin->service->ledger, entry->name,
                                         pool));
        if (!is_known) {
            note_foreign(walk->fsck, walk->directory, entry->name, "is no object");
        }
        return NULL;
    }
    if (strncmp(entry->name, prefix, strlen(prefix)) != 0) {
        note_foreign(walk->fsck, walk->directory, entry->name, "is in the wrong directory");
        return NULL;
    }
    return look_at_object(walk->fsck, entry, pool);
}

/* ---- directories ---- */

/* The number of one of the store's directories, "00" to "ff"; -1 for any other name. */
static int directory_number(const char *name)
{
    if (strlen(name) != 2 || strspn(name, "0123456789abcdef") != 2) {
        return -1;
    }
    return (int)strtol(name, NULL, 16);
}

static void look_at_directory(fsck_t *fsck, const char *objects, const char *name, apr_pool_t *pool)
{
    apr_finfo_t info;
    int number = directory_number(name);
    const char *path = apr_pstrcat(pool, objects, "/", name, NULL);
    apr_status_t status = apr_stat(&info, path, APR_FINFO_TYPE | APR_FINFO_LINK, pool);
    if (status != APR_SUCCESS || number < 0 || info.filetype != APR_DIR) {
        note_foreign(fsck, "objects", name, "is no directory of the store");
        return;
    }
    fsck->has_directory[number] = 1;
}

static jf_err_t *look_at_directories(fsck_t *fsck, apr_pool_t *pool)
{
    const char *objects = apr_pstrcat(pool, fsck->admin->options->store, "/objects", NULL);
    apr_dir_t *dir;
    apr_finfo_t entry;
    apr_status_t status = apr_dir_open(&dir, objects, pool);
    if (status != APR_SUCCESS) {
        return jf_err_from_system(status, pool, "cannot read %s", objects);
    }
    while (apr_dir_read(&entry, APR_FINFO_NAME, dir) == APR_SUCCESS) {
        if (strcmp(entry.name, ".") != 0 && strcmp(entry.name, "..") != 0) {
            look_at_directory(fsck, objects, entry.name, pool);
        }
    }
    apr_dir_close(dir);
    return NULL;
}

jf_err_t *fsck_look_at_store(fsck_t *fsck)
{
    apr_pool_t *pool = fsck->admin->pool;
    JF_TRY(look_at_directories(fsck, pool));
    for (int i = 0; i < JF_STORE_FANOUT; i++) {
        walk_t walk = {fsck, apr_psprintf(pool, "objects/%02x", i)};
        if (!fsck->has_directory[i]) {
            fsck_add(fsck, FINDING_FOREIGN,
                     apr_psprintf(pool, "%s/%s is missing; httpd makes it when it starts",
                                  fsck->admin->options->store, walk.directory));
            continue;
        }
        JF_TRY(jf_store_walk(fsck->admin->service->store, i, look_at_entry, &walk, pool));
    }
    return NULL;
}
