#include "mod_jabberfiles_private.h"

#include <apr_strings.h>

#include "jf_media.h"
#include "jf_units.h"
#include "jf_upload.h"

#define EXPIRE_FIELD "JabberFiles-Expire"

/* The owner may let a file go earlier than JabberFilesExpire does, not later. */
static jf_err_t *choose_life(apr_interval_time_t *life_us, request_rec *r)
{
    apr_interval_time_t most_us = jfm_expire_us(jfm_request(r)->config);
    const char *wish = apr_table_get(r->headers_in, EXPIRE_FIELD);
    *life_us = most_us;
    if (wish) {
        apr_interval_time_t wish_us = JF_NEVER;
        jf_err_t *err = jf_units_parse_duration(&wish_us, wish, r->pool);
        if (err) {
            return jf_err_make(err->code, err->status, r->pool, EXPIRE_FIELD ": %s", err->text);
        }
        if (wish_us != JF_NEVER && (most_us == JF_NEVER || wish_us < most_us)) {
            *life_us = wish_us;
        }
    }
    return NULL;
}

static jf_err_t *make_request(jf_upload_request_t *upload, request_rec *r)
{
    const jfm_request_t *request = jfm_request(r);
    *upload = (jf_upload_request_t){
        .jid = request->name.jid,
        .path = request->name.path,
        .media_type = jf_media_to_store(apr_table_get(r->headers_in, "Content-Type"), r->pool),
        .max_file_bytes = jfm_max_file_bytes(request->config),
        .quota_bytes = jfm_quota_bytes(request->config),
        .precondition = jfm_precondition(r),
    };
    JF_TRY(choose_life(&upload->expire_us, r));
    return jfm_describe_content(upload, r);
}

/* ---- the answer ---- */

static int answer(request_rec *r, const jfm_received_t *received)
{
    const jf_file_t *file = &received->file;
    apr_table_setn(r->headers_out, "Link",
                   apr_pstrcat(r->pool, "<", jfm_link_url(r, file), ">; rel=\"alternate\"", NULL));
    jfm_set_usage_headers(r, received->area);
    return jfm_answer_upload(r, file, received->created, jfm_area_url(r, file->jid, file->path));
}

int jfm_put(request_rec *r)
{
    jf_upload_request_t request;
    jfm_received_t received;

    int status = jfm_check_content_fields(r);
    if (status != OK) {
        return status;
    }
    jf_err_t *err = make_request(&request, r);
    if (err) {
        return jfm_refuse(r, err);
    }
    status = jfm_receive(&received, r, &request);
    return status == OK ? answer(r, &received) : status;
}
