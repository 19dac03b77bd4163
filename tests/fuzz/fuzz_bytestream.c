/*
 * The input is what a peer sends: a line is what stands in one stanza of a sender of files; all of
 * it is what a proxy answers as well, each byte one higher than it is meant, for the sake of zeros.
 */
#include "fuzz.h"

#include <string.h>

#include <apr_strings.h>

#include "bytestream_socks.h"
#include "bytestream_stanza.h"
#include "si.h"

#define SENDER "alice@example.org/cli"
#define OFFERS_MAX 4

typedef struct inbox_t {
    si_offer_t *offers[OFFERS_MAX];
    int count;
    int answers;
} inbox_t;

/* ---- stanzas ---- */

static void count_answer(void *baton, xmpp_stanza_t *stanza)
{
    inbox_t *inbox = baton;
    const char *to = xmpp_stanza_get_to(stanza);
    const char *type = xmpp_stanza_get_type(stanza);
    FUZZ_CHECK(to && strcmp(to, SENDER) == 0);
    FUZZ_CHECK(type && (strcmp(type, "result") == 0 || strcmp(type, "error") == 0));
    inbox->answers++;
    xmpp_stanza_release(stanza);
}

static int keep_offer(void *baton, si_offer_t *offer)
{
    inbox_t *inbox = baton;
    const shared_file_t *file = offer->file;
    FUZZ_CHECK(offer->state == SI_PENDING && *offer->sid && *file->name);
    FUZZ_CHECK(file->size_bytes >= 0 && file->size_bytes <= APR_INT64_C(1) << 62);
    if (inbox->count == OFFERS_MAX) {
        return 0;
    }
    inbox->offers[inbox->count++] = offer;
    return 1;
}

static void check_hosts(const si_offer_t *offer)
{
    FUZZ_CHECK(offer->hosts->nelts > 0 && offer->hosts->nelts <= BYTESTREAM_HOSTS_MAX);
    FUZZ_CHECK(!offer->dstaddr || bytestream_is_hash(offer->dstaddr));
    for (int i = 0; i < offer->hosts->nelts; i++) {
        const bytestream_host_t *host = &APR_ARRAY_IDX(offer->hosts, i, bytestream_host_t);
        FUZZ_CHECK(*host->jid && *host->host && fuzz_is_printable(host->host));
        FUZZ_CHECK(!strchr(host->host, ' ') && host->port > 0 && host->port <= 65535);
    }
}

/* Nobody waits in vain, and nobody gets two answers. */
static void arrive(inbox_t *inbox, si_t *si, xmpp_stanza_t *iq)
{
    int answers = inbox->answers;
    int count = inbox->count;
    int streams = 0;
    for (int i = 0; i < count; i++) {
        streams -= inbox->offers[i]->state == SI_OFFERED;
    }
    int is_taken = si_listen(si, iq);
    for (int i = 0; i < count; i++) {
        streams += inbox->offers[i]->state == SI_OFFERED;
    }
    FUZZ_CHECK(inbox->answers - answers + inbox->count - count + streams == is_taken);
    if (inbox->count > count) {
        si_accept(inbox->offers[count]);
        FUZZ_CHECK(inbox->answers == answers + 1);
    }
}

static void finish(inbox_t *inbox)
{
    for (int i = 0; i < inbox->count; i++) {
        si_offer_t *offer = inbox->offers[i];
        int answers = inbox->answers;
        if (offer->state == SI_OFFERED) {
            check_hosts(offer);
            si_use_host(offer, APR_ARRAY_IDX(offer->hosts, 0, bytestream_host_t).jid);
            FUZZ_CHECK(inbox->answers == answers + 1);
        }
        answers = inbox->answers;
        si_end(offer, SI_FAILED);
        FUZZ_CHECK(inbox->answers == answers);
        si_forget(offer);
    }
}

static void read_as_answer(xmpp_stanza_t *request, apr_pool_t *pool)
{
    xmpp_stanza_t *iq = xmpp_stanza_copy(request);
    xmpp_stanza_set_type(iq, "result");
    const char *used = bytestream_stanza_used(iq);
    int is_accepted = si_stanza_is_accepted(iq, pool);
    FUZZ_CHECK(!is_accepted || xmpp_stanza_get_child_by_name(iq, "si"));
    FUZZ_CHECK(!used || xmpp_stanza_get_child_by_name(iq, "query"));
    xmpp_stanza_release(iq);
}

static void check_stanzas(const char *text, apr_pool_t *pool)
{
    inbox_t inbox = {.count = 0};
    char *state = NULL;
    xmpp_ctx_t *ctx = xmpp_ctx_new(NULL, NULL);
    si_t *si = si_make(ctx, count_answer, &inbox, keep_offer, &inbox, pool);
    for (char *line = apr_strtok(apr_pstrdup(pool, text), "\n", &state); line;
         line = apr_strtok(NULL, "\n", &state)) {
        const char *stanza =
            apr_pstrcat(pool, "<iq type='set' id='i' from='" SENDER "'>", line, "</iq>", NULL);
        /* of several stanzas, xmpp_stanza_new_from_string forgets all but one */
        xmpp_stanza_t *iq = strstr(line, "</iq") ? NULL : xmpp_stanza_new_from_string(ctx, stanza);
        if (iq) {
            arrive(&inbox, si, iq);
            read_as_answer(iq, pool);
            xmpp_stanza_release(iq);
        }
    }
    finish(&inbox);
    xmpp_ctx_free(ctx);
}

/* ---- SOCKS ---- */

/* What comes in pieces of any size means the same. @return how much of it was SOCKS */
static size_t take_answers(bytestream_socks_step_t *step, const unsigned char *bytes, size_t length,
                           size_t piece_bytes)
{
    unsigned char greeting[BYTESTREAM_GREETING_BYTES];
    bytestream_socks_t socks;
    size_t taken = 0;
    bytestream_socks_begin(&socks, greeting);
    *step = BYTESTREAM_SOCKS_MORE;
    while (taken < length && *step <= BYTESTREAM_SOCKS_REQUEST) {
        size_t size = bytestream_socks_wants(&socks);
        FUZZ_CHECK(size > 0 && size <= BYTESTREAM_PIECE_BYTES_MAX);
        size = size < piece_bytes ? size : piece_bytes;
        size = size < length - taken ? size : length - taken;
        *step = bytestream_socks_take(&socks, bytes + taken, size);
        taken += size;
    }
    FUZZ_CHECK(*step != BYTESTREAM_SOCKS_REFUSED || *bytestream_socks_words(&socks));
    return taken;
}

static void check_socks(const char *text, apr_pool_t *pool)
{
    size_t length = strlen(text);
    unsigned char *bytes = apr_palloc(pool, length + 1);
    for (size_t i = 0; i < length; i++) {
        bytes[i] = (unsigned char)(text[i] - 1);
    }
    bytestream_socks_step_t step = BYTESTREAM_SOCKS_MORE;
    bytestream_socks_step_t again = BYTESTREAM_SOCKS_MORE;
    size_t taken = take_answers(&step, bytes, length, length);
    FUZZ_CHECK(take_answers(&again, bytes, length, 1) == taken && step == again);
}

void fuzz_one(const char *text, apr_pool_t *pool)
{
    check_stanzas(text, pool);
    check_socks(text, pool);
}
