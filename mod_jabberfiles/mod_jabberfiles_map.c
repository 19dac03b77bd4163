#include "mod_jabberfiles_private.h"

#include <string.h>

#include <apr_strings.h>

jfm_request_t *jfm_request(const request_rec *r)
{
    return ap_get_module_config(r->request_config, &jabberfiles_module);
}

/* A URL is understood once, before anything that costs: login, ledger, body. */
int jfm_translate(request_rec *r)
{
    jfm_dir_config_t *config = jfm_dir_config(r);
    if (config->is_on != 1) {
        return DECLINED;
    }
    jfm_request_t *request = apr_pcalloc(r->pool, sizeof(*request));
    request->config = config;
    request->server = jfm_server_config(r->server);
    ap_set_module_config(r->request_config, &jabberfiles_module, request);

    /* In the manner of mod_proxy: no path of the file system, and nobody takes it for one. */
    r->filename = apr_pstrcat(r->pool, "jabberfiles:", config->base, NULL);
    jfm_set_common_headers(r);

    /* With MergeSlashes Off, "//files" is in <Location "/files">, too: nothing lives there. */
    apr_size_t length = strlen(config->base);
    if (strncmp(r->uri, config->base, length) != 0) {
        return HTTP_NOT_FOUND;
    }
    jf_err_t *err = jf_names_parse(&request->name, r->uri + length, r->pool);
    if (err && r->method_number != M_OPTIONS) {
        return jfm_refuse(r, err);
    }
    return OK;
}

int jfm_map_to_storage(request_rec *r)
{
    return jfm_request(r) ? OK : DECLINED;
}

int jfm_type_checker(request_rec *r)
{
    return jfm_request(r) ? OK : DECLINED;
}

/* ---- what a request asks for ---- */

/* httpd says M_GET for HEAD as well. */
static int is_get_of_file(const request_rec *r, const jfm_request_t *request)
{
    return r->method_number == M_GET &&
           (request->name.kind == JF_NAME_FILE || request->name.kind == JF_NAME_LINK);
}

jf_err_t *jfm_meet_owner(const request_rec *r)
{
    const jfm_request_t *request = jfm_request(r);
    return jf_ledger_area_meet(request->server->service->ledger, request->name.jid, r->request_time,
                               r->pool);
}

/* A GET of a file does it if there is none, for whoever finds a file was met before. An upload does
 * it by itself. */
static int is_meeting(const request_rec *r, const jfm_request_t *request)
{
    return request->name.kind == JF_NAME_FOLDER ||
           (request->name.kind == JF_NAME_FILE && r->method_number == M_DELETE);
}

int jfm_fixups(request_rec *r)
{
    jfm_request_t *request = jfm_request(r);
    if (!request) {
        return DECLINED;
    }
    r->handler = JFM_HANDLER;
    if (r->method_number == M_OPTIONS) {
        return OK;
    }
    /* Lengths and ranges must be those of the file, and a secret URL must not be guessed from
     * sizes. */
    apr_table_setn(r->subprocess_env, "no-gzip", "1");
    apr_table_setn(r->subprocess_env, "no-brotli", "1");

    int status = jfm_check_owner(r);
    if (status != OK) {
        return status;
    }
    if (request->name.kind == JF_NAME_OTHER) {
        return OK;
    }
    if (!request->server->service) {
        return jfm_refuse(r, jf_err_make(JF_ERR_UNAVAILABLE, APR_SUCCESS, r->pool,
                                         "the store could not be opened when this child started"));
    }
    jf_err_t *err = is_meeting(r, request) ? jfm_meet_owner(r) : NULL;
    if (err) {
        return jfm_refuse(r, err);
    }
    return is_get_of_file(r, request) ? jfm_get_fixups(r) : OK;
}

/* ---- methods ---- */

static int not_allowed(request_rec *r, int may_put, int may_delete)
{
    if (r->method_number == M_INVALID) {
        return HTTP_NOT_IMPLEMENTED;
    }
    ap_allow_methods(r, REPLACE_ALLOW, "GET", "OPTIONS", NULL);
    if (may_put) {
        ap_allow_methods(r, MERGE_ALLOW, "PUT", NULL);
    }
    if (may_delete) {
        ap_allow_methods(r, MERGE_ALLOW, "DELETE", NULL);
    }
    return HTTP_METHOD_NOT_ALLOWED;
}

static int handle_file(request_rec *r)
{
    switch (r->method_number) {
    case M_PUT:
        return jfm_put(r);
    case M_DELETE:
        return jfm_delete(r);
    default:
        return not_allowed(r, 1, 1);
    }
}

static int handle_link(request_rec *r)
{
    const jfm_dir_config_t *config = jfm_request(r)->config;
    int may_put = jfm_accepts_slots(config);
    int may_delete = jfm_accepts_slot_deletes(config);
    if (may_put && r->method_number == M_PUT) {
        return jfm_slot_put(r);
    }
    if (may_delete && r->method_number == M_DELETE) {
        return jfm_slot_delete(r);
    }
    return not_allowed(r, may_put, may_delete);
}

static int handle_slot_service(request_rec *r)
{
    /* HEAD is a GET to httpd, and a slot that nobody hears of must not be granted. */
    if (r->method_number != M_GET || r->header_only) {
        return not_allowed(r, 0, 0);
    }
    return jfm_request(r)->config->has_slot_service == 1 ? jfm_slot_service(r) : HTTP_NOT_FOUND;
}

int jfm_handler(request_rec *r)
{
    jfm_request_t *request = jfm_request(r);
    if (!request || strcmp(r->handler, JFM_HANDLER) != 0) {
        return DECLINED;
    }
    if (r->method_number == M_OPTIONS) {
        return jfm_options(r);
    }
    if (request->content) {
        return jfm_deliver(r);
    }
    switch (request->name.kind) {
    case JF_NAME_FILE:
        return handle_file(r);
    case JF_NAME_FOLDER:
        return r->method_number == M_GET ? jfm_list(r) : not_allowed(r, 0, 0);
    case JF_NAME_LINK:
        return handle_link(r);
    case JF_NAME_SLOT_SERVICE:
        return handle_slot_service(r);
    case JF_NAME_BASE:
    case JF_NAME_OTHER:
    default:
        return r->method_number == M_GET ? HTTP_NOT_FOUND : not_allowed(r, 0, 0);
    }
}
