#include "mod_jabberfiles_private.h"

#include <string.h>

#include <apr_strings.h>

#include "jf_area.h"
#include "jf_units.h"

/* End-to-end encryption (OMEMO, XEP-0454) adds the tag of AES-GCM to a file. */
#define ENCRYPTION_TAG_BYTES 16
/* A clock that is set back must not make a used token usable. */
#define FORGET_AFTER_US apr_time_from_sec(86400)

int jfm_accepts_slots(const jfm_dir_config_t *config)
{
    return config->slot_secrets || config->has_slot_service == 1;
}

int jfm_accepts_slot_deletes(const jfm_dir_config_t *config)
{
    const apr_array_header_t *secrets = config->slot_secrets;
    for (int i = 0; secrets && i < secrets->nelts; i++) {
        if (APR_ARRAY_IDX(secrets, i, const jf_slot_secret_t *)->delete_key) {
            return 1;
        }
    }
    return 0;
}

apr_int64_t jfm_slot_max_bytes(const jfm_dir_config_t *config)
{
    apr_int64_t max_bytes = jfm_max_file_bytes(config);
    return max_bytes == JF_UNLIMITED || max_bytes > APR_INT64_MAX - ENCRYPTION_TAG_BYTES
               ? max_bytes
               : max_bytes + ENCRYPTION_TAG_BYTES;
}

/* ---- slots that jfm_slot_service has granted ---- */

static jf_err_t *check_promise(const jf_slot_t *slot, const jf_upload_request_t *upload,
                               request_rec *r)
{
    JF_TRY(jf_slot_check_size(slot->size_bytes, upload->length_bytes, r->pool));
    if (!jf_slot_type_fits(slot->media_type, apr_table_get(r->headers_in, "Content-Type"),
                           r->pool)) {
        return jf_err_make(JF_ERR_FORBIDDEN, APR_SUCCESS, r->pool,
                           "the slot is for content of the type %s", slot->media_type);
    }
    return NULL;
}

static jf_err_t *use_granted_slot(jf_upload_request_t *upload, jf_slot_use_t *use, request_rec *r)
{
    const jfm_request_t *request = jfm_request(r);
    const char *token = request->name.token;
    jf_slot_t slot;
    JF_TRY(jf_ledger_slot_get(&slot, request->server->service->ledger, token, r->request_time,
                              r->pool));
    if (strcmp(jf_names_leaf(slot.path), request->name.leaf) != 0) {
        return jf_err_make(JF_ERR_NOT_FOUND, APR_SUCCESS, r->pool, "the slot has another name");
    }
    JF_TRY(check_promise(&slot, upload, r));
    upload->jid = slot.jid;
    upload->path = slot.path;
    upload->media_type = slot.media_type;
    *use = (jf_slot_use_t){token, JF_NEVER, slot.expires_us + FORGET_AFTER_US};
    return NULL;
}

/* ---- slots that a Jabber server has signed ---- */

static const char *only_domain(const jfm_server_config_t *server)
{
    return server->domains->nelts == 1 ? APR_ARRAY_IDX(server->domains, 0, jf_domain_t *)->name
                                       : NULL;
}

static jf_slot_request_t describe_slot(request_rec *r, apr_int64_t length_bytes)
{
    const jfm_request_t *request = jfm_request(r);
    return (jf_slot_request_t){
        .token = request->name.token,
        .leaf = request->name.leaf,
        .length_bytes = length_bytes,
        .content_type = apr_table_get(r->headers_in, "Content-Type"),
        .query = jfm_slot_query(r),
        .authorization = apr_table_get(r->headers_in, "Authorization"),
        .domain = only_domain(request->server),
    };
}

static jf_err_t *use_signed_slot(jf_upload_request_t *upload, jf_slot_use_t *use, request_rec *r)
{
    const jfm_request_t *request = jfm_request(r);
    jf_slot_request_t slot = describe_slot(r, upload->length_bytes);
    jf_slot_grant_t grant;
    JF_TRY(jf_slot_verify(&grant, request->config->slot_secrets, &slot, r->request_time, r->pool));
    if (jf_area_is_jid(grant.area)) {
        JF_TRY(jfm_check_served(request->server, grant.area, r->pool));
    }
    JF_TRY(jf_slot_path(&upload->path, request->name.leaf, r->request_time, r->pool));
    upload->jid = grant.area;
    upload->media_type = grant.media_type;
    *use = (jf_slot_use_t){
        request->name.token, grant.expires_us,
        grant.valid_until_us == JF_NEVER ? JF_NEVER : grant.valid_until_us + FORGET_AFTER_US};
    return NULL;
}

/* ---- uploading ---- */

static int is_signed(const jf_err_t *err)
{
    return !err || err->code != JF_ERR_NO_TOKEN;
}

/* A token decides by itself; a slot that was granted here needs none. */
static jf_err_t *find_slot(jf_upload_request_t *upload, jf_slot_use_t *use, request_rec *r)
{
    const jfm_dir_config_t *config = jfm_request(r)->config;
    jf_err_t *err = config->slot_secrets ? use_signed_slot(upload, use, r) : NULL;
    if (config->has_slot_service != 1 || (config->slot_secrets && is_signed(err))) {
        return err;
    }
    jf_err_t *granted_err = use_granted_slot(upload, use, r);
    return granted_err && granted_err->code == JF_ERR_NOT_FOUND && err ? err : granted_err;
}

/* 401 asks for a token in a header field, which only one kind is. */
static int refuse(request_rec *r, const jf_err_t *err)
{
    const apr_array_header_t *secrets = jfm_request(r)->config->slot_secrets;
    int is_without_right = err->code == JF_ERR_NO_TOKEN || err->code == JF_ERR_NOT_FOUND;
    if (err->code == JF_ERR_NO_TOKEN && jf_slot_has_kind(secrets, JF_SLOT_JWT)) {
        jfm_set_header(r, "WWW-Authenticate", "Bearer");
        return jfm_refuse(r, err);
    }
    return is_without_right ? jfm_refuse_as(r, err, HTTP_FORBIDDEN) : jfm_refuse(r, err);
}

int jfm_slot_put(request_rec *r)
{
    const jfm_dir_config_t *config = jfm_request(r)->config;
    jf_slot_use_t use;
    jf_upload_request_t upload = {
        .max_file_bytes = jfm_slot_max_bytes(config),
        .quota_bytes = jfm_quota_bytes(config),
        .expire_us = jfm_expire_us(config),
        .slot = &use,
    };
    jfm_received_t received;

    int status = jfm_check_content_fields(r);
    if (status != OK) {
        return status;
    }
    jf_err_t *err = jfm_describe_content(&upload, r);
    if (!err && upload.length_bytes == JF_LENGTH_UNKNOWN) {
        err = jf_err_make(JF_ERR_INVALID, APR_SUCCESS, r->pool,
                          "a slot is for so many bytes: Content-Length must say how many come");
        return jfm_refuse_as(r, err, HTTP_LENGTH_REQUIRED);
    }
    if (!err) {
        err = find_slot(&upload, &use, r);
    }
    if (err) {
        return refuse(r, err);
    }
    status = jfm_receive(&received, r, &upload);
    return status == OK ? jfm_answer_upload(r, &received.file, 1, jfm_link_url(r, &received.file))
                        : status;
}

/* ---- deleting (Metronome) ---- */

static jf_err_t *delete_file(request_rec *r)
{
    const jfm_request_t *request = jfm_request(r);
    jf_service_t *service = request->server->service;
    jf_slot_request_t slot = describe_slot(r, 0);
    jf_precondition_t none = {NULL, NULL};
    const char *area;
    jf_file_t file;
    JF_TRY(jf_slot_verify_delete(&area, request->config->slot_secrets, &slot, r->pool));
    JF_TRY(jf_ledger_file_by_token(&file, service->ledger, slot.token, r->request_time, r->pool));
    if (strcmp(file.jid, area) != 0 || strcmp(jf_names_leaf(file.path), slot.leaf) != 0) {
        return jf_err_make(JF_ERR_NOT_FOUND, APR_SUCCESS, r->pool,
                           "the link has another name, or leads to another area");
    }
    JF_TRY(jf_service_remove_file(service, file.jid, file.path, &none, r->request_time, r->pool));
    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r, JFLOGNO(0032) "%s/%s: deleted by a slot token",
                  file.jid, file.path);
    return NULL;
}

int jfm_slot_delete(request_rec *r)
{
    int status = ap_discard_request_body(r);
    if (status != OK) {
        return status;
    }
    jfm_request(r)->body_was_taken = 1;
    jf_err_t *err = delete_file(r);
    if (!err) {
        return HTTP_NO_CONTENT;
    }
    return err->code == JF_ERR_NO_TOKEN ? jfm_refuse_as(r, err, HTTP_FORBIDDEN)
                                        : jfm_refuse(r, err);
}
