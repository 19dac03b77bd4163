#include "jf_units.h"

#include <string.h>

#include <apr_cstr.h>
#include <apr_escape.h>
#include <apr_strings.h>

#include "jf_ascii.h"

#define DIGITS "0123456789"
#define SIZE_RULE                                                                          \
    "a size is a number of bytes, or a number with K, M, G or T (\"500M\", \"1.5G\"), or " \
    "\"unlimited\""
#define DURATION_RULE                                                                              \
    "a duration is a number of seconds above 0, or a whole number with m, h, d or w (\"7d\"), or " \
    "\"never\""

typedef struct unit_t {
    const char *suffix;
    apr_int64_t factor;
} unit_t;

static const unit_t size_units[] = {
    {"", 1},
    {"K", APR_INT64_C(1) << 10},
    {"M", APR_INT64_C(1) << 20},
    {"G", APR_INT64_C(1) << 30},
    {"T", APR_INT64_C(1) << 40},
    {"k", APR_INT64_C(1) << 10},
    {"m", APR_INT64_C(1) << 20},
    {"g", APR_INT64_C(1) << 30},
    {"t", APR_INT64_C(1) << 40},
    {NULL, 0},
};

static const unit_t duration_units[] = {
    {"", 1}, {"m", 60}, {"h", 60 * 60}, {"d", 24 * 60 * 60}, {"w", 7 * 24 * 60 * 60}, {NULL, 0},
};

/** The factor of @a suffix, 0 if it is no unit. */
static apr_int64_t unit_factor(const unit_t *units, const char *suffix)
{
    while (units->suffix && strcmp(units->suffix, suffix) != 0) {
        units++;
    }
    return units->factor;
}

static jf_err_t *refuse(const char *text, const char *rule, apr_pool_t *pool)
{
    return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool, "\"%.80s\" is not valid: %s",
                       apr_pescape_echo(pool, text, 1), rule);
}

static jf_err_t *refuse_too_large(const char *text, apr_pool_t *pool)
{
    return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                       "\"%.80s\" is too large: the largest number that can be counted is "
                       "%" APR_INT64_T_FMT " (2^63 - 1) bytes or microseconds",
                       apr_pescape_echo(pool, text, 1), APR_INT64_MAX);
}

/** Multiplies the leading digits of @a text by @a factor. @return 0 if that overflows. */
static int scale_digits(apr_int64_t *product, const char *text, apr_int64_t factor)
{
    apr_int64_t value = 0;
    for (; jf_ascii_is_digit(*text); text++) {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, *text - '0', &value)) {
            return 0;
        }
    }
    return !__builtin_mul_overflow(value, factor, product);
}

/**
 * The bytes of a decimal fraction of a unit, rounded down. From the last digit to the first, so
 * that any number of digits is exact.
 */
static apr_int64_t fraction_bytes(const char *digits, size_t count, apr_int64_t unit_bytes)
{
    apr_int64_t bytes = 0;
    while (count > 0) {
        bytes = ((digits[--count] - '0') * unit_bytes + bytes) / 10;
    }
    return bytes;
}

jf_err_t *jf_units_parse_bytes(apr_int64_t *bytes, const char *text, apr_pool_t *pool)
{
    if (apr_cstr_casecmp(text, "unlimited") == 0) {
        *bytes = JF_UNLIMITED;
        return NULL;
    }
    const char *suffix = text + strspn(text, DIGITS);
    int has_fraction = *suffix == '.';
    const char *fraction = suffix + has_fraction;
    size_t fraction_digits = has_fraction ? strspn(fraction, DIGITS) : 0;
    suffix = fraction + fraction_digits;

    apr_int64_t unit_bytes = unit_factor(size_units, suffix);
    if (!jf_ascii_is_digit(*text) || unit_bytes == 0 ||
        (has_fraction && (fraction_digits == 0 || unit_bytes == 1))) {
        return refuse(text, SIZE_RULE, pool);
    }
    apr_int64_t whole_bytes;
    if (!scale_digits(&whole_bytes, text, unit_bytes) ||
        __builtin_add_overflow(whole_bytes, fraction_bytes(fraction, fraction_digits, unit_bytes),
                               &whole_bytes)) {
        return refuse_too_large(text, pool);
    }
    *bytes = whole_bytes;
    return NULL;
}

jf_err_t *jf_units_parse_duration(apr_interval_time_t *duration_us, const char *text,
                                  apr_pool_t *pool)
{
    if (apr_cstr_casecmp(text, "never") == 0) {
        *duration_us = JF_NEVER;
        return NULL;
    }
    apr_int64_t unit_secs = unit_factor(duration_units, text + strspn(text, DIGITS));
    if (!jf_ascii_is_digit(*text) || unit_secs == 0) {
        return refuse(text, DURATION_RULE, pool);
    }
    apr_int64_t us;
    if (!scale_digits(&us, text, unit_secs * APR_USEC_PER_SEC)) {
        return refuse_too_large(text, pool);
    }
    if (us == 0) {
        return refuse(text, DURATION_RULE, pool);
    }
    *duration_us = us;
    return NULL;
}

/** Tenths of 2^shift bytes, rounded to nearest, without overflow up to the largest size. */
static apr_int64_t round_to_tenths(apr_int64_t bytes, unsigned shift)
{
    apr_uint64_t rest = (apr_uint64_t)bytes & ((APR_UINT64_C(1) << shift) - 1);
    apr_uint64_t half = APR_UINT64_C(1) << (shift - 1);
    return (bytes >> shift) * 10 + (apr_int64_t)((rest * 10 + half) >> shift);
}

const char *jf_units_format_bytes(apr_int64_t bytes, apr_pool_t *pool)
{
    static const char prefixes[] = "KMGTPE";

    if (bytes == JF_UNLIMITED) {
        return "unlimited";
    }
    if (bytes < 1024) {
        return apr_psprintf(pool, "%" APR_INT64_T_FMT " %s", bytes, bytes == 1 ? "byte" : "bytes");
    }
    /* The rounded value decides: 1048575 bytes are "1 MiB", not "1024 KiB". */
    unsigned power = 1;
    while (round_to_tenths(bytes, 10 * power) >= 10240) {
        power++;
    }
    apr_int64_t tenths = round_to_tenths(bytes, 10 * power);
    char prefix = prefixes[power - 1];
    if (tenths % 10 == 0) {
        return apr_psprintf(pool, "%" APR_INT64_T_FMT " %ciB", tenths / 10, prefix);
    }
    return apr_psprintf(pool, "%" APR_INT64_T_FMT ".%d %ciB", tenths / 10, (int)(tenths % 10),
                        prefix);
}

const char *jf_units_format_time(apr_time_t time_us, apr_pool_t *pool)
{
    apr_time_exp_t t;
    apr_time_exp_gmt(&t, time_us);
    return apr_psprintf(pool, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", t.tm_year + 1900, t.tm_mon + 1,
                        t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec, (int)(t.tm_usec / 1000));
}
