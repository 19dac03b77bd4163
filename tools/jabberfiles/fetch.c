#include "fetch.h"

#include <string.h>
#include <unistd.h>

#include <apr_strings.h>

#include "fetch_download.h"
#include "jf_units.h"
#include "output.h"

/* A file that is another one each time will never be whole. */
#define RESTARTS_MAX 3

/* ---- one request ---- */

/** Asks for the rest, if what is there can be relied on. */
static void ask_for_rest(fetch_download_t *download, apr_table_t *headers)
{
    const char *validator = fetch_answer_validator(download);
    download->asked_bytes = validator ? download->part->size_bytes : 0;
    if (!validator) {
        return;
    }
    apr_table_setn(headers, "If-Range", validator);
    apr_table_setn(
        headers, "Range",
        apr_psprintf(download->pool, "bytes=%" APR_INT64_T_FMT "-", download->asked_bytes));
}

static jf_err_t *request_once(http_answer_t **answer, fetch_download_t *download)
{
    const http_sink_t sink = {fetch_answer_begin, fetch_answer_write, download};
    http_request_t request;
    apr_table_t *headers = fetch_request_make(&request, "GET", download->fetch, download->pool);
    ask_for_rest(download, headers);
    fetch_answer_forget(download);
    request.sink = &sink;
    request.progress = download->progress;
    request.progress_start_bytes = download->asked_bytes;
    request.deadline_us = download->deadline_us;
    *answer = NULL;
    return http_call(answer, download->http, &request, download->pool);
}

/** What is missing after an answer that seemed complete, as the error of a broken connection. */
static jf_err_t *check_complete(const fetch_download_t *download)
{
    apr_int64_t size_bytes = download->part->origin.size_bytes;
    if (size_bytes < 0) {
        size_bytes = download->seen->size_bytes;
    }
    if (size_bytes < 0 || download->part->size_bytes >= size_bytes) {
        return NULL;
    }
    return jf_err_make(JF_ERR_UNAVAILABLE, APR_SUCCESS, download->pool,
                       "%s: the server has sent %" APR_INT64_T_FMT " of %" APR_INT64_T_FMT " bytes",
                       fetch_label(download->fetch, download->seen), download->part->size_bytes,
                       size_bytes);
}

/** The error that an unwelcome answer stands for, with what the server says. */
static jf_err_t *refusal(fetch_download_t *download, http_answer_t *answer)
{
    if (download->said_bytes > 0) {
        download->said[download->said_bytes] = '\0';
        answer->body = download->said;
    }
    return http_answer_error(answer, fetch_label(download->fetch, download->seen), download->pool);
}

/* ---- patience ---- */

static int is_416(const http_answer_t *answer)
{
    return answer && answer->status == 416;
}

/** The next request is for all of it. @return 0 if that has been tried often enough */
static int begin_anew(fetch_download_t *download)
{
    output_note(download->fetch->client,
                "%s: what the server sends does not go on with what is here: from the beginning "
                "again",
                fetch_label(download->fetch, download->seen));
    download->is_whole_only = 1;
    return download->restarts < RESTARTS_MAX;
}

/** Waits and says whether to try again. */
static int may_go_on(fetch_download_t *download, const http_answer_t *answer, const jf_err_t *err)
{
    if (download->is_hopeless || download->restarts >= RESTARTS_MAX) {
        return 0;
    }
    if ((download->must_restart || is_416(answer)) && !download->is_whole_only) {
        return begin_anew(download);
    }
    /* Only what is more than ever: the begin, sent again and again, is no progress. */
    if (download->part->size_bytes > download->best_bytes) {
        download->best_bytes = download->part->size_bytes;
        http_retry_reset(&download->retry);
    }
    if (download->deadline_us && apr_time_now() >= download->deadline_us) {
        return 0;
    }
    return http_retry_wait(&download->retry, download->fetch->client, err ? NULL : answer, err);
}

/** Requests until all is there. */
static jf_err_t *request_all(fetch_download_t *download)
{
    http_answer_t *answer;
    jf_err_t *err;
    do {
        err = request_once(&answer, download);
        if (!err && download->is_content) {
            err = check_complete(download);
            if (!err) {
                return NULL;
            }
        }
    } while (may_go_on(download, answer, err));
    if (client_is_interrupted()) {
        return client_interrupted(download->pool);
    }
    return err ? err : refusal(download, answer);
}

/* ---- the end ---- */

static jf_err_t *compare(const fetch_download_t *download, const unsigned char *expected,
                         const unsigned char *got, const char *algorithm, const char *who)
{
    if (!expected || memcmp(expected, got, JF_SHA256_BYTES) == 0) {
        return NULL;
    }
    return jf_err_make(JF_ERR_DIGEST, APR_SUCCESS, download->pool,
                       "%s: what came has another %s than %s: %s",
                       fetch_label(download->fetch, download->seen), algorithm, who,
                       fetch_is_to_stdout(download->fetch) ? "do not use what was written"
                                                           : "nothing of it is kept");
}

static jf_err_t *verify(fetch_download_t *download)
{
    unsigned char sha256[JF_SHA256_BYTES];
    unsigned char sha3[PART_SHA3_BYTES];
    const shared_file_t *claim = download->fetch->file;
    JF_TRY(part_file_end_digest(sha256, sha3, download->part));
    jf_err_t *err = compare(download, claim->sha256, sha256, "SHA-256", "was promised");
    if (!err) {
        err = compare(download, claim->sha3_256, sha3, "SHA3-256", "was promised");
    }
    if (!err) {
        err = compare(download, download->sha256, sha256, "SHA-256", "the server says");
    }
    if (err) {
        download->is_hopeless = 1;
    } else if (download->fetch->sha256) {
        memcpy(download->fetch->sha256, sha256, sizeof(sha256));
    }
    return err;
}

/** Takes up what an earlier run has left. */
static jf_err_t *take_up(fetch_download_t *download)
{
    part_file_t *part = download->part;
    apr_int64_t there_bytes = fetch_answer_validator(download) ? part->size_bytes : 0;
    if (download->seen->size_bytes > there_bytes) {
        JF_TRY(part_file_check_room(part, download->seen->size_bytes - there_bytes));
    }
    if (there_bytes == 0) {
        return NULL;
    }
    output_note(download->fetch->client, "%s: going on at %s",
                fetch_label(download->fetch, download->seen),
                jf_units_format_bytes(there_bytes, download->pool));
    download->best_bytes = there_bytes;
    return part_file_load(part, download->fetch->client);
}

static jf_err_t *run(const char **path, fetch_download_t *download)
{
    const fetch_t *fetch = download->fetch;
    JF_TRY(take_up(download));
    download->progress = progress_begin(fetch->client, fetch_label(fetch, download->seen),
                                        download->seen->size_bytes, download->pool);
    jf_err_t *err = request_all(download);
    progress_end(download->progress, !err);
    JF_TRY(err);
    JF_TRY(verify(download));
    return fetch_place_finish(path, download->part, fetch, download->seen, download->modified_us,
                              download->pool);
}

static jf_err_t *open_part(part_file_t **part, const char *path, const fetch_t *fetch,
                           apr_pool_t *pool)
{
    int wants_sha3 = fetch->file->sha3_256 != NULL;
    if (fetch_is_to_stdout(fetch)) {
        return part_file_open_stream(part, STDOUT_FILENO, wants_sha3, pool);
    }
    JF_TRY(fetch_place_check(path, fetch, pool));
    JF_TRY(part_file_open(part, path, wants_sha3, pool));
    const char *url = (*part)->origin.url;
    if (url && strcmp(url, fetch->file->url) != 0) {
        return part_file_restart(*part,
                                 &(part_origin_t){.url = fetch->file->url, .size_bytes = -1});
    }
    return NULL;
}

jf_err_t *fetch_download(const char **path_out, http_t *http, const fetch_t *fetch,
                         const shared_file_t *seen, apr_pool_t *pool)
{
    const char *path = fetch->output;
    fetch_download_t download = {
        .http = http, .fetch = fetch, .seen = seen, .sha256 = seen->sha256, .pool = pool};
    *path_out = NULL;
    download.deadline_us = fetch_deadline(fetch);
    JF_TRY(fetch_request_check(fetch, pool));
    JF_TRY(fetch_check_limit(fetch, fetch_label(fetch, seen), seen->size_bytes, pool));
    if (!fetch_is_to_stdout(fetch)) {
        JF_TRY(fetch_place(&path, fetch, seen, pool));
    }
    JF_TRY(open_part(&download.part, path, fetch, pool));
    jf_err_t *err = run(&path, &download);
    if (err && download.is_hopeless) {
        part_file_remove(download.part);
    } else if (err) {
        part_file_close(download.part);
    }
    *path_out = err ? NULL : path;
    return err;
}
