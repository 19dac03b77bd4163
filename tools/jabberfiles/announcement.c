/* Writing announcements. */

#include "announcement.h"

#include <string.h>

#include <apr_cstr.h>
#include <apr_strings.h>
#include <unistr.h>

#include "announcement_private.h"
#include "file_claims.h"
#include "jf_media.h"

/** What the parts of one message are made of. */
typedef struct draft_t {
    xmpp_ctx_t *ctx;
    const shared_file_t *file;
    apr_pool_t *pool; /**< of this message alone */
} draft_t;

static xmpp_stanza_t *add(const draft_t *draft, xmpp_stanza_t *parent, const char *name,
                          const char *ns, const char *text)
{
    return xmpp_stanza_element(draft->ctx, parent, name, ns, text);
}

/** "inline" for what people look at or listen to, unless it is something that runs. */
static const char *disposition(const draft_t *draft)
{
    static const char *const shown[] = {"image/", "audio/", "video/", "text/"};
    const char *media_type = draft->file->media_type;
    if (draft->file->is_attachment || !media_type) {
        return "attachment";
    }
    const char *essence = apr_pstrmemdup(draft->pool, media_type, strcspn(media_type, "; \t"));
    for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
        if (apr_cstr_casecmpn(essence, shown[i], strlen(shown[i])) == 0) {
            return jf_media_is_active(essence) ? "attachment" : "inline";
        }
    }
    return "attachment";
}

/** Stateless file sharing. Without a hash it is told as well: some clients want one and show the
 * body then, others do not. */
static void add_sfs(const draft_t *draft, xmpp_stanza_t *message)
{
    xmpp_stanza_t *sharing = add(draft, message, "file-sharing", NS_SFS, NULL);
    xmpp_stanza_set_attribute(sharing, "disposition", disposition(draft));
    xmpp_stanza_set_id(sharing, "file");
    file_claims_add(draft->ctx, sharing, NS_FILE_METADATA, draft->file, draft->file->description,
                    draft->pool);
    xmpp_stanza_t *sources = add(draft, sharing, "sources", NULL, NULL);
    xmpp_stanza_t *source = add(draft, sources, "url-data", NS_URL_DATA, NULL);
    xmpp_stanza_attribute(source, "target", draft->file->url, draft->pool);

    xmpp_stanza_t *fallback = add(draft, message, "fallback", NS_FALLBACK, NULL);
    xmpp_stanza_set_attribute(fallback, "for", NS_SFS);
    add(draft, fallback, "body", NULL, NULL);
}

/** A part of the body, counted in code points. */
static xmpp_stanza_t *add_reference(const draft_t *draft, xmpp_stanza_t *parent)
{
    xmpp_stanza_t *reference = add(draft, parent, "reference", NS_REFERENCE, NULL);
    xmpp_stanza_set_type(reference, "data");
    return reference;
}

/** Stateless inline media sharing, which wants type, size, description and hash. */
static void add_sims(const draft_t *draft, xmpp_stanza_t *message)
{
    const shared_file_t *file = draft->file;
    if (!file->media_type || file->size_bytes < 0 || !file->sha256) {
        return;
    }
    xmpp_stanza_t *reference = add_reference(draft, message);
    size_t points = u8_mbsnlen((const uint8_t *)file->url, strlen(file->url));
    xmpp_stanza_set_attribute(reference, "begin", "0");
    xmpp_stanza_set_attribute(reference, "end", apr_psprintf(draft->pool, "%lu", points));
    xmpp_stanza_t *sharing = add(draft, reference, "media-sharing", NS_SIMS, NULL);
    file_claims_add(draft->ctx, sharing, FILE_CLAIMS_JINGLE_NS, file,
                    file->description ? file->description : "", draft->pool);
    xmpp_stanza_t *sources = add(draft, sharing, "sources", NULL, NULL);
    xmpp_stanza_attribute(add_reference(draft, sources), "uri", file->url, draft->pool);
}

xmpp_stanza_t *announcement_build(xmpp_ctx_t *ctx, const shared_file_t *file, const char *type,
                                  const char *to, const char *id, int wants_sims)
{
    draft_t draft = {.ctx = ctx, .file = file};
    apr_pool_create(&draft.pool, NULL);
    xmpp_stanza_t *message = xmpp_message_new(ctx, type, to, id);
    add(&draft, message, "body", NULL, file->url);
    add(&draft, add(&draft, message, "x", NS_OOB, NULL), "url", NULL, file->url);
    add_sfs(&draft, message);
    if (wants_sims) {
        add_sims(&draft, message);
    }
    xmpp_stanza_set_id(add(&draft, message, "origin-id", NS_STANZA_ID, NULL), id);
    apr_pool_destroy(draft.pool);
    return message;
}

xmpp_stanza_t *announcement_build_request(xmpp_ctx_t *ctx, const shared_file_t *file,
                                          const char *to, const char *id, const char *text)
{
    draft_t draft = {.ctx = ctx, .file = file};
    apr_pool_create(&draft.pool, NULL);
    xmpp_stanza_t *iq = xmpp_iq_new(ctx, "set", id);
    xmpp_stanza_set_to(iq, to);
    xmpp_stanza_t *query = add(&draft, iq, "query", NS_IQ_OOB, NULL);
    add(&draft, query, "url", NULL, file->url);
    add(&draft, query, "desc", NULL, text);
    file_claims_add(ctx, query, NS_FILE_METADATA, file, NULL, draft.pool);
    apr_pool_destroy(draft.pool);
    return iq;
}
