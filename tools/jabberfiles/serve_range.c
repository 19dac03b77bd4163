#include "serve_range.h"

#include <apr_cstr.h>

#include "jf_ascii.h"

#define UNIT "bytes="
#define UNIT_CHARS 6

/* Larger than any file; a number that is longer stands for it. */
#define MANY_BYTES (APR_INT64_C(1) << 62)

/* Reads digits, moving on. @return -1 if there are none. */
static apr_int64_t read_number(const char **text)
{
    apr_int64_t number = jf_ascii_is_digit(**text) ? 0 : -1;
    for (; jf_ascii_is_digit(**text); (*text)++) {
        number = number > MANY_BYTES / 10 - 1 ? MANY_BYTES : number * 10 + (**text - '0');
    }
    return number;
}

static const char *skip_blanks(const char *text)
{
    while (*text == ' ' || *text == '\t') {
        text++;
    }
    return text;
}

static serve_range_t whole(apr_int64_t size_bytes)
{
    return (serve_range_t){SERVE_RANGE_WHOLE, 0, size_bytes};
}

static serve_range_t part(apr_int64_t begin_bytes, apr_int64_t end_bytes, apr_int64_t size_bytes)
{
    apr_int64_t end = end_bytes < size_bytes ? end_bytes : size_bytes;
    return begin_bytes < end ? (serve_range_t){SERVE_RANGE_PART, begin_bytes, end - begin_bytes}
                             : (serve_range_t){SERVE_RANGE_BEYOND, 0, 0};
}

/* "-N": the last bytes. */
static serve_range_t suffix(apr_int64_t count_bytes, apr_int64_t size_bytes)
{
    return part(count_bytes < size_bytes ? size_bytes - count_bytes : 0,
                count_bytes > 0 ? size_bytes : 0, size_bytes);
}

serve_range_t serve_range_parse(const char *field, apr_int64_t size_bytes)
{
    if (!field || apr_cstr_casecmpn(field, UNIT, UNIT_CHARS) != 0) {
        return whole(size_bytes);
    }
    const char *text = skip_blanks(field + UNIT_CHARS);
    apr_int64_t first = read_number(&text);
    if (*text != '-') {
        return whole(size_bytes);
    }
    text++;
    apr_int64_t last = read_number(&text);
    if (*skip_blanks(text) != '\0' || (first < 0 && last < 0) ||
        (first >= 0 && last >= 0 && last < first)) {
        return whole(size_bytes);
    }
    if (first < 0) {
        return suffix(last, size_bytes);
    }
    return part(first, last < 0 ? size_bytes : last + 1, size_bytes);
}
