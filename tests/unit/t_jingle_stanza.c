#include "jf_test.h"

#include <string.h>

#include <apr_strings.h>

#include "jingle_stanza.h"
#include "t_stanza.h"

#define SHA256 "qUiQTy8PR5uPgZdpSzAYSw0u0cHNKh7A+4XSmaGSpEc="
#define UPLOAD_NS "urn:xmpp:jingle:transports:http:upload:0"
#define DESCRIPTION                                                                       \
    "<description xmlns='" JINGLE_FILE_NS "'><file><name>a.txt</name>"                    \
    "<media-type>text/plain</media-type><size>12</size><date>2026-11-22T10:00:00Z</date>" \
    "<desc>look</desc><hash xmlns='urn:xmpp:hashes:2' algo='sha-256'>" SHA256 "</hash>"   \
    "</file></description>"
#define TRANSPORT "<transport xmlns='" UPLOAD_NS "'/>"

static const char *iq(const char *attributes, const char *content, apr_pool_t *pool)
{
    return apr_psprintf(pool,
                        "<iq xmlns='jabber:client' type='set' id='1' from='a@b.example/c'>"
                        "<jingle xmlns='urn:xmpp:jingle:1' %s>%s</jingle></iq>",
                        attributes, content);
}

static jingle_message_t *read_message(const char *attributes, const char *content, apr_pool_t *pool)
{
    jingle_message_t *message = NULL;
    const char *xml = iq(attributes, content, pool);
    jf_test_ok(jingle_stanza_read(&message, t_stanza_read(xml, pool), pool), xml);
    return message;
}

/* ---- read ---- */

static void test_which_stanzas_are_of_jingle(void **state)
{
    static const struct {
        const char *xml;
        int is_one;
    } cases[] = {
        {"<iq type='set'><jingle xmlns='urn:xmpp:jingle:1'/></iq>", 1},
        {"<iq type='get'><jingle xmlns='urn:xmpp:jingle:1'/></iq>", 0},
        {"<iq type='result'><jingle xmlns='urn:xmpp:jingle:1'/></iq>", 0},
        {"<iq type='error'><jingle xmlns='urn:xmpp:jingle:1'/></iq>", 0},
        {"<iq><jingle xmlns='urn:xmpp:jingle:1'/></iq>", 0},
        {"<iq type='set'><jingle xmlns='urn:xmpp:jingle:0'/></iq>", 0},
        {"<iq type='set'><query xmlns='urn:xmpp:jingle:1'/></iq>", 0},
        {"<message type='set'><jingle xmlns='urn:xmpp:jingle:1'/></message>", 0},
    };
    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        if (jingle_stanza_is_one(t_stanza_read(cases[i].xml, *state)) != cases[i].is_one) {
            fail_msg("%s", cases[i].xml);
        }
    }
}

static void test_an_offer_is_read(void **state)
{
    jingle_message_t *message = read_message(
        "action='session-initiate' sid='s1'",
        "<content name='f' creator='initiator' senders='initiator'>" DESCRIPTION TRANSPORT
        "</content>",
        *state);
    assert_int_equal(message->action, JINGLE_SESSION_INITIATE);
    assert_string_equal(message->sid, "s1");
    assert_string_equal(message->content, "f");
    assert_int_equal(message->content_count, 1);
    assert_int_equal(message->is_from_initiator, 1);
    assert_string_equal(xmpp_stanza_get_ns(message->transport), UPLOAD_NS);
    assert_null(message->file->url);
    assert_string_equal(message->file->name, "a.txt");
    assert_string_equal(message->file->media_type, "text/plain");
    assert_string_equal(message->file->description, "look");
    assert_int_equal(message->file->size_bytes, 12);
    assert_int_equal(message->file->date_us, apr_time_from_sec(1795341600));
    assert_memory_equal(message->file->sha256, t_stanza_digest(SHA256, *state), JF_SHA256_BYTES);
}

static void test_who_sends(void **state)
{
    static const struct {
        const char *senders;
        int is_from_initiator;
    } cases[] = {
        {"", 1},
        {"senders='initiator'", 1},
        {"senders='both'", 1},
        {"senders='responder'", 0},
        {"senders='none'", 0},
    };
    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        const char *content = apr_psprintf(*state, "<content name='f' %s>" DESCRIPTION "</content>",
                                           cases[i].senders);
        assert_int_equal(
            read_message("action='session-initiate' sid='s'", content, *state)->is_from_initiator,
            cases[i].is_from_initiator);
    }
}

static void test_actions_by_name(void **state)
{
    static const struct {
        const char *name;
        jingle_action_t action;
    } cases[] = {
        {"session-accept", JINGLE_SESSION_ACCEPT},
        {"session-terminate", JINGLE_SESSION_TERMINATE},
        {"session-info", JINGLE_SESSION_INFO},
        {"transport-info", JINGLE_TRANSPORT_INFO},
        {"transport-replace", JINGLE_TRANSPORT_REPLACE},
        {"transport-accept", JINGLE_TRANSPORT_ACCEPT},
        {"transport-reject", JINGLE_TRANSPORT_REJECT},
        {"content-add", JINGLE_OTHER_ACTION},
        {"", JINGLE_OTHER_ACTION},
        {"Session-Accept", JINGLE_OTHER_ACTION},
    };
    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        const char *attributes = apr_psprintf(*state, "action='%s' sid='s'", cases[i].name);
        assert_int_equal(read_message(attributes, "", *state)->action, cases[i].action);
    }
}

static void test_what_is_required(void **state)
{
    apr_pool_t *pool = *state;
    const char *const cases[] = {
        iq("sid='s'", "", pool),
        iq("action='session-info'", "", pool),
        iq("action='session-info' sid=''", "", pool),
        iq(jf_test_repeat("action='session-info' sid='", 'x', 257, "'", pool), "", pool),
        iq("action='session-initiate' sid='s'", "<content/>", pool),
        iq("action='session-initiate' sid='s'", "<content name=''/>", pool),
        iq("action='session-initiate' sid='s'",
           jf_test_repeat("<content name='", 'x', 257, "'/>", pool), pool),
        "<iq type='set'><query xmlns='x'/></iq>",
    };
    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        jingle_message_t *message = NULL;
        jf_test_refused(jingle_stanza_read(&message, t_stanza_read(cases[i], pool), pool),
                        JF_ERR_INVALID, cases[i]);
        assert_null(message);
    }
    read_message(jf_test_repeat("action='session-info' sid='", 'x', 256, "'", pool), "", pool);
}

static void test_several_contents_are_counted(void **state)
{
    jingle_message_t *message = read_message(
        "action='session-initiate' sid='s'",
        "text<content name='one'/> <other/><content name='two'>" DESCRIPTION "</content>", *state);
    assert_int_equal(message->content_count, 2);
    assert_string_equal(message->content, "one");
    assert_null(message->file);
}

static void test_reasons(void **state)
{
    static const struct {
        const char *xml;
        jingle_reason_t reason;
        const char *said;
    } cases[] = {
        {"<reason><success/></reason>", JINGLE_SUCCESS, NULL},
        {"<reason><decline/><text>not now</text></reason>", JINGLE_DECLINE, "not now"},
        {"<reason><text>a\nb</text><cancel/></reason>", JINGLE_CANCEL, "a b"},
        {"<reason><busy/></reason>", JINGLE_BUSY, NULL},
        {"<reason><timeout/></reason>", JINGLE_TIMEOUT, NULL},
        {"<reason><gone/></reason>", JINGLE_GONE, NULL},
        {"<reason><failed-transport/></reason>", JINGLE_FAILED_TRANSPORT, NULL},
        {"<reason><failed-application/></reason>", JINGLE_FAILED_APPLICATION, NULL},
        {"<reason><unsupported-transports/></reason>", JINGLE_UNSUPPORTED_TRANSPORTS, NULL},
        {"<reason><unsupported-applications/></reason>", JINGLE_UNSUPPORTED_APPLICATIONS, NULL},
        {"<reason><security-error/></reason>", JINGLE_GENERAL_ERROR, NULL},
        {"<reason/>", JINGLE_GENERAL_ERROR, NULL},
        {"<reason>success</reason>", JINGLE_GENERAL_ERROR, NULL},
        {"", JINGLE_GENERAL_ERROR, NULL},
    };
    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        jingle_message_t *message =
            read_message("action='session-terminate' sid='s'", cases[i].xml, *state);
        assert_int_equal(message->reason, cases[i].reason);
        if (cases[i].said) {
            assert_string_equal(message->said, cases[i].said);
        } else {
            assert_null(message->said);
        }
        assert_true(*jingle_stanza_words(message->reason));
    }
}

static void test_infos(void **state)
{
    static const struct {
        const char *xml;
        jingle_info_t info;
    } cases[] = {
        {"", JINGLE_INFO_NOTHING},
        {"<received xmlns='" JINGLE_FILE_NS "'/>", JINGLE_INFO_RECEIVED},
        {"<checksum xmlns='" JINGLE_FILE_NS "'/>", JINGLE_INFO_NOTHING},
        {"<received xmlns='other'/>", JINGLE_INFO_UNKNOWN},
        {"<received/>", JINGLE_INFO_UNKNOWN},
        {"<ringing xmlns='urn:xmpp:jingle:apps:rtp:info:1'/>", JINGLE_INFO_UNKNOWN},
    };
    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        assert_int_equal(read_message("action='session-info' sid='s'", cases[i].xml, *state)->info,
                         cases[i].info);
    }
}

/* ---- written ---- */

/** What is written, as somebody else reads it. */
static jingle_message_t *pass_on(const jingle_draft_t *draft, apr_pool_t *pool)
{
    char *text = NULL;
    size_t length = 0;
    assert_int_equal(xmpp_stanza_to_text(draft->iq, &text, &length), XMPP_EOK);
    xmpp_stanza_t *stanza = t_stanza_read(text, pool);
    assert_string_equal(xmpp_stanza_get_to(stanza), "bob@example.org/desk");
    assert_string_equal(xmpp_stanza_get_id(stanza), "i<1>");
    assert_true(jingle_stanza_is_one(stanza));
    jingle_message_t *message = NULL;
    jf_test_ok(jingle_stanza_read(&message, stanza, pool), text);
    assert_string_equal(message->sid, "s'1");
    xmpp_free(draft->ctx, text);
    xmpp_stanza_release(draft->iq);
    return message;
}

static jingle_draft_t begin(jingle_action_t action, apr_pool_t *pool)
{
    return jingle_stanza_begin(t_stanza_context(pool), action, "bob@example.org/desk", "i<1>",
                               "s'1", pool);
}

static void test_an_offer_arrives_as_it_was_written(void **state)
{
    const shared_file_t file = {.name = "a & \"b\".txt",
                                .media_type = "text/plain",
                                .description = "<look>",
                                .size_bytes = 0,
                                .date_us = apr_time_from_sec(1795341600),
                                .sha256 = t_stanza_digest(SHA256, *state)};
    jingle_draft_t draft = begin(JINGLE_SESSION_INITIATE, *state);
    assert_non_null(jingle_stanza_add_content(&draft, "f<1>", &file, UPLOAD_NS));
    jingle_message_t *message = pass_on(&draft, *state);
    assert_int_equal(message->action, JINGLE_SESSION_INITIATE);
    assert_string_equal(message->content, "f<1>");
    assert_int_equal(message->is_from_initiator, 1);
    assert_string_equal(message->file->name, file.name);
    assert_string_equal(message->file->description, file.description);
    assert_int_equal(message->file->size_bytes, 0);
    assert_int_equal(message->file->date_us, file.date_us);
    assert_memory_equal(message->file->sha256, file.sha256, JF_SHA256_BYTES);
    assert_string_equal(xmpp_stanza_get_ns(message->transport), UPLOAD_NS);
}

static void test_where_the_sender_keeps_it_is_not_told(void **state)
{
    const shared_file_t file = {.name = "home/alice/secret/a.txt", .size_bytes = -1};
    jingle_draft_t draft = begin(JINGLE_SESSION_INITIATE, *state);
    jingle_stanza_add_content(&draft, "f", &file, UPLOAD_NS);
    assert_string_equal(pass_on(&draft, *state)->file->name, "a.txt");
}

static void test_every_action_and_reason_arrives(void **state)
{
    for (int action = 0; action < JINGLE_OTHER_ACTION; action++) {
        jingle_draft_t draft = begin((jingle_action_t)action, *state);
        assert_int_equal(pass_on(&draft, *state)->action, action);
    }
    for (int reason = 0; reason <= JINGLE_GENERAL_ERROR; reason++) {
        jingle_draft_t draft = begin(JINGLE_SESSION_TERMINATE, *state);
        jingle_stanza_add_reason(&draft, (jingle_reason_t)reason, reason % 2 ? "why" : NULL);
        jingle_message_t *message = pass_on(&draft, *state);
        assert_int_equal(message->reason, reason);
        assert_int_equal(message->said != NULL, reason % 2);
    }
    jingle_draft_t draft = begin(JINGLE_SESSION_INFO, *state);
    jingle_stanza_add_received(&draft, "f");
    assert_int_equal(pass_on(&draft, *state)->info, JINGLE_INFO_RECEIVED);
}

static void test_answers(void **state)
{
    static const struct {
        jingle_answer_t answer;
        const char *parts[5];
    } cases[] = {
        {JINGLE_TAKEN, {"type=\"result\"", NULL}},
        {JINGLE_BAD_REQUEST, {"type=\"error\"", "<bad-request ", "type=\"modify\"", NULL}},
        {JINGLE_UNKNOWN_SESSION, {"<item-not-found ", "<unknown-session ", NULL}},
        {JINGLE_OUT_OF_ORDER, {"<unexpected-request ", "<out-of-order ", NULL}},
        {JINGLE_TIE_BREAK, {"<conflict ", "<tie-break ", NULL}},
        {JINGLE_UNSUPPORTED_INFO, {"<feature-not-implemented ", "<unsupported-info ", NULL}},
        {JINGLE_UNSUPPORTED, {"<feature-not-implemented ", NULL}},
        {JINGLE_NO_ROOM, {"<resource-constraint ", "type=\"wait\"", NULL}},
    };
    xmpp_ctx_t *ctx = t_stanza_context(*state);
    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        xmpp_stanza_t *answer =
            jingle_stanza_answer(ctx, t_stanza_read(iq("", "", *state), *state), cases[i].answer);
        char *text = NULL;
        size_t length = 0;
        assert_int_equal(xmpp_stanza_to_text(answer, &text, &length), XMPP_EOK);
        assert_non_null(strstr(text, "id=\"1\""));
        assert_non_null(strstr(text, "to=\"a@b.example/c\""));
        for (const char *const *part = cases[i].parts; *part; part++) {
            if (!strstr(text, *part)) {
                fail_msg("%s is not in %s", *part, text);
            }
        }
        xmpp_free(ctx, text);
        xmpp_stanza_release(answer);
    }
}

static void test_without_an_id_there_is_no_answer(void **state)
{
    xmpp_stanza_t *stanza = t_stanza_read("<iq type='set'/>", *state);
    assert_null(jingle_stanza_answer(t_stanza_context(*state), stanza, JINGLE_TAKEN));
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_which_stanzas_are_of_jingle),
    JF_TEST(test_an_offer_is_read),
    JF_TEST(test_who_sends),
    JF_TEST(test_actions_by_name),
    JF_TEST(test_what_is_required),
    JF_TEST(test_several_contents_are_counted),
    JF_TEST(test_reasons),
    JF_TEST(test_infos),
    JF_TEST(test_an_offer_arrives_as_it_was_written),
    JF_TEST(test_where_the_sender_keeps_it_is_not_told),
    JF_TEST(test_every_action_and_reason_arrives),
    JF_TEST(test_answers),
    JF_TEST(test_without_an_id_there_is_no_answer),
};

JF_TEST_MAIN(tests)
