#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <apr_general.h>
#include <unistr.h>

void fuzz_fail(const char *condition, const char *file, int line)
{
    fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
    abort();
}

int fuzz_is_printable(const char *text)
{
    for (; *text; text++) {
        if (*text < ' ' || *text > '~') {
            return 0;
        }
    }
    return 1;
}

int fuzz_is_clean_utf8(const char *text)
{
    const uint8_t *next = (const uint8_t *)text;
    if (u8_check(next, strlen(text))) {
        return 0;
    }
    ucs4_t uc;
    while ((next = u8_next(&uc, next))) {
        if (uc < 0x20 || (uc >= 0x7F && uc <= 0x9F)) {
            return 0;
        }
    }
    return 1;
}

void fuzz_check_refusal(const jf_err_t *err)
{
    if (err) {
        FUZZ_CHECK(err->code == JF_ERR_INVALID);
        FUZZ_CHECK(err->text[0] != '\0');
        FUZZ_CHECK(fuzz_is_printable(err->text));
    }
}

/** The pool of all inputs, made at the first one. */
static apr_pool_t *parent_pool(void)
{
    static apr_pool_t *parent;
    if (!parent) {
        FUZZ_CHECK(apr_initialize() == APR_SUCCESS);
        FUZZ_CHECK(apr_pool_create(&parent, NULL) == APR_SUCCESS);
    }
    return parent;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    apr_pool_t *pool;
    FUZZ_CHECK(apr_pool_create(&pool, parent_pool()) == APR_SUCCESS);
    /* From malloc and not from the pool, so that AddressSanitizer sees reads beyond the end. */
    char *text = strndup((const char *)data, size);
    FUZZ_CHECK(text);
    fuzz_one(text, pool);
    free(text);
    apr_pool_destroy(pool);
    return 0;
}
