#include "inbox.h"

#include <string.h>

#include <apr_strings.h>

#include "announcement.h"
#include "jf_jid.h"
#include "jf_token.h"
#include "xmpp_time.h"

#define NS_IQ_OOB "jabber:iq:oob"
#define NS_CARBONS "urn:xmpp:carbons:2"
#define NS_CLIENT "jabber:client"
#define NS_DELAY "urn:xmpp:delay"
#define NS_FORWARD "urn:xmpp:forward:0"
#define NS_STANZAS "urn:ietf:params:xml:ns:xmpp-stanzas"

struct inbox_t {
    const char *own_jid;
    inbox_send_t *send;
    void *send_baton;
    apr_pool_t *pool;
    incoming_t *waiting[INBOX_FILES_MAX]; /* each has a file at least, so there are not more */
    int waiting_count;
    int dropped_count;
};

inbox_t *inbox_make(const char *own_jid, inbox_send_t *send, void *send_baton, apr_pool_t *pool)
{
    inbox_t *inbox = apr_pcalloc(pool, sizeof(*inbox));
    inbox->own_jid = own_jid;
    inbox->send = send;
    inbox->send_baton = send_baton;
    inbox->pool = pool;
    return inbox;
}

/* ---- who sends it ---- */

/* The resource may have an @ in it: what stands before the first slash is the bare JID. */
static const char *prepare_sender(const char *from, apr_pool_t *pool)
{
    const char *slash = strchr(from, '/');
    const char *bare = slash ? apr_pstrmemdup(pool, from, (apr_size_t)(slash - from)) : from;
    const char *sender = NULL;
    return jf_jid_prepare(&sender, bare, pool) ? NULL : sender;
}

/* Those without a person's JID (components, whole servers) count as one. */
static int is_same_sender(const incoming_t *a, const incoming_t *b)
{
    return a->sender && b->sender ? strcmp(a->sender, b->sender) == 0 : a->sender == b->sender;
}

/* When a message was written that a server has kept for us. Anybody can claim anything here. */
static apr_time_t read_stamp(xmpp_stanza_t *message)
{
    xmpp_stanza_t *delay = xmpp_stanza_get_child_by_name_and_ns(message, "delay", NS_DELAY);
    const char *stamp = delay ? xmpp_stanza_get_attribute(delay, "stamp") : NULL;
    return stamp ? xmpp_time_parse(stamp) : 0;
}

/* ---- the queue ---- */

/* How many more files may wait, of this sender. */
static int find_room(const inbox_t *inbox, const incoming_t *incoming)
{
    int of_all = 0;
    int of_sender = 0;
    for (int i = 0; i < inbox->waiting_count; i++) {
        int count = inbox->waiting[i]->files->nelts;
        of_all += count;
        of_sender += is_same_sender(inbox->waiting[i], incoming) ? count : 0;
    }
    int room = INBOX_FILES_MAX - of_all;
    int room_of_sender = INBOX_FILES_OF_SENDER_MAX - of_sender;
    return room < room_of_sender ? room : room_of_sender;
}

static void queue(inbox_t *inbox, incoming_t *incoming, apr_array_header_t *files)
{
    int room = find_room(inbox, incoming);
    if (files->nelts > room) {
        inbox->dropped_count += files->nelts - room;
        files->nelts = room;
    }
    incoming->files = files;
    if (room == 0) {
        inbox_finish(inbox, incoming, INBOX_BUSY);
    } else {
        inbox->waiting[inbox->waiting_count++] = incoming;
    }
}

static incoming_t *make_incoming(const inbox_t *inbox, const char *from)
{
    apr_pool_t *pool = NULL;
    if (apr_pool_create(&pool, inbox->pool) != APR_SUCCESS) {
        return NULL;
    }
    incoming_t *incoming = apr_pcalloc(pool, sizeof(*incoming));
    incoming->pool = pool;
    incoming->from = apr_pstrdup(pool, from ? from : inbox->own_jid);
    incoming->sender = prepare_sender(incoming->from, pool);
    return incoming;
}

/* What another client of the account was sent, of which the account's own server, and nobody else,
 * has sent us a copy (XEP-0280); any other message is itself. */
static xmpp_stanza_t *unwrap_copy(const inbox_t *inbox, xmpp_stanza_t *message)
{
    const char *from = xmpp_stanza_get_from(message);
    if (!from || strcmp(from, inbox->own_jid) != 0) {
        return message;
    }
    xmpp_stanza_t *inner = xmpp_stanza_get_child_by_path(
        message, "message", XMPP_STANZA_NAME_IN_NS("received", NS_CARBONS),
        XMPP_STANZA_NAME_IN_NS("forwarded", NS_FORWARD),
        XMPP_STANZA_NAME_IN_NS("message", NS_CLIENT), NULL);
    return inner && xmpp_stanza_get_from(inner) ? inner : message;
}

static int take_message(inbox_t *inbox, xmpp_stanza_t *outer)
{
    xmpp_stanza_t *message = unwrap_copy(inbox, outer);
    const char *type = xmpp_stanza_get_type(message);
    if (type && strcmp(type, "chat") != 0 && strcmp(type, "normal") != 0) {
        return 0;
    }
    incoming_t *incoming = make_incoming(inbox, xmpp_stanza_get_from(message));
    if (!incoming) {
        return 0;
    }
    apr_array_header_t *files = announcement_parse(message, incoming->pool);
    if (files->nelts == 0) {
        apr_pool_destroy(incoming->pool);
        return 0;
    }
    incoming->sent_us = read_stamp(message);
    queue(inbox, incoming, files);
    return 1;
}

static int take_iq(inbox_t *inbox, xmpp_stanza_t *iq)
{
    const char *type = xmpp_stanza_get_type(iq);
    if (!type || strcmp(type, "set") != 0 || !xmpp_stanza_get_id(iq) ||
        !xmpp_stanza_get_child_by_name_and_ns(iq, "query", NS_IQ_OOB)) {
        return 0;
    }
    incoming_t *incoming = make_incoming(inbox, xmpp_stanza_get_from(iq));
    if (!incoming) {
        return 0;
    }
    incoming->iq = xmpp_stanza_clone(iq);
    apr_array_header_t *files = announcement_parse(iq, incoming->pool);
    if (files->nelts == 0) {
        inbox_finish(inbox, incoming, INBOX_REFUSED);
        return 1;
    }
    files->nelts = 1; /* one answer cannot speak of several */
    queue(inbox, incoming, files);
    return 1;
}

int inbox_listen(void *baton, xmpp_stanza_t *stanza)
{
    inbox_t *inbox = baton;
    const char *name = xmpp_stanza_get_name(stanza);
    if (name && strcmp(name, "message") == 0) {
        return take_message(inbox, stanza);
    }
    return name && strcmp(name, "iq") == 0 ? take_iq(inbox, stanza) : 0;
}

/* The URL is for what asks whether two downloads are of the same file: this one is like no other.
 */
static jf_err_t *describe_offer(incoming_t *incoming, const shared_file_t *offered)
{
    const char *nonce = NULL;
    JF_TRY(jf_token_nonce(&nonce, incoming->pool));
    shared_file_t *file = file_claims_copy(offered, incoming->pool);
    file->url = apr_pstrcat(incoming->pool, "jingle:", nonce, NULL);
    file->name = file->name ? file->name : "file";
    apr_array_header_t *files = apr_array_make(incoming->pool, 1, sizeof(shared_file_t *));
    APR_ARRAY_PUSH(files, shared_file_t *) = file;
    incoming->files = files;
    return NULL;
}

/* NULL if there is no room for it. */
static incoming_t *queue_offer(inbox_t *inbox, const char *peer, const shared_file_t *file)
{
    incoming_t *incoming = make_incoming(inbox, peer);
    if (!incoming) {
        return NULL;
    }
    if (find_room(inbox, incoming) == 0 || describe_offer(incoming, file)) {
        inbox->dropped_count++;
        apr_pool_destroy(incoming->pool);
        return NULL;
    }
    inbox->waiting[inbox->waiting_count++] = incoming;
    return incoming;
}

int inbox_offer(void *baton, jingle_session_t *session)
{
    incoming_t *incoming = queue_offer(baton, session->peer, session->file);
    if (incoming) {
        incoming->offer = session;
    }
    return incoming != NULL;
}

int inbox_offer_stream(void *baton, si_offer_t *offer)
{
    incoming_t *incoming = queue_offer(baton, offer->peer, offer->file);
    if (incoming) {
        incoming->stream = offer;
    }
    return incoming != NULL;
}

incoming_t *inbox_take(inbox_t *inbox)
{
    if (inbox->waiting_count == 0) {
        return NULL;
    }
    incoming_t *oldest = inbox->waiting[0];
    inbox->waiting_count--;
    memmove(&inbox->waiting[0], &inbox->waiting[1],
            (size_t)inbox->waiting_count * sizeof(inbox->waiting[0]));
    return oldest;
}

int inbox_count_dropped(inbox_t *inbox)
{
    int count = inbox->dropped_count;
    inbox->dropped_count = 0;
    return count;
}

/* ---- answers ---- */

static const struct {
    const char *code; /* for clients of XMPP's first years, which know nothing but this number */
    const char *type;
    const char *condition;
} errors[] = {
    [INBOX_REFUSED] = {"406", "modify", "not-acceptable"},
    [INBOX_FAILED] = {"404", "cancel", "item-not-found"},
    [INBOX_BUSY] = {"500", "wait", "resource-constraint"},
};

static const jingle_reason_t reasons[] = {
    [INBOX_FETCHED] = JINGLE_SUCCESS,
    [INBOX_REFUSED] = JINGLE_DECLINE,
    [INBOX_FAILED] = JINGLE_FAILED_TRANSPORT,
    [INBOX_BUSY] = JINGLE_BUSY,
};

static const si_answer_t si_answers[] = {
    [INBOX_FETCHED] = SI_TAKEN,
    [INBOX_REFUSED] = SI_DECLINED,
    [INBOX_FAILED] = SI_FAILED,
    [INBOX_BUSY] = SI_NO_ROOM,
};

/* What was asked for is repeated, as in the examples of XEP-0066. */
static void add_error(xmpp_stanza_t *answer, xmpp_stanza_t *iq, inbox_outcome_t outcome)
{
    xmpp_ctx_t *ctx = xmpp_stanza_get_context(answer);
    xmpp_stanza_t *query = xmpp_stanza_get_child_by_name_and_ns(iq, "query", NS_IQ_OOB);
    xmpp_stanza_add_child_ex(answer, xmpp_stanza_copy(query), 0);
    xmpp_stanza_t *error = xmpp_stanza_element(ctx, answer, "error", NULL, NULL);
    xmpp_stanza_set_attribute(error, "code", errors[outcome].code);
    xmpp_stanza_set_type(error, errors[outcome].type);
    xmpp_stanza_element(ctx, error, errors[outcome].condition, NS_STANZAS, NULL);
}

static void answer_iq(const inbox_t *inbox, xmpp_stanza_t *iq, inbox_outcome_t outcome)
{
    const char *type = outcome == INBOX_FETCHED ? "result" : "error";
    xmpp_stanza_t *answer = xmpp_iq_new(xmpp_stanza_get_context(iq), type, xmpp_stanza_get_id(iq));
    if (xmpp_stanza_get_from(iq)) {
        xmpp_stanza_set_to(answer, xmpp_stanza_get_from(iq));
    }
    if (outcome != INBOX_FETCHED) {
        add_error(answer, iq, outcome);
    }
    inbox->send(inbox->send_baton, answer);
}

void inbox_finish(inbox_t *inbox, incoming_t *incoming, inbox_outcome_t outcome)
{
    if (incoming->iq) {
        answer_iq(inbox, incoming->iq, outcome);
        xmpp_stanza_release(incoming->iq);
    }
    if (incoming->offer) {
        jingle_end(incoming->offer, reasons[outcome], NULL);
        jingle_forget(incoming->offer);
    }
    if (incoming->stream) {
        si_end(incoming->stream, si_answers[outcome]);
        si_forget(incoming->stream);
    }
    apr_pool_destroy(incoming->pool);
}
