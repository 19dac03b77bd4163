/* Writing the stanzas of Jingle, and the words that they are made of. */

#include "jingle_stanza.h"

#include <string.h>

#include "jingle_private.h"

#define NS_STANZAS "urn:ietf:params:xml:ns:xmpp-stanzas"
#define NS_ERRORS "urn:xmpp:jingle:errors:1"

const char *const jingle_action_names[] = {
    [JINGLE_SESSION_INITIATE] = "session-initiate",
    [JINGLE_SESSION_ACCEPT] = "session-accept",
    [JINGLE_SESSION_TERMINATE] = "session-terminate",
    [JINGLE_SESSION_INFO] = "session-info",
    [JINGLE_TRANSPORT_INFO] = "transport-info",
    [JINGLE_TRANSPORT_REPLACE] = "transport-replace",
    [JINGLE_TRANSPORT_ACCEPT] = "transport-accept",
    [JINGLE_TRANSPORT_REJECT] = "transport-reject",
};

static const struct {
    const char *name;
    const char *words;
} reasons[] = {
    [JINGLE_SUCCESS] = {"success", "done"},
    [JINGLE_DECLINE] = {"decline", "declined"},
    [JINGLE_CANCEL] = {"cancel", "broken off by the other side"},
    [JINGLE_BUSY] = {"busy", "the other side is busy"},
    [JINGLE_TIMEOUT] = {"timeout", "it took too long"},
    [JINGLE_GONE] = {"gone", "the other side has gone"},
    [JINGLE_FAILED_TRANSPORT] = {"failed-transport", "no connection between the two sides works"},
    [JINGLE_FAILED_APPLICATION] = {"failed-application", "the other side did not get it right"},
    [JINGLE_UNSUPPORTED_TRANSPORTS] = {"unsupported-transports",
                                       "the other side knows no such way"},
    [JINGLE_UNSUPPORTED_APPLICATIONS] = {"unsupported-applications",
                                         "the other side takes no such files"},
    [JINGLE_GENERAL_ERROR] = {"general-error", "the other side has trouble of its own"},
};

const char *jingle_stanza_words(jingle_reason_t reason)
{
    return reasons[reason].words;
}

jingle_reason_t jingle_reason_find(const char *name)
{
    for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++) {
        if (strcmp(reasons[i].name, name) == 0) {
            return (jingle_reason_t)i;
        }
    }
    return JINGLE_GENERAL_ERROR;
}

/* ---- actions ---- */

jingle_draft_t jingle_stanza_begin(xmpp_ctx_t *ctx, jingle_action_t action, const char *to,
                                   const char *id, const char *sid, apr_pool_t *pool)
{
    jingle_draft_t draft = {.ctx = ctx, .pool = pool};
    draft.iq = xmpp_iq_new(ctx, "set", id);
    xmpp_stanza_attribute(draft.iq, "to", to, pool);
    draft.jingle = xmpp_stanza_element(ctx, draft.iq, "jingle", JINGLE_NS, NULL);
    xmpp_stanza_set_attribute(draft.jingle, "action", jingle_action_names[action]);
    xmpp_stanza_attribute(draft.jingle, "sid", sid, pool);
    return draft;
}

xmpp_stanza_t *jingle_stanza_add_content(const jingle_draft_t *draft, const char *name,
                                         const shared_file_t *file, const char *ns)
{
    xmpp_stanza_t *content = xmpp_stanza_element(draft->ctx, draft->jingle, "content", NULL, NULL);
    xmpp_stanza_set_attribute(content, "creator", "initiator");
    xmpp_stanza_set_attribute(content, "senders", "initiator");
    xmpp_stanza_attribute(content, "name", name, draft->pool);
    if (file) {
        xmpp_stanza_t *description =
            xmpp_stanza_element(draft->ctx, content, "description", JINGLE_FILE_NS, NULL);
        file_claims_add(draft->ctx, description, NULL, file, file->description, draft->pool);
    }
    return xmpp_stanza_element(draft->ctx, content, "transport", ns, NULL);
}

void jingle_stanza_add_reason(const jingle_draft_t *draft, jingle_reason_t reason, const char *said)
{
    xmpp_stanza_t *element = xmpp_stanza_element(draft->ctx, draft->jingle, "reason", NULL, NULL);
    xmpp_stanza_element(draft->ctx, element, reasons[reason].name, NULL, NULL);
    if (said) {
        xmpp_stanza_element(draft->ctx, element, "text", NULL, said);
    }
}

void jingle_stanza_add_received(const jingle_draft_t *draft, const char *content)
{
    xmpp_stanza_t *received =
        xmpp_stanza_element(draft->ctx, draft->jingle, "received", JINGLE_FILE_NS, NULL);
    xmpp_stanza_set_attribute(received, "creator", "initiator");
    xmpp_stanza_attribute(received, "name", content, draft->pool);
}

/* ---- answers ---- */

static const struct {
    const char *type;
    const char *condition;
    const char *jingle; /* what XEP-0166 adds to it, or NULL */
} errors[] = {
    [JINGLE_BAD_REQUEST] = {"modify", "bad-request", NULL},
    [JINGLE_UNKNOWN_SESSION] = {"cancel", "item-not-found", "unknown-session"},
    [JINGLE_OUT_OF_ORDER] = {"wait", "unexpected-request", "out-of-order"},
    [JINGLE_TIE_BREAK] = {"cancel", "conflict", "tie-break"},
    [JINGLE_UNSUPPORTED_INFO] = {"cancel", "feature-not-implemented", "unsupported-info"},
    [JINGLE_UNSUPPORTED] = {"cancel", "feature-not-implemented", NULL},
    [JINGLE_NO_ROOM] = {"wait", "resource-constraint", NULL},
};

static void add_error(xmpp_ctx_t *ctx, xmpp_stanza_t *reply, jingle_answer_t answer)
{
    xmpp_stanza_t *error = xmpp_stanza_element(ctx, reply, "error", NULL, NULL);
    xmpp_stanza_set_type(error, errors[answer].type);
    xmpp_stanza_element(ctx, error, errors[answer].condition, NS_STANZAS, NULL);
    if (errors[answer].jingle) {
        xmpp_stanza_element(ctx, error, errors[answer].jingle, NS_ERRORS, NULL);
    }
}

xmpp_stanza_t *jingle_stanza_answer(xmpp_ctx_t *ctx, xmpp_stanza_t *iq, jingle_answer_t answer)
{
    const char *id = xmpp_stanza_get_id(iq);
    const char *from = xmpp_stanza_get_from(iq);
    if (!id) {
        return NULL;
    }
    xmpp_stanza_t *reply = xmpp_iq_new(ctx, answer == JINGLE_TAKEN ? "result" : "error", id);
    if (from) {
        xmpp_stanza_set_to(reply, from);
    }
    if (answer != JINGLE_TAKEN) {
        add_error(ctx, reply, answer);
    }
    return reply;
}
