#include "xmpp_deliver.h"

#include <string.h>

#include <apr_hash.h>
#include <apr_strings.h>

#include "jf_jid.h"
#include "xmpp_disco.h"
#include "xmpp_fence.h"
#include "xmpp_news.h"
#include "xmpp_refusal.h"
#include "xmpp_room.h"

static const xmpp_refusal_t refusals[] = {
    {"forbidden", "messages from this account are not let through"},
    {"gone", "the recipient has moved away"},
    {"item-not-found", "there is no such user"},
    {"not-acceptable", "the recipient does not take it, or has blocked this account"},
    {"not-allowed", "messages from this account are not let through"},
    {"recipient-unavailable", "the recipient is offline, and nothing is kept for later"},
    {"resource-constraint", "too much is waiting for the recipient already"},
    {"service-unavailable", "no such user, or one who takes no messages from strangers"},
    {NULL, NULL},
};

/** A person, and what was sent to them. */
typedef struct recipient_t {
    delivery_t *delivery;
    const apr_array_header_t *letters; /**< of xmpp_letter_t */
    const xmpp_fence_t *fence;
    const char *refusal;
} recipient_t;

/** One round of telling everybody. */
typedef struct round_t {
    xmpp_session_t *session;
    const xmpp_news_t *news;
    apr_array_header_t *recipients; /**< of recipient_t *: persons only */
    xmpp_fences_t *fences;
    int has_renewed;
    int has_told_any; /**< somebody's fate is known */
    apr_pool_t *pool;
} round_t;

/* ---- the connection ---- */

static int is_lost(const jf_err_t *err)
{
    return err && err->code == JF_ERR_UNAVAILABLE;
}

/** @param loss is returned the second time. */
static jf_err_t *renew_once(round_t *round, jf_err_t *loss)
{
    if (round->has_renewed) {
        return loss;
    }
    round->has_renewed = 1;
    return xmpp_session_renew(round->session);
}

/* ---- persons and rooms ---- */

static const char *own_domain(const round_t *round)
{
    const char *jid = xmpp_session_jid(round->session);
    const char *domain = strchr(jid, '@');
    return apr_pstrmemdup(round->pool, domain ? domain + 1 : jid,
                          strcspn(domain ? domain + 1 : jid, "/"));
}

/** Asks each domain once; our own one has accounts. */
static jf_err_t *try_to_tell_apart(apr_array_header_t *deliveries, round_t *round)
{
    static const char yes[] = "yes";
    static const char no[] = "no";
    apr_hash_t *known = apr_hash_make(round->pool);
    apr_hash_set(known, own_domain(round), APR_HASH_KEY_STRING, no);
    for (int i = 0; i < deliveries->nelts; i++) {
        delivery_t *delivery = APR_ARRAY_IDX(deliveries, i, delivery_t *);
        const char *domain = jf_jid_domain(delivery->jid);
        const char *answer = apr_hash_get(known, domain, APR_HASH_KEY_STRING);
        if (!answer) {
            int has_rooms = 0;
            JF_TRY(xmpp_disco_has_rooms(&has_rooms, round->session, domain, round->pool));
            answer = has_rooms ? yes : no;
            apr_hash_set(known, domain, APR_HASH_KEY_STRING, answer);
        }
        delivery->is_room = answer == yes;
    }
    return NULL;
}

static jf_err_t *tell_rooms_apart(apr_array_header_t *deliveries, round_t *round)
{
    jf_err_t *err = try_to_tell_apart(deliveries, round);
    if (is_lost(err)) {
        JF_TRY(renew_once(round, err));
        err = try_to_tell_apart(deliveries, round);
    }
    return err;
}

/* ---- persons ---- */

static int take_bounce(void *baton, xmpp_stanza_t *stanza)
{
    round_t *round = baton;
    const char *type = xmpp_stanza_get_type(stanza);
    if (strcmp(xmpp_stanza_get_name(stanza), "message") != 0 || !type ||
        strcmp(type, "error") != 0) {
        return 0;
    }
    for (int i = 0; i < round->recipients->nelts; i++) {
        recipient_t *recipient = APR_ARRAY_IDX(round->recipients, i, recipient_t *);
        const char *jid = recipient->delivery->jid;
        const char *from = xmpp_stanza_get_from(stanza);
        if (xmpp_news_find(recipient->letters, xmpp_stanza_get_id(stanza)) &&
            (xmpp_news_is_of(from, jid) || xmpp_news_is_of(from, jf_jid_domain(jid)))) {
            recipient->refusal = xmpp_refusal_text(stanza, refusals, round->pool);
            return 1;
        }
    }
    return 0;
}

static void send_to_persons(apr_array_header_t *deliveries, round_t *round)
{
    for (int i = 0; i < deliveries->nelts; i++) {
        delivery_t *delivery = APR_ARRAY_IDX(deliveries, i, delivery_t *);
        if (!delivery->is_room) {
            recipient_t *recipient = apr_pcalloc(round->pool, sizeof(*recipient));
            recipient->delivery = delivery;
            recipient->letters =
                xmpp_news_send(round->session, round->news, "chat", delivery->jid, round->pool);
            APR_ARRAY_PUSH(round->recipients, recipient_t *) = recipient;
        }
    }
    /* After all messages, so that one question is enough for each domain. */
    for (int i = 0; i < round->recipients->nelts; i++) {
        recipient_t *recipient = APR_ARRAY_IDX(round->recipients, i, recipient_t *);
        recipient->fence = xmpp_fences_ask(round->fences, jf_jid_domain(recipient->delivery->jid));
    }
}

/** @param end why waiting ended before all had answered, or NULL. */
static void settle(recipient_t *recipient, const jf_err_t *end, apr_pool_t *pool)
{
    delivery_t *delivery = recipient->delivery;
    const xmpp_fence_t *fence = recipient->fence;
    const char *refusal = recipient->refusal ? recipient->refusal : fence->refusal;
    if (refusal) {
        delivery->state = DELIVERY_REFUSED;
        delivery->reason = refusal;
    } else if (fence->is_passed) {
        delivery->state = DELIVERY_HANDED;
        delivery->reason = NULL;
    } else if (end) {
        delivery->state = DELIVERY_FAILED;
        delivery->reason =
            apr_psprintf(pool, "it is not known whether it has arrived: %s", end->text);
    } else {
        delivery->state = DELIVERY_SENT;
        delivery->reason = apr_psprintf(pool, "%s has not answered yet", fence->domain);
    }
}

static void settle_all(round_t *round, const jf_err_t *end)
{
    for (int i = 0; i < round->recipients->nelts; i++) {
        settle(APR_ARRAY_IDX(round->recipients, i, recipient_t *), end, round->pool);
        round->has_told_any = 1;
    }
}

/* ---- rooms ---- */

static void fail(delivery_t *delivery, const char *what, const jf_err_t *err, apr_pool_t *pool)
{
    delivery->state = DELIVERY_FAILED;
    delivery->reason = apr_psprintf(pool, "%s: %s", what, err->text);
}

static jf_err_t *tell_room(delivery_t *delivery, round_t *round)
{
    int has_posted = 0;
    jf_err_t *err = xmpp_room_tell(delivery, &has_posted, round->session, round->news, round->pool);
    if (is_lost(err) && !has_posted) {
        JF_TRY(renew_once(round, err));
        err = xmpp_room_tell(delivery, &has_posted, round->session, round->news, round->pool);
    }
    if (err && has_posted) {
        fail(delivery, "it is not known whether it was posted", err, round->pool);
        return is_lost(err) ? NULL : err;
    }
    return err;
}

static jf_err_t *tell_rooms(apr_array_header_t *deliveries, round_t *round)
{
    jf_err_t *lost = NULL;
    for (int i = 0; i < deliveries->nelts; i++) {
        delivery_t *delivery = APR_ARRAY_IDX(deliveries, i, delivery_t *);
        if (!delivery->is_room) {
            continue;
        }
        if (!lost) {
            jf_err_t *err = tell_room(delivery, round);
            if (err && (client_is_interrupted() || !round->has_told_any)) {
                return err;
            }
            lost = err;
            round->has_told_any = 1;
        }
        if (lost) {
            fail(delivery, "nothing was sent", lost, round->pool);
        }
    }
    return NULL;
}

/* ---- all ---- */

apr_array_header_t *xmpp_deliver_prepare(const apr_array_header_t *jids, apr_pool_t *pool)
{
    apr_array_header_t *deliveries = apr_array_make(pool, jids->nelts, sizeof(delivery_t *));
    for (int i = 0; i < jids->nelts; i++) {
        delivery_t *delivery = apr_pcalloc(pool, sizeof(*delivery));
        delivery->jid = APR_ARRAY_IDX(jids, i, const char *);
        delivery->state = DELIVERY_FAILED;
        delivery->reason = "nothing was sent";
        APR_ARRAY_PUSH(deliveries, delivery_t *) = delivery;
    }
    return deliveries;
}

static jf_err_t *tell_all(apr_array_header_t *deliveries, round_t *round)
{
    send_to_persons(deliveries, round);
    jf_err_t *err = round->recipients->nelts > 0 ? xmpp_fences_wait(round->fences) : NULL;
    settle_all(round, err);
    if (err && !is_lost(err)) {
        return err;
    }
    jf_err_t *rooms_err = tell_rooms(deliveries, round);
    /* A refusal may have come late, while the rooms were told. */
    settle_all(round, err);
    return rooms_err;
}

jf_err_t *xmpp_deliver(apr_array_header_t *deliveries, xmpp_session_t *session,
                       const apr_array_header_t *files, const char *message, int wants_sims,
                       apr_pool_t *pool)
{
    const xmpp_news_t news = {.files = files, .message = message, .wants_sims = wants_sims};
    round_t round = {.session = session, .news = &news, .pool = pool};
    round.recipients = apr_array_make(pool, deliveries->nelts, sizeof(recipient_t *));
    /* The upload may have taken long. */
    JF_TRY(xmpp_session_renew(session));
    JF_TRY(tell_rooms_apart(deliveries, &round));
    round.fences = xmpp_fences_begin(session, pool);
    xmpp_session_listen(session, take_bounce, &round);
    jf_err_t *err = tell_all(deliveries, &round);
    xmpp_session_unlisten(session, take_bounce, &round);
    xmpp_fences_end(round.fences);
    return err;
}
