/**
 * Why a recipient is not told, in words that fit what was tried.
 */
#ifndef XMPP_REFUSAL_H
#define XMPP_REFUSAL_H

#include "xmpp_stanza.h"

/** What a condition means here; a table of them ends with NULL. */
typedef struct xmpp_refusal_t {
    const char *condition;
    const char *words;
} xmpp_refusal_t;

/**
 * One sentence for an error stanza: the words of the table, or those of xmpp_stanza_error_text for
 * a condition that is not in it, and what the server says itself.
 */
const char *xmpp_refusal_text(xmpp_stanza_t *stanza, const xmpp_refusal_t *table, apr_pool_t *pool);

#endif
