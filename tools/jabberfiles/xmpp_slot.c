#include "xmpp_private.h"

#include <string.h>

#include <apr_strings.h>

#include "http_url.h"
#include "jf_units.h"
#include "put_fields.h"
#include "xmpp_time.h"

#define UPLOAD_NS "urn:xmpp:http:upload:0"
#define PURPOSE_NS "urn:xmpp:http:upload:purpose:0"

/* ---- URLs ---- */

/** 1 if an upload and everybody's download may go there: over TLS, or within this machine. */
static int is_fit_url(const char *url)
{
    return put_fields_is_url(url) && http_url_is_link(url) && http_url_is_private(url);
}

static jf_err_t *take_url(const char **url, xmpp_stanza_t *slot, const char *name, apr_pool_t *pool)
{
    xmpp_stanza_t *element = xmpp_stanza_get_child_by_name_and_ns(slot, name, UPLOAD_NS);
    const char *text = element ? xmpp_stanza_get_attribute(element, "url") : NULL;
    if (!text || !is_fit_url(text)) {
        return jf_err_make(JF_ERR_IO, APR_SUCCESS, pool,
                           "the upload service has answered without a URL (%s) that could be used: "
                           "it must be https; the file was not uploaded",
                           name);
    }
    *url = apr_pstrdup(pool, text);
    return NULL;
}

/* ---- header fields ---- */

/** Without line ends, which would begin another field, and other control characters. */
static const char *clean_value(const char *value, apr_pool_t *pool)
{
    char *clean = apr_pstrdup(pool, value);
    char *to = clean;
    for (const char *c = value; *c; c++) {
        if ((unsigned char)*c >= ' ' && *c != '\x7F') {
            *to++ = *c;
        }
    }
    *to = '\0';
    return clean;
}

static const apr_table_t *take_headers(xmpp_stanza_t *put, apr_pool_t *pool)
{
    apr_table_t *headers = apr_table_make(pool, 2);
    xmpp_stanza_t *child = xmpp_stanza_get_children(put);
    for (; child; child = xmpp_stanza_get_next(child)) {
        const char *element = xmpp_stanza_get_name(child);
        if (!element || strcmp(element, "header") != 0) {
            continue;
        }
        const char *name = put_fields_name(xmpp_stanza_get_attribute(child, "name"));
        if (name) {
            apr_table_addn(headers, name, clean_value(xmpp_stanza_own_text(child, pool), pool));
        }
    }
    return headers;
}

/* ---- refusals ---- */

static jf_err_t *too_large(xmpp_stanza_t *element, const source_file_t *source, apr_pool_t *pool)
{
    const char *text = xmpp_stanza_child_text(element, "max-file-size", NULL, pool);
    apr_int64_t limit = 0;
    jf_err_t *err = NULL;
    if (text && xmpp_stanza_number(&limit, text)) {
        err = jf_err_make(JF_ERR_TOO_LARGE, APR_SUCCESS, pool,
                          "%s is too large: it has %s, and the upload service takes files of at "
                          "most %s",
                          source->name, jf_units_format_bytes(source->size_bytes, pool),
                          jf_units_format_bytes(limit, pool));
        err->limit_bytes = limit;
    } else {
        err = jf_err_make(JF_ERR_TOO_LARGE, APR_SUCCESS, pool,
                          "%s is too large for the upload service: it has %s", source->name,
                          jf_units_format_bytes(source->size_bytes, pool));
    }
    err->required_bytes = source->size_bytes;
    return err;
}

/** "; it works again at …" if the service has said so. */
static const char *retry_text(xmpp_stanza_t *error, apr_pool_t *pool)
{
    xmpp_stanza_t *retry = xmpp_stanza_get_child_by_name_and_ns(error, "retry", UPLOAD_NS);
    const char *stamp = retry ? xmpp_stanza_get_attribute(retry, "stamp") : NULL;
    apr_time_t time_us = stamp ? xmpp_time_parse(stamp) : 0;
    return time_us > 0
               ? apr_psprintf(pool, "; try again after %s", jf_units_format_time(time_us, pool))
               : "; try again later, or delete files that are not needed any more";
}

static jf_err_code_t code_of(const char *condition, const char *type)
{
    static const struct {
        const char *condition;
        jf_err_code_t code;
    } codes[] = {
        {"resource-constraint", JF_ERR_QUOTA},
        {"forbidden", JF_ERR_FORBIDDEN},
        {"not-allowed", JF_ERR_FORBIDDEN},
        {"not-authorized", JF_ERR_FORBIDDEN},
        {"registration-required", JF_ERR_FORBIDDEN},
        {"internal-server-error", JF_ERR_UNAVAILABLE},
        {"remote-server-not-found", JF_ERR_UNAVAILABLE},
        {"remote-server-timeout", JF_ERR_UNAVAILABLE},
        {"service-unavailable", JF_ERR_UNAVAILABLE},
    };
    for (size_t i = 0; condition && i < sizeof(codes) / sizeof(*codes); i++) {
        if (strcmp(condition, codes[i].condition) == 0) {
            return codes[i].code;
        }
    }
    return type && strcmp(type, "wait") == 0 ? JF_ERR_UNAVAILABLE : JF_ERR_IO;
}

static jf_err_t *refusal(xmpp_stanza_t *answer, const source_file_t *source, apr_pool_t *pool)
{
    xmpp_stanza_t *error = xmpp_stanza_get_child_by_name(answer, "error");
    xmpp_stanza_t *limit =
        error ? xmpp_stanza_get_child_by_name_and_ns(error, "file-too-large", UPLOAD_NS) : NULL;
    if (limit) {
        return too_large(limit, source, pool);
    }
    jf_err_code_t code =
        code_of(xmpp_stanza_condition(answer), error ? xmpp_stanza_get_type(error) : NULL);
    return jf_err_make(code, APR_SUCCESS, pool, "the upload service does not take %s: %s%s",
                       source->name, xmpp_stanza_error_text(answer, pool),
                       code == JF_ERR_QUOTA ? retry_text(error, pool) : "");
}

jf_err_t *xmpp_slot_parse(slot_t **slot, xmpp_stanza_t *answer, const source_file_t *source,
                          apr_pool_t *pool)
{
    *slot = NULL;
    const char *type = xmpp_stanza_get_type(answer);
    if (type && strcmp(type, "error") == 0) {
        return refusal(answer, source, pool);
    }
    xmpp_stanza_t *element = xmpp_stanza_get_child_by_name_and_ns(answer, "slot", UPLOAD_NS);
    if (!element) {
        return jf_err_make(JF_ERR_IO, APR_SUCCESS, pool,
                           "the upload service has answered without a slot; %s was not uploaded",
                           source->name);
    }
    slot_t *read = apr_pcalloc(pool, sizeof(*read));
    JF_TRY(take_url(&read->put_url, element, "put", pool));
    JF_TRY(take_url(&read->get_url, element, "get", pool));
    read->put_headers =
        take_headers(xmpp_stanza_get_child_by_name_and_ns(element, "put", UPLOAD_NS), pool);
    *slot = read;
    return NULL;
}

/* ---- the request ---- */

static xmpp_stanza_t *new_request(xmpp_session_t *session, const upload_service_t *service,
                                  const source_file_t *source, apr_interval_time_t expire_us,
                                  apr_pool_t *pool)
{
    xmpp_ctx_t *ctx = xmpp_session_ctx(session);
    xmpp_stanza_t *iq = xmpp_iq_new(ctx, "get", xmpp_session_new_id(session));
    xmpp_stanza_set_to(iq, service->jid);
    xmpp_stanza_t *request = xmpp_stanza_element(ctx, iq, "request", UPLOAD_NS, NULL);
    xmpp_stanza_attribute(request, "filename", source->name, pool);
    xmpp_stanza_attribute(request, "size",
                          apr_psprintf(pool, "%" APR_INT64_T_FMT, source->size_bytes), pool);
    if (source->media_type) {
        xmpp_stanza_attribute(request, "content-type", source->media_type, pool);
    }
    if (expire_us != JF_NEVER && service->keeps_ephemeral) {
        xmpp_stanza_t *purpose = xmpp_stanza_element(ctx, request, "ephemeral", PURPOSE_NS, NULL);
        xmpp_stanza_attribute(purpose, "expire-before",
                              jf_units_format_time(apr_time_now() + expire_us, pool), pool);
    }
    return iq;
}

jf_err_t *xmpp_slot_request(slot_t **slot, xmpp_session_t *session, const upload_service_t *service,
                            const source_file_t *source, apr_interval_time_t expire_us,
                            apr_pool_t *pool)
{
    xmpp_stanza_t *answer = NULL;
    *slot = NULL;
    JF_TRY(xmpp_session_query(
        &answer, session, new_request(session, service, source, expire_us, pool), XMPP_ANSWER_US));
    jf_err_t *err = xmpp_slot_parse(slot, answer, source, pool);
    xmpp_stanza_release(answer);
    return err;
}
