#include "xmpp_news.h"

#include <string.h>

#include <apr_cstr.h>

#include "announcement.h"
#include "xmpp_stanza.h"

#define NS_STANZA_ID "urn:xmpp:sid:0"

static xmpp_stanza_t *text_message(xmpp_ctx_t *ctx, const char *type, const char *to,
                                   const char *id, const char *text)
{
    xmpp_stanza_t *message = xmpp_message_new(ctx, type, to, id);
    xmpp_stanza_element(ctx, message, "body", NULL, text);
    xmpp_stanza_set_id(xmpp_stanza_element(ctx, message, "origin-id", NS_STANZA_ID, NULL), id);
    return message;
}

apr_array_header_t *xmpp_news_send(xmpp_session_t *session, const xmpp_news_t *news,
                                   const char *type, const char *to, apr_pool_t *pool)
{
    xmpp_ctx_t *ctx = xmpp_session_ctx(session);
    apr_array_header_t *letters =
        apr_array_make(pool, news->files->nelts + 1, sizeof(xmpp_letter_t));
    if (news->message && *news->message) {
        const char *id = xmpp_session_new_id(session);
        APR_ARRAY_PUSH(letters, xmpp_letter_t) = (xmpp_letter_t){id, news->message};
        xmpp_session_send(session, text_message(ctx, type, to, id, news->message));
    }
    for (int i = 0; i < news->files->nelts; i++) {
        const shared_file_t *file = APR_ARRAY_IDX(news->files, i, const shared_file_t *);
        const char *id = xmpp_session_new_id(session);
        APR_ARRAY_PUSH(letters, xmpp_letter_t) = (xmpp_letter_t){id, file->url};
        xmpp_session_send(session, announcement_build(ctx, file, type, to, id, news->wants_sims));
    }
    return letters;
}

const xmpp_letter_t *xmpp_news_find(const apr_array_header_t *letters, const char *id)
{
    for (int i = 0; id && i < letters->nelts; i++) {
        const xmpp_letter_t *letter = &APR_ARRAY_IDX(letters, i, xmpp_letter_t);
        if (strcmp(letter->id, id) == 0) {
            return letter;
        }
    }
    return NULL;
}

int xmpp_news_is_of(const char *address, const char *bare)
{
    size_t length = strlen(bare);
    return address && apr_cstr_casecmpn(address, bare, length) == 0 &&
           (address[length] == '\0' || address[length] == '/');
}
