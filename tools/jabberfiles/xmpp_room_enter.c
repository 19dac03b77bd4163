/* Entering and leaving a room. */

#include "xmpp_room_private.h"

#include <string.h>

#include <apr_strings.h>

#include "xmpp_news.h"
#include "xmpp_refusal.h"
#include "xmpp_stanza.h"

#define NS_MUC "http://jabber.org/protocol/muc"
#define NS_MUC_USER "http://jabber.org/protocol/muc#user"
#define NS_MUC_OWNER "http://jabber.org/protocol/muc#owner"
#define STATUS_SELF "110"
#define STATUS_NEW_ROOM "201"

#define NICKS_MAX 9
#define LEAVE_US apr_time_from_sec(5)

static const xmpp_refusal_t refusals[] = {
    {"conflict", "all nicknames that we have tried are taken"},
    {"forbidden", "the room does not let this account in"},
    {"item-not-found", "there is no such room"},
    {"not-acceptable", "the room wants the nickname that is registered there"},
    {"not-allowed", "there is no such room, and this account may not make one"},
    {"not-authorized", "the room wants a password"},
    {"registration-required", "only members may enter the room"},
    {"service-unavailable", "the room is full"},
    {NULL, NULL},
};

/* ---- what the room says ---- */

static int has_status(xmpp_stanza_t *x, const char *code)
{
    for (xmpp_stanza_t *child = xmpp_stanza_get_children(x); child;
         child = xmpp_stanza_get_next(child)) {
        const char *name = xmpp_stanza_get_name(child);
        const char *its_code =
            name && strcmp(name, "status") == 0 ? xmpp_stanza_get_attribute(child, "code") : NULL;
        if (its_code && strcmp(its_code, code) == 0) {
            return 1;
        }
    }
    return 0;
}

/** 1 if a presence is about ourselves; when a room is destroyed not all servers say so. */
static int is_own_presence(const xmpp_visit_t *visit, xmpp_stanza_t *presence, xmpp_stanza_t *x)
{
    return has_status(x, STATUS_SELF) ||
           (visit->is_in && strcmp(xmpp_stanza_get_from(presence), visit->occupant) == 0);
}

/** Takes what a presence tells of ourselves; the room may have given us another nickname. */
static void take_own_presence(xmpp_visit_t *visit, xmpp_stanza_t *presence, xmpp_stanza_t *x)
{
    const char *type = xmpp_stanza_get_type(presence);
    if (type && strcmp(type, "unavailable") == 0) {
        visit->is_over = visit->is_in;
    } else if (!type) {
        visit->occupant = apr_pstrdup(visit->pool, xmpp_stanza_get_from(presence));
        visit->is_in = 1;
        visit->is_new = has_status(x, STATUS_NEW_ROOM);
    }
}

static int take_presence(void *baton, xmpp_stanza_t *stanza)
{
    xmpp_visit_t *visit = baton;
    if (strcmp(xmpp_stanza_get_name(stanza), "presence") != 0 ||
        !xmpp_news_is_of(xmpp_stanza_get_from(stanza), visit->room)) {
        return 0;
    }
    const char *type = xmpp_stanza_get_type(stanza);
    xmpp_stanza_t *x = xmpp_stanza_get_child_by_name_and_ns(stanza, "x", NS_MUC_USER);
    if (type && strcmp(type, "error") == 0) {
        const char *condition = xmpp_stanza_condition(stanza);
        visit->condition = apr_pstrdup(visit->pool, condition ? condition : "");
        visit->refusal = xmpp_refusal_text(stanza, refusals, visit->pool);
    } else if (x && is_own_presence(visit, stanza, x)) {
        take_own_presence(visit, stanza, x);
    }
    return 1;
}

void xmpp_visit_begin(xmpp_visit_t *visit, xmpp_session_t *session, const char *room,
                      apr_pool_t *pool)
{
    *visit = (xmpp_visit_t){.session = session, .room = room, .pool = pool};
    xmpp_session_listen(session, take_presence, visit);
}

void xmpp_visit_end(xmpp_visit_t *visit)
{
    xmpp_session_unlisten(visit->session, take_presence, visit);
}

/* ---- what we say ---- */

static xmpp_stanza_t *new_presence(const xmpp_visit_t *visit)
{
    xmpp_stanza_t *presence = xmpp_presence_new(xmpp_session_ctx(visit->session));
    xmpp_stanza_attribute(presence, "to", visit->occupant, visit->pool);
    return presence;
}

static void send_entrance(const xmpp_visit_t *visit)
{
    xmpp_ctx_t *ctx = xmpp_session_ctx(visit->session);
    xmpp_stanza_t *presence = new_presence(visit);
    xmpp_stanza_t *x = xmpp_stanza_element(ctx, presence, "x", NS_MUC, NULL);
    xmpp_stanza_t *history = xmpp_stanza_element(ctx, x, "history", NULL, NULL);
    xmpp_stanza_set_attribute(history, "maxchars", "0");
    xmpp_session_send(visit->session, presence);
}

/** "room/nick", with a number from the second try on. */
static const char *occupant_for(const xmpp_visit_t *visit, int attempt)
{
    const char *jid = xmpp_session_jid(visit->session);
    const char *nick = apr_pstrmemdup(visit->pool, jid, strcspn(jid, "@/"));
    return attempt == 1 ? apr_pstrcat(visit->pool, visit->room, "/", nick, NULL)
                        : apr_psprintf(visit->pool, "%s/%s-%d", visit->room, nick, attempt);
}

static jf_err_t *wait_for_entrance(xmpp_visit_t *visit)
{
    apr_time_t deadline_us = apr_time_now() + XMPP_ANSWER_US;
    while (!visit->is_in && !visit->refusal) {
        apr_time_t now_us = apr_time_now();
        if (now_us >= deadline_us) {
            visit->condition = "";
            visit->refusal = "the room has not answered in time";
            return NULL;
        }
        JF_TRY(xmpp_session_run(visit->session, deadline_us - now_us));
    }
    return NULL;
}

/** Nobody has asked for a new room: it was a mistake in the name. */
static jf_err_t *destroy(xmpp_visit_t *visit)
{
    xmpp_ctx_t *ctx = xmpp_session_ctx(visit->session);
    xmpp_stanza_t *iq = xmpp_iq_new(ctx, "set", xmpp_session_new_id(visit->session));
    xmpp_stanza_set_to(iq, visit->room);
    xmpp_stanza_t *query = xmpp_stanza_element(ctx, iq, "query", NS_MUC_OWNER, NULL);
    xmpp_stanza_element(ctx, query, "destroy", NULL, NULL);

    visit->refusal = "there is no such room";
    xmpp_stanza_t *answer;
    jf_err_t *err = xmpp_session_query(&answer, visit->session, iq, LEAVE_US);
    if (answer) {
        xmpp_stanza_release(answer);
    }
    /* Rooms that nobody is in go by themselves, as a rule. */
    return jf_err_first(err, xmpp_visit_leave(visit));
}

jf_err_t *xmpp_visit_enter(xmpp_visit_t *visit)
{
    for (int attempt = 1; attempt <= NICKS_MAX && !visit->is_in; attempt++) {
        visit->refusal = NULL;
        visit->condition = NULL;
        visit->occupant = occupant_for(visit, attempt);
        send_entrance(visit);
        JF_TRY(wait_for_entrance(visit));
        if (visit->refusal && strcmp(visit->condition, "conflict") != 0) {
            return NULL;
        }
    }
    return visit->is_new ? destroy(visit) : NULL;
}

jf_err_t *xmpp_visit_leave(xmpp_visit_t *visit)
{
    if (!visit->is_in || visit->is_over) {
        return NULL;
    }
    xmpp_stanza_t *presence = new_presence(visit);
    xmpp_stanza_set_type(presence, "unavailable");
    xmpp_session_send(visit->session, presence);
    apr_time_t deadline_us = apr_time_now() + LEAVE_US;
    for (apr_time_t now_us = apr_time_now(); !visit->is_over && now_us < deadline_us;
         now_us = apr_time_now()) {
        JF_TRY(xmpp_session_run(visit->session, deadline_us - now_us));
    }
    return NULL;
}
