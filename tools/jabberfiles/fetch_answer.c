/* What a server answers to the request for a file or the rest of it, checked before a byte is
 * written. */
#include "fetch_download.h"

#include <string.h>
#include <strings.h>

#include <apr_strings.h>

#include "jf_units.h"
#include "output.h"
#include "tool_text.h"

/* Of what a server says when it refuses. */
#define SAID_BYTES_MAX ((size_t)64 << 10)
/* A file that has changed may be larger than the one that was agreed to, within reason. */
#define GROWTH_FACTOR_MAX 2
#define GROWTH_BYTES_ALWAYS ((apr_int64_t)1 << 20)

void fetch_answer_forget(fetch_download_t *download)
{
    download->is_content = 0;
    download->must_restart = 0;
    download->said_bytes = 0;
}

const char *fetch_answer_validator(const fetch_download_t *download)
{
    const part_origin_t *origin = &download->part->origin;
    if (download->is_whole_only || download->part->size_bytes == 0) {
        return NULL;
    }
    return origin->etag ? origin->etag : origin->last_modified;
}

static const char *label_of(const fetch_download_t *download)
{
    return fetch_label(download->fetch, download->seen);
}

static jf_err_t *give_up(fetch_download_t *download, jf_err_t *err)
{
    download->is_hopeless = err != NULL;
    return err;
}

/* ---- limits ---- */

static apr_int64_t size_agreed_max(const fetch_download_t *download)
{
    apr_int64_t agreed_bytes = download->seen->size_bytes;
    apr_int64_t doubled_bytes =
        agreed_bytes < INT64_MAX / GROWTH_FACTOR_MAX ? agreed_bytes * GROWTH_FACTOR_MAX : INT64_MAX;
    return doubled_bytes > GROWTH_BYTES_ALWAYS ? doubled_bytes : GROWTH_BYTES_ALWAYS;
}

/** What was agreed to may change only if the file has changed while it came. */
static int is_size_agreed(const fetch_download_t *download, apr_int64_t size_bytes)
{
    apr_int64_t agreed_bytes = download->seen->size_bytes;
    if (agreed_bytes < 0 || size_bytes == agreed_bytes) {
        return 1;
    }
    return download->has_begun && size_bytes <= size_agreed_max(download);
}

static jf_err_t *check_size(const fetch_download_t *download, apr_int64_t size_bytes)
{
    JF_TRY(fetch_check_limit(download->fetch, label_of(download), size_bytes, download->pool));
    if (is_size_agreed(download, size_bytes)) {
        return NULL;
    }
    jf_err_t *err = jf_err_make(JF_ERR_DIGEST, APR_SUCCESS, download->pool,
                                "%s was announced with %s and has %s now: nothing of it is kept; "
                                "call again if you want it",
                                label_of(download),
                                tool_text_exact_bytes(download->seen->size_bytes, download->pool),
                                tool_text_exact_bytes(size_bytes, download->pool));
    err->limit_bytes = download->seen->size_bytes;
    err->required_bytes = size_bytes;
    return err;
}

/** The SHA-256 that was promised with the link, against what the server says it has. */
static jf_err_t *check_promise(const fetch_download_t *download)
{
    const unsigned char *promised = download->fetch->file->sha256;
    if (!promised || !download->sha256 ||
        memcmp(promised, download->sha256, JF_SHA256_BYTES) == 0) {
        return NULL;
    }
    return jf_err_make(JF_ERR_DIGEST, APR_SUCCESS, download->pool,
                       "%s: the server has another file than the one that was promised (its "
                       "SHA-256 differs): it is not fetched",
                       label_of(download));
}

/* ---- the whole file ---- */

/** The tag or date by which the rest can be asked for later, as far as it is reliable. */
static part_origin_t origin_of(const fetch_download_t *download, const http_answer_t *answer)
{
    const char *etag = http_answer_field(answer, "ETag");
    part_origin_t origin = {
        .url = download->fetch->file->url,
        .size_bytes = fetch_field_size(answer),
    };
    if (etag && part_file_is_strong_etag(etag)) {
        origin.etag = apr_pstrdup(download->pool, etag);
    } else if (!etag) {
        const char *date = fetch_field_last_modified(answer);
        origin.last_modified = date ? apr_pstrdup(download->pool, date) : NULL;
    }
    return origin;
}

static int is_same_text(const char *a, const char *b)
{
    return a && b && strcmp(a, b) == 0;
}

static void tell_restart(const fetch_download_t *download, const part_origin_t *origin)
{
    const part_origin_t *before = &download->part->origin;
    if (download->part->size_bytes == 0 || !before->url) {
        return;
    }
    int is_same = is_same_text(before->etag, origin->etag) ||
                  (!before->etag && is_same_text(before->last_modified, origin->last_modified));
    output_note(download->fetch->client,
                is_same || !(before->etag || before->last_modified)
                    ? "%s: the server cannot go on in the middle: from "
                      "the beginning again"
                    : "%s: it has changed on the server: from the "
                      "beginning again",
                label_of(download));
}

static jf_err_t *begin_whole(fetch_download_t *download, const http_answer_t *answer)
{
    part_origin_t origin = origin_of(download, answer);
    tell_restart(download, &origin);
    download->restarts += download->part->size_bytes > 0;
    if (origin.size_bytes >= 0) {
        JF_TRY(give_up(download, check_size(download, origin.size_bytes)));
    }
    JF_TRY(part_file_restart(download->part, &origin));
    return origin.size_bytes > 0 ? part_file_check_room(download->part, origin.size_bytes) : NULL;
}

/* ---- the rest of it ---- */

static int is_of_same_file(const fetch_download_t *download, const http_answer_t *answer)
{
    const part_origin_t *origin = &download->part->origin;
    const char *etag = http_answer_field(answer, "ETag");
    const char *date = http_answer_field(answer, "Last-Modified");
    if (origin->etag) {
        return is_same_text(origin->etag, etag);
    }
    return !date || is_same_text(origin->last_modified, date);
}

/** Whether the answer goes on exactly where the part ends, and with the same file. */
static int is_rest(const fetch_download_t *download, const http_answer_t *answer)
{
    fetch_range_t range;
    const part_origin_t *origin = &download->part->origin;
    apr_int64_t length_bytes = fetch_field_size(answer);
    if (download->asked_bytes == 0 ||
        !fetch_field_range(&range, http_answer_field(answer, "Content-Range"))) {
        return 0;
    }
    int has_size = origin->size_bytes < 0
                       ? range.size_bytes < 0 || range.size_bytes > download->asked_bytes
                       : range.size_bytes == origin->size_bytes;
    int has_length = length_bytes < 0 || length_bytes == range.last_bytes - range.first_bytes + 1;
    return has_size && has_length && range.first_bytes == download->asked_bytes &&
           is_of_same_file(download, answer);
}

static jf_err_t *begin_rest(fetch_download_t *download, const http_answer_t *answer)
{
    if (is_rest(download, answer)) {
        return part_file_check_room(download->part, fetch_field_size(answer));
    }
    download->must_restart = 1;
    return jf_err_make(JF_ERR_IO, APR_SUCCESS, download->pool,
                       "%s: the server was asked for the rest and answers with something that "
                       "does not fit",
                       label_of(download));
}

/* ---- the sink ---- */

/** What the answer tells of the whole file; one to a range may leave it out. */
static void take_facts(fetch_download_t *download, const http_answer_t *answer)
{
    const unsigned char *sha256 = fetch_field_sha256(answer, download->pool);
    apr_time_t modified_us = fetch_field_date(answer, "Last-Modified");
    int is_new = answer->status == 200 && download->has_begun;
    if (sha256 || is_new) {
        download->sha256 = sha256;
    }
    if (modified_us || is_new) {
        download->modified_us = modified_us;
    }
}

jf_err_t *fetch_answer_begin(void *baton, const http_answer_t *answer)
{
    fetch_download_t *download = baton;
    if (answer->status != 200 && answer->status != 206) {
        return NULL;
    }
    JF_TRY(give_up(download, fetch_field_check(answer, download->pool)));
    JF_TRY(answer->status == 206 ? begin_rest(download, answer) : begin_whole(download, answer));
    take_facts(download, answer);
    JF_TRY(give_up(download, check_promise(download)));
    download->is_content = 1;
    download->has_begun = 1;
    return NULL;
}

/** Keeps what a server says with a refusal, for http_answer_error. */
static void keep_said(fetch_download_t *download, const char *data, size_t size)
{
    size_t room_bytes = SAID_BYTES_MAX - download->said_bytes;
    size_t kept_bytes = size < room_bytes ? size : room_bytes;
    if (!download->said) {
        download->said = apr_palloc(download->pool, SAID_BYTES_MAX + 1);
    }
    memcpy(download->said + download->said_bytes, data, kept_bytes);
    download->said_bytes += kept_bytes;
}

/** Beyond what was announced, or what was allowed if nothing was. */
static jf_err_t *check_end(const fetch_download_t *download, apr_int64_t end_bytes)
{
    apr_int64_t size_bytes = download->part->origin.size_bytes;
    if (size_bytes < 0) {
        size_bytes = download->seen->size_bytes;
    }
    if (size_bytes >= 0 && end_bytes > size_bytes) {
        return jf_err_make(JF_ERR_DIGEST, APR_SUCCESS, download->pool,
                           "%s: the server sends more than the %s that were announced: nothing "
                           "of it is kept",
                           label_of(download), jf_units_format_bytes(size_bytes, download->pool));
    }
    apr_int64_t limit_bytes = download->fetch->max_size_bytes;
    if (size_bytes < 0 && limit_bytes == JF_UNLIMITED) {
        limit_bytes = FETCH_UNKNOWN_BYTES_MAX;
    }
    if (limit_bytes == JF_UNLIMITED || end_bytes <= limit_bytes) {
        return NULL;
    }
    return jf_err_make(JF_ERR_TOO_LARGE, APR_SUCCESS, download->pool,
                       "%s: the server has not said how large it is, and sends more than %s: "
                       "--max-size allows more",
                       label_of(download), jf_units_format_bytes(limit_bytes, download->pool));
}

jf_err_t *fetch_answer_write(void *baton, const char *data, size_t size)
{
    fetch_download_t *download = baton;
    if (!download->is_content) {
        keep_said(download, data, size);
        return NULL;
    }
    JF_TRY(give_up(download, check_end(download, download->part->size_bytes + (apr_int64_t)size)));
    return part_file_write(download->part, data, size);
}
