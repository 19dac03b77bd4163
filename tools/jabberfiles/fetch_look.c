#include "fetch_private.h"

#include <string.h>

#include <apr_strings.h>

#include "http_retry.h"
#include "http_url.h"
#include "jf_media.h"
#include "jf_units.h"
#include "output.h"
#include "save_name.h"
#include "tool_text.h"

#define TIME_BYTES 64

static const char *host_of(const char *url, apr_pool_t *pool)
{
    return http_url_host(fetch_request_url(url, pool), pool);
}

/** 1 for servers that have the file, perhaps, and no HEAD. */
static int knows_no_head(const http_answer_t *answer)
{
    return answer->status == 405 || answer->status == 501;
}

/** The name before anything is known but the link. */
static const char *name_asked_for(const fetch_t *fetch, apr_pool_t *pool)
{
    const char *name = fetch->file->name;
    return save_name_make(name ? name : save_name_from_url(fetch->file->url, pool), pool);
}

/** An answer to HEAD has no words. The first byte is asked for in the same way, and what the server
 * says then is the reason. */
static jf_err_t *explain(const http_answer_t *head, http_t *http, const fetch_t *fetch,
                         apr_pool_t *pool)
{
    http_request_t request;
    http_answer_t *answer = NULL;
    apr_table_setn(fetch_request_make(&request, "GET", fetch, pool), "Range", "bytes=0-0");
    jf_err_t *err = http_call(&answer, http, &request, pool);
    int is_same = !err && answer->status == head->status;
    return http_answer_error(is_same ? answer : head, name_asked_for(fetch, pool), pool);
}

static jf_err_t *ask_server(http_answer_t **answer, http_t *http, const fetch_t *fetch,
                            apr_pool_t *pool)
{
    http_request_t request;
    fetch_request_make(&request, "HEAD", fetch, pool);
    request.deadline_us = fetch_deadline(fetch);
    http_retry_t retry = {0};
    jf_err_t *err;
    do {
        *answer = NULL;
        err = http_call(answer, http, &request, pool);
        if (!err && (*answer)->status == 200) {
            return fetch_field_check(*answer, pool);
        }
    } while (http_retry_wait(&retry, fetch->client, *answer, err));
    if (client_is_interrupted()) {
        return client_interrupted(pool);
    }
    if (err || knows_no_head(*answer)) {
        return err;
    }
    int may_have_words = (*answer)->status == 403 || (*answer)->status == 429;
    return may_have_words ? explain(*answer, http, fetch, pool)
                          : http_answer_error(*answer, name_asked_for(fetch, pool), pool);
}

/** The name as it will be saved: the server's word first, the link's last. */
static const char *choose_name(const http_answer_t *answer, const fetch_t *fetch, apr_pool_t *pool)
{
    const char *field = http_answer_field(answer, "Content-Disposition");
    const char *name = field ? save_name_from_disposition(field, pool) : NULL;
    if (!name) {
        name = fetch->file->name;
    }
    if (!name) {
        name = save_name_from_url(answer->url, pool);
    }
    if (!name) {
        name = save_name_from_url(fetch->file->url, pool);
    }
    return save_name_make(name, pool);
}

static void warn_of_contradictions(const fetch_t *fetch, apr_int64_t size_bytes,
                                   const unsigned char *sha256, const char *label, apr_pool_t *pool)
{
    const shared_file_t *claim = fetch->file;
    if (claim->size_bytes >= 0 && size_bytes >= 0 && claim->size_bytes != size_bytes) {
        output_warn(fetch->client, "%s: it is said to have %s, and has %s on the server", label,
                    tool_text_exact_bytes(claim->size_bytes, pool),
                    tool_text_exact_bytes(size_bytes, pool));
    }
    if (claim->sha256 && sha256 && memcmp(claim->sha256, sha256, JF_SHA256_BYTES) != 0) {
        output_warn(fetch->client,
                    "%s: the server has another file than the one that was promised (its SHA-256 "
                    "differs)",
                    label);
    }
}

/** What the answer says, over what is claimed. */
static shared_file_t *fill_in(const http_answer_t *answer, const fetch_t *fetch, apr_pool_t *pool)
{
    shared_file_t *seen = apr_pmemdup(pool, fetch->file, sizeof(*seen));
    seen->name = choose_name(answer, fetch, pool);
    if (answer->status != 200) {
        return seen;
    }
    apr_int64_t size_bytes = fetch_field_size(answer);
    const unsigned char *sha256 = fetch_field_sha256(answer, pool);
    warn_of_contradictions(fetch, size_bytes, sha256, seen->name, pool);
    const char *media_type = http_answer_field(answer, "Content-Type");
    apr_time_t date_us = fetch_field_date(answer, "Last-Modified");
    seen->size_bytes = size_bytes >= 0 ? size_bytes : seen->size_bytes;
    seen->sha256 = seen->sha256 ? seen->sha256 : sha256;
    seen->media_type = media_type ? jf_media_to_store(media_type, pool) : seen->media_type;
    seen->date_us = date_us ? date_us : seen->date_us;
    return seen;
}

jf_err_t *fetch_look(shared_file_t **seen, http_t *http, const fetch_t *fetch, apr_pool_t *pool)
{
    http_answer_t *answer;
    *seen = NULL;
    JF_TRY(fetch_request_check(fetch, pool));
    JF_TRY(ask_server(&answer, http, fetch, pool));
    *seen = fill_in(answer, fetch, pool);
    const char *asked_host = host_of(fetch->file->url, pool);
    const char *host = host_of(answer->url, pool);
    if (strcmp(asked_host, host) != 0) {
        output_note(fetch->client, "%s leads to %s", asked_host, host);
    }
    return fetch_check_limit(fetch, (*seen)->name, (*seen)->size_bytes, pool);
}

static const char *format_date(apr_time_t date_us, apr_pool_t *pool)
{
    apr_time_exp_t local;
    char text[TIME_BYTES];
    apr_size_t length;
    if (apr_time_exp_lt(&local, date_us) != APR_SUCCESS ||
        apr_strftime(text, &length, sizeof(text), "%Y-%m-%d %H:%M", &local) != APR_SUCCESS) {
        return "unknown";
    }
    return apr_pstrdup(pool, text);
}

void fetch_show(const client_t *client, const shared_file_t *seen, apr_pool_t *pool)
{
    int has_size = seen->size_bytes >= 0;
    output_note(client, "  name  %s", save_name_make(seen->name, pool));
    output_note(client, "  size  %s",
                has_size ? tool_text_exact_bytes(seen->size_bytes, pool) : "unknown");
    output_note(client, "  type  %s", seen->media_type ? seen->media_type : "unknown");
    output_note(client, "  date  %s",
                seen->date_us > 0 ? format_date(seen->date_us, pool) : "unknown");
    if (strstr(seen->url, "://")) {
        output_note(client, "  host  %s", host_of(seen->url, pool));
    }
}
