#include "mod_jabberfiles_pages.h"

#include <string.h>

#include <apr_strings.h>

#include "jf_digest.h"
#include "jf_media.h"
#include "jf_units.h"

/*
 * A small file is read at once and goes out in one piece with the header: no sendfile, no corking
 * of the socket around it, no descriptor to hold.
 */
#define LOADED_BYTES_MAX (16 * 1024)

/*
 * sendfile hands a file to the socket in pieces of 64 KiB. That saves time with a short one; a long
 * one is faster out of mapped memory, a single stream by a half and more. What has a rate gains
 * nothing, and holds no memory mapped meanwhile.
 */
#define SENDFILE_BYTES_MAX (256 * 1024)

static jf_err_t *find(jf_file_t *file, request_rec *r)
{
    const jfm_request_t *request = jfm_request(r);
    const jf_name_t *name = &request->name;
    jf_ledger_t *ledger = request->server->service->ledger;
    if (name->kind == JF_NAME_FILE) {
        return jf_ledger_file_by_path(file, ledger, name->jid, name->path, r->request_time,
                                      r->pool);
    }
    JF_TRY(jf_ledger_file_by_token(file, ledger, name->token, r->request_time, r->pool));
    if (strcmp(jf_names_leaf(file->path), name->leaf) != 0) {
        return jf_err_make(JF_ERR_NOT_FOUND, APR_SUCCESS, r->pool, "the link has another name");
    }
    return NULL;
}

static jf_err_t *find_or_meet(jf_file_t *file, request_rec *r)
{
    jf_err_t *err = find(file, r);
    if (!err || err->code != JF_ERR_NOT_FOUND || jfm_request(r)->name.kind != JF_NAME_FILE) {
        return err;
    }
    JF_TRY(jfm_meet_owner(r));
    return find(file, r);
}

/*
 * claim_location() told the core to make no entity tag for a file, so that it compares with ours;
 * but it also marks the answer as one that has none. This takes the mark away before the header
 * goes out.
 */
#define KEEP_ETAG "JABBERFILES_KEEP_ETAG"

static apr_status_t keep_etag(ap_filter_t *filter, apr_bucket_brigade *bb)
{
    apr_table_unset(filter->r->notes, "no-etag");
    ap_remove_output_filter(filter);
    return ap_pass_brigade(filter->next, bb);
}

void jfm_register_get(void)
{
    ap_register_output_filter(KEEP_ETAG, keep_etag, NULL, AP_FTYPE_CONTENT_SET);
}

static void describe(request_rec *r, const jf_file_t *file)
{
    const jfm_request_t *request = jfm_request(r);
    int is_inline = jf_media_is_inline(file->media_type, request->config->inline_types);
    if (!is_inline) {
        jfm_set_sandbox(r);
    }
    core_request_config *core = ap_get_core_module_config(r->request_config);
    core->suppress_charset = 1; /* AddDefaultCharset is a guess, too */
    ap_set_content_type(r, jf_media_to_serve(file->media_type, r->pool));
    jfm_set_header(r, "Content-Disposition",
                   jf_media_disposition(is_inline, jf_names_leaf(file->path), r->pool));
    apr_table_setn(r->headers_out, "ETag", jfm_etag(file, r->pool));
    if (file->sha256) {
        apr_table_setn(r->headers_out, "Repr-Digest", jf_digest_format(file->sha256, r->pool));
    }
    /* A link keeps its name when the content changes and stops working when it expires. */
    apr_table_setn(r->headers_out, "Cache-Control",
                   request->name.kind == JF_NAME_LINK ? "no-cache" : "private, no-cache");
}

/* ---- delivering ---- */

/* HEAD needs no content. What the operator wants a Content-MD5 of, the core delivers. */
static int is_to_be_loaded(const request_rec *r, const jf_file_t *file)
{
    const core_dir_config *core = ap_get_core_module_config(r->per_dir_config);
    return file->size_bytes <= LOADED_BYTES_MAX && !r->header_only && (core->content_md5 & 1) == 0;
}

/* The object is there and is what the ledger says; a small one is read, too. */
static jf_err_t *reach_object(request_rec *r, const jf_store_t *store, const jf_file_t *file)
{
    if (!is_to_be_loaded(r, file)) {
        return jf_store_check(store, file->object, file->size_bytes, r->pool);
    }
    char *content = apr_palloc(r->pool, (apr_size_t)file->size_bytes + 1);
    JF_TRY(jf_store_load(content, store, file->object, (apr_size_t)file->size_bytes, r->pool));
    jfm_request(r)->content = content;
    return NULL;
}

static void set_validators(request_rec *r, const jf_file_t *file)
{
    ap_update_mtime(r, file->created_us);
    ap_set_last_modified(r);
    ap_set_accept_ranges(r);
    ap_set_content_length(r, file->size_bytes);
}

int jfm_deliver(request_rec *r)
{
    const jfm_request_t *request = jfm_request(r);
    apr_bucket_alloc_t *list = r->connection->bucket_alloc;
    int status = ap_discard_request_body(r);
    if (status != OK) {
        return status;
    }
    set_validators(r, request->file);
    apr_bucket_brigade *bb = apr_brigade_create(r->pool, list);
    status = ap_meets_conditions(r);
    if (status != OK) {
        r->status = status;
    } else if (request->file->size_bytes > 0) {
        APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_pool_create(request->content,
                                                           (apr_size_t)request->file->size_bytes,
                                                           r->pool, list));
    }
    APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_eos_create(list));
    apr_status_t passed = ap_pass_brigade(r->output_filters, bb);
    return passed == APR_SUCCESS || r->status != HTTP_OK || r->connection->aborted
               ? OK
               : AP_FILTER_ERROR;
}

/* In the configuration of this request alone. The core makes the structure itself, for it may have
 * more members than we know. */
static void switch_sendfile_off(request_rec *r)
{
    char directory[] = "/";
    core_dir_config *core = core_module.create_dir_config(r->pool, directory);
    ap_conf_vector_t *change = ap_create_request_config(r->pool);
    core->enable_sendfile = ENABLE_SENDFILE_OFF;
    ap_set_core_module_config(change, core);
    r->per_dir_config = ap_merge_per_dir_configs(r->pool, r->per_dir_config, change);
}

static int is_to_be_mapped(const request_rec *r, const jf_file_t *file)
{
    const core_dir_config *core = ap_get_core_module_config(r->per_dir_config);
    int is_paced = jfm_rate_bytes_per_s(jfm_config_of_area(r, file->jid)) != JF_UNLIMITED;
    return file->size_bytes > SENDFILE_BYTES_MAX && !is_paced &&
           core->enable_mmap != ENABLE_MMAP_OFF;
}

/* From here on it is a file like any other for the core, which opens, ranges, compares and sends
 * it. */
static void hand_to_default_handler(request_rec *r, const jf_store_t *store, const jf_file_t *file)
{
    r->filename = (char *)jf_store_path(store, file->object, r->pool);
    r->finfo.filetype = APR_REG;
    r->finfo.size = file->size_bytes;
    r->finfo.mtime = file->created_us;
    r->finfo.valid = APR_FINFO_TYPE | APR_FINFO_SIZE | APR_FINFO_MTIME;
    r->path_info = NULL;
    r->handler = "default-handler";
    if (is_to_be_mapped(r, file)) {
        switch_sendfile_off(r);
    }
    ap_add_output_filter(KEEP_ETAG, NULL, r, r->connection);
}

int jfm_get_fixups(request_rec *r)
{
    const jf_store_t *store = jfm_request(r)->server->service->store;
    jf_file_t *file = apr_palloc(r->pool, sizeof(*file));
    jf_err_t *err = find_or_meet(file, r);
    if (!err) {
        err = reach_object(r, store, file);
    }
    if (err) {
        return jfm_refuse(r, err);
    }
    jfm_request(r)->file = file;
    int status = jfm_meter_download(r, file);
    if (status != OK) {
        return status;
    }
    describe(r, file);
    if (!jfm_request(r)->content) {
        hand_to_default_handler(r, store, file);
    }
    return OK;
}
