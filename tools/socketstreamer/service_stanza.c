#include "service_stanza.h"

#include <string.h>

#include <apr_strings.h>

#include "jf_version.h"
#include "service_config.h"
#include "xmpp_stanza.h"

#define VERSION_NS "jabber:iq:version"
#define PING_NS "urn:xmpp:ping"

/** A question with what is known of who asks it. */
typedef struct question_t {
    const service_desk_t *desk;
    xmpp_ctx_t *ctx;
    xmpp_stanza_t *iq;
    xmpp_stanza_t *payload;
    const char *from;
    const char *bare;     /* of from, prepared */
    const char *resource; /* of from, with its slash, or "" */
    apr_pool_t *pool;
} question_t;

typedef xmpp_stanza_t *answer_fn(const question_t *question);

/* ---- forms of answers ---- */

static xmpp_stanza_t *make_reply(const question_t *question, const char *type)
{
    xmpp_stanza_t *reply = xmpp_iq_new(question->ctx, type, xmpp_stanza_get_id(question->iq));
    xmpp_stanza_set_to(reply, question->from);
    const char *to = xmpp_stanza_get_to(question->iq);
    xmpp_stanza_set_from(reply, to ? to : question->desk->component);
    return reply;
}

static xmpp_stanza_t *refuse(const question_t *question, const char *type, const char *condition)
{
    xmpp_stanza_t *reply = make_reply(question, "error");
    xmpp_stanza_t *error = xmpp_stanza_element(question->ctx, reply, "error", NULL, NULL);
    xmpp_stanza_set_type(error, type);
    xmpp_stanza_element(question->ctx, error, condition, XMPP_NS_STANZAS_IETF, NULL);
    return reply;
}

static xmpp_stanza_t *refuse_bad(const question_t *question)
{
    return refuse(question, "modify", "bad-request");
}

/** A result with an empty element like the question's. @param element set to it. */
static xmpp_stanza_t *make_result(xmpp_stanza_t **element, const question_t *question)
{
    xmpp_stanza_t *reply = make_reply(question, "result");
    *element = xmpp_stanza_element(question->ctx, reply, xmpp_stanza_get_name(question->payload),
                                   xmpp_stanza_get_ns(question->payload), NULL);
    return reply;
}

/* ---- service discovery ---- */

/** 1 if the question is about a node, which do not exist here. */
static int has_node(const question_t *question)
{
    const char *node = xmpp_stanza_get_attribute(question->payload, "node");
    return node && node[0] != '\0';
}

static xmpp_stanza_t *answer_info(const question_t *question)
{
    static const char *const features[] = {XMPP_NS_DISCO_INFO, XMPP_NS_DISCO_ITEMS,
                                           SERVICE_BYTESTREAMS_NS, VERSION_NS, PING_NS};
    xmpp_stanza_t *query;
    if (has_node(question)) {
        return refuse(question, "cancel", "item-not-found");
    }
    xmpp_stanza_t *reply = make_result(&query, question);
    xmpp_stanza_t *identity = xmpp_stanza_element(question->ctx, query, "identity", NULL, NULL);
    xmpp_stanza_set_attribute(identity, "category", "proxy");
    xmpp_stanza_set_attribute(identity, "type", "bytestreams");
    xmpp_stanza_set_attribute(identity, "name", "File transfer relay");
    for (size_t i = 0; i < sizeof(features) / sizeof(*features); i++) {
        xmpp_stanza_t *feature = xmpp_stanza_element(question->ctx, query, "feature", NULL, NULL);
        xmpp_stanza_set_attribute(feature, "var", features[i]);
    }
    return reply;
}

static xmpp_stanza_t *answer_items(const question_t *question)
{
    xmpp_stanza_t *query;
    return has_node(question) ? refuse(question, "cancel", "item-not-found")
                              : make_result(&query, question);
}

/* ---- bytestreams ---- */

static int is_allowed(const question_t *question)
{
    if (service_acl_allows(question->desk->acl, question->bare)) {
        return 1;
    }
    question->desk->refused(question->desk->baton, question->bare);
    return 0;
}

static xmpp_stanza_t *answer_address(const question_t *question)
{
    const service_desk_t *desk = question->desk;
    xmpp_stanza_t *query;
    if (!is_allowed(question)) {
        return refuse(question, "auth", "forbidden");
    }
    xmpp_stanza_t *reply = make_result(&query, question);
    for (int i = 0; i < desk->hosts->nelts; i++) {
        const service_host_t *host = &APR_ARRAY_IDX(desk->hosts, i, service_host_t);
        xmpp_stanza_t *streamhost =
            xmpp_stanza_element(question->ctx, query, "streamhost", NULL, NULL);
        xmpp_stanza_set_attribute(streamhost, "jid", desk->component);
        xmpp_stanza_set_attribute(streamhost, "host", host->host);
        xmpp_stanza_set_attribute(streamhost, "port", apr_itoa(question->pool, host->port));
    }
    return reply;
}

/** The full JID in its prepared form, or NULL if it is none. */
static const char *prepare_target(const char *target, apr_pool_t *pool)
{
    const char *bare = NULL;
    const char *resource = NULL;
    return service_acl_prepare(&bare, &resource, target, pool)
               ? NULL
               : apr_pstrcat(pool, bare, resource, NULL);
}

static xmpp_stanza_t *answer_outcome(const question_t *question, relay_activation_t outcome)
{
    switch (outcome) {
    case RELAY_ACTIVATED:
        return make_reply(question, "result");
    case RELAY_ONE_PARTY:
    case RELAY_IS_ACTIVE:
        return refuse(question, "cancel", "not-allowed");
    case RELAY_OVER_STREAMS:
    case RELAY_OVER_DAY_BYTES:
        return refuse(question, "wait", "resource-constraint");
    case RELAY_UNKNOWN:
        break;
    }
    return refuse(question, "cancel", "item-not-found");
}

static xmpp_stanza_t *answer_activation(const question_t *question)
{
    const service_desk_t *desk = question->desk;
    const char *sid = xmpp_stanza_get_attribute(question->payload, "sid");
    const char *target = xmpp_stanza_child_text(question->payload, "activate",
                                                SERVICE_BYTESTREAMS_NS, question->pool);
    if (!sid || !sid[0] || !target || !target[0]) {
        return refuse_bad(question);
    }
    if (!is_allowed(question)) {
        return refuse(question, "auth", "forbidden");
    }
    const service_activation_t activation = {
        .sid = sid,
        .requester = question->from,
        .target = target,
        .requester_prepared = apr_pstrcat(question->pool, question->bare, question->resource, NULL),
        .target_prepared = prepare_target(target, question->pool),
        .user = question->bare,
    };
    return answer_outcome(question, desk->activate(desk->baton, &activation));
}

/* ---- version, ping ---- */

static xmpp_stanza_t *answer_version(const question_t *question)
{
    xmpp_stanza_t *query;
    xmpp_stanza_t *reply = make_result(&query, question);
    xmpp_stanza_element(question->ctx, query, "name", NULL, "socketstreamer");
    xmpp_stanza_element(question->ctx, query, "version", NULL, JF_VERSION);
    return reply;
}

static xmpp_stanza_t *answer_ping(const question_t *question)
{
    return make_reply(question, "result");
}

/* ---- all ---- */

static const struct {
    const char *ns;
    const char *name;
    answer_fn *get; /* NULL: there is no such question */
    answer_fn *set;
} payloads[] = {
    {XMPP_NS_DISCO_INFO, "query", answer_info, NULL},
    {XMPP_NS_DISCO_ITEMS, "query", answer_items, NULL},
    {SERVICE_BYTESTREAMS_NS, "query", answer_address, answer_activation},
    {VERSION_NS, "query", answer_version, NULL},
    {PING_NS, "ping", answer_ping, NULL},
};

static xmpp_stanza_t *answer_payload(const question_t *question, int is_set)
{
    const char *ns = xmpp_stanza_get_ns(question->payload);
    const char *name = xmpp_stanza_get_name(question->payload);
    for (size_t i = 0; ns && i < sizeof(payloads) / sizeof(*payloads); i++) {
        if (strcmp(payloads[i].ns, ns) == 0 && strcmp(payloads[i].name, name) == 0) {
            answer_fn *answer = is_set ? payloads[i].set : payloads[i].get;
            return answer ? answer(question) : refuse_bad(question);
        }
    }
    return refuse(question, "cancel", "service-unavailable");
}

/** The only element in an iq, or NULL if there are none or several (RFC 6120 section 8.2.3). */
static xmpp_stanza_t *only_element(xmpp_stanza_t *iq)
{
    xmpp_stanza_t *found = NULL;
    for (xmpp_stanza_t *child = xmpp_stanza_get_children(iq); child;
         child = xmpp_stanza_get_next(child)) {
        if (xmpp_stanza_is_tag(child)) {
            if (found) {
                return NULL;
            }
            found = child;
        }
    }
    return found;
}

static int is_word(const char *text, const char *word)
{
    return text && strcmp(text, word) == 0;
}

/** 1 if the question is for the component itself, and not for a user at its domain. */
static int is_for_us(const question_t *question)
{
    const char *bare = NULL;
    const char *resource = NULL;
    const char *to = xmpp_stanza_get_to(question->iq);
    return to && !service_acl_prepare(&bare, &resource, to, question->pool) &&
           strcmp(bare, question->desk->component) == 0 && !*resource;
}

xmpp_stanza_t *service_stanza_answer(const service_desk_t *desk, xmpp_stanza_t *stanza,
                                     apr_pool_t *pool)
{
    const char *type = xmpp_stanza_get_type(stanza);
    question_t question = {
        .desk = desk,
        .ctx = xmpp_stanza_get_context(stanza),
        .iq = stanza,
        .from = xmpp_stanza_get_from(stanza),
        .pool = pool,
    };
    /* No answer to an answer, nor without an address. */
    if (!is_word(xmpp_stanza_get_name(stanza), "iq") || !question.from || is_word(type, "result") ||
        is_word(type, "error")) {
        return NULL;
    }
    int is_set = is_word(type, "set");
    question.payload = only_element(stanza);
    if (!question.payload || (!is_set && !is_word(type, "get")) || !xmpp_stanza_get_id(stanza)) {
        return refuse_bad(&question);
    }
    if (service_acl_prepare(&question.bare, &question.resource, question.from, pool)) {
        return refuse(&question, "modify", "jid-malformed");
    }
    return is_for_us(&question) ? answer_payload(&question, is_set)
                                : refuse(&question, "cancel", "service-unavailable");
}
