#include "fetch_private.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include <apr_strings.h>

#include "save_name.h"

/* More copies of one name are no accident. */
#define COPIES_MAX 10000

int fetch_is_to_stdout(const fetch_t *fetch)
{
    return fetch->output && strcmp(fetch->output, "-") == 0;
}

/** "report-2.pdf" */
static const char *number_name(const char *name, int number, apr_pool_t *pool)
{
    const char *ending = strrchr(name, '.');
    int stem_length = (int)(ending ? (size_t)(ending - name) : strlen(name));
    return apr_psprintf(pool, "%.*s-%d%s", stem_length, name, number, ending ? ending : "");
}

static const char *path_in_directory(const fetch_t *fetch, const char *name, apr_pool_t *pool)
{
    size_t length = strlen(fetch->directory);
    if (strcmp(fetch->directory, ".") == 0) {
        return name;
    }
    const char *slash = length > 0 && fetch->directory[length - 1] == '/' ? "" : "/";
    return apr_pstrcat(pool, fetch->directory, slash, name, NULL);
}

/** 1 if neither a file has this name nor the download of another link. */
static int is_free(const char *path, const fetch_t *fetch, apr_pool_t *pool)
{
    struct stat found;
    if (lstat(path, &found) == 0) {
        return 0;
    }
    const char *url = part_file_url(path, pool);
    return !url || strcmp(url, fetch->file->url) == 0;
}

static jf_err_t *check_kind(const char *destination, apr_pool_t *pool)
{
    struct stat found;
    if (lstat(destination, &found) != 0 || S_ISREG(found.st_mode) || S_ISLNK(found.st_mode)) {
        return NULL;
    }
    if (S_ISDIR(found.st_mode)) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                           "%s is a directory: name a file, or use --directory", destination);
    }
    return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                       "%s is no ordinary file: \"-o -\" writes to standard output", destination);
}

jf_err_t *fetch_place(const char **destination, const fetch_t *fetch, const shared_file_t *seen,
                      apr_pool_t *pool)
{
    /* Made safe again: what was seen may come from elsewhere. */
    const char *name = save_name_make(seen->name, pool);
    *destination = fetch->output ? fetch->output : path_in_directory(fetch, name, pool);
    JF_TRY(check_kind(*destination, pool));
    if (!fetch->is_renaming || fetch->may_overwrite || fetch->output) {
        return NULL;
    }
    const char *first = *destination;
    const char *directory = apr_pstrmemdup(pool, first, strlen(first) - strlen(name));
    for (int i = 1; i <= COPIES_MAX && !is_free(*destination, fetch, pool); i++) {
        *destination = apr_pstrcat(pool, directory, number_name(name, i, pool), NULL);
    }
    return NULL;
}

jf_err_t *fetch_place_check(const char *destination, const fetch_t *fetch, apr_pool_t *pool)
{
    struct stat found;
    if (fetch->may_overwrite || lstat(destination, &found) != 0) {
        return NULL;
    }
    return jf_err_make(JF_ERR_PRECONDITION, EEXIST, pool,
                       "%s exists: --overwrite replaces it, -o chooses another name", destination);
}

jf_err_t *fetch_place_finish(const char **path, part_file_t *part, const fetch_t *fetch,
                             const shared_file_t *seen, apr_time_t modified_us, apr_pool_t *pool)
{
    jf_err_t *err = part_file_finish(part, *path, fetch->may_overwrite, modified_us);
    if (!err || err->code != JF_ERR_PRECONDITION || !fetch->is_renaming || fetch->output) {
        return err;
    }
    JF_TRY(fetch_place(path, fetch, seen, pool));
    return part_file_finish(part, *path, fetch->may_overwrite, modified_us);
}
