#include "mod_jabberfiles_private.h"

#include <apr_lib.h>
#include <apr_strings.h>

/* What a client that is told to come back should wait, in seconds. */
#define RETRY_BUSY "5"
#define RETRY_UNAVAILABLE "30"
#define RETRY_NO_VERDICT "15"

typedef struct mapping_t {
    int status;
    int level; /* client mistakes are INFO, what the operator must act on is ERR */
    const char *retry_after;
    const char *sentence; /* for the client instead of the error's own text, which may name paths */
} mapping_t;

static const mapping_t *mapping_of(jf_err_code_t code)
{
    static const mapping_t mappings[] = {
        [JF_ERR_INVALID] = {HTTP_BAD_REQUEST, APLOG_INFO, NULL, NULL},
        [JF_ERR_NOT_FOUND] = {HTTP_NOT_FOUND, APLOG_INFO, NULL,
                              "There is nothing at this address."},
        [JF_ERR_PRECONDITION] = {HTTP_PRECONDITION_FAILED, APLOG_INFO, NULL, NULL},
        [JF_ERR_DIGEST] = {HTTP_BAD_REQUEST, APLOG_INFO, NULL, NULL},
        [JF_ERR_TOO_LARGE] = {HTTP_REQUEST_ENTITY_TOO_LARGE, APLOG_INFO, NULL, NULL},
        [JF_ERR_QUOTA] = {HTTP_INSUFFICIENT_STORAGE, APLOG_INFO, NULL, NULL},
        [JF_ERR_DISK_FULL] = {HTTP_INSUFFICIENT_STORAGE, APLOG_ERR, NULL,
                              "The disk of the server is full. This has nothing to do with your "
                              "quota; the operator must make room."},
        [JF_ERR_BUSY] = {HTTP_SERVICE_UNAVAILABLE, APLOG_WARNING, RETRY_BUSY,
                         "The server is busy. Nothing was changed; try again in a few seconds."},
        [JF_ERR_UNAVAILABLE] = {HTTP_SERVICE_UNAVAILABLE, APLOG_ERR, RETRY_UNAVAILABLE,
                                "The server cannot use its ledger at the moment. Nothing was "
                                "changed; try again later."},
        [JF_ERR_FORBIDDEN] = {HTTP_FORBIDDEN, APLOG_INFO, NULL, NULL},
        [JF_ERR_TOO_MANY] = {HTTP_TOO_MANY_REQUESTS, APLOG_INFO, NULL, NULL},
        [JF_ERR_NO_VERDICT] =
            {HTTP_SERVICE_UNAVAILABLE, APLOG_WARNING, RETRY_NO_VERDICT,
             "Your Jabber server cannot be asked for your password at the moment. "
             "Nothing was changed; try again later."},
        [JF_ERR_NO_TOKEN] = {HTTP_UNAUTHORIZED, APLOG_INFO, NULL, NULL},
        [JF_ERR_USED] = {HTTP_CONFLICT, APLOG_INFO, NULL, NULL},
        [JF_ERR_TRANSFER_QUOTA] = {HTTP_TOO_MANY_REQUESTS, APLOG_INFO, NULL, NULL},
        [JF_ERR_IO] = {HTTP_INTERNAL_SERVER_ERROR, APLOG_ERR, NULL,
                       "The server could not read or write its store. Nothing was changed."},
    };
    return &mappings[code];
}

/* A link is a secret: the log names areas and paths, and for links nothing at all. */
static const char *subject(const jfm_request_t *request, apr_pool_t *pool)
{
    switch (request->name.kind) {
    case JF_NAME_FILE:
    case JF_NAME_FOLDER:
        return apr_pstrcat(pool, request->name.jid, "/", request->name.path, NULL);
    case JF_NAME_LINK:
        return "a link";
    case JF_NAME_SLOT_SERVICE:
        return "the slot service";
    default:
        return "a URL";
    }
}

/* Texts of the library follow an object in a log line; on its own, a text is a sentence. */
static const char *as_sentence(const char *text, apr_pool_t *pool)
{
    char *sentence = apr_pstrcat(pool, text, ".", NULL);
    sentence[0] = apr_toupper(sentence[0]);
    return sentence;
}

int jfm_refuse_as(request_rec *r, const jf_err_t *err, int status)
{
    jfm_request_t *request = jfm_request(r);
    const mapping_t *mapping = mapping_of(err->code);
    jf_err_t *shown = jf_err_copy(err, r->pool);
    shown->text = mapping->sentence ? mapping->sentence : as_sentence(err->text, r->pool);
    request->err = shown;
    if (mapping->retry_after) {
        jfm_set_header(r, "Retry-After", mapping->retry_after);
    }
    ap_log_rerror(APLOG_MARK, mapping->level, err->status, r, JFLOGNO(0020) "%s: %d, %s",
                  subject(request, r->pool), status, err->text);
    return status;
}

int jfm_refuse(request_rec *r, const jf_err_t *err)
{
    return jfm_refuse_as(r, err, mapping_of(err->code)->status);
}

int jfm_refuse_invalid(request_rec *r, const char *sentence)
{
    return jfm_refuse(r, jf_err_make(JF_ERR_INVALID, APR_SUCCESS, r->pool, "%s", sentence));
}
