#include "direct_roll.h"

#include <stdlib.h>
#include <string.h>

#include <apr_cstr.h>
#include <apr_strings.h>

#include "jf_jid.h"
#include "xmpp_fence.h"
#include "xmpp_news.h"
#include "xmpp_stanza.h"

#define OWN_PRIORITY "-1"
#define PRIORITY_BYTES 8

struct direct_roll_t {
    xmpp_session_t *session;
    const apr_array_header_t *jids;
    const char *online_as;       /* the full JID of the connection that presence was sent on */
    apr_array_header_t *clients; /* of direct_client_t */
    apr_pool_t *pool;            /* of the clients */
};

static int find(const direct_roll_t *roll, const char *jid)
{
    for (int i = 0; i < roll->clients->nelts; i++) {
        if (apr_cstr_casecmp(APR_ARRAY_IDX(roll->clients, i, direct_client_t).jid, jid) == 0) {
            return i;
        }
    }
    return -1;
}

static int count_of(const direct_roll_t *roll, const char *bare)
{
    int count = 0;
    for (int i = 0; i < roll->clients->nelts; i++) {
        count += xmpp_news_is_of(APR_ARRAY_IDX(roll->clients, i, direct_client_t).jid, bare);
    }
    return count;
}

static const char *recipient_of(const direct_roll_t *roll, const char *from)
{
    for (int i = 0; i < roll->jids->nelts; i++) {
        const char *bare = APR_ARRAY_IDX(roll->jids, i, const char *);
        if (xmpp_news_is_of(from, bare)) {
            return bare;
        }
    }
    return NULL;
}

static int read_priority(xmpp_stanza_t *presence, apr_pool_t *pool)
{
    const char *text = xmpp_stanza_child_text(presence, "priority", NULL, pool);
    long priority = text && strlen(text) < PRIORITY_BYTES ? strtol(text, NULL, 10) : 0;
    return priority >= -128 && priority <= 127 ? (int)priority : 0;
}

static void note_online(direct_roll_t *roll, const char *bare, const char *jid, int priority)
{
    int place = find(roll, jid);
    if (place >= 0) {
        APR_ARRAY_IDX(roll->clients, place, direct_client_t).priority = priority;
    } else if (count_of(roll, bare) < DIRECT_CLIENTS_MAX) {
        APR_ARRAY_PUSH(roll->clients, direct_client_t) =
            (direct_client_t){apr_pstrdup(roll->pool, jid), priority};
    }
}

static void note_offline(direct_roll_t *roll, const char *jid)
{
    int place = find(roll, jid);
    if (place >= 0) {
        APR_ARRAY_IDX(roll->clients, place, direct_client_t) =
            *(direct_client_t *)apr_array_pop(roll->clients);
    }
}

static int take_presence(void *baton, xmpp_stanza_t *stanza)
{
    direct_roll_t *roll = baton;
    const char *from = xmpp_stanza_get_from(stanza);
    const char *type = xmpp_stanza_get_type(stanza);
    const char *bare = from && strchr(from, '/') ? recipient_of(roll, from) : NULL;
    if (strcmp(xmpp_stanza_get_name(stanza), "presence") != 0 || !bare) {
        return 0;
    }
    if (!type) {
        apr_pool_t *scratch = NULL;
        if (apr_pool_create(&scratch, roll->pool) == APR_SUCCESS) {
            note_online(roll, bare, from, read_priority(stanza, scratch));
            apr_pool_destroy(scratch);
        }
    } else if (strcmp(type, "unavailable") == 0) {
        note_offline(roll, from);
    }
    return 0;
}

/* A server handles what comes from us in order: once it has answered, the presence that its users
 * let us see has come. */
static jf_err_t *wait_for_presence(direct_roll_t *roll)
{
    xmpp_fences_t *fences = xmpp_fences_begin(roll->session, roll->pool);
    for (int i = 0; i < roll->jids->nelts; i++) {
        xmpp_fences_ask(fences, jf_jid_domain(APR_ARRAY_IDX(roll->jids, i, const char *)));
    }
    jf_err_t *err = xmpp_fences_wait(fences);
    xmpp_fences_end(fences);
    return err;
}

static jf_err_t *go_online(direct_roll_t *roll)
{
    xmpp_ctx_t *ctx = xmpp_session_ctx(roll->session);
    xmpp_stanza_t *presence = xmpp_presence_new(ctx);
    apr_array_clear(roll->clients);
    roll->online_as = xmpp_session_jid(roll->session);
    xmpp_stanza_element(ctx, presence, "priority", NULL, OWN_PRIORITY);
    xmpp_session_send(roll->session, presence);
    return wait_for_presence(roll);
}

jf_err_t *direct_roll_open(direct_roll_t **roll_out, xmpp_session_t *session,
                           const apr_array_header_t *jids, apr_pool_t *pool)
{
    direct_roll_t *roll = apr_pcalloc(pool, sizeof(*roll));
    roll->session = session;
    roll->jids = jids;
    roll->pool = pool;
    roll->clients = apr_array_make(pool, jids->nelts, sizeof(direct_client_t));
    *roll_out = roll;
    xmpp_session_listen(session, take_presence, roll);
    jf_err_t *err = go_online(roll);
    if (err) {
        direct_roll_close(roll);
    }
    return err;
}

jf_err_t *direct_roll_renew(direct_roll_t *roll)
{
    JF_TRY(xmpp_session_renew(roll->session));
    /* Each connection has its JID in memory of its own. */
    return roll->online_as == xmpp_session_jid(roll->session) ? NULL : go_online(roll);
}

apr_array_header_t *direct_roll_clients(const direct_roll_t *roll, const char *bare,
                                        apr_pool_t *pool)
{
    apr_array_header_t *clients = apr_array_make(pool, 4, sizeof(direct_client_t));
    for (int i = 0; i < roll->clients->nelts; i++) {
        direct_client_t client = APR_ARRAY_IDX(roll->clients, i, direct_client_t);
        if (xmpp_news_is_of(client.jid, bare) &&
            apr_cstr_casecmp(client.jid, xmpp_session_jid(roll->session)) != 0) {
            APR_ARRAY_PUSH(clients, direct_client_t) = client;
        }
    }
    return clients;
}

int direct_roll_has(const direct_roll_t *roll, const char *jid)
{
    return find(roll, jid) >= 0;
}

void direct_roll_close(direct_roll_t *roll)
{
    xmpp_session_unlisten(roll->session, take_presence, roll);
}
