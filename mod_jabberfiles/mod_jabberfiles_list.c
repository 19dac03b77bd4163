#include "mod_jabberfiles_private.h"

#include <string.h>

#include <apr_lib.h>
#include <apr_strings.h>
#include <util_script.h>

#define LIMIT_DEFAULT 1000
#define LIMIT_MAX 1000

typedef struct page_t {
    const char *after; /* "" for the first page */
    int limit;
} page_t;

static int read_page(page_t *page, request_rec *r)
{
    apr_table_t *args;
    char *end;
    ap_args_to_table(r, &args);
    const char *after = apr_table_get(args, "after");
    const char *limit = apr_table_get(args, "limit");
    page->after = after ? after : "";
    page->limit = LIMIT_DEFAULT;
    if (!limit) {
        return OK;
    }
    apr_int64_t number = apr_strtoi64(limit, &end, 10);
    if (!apr_isdigit(limit[0]) || *end || number < 1 || number > LIMIT_MAX) {
        return jfm_refuse_invalid(r, "limit: takes a number from 1 to 1000");
    }
    page->limit = (int)number;
    return OK;
}

/* The args are decoded as a form, so a plus would be a space: it is escaped, as everything is. */
static const char *next_page_url(request_rec *r, const jfm_list_t *list, const page_t *page)
{
    const jf_file_t *last = &APR_ARRAY_IDX(list->files, list->files->nelts - 1, jf_file_t);
    return apr_psprintf(r->pool, "%s?limit=%d&after=%s", jfm_area_url(r, list->jid, list->prefix),
                        page->limit, jf_names_escape(last->path, r->pool));
}

/* An area is created with the first upload; before that its owner sees an empty one. */
static jf_err_t *read_area(jfm_list_t *list, request_rec *r)
{
    const jfm_request_t *request = jfm_request(r);
    jf_err_t *err =
        jf_ledger_area_get(&list->area, request->server->service->ledger, list->jid, r->pool);
    if (err && err->code == JF_ERR_NOT_FOUND) {
        list->area = (jf_area_t){
            .jid = list->jid,
            .quota_bytes = JF_QUOTA_DEFAULT,
            .transfer = {.quota_bytes = JF_QUOTA_DEFAULT, .period = JF_PERIOD_DEFAULT},
        };
        err = NULL;
    }
    return err ? err : jfm_usage(&list->usage, r, &list->area);
}

static jf_err_t *read_files(jfm_list_t *list, request_rec *r, const page_t *page)
{
    jf_ledger_t *ledger = jfm_request(r)->server->service->ledger;
    apr_array_header_t *files;
    /* One more than the page shows whether there is a next one. */
    JF_TRY(jf_ledger_file_list(&files, ledger, list->jid, list->prefix, page->after,
                               page->limit + 1, r->request_time, r->pool));
    list->files = files;
    if (files->nelts > page->limit) {
        files->nelts = page->limit;
        list->next_url = next_page_url(r, list, page);
    }
    return NULL;
}

static int redirect_to_slash(request_rec *r, const jf_name_t *name)
{
    apr_table_setn(r->headers_out, "Location", jfm_area_url(r, name->jid, ""));
    return HTTP_MOVED_PERMANENTLY;
}

int jfm_list(request_rec *r)
{
    const jf_name_t *name = &jfm_request(r)->name;
    jfm_list_t list = {.jid = name->jid, .prefix = name->path};
    page_t page;
    if (name->slash_missing) {
        return redirect_to_slash(r, name);
    }
    int status = read_page(&page, r);
    if (status != OK) {
        return status;
    }
    jf_err_t *err = read_area(&list, r);
    if (!err) {
        err = read_files(&list, r, &page);
    }
    if (err) {
        return jfm_refuse(r, err);
    }
    apr_table_setn(r->headers_out, "Cache-Control", "private, no-store");
    apr_table_mergen(r->headers_out, "Vary", "Accept");
    if (list.next_url) {
        apr_table_setn(r->headers_out, "Link",
                       apr_pstrcat(r->pool, "<", list.next_url, ">; rel=\"next\"", NULL));
    }
    return jfm_wants_json(r) ? jfm_list_as_json(r, &list) : jfm_list_as_html(r, &list);
}
