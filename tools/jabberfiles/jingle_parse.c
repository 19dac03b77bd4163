/* Reading the stanzas of Jingle. */

#include <string.h>

#include <apr_strings.h>

#include "jingle_private.h"

/** Longer ones are nobody's. */
#define SID_BYTES_MAX 256
#define CONTENT_NAME_BYTES_MAX 256

int jingle_stanza_is_one(xmpp_stanza_t *iq)
{
    const char *name = xmpp_stanza_get_name(iq);
    const char *type = xmpp_stanza_get_type(iq);
    return name && type && strcmp(name, "iq") == 0 && strcmp(type, "set") == 0 &&
           xmpp_stanza_get_child_by_name_and_ns(iq, "jingle", JINGLE_NS);
}

/** A copy of an attribute; NULL if it is missing, empty or longer than makes sense. */
static const char *attribute(xmpp_stanza_t *element, const char *name, size_t most_bytes,
                             apr_pool_t *pool)
{
    const char *value = xmpp_stanza_get_attribute(element, name);
    return value && *value && strlen(value) <= most_bytes ? apr_pstrdup(pool, value) : NULL;
}

static int is_said(xmpp_stanza_t *element, const char *name, const char *value)
{
    const char *said = xmpp_stanza_get_attribute(element, name);
    return said && strcmp(said, value) == 0;
}

static jingle_action_t find_action(const char *name)
{
    for (size_t i = 0; i < JINGLE_OTHER_ACTION; i++) {
        if (strcmp(jingle_action_names[i], name) == 0) {
            return (jingle_action_t)i;
        }
    }
    return JINGLE_OTHER_ACTION;
}

/* ---- contents ---- */

static void read_content(jingle_message_t *message, xmpp_stanza_t *content, apr_pool_t *pool)
{
    message->content = attribute(content, "name", CONTENT_NAME_BYTES_MAX, pool);
    /* Clients leave it out, although that means "both", who cannot send one file. */
    message->is_from_initiator =
        !is_said(content, "senders", "responder") && !is_said(content, "senders", "none");
    message->transport = xmpp_stanza_get_child_by_name(content, "transport");
    xmpp_stanza_t *description =
        xmpp_stanza_get_child_by_name_and_ns(content, "description", JINGLE_FILE_NS);
    xmpp_stanza_t *file =
        description ? xmpp_stanza_get_child_by_name_and_ns(description, "file", JINGLE_FILE_NS)
                    : NULL;
    message->file = file ? file_claims_read(file, JINGLE_FILE_NS, pool) : NULL;
}

static void read_contents(jingle_message_t *message, xmpp_stanza_t *jingle, apr_pool_t *pool)
{
    for (xmpp_stanza_t *child = xmpp_stanza_get_children(jingle); child;
         child = xmpp_stanza_get_next(child)) {
        const char *name = xmpp_stanza_is_tag(child) ? xmpp_stanza_get_name(child) : NULL;
        if (name && strcmp(name, "content") == 0 && message->content_count++ == 0) {
            read_content(message, child, pool);
        }
    }
}

/* ---- the rest ---- */

static void read_reason(jingle_message_t *message, xmpp_stanza_t *jingle, apr_pool_t *pool)
{
    xmpp_stanza_t *reason = xmpp_stanza_get_child_by_name(jingle, "reason");
    message->reason = JINGLE_GENERAL_ERROR;
    for (xmpp_stanza_t *child = reason ? xmpp_stanza_get_children(reason) : NULL; child;
         child = xmpp_stanza_get_next(child)) {
        const char *name = xmpp_stanza_is_tag(child) ? xmpp_stanza_get_name(child) : NULL;
        if (name && strcmp(name, "text") != 0) {
            message->reason = jingle_reason_find(name);
            break;
        }
    }
    message->said = reason ? xmpp_stanza_said(reason, NULL, pool) : NULL;
}

static jingle_info_t read_info(xmpp_stanza_t *jingle)
{
    jingle_info_t info = JINGLE_INFO_NOTHING;
    for (xmpp_stanza_t *child = xmpp_stanza_get_children(jingle); child;
         child = xmpp_stanza_get_next(child)) {
        const char *name = xmpp_stanza_is_tag(child) ? xmpp_stanza_get_name(child) : NULL;
        const char *ns = name ? xmpp_stanza_get_ns(child) : NULL;
        int is_of_file = ns && strcmp(ns, JINGLE_FILE_NS) == 0;
        if (is_of_file && strcmp(name, "received") == 0) {
            return JINGLE_INFO_RECEIVED;
        }
        if (name && !(is_of_file && strcmp(name, "checksum") == 0)) {
            info = JINGLE_INFO_UNKNOWN;
        }
    }
    return info;
}

jf_err_t *jingle_stanza_read(jingle_message_t **message_out, xmpp_stanza_t *iq, apr_pool_t *pool)
{
    xmpp_stanza_t *jingle = xmpp_stanza_get_child_by_name_and_ns(iq, "jingle", JINGLE_NS);
    const char *action = jingle ? xmpp_stanza_get_attribute(jingle, "action") : NULL;
    jingle_message_t *message = apr_pcalloc(pool, sizeof(*message));
    *message_out = NULL;
    message->sid = jingle ? attribute(jingle, "sid", SID_BYTES_MAX, pool) : NULL;
    if (!action || !message->sid) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                           "a Jingle action needs a name and a session ID of at most %d bytes",
                           SID_BYTES_MAX);
    }
    message->action = find_action(action);
    read_contents(message, jingle, pool);
    if (message->content_count > 0 && !message->content) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                           "a Jingle content needs a name of at most %d bytes",
                           CONTENT_NAME_BYTES_MAX);
    }
    if (message->action == JINGLE_SESSION_TERMINATE) {
        read_reason(message, jingle, pool);
    }
    if (message->action == JINGLE_SESSION_INFO) {
        message->info = read_info(jingle);
    }
    *message_out = message;
    return NULL;
}
