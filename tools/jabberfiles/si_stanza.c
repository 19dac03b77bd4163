#include "si_stanza.h"

#include <string.h>

#include <apr_escape.h>
#include <apr_strings.h>

#include "bytestream_stanza.h"
#include "jf_names.h"
#include "jf_units.h"
#include "xmpp_time.h"

#define NS_FEATURE_NEGOTIATION "http://jabber.org/protocol/feature-neg"
#define NS_FORM "jabber:x:data"

#define STREAM_METHOD "stream-method"
#define SID_BYTES_MAX 128
#define NAME_BYTES_MAX 1024

/* ---- written ---- */

/* A form with the one stream. */
static xmpp_stanza_t *add_field(xmpp_ctx_t *ctx, xmpp_stanza_t *si, const char *type)
{
    xmpp_stanza_t *feature = xmpp_stanza_element(ctx, si, "feature", NS_FEATURE_NEGOTIATION, NULL);
    xmpp_stanza_t *form = xmpp_stanza_element(ctx, feature, "x", NS_FORM, NULL);
    xmpp_stanza_set_type(form, type);
    xmpp_stanza_t *field = xmpp_stanza_element(ctx, form, "field", NULL, NULL);
    xmpp_stanza_set_attribute(field, "var", STREAM_METHOD);
    return field;
}

static void add_file(xmpp_ctx_t *ctx, xmpp_stanza_t *si, const shared_file_t *file,
                     apr_pool_t *pool)
{
    xmpp_stanza_t *element = xmpp_stanza_element(ctx, si, "file", SI_FILE_NS, NULL);
    /* Where the sender keeps the file is nobody's business. */
    xmpp_stanza_attribute(element, "name", jf_names_leaf(file->name), pool);
    xmpp_stanza_set_attribute(element, "size",
                              apr_psprintf(pool, "%" APR_INT64_T_FMT, file->size_bytes));
    if (file->date_us > 0) {
        xmpp_stanza_set_attribute(element, "date", jf_units_format_time(file->date_us, pool));
    }
    if (file->description) {
        xmpp_stanza_element(ctx, element, "desc", NULL, file->description);
    }
    file_claims_add_hashes(ctx, element, file, pool);
}

xmpp_stanza_t *si_stanza_offer(xmpp_ctx_t *ctx, const char *to, const char *id, const char *sid,
                               const shared_file_t *file, apr_pool_t *pool)
{
    xmpp_stanza_t *iq = xmpp_iq_new(ctx, "set", id);
    xmpp_stanza_set_to(iq, to);
    xmpp_stanza_t *si = xmpp_stanza_element(ctx, iq, "si", SI_NS, NULL);
    xmpp_stanza_attribute(si, "id", sid, pool);
    xmpp_stanza_set_attribute(si, "profile", SI_FILE_NS);
    if (file->media_type) {
        xmpp_stanza_attribute(si, "mime-type", file->media_type, pool);
    }
    add_file(ctx, si, file, pool);
    xmpp_stanza_t *field = add_field(ctx, si, "form");
    xmpp_stanza_set_type(field, "list-single");
    xmpp_stanza_t *option = xmpp_stanza_element(ctx, field, "option", NULL, NULL);
    xmpp_stanza_element(ctx, option, "value", NULL, BYTESTREAM_NS);
    return iq;
}

/* ---- read ---- */

static xmpp_stanza_t *form_field(xmpp_stanza_t *si)
{
    xmpp_stanza_t *form =
        si ? xmpp_stanza_get_child_by_path(
                 si, "si", XMPP_STANZA_NAME_IN_NS("feature", NS_FEATURE_NEGOTIATION),
                 XMPP_STANZA_NAME_IN_NS("x", NS_FORM), NULL)
           : NULL;
    xmpp_stanza_t *child = form ? xmpp_stanza_get_children(form) : NULL;
    for (; child; child = xmpp_stanza_get_next(child)) {
        const char *name = xmpp_stanza_get_name(child);
        const char *var = xmpp_stanza_get_attribute(child, "var");
        if (name && var && strcmp(name, "field") == 0 && strcmp(var, STREAM_METHOD) == 0) {
            return child;
        }
    }
    return NULL;
}

static int names_bytestream(xmpp_stanza_t *parent, apr_pool_t *pool)
{
    const char *value = xmpp_stanza_child_text(parent, "value", NULL, pool);
    return value && strcmp(value, BYTESTREAM_NS) == 0;
}

static int offers_bytestream(xmpp_stanza_t *si, apr_pool_t *pool)
{
    xmpp_stanza_t *field = form_field(si);
    xmpp_stanza_t *option = field ? xmpp_stanza_get_children(field) : NULL;
    for (; option; option = xmpp_stanza_get_next(option)) {
        const char *name = xmpp_stanza_get_name(option);
        if (name && strcmp(name, "option") == 0 && names_bytestream(option, pool)) {
            return 1;
        }
    }
    return 0;
}

static const unsigned char *read_md5(const char *text, apr_pool_t *pool)
{
    apr_size_t length = 0;
    unsigned char *md5 = apr_palloc(pool, SI_MD5_BYTES);
    if (!text || strlen(text) != (size_t)SI_MD5_BYTES * 2 ||
        apr_unescape_hex(md5, text, SI_MD5_BYTES * 2, 0, &length) != APR_SUCCESS) {
        return NULL;
    }
    return length == SI_MD5_BYTES ? md5 : NULL;
}

static const char *copy_bounded(const char *text, size_t most_bytes, apr_pool_t *pool)
{
    return text && *text && strlen(text) <= most_bytes ? apr_pstrdup(pool, text) : NULL;
}

static shared_file_t *read_file(xmpp_stanza_t *element, apr_pool_t *pool)
{
    shared_file_t *file = file_claims_read(element, SI_FILE_NS, pool);
    const char *date = xmpp_stanza_get_attribute(element, "date");
    file->name = copy_bounded(xmpp_stanza_get_attribute(element, "name"), NAME_BYTES_MAX, pool);
    file->size_bytes = file_claims_size(xmpp_stanza_get_attribute(element, "size"));
    file->date_us = date ? xmpp_time_parse(date) : 0;
    return file;
}

int si_stanza_is_offer(xmpp_stanza_t *iq)
{
    const char *name = xmpp_stanza_get_name(iq);
    const char *type = xmpp_stanza_get_type(iq);
    return name && type && strcmp(name, "iq") == 0 && strcmp(type, "set") == 0 &&
           xmpp_stanza_get_child_by_name_and_ns(iq, "si", SI_NS);
}

si_answer_t si_stanza_read(si_request_t *request, xmpp_stanza_t *iq, apr_pool_t *pool)
{
    xmpp_stanza_t *si = xmpp_stanza_get_child_by_name_and_ns(iq, "si", SI_NS);
    const char *profile = xmpp_stanza_get_attribute(si, "profile");
    xmpp_stanza_t *element = xmpp_stanza_get_child_by_name_and_ns(si, "file", SI_FILE_NS);
    request->sid = copy_bounded(xmpp_stanza_get_attribute(si, "id"), SID_BYTES_MAX, pool);
    if (!request->sid) {
        return SI_BAD_REQUEST;
    }
    if (!profile || strcmp(profile, SI_FILE_NS) != 0) {
        return SI_BAD_PROFILE;
    }
    if (!element) {
        return SI_BAD_REQUEST;
    }
    request->file = read_file(element, pool);
    request->md5 = read_md5(xmpp_stanza_get_attribute(element, "hash"), pool);
    if (!request->file->name || request->file->size_bytes < 0) {
        return SI_BAD_REQUEST;
    }
    return offers_bytestream(si, pool) ? SI_TAKEN : SI_NO_STREAM;
}

/* ---- answers ---- */

static const struct {
    const char *type;
    const char *condition;
    const char *si;   /* what XEP-0095 adds to it, or NULL */
    const char *said; /* or NULL */
} errors[] = {
    [SI_BAD_REQUEST] = {"modify", "bad-request", NULL, NULL},
    [SI_BAD_PROFILE] = {"modify", "bad-request", "bad-profile", NULL},
    [SI_NO_STREAM] = {"cancel", "bad-request", "no-valid-streams", NULL},
    [SI_DECLINED] = {"cancel", "forbidden", NULL, "Offer Declined"},
    [SI_FAILED] = {"cancel", "internal-server-error", NULL, NULL},
    [SI_NO_ROOM] = {"wait", "resource-constraint", NULL, NULL},
};

static xmpp_stanza_t *make_error(xmpp_ctx_t *ctx, xmpp_stanza_t *iq, si_answer_t answer)
{
    xmpp_stanza_t *reply = xmpp_stanza_reply_error(iq, errors[answer].type,
                                                   errors[answer].condition, errors[answer].said);
    xmpp_stanza_t *error = reply ? xmpp_stanza_get_child_by_name(reply, "error") : NULL;
    if (error && errors[answer].si) {
        xmpp_stanza_element(ctx, error, errors[answer].si, SI_NS, NULL);
    }
    return reply;
}

xmpp_stanza_t *si_stanza_answer(xmpp_ctx_t *ctx, xmpp_stanza_t *iq, si_answer_t answer)
{
    if (!xmpp_stanza_get_id(iq) || !xmpp_stanza_get_from(iq)) {
        return NULL;
    }
    if (answer != SI_TAKEN) {
        return make_error(ctx, iq, answer);
    }
    xmpp_stanza_t *reply = xmpp_iq_new(ctx, "result", xmpp_stanza_get_id(iq));
    xmpp_stanza_set_to(reply, xmpp_stanza_get_from(iq));
    xmpp_stanza_t *si = xmpp_stanza_element(ctx, reply, "si", SI_NS, NULL);
    xmpp_stanza_element(ctx, add_field(ctx, si, "submit"), "value", NULL, BYTESTREAM_NS);
    return reply;
}

int si_stanza_is_accepted(xmpp_stanza_t *answer, apr_pool_t *pool)
{
    const char *type = xmpp_stanza_get_type(answer);
    xmpp_stanza_t *si = xmpp_stanza_get_child_by_name_and_ns(answer, "si", SI_NS);
    xmpp_stanza_t *field = form_field(si);
    return type && strcmp(type, "result") == 0 && field && names_bytestream(field, pool);
}
