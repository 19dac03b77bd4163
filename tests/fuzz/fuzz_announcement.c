/*
 * The input is what stands in a message, or in an iq, that somebody sends.
 */
#include "fuzz.h"

#include <string.h>

#include <apr_strings.h>

#include "announcement.h"

#define FILES_MAX 20
#define URL_BYTES_MAX 4096
#define TEXT_BYTES_MAX 1024

static void check_text(const char *text)
{
    FUZZ_CHECK(!text || (*text && strlen(text) <= TEXT_BYTES_MAX));
}

static void check_file(const shared_file_t *file)
{
    FUZZ_CHECK(strlen(file->url) <= URL_BYTES_MAX);
    FUZZ_CHECK(fuzz_is_printable(file->url) && !strchr(file->url, ' '));
    FUZZ_CHECK(strstr(file->url, "://"));
    check_text(file->name);
    check_text(file->description);
    check_text(file->media_type);
    FUZZ_CHECK(!file->media_type || fuzz_is_printable(file->media_type));
    FUZZ_CHECK(file->size_bytes >= -1 && file->size_bytes <= APR_INT64_C(1) << 62);
    FUZZ_CHECK(file->date_us >= 0);
}

static apr_array_header_t *parse(xmpp_ctx_t *ctx, const char *text, apr_pool_t *pool)
{
    xmpp_stanza_t *stanza = xmpp_stanza_new_from_string(ctx, text);
    if (!stanza) {
        return NULL;
    }
    apr_array_header_t *files = announcement_parse(stanza, pool);
    xmpp_stanza_release(stanza);
    return files;
}

static int is_same_digest(const unsigned char *a, const unsigned char *b)
{
    return a && b ? memcmp(a, b, JF_SHA256_BYTES) == 0 : a == b;
}

/** What is told on is what was understood. */
static void check_told_on(xmpp_ctx_t *ctx, const shared_file_t *file, apr_pool_t *pool)
{
    char *text;
    size_t length;
    xmpp_stanza_t *message = announcement_build(ctx, file, "chat", "bob@example.org", "m1", 1);
    FUZZ_CHECK(xmpp_stanza_to_text(message, &text, &length) == XMPP_EOK);
    apr_array_header_t *files = parse(ctx, text, pool);
    FUZZ_CHECK(files && files->nelts == 1);
    const shared_file_t *again = APR_ARRAY_IDX(files, 0, shared_file_t *);
    FUZZ_CHECK(strcmp(again->url, file->url) == 0);
    FUZZ_CHECK(again->size_bytes == file->size_bytes);
    FUZZ_CHECK(is_same_digest(again->sha256, file->sha256));
    FUZZ_CHECK(is_same_digest(again->sha3_256, file->sha3_256));
    xmpp_free(ctx, text);
    xmpp_stanza_release(message);
}

static void check_stanza(xmpp_ctx_t *ctx, const char *stanza, apr_pool_t *pool)
{
    apr_array_header_t *files = parse(ctx, stanza, pool);
    for (int i = 0; files && i < files->nelts; i++) {
        const shared_file_t *file = APR_ARRAY_IDX(files, i, shared_file_t *);
        check_file(file);
        check_told_on(ctx, file, pool);
        for (int j = 0; j < i; j++) {
            FUZZ_CHECK(strcmp(APR_ARRAY_IDX(files, j, shared_file_t *)->url, file->url) != 0);
        }
    }
    FUZZ_CHECK(!files || files->nelts <= FILES_MAX);
}

void fuzz_one(const char *text, apr_pool_t *pool)
{
    if (strstr(text, "</message") || strstr(text, "</iq")) {
        return; /* of several stanzas, xmpp_stanza_new_from_string forgets all but one */
    }
    xmpp_ctx_t *ctx = xmpp_ctx_new(NULL, NULL);
    check_stanza(ctx, apr_pstrcat(pool, "<message>", text, "</message>", NULL), pool);
    check_stanza(ctx, apr_pstrcat(pool, "<iq type='set'>", text, "</iq>", NULL), pool);
    xmpp_ctx_free(ctx);
}
