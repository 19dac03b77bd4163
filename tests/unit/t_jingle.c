#include "jf_test.h"

#include <string.h>

#include <apr_strings.h>

#include "jingle.h"
#include "t_stanza.h"

#define PEER "alice@example.org/cli"
#define OWN "bob@example.org/desk"
#define SHA256 "qUiQTy8PR5uPgZdpSzAYSw0u0cHNKh7A+4XSmaGSpEc="
#define UPLOAD_NS "urn:xmpp:jingle:transports:http:upload:0"
#define TRANSPORT "<transport xmlns='" UPLOAD_NS "'/>"
#define OTHER_TRANSPORT "<transport xmlns='urn:xmpp:jingle:transports:s5b:1'/>"
#define FILE_OF(facts) \
    "<description xmlns='" JINGLE_FILE_NS "'><file>" facts "</file></description>"
#define HASH "<hash xmlns='urn:xmpp:hashes:2' algo='sha-256'>" SHA256 "</hash>"
#define CONTENT(inner) "<content creator='initiator' name='f'>" inner "</content>"
#define OFFER CONTENT(FILE_OF("<name>a.txt</name><size>12</size>" HASH) TRANSPORT)

/** A place for sessions, and what it has sent and offered. */
typedef struct desk_t {
    xmpp_ctx_t *ctx;
    jingle_t *jingle;
    apr_array_header_t *sent; /**< of char *, XML */
    jingle_session_t *offer;
    int is_full;
    apr_pool_t *pool;
} desk_t;

static void keep(void *baton, xmpp_stanza_t *stanza)
{
    desk_t *desk = baton;
    char *text = NULL;
    size_t length = 0;
    assert_int_equal(xmpp_stanza_to_text(stanza, &text, &length), XMPP_EOK);
    APR_ARRAY_PUSH(desk->sent, char *) = apr_pstrdup(desk->pool, text);
    xmpp_free(desk->ctx, text);
    xmpp_stanza_release(stanza);
}

static int take_offer(void *baton, jingle_session_t *session)
{
    desk_t *desk = baton;
    desk->offer = desk->is_full ? NULL : session;
    return !desk->is_full;
}

static desk_t *make_desk(apr_pool_t *pool)
{
    desk_t *desk = apr_pcalloc(pool, sizeof(*desk));
    desk->pool = pool;
    desk->ctx = t_stanza_context(pool);
    desk->sent = apr_array_make(pool, 4, sizeof(char *));
    /* What sessions keep of stanzas must go before the context does. */
    apr_pool_t *own = NULL;
    apr_pool_create(&own, pool);
    desk->jingle = jingle_make(desk->ctx, keep, desk, own);
    jingle_take_offers(desk->jingle, UPLOAD_NS, take_offer, desk);
    return desk;
}

static int give(desk_t *desk, const char *xml)
{
    return jingle_listen(desk->jingle, t_stanza_read(xml, desk->pool));
}

/** What was sent since the last call, all of it in one text. */
static const char *sent(desk_t *desk)
{
    const char *all = "";
    for (int i = 0; i < desk->sent->nelts; i++) {
        all = apr_pstrcat(desk->pool, all, APR_ARRAY_IDX(desk->sent, i, char *), "\n", NULL);
    }
    desk->sent->nelts = 0;
    return all;
}

/** The peer does something; what it is answered, and what follows. */
static const char *act_as(desk_t *desk, const char *from, const char *action, const char *sid,
                          const char *content)
{
    const char *xml =
        apr_psprintf(desk->pool,
                     "<iq xmlns='jabber:client' type='set' id='7' from='%s'><jingle "
                     "xmlns='urn:xmpp:jingle:1' action='%s' sid='%s'>%s</jingle></iq>",
                     from, action, sid, content);
    assert_int_equal(give(desk, xml), 1);
    return sent(desk);
}

static const char *act(desk_t *desk, const char *action, const char *sid, const char *content)
{
    return act_as(desk, PEER, action, sid, content);
}

static void expect(const char *text, const char *part)
{
    if (!strstr(text, part)) {
        fail_msg("%s is not in %s", part, text);
    }
}

static const char *attribute_of(const desk_t *desk, const char *text, const char *name)
{
    const char *begin = strstr(text, apr_pstrcat(desk->pool, " ", name, "=\"", NULL));
    assert_non_null(begin);
    begin += strlen(name) + 3;
    return apr_pstrmemdup(desk->pool, begin, strcspn(begin, "\""));
}

static jingle_session_t *offer(desk_t *desk)
{
    expect(act(desk, "session-initiate", "s1", OFFER), "type=\"result\"");
    assert_non_null(desk->offer);
    return desk->offer;
}

/** We offer a file; its session-initiate is in *text. */
static jingle_session_t *begin(desk_t *desk, const char **text)
{
    static const unsigned char digest[JF_SHA256_BYTES] = "a digest of nothing in particula";
    static const shared_file_t file = {.name = "b.txt", .size_bytes = 3, .sha256 = digest};
    jingle_session_t *session = NULL;
    jf_test_ok(jingle_initiate(&session, desk->jingle, OWN, PEER, &file, UPLOAD_NS, NULL, NULL),
               "initiate");
    *text = sent(desk);
    return session;
}

static void fill(void *baton, xmpp_ctx_t *ctx, xmpp_stanza_t *transport, apr_pool_t *pool)
{
    (void)pool;
    xmpp_stanza_element(ctx, transport, baton, NULL, NULL);
}

static int is_completed(xmpp_stanza_t *transport)
{
    return xmpp_stanza_get_child_by_name(transport, "completed") != NULL;
}

static char here[] = "here";

/* ---- offers ---- */

static void test_an_offer_is_handed_on(void **state)
{
    desk_t *desk = make_desk(*state);
    jingle_session_t *session = offer(desk);
    assert_string_equal(session->peer, PEER);
    assert_string_equal(session->sid, "s1");
    assert_int_equal(session->is_ours, 0);
    assert_int_equal(session->state, JINGLE_PENDING);
    assert_string_equal(session->file->name, "a.txt");
    assert_int_equal(session->file->size_bytes, 12);
    assert_memory_equal(session->file->sha256, t_stanza_digest(SHA256, *state), JF_SHA256_BYTES);
}

static void test_what_is_no_offer_for_us_is_ended_at_once(void **state)
{
    static const struct {
        const char *content;
        const char *reason;
    } cases[] = {
        {"", "<unsupported-applications"},
        {OFFER OFFER, "<unsupported-applications"},
        {CONTENT(TRANSPORT), "<unsupported-applications"},
        {CONTENT(FILE_OF("<size>1</size>") TRANSPORT), "<unsupported-applications"},
        {CONTENT(FILE_OF(HASH) TRANSPORT), "<unsupported-applications"},
        {CONTENT(FILE_OF("<size>1</size>" HASH)), "<unsupported-transports"},
        {CONTENT(FILE_OF("<size>1</size>" HASH) OTHER_TRANSPORT), "<unsupported-transports"},
    };
    desk_t *desk = make_desk(*state);
    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        const char *text = act(desk, "session-initiate", "s", cases[i].content);
        expect(text, "type=\"result\"");
        expect(text, "action=\"session-terminate\"");
        expect(text, cases[i].reason);
        assert_null(desk->offer);
    }
}

static void test_there_may_be_no_room(void **state)
{
    desk_t *desk = make_desk(*state);
    desk->is_full = 1;
    expect(act(desk, "session-initiate", "s1", OFFER), "<resource-constraint ");
    desk->is_full = 0;
    offer(desk);
}

static void test_one_session_is_begun_once(void **state)
{
    desk_t *desk = make_desk(*state);
    jingle_session_t *first = offer(desk);
    expect(act(desk, "session-initiate", "s1", OFFER), "<out-of-order ");
    assert_ptr_equal(desk->offer, first);
    expect(act_as(desk, "eve@evil.example/x", "session-initiate", "s1", OFFER), "type=\"result\"");
    assert_ptr_not_equal(desk->offer, first);
}

static void test_a_tie_is_ours(void **state)
{
    const char *text = NULL;
    desk_t *desk = make_desk(*state);
    jingle_session_t *session = begin(desk, &text);
    expect(act(desk, "session-initiate", session->sid, OFFER), "<tie-break ");
    assert_int_equal(session->state, JINGLE_PENDING);
    act(desk, "session-accept", session->sid, CONTENT(TRANSPORT));
    expect(act(desk, "session-initiate", session->sid, OFFER), "<out-of-order ");
}

static void test_who_takes_no_offers_says_so(void **state)
{
    const char *text = NULL;
    desk_t *desk = make_desk(*state);
    jingle_take_offers(desk->jingle, NULL, NULL, NULL);
    const char *xml = "<iq type='set' id='7' from='" PEER "'><jingle xmlns='urn:xmpp:jingle:1' "
                      "action='session-initiate' sid='s1'>" OFFER "</jingle></iq>";
    assert_int_equal(give(desk, xml), 0);
    begin(desk, &text);
    assert_int_equal(give(desk, xml), 1);
    expect(sent(desk), "<feature-not-implemented ");
}

static void test_an_offer_is_accepted_and_done(void **state)
{
    desk_t *desk = make_desk(*state);
    jingle_session_t *session = offer(desk);
    jf_test_ok(jingle_accept(session, fill, here), "accept");
    const char *text = sent(desk);
    expect(text, "action=\"session-accept\"");
    expect(text, "to=\"" PEER "\"");
    expect(text, "<here");
    expect(text, "a.txt");
    assert_int_equal(session->state, JINGLE_ACTIVE);

    assert_int_equal(jingle_was_told(session, is_completed), 0);
    act(desk, "transport-info", "s1",
        CONTENT("<transport xmlns='" UPLOAD_NS "'><completed/></transport>"));
    assert_int_equal(jingle_was_told(session, is_completed), 1);

    jf_test_ok(jingle_confirm(session), "confirm");
    expect(sent(desk), "<received ");
    jingle_end(session, JINGLE_SUCCESS, NULL);
    expect(sent(desk), "<success");
    jingle_end(session, JINGLE_CANCEL, NULL);
    assert_string_equal(sent(desk), "");
    assert_int_equal(session->reason, JINGLE_SUCCESS);
    expect(act(desk, "session-info", "s1", ""), "<unknown-session ");
    jingle_forget(session);
}

/* ---- what we begin ---- */

static void test_our_offer_goes_its_way(void **state)
{
    const char *text = NULL;
    desk_t *desk = make_desk(*state);
    jingle_session_t *session = begin(desk, &text);
    expect(text, "initiator=\"" OWN "\"");
    expect(text, "senders=\"initiator\"");
    assert_string_equal(attribute_of(desk, text, "sid"), session->sid);
    assert_int_equal(session->is_acknowledged, 0);

    const char *result = apr_psprintf(*state, "<iq type='result' from='" PEER "' id='%s'/>",
                                      attribute_of(desk, text, "id"));
    assert_int_equal(give(desk, result), 1);
    assert_int_equal(session->is_acknowledged, 1);
    act(desk, "session-accept", session->sid, CONTENT(TRANSPORT));
    assert_int_equal(session->state, JINGLE_ACTIVE);
    assert_non_null(session->accepted);
    jf_test_ok(jingle_inform(session, fill, here), "inform");
    text = sent(desk);
    expect(text, "action=\"transport-info\"");
    assert_null(strstr(text, "description"));
    act(desk, "session-info", session->sid, "<received xmlns='" JINGLE_FILE_NS "'/>");
    assert_int_equal(session->is_received, 1);
    act(desk, "session-terminate", session->sid, "<reason><success/><text>thanks</text></reason>");
    assert_int_equal(session->state, JINGLE_ENDED);
    assert_int_equal(session->reason, JINGLE_SUCCESS);
    assert_string_equal(session->said, "thanks");
}

static void test_an_error_is_a_refusal(void **state)
{
    const char *text = NULL;
    desk_t *desk = make_desk(*state);
    jingle_session_t *session = begin(desk, &text);
    const char *form = "<iq type='error' from='%s' id='%s'><error type='cancel'>"
                       "<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
                       "</error></iq>";
    const char *id = attribute_of(desk, text, "id");
    assert_int_equal(give(desk, apr_psprintf(*state, form, "eve@evil.example/x", id)), 0);
    assert_int_equal(give(desk, apr_psprintf(*state, form, PEER, "other")), 0);
    assert_int_equal(session->state, JINGLE_PENDING);
    assert_int_equal(give(desk, apr_psprintf(*state, form, PEER, id)), 1);
    assert_int_equal(session->state, JINGLE_ENDED);
    assert_int_equal(session->is_refused, 1);
    assert_non_null(session->said);
}

static void test_who_goes_offline_ends_his_sessions(void **state)
{
    const char *text = NULL;
    desk_t *desk = make_desk(*state);
    jingle_session_t *session = begin(desk, &text);
    give(desk, "<presence from='alice@example.org/other' type='unavailable'/>");
    give(desk, "<presence from='" PEER "'/>");
    assert_int_equal(session->state, JINGLE_PENDING);
    assert_int_equal(give(desk, "<presence from='" PEER "' type='unavailable'/>"), 0);
    assert_int_equal(session->state, JINGLE_ENDED);
    assert_int_equal(session->reason, JINGLE_GONE);
}

static void test_an_acceptance_must_fit(void **state)
{
    const char *text = NULL;
    desk_t *desk = make_desk(*state);
    jingle_session_t *session = begin(desk, &text);
    expect(act(desk, "session-accept", session->sid, ""), "<bad-request ");
    expect(act(desk, "session-accept", session->sid, CONTENT(OTHER_TRANSPORT)), "<bad-request ");
    expect(act(desk, "session-info", session->sid, "<received xmlns='" JINGLE_FILE_NS "'/>"),
           "<out-of-order ");
    expect(act_as(desk, "eve@evil.example/x", "session-accept", session->sid, CONTENT(TRANSPORT)),
           "<unknown-session ");
    assert_int_equal(session->state, JINGLE_PENDING);
    act(desk, "session-accept", session->sid, CONTENT(TRANSPORT));
    expect(act(desk, "session-accept", session->sid, CONTENT(TRANSPORT)), "<out-of-order ");
}

/* ---- at the wrong time ---- */

static void test_what_an_offer_does_not_stand(void **state)
{
    static const struct {
        const char *action;
        const char *content;
        const char *answer;
    } cases[] = {
        {"session-accept", CONTENT(TRANSPORT), "<out-of-order "},
        {"session-info", "<received xmlns='" JINGLE_FILE_NS "'/>", "<out-of-order "},
        {"session-info", "<x xmlns='y'/>", "<unsupported-info "},
        {"session-info", "", "type=\"result\""},
        {"transport-info", "", "<bad-request "},
        {"transport-info", CONTENT(OTHER_TRANSPORT), "<bad-request "},
        {"transport-replace", "", "<bad-request "},
        {"transport-replace", CONTENT(OTHER_TRANSPORT), "action=\"transport-reject\""},
        {"transport-accept", CONTENT(TRANSPORT), "<out-of-order "},
        {"transport-reject", CONTENT(TRANSPORT), "<out-of-order "},
        {"content-add", OFFER, "<feature-not-implemented "},
        {"security-info", "", "<feature-not-implemented "},
    };
    desk_t *desk = make_desk(*state);
    jingle_session_t *session = offer(desk);
    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        expect(act(desk, cases[i].action, "s1", cases[i].content), cases[i].answer);
        expect(act(desk, cases[i].action, "s2", cases[i].content), "<unknown-session ");
    }
    assert_int_equal(session->state, JINGLE_PENDING);
}

static void test_what_is_told_is_bounded(void **state)
{
    desk_t *desk = make_desk(*state);
    jingle_session_t *session = offer(desk);
    for (int i = 0; i < 1000; i++) {
        act(desk, "transport-info", "s1", CONTENT(TRANSPORT));
    }
    assert_true(session->told->nelts < 100);
}

static void test_an_offer_that_was_taken_back_is_not_accepted(void **state)
{
    desk_t *desk = make_desk(*state);
    jingle_session_t *session = offer(desk);
    act(desk, "session-terminate", "s1", "<reason><cancel/></reason>");
    jf_test_ok(jingle_accept(session, fill, here), "accept");
    jf_test_ok(jingle_inform(session, fill, here), "inform");
    jf_test_ok(jingle_confirm(session), "confirm");
    assert_string_equal(sent(desk), "");
    assert_int_equal(session->state, JINGLE_ENDED);
    jingle_forget(session);
    offer(desk);
}

static void test_what_comes_from_nobody_is_left_alone(void **state)
{
    desk_t *desk = make_desk(*state);
    offer(desk);
    assert_int_equal(give(desk, "<iq type='set' id='7'><jingle xmlns='urn:xmpp:jingle:1' "
                                "action='session-terminate' sid='s1'/></iq>"),
                     0);
    assert_int_equal(give(desk, "<message from='" PEER "' type='chat'/>"), 0);
    assert_int_equal(give(desk, "<iq from='" PEER "'/>"), 0);
    assert_int_equal(give(desk, "<iq from='" PEER "' type='result'/>"), 0);
    assert_string_equal(sent(desk), "");
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_an_offer_is_handed_on),
    JF_TEST(test_what_is_no_offer_for_us_is_ended_at_once),
    JF_TEST(test_there_may_be_no_room),
    JF_TEST(test_one_session_is_begun_once),
    JF_TEST(test_a_tie_is_ours),
    JF_TEST(test_who_takes_no_offers_says_so),
    JF_TEST(test_an_offer_is_accepted_and_done),
    JF_TEST(test_our_offer_goes_its_way),
    JF_TEST(test_an_error_is_a_refusal),
    JF_TEST(test_who_goes_offline_ends_his_sessions),
    JF_TEST(test_an_acceptance_must_fit),
    JF_TEST(test_what_an_offer_does_not_stand),
    JF_TEST(test_what_is_told_is_bounded),
    JF_TEST(test_an_offer_that_was_taken_back_is_not_accepted),
    JF_TEST(test_what_comes_from_nobody_is_left_alone),
};

JF_TEST_MAIN(tests)
