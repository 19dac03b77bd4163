/* What answers mean, in words. */

#include <string.h>

#include <apr_date.h>
#include <apr_strings.h>
#include <jansson.h>

#include "http.h"
#include "http_url.h"
#include "jf_ascii.h"
#include "jf_units.h"

#define QUOTED_BYTES_MAX 300
#define BLANKS " \t\r\n"
/* What a server says about when it works again is not believed beyond a year. */
#define RETRY_SECONDS_MAX (366 * 24 * 3600)
#define SHORT_SECONDS 120

const char *http_answer_field(const http_answer_t *answer, const char *name)
{
    return apr_table_get(answer->headers, name);
}

int http_answer_is_stored(const http_answer_t *answer)
{
    return answer->status == 200 || answer->status == 201 || answer->status == 204;
}

/* ---- when ---- */

apr_time_t http_answer_retry_at(const http_answer_t *answer, apr_time_t now_us)
{
    const char *field = http_answer_field(answer, "Retry-After");
    if (!field) {
        return 0;
    }
    if (!jf_ascii_is_digit(*field)) {
        apr_time_t at_us = apr_date_parse_http(field);
        return at_us > now_us + apr_time_from_sec(RETRY_SECONDS_MAX) ? 0 : at_us;
    }
    char *end;
    apr_int64_t seconds = apr_strtoi64(field, &end, 10);
    int is_good = *end == '\0' && seconds <= RETRY_SECONDS_MAX;
    return is_good ? now_us + apr_time_from_sec(seconds) : 0;
}

static const char *when_text(apr_time_t at_us, apr_time_t now_us, apr_pool_t *pool)
{
    char text[64];
    apr_size_t length;
    apr_time_exp_t local;
    apr_int64_t seconds = apr_time_sec(at_us - now_us + APR_USEC_PER_SEC / 2);
    if (seconds <= SHORT_SECONDS) {
        seconds = seconds < 1 ? 1 : seconds;
        return apr_psprintf(pool, "in %" APR_INT64_T_FMT " second%s", seconds,
                            seconds == 1 ? "" : "s");
    }
    apr_time_exp_lt(&local, at_us);
    apr_strftime(text, &length, sizeof(text), "on %Y-%m-%d at %H:%M", &local);
    return apr_pstrmemdup(pool, text, length);
}

/* ", try again in 5 seconds", or what is said if nobody knows. */
static const char *again_text(const http_answer_t *answer, const char *otherwise, apr_pool_t *pool)
{
    apr_time_t now_us = apr_time_now();
    apr_time_t at_us = http_answer_retry_at(answer, now_us);
    return at_us ? apr_pstrcat(pool, "; try again ", when_text(at_us, now_us, pool), NULL)
                 : otherwise;
}

/* ---- what the server says ---- */

typedef struct said_t {
    const char *text; /**< one line, or NULL */
    apr_int64_t quota_bytes;
    apr_int64_t used_bytes;
    apr_int64_t required_bytes;
    apr_int64_t max_file_size_bytes;
    apr_int64_t transfer_quota_bytes;
    apr_int64_t transferred_bytes;
} said_t;

static int has_type(const http_answer_t *answer, const char *type)
{
    const char *field = http_answer_field(answer, "Content-Type");
    size_t length = strlen(type);
    return field && strncasecmp(field, type, length) == 0 &&
           (field[length] == '\0' || strchr("; ", field[length]));
}

/* The first line, not longer than a person wants to read, without dot; NULL if there is none. */
static const char *quote(const char *text, apr_pool_t *pool)
{
    text += strspn(text, BLANKS);
    size_t length = strcspn(text, "\r\n");
    if (length > QUOTED_BYTES_MAX) {
        length = QUOTED_BYTES_MAX;
        while (length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80) {
            length--;
        }
    }
    while (length > 0 && strchr(" \t.", text[length - 1])) {
        length--;
    }
    return length ? apr_pstrmemdup(pool, text, length) : NULL;
}

static apr_int64_t number(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return json_is_integer(value) && json_integer_value(value) >= 0
               ? (apr_int64_t)json_integer_value(value)
               : JF_FACT_NONE;
}

static void read_problem(said_t *said, const char *body, apr_pool_t *pool)
{
    json_t *problem = json_loads(body, 0, NULL);
    const char *detail = json_string_value(json_object_get(problem, "detail"));
    said->quota_bytes = number(problem, "quota_bytes");
    said->used_bytes = number(problem, "used_bytes");
    said->required_bytes = number(problem, "required_bytes");
    said->max_file_size_bytes = number(problem, "max_file_size_bytes");
    said->transfer_quota_bytes = number(problem, "transfer_quota_bytes");
    said->transferred_bytes = number(problem, "transferred_bytes");
    said->text = detail ? quote(detail, pool) : NULL;
    json_decref(problem);
}

static void listen_to(said_t *said, const http_answer_t *answer, apr_pool_t *pool)
{
    *said = (said_t){NULL,         JF_FACT_NONE, JF_FACT_NONE, JF_FACT_NONE,
                     JF_FACT_NONE, JF_FACT_NONE, JF_FACT_NONE};
    if (has_type(answer, "application/problem+json") || has_type(answer, "application/json")) {
        read_problem(said, answer->body, pool);
    } else if (has_type(answer, "text/plain")) {
        said->text = quote(answer->body, pool);
    }
}

/* ---- in words ---- */

typedef struct verdict_t {
    jf_err_code_t code;
    const char *text;
    apr_int64_t limit_bytes;
    apr_int64_t used_bytes;
    apr_int64_t required_bytes;
} verdict_t;

/* " (what the server says)", or nothing. */
static const char *in_brackets(const said_t *said, apr_pool_t *pool)
{
    return said->text ? apr_pstrcat(pool, " (", said->text, ")", NULL) : "";
}

static const char *bytes_text(apr_int64_t bytes, apr_pool_t *pool)
{
    return jf_units_format_bytes(bytes, pool);
}

static void judge_login(verdict_t *verdict, const http_answer_t *answer, apr_pool_t *pool)
{
    verdict->code = JF_ERR_FORBIDDEN;
    verdict->text = "the server wants a login, which is not known for this address";
    if (answer->login) {
        verdict->text = apr_psprintf(pool,
                                     "the server does not accept the password of %s: check it, or "
                                     "set it anew with \"jabberfiles login\"",
                                     answer->login);
    }
}

static void judge_size(verdict_t *verdict, const said_t *said, apr_pool_t *pool)
{
    verdict->code = JF_ERR_TOO_LARGE;
    verdict->limit_bytes = said->max_file_size_bytes;
    verdict->required_bytes = said->required_bytes;
    verdict->text =
        apr_pstrcat(pool, "it is larger than the server takes", in_brackets(said, pool), NULL);
    if (said->max_file_size_bytes != JF_FACT_NONE) {
        verdict->text = apr_psprintf(pool, "it is larger than the %s that the server takes",
                                     bytes_text(said->max_file_size_bytes, pool));
    }
}

static void judge_quota(verdict_t *verdict, const said_t *said, apr_pool_t *pool)
{
    if (said->quota_bytes == JF_FACT_NONE || said->used_bytes == JF_FACT_NONE) {
        verdict->code = JF_ERR_DISK_FULL;
        verdict->text =
            apr_pstrcat(pool, "the server has no room for it", in_brackets(said, pool), NULL);
        return;
    }
    verdict->code = JF_ERR_QUOTA;
    verdict->limit_bytes = said->quota_bytes;
    verdict->used_bytes = said->used_bytes;
    verdict->required_bytes = said->required_bytes;
    const char *need = "";
    if (said->required_bytes != JF_FACT_NONE) {
        need = apr_psprintf(pool, ", and it needs %s", bytes_text(said->required_bytes, pool));
    }
    verdict->text =
        apr_psprintf(pool,
                     "the area is full: %s of %s are used%s; delete something with "
                     "\"jabberfiles rm\"",
                     bytes_text(said->used_bytes, pool), bytes_text(said->quota_bytes, pool), need);
}

static void judge_rush(verdict_t *verdict, const http_answer_t *answer, const said_t *said,
                       apr_pool_t *pool)
{
    const char *again = again_text(answer, "; try again later", pool);
    verdict->code = JF_ERR_TOO_MANY;
    verdict->text = apr_pstrcat(pool, "the server has had too many requests",
                                in_brackets(said, pool), again, NULL);
    if (said->transfer_quota_bytes != JF_FACT_NONE) {
        verdict->code = JF_ERR_TRANSFER_QUOTA;
        verdict->limit_bytes = said->transfer_quota_bytes;
        verdict->used_bytes = said->transferred_bytes;
        verdict->required_bytes = said->required_bytes;
        verdict->text = apr_psprintf(
            pool, "the %s that may be downloaded from this area in a period are used up%s",
            bytes_text(said->transfer_quota_bytes, pool), again);
    }
}

static void judge_redirect(verdict_t *verdict, const http_answer_t *answer, apr_pool_t *pool)
{
    const char *location = http_answer_field(answer, "Location");
    const char *target = location ? http_url_resolve(answer->url, location, pool) : NULL;
    verdict->text = apr_psprintf(pool,
                                 "the server answers %d and names %s instead; passwords and "
                                 "uploads do not follow, so set the right URL",
                                 answer->status, target ? quote(target, pool) : "no other place");
}

static void judge_other(verdict_t *verdict, const http_answer_t *answer, const said_t *said,
                        apr_pool_t *pool)
{
    const char *says = in_brackets(said, pool);
    if (answer->status >= 500) {
        verdict->code = JF_ERR_UNAVAILABLE;
        verdict->text = apr_psprintf(pool, "the server cannot do it now, %d%s%s", answer->status,
                                     says, again_text(answer, "; try again later", pool));
    } else if (answer->status >= 300 && answer->status < 400) {
        judge_redirect(verdict, answer, pool);
    } else {
        verdict->text = apr_psprintf(pool, "the server answers %d%s", answer->status, says);
    }
}

static void judge(verdict_t *verdict, const http_answer_t *answer, const said_t *said,
                  apr_pool_t *pool)
{
    const char *says = in_brackets(said, pool);
    switch (answer->status) {
    case 401:
        judge_login(verdict, answer, pool);
        break;
    case 402:
        verdict->code = JF_ERR_QUOTA;
        verdict->text = apr_pstrcat(pool, "the quota does not allow it", says, NULL);
        break;
    case 403:
        verdict->code = JF_ERR_FORBIDDEN;
        verdict->text = apr_pstrcat(pool, "the server does not allow it", says, NULL);
        break;
    case 404:
    case 410:
        verdict->code = JF_ERR_NOT_FOUND;
        verdict->text = "there is nothing at this address; it may have been deleted, or its time "
                        "is over";
        break;
    case 405:
    case 501:
        verdict->text = "the server does not know how to do this at this address: check the URL";
        break;
    case 412:
        verdict->code = JF_ERR_PRECONDITION;
        verdict->text = apr_pstrcat(pool, "it has changed on the server", says, NULL);
        break;
    case 413:
        judge_size(verdict, said, pool);
        break;
    case 429:
        judge_rush(verdict, answer, said, pool);
        break;
    case 507:
        judge_quota(verdict, said, pool);
        break;
    default:
        judge_other(verdict, answer, said, pool);
    }
}

jf_err_t *http_answer_error(const http_answer_t *answer, const char *what, apr_pool_t *pool)
{
    said_t said;
    verdict_t verdict = {JF_ERR_IO, "", JF_FACT_NONE, JF_FACT_NONE, JF_FACT_NONE};
    listen_to(&said, answer, pool);
    judge(&verdict, answer, &said, pool);
    jf_err_t *err = jf_err_make(verdict.code, APR_SUCCESS, pool, "%s: %s", what, verdict.text);
    err->limit_bytes = verdict.limit_bytes;
    err->used_bytes = verdict.used_bytes;
    err->required_bytes = verdict.required_bytes;
    return err;
}
