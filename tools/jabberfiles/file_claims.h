/**
 * What is claimed about a file, as an XML element: <file/> of XEP-0446 and of XEP-0234, which have
 * name, size, date, type, description and hashes (XEP-0300) in common.
 */
#ifndef FILE_CLAIMS_H
#define FILE_CLAIMS_H

#include "shared_file.h"
#include "xmpp_stanza.h"

#define FILE_CLAIMS_JINGLE_NS "urn:xmpp:jingle:apps:file-transfer:5"

/**
 * Adds the element with all that is known of @a file; of its name the last segment only.
 * @param description goes in place of file->description; or NULL. @param pool for what is not kept.
 */
xmpp_stanza_t *file_claims_add(xmpp_ctx_t *ctx, xmpp_stanza_t *parent, const char *ns,
                               const shared_file_t *file, const char *description,
                               apr_pool_t *pool);

/** Adds an element of XEP-0300 for each digest that is known. @param pool for what is not kept. */
void file_claims_add_hashes(xmpp_ctx_t *ctx, xmpp_stanza_t *parent, const shared_file_t *file,
                            apr_pool_t *pool);

/**
 * Reads the element into @a pool; texts longer than makes sense are left out.
 * @param ns of its children. @return a file without URL
 */
shared_file_t *file_claims_read(xmpp_stanza_t *element, const char *ns, apr_pool_t *pool);

/** The text of a child; NULL if there is none, or one that nobody reads. */
const char *file_claims_text(xmpp_stanza_t *parent, const char *name, const char *ns,
                             apr_pool_t *pool);

/** A number of bytes, digits only; -1 if @a text is NULL or anything else. */
apr_int64_t file_claims_size(const char *text);

/** A file of which nothing is known. */
shared_file_t *file_claims_none(apr_pool_t *pool);

/** A copy of all that is known. */
shared_file_t *file_claims_copy(const shared_file_t *file, apr_pool_t *pool);

#endif
