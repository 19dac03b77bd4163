/* Header fields of answers that tell of a file; whatever makes no sense is as if it were missing.
 */
#include "fetch_private.h"

#include <string.h>
#include <strings.h>

#include <apr_date.h>
#include <apr_strings.h>

#include "jf_ascii.h"

#define RANGE_UNIT "bytes "
/* So many fit into 64 bits. */
#define DIGITS_MAX 18
/* RFC 9110 section 8.8.2.2 */
#define STRONG_DATE_AGE_US apr_time_from_sec(60)

/** Reads a number and moves *at behind it. @return -1 if there is none that fits */
static apr_int64_t read_number(const char **at)
{
    const char *begin = *at;
    apr_int64_t number = 0;
    while (jf_ascii_is_digit(**at) && *at - begin < DIGITS_MAX) {
        number = number * 10 + (**at - '0');
        (*at)++;
    }
    return *at == begin || jf_ascii_is_digit(**at) ? -1 : number;
}

static int skip_char(const char **at, char c)
{
    if (**at != c) {
        return 0;
    }
    (*at)++;
    return 1;
}

apr_int64_t fetch_field_bytes(const char *text)
{
    apr_int64_t number = text ? read_number(&text) : -1;
    return number >= 0 && *text == '\0' ? number : -1;
}

apr_int64_t fetch_field_size(const http_answer_t *answer)
{
    return fetch_field_bytes(http_answer_field(answer, "Content-Length"));
}

int fetch_field_range(fetch_range_t *range, const char *field)
{
    if (!field || strncasecmp(field, RANGE_UNIT, strlen(RANGE_UNIT)) != 0) {
        return 0;
    }
    const char *at = field + strlen(RANGE_UNIT);
    range->first_bytes = read_number(&at);
    int has_dash = skip_char(&at, '-');
    range->last_bytes = read_number(&at);
    int has_slash = skip_char(&at, '/');
    range->size_bytes = -1;
    int has_size = 1;
    if (!skip_char(&at, '*')) {
        range->size_bytes = read_number(&at);
        has_size = range->size_bytes > range->last_bytes;
    }
    return has_dash && has_slash && has_size && *at == '\0' && range->first_bytes >= 0 &&
           range->last_bytes >= range->first_bytes;
}

apr_time_t fetch_field_date(const http_answer_t *answer, const char *name)
{
    const char *field = http_answer_field(answer, name);
    apr_time_t date_us = field ? apr_date_parse_http(field) : APR_DATE_BAD;
    return date_us > 0 ? date_us : 0;
}

const char *fetch_field_last_modified(const http_answer_t *answer)
{
    apr_time_t modified_us = fetch_field_date(answer, "Last-Modified");
    apr_time_t now_us = fetch_field_date(answer, "Date");
    if (modified_us == 0 || now_us - modified_us < STRONG_DATE_AGE_US) {
        return NULL;
    }
    return http_answer_field(answer, "Last-Modified");
}

const unsigned char *fetch_field_sha256(const http_answer_t *answer, apr_pool_t *pool)
{
    const char *field = http_answer_field(answer, "Repr-Digest");
    unsigned char *sha256 = apr_palloc(pool, JF_SHA256_BYTES);
    int is_found = 0;
    if (!field || jf_digest_parse(sha256, &is_found, field, pool) || !is_found) {
        return NULL;
    }
    return sha256;
}

static jf_err_t *check_coding(const char *coding, apr_pool_t *pool)
{
    if (!coding || strcasecmp(coding, "identity") == 0) {
        return NULL;
    }
    return jf_err_make(JF_ERR_FORBIDDEN, APR_SUCCESS, pool,
                       "the server sends the file packed (Content-Encoding: %.40s) although it was "
                       "asked not to: it is not fetched, since what it unfolds to may be of any "
                       "size",
                       coding);
}

jf_err_t *fetch_field_check(const http_answer_t *answer, apr_pool_t *pool)
{
    const char *length = http_answer_field(answer, "Content-Length");
    if (length && fetch_field_bytes(length) < 0) {
        return jf_err_make(JF_ERR_IO, APR_SUCCESS, pool,
                           "the server's answer makes no sense: its length is \"%.40s\"", length);
    }
    return check_coding(http_answer_field(answer, "Content-Encoding"), pool);
}
