/**
 * The message that tells of a file, as written and as read.
 *
 * Written so that it serves all clients: body exactly the URL, jabber:x:oob (XEP-0066), stateless
 * file sharing (XEP-0447, XEP-0446) with SHA-256, the fallback mark (XEP-0428), and on demand SIMS
 * (XEP-0385). Read in all the forms that clients send.
 */
#ifndef ANNOUNCEMENT_H
#define ANNOUNCEMENT_H

#include <apr_tables.h>

#include "shared_file.h"
#include "xmpp_stanza.h"

/**
 * Builds the message; the caller releases it.
 * @param type "chat" or "groupchat".
 */
xmpp_stanza_t *announcement_build(xmpp_ctx_t *ctx, const shared_file_t *file, const char *type,
                                  const char *to, const char *id, int wants_sims);

/**
 * Builds an iq that asks a client to fetch a file now and to answer when it has it (jabber:iq:oob,
 * XEP-0066 section 2); the caller releases it. What is known of the file is told within, in the
 * words of XEP-0446, so that what comes can be compared with what this stanza promises; clients
 * that know nothing of it pass it over.
 * @param to full JID. @param text for the person there.
 */
xmpp_stanza_t *announcement_build_request(xmpp_ctx_t *ctx, const shared_file_t *file,
                                          const char *to, const char *id, const char *text);

/**
 * The files that a message or iq tells of: SFS, SIMS, x:oob or iq:oob; an array of shared_file_t *,
 * one for each URL however often it is told, at most 20. Empty if it tells of none. Only http and
 * https URLs; texts longer than makes sense are left out.
 */
apr_array_header_t *announcement_parse(xmpp_stanza_t *stanza, apr_pool_t *pool);

#endif
