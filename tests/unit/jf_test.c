#include "jf_test.h"

#include <stdlib.h>
#include <string.h>

#include <apr_general.h>
#include <apr_strings.h>

void jf_test_init(void)
{
    if (apr_initialize() != APR_SUCCESS) {
        abort();
    }
    atexit(apr_terminate);
}

int jf_test_make_pool(void **state)
{
    return apr_pool_create((apr_pool_t **)state, NULL) == APR_SUCCESS ? 0 : -1;
}

int jf_test_destroy_pool(void **state)
{
    apr_pool_destroy(*state);
    return 0;
}

void jf_test_ok(const jf_err_t *err, const char *input)
{
    if (err) {
        fail_msg("\"%s\" is refused with code %d: %s", input, err->code, err->text);
    }
}

void jf_test_refused(const jf_err_t *err, jf_err_code_t code, const char *input)
{
    if (!err) {
        fail_msg("\"%s\" is accepted, code %d was expected", input, code);
        return; /* for clang-tidy, which does not know that fail_msg never returns */
    }
    if (err->code != code) {
        fail_msg("\"%s\" gives code %d, not %d: %s", input, err->code, code, err->text);
    }
    if (err->text[0] == '\0') {
        fail_msg("\"%s\" gives an empty text", input);
    }
    for (const char *c = err->text; *c; c++) {
        if (*c < ' ' || *c > '~') {
            fail_msg("\"%s\" gives a text with byte 0x%02X: %s", input, (unsigned char)*c,
                     err->text);
        }
    }
}

const char *jf_test_repeat(const char *head, char c, size_t count, const char *tail,
                           apr_pool_t *pool)
{
    char *middle = apr_palloc(pool, count + 1);
    memset(middle, c, count);
    middle[count] = '\0';
    return apr_pstrcat(pool, head, middle, tail, NULL);
}

int jf_test_draw(uint32_t *random, uint32_t below)
{
    *random = *random * 1664525U + 1013904223U;
    return (int)((*random >> 8) % below);
}
