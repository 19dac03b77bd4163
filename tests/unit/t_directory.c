#include "t_directory.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

#include <apr_file_io.h>
#include <apr_strings.h>

#include "jf_test.h"

static int remove_entry(const char *path, const struct stat *found, int kind, struct FTW *place)
{
    (void)found;
    (void)kind;
    (void)place;
    return remove(path);
}

static apr_status_t remove_directory(void *directory)
{
    assert_int_equal(nftw(directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
    return APR_SUCCESS;
}

const char *t_directory_make(apr_pool_t *pool)
{
    const char *parent;
    assert_int_equal(apr_temp_dir_get(&parent, pool), APR_SUCCESS);
    char *directory = apr_pstrcat(pool, parent, "/jabberfiles-test.XXXXXX", NULL);
    assert_non_null(mkdtemp(directory));
    apr_pool_cleanup_register(pool, directory, remove_directory, apr_pool_cleanup_null);
    return directory;
}
