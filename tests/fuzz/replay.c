/**
 * Replays every file of the directories given as arguments through a fuzz target.
 */
#include <stdio.h>
#include <stdlib.h>

#include <apr_file_info.h>
#include <apr_file_io.h>
#include <apr_general.h>
#include <apr_strings.h>

#include "fuzz.h"

static void stop(apr_status_t status, const char *path)
{
    char cause[256];
    fprintf(stderr, "replay: %s: %s\n", path, apr_strerror(status, cause, sizeof(cause)));
    exit(EXIT_FAILURE);
}

static void replay_file(const char *path, apr_pool_t *pool)
{
    apr_file_t *file;
    apr_finfo_t info;
    apr_size_t length = 0;

    apr_status_t status = apr_file_open(&file, path, APR_FOPEN_READ, 0, pool);
    if (status == APR_SUCCESS) {
        status = apr_file_info_get(&info, APR_FINFO_SIZE, file);
    }
    if (status != APR_SUCCESS) {
        stop(status, path);
    }
    uint8_t *data = apr_palloc(pool, info.size + 1);
    status = apr_file_read_full(file, data, info.size, &length);
    if (status != APR_SUCCESS && (!APR_STATUS_IS_EOF(status) || info.size > 0)) {
        stop(status, path);
    }
    printf("%s\n", path);
    fflush(stdout);
    LLVMFuzzerTestOneInput(data, length);
}

/** @return how many files there are. */
static int replay_directory(const char *path, apr_pool_t *pool)
{
    apr_dir_t *dir;
    apr_finfo_t entry;
    int count = 0;

    apr_status_t status = apr_dir_open(&dir, path, pool);
    if (status != APR_SUCCESS) {
        stop(status, path);
    }
    while (apr_dir_read(&entry, APR_FINFO_TYPE | APR_FINFO_NAME, dir) == APR_SUCCESS) {
        if (entry.filetype == APR_REG) {
            replay_file(apr_pstrcat(pool, path, "/", entry.name, NULL), pool);
            count++;
        }
    }
    apr_dir_close(dir);
    return count;
}

int main(int argc, char **argv)
{
    apr_pool_t *pool;
    if (argc < 2 || apr_initialize() != APR_SUCCESS ||
        apr_pool_create(&pool, NULL) != APR_SUCCESS) {
        fprintf(stderr, "usage: %s DIRECTORY...\n", argv[0]);
        return EXIT_FAILURE;
    }
    atexit(apr_terminate);
    for (int i = 1; i < argc; i++) {
        int count = replay_directory(argv[i], pool);
        if (count == 0) {
            fprintf(stderr, "replay: %s: there is no file in it\n", argv[i]);
            return EXIT_FAILURE;
        }
        printf("%s: %d inputs replayed\n", argv[i], count);
    }
    return EXIT_SUCCESS;
}
