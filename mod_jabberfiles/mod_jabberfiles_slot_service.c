#include "mod_jabberfiles_private.h"

#include <string.h>

#include <apr_escape.h>
#include <apr_strings.h>

#include "jf_ascii.h"
#include "jf_jid.h"
#include "jf_media.h"
#include "jf_token.h"

/* How long after it an upload may begin (XEP-0363 recommends about 300 s). */
#define SLOT_LIFE_US apr_time_from_sec(300)

/*
 * ejabberd asks for a slot with mod_http_upload's service_url, and makes an error for its user of
 * these statuses: 402 resource-constraint, 403 not-allowed, 413 not-acceptable, and
 * service-unavailable of all others.
 */

/* ---- the question ---- */

typedef struct question_t {
    const char *jid;
    const char *name;
    const char *size;
    const char *content_type;
} question_t;

static jf_err_t *invalid(request_rec *r, const char *parameter, const char *what)
{
    return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, r->pool, "%s: %s", parameter, what);
}

static const char **member_of(question_t *question, const char *parameter)
{
    if (strcmp(parameter, "jid") == 0) {
        return &question->jid;
    }
    if (strcmp(parameter, "name") == 0) {
        return &question->name;
    }
    if (strcmp(parameter, "size") == 0) {
        return &question->size;
    }
    return strcmp(parameter, "content_type") == 0 ? &question->content_type : NULL;
}

/* A "+" is a plus: ejabberd writes a space as "%20". */
static jf_err_t *read_parameter(question_t *question, char *parameter, request_rec *r)
{
    char *equals = strchr(parameter, '=');
    if (!equals) {
        return NULL;
    }
    *equals = '\0';
    const char **member = member_of(question, parameter);
    if (!member) {
        return NULL;
    }
    if (*member) {
        return invalid(r, parameter, "stands there twice");
    }
    char *value = equals + 1;
    apr_status_t status = apr_unescape_url(value, value, APR_ESCAPE_STRING, "", NULL, 0, NULL);
    if (status != APR_SUCCESS && status != APR_NOTFOUND) {
        return invalid(r, parameter, "is not percent-encoded as it should be");
    }
    *member = value;
    return NULL;
}

static jf_err_t *read_question(question_t *question, request_rec *r)
{
    char *rest = NULL;
    char *query = apr_pstrdup(r->pool, r->args ? r->args : "");
    *question = (question_t){NULL, NULL, NULL, NULL};
    for (char *parameter = apr_strtok(query, "&", &rest); parameter;
         parameter = apr_strtok(NULL, "&", &rest)) {
        JF_TRY(read_parameter(question, parameter, r));
    }
    if (!question->jid || !question->name || !question->size) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, r->pool,
                           "jid, name and size must be there");
    }
    return NULL;
}

/* ---- what is asked for ---- */

static jf_err_t *read_jid(const char **jid, const question_t *question, request_rec *r)
{
    JF_TRY(jf_jid_prepare(jid, question->jid, r->pool));
    return jfm_check_served(jfm_request(r)->server, *jid, r->pool);
}

static jf_err_t *read_size(apr_int64_t *size_bytes, const question_t *question, request_rec *r)
{
    apr_off_t size;
    if (!ap_parse_strict_length(&size, question->size)) {
        return invalid(r, "size", "takes the number of bytes in decimal digits");
    }
    *size_bytes = size;
    return jf_upload_check_size(*size_bytes, 0, jfm_slot_max_bytes(jfm_request(r)->config),
                                r->pool);
}

static int may_stand_in_path(char c)
{
    return !jf_ascii_is_printable(c) || jf_ascii_is_alnum(c) || strchr("-._~!$&'()*+,;=:@", c);
}

/* Old ejabberds percent-encode the URLs that we answer, new ones hand them on as they are. So they
 * must be the same encoded and not, and what cannot be so becomes "_", as in ejabberd's own URLs.
 */
static jf_err_t *read_name(const char **name, const question_t *question, request_rec *r)
{
    JF_TRY(jf_names_check_path(question->name, r->pool));
    if (strchr(question->name, '/')) {
        return invalid(r, "name", "must not have a \"/\"");
    }
    char *plain = apr_pstrdup(r->pool, question->name);
    for (char *c = plain; *c; c++) {
        *c = may_stand_in_path(*c) ? *c : '_';
    }
    *name = plain;
    return NULL;
}

static jf_err_t *make_slot(jf_slot_t *slot, const question_t *question, request_rec *r)
{
    const char *name = NULL;
    JF_TRY(read_jid(&slot->jid, question, r));
    JF_TRY(read_name(&name, question, r));
    JF_TRY(read_size(&slot->size_bytes, question, r));
    JF_TRY(jf_token_link(&slot->token, r->request_time, r->pool));
    slot->media_type = jf_media_to_store(question->content_type, r->pool);
    slot->expires_us = r->request_time + SLOT_LIFE_US;
    return jf_slot_path(&slot->path, name, r->request_time, r->pool);
}

/* ---- the answer ---- */

static jf_err_t *grant(jf_slot_t *slot, request_rec *r)
{
    const jfm_request_t *request = jfm_request(r);
    question_t question;
    JF_TRY(read_question(&question, r));
    JF_TRY(make_slot(slot, &question, r));
    return jf_ledger_slot_grant(request->server->service->ledger, slot,
                                jfm_quota_bytes(request->config), r->request_time, r->pool);
}

static int refuse(request_rec *r, const jf_err_t *err)
{
    int is_about_room =
        err->code == JF_ERR_QUOTA || err->code == JF_ERR_DISK_FULL || err->code == JF_ERR_TOO_MANY;
    return is_about_room ? jfm_refuse_as(r, err, HTTP_PAYMENT_REQUIRED) : jfm_refuse(r, err);
}

int jfm_slot_service(request_rec *r)
{
    jf_slot_t slot;
    jf_err_t *err = grant(&slot, r);
    if (err) {
        return refuse(r, err);
    }
    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r,
                  JFLOGNO(0080) "%s/%s: slot for %" APR_INT64_T_FMT " bytes granted for %d s",
                  slot.jid, slot.path, slot.size_bytes, (int)apr_time_sec(SLOT_LIFE_US));
    const char *url = jfm_absolute_url(
        r, apr_pstrcat(r->pool, "/", slot.token, "/", jf_names_leaf(slot.path), NULL));
    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    ap_set_content_type(r, "text/plain; charset=utf-8");
    ap_rprintf(r, "%s\n%s\n", url, url);
    return OK;
}
