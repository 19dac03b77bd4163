#include "fuzz.h"

#include <string.h>

#include <apr_strings.h>

#include "jf_media.h"

static void check_stored(const char *text, apr_pool_t *pool)
{
    const char *stored = jf_media_to_store(text, pool);
    FUZZ_CHECK(fuzz_is_printable(stored));
    FUZZ_CHECK(strchr(stored, '/') && strlen(stored) <= 255);
    FUZZ_CHECK(strcmp(jf_media_to_store(stored, pool), stored) == 0);

    const char *served = jf_media_to_serve(stored, pool);
    FUZZ_CHECK(fuzz_is_printable(served));
    FUZZ_CHECK(strncmp(served, stored, strlen(stored)) == 0);

    const char *essence = apr_pstrmemdup(pool, stored, strcspn(stored, "; "));
    const char *listed;
    if (jf_media_is_inline(stored, NULL)) {
        FUZZ_CHECK(!jf_media_is_active(essence));
        FUZZ_CHECK(!jf_media_parse_inline(&listed, essence, pool));
    }
}

/** What was not stored by us may be anything; it is never sent as it is. */
static void check_served(const char *text, apr_pool_t *pool)
{
    const char *served = jf_media_to_serve(text, pool);
    FUZZ_CHECK(fuzz_is_printable(served));
    if (jf_media_is_inline(text, NULL)) {
        FUZZ_CHECK(fuzz_is_printable(text));
        FUZZ_CHECK(strcmp(served, JF_MEDIA_UNKNOWN) != 0);
    }
}

static void check_allow_list(const char *text, apr_pool_t *pool)
{
    const char *essence;
    jf_err_t *err = jf_media_parse_inline(&essence, text, pool);
    fuzz_check_refusal(err);
    if (err) {
        return;
    }
    FUZZ_CHECK(!jf_media_is_active(essence) && !jf_media_is_active(text));
    FUZZ_CHECK(!strpbrk(essence, "*; ") && fuzz_is_printable(essence));
    apr_array_header_t *allowed = apr_array_make(pool, 1, sizeof(const char *));
    APR_ARRAY_PUSH(allowed, const char *) = essence;
    FUZZ_CHECK(strlen(essence) > 255 || jf_media_is_inline(essence, allowed));
}

/** One quoted ASCII name, then one encoded name to the end: no name can add a parameter. */
static void check_disposition(const char *leaf, apr_pool_t *pool)
{
    static const char head[] = "attachment; filename=\"";
    static const char middle[] = "\"; filename*=UTF-8''";

    const char *value = jf_media_disposition(0, leaf, pool);
    FUZZ_CHECK(fuzz_is_printable(value));
    FUZZ_CHECK(strncmp(value, head, strlen(head)) == 0);
    const char *quoted = value + strlen(head);
    size_t quoted_length = strcspn(quoted, "\"");
    FUZZ_CHECK(!memchr(quoted, '\\', quoted_length) && !memchr(quoted, '%', quoted_length));
    const char *rest = quoted + quoted_length;
    FUZZ_CHECK(strncmp(rest, middle, strlen(middle)) == 0);
    FUZZ_CHECK(!strpbrk(rest + strlen(middle), " ;,\"'\\"));
}

void fuzz_one(const char *text, apr_pool_t *pool)
{
    check_stored(text, pool);
    check_served(text, pool);
    check_allow_list(text, pool);
    check_disposition(text, pool);
    FUZZ_CHECK(strncmp(jf_media_disposition(1, text, pool), "inline; ", 8) == 0);
}
