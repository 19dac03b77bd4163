#include "xmpp_private.h"

#include <string.h>

#include <apr_strings.h>

#include "jf_units.h"

#define INFO_NS "http://jabber.org/protocol/disco#info"
#define ITEMS_NS "http://jabber.org/protocol/disco#items"
#define UPLOAD_NS "urn:xmpp:http:upload:0"
#define EPHEMERAL_FEATURE "urn:xmpp:http:upload:purpose:0#ephemeral"
#define MUC_FEATURE "http://jabber.org/protocol/muc"
#define FORM_NS "jabber:x:data"

/** More items of a server are not looked at (XEP-0030 advises so). */
#define ITEMS_MAX 20

/** More features of a client are not remembered. */
#define FEATURES_MAX 200

/** How long all of them together may take; and how long one that offers uploads is held back for
 * the sake of those that stand before it in the list. */
#define ITEMS_US apr_time_from_sec(10)
#define EARLIER_ITEMS_US apr_time_from_sec(2)

/** An answer of another server may take this long. */
#define ROOMS_US apr_time_from_sec(15)

/** 1 if an answer is that of a service of the kind that is looked for. */
typedef int(is_service_t)(xmpp_stanza_t *answer);

typedef struct candidate_t {
    const char *jid;
    xmpp_query_t query;
} candidate_t;

static xmpp_stanza_t *new_query(xmpp_session_t *session, const char *to, const char *ns)
{
    xmpp_ctx_t *ctx = xmpp_session_ctx(session);
    xmpp_stanza_t *iq = xmpp_iq_new(ctx, "get", xmpp_session_new_id(session));
    xmpp_stanza_set_to(iq, to);
    xmpp_stanza_element(ctx, iq, "query", ns, NULL);
    return iq;
}

/** The <query/> of a result, or NULL. */
static xmpp_stanza_t *result_of(xmpp_stanza_t *answer, const char *ns)
{
    const char *type = xmpp_stanza_get_type(answer);
    return type && strcmp(type, "result") == 0
               ? xmpp_stanza_get_child_by_name_and_ns(answer, "query", ns)
               : NULL;
}

static int is_element(xmpp_stanza_t *stanza, const char *name)
{
    const char *own = xmpp_stanza_get_name(stanza);
    return own && strcmp(own, name) == 0;
}

static int has_attribute(xmpp_stanza_t *stanza, const char *name, const char *value)
{
    const char *own = xmpp_stanza_get_attribute(stanza, name);
    return own && strcmp(own, value) == 0;
}

static int has_feature(xmpp_stanza_t *info, const char *feature)
{
    xmpp_stanza_t *child = xmpp_stanza_get_children(info);
    for (; child; child = xmpp_stanza_get_next(child)) {
        if (is_element(child, "feature") && has_attribute(child, "var", feature)) {
            return 1;
        }
    }
    return 0;
}

/** @param type NULL: any. */
static int has_identity(xmpp_stanza_t *info, const char *category, const char *type)
{
    xmpp_stanza_t *child = xmpp_stanza_get_children(info);
    for (; child; child = xmpp_stanza_get_next(child)) {
        if (is_element(child, "identity") && has_attribute(child, "category", category) &&
            (!type || has_attribute(child, "type", type))) {
            return 1;
        }
    }
    return 0;
}

/** The value of a field of a form, or NULL. */
static const char *field_value(xmpp_stanza_t *form, const char *var, apr_pool_t *pool)
{
    xmpp_stanza_t *child = xmpp_stanza_get_children(form);
    for (; child; child = xmpp_stanza_get_next(child)) {
        if (is_element(child, "field") && has_attribute(child, "var", var)) {
            return xmpp_stanza_child_text(child, "value", NULL, pool);
        }
    }
    return NULL;
}

/** The limit that a service tells (XEP-0128 form), or JF_UNLIMITED if it tells none that makes
 * sense. */
static apr_int64_t max_size_of(xmpp_stanza_t *info, apr_pool_t *pool)
{
    xmpp_stanza_t *form = xmpp_stanza_get_children(info);
    for (; form; form = xmpp_stanza_get_next(form)) {
        const char *ns = xmpp_stanza_get_ns(form);
        if (!is_element(form, "x") || !ns || strcmp(ns, FORM_NS) != 0) {
            continue;
        }
        const char *type = field_value(form, "FORM_TYPE", pool);
        const char *text =
            type && strcmp(type, UPLOAD_NS) == 0 ? field_value(form, "max-file-size", pool) : NULL;
        apr_int64_t bytes = 0;
        if (text && xmpp_stanza_number(&bytes, text)) {
            return bytes;
        }
    }
    return JF_UNLIMITED;
}

int xmpp_disco_parse_upload(upload_service_t *service, xmpp_stanza_t *answer, apr_pool_t *pool)
{
    xmpp_stanza_t *info = result_of(answer, INFO_NS);
    if (!info || !has_feature(info, UPLOAD_NS)) {
        return 0;
    }
    service->max_size_bytes = max_size_of(info, pool);
    service->keeps_ephemeral = has_feature(info, EPHEMERAL_FEATURE);
    return 1;
}

static void add_candidate(apr_array_header_t *candidates, const char *jid)
{
    candidate_t *candidate = apr_pcalloc(candidates->pool, sizeof(*candidate));
    candidate->jid = apr_pstrdup(candidates->pool, jid);
    APR_ARRAY_PUSH(candidates, candidate_t *) = candidate;
}

/** The server itself and its items. A server that has no list has no items. */
static jf_err_t *list_candidates(apr_array_header_t *candidates, xmpp_session_t *session)
{
    xmpp_stanza_t *answer = NULL;
    JF_TRY(xmpp_session_query(&answer, session, new_query(session, session->domain, ITEMS_NS),
                              XMPP_ANSWER_US));
    add_candidate(candidates, session->domain);
    xmpp_stanza_t *items = result_of(answer, ITEMS_NS);
    xmpp_stanza_t *item = items ? xmpp_stanza_get_children(items) : NULL;
    for (; item && candidates->nelts <= ITEMS_MAX; item = xmpp_stanza_get_next(item)) {
        const char *jid = xmpp_stanza_get_attribute(item, "jid");
        if (is_element(item, "item") && jid && !xmpp_stanza_get_attribute(item, "node")) {
            add_candidate(candidates, jid);
        }
    }
    xmpp_stanza_release(answer);
    return NULL;
}

/**
 * The first candidate in the list that is such a service, as far as is known by now.
 * @param is_certain set to 1 if no answer that is still out can change that.
 */
static candidate_t *best_of(const apr_array_header_t *candidates, is_service_t *is_service,
                            int *is_certain)
{
    *is_certain = 1;
    for (int i = 0; i < candidates->nelts; i++) {
        candidate_t *candidate = APR_ARRAY_IDX(candidates, i, candidate_t *);
        if (!candidate->query.answer) {
            *is_certain = 0;
        } else if (is_service(candidate->query.answer)) {
            return candidate;
        }
    }
    return NULL;
}

/** Asks all at once: one that does not answer must not hold up the others. */
static jf_err_t *ask_candidates(candidate_t **best, xmpp_session_t *session,
                                const apr_array_header_t *candidates, is_service_t *is_service)
{
    jf_err_t *err = NULL;
    int is_certain = 0;
    apr_time_t began_us = apr_time_now();
    for (int i = 0; i < candidates->nelts; i++) {
        candidate_t *candidate = APR_ARRAY_IDX(candidates, i, candidate_t *);
        xmpp_query_begin(&candidate->query, session, new_query(session, candidate->jid, INFO_NS));
    }
    while (!err) {
        *best = best_of(candidates, is_service, &is_certain);
        apr_time_t end_us = began_us + (*best ? EARLIER_ITEMS_US : ITEMS_US);
        if (is_certain || apr_time_now() >= end_us) {
            break;
        }
        err = xmpp_session_run(session, end_us - apr_time_now());
    }
    for (int i = 0; i < candidates->nelts; i++) {
        xmpp_query_end(&APR_ARRAY_IDX(candidates, i, candidate_t *)->query, session);
    }
    return err;
}

static void release_answers(const apr_array_header_t *candidates)
{
    for (int i = 0; i < candidates->nelts; i++) {
        candidate_t *candidate = APR_ARRAY_IDX(candidates, i, candidate_t *);
        if (candidate->query.answer) {
            xmpp_stanza_release(candidate->query.answer);
        }
    }
}

static int is_upload_service(xmpp_stanza_t *answer)
{
    xmpp_stanza_t *info = result_of(answer, INFO_NS);
    return info && has_feature(info, UPLOAD_NS);
}

static jf_err_t *find_service(xmpp_session_t *session)
{
    apr_pool_t *pool = session->pool;
    candidate_t *best = NULL;
    apr_array_header_t *candidates = apr_array_make(pool, ITEMS_MAX + 1, sizeof(candidate_t *));
    JF_TRY(list_candidates(candidates, session));
    jf_err_t *err = ask_candidates(&best, session, candidates, is_upload_service);
    if (!err && best) {
        session->upload_service = apr_pcalloc(pool, sizeof(*session->upload_service));
        session->upload_service->jid = best->jid;
        xmpp_disco_parse_upload(session->upload_service, best->query.answer, pool);
    }
    session->knows_upload_service = !err;
    release_answers(candidates);
    return err;
}

jf_err_t *xmpp_disco_upload_service(upload_service_t **service, xmpp_session_t *session,
                                    apr_pool_t *pool)
{
    (void)pool; /* it is asked for once in a session, and kept as long */
    *service = NULL;
    if (!session->knows_upload_service) {
        JF_TRY(find_service(session));
    }
    *service = session->upload_service;
    return NULL;
}

static int is_proxy(xmpp_stanza_t *answer)
{
    xmpp_stanza_t *info = result_of(answer, INFO_NS);
    return info && has_identity(info, "proxy", "bytestreams");
}

jf_err_t *xmpp_disco_proxy(const char **jid, xmpp_session_t *session, apr_pool_t *pool)
{
    candidate_t *best = NULL;
    apr_array_header_t *candidates = apr_array_make(pool, ITEMS_MAX + 1, sizeof(candidate_t *));
    *jid = NULL;
    JF_TRY(list_candidates(candidates, session));
    jf_err_t *err = ask_candidates(&best, session, candidates, is_proxy);
    *jid = best ? best->jid : NULL;
    release_answers(candidates);
    return err;
}

jf_err_t *xmpp_disco_has_rooms(int *has_rooms, xmpp_session_t *session, const char *domain,
                               apr_pool_t *pool)
{
    (void)pool;
    xmpp_stanza_t *answer = NULL;
    *has_rooms = 0;
    jf_err_t *err =
        xmpp_session_query(&answer, session, new_query(session, domain, INFO_NS), ROOMS_US);
    if (!answer) {
        return session->state == XMPP_ONLINE && !client_is_interrupted() ? NULL : err;
    }
    xmpp_stanza_t *info = result_of(answer, INFO_NS);
    *has_rooms = info && has_identity(info, "conference", NULL) && has_feature(info, MUC_FEATURE);
    xmpp_stanza_release(answer);
    return NULL;
}

void xmpp_disco_ask(xmpp_query_t *query, xmpp_session_t *session, const char *jid)
{
    xmpp_query_begin(query, session, new_query(session, jid, INFO_NS));
}

apr_array_header_t *xmpp_disco_features(xmpp_stanza_t *answer, apr_pool_t *pool)
{
    xmpp_stanza_t *info = result_of(answer, INFO_NS);
    if (!info) {
        return NULL;
    }
    apr_array_header_t *features = apr_array_make(pool, 16, sizeof(const char *));
    xmpp_stanza_t *child = xmpp_stanza_get_children(info);
    for (; child && features->nelts < FEATURES_MAX; child = xmpp_stanza_get_next(child)) {
        const char *var =
            is_element(child, "feature") ? xmpp_stanza_get_attribute(child, "var") : NULL;
        if (var) {
            APR_ARRAY_PUSH(features, const char *) = apr_pstrdup(pool, var);
        }
    }
    return features;
}
