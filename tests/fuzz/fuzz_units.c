#include "fuzz.h"

#include <string.h>

#include <apr_cstr.h>
#include <apr_strings.h>

#include "jf_units.h"

static int is_number(const char *text)
{
    return *text && text[strspn(text, "0123456789")] == '\0';
}

static void check_bytes(const char *text, apr_pool_t *pool)
{
    apr_int64_t bytes;
    jf_err_t *err = jf_units_parse_bytes(&bytes, text, pool);
    fuzz_check_refusal(err);
    if (err) {
        return;
    }
    FUZZ_CHECK(fuzz_is_printable(jf_units_format_bytes(bytes, pool)));
    if (bytes == JF_UNLIMITED) {
        FUZZ_CHECK(apr_cstr_casecmp(text, "unlimited") == 0);
        return;
    }
    FUZZ_CHECK(bytes >= 0);
    apr_int64_t again;
    FUZZ_CHECK(!jf_units_parse_bytes(&again, apr_psprintf(pool, "%" APR_INT64_T_FMT, bytes), pool));
    FUZZ_CHECK(again == bytes);
}

/** "12K" is 1024 times "12"; "12m" as a duration is 60 times "12". */
static void check_scale(const char *text, apr_pool_t *pool)
{
    apr_int64_t plain;
    apr_int64_t scaled;
    if (!is_number(text)) {
        return;
    }
    if (!jf_units_parse_bytes(&scaled, apr_pstrcat(pool, text, "K", NULL), pool)) {
        FUZZ_CHECK(!jf_units_parse_bytes(&plain, text, pool));
        FUZZ_CHECK(scaled / 1024 == plain && scaled % 1024 == 0);
    }
    if (!jf_units_parse_duration(&scaled, apr_pstrcat(pool, text, "m", NULL), pool)) {
        FUZZ_CHECK(!jf_units_parse_duration(&plain, text, pool));
        FUZZ_CHECK(scaled / 60 == plain && scaled % 60 == 0);
    }
}

static void check_duration(const char *text, apr_pool_t *pool)
{
    apr_interval_time_t us;
    jf_err_t *err = jf_units_parse_duration(&us, text, pool);
    fuzz_check_refusal(err);
    if (!err) {
        FUZZ_CHECK(us > 0 || (us == JF_NEVER && apr_cstr_casecmp(text, "never") == 0));
    }
}

void fuzz_one(const char *text, apr_pool_t *pool)
{
    check_bytes(text, pool);
    check_duration(text, pool);
    check_scale(text, pool);
}
