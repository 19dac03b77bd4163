#include "fuzz.h"

#include <string.h>
#include <strings.h>

#include "jf_names.h"
#include "save_name.h"

static int has_ending(const char *name, const char *ending)
{
    size_t length = strlen(name);
    size_t ending_length = strlen(ending);
    return length >= ending_length && strcasecmp(name + length - ending_length, ending) == 0;
}

/** Whatever is given, what comes out is one ordinary name in a directory. */
static void check_made(const char *given, apr_pool_t *pool)
{
    const char *name = save_name_make(given, pool);
    size_t length = strlen(name);
    FUZZ_CHECK(length > 0 && length <= SAVE_NAME_BYTES_MAX);
    FUZZ_CHECK(!strpbrk(name, "/\\"));
    FUZZ_CHECK(!strchr(".- ", name[0]) && !strchr(". ", name[length - 1]));
    FUZZ_CHECK(fuzz_is_clean_utf8(name));
    FUZZ_CHECK(!jf_names_check_path(name, pool));
    FUZZ_CHECK(!has_ending(name, ".part") && !has_ending(name, ".part.json"));
    FUZZ_CHECK(strcmp(save_name_make(name, pool), name) == 0);
}

/** What is read from a field or a URL is never longer than that, and is made safe. */
static void check_read(const char *name, const char *text, size_t growth, apr_pool_t *pool)
{
    if (name) {
        FUZZ_CHECK(strlen(name) <= growth * strlen(text));
        check_made(name, pool);
    }
}

void fuzz_one(const char *text, apr_pool_t *pool)
{
    check_made(text, pool);
    /* A byte of Latin-1 becomes two. */
    check_read(save_name_from_disposition(text, pool), text, 2, pool);
    check_read(save_name_from_url(text, pool), text, 1, pool);
}
