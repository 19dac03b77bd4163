#include "si.h"

#include <string.h>

#include <apr_strings.h>

#include "bytestream_socks.h"
#include "bytestream_stanza.h"

struct si_t {
    xmpp_ctx_t *ctx;
    si_send_t *send;
    void *send_baton;
    si_offered_t *offered;
    void *offered_baton;
    si_offer_t *offers;
    apr_pool_t *pool;
};

si_t *si_make(xmpp_ctx_t *ctx, si_send_t *send, void *send_baton, si_offered_t *offered,
              void *offered_baton, apr_pool_t *pool)
{
    si_t *si = apr_pcalloc(pool, sizeof(*si));
    si->ctx = ctx;
    si->send = send;
    si->send_baton = send_baton;
    si->offered = offered;
    si->offered_baton = offered_baton;
    si->pool = pool;
    return si;
}

static si_offer_t *find(const si_t *si, const char *peer, const char *sid)
{
    si_offer_t *offer = si->offers;
    while (offer && (strcmp(offer->peer, peer) != 0 || strcmp(offer->sid, sid) != 0)) {
        offer = offer->next;
    }
    return offer;
}

/* NULL for what cannot be answered. */
static void reply(const si_t *si, xmpp_stanza_t *stanza)
{
    if (stanza) {
        si->send(si->send_baton, stanza);
    }
}

/* ---- the answers that are due ---- */

static void forget_iq(si_offer_t *offer)
{
    if (offer->iq) {
        xmpp_stanza_release(offer->iq);
    }
    offer->iq = NULL;
}

void si_accept(si_offer_t *offer)
{
    reply(offer->si, si_stanza_answer(offer->si->ctx, offer->iq, SI_TAKEN));
    forget_iq(offer);
    offer->state = SI_ACCEPTED;
}

void si_use_host(si_offer_t *offer, const char *jid)
{
    reply(offer->si, bytestream_stanza_use(offer->si->ctx, offer->iq, jid, offer->pool));
    forget_iq(offer);
}

void si_end(si_offer_t *offer, si_answer_t answer)
{
    if (offer->iq && offer->state == SI_PENDING) {
        reply(offer->si, si_stanza_answer(offer->si->ctx, offer->iq, answer));
    } else if (offer->iq) {
        reply(offer->si, xmpp_stanza_reply_error(offer->iq, "cancel", "item-not-found", NULL));
    }
    forget_iq(offer);
    offer->state = SI_ENDED;
}

void si_forget(si_offer_t *offer)
{
    si_offer_t **place = &offer->si->offers;
    while (*place && *place != offer) {
        place = &(*place)->next;
    }
    if (*place) {
        *place = offer->next;
    }
    apr_pool_destroy(offer->pool);
}

/* ---- what senders do ---- */

static si_offer_t *make_offer(si_t *si, xmpp_stanza_t *iq)
{
    apr_pool_t *pool = NULL;
    if (apr_pool_create(&pool, si->pool) != APR_SUCCESS) {
        return NULL;
    }
    si_offer_t *offer = apr_pcalloc(pool, sizeof(*offer));
    offer->si = si;
    offer->pool = pool;
    offer->peer = apr_pstrdup(pool, xmpp_stanza_get_from(iq));
    offer->iq = xmpp_stanza_clone(iq);
    return offer;
}

static si_answer_t read_offer(si_offer_t *offer)
{
    si_request_t request = {.sid = NULL};
    si_answer_t answer = si_stanza_read(&request, offer->iq, offer->pool);
    if (answer != SI_TAKEN) {
        return answer;
    }
    if (find(offer->si, offer->peer, request.sid)) {
        return SI_BAD_REQUEST;
    }
    offer->sid = request.sid;
    offer->file = request.file;
    offer->md5 = request.md5;
    return offer->si->offered(offer->si->offered_baton, offer) ? SI_TAKEN : SI_NO_ROOM;
}

/* Without an id there could be no answer. */
static int take_offer(si_t *si, xmpp_stanza_t *iq)
{
    si_offer_t *offer =
        xmpp_stanza_get_from(iq) && xmpp_stanza_get_id(iq) ? make_offer(si, iq) : NULL;
    if (!offer) {
        return 0;
    }
    si_answer_t answer = read_offer(offer);
    if (answer == SI_TAKEN) {
        offer->next = si->offers;
        si->offers = offer;
    } else {
        si_end(offer, answer);
        si_forget(offer);
    }
    return 1;
}

/* The condition of a refusal, or NULL. */
static const char *take_stream(si_t *si, xmpp_stanza_t *iq, xmpp_stanza_t *query)
{
    const char *sid = xmpp_stanza_get_attribute(query, "sid");
    const char *mode = xmpp_stanza_get_attribute(query, "mode");
    const char *dstaddr = xmpp_stanza_get_attribute(query, "dstaddr");
    si_offer_t *offer = sid ? find(si, xmpp_stanza_get_from(iq), sid) : NULL;
    if (!sid || (dstaddr && !bytestream_is_hash(dstaddr))) {
        return "bad-request";
    }
    if (!offer || offer->state != SI_ACCEPTED || (mode && strcmp(mode, "tcp") != 0)) {
        return "not-acceptable";
    }
    const apr_array_header_t *hosts = bytestream_stanza_hosts(query, offer->pool);
    if (hosts->nelts == 0) {
        return "bad-request";
    }
    offer->hosts = hosts;
    offer->dstaddr = dstaddr ? apr_pstrdup(offer->pool, dstaddr) : NULL;
    offer->iq = xmpp_stanza_clone(iq);
    offer->state = SI_OFFERED;
    return NULL;
}

static int take_query(si_t *si, xmpp_stanza_t *iq)
{
    xmpp_stanza_t *query = bytestream_stanza_query(iq, "set");
    if (!query || !xmpp_stanza_get_from(iq) || !xmpp_stanza_get_id(iq)) {
        return 0;
    }
    const char *condition = take_stream(si, iq, query);
    if (condition) {
        reply(si, xmpp_stanza_reply_error(iq, "modify", condition, NULL));
    }
    return 1;
}

static void note_presence(const si_t *si, xmpp_stanza_t *presence)
{
    const char *from = xmpp_stanza_get_from(presence);
    const char *type = xmpp_stanza_get_type(presence);
    int is_gone = from && type && strcmp(type, "unavailable") == 0;
    for (si_offer_t *offer = si->offers; is_gone && offer; offer = offer->next) {
        offer->is_gone |= strcmp(offer->peer, from) == 0;
    }
}

int si_listen(void *baton, xmpp_stanza_t *stanza)
{
    si_t *si = baton;
    const char *name = xmpp_stanza_get_name(stanza);
    if (si_stanza_is_offer(stanza)) {
        return take_offer(si, stanza);
    }
    if (name && strcmp(name, "presence") == 0) {
        note_presence(si, stanza);
        return 0;
    }
    return name && strcmp(name, "iq") == 0 ? take_query(si, stanza) : 0;
}
