/**
 * Building and reading stanzas with less ado than libstrophe's own functions; and its errors.
 */
#ifndef XMPP_STANZA_H
#define XMPP_STANZA_H

#include <apr_pools.h>
#include <strophe.h>

#include "jf_err.h"

/** A new element in its parent (NULL: a new tree, which the caller releases). The parent owns it.
 * @param ns or NULL: that of the parent. @param text or NULL: none. */
xmpp_stanza_t *xmpp_stanza_element(xmpp_ctx_t *ctx, xmpp_stanza_t *parent, const char *name,
                                   const char *ns, const char *text);

/** Sets an attribute; as in texts, a character that XML cannot carry becomes a question mark. */
void xmpp_stanza_attribute(xmpp_stanza_t *element, const char *name, const char *value,
                           apr_pool_t *pool);

/** The text of a child, in @a pool; NULL if there is no such child. @param ns or NULL: any. */
const char *xmpp_stanza_child_text(xmpp_stanza_t *stanza, const char *name, const char *ns,
                                   apr_pool_t *pool);

/** The text of an element itself, in @a pool; "" if it has none. */
const char *xmpp_stanza_own_text(xmpp_stanza_t *stanza, apr_pool_t *pool);

/** Reads a number of bytes or the like: decimal digits and nothing else, 1 at least. @return 0 if
 * it is none. */
int xmpp_stanza_number(apr_int64_t *number, const char *text);

/**
 * What an error stanza says, as one sentence for people: the condition in words, the server's text
 * if it has one. No text if the stanza is no error.
 */
const char *xmpp_stanza_error_text(xmpp_stanza_t *stanza, apr_pool_t *pool);

/** The human text of an error element, a line of bounded length, or NULL. @param ns of the text. */
const char *xmpp_stanza_said(xmpp_stanza_t *element, const char *ns, apr_pool_t *pool);

/** The condition of an error stanza ("item-not-found"), or NULL. Points into @a stanza. */
const char *xmpp_stanza_condition(xmpp_stanza_t *stanza);

#endif
