#include "direct_peer.h"

#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "xmpp_disco.h"
#include "xmpp_stanza.h"

/* How long clients may take to say what they can, while a person waits. */
#define ANSWER_US apr_time_from_sec(10)
/* After so long a silence a client is asked whether it is still there … */
#define SILENCE_US apr_time_from_sec(10)
/* … and is gone if it has not answered within this. */
#define LIFE_US apr_time_from_sec(30)

struct direct_watch_t {
    const direct_roll_t *roll;
    xmpp_session_t *session;
    int was_online; /* the roll has had it */
    xmpp_query_t query;
    int is_asking;
    apr_time_t heard_us;
    apr_time_t asked_us;
};

static direct_peer_t *make_peer(const direct_roll_t *roll, xmpp_session_t *session,
                                direct_client_t client, apr_pool_t *pool)
{
    direct_peer_t *peer = apr_pcalloc(pool, sizeof(*peer));
    struct direct_watch_t *watch = apr_pcalloc(pool, sizeof(*watch));
    peer->jid = client.jid;
    peer->priority = client.priority;
    peer->watch = watch;
    watch->roll = roll;
    watch->session = session;
    watch->was_online = direct_roll_has(roll, peer->jid);
    return peer;
}

static apr_array_header_t *list_clients(const direct_roll_t *roll, const char *jid,
                                        apr_pool_t *pool)
{
    if (!strchr(jid, '/')) {
        return direct_roll_clients(roll, jid, pool);
    }
    apr_array_header_t *clients = apr_array_make(pool, 1, sizeof(direct_client_t));
    APR_ARRAY_PUSH(clients, direct_client_t) = (direct_client_t){jid, 0};
    return clients;
}

static void ask(direct_peer_t *peer)
{
    struct direct_watch_t *watch = peer->watch;
    watch->is_asking = 1;
    watch->asked_us = apr_time_now();
    xmpp_disco_ask(&watch->query, watch->session, peer->jid);
}

/* Waits no longer for an answer. @return the one that came, to be released, or NULL. */
static xmpp_stanza_t *end_asking(direct_peer_t *peer)
{
    struct direct_watch_t *watch = peer->watch;
    if (!watch->is_asking) {
        return NULL;
    }
    watch->is_asking = 0;
    xmpp_query_end(&watch->query, watch->session);
    return watch->query.answer;
}

static int is_answered(const apr_array_header_t *peers)
{
    for (int i = 0; i < peers->nelts; i++) {
        if (!APR_ARRAY_IDX(peers, i, direct_peer_t *)->watch->query.answer) {
            return 0;
        }
    }
    return 1;
}

static void read_answer(direct_peer_t *peer, apr_pool_t *pool)
{
    xmpp_stanza_t *answer = end_asking(peer);
    if (answer) {
        peer->features = xmpp_disco_features(answer, pool);
        xmpp_stanza_release(answer);
    }
}

static int compare_priorities(const void *one, const void *other)
{
    const direct_peer_t *a = *(direct_peer_t *const *)one;
    const direct_peer_t *b = *(direct_peer_t *const *)other;
    return a->priority != b->priority ? b->priority - a->priority : strcmp(a->jid, b->jid);
}

/* All are asked at once. */
static jf_err_t *ask_all(const apr_array_header_t *peers, xmpp_session_t *session, apr_pool_t *pool)
{
    jf_err_t *err = NULL;
    apr_time_t end_us = apr_time_now() + ANSWER_US;
    for (int i = 0; i < peers->nelts; i++) {
        ask(APR_ARRAY_IDX(peers, i, direct_peer_t *));
    }
    while (!err && !is_answered(peers) && apr_time_now() < end_us) {
        err = xmpp_session_run(session, end_us - apr_time_now());
    }
    for (int i = 0; i < peers->nelts; i++) {
        read_answer(APR_ARRAY_IDX(peers, i, direct_peer_t *), pool);
    }
    return err;
}

jf_err_t *direct_peer_find(apr_array_header_t **peers, const direct_roll_t *roll,
                           xmpp_session_t *session, const char *jid, apr_pool_t *pool)
{
    const apr_array_header_t *clients = list_clients(roll, jid, pool);
    apr_array_header_t *all = apr_array_make(pool, clients->nelts, sizeof(direct_peer_t *));
    *peers = apr_array_make(pool, clients->nelts, sizeof(direct_peer_t *));
    for (int i = 0; i < clients->nelts; i++) {
        APR_ARRAY_PUSH(all, direct_peer_t *) =
            make_peer(roll, session, APR_ARRAY_IDX(clients, i, direct_client_t), pool);
    }
    JF_TRY(ask_all(all, session, pool));
    for (int i = 0; i < all->nelts; i++) {
        direct_peer_t *peer = APR_ARRAY_IDX(all, i, direct_peer_t *);
        if (peer->features) {
            direct_peer_is_alive(peer);
            APR_ARRAY_PUSH(*peers, direct_peer_t *) = peer;
        }
    }
    qsort((*peers)->elts, (size_t)(*peers)->nelts, sizeof(direct_peer_t *), compare_priorities);
    return NULL;
}

/* ---- whether it is still there ---- */

/* What could answer before and now is an error is an answer of its server. */
static int has_answered_badly(direct_peer_t *peer)
{
    xmpp_stanza_t *answer = end_asking(peer);
    int is_error = xmpp_stanza_condition(answer) != NULL;
    xmpp_stanza_release(answer);
    direct_peer_is_alive(peer);
    return is_error;
}

int direct_peer_is_gone(direct_peer_t *peer)
{
    struct direct_watch_t *watch = peer->watch;
    apr_time_t now_us = apr_time_now();
    if (watch->was_online && !direct_roll_has(watch->roll, peer->jid)) {
        return 1;
    }
    if (watch->is_asking && watch->query.answer) {
        return has_answered_badly(peer);
    }
    if (!watch->is_asking && now_us - watch->heard_us > SILENCE_US) {
        ask(peer);
    }
    if (!watch->is_asking || now_us - watch->asked_us <= LIFE_US) {
        return 0;
    }
    end_asking(peer);
    return watch->heard_us < watch->asked_us;
}

void direct_peer_is_alive(direct_peer_t *peer)
{
    peer->watch->heard_us = apr_time_now();
}

void direct_peer_leave(direct_peer_t *peer)
{
    xmpp_stanza_t *answer = end_asking(peer);
    if (answer) {
        xmpp_stanza_release(answer);
    }
}
