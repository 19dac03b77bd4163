#include "mod_jabberfiles_private.h"

#include <apr_strings.h>

/* The header fields that the core's functions compare with, as they would be sent for this file. */
static apr_table_t *validators(request_rec *r, const jf_file_t *file)
{
    apr_table_t *headers = apr_table_make(r->pool, 2);
    char *date = apr_palloc(r->pool, APR_RFC822_DATE_LEN);
    apr_rfc822_date(date, file->created_us);
    apr_table_setn(headers, "ETag", jfm_etag(file, r->pool));
    apr_table_setn(headers, "Last-Modified", date);
    return headers;
}

/* The core compares strongly here; RFC 9110 section 13.1.2 says weakly, for all methods. */
static int none_match_fails(request_rec *r, const char *etag)
{
    const char *field = apr_table_get(r->headers_in, "If-None-Match");
    return field && (field[0] == '*' || ap_find_etag_weak(r->pool, field, etag));
}

/*
 * RFC 9110 section 13.2.2 for methods that change something. The thread that writes for all may run
 * this for another's request, whose own thread waits meanwhile, so using its pool is safe.
 */
static int holds(void *baton, const jf_file_t *current)
{
    request_rec *r = baton;
    if (!current) {
        return !apr_table_get(r->headers_in, "If-Match");
    }
    apr_table_t *headers = validators(r, current);
    if (ap_condition_if_match(r, headers) == AP_CONDITION_NOMATCH) {
        return 0;
    }
    /* Here the core's words are the other way round: a match means "it was modified". */
    if (!apr_table_get(r->headers_in, "If-Match") &&
        ap_condition_if_unmodified_since(r, headers) > AP_CONDITION_NOMATCH) {
        return 0;
    }
    return !none_match_fails(r, apr_table_get(headers, "ETag"));
}

jf_precondition_t jfm_precondition(request_rec *r)
{
    return (jf_precondition_t){holds, r};
}
