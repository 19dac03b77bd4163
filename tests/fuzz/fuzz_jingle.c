/*
 * The input is what stands in the stanzas that a peer sends: the first line in an offer, each line
 * after it in an action about it. "A" at a line's begin: we accept before it; "S": it is about a
 * session that we have begun.
 */
#include "fuzz.h"

#include <string.h>

#include <apr_strings.h>

#include "jingle.h"
#include "jingle_http.h"

#define PEER "alice@example.org/cli"
#define ACTIONS_MAX 20
#define TOLD_MAX 100

/** Where sessions live, and the two that there are. */
typedef struct desk_t {
    xmpp_ctx_t *ctx;
    jingle_t *jingle;
    jingle_session_t *offer; /**< of the peer, or NULL */
    jingle_session_t *ours;
    int answer_count; /**< to the iq that was given last */
    apr_pool_t *pool;
} desk_t;

/** Whatever a peer writes, what we send is a stanza of our own, which anybody can read. */
static void check_sent(void *baton, xmpp_stanza_t *stanza)
{
    desk_t *desk = baton;
    char *text = NULL;
    size_t length = 0;
    FUZZ_CHECK(xmpp_stanza_to_text(stanza, &text, &length) == XMPP_EOK);
    xmpp_stanza_t *again = xmpp_stanza_new_from_string(desk->ctx, text);
    FUZZ_CHECK(again && strcmp(xmpp_stanza_get_to(again), PEER) == 0);
    const char *type = xmpp_stanza_get_type(again);
    FUZZ_CHECK(strcmp(type, "get") != 0);
    desk->answer_count += strcmp(type, "set") != 0;
    xmpp_stanza_release(again);
    xmpp_free(desk->ctx, text);
    xmpp_stanza_release(stanza);
}

static int take_offer(void *baton, jingle_session_t *session)
{
    desk_t *desk = baton;
    if (desk->offer) {
        return 0;
    }
    desk->offer = session;
    FUZZ_CHECK(session->file->size_bytes >= 0 && session->file->sha256 && !session->file->url);
    FUZZ_CHECK(session->state == JINGLE_PENDING && !session->is_ours);
    return 1;
}

static void add_candidate(void *baton, xmpp_ctx_t *ctx, xmpp_stanza_t *transport, apr_pool_t *pool)
{
    jingle_http_add_candidate(ctx, transport, baton, pool);
}

static void check_candidates(xmpp_stanza_t *transport, apr_pool_t *pool)
{
    apr_array_header_t *candidates = jingle_http_read(transport, pool);
    FUZZ_CHECK(candidates->nelts <= JINGLE_HTTP_CANDIDATES_MAX);
    for (int i = 0; i < candidates->nelts; i++) {
        const jingle_candidate_t *candidate = &APR_ARRAY_IDX(candidates, i, jingle_candidate_t);
        const apr_array_header_t *fields = apr_table_elts(candidate->headers);
        FUZZ_CHECK(fuzz_is_printable(candidate->url) && !strchr(candidate->url, ' '));
        FUZZ_CHECK(strncasecmp(candidate->url, "http", strlen("http")) == 0);
        for (int j = 0; j < fields->nelts; j++) {
            const apr_table_entry_t *field = &APR_ARRAY_IDX(fields, j, apr_table_entry_t);
            FUZZ_CHECK(strcmp(field->key, "Authorization") == 0 ||
                       strcmp(field->key, "Cookie") == 0 || strcmp(field->key, "Expires") == 0);
            FUZZ_CHECK(!strpbrk(field->val, "\r\n"));
        }
    }
}

static void check_session(const jingle_session_t *session, apr_pool_t *pool)
{
    FUZZ_CHECK(session->told->nelts <= TOLD_MAX);
    FUZZ_CHECK(!session->is_received || session->is_ours);
    FUZZ_CHECK(session->reason >= JINGLE_SUCCESS && session->reason <= JINGLE_GENERAL_ERROR);
    FUZZ_CHECK(!session->said || !strpbrk(session->said, "\r\n"));
    FUZZ_CHECK((session->state == JINGLE_ACTIVE && session->is_ours) <=
               (session->accepted != NULL));
    if (session->accepted) {
        check_candidates(session->accepted, pool);
    }
}

/** Gives a stanza; one that asks for something and is taken has exactly one answer. */
static void give(desk_t *desk, const char *jingle)
{
    const char *text =
        apr_pstrcat(desk->pool, "<iq type='set' id='i' from='" PEER "'>", jingle, "</iq>", NULL);
    xmpp_stanza_t *stanza = xmpp_stanza_new_from_string(desk->ctx, text);
    if (stanza) {
        desk->answer_count = 0;
        int is_taken = jingle_listen(desk->jingle, stanza);
        FUZZ_CHECK(desk->answer_count == is_taken);
        xmpp_stanza_release(stanza);
    }
}

static void accept_offer(const desk_t *desk)
{
    if (desk->offer) {
        FUZZ_CHECK(!jingle_accept(desk->offer, add_candidate, (void *)"http://192.0.2.7:8010/x"));
    }
}

static void act(desk_t *desk, const char *line)
{
    const char *sid = desk->offer ? desk->offer->sid : "s";
    if (*line == 'A') {
        accept_offer(desk);
        line++;
    } else if (*line == 'S') {
        sid = desk->ours->sid;
        line++;
    }
    xmpp_stanza_t *stanza = xmpp_stanza_new_from_string(desk->ctx, line);
    if (stanza) {
        char *text = NULL;
        size_t length = 0;
        xmpp_stanza_attribute(stanza, "sid", sid, desk->pool);
        FUZZ_CHECK(xmpp_stanza_to_text(stanza, &text, &length) == XMPP_EOK);
        give(desk, apr_pstrdup(desk->pool, text));
        xmpp_free(desk->ctx, text);
        xmpp_stanza_release(stanza);
    }
    check_session(desk->ours, desk->pool);
    if (desk->offer) {
        check_session(desk->offer, desk->pool);
    }
}

static void begin(desk_t *desk)
{
    static const unsigned char digest[JF_SHA256_BYTES];
    static const shared_file_t file = {.name = "b.txt", .size_bytes = 3, .sha256 = digest};
    jingle_take_offers(desk->jingle, JINGLE_HTTP_UPLOAD_NS, take_offer, desk);
    FUZZ_CHECK(!jingle_initiate(&desk->ours, desk->jingle, "bob@example.org/desk", PEER, &file,
                                JINGLE_HTTP_UPLOAD_NS, NULL, NULL));
}

void fuzz_one(const char *text, apr_pool_t *pool)
{
    if (strstr(text, "</iq")) {
        return; /* of several stanzas, xmpp_stanza_new_from_string forgets all but one */
    }
    desk_t desk = {.ctx = xmpp_ctx_new(NULL, NULL)};
    apr_pool_create(&desk.pool, pool);
    desk.jingle = jingle_make(desk.ctx, check_sent, &desk, desk.pool);
    begin(&desk);
    char *rest = apr_pstrdup(desk.pool, text);
    char *line = apr_strtok(rest, "\n", &rest);
    if (line) {
        give(&desk, line);
    }
    for (int i = 0; i < ACTIONS_MAX && line; i++) {
        line = apr_strtok(NULL, "\n", &rest);
        if (line) {
            act(&desk, line);
        }
    }
    apr_pool_destroy(desk.pool); /* what sessions keep of stanzas goes before the context */
    xmpp_ctx_free(desk.ctx);
}
