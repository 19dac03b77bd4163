#include "mod_jabberfiles_private.h"

int jfm_delete(request_rec *r)
{
    jfm_request_t *request = jfm_request(r);
    const jf_name_t *name = &request->name;
    jf_precondition_t precondition = jfm_precondition(r);

    /* Content of a DELETE means nothing; it must be read all the same before a 2xx. */
    int status = ap_discard_request_body(r);
    if (status != OK) {
        return status;
    }
    request->body_was_taken = 1;
    jf_err_t *err = jf_service_remove_file(request->server->service, name->jid, name->path,
                                           &precondition, r->request_time, r->pool);
    if (err) {
        return jfm_refuse(r, err);
    }
    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r, JFLOGNO(0040) "%s/%s: deleted", name->jid,
                  name->path);
    return HTTP_NO_CONTENT;
}
