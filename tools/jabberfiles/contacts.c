#include "contacts.h"

#include <string.h>

#include <apr_hash.h>

#include "jf_jid.h"
#include "xmpp_stanza.h"

#define NS_ROSTER "jabber:iq:roster"

struct contacts_t {
    apr_hash_t *jids;
    apr_pool_t *pool;
};

static void add_items(contacts_t *contacts, xmpp_stanza_t *query)
{
    xmpp_stanza_t *item = query ? xmpp_stanza_get_children(query) : NULL;
    for (; item; item = xmpp_stanza_get_next(item)) {
        const char *name = xmpp_stanza_get_name(item);
        const char *text = xmpp_stanza_get_attribute(item, "jid");
        const char *jid = NULL;
        /* Gateways and the like are no persons: their JIDs have no local part. */
        if (name && strcmp(name, "item") == 0 && text &&
            !jf_jid_prepare(&jid, text, contacts->pool)) {
            apr_hash_set(contacts->jids, jid, APR_HASH_KEY_STRING, jid);
        }
    }
}

jf_err_t *contacts_load(contacts_t **contacts, xmpp_session_t *session, apr_pool_t *pool)
{
    *contacts = NULL;
    xmpp_ctx_t *ctx = xmpp_session_ctx(session);
    xmpp_stanza_t *iq = xmpp_iq_new(ctx, "get", xmpp_session_new_id(session));
    xmpp_stanza_element(ctx, iq, "query", NS_ROSTER, NULL);
    xmpp_stanza_t *answer = NULL;
    JF_TRY(xmpp_session_query(&answer, session, iq, XMPP_ANSWER_US));
    if (xmpp_stanza_condition(answer)) {
        const char *refusal = xmpp_stanza_error_text(answer, pool);
        xmpp_stanza_release(answer);
        return jf_err_make(JF_ERR_IO, APR_SUCCESS, pool, "there is no contact list: %s", refusal);
    }
    contacts_t *loaded = apr_pcalloc(pool, sizeof(*loaded));
    loaded->pool = pool;
    loaded->jids = apr_hash_make(pool);
    add_items(loaded, xmpp_stanza_get_child_by_name_and_ns(answer, "query", NS_ROSTER));
    xmpp_stanza_release(answer);
    *contacts = loaded;
    return NULL;
}

int contacts_have(const contacts_t *contacts, const char *jid)
{
    return contacts && apr_hash_get(contacts->jids, jid, APR_HASH_KEY_STRING) != NULL;
}
