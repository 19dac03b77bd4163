#include "mod_jabberfiles_private.h"

#include <stdlib.h>
#include <string.h>

#include <apr_lib.h>
#include <apr_strings.h>
#include <jansson.h>
#include <mod_core.h>

/*
 * A refusal explains itself: RFC 9457 problem details for programs, and for people the page that
 * httpd would send, with our sentence in it. This is a filter and not text written by handlers, so
 * that it covers what other modules refuse as well, and leaves an ErrorDocument of the operator
 * alone.
 */
#define FILTER_NAME "JABBERFILES_PROBLEM"

int jfm_wants_json(const request_rec *r)
{
    const char *accept = apr_table_get(r->headers_in, "Accept");
    return accept && (ap_strcasestr(accept, "application/json") ||
                      ap_strcasestr(accept, "application/problem+json"));
}

/* "507 Insufficient Storage" without the number. */
static const char *phrase(const request_rec *r)
{
    return ap_get_status_line(r->status) + 4;
}

/* For what the module or another one refuses without an error of the library. */
static const char *sentence_of(int status)
{
    switch (status) {
    case HTTP_BAD_REQUEST:
        return "The server could not understand the request.";
    case HTTP_UNAUTHORIZED:
        return "Log in with your Jabber ID and password.";
    case HTTP_FORBIDDEN:
        return "You may not use this address.";
    case HTTP_NOT_FOUND:
        return "There is nothing at this address.";
    case HTTP_METHOD_NOT_ALLOWED:
    case HTTP_NOT_IMPLEMENTED:
        return "This method is not for this address; Allow names those that are.";
    case HTTP_REQUEST_TIME_OUT:
        return "The request came too slowly.";
    case HTTP_UNSUPPORTED_MEDIA_TYPE:
        return "A file is uploaded as it is: leave out Content-Encoding.";
    case HTTP_RANGE_NOT_SATISFIABLE:
        return "The file has no bytes in that range; Content-Range names its size.";
    default:
        return "The server could not answer the request.";
    }
}

/* ---- as JSON ---- */

static void add_fact(json_t *problem, const char *name, apr_int64_t value)
{
    if (value != JF_FACT_NONE) {
        json_object_set_new(problem, name, json_integer(value));
    }
}

static void add_facts(json_t *problem, const jf_err_t *err)
{
    if (err->code == JF_ERR_TOO_LARGE) {
        add_fact(problem, "max_file_size_bytes", err->limit_bytes);
    } else if (err->code == JF_ERR_TRANSFER_QUOTA) {
        add_fact(problem, "transfer_quota_bytes", err->limit_bytes);
        add_fact(problem, "transferred_bytes", err->used_bytes);
    } else {
        add_fact(problem, "quota_bytes", err->limit_bytes);
        add_fact(problem, "used_bytes", err->used_bytes);
    }
    add_fact(problem, "required_bytes", err->required_bytes);
}

static const char *as_json(const request_rec *r, const jf_err_t *err)
{
    json_t *problem = json_object();
    json_object_set_new(problem, "type", json_string("about:blank"));
    json_object_set_new(problem, "title", json_string(phrase(r)));
    json_object_set_new(problem, "status", json_integer(r->status));
    json_object_set_new(problem, "detail", json_string(err ? err->text : sentence_of(r->status)));
    if (err) {
        add_facts(problem, err);
    }
    char *text = json_dumps(problem, JSON_COMPACT);
    const char *copy = text ? apr_pstrcat(r->pool, text, "\n", NULL) : "{}\n";
    free(text);
    json_decref(problem);
    return copy;
}

/* ---- as HTML ---- */

static const char *as_html(const request_rec *r, const jf_err_t *err)
{
    return apr_psprintf(r->pool,
                        "<!DOCTYPE html>\n<html><head>\n<meta charset=\"utf-8\">\n"
                        "<title>%s</title>\n</head><body>\n<h1>%s</h1>\n<p>%s</p>\n"
                        "</body></html>\n",
                        ap_get_status_line(r->status), phrase(r),
                        ap_escape_html(r->pool, err->text));
}

/* ---- the filter ---- */

static apr_status_t replace_body(ap_filter_t *filter, apr_bucket_brigade *bb)
{
    request_rec *r = filter->r;
    const char *body = filter->ctx;
    apr_bucket *eos = NULL;
    for (apr_bucket *b = APR_BRIGADE_FIRST(bb); b != APR_BRIGADE_SENTINEL(bb);
         b = APR_BUCKET_NEXT(b)) {
        if (APR_BUCKET_IS_EOS(b)) {
            eos = b;
            break;
        }
    }
    if (!eos) {
        /* httpd's own text: it comes in pieces, and none of them goes out. */
        apr_brigade_cleanup(bb);
        return APR_SUCCESS;
    }
    while (APR_BRIGADE_FIRST(bb) != eos) {
        apr_bucket_delete(APR_BRIGADE_FIRST(bb));
    }
    apr_size_t length = strlen(body);
    ap_set_content_length(r, (apr_off_t)length);
    APR_BRIGADE_INSERT_HEAD(bb, apr_bucket_pool_create(body, length, r->pool, bb->bucket_alloc));
    ap_remove_output_filter(filter);
    return ap_pass_brigade(filter->next, bb);
}

/* ap_send_error_response sets its own type after the hook has run, so ours is set with the first
 * call. */
static apr_status_t problem_as_json(ap_filter_t *filter, apr_bucket_brigade *bb)
{
    ap_set_content_type(filter->r, "application/problem+json");
    return replace_body(filter, bb);
}

static apr_status_t problem_as_html(ap_filter_t *filter, apr_bucket_brigade *bb)
{
    ap_set_content_type(filter->r, "text/html; charset=utf-8");
    return replace_body(filter, bb);
}

void jfm_register_problem(void)
{
    ap_register_output_filter(FILTER_NAME "_JSON", problem_as_json, NULL, AP_FTYPE_CONTENT_SET);
    ap_register_output_filter(FILTER_NAME "_HTML", problem_as_html, NULL, AP_FTYPE_CONTENT_SET);
}

static int has_error_document(request_rec *r)
{
    return ap_response_code_string(r, ap_index_of_response(r->status)) != NULL;
}

/* A refusal does not swallow the content: httpd would read all of it just to keep the connection.
 */
static void close_if_content_waits(request_rec *r, const jfm_request_t *request)
{
    int may_have_content =
        r->method_number != M_GET && r->method_number != M_OPTIONS && !request->body_was_taken;
    if (may_have_content) {
        r->connection->keepalive = AP_CONN_CLOSE;
    }
}

void jfm_insert_problem(request_rec *r)
{
    const jfm_request_t *request = jfm_request(r);
    if (!request || !ap_is_HTTP_ERROR(r->status)) {
        return;
    }
    close_if_content_waits(r, request);
    jfm_status_count(r);
    jfm_restore_headers(r);
    apr_table_setn(r->err_headers_out, "Cache-Control", "no-store");
    if (r->status == HTTP_RANGE_NOT_SATISFIABLE && request->file) {
        apr_table_setn(
            r->err_headers_out, "Content-Range",
            apr_psprintf(r->pool, "bytes */%" APR_INT64_T_FMT, request->file->size_bytes));
    }
    if (jfm_wants_json(r)) {
        ap_add_output_filter(FILTER_NAME "_JSON", (void *)as_json(r, request->err), r,
                             r->connection);
    } else if (request->err && !has_error_document(r)) {
        ap_add_output_filter(FILTER_NAME "_HTML", (void *)as_html(r, request->err), r,
                             r->connection);
    }
}
