#include "xmpp_refusal.h"

#include <string.h>

#include <apr_strings.h>

const char *xmpp_refusal_text(xmpp_stanza_t *stanza, const xmpp_refusal_t *table, apr_pool_t *pool)
{
    const char *condition = xmpp_stanza_condition(stanza);
    while (table->condition && (!condition || strcmp(table->condition, condition) != 0)) {
        table++;
    }
    if (!table->condition) {
        return xmpp_stanza_error_text(stanza, pool);
    }
    xmpp_stanza_t *error = xmpp_stanza_get_child_by_name(stanza, "error");
    const char *said = xmpp_stanza_said(error, XMPP_NS_STANZAS_IETF, pool);
    return said ? apr_psprintf(pool, "%s (the server says: %s)", table->words, said) : table->words;
}
