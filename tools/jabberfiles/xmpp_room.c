#include "xmpp_room.h"

#include <string.h>

#include <apr_strings.h>

#include "xmpp_refusal.h"
#include "xmpp_room_private.h"
#include "xmpp_stanza.h"

#define NS_DELAY "urn:xmpp:delay"

static const xmpp_refusal_t refusals[] = {
    {"forbidden", "the room lets only those speak who have been given voice"},
    {"not-acceptable", "the room has put us out before we could speak"},
    {"item-not-found", "there is no such room any more"},
    {"policy-violation", "against the rules of the room"},
    {"resource-constraint", "the room takes no more messages for now"},
    {NULL, NULL},
};

/** What became of what was posted. */
typedef struct post_t {
    xmpp_visit_t visit;
    const apr_array_header_t *letters; /**< of xmpp_letter_t */
    apr_array_header_t *shown_ids;     /**< of const char *: letters that the room has shown */
    const char *refusal;
} post_t;

/** The letter that a message of ours shows: by its id, which some rooms replace, or its text. */
static const xmpp_letter_t *letter_shown(const post_t *post, xmpp_stanza_t *message)
{
    const xmpp_letter_t *letter = xmpp_news_find(post->letters, xmpp_stanza_get_id(message));
    if (letter || xmpp_stanza_get_child_by_name_and_ns(message, "delay", NS_DELAY)) {
        return letter; /* what was said long ago shows nothing, even if it is the same */
    }
    const char *body = xmpp_stanza_child_text(message, "body", NULL, post->visit.pool);
    for (int i = 0; body && i < post->letters->nelts; i++) {
        letter = &APR_ARRAY_IDX(post->letters, i, xmpp_letter_t);
        if (strcmp(letter->body, body) == 0) {
            return letter;
        }
    }
    return NULL;
}

static void take_shown(post_t *post, xmpp_stanza_t *message)
{
    const xmpp_letter_t *letter = letter_shown(post, message);
    if (!letter) {
        return;
    }
    for (int i = 0; i < post->shown_ids->nelts; i++) {
        if (strcmp(APR_ARRAY_IDX(post->shown_ids, i, const char *), letter->id) == 0) {
            return;
        }
    }
    APR_ARRAY_PUSH(post->shown_ids, const char *) = letter->id;
}

static int take_message(void *baton, xmpp_stanza_t *stanza)
{
    post_t *post = baton;
    const char *from = xmpp_stanza_get_from(stanza);
    const char *type = xmpp_stanza_get_type(stanza);
    if (strcmp(xmpp_stanza_get_name(stanza), "message") != 0 || !type ||
        !xmpp_news_is_of(from, post->visit.room)) {
        return 0;
    }
    if (strcmp(type, "groupchat") == 0 && strcmp(from, post->visit.occupant) == 0) {
        take_shown(post, stanza);
    } else if (strcmp(type, "error") == 0 &&
               xmpp_news_find(post->letters, xmpp_stanza_get_id(stanza))) {
        post->refusal = xmpp_refusal_text(stanza, refusals, post->visit.pool);
    }
    return 1;
}

/** Waits until everything is shown or something is refused. */
static jf_err_t *wait_for_post(post_t *post)
{
    apr_time_t deadline_us = apr_time_now() + XMPP_ANSWER_US;
    while (post->shown_ids->nelts < post->letters->nelts && !post->refusal) {
        apr_time_t now_us = apr_time_now();
        if (post->visit.is_over) {
            post->refusal = "the room has put us out";
        } else if (now_us >= deadline_us) {
            return NULL;
        } else {
            JF_TRY(xmpp_session_run(post->visit.session, deadline_us - now_us));
        }
    }
    return NULL;
}

static jf_err_t *speak(post_t *post, delivery_t *delivery, const xmpp_news_t *news)
{
    xmpp_visit_t *visit = &post->visit;
    post->letters = xmpp_news_send(visit->session, news, "groupchat", visit->room, visit->pool);
    xmpp_session_listen(visit->session, take_message, post);
    jf_err_t *err = wait_for_post(post);
    xmpp_session_unlisten(visit->session, take_message, post);
    JF_TRY(err);
    if (post->refusal) {
        delivery->state = DELIVERY_REFUSED;
        delivery->reason = post->refusal;
    } else if (post->shown_ids->nelts < post->letters->nelts) {
        delivery->state = DELIVERY_SENT;
        delivery->reason = "the room has not shown it yet";
    } else {
        delivery->state = DELIVERY_POSTED;
        delivery->reason = NULL;
    }
    return NULL;
}

jf_err_t *xmpp_room_tell(delivery_t *delivery, int *has_posted, xmpp_session_t *session,
                         const xmpp_news_t *news, apr_pool_t *pool)
{
    post_t post = {.shown_ids = apr_array_make(pool, 2, sizeof(const char *))};
    *has_posted = 0;
    xmpp_visit_begin(&post.visit, session, delivery->jid, pool);
    jf_err_t *err = xmpp_visit_enter(&post.visit);
    if (!err && post.visit.refusal) {
        delivery->state = DELIVERY_REFUSED;
        delivery->reason = post.visit.refusal;
    } else if (!err) {
        *has_posted = 1;
        err = speak(&post, delivery, news);
    }
    /* What was posted is posted, whatever leaving says: the connection ends soon anyway. */
    jf_err_t *left = xmpp_visit_leave(&post.visit);
    xmpp_visit_end(&post.visit);
    return *has_posted ? err : jf_err_first(err, left);
}
