#include "http_resume.h"

#include <string.h>

#include <apr_strings.h>

#include "http_url.h"
#include "jf_ascii.h"

#define VERSION_FIELD "Upload-Draft-Interop-Version"
#define VERSION "8"
#define COMPLETE_FIELD "Upload-Complete"
#define YES "?1"
#define NO "?0"
#define OFFSET_FIELD "Upload-Offset"

void http_resume_init(http_resume_t *resume, http_retry_t *retry, apr_pool_t *pool)
{
    *resume = (http_resume_t){.retry = retry, .pool = pool};
}

apr_table_t *http_resume_offer(apr_table_t *fields)
{
    apr_table_setn(fields, VERSION_FIELD, VERSION);
    apr_table_setn(fields, COMPLETE_FIELD, YES);
    return fields;
}

static int is_field(const http_answer_t *answer, const char *name, const char *value)
{
    const char *field = http_answer_field(answer, name);
    return field && strcmp(field, value) == 0;
}

void http_resume_informed(void *baton, const http_answer_t *answer)
{
    http_resume_t *resume = baton;
    const char *location = http_answer_field(answer, "Location");
    if (answer->status != 104 || !location || resume->location ||
        !is_field(answer, VERSION_FIELD, VERSION)) {
        return;
    }
    const char *url = http_url_resolve(answer->url, location, resume->pool);
    if (url && http_url_is_link(url) && http_url_is_same_origin(url, answer->url)) {
        resume->location = url;
        resume->offset_bytes = 0;
    }
}

/* ---- going on ---- */

static int is_busy(const http_answer_t *answer)
{
    return answer->status >= 500 || answer->status == 429;
}

/* @return 0 if it is no offset that the upload can have */
static int read_offset(apr_int64_t *offset_bytes, const http_answer_t *answer,
                       apr_int64_t size_bytes)
{
    const char *field = http_answer_field(answer, OFFSET_FIELD);
    char *end;
    if (!field || !jf_ascii_is_digit(*field)) {
        return 0;
    }
    *offset_bytes = apr_strtoi64(field, &end, 10);
    return *end == '\0' && *offset_bytes <= size_bytes;
}

/* How far the upload has got. The location is forgotten if it does not lead on. */
static jf_err_t *ask_offset(http_answer_t **answer, http_resume_t *resume, http_t *http,
                            const source_file_t *source)
{
    apr_table_t *fields = apr_table_make(resume->pool, 1);
    apr_int64_t offset_bytes;
    http_request_t request = {.method = "HEAD",
                              .url = resume->location,
                              .trust = HTTP_OWN,
                              .is_as_owner = 1,
                              .headers = fields};
    apr_table_setn(fields, VERSION_FIELD, VERSION);
    JF_TRY(http_call(answer, http, &request, resume->pool));
    if (is_busy(*answer)) {
        return NULL;
    }
    /* What is complete has its answer in the area; whoever asks has looked there. */
    if ((*answer)->status / 100 != 2 || is_field(*answer, COMPLETE_FIELD, YES) ||
        !read_offset(&offset_bytes, *answer, source->size_bytes)) {
        resume->location = NULL;
        return NULL;
    }
    if (offset_bytes > resume->offset_bytes) {
        http_retry_reset(resume->retry);
    }
    resume->offset_bytes = offset_bytes;
    return NULL;
}

static jf_err_t *append(http_answer_t **answer, http_resume_t *resume, http_t *http,
                        source_file_t *source, progress_t *progress)
{
    apr_table_t *fields = apr_table_make(resume->pool, 8);
    http_body_t body = {.size_bytes = source->size_bytes - resume->offset_bytes,
                        .read = source_file_read,
                        .baton = source};
    http_request_t request = {.method = "PATCH",
                              .url = resume->location,
                              .trust = HTTP_OWN,
                              .is_as_owner = 1,
                              .headers = http_resume_offer(fields),
                              .body = &body,
                              .progress = progress,
                              .progress_start_bytes = resume->offset_bytes};
    apr_table_setn(fields, "Accept", "application/json");
    apr_table_setn(fields, "Content-Type", "application/partial-upload");
    apr_table_setn(fields, OFFSET_FIELD,
                   apr_psprintf(resume->pool, "%" APR_INT64_T_FMT, resume->offset_bytes));
    JF_TRY(source_file_seek(source, resume->offset_bytes, resume->pool));
    return http_call(answer, http, &request, resume->pool);
}

/* The answer to the whole upload, for good or ill. */
static int is_final(const http_answer_t *answer)
{
    return is_field(answer, COMPLETE_FIELD, YES) ||
           (answer->status / 100 == 2 && !is_field(answer, COMPLETE_FIELD, NO));
}

/* Between our question and what follows, a request of ours that had seemed lost may have arrived:
 * then the server names another offset with 409, once. */
static jf_err_t *ask_and_append(http_answer_t **answer, http_resume_t *resume, http_t *http,
                                source_file_t *source, progress_t *progress)
{
    for (int i = 0; i < 2; i++) {
        JF_TRY(ask_offset(answer, resume, http, source));
        if (!resume->location || is_busy(*answer)) {
            return NULL;
        }
        JF_TRY(append(answer, resume, http, source, progress));
        if ((*answer)->status != 409) {
            return NULL;
        }
    }
    return NULL;
}

jf_err_t *http_resume_try(http_answer_t **answer, int *is_resumed, http_resume_t *resume,
                          http_t *http, source_file_t *source, progress_t *progress)
{
    *is_resumed = 0;
    if (!resume->location) {
        return NULL;
    }
    JF_TRY(ask_and_append(answer, resume, http, source, progress));
    if (!is_busy(*answer) && !is_final(*answer)) {
        resume->location = NULL;
    }
    *is_resumed = resume->location != NULL;
    return NULL;
}
