#include "jf_test.h"

#include <string.h>

#include <apr_strings.h>

#include "inbox.h"

#define OWN_JID "bob@example.org"
#define URL "https://files.example.org/u/7f3c/a.txt"
#define X_OOB "<x xmlns='jabber:x:oob'><url>" URL "</url></x>"
#define SFS(url)                                                                               \
    "<file-sharing xmlns='urn:xmpp:sfs:0'><file xmlns='urn:xmpp:file:metadata:0'>"             \
    "<name>a.txt</name></file><sources><url-data xmlns='http://jabber.org/protocol/url-data' " \
    "target='" url "'/></sources></file-sharing>"
#define IQ_OOB(url) "<query xmlns='jabber:iq:oob'><url>" url "</url></query>"
#define DELAY(stamp) "<delay xmlns='urn:xmpp:delay' stamp='" stamp "'/>"

/** An inbox, and what it has answered. */
typedef struct desk_t {
    xmpp_ctx_t *ctx;
    inbox_t *inbox;
    apr_array_header_t *answers; /**< of char *, XML */
    apr_pool_t *pool;
} desk_t;

static void keep_answer(void *baton, xmpp_stanza_t *stanza)
{
    desk_t *desk = baton;
    char *text;
    size_t length;
    assert_int_equal(xmpp_stanza_to_text(stanza, &text, &length), XMPP_EOK);
    APR_ARRAY_PUSH(desk->answers, char *) = apr_pstrdup(desk->pool, text);
    xmpp_free(desk->ctx, text);
    xmpp_stanza_release(stanza);
}

static desk_t *make_desk(apr_pool_t *pool)
{
    desk_t *desk = apr_pcalloc(pool, sizeof(*desk));
    desk->pool = pool;
    desk->ctx = xmpp_ctx_new(NULL, NULL);
    desk->answers = apr_array_make(pool, 4, sizeof(char *));
    desk->inbox = inbox_make(OWN_JID, keep_answer, desk, pool);
    return desk;
}

static void end_desk(desk_t *desk)
{
    incoming_t *incoming;
    while ((incoming = inbox_take(desk->inbox)) != NULL) {
        inbox_finish(desk->inbox, incoming, INBOX_REFUSED);
    }
    xmpp_ctx_free(desk->ctx);
}

static int give(desk_t *desk, const char *xml)
{
    xmpp_stanza_t *stanza = xmpp_stanza_new_from_string(desk->ctx, xml);
    assert_non_null(stanza);
    int is_taken = inbox_listen(desk->inbox, stanza);
    xmpp_stanza_release(stanza);
    return is_taken;
}

static const char *message(const desk_t *desk, const char *attributes, const char *content)
{
    return apr_psprintf(desk->pool, "<message xmlns='jabber:client' %s>%s</message>", attributes,
                        content);
}

static const char *iq(const desk_t *desk, const char *attributes, const char *content)
{
    return apr_psprintf(desk->pool, "<iq xmlns='jabber:client' %s>%s</iq>", attributes, content);
}

static incoming_t *take(const desk_t *desk)
{
    incoming_t *incoming = inbox_take(desk->inbox);
    assert_non_null(incoming);
    return incoming;
}

static const char *url_of(const incoming_t *incoming)
{
    assert_int_equal(incoming->files->nelts, 1);
    return APR_ARRAY_IDX(incoming->files, 0, shared_file_t *)->url;
}

/** The only answer so far must have all of this in it. */
static void expect_answer(const desk_t *desk, const char *const *parts)
{
    assert_int_equal(desk->answers->nelts, 1);
    const char *answer = APR_ARRAY_IDX(desk->answers, 0, char *);
    for (; *parts; parts++) {
        if (!strstr(answer, *parts)) {
            fail_msg("%s is not in %s", *parts, answer);
        }
    }
}

/* ---- what is taken ---- */

static void test_which_stanzas_are_taken(void **state)
{
    static const struct {
        const char *xml;
        int is_taken;
    } cases[] = {
        {"<message from='a@b.example/c' type='chat'>" X_OOB "</message>", 1},
        {"<message from='a@b.example/c' type='normal'>" X_OOB "</message>", 1},
        {"<message from='a@b.example/c'>" X_OOB "</message>", 1},
        {"<message from='a@b.example/c'>" SFS(URL) "</message>", 1},
        {"<message>" X_OOB "</message>", 1},
        {"<message from='a@b.example/c' type='error'>" X_OOB "<error/></message>", 0},
        {"<message from='a@b.example/c' type='groupchat'>" X_OOB "</message>", 0},
        {"<message from='a@b.example/c' type='headline'>" X_OOB "</message>", 0},
        {"<message from='a@b.example/c' type='CHAT'>" X_OOB "</message>", 0},
        {"<message from='a@b.example/c' type='chat'><body>" URL "</body></message>", 0},
        {"<message from='a@b.example/c' type='chat'/>", 0},
        {"<message from='a@b.example/c'><x xmlns='jabber:x:oob'><url>file:///etc/passwd</url></x>"
         "</message>",
         0},
        /* a copy that somebody pretends our server has made (XEP-0280) */
        {"<message from='a@b.example/c'><received xmlns='urn:xmpp:carbons:2'><forwarded "
         "xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' from='friend@b.example'>" X_OOB
         "</message></forwarded></received></message>",
         0},
        {"<presence from='a@b.example/c'>" X_OOB "</presence>", 0},
        {"<iq from='a@b.example/c' type='set' id='1'>" IQ_OOB(URL) "</iq>", 1},
        {"<iq from='a@b.example/c' type='set' id='1'>" IQ_OOB("ftp://b.example/x") "</iq>", 1},
        {"<iq from='a@b.example/c' type='set'>" IQ_OOB(URL) "</iq>", 0},
        {"<iq from='a@b.example/c' type='get' id='1'>" IQ_OOB(URL) "</iq>", 0},
        {"<iq from='a@b.example/c' type='result' id='1'>" IQ_OOB(URL) "</iq>", 0},
        {"<iq from='a@b.example/c' type='error' id='1'>" IQ_OOB(URL) "</iq>", 0},
        {"<iq from='a@b.example/c' type='set' id='1'><query xmlns='jabber:iq:version'/></iq>", 0},
        {"<iq from='a@b.example/c' type='set' id='1'>" X_OOB "</iq>", 0},
    };
    desk_t *desk = make_desk(*state);

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        if (give(desk, cases[i].xml) != cases[i].is_taken) {
            fail_msg("taken or not, wrongly: %s", cases[i].xml);
        }
    }
    end_desk(desk);
}

static void test_who_has_sent_it(void **state)
{
    static const struct {
        const char *from;
        const char *sender;
    } cases[] = {
        {"alice@example.org/phone", "alice@example.org"},
        {"alice@example.org", "alice@example.org"},
        {"Alice@EXAMPLE.org/Phone", "alice@example.org"},
        {"alice@example.org/a/b", "alice@example.org"},
        /* what is before the first slash counts, whatever the rest looks like */
        {"evil.example/alice@example.org", NULL},
        {"eve@evil.example/alice@example.org", "eve@evil.example"},
        {"evil.example", NULL},
        {"@example.org/x", NULL},
        {"al ice@example.org/x", NULL},
        {"alice@example.org@evil.example/x", NULL},
        {"", NULL},
    };
    desk_t *desk = make_desk(*state);

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        const char *from = apr_psprintf(*state, "from='%s'", cases[i].from);
        assert_true(give(desk, message(desk, from, X_OOB)));
        incoming_t *incoming = take(desk);
        assert_string_equal(incoming->from, cases[i].from);
        if (cases[i].sender) {
            assert_non_null(incoming->sender);
            assert_string_equal(incoming->sender, cases[i].sender);
        } else {
            assert_null(incoming->sender);
        }
        inbox_finish(desk->inbox, incoming, INBOX_REFUSED);
    }
    end_desk(desk);
}

#define COPY(kind, inner)                                                         \
    "<" kind " xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>" \
    "<message xmlns='jabber:client' " inner "</message></forwarded></" kind ">"

static void test_copies_are_believed_to_the_own_server_alone(void **state)
{
    static const struct {
        const char *from;
        const char *content;
        const char *sender; /* NULL: it is not taken */
    } cases[] = {
        {"from='" OWN_JID "'", COPY("received", "from='a@b.example/c'>" X_OOB), "a@b.example"},
        {"from='" OWN_JID "'", COPY("received", "from='a@b.example/c' type='chat'>" X_OOB),
         "a@b.example"},
        {"from='" OWN_JID "'", COPY("received", "from='a@b.example/c' type='groupchat'>" X_OOB),
         NULL},
        {"from='" OWN_JID "'", COPY("received", "from='a@b.example/c' type='error'>" X_OOB), NULL},
        {"from='" OWN_JID "'", COPY("sent", "from='a@b.example/c'>" X_OOB), NULL},
        {"from='" OWN_JID "'", COPY("received", ">" X_OOB), NULL},
        {"from='" OWN_JID "/phone'", COPY("received", "from='a@b.example/c'>" X_OOB), NULL},
        {"from='eve@evil.example'", COPY("received", "from='a@b.example/c'>" X_OOB), NULL},
        {"from='example.org'", COPY("received", "from='a@b.example/c'>" X_OOB), NULL},
        {"from='eve@evil.example/x'", COPY("received", "from='a@b.example/c'>" X_OOB) X_OOB,
         "eve@evil.example"},
    };
    desk_t *desk = make_desk(*state);

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        assert_int_equal(give(desk, message(desk, cases[i].from, cases[i].content)),
                         cases[i].sender != NULL);
        incoming_t *incoming = inbox_take(desk->inbox);
        if (incoming) {
            assert_string_equal(incoming->sender, cases[i].sender);
            inbox_finish(desk->inbox, incoming, INBOX_REFUSED);
        }
    }
    end_desk(desk);
}

static void test_without_a_sender_it_is_our_own(void **state)
{
    desk_t *desk = make_desk(*state);
    give(desk, message(desk, "type='chat'", X_OOB));
    incoming_t *incoming = take(desk);

    assert_string_equal(incoming->from, OWN_JID);
    assert_string_equal(incoming->sender, OWN_JID);
    inbox_finish(desk->inbox, incoming, INBOX_FETCHED);
    assert_int_equal(desk->answers->nelts, 0);
    end_desk(desk);
}

static void test_when_it_was_sent(void **state)
{
    static const struct {
        const char *delay;
        apr_time_t sent_us;
    } cases[] = {
        {"", 0},
        {DELAY("2026-11-22T10:00:00Z"), apr_time_from_sec(1795341600)},
        {DELAY("2026-11-22T10:00:00+01:00"), apr_time_from_sec(1795338000)},
        {DELAY("yesterday"), 0},
        {"<delay xmlns='urn:xmpp:delay'/>", 0},
        {"<delay xmlns='something:else' stamp='2026-11-22T10:00:00Z'/>", 0},
    };
    desk_t *desk = make_desk(*state);

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        const char *content = apr_pstrcat(*state, X_OOB, cases[i].delay, NULL);
        give(desk, message(desk, "from='a@b.example/c'", content));
        incoming_t *incoming = take(desk);
        assert_int_equal(incoming->sent_us, cases[i].sent_us);
        inbox_finish(desk->inbox, incoming, INBOX_REFUSED);
    }
    end_desk(desk);
}

static void test_first_come_first_served(void **state)
{
    desk_t *desk = make_desk(*state);
    give(desk, message(desk, "from='a@b.example/1'", SFS("https://b.example/1")));
    give(desk, iq(desk, "from='a@b.example/2' type='set' id='x'", IQ_OOB("https://b.example/2")));
    give(desk, message(desk, "from='a@b.example/3'", SFS("https://b.example/3")));

    for (int i = 1; i <= 3; i++) {
        incoming_t *incoming = take(desk);
        assert_string_equal(url_of(incoming), apr_psprintf(*state, "https://b.example/%d", i));
        assert_true((incoming->iq != NULL) == (i == 2));
        inbox_finish(desk->inbox, incoming, INBOX_FETCHED);
    }
    assert_null(inbox_take(desk->inbox));
    end_desk(desk);
}

static void test_files_of_one_message_stay_together(void **state)
{
    desk_t *desk = make_desk(*state);
    give(desk, message(desk, "from='a@b.example/c'",
                       SFS("https://b.example/1") SFS("https://b.example/2")));

    incoming_t *incoming = take(desk);
    assert_int_equal(incoming->files->nelts, 2);
    inbox_finish(desk->inbox, incoming, INBOX_FETCHED);
    end_desk(desk);
}

/* ---- answers ---- */

static void test_answers(void **state)
{
    static const struct {
        inbox_outcome_t outcome;
        const char *parts[8];
    } cases[] = {
        {INBOX_FETCHED,
         {"<iq ", "type=\"result\"", "id=\"o1\"", "to=\"alice@example.org/cli\"", NULL}},
        {INBOX_REFUSED,
         {"type=\"error\"", "id=\"o1\"", "to=\"alice@example.org/cli\"", "<url>" URL "</url>",
          "type=\"modify\"", "<not-acceptable ", "code=\"406\"", NULL}},
        {INBOX_FAILED,
         {"type=\"error\"", "id=\"o1\"", "to=\"alice@example.org/cli\"", "<url>" URL "</url>",
          "type=\"cancel\"", "<item-not-found ", "code=\"404\"", NULL}},
    };

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        desk_t *desk = make_desk(*state);
        give(desk,
             iq(desk, "from='alice@example.org/cli' to='bob@example.org/x' type='set' id='o1'",
                IQ_OOB(URL)));
        assert_int_equal(desk->answers->nelts, 0);
        inbox_finish(desk->inbox, take(desk), cases[i].outcome);
        expect_answer(desk, cases[i].parts);
        end_desk(desk);
    }
}

static void test_a_result_is_empty(void **state)
{
    desk_t *desk = make_desk(*state);
    give(desk, iq(desk, "from='alice@example.org/cli' type='set' id='o1'", IQ_OOB(URL)));
    inbox_finish(desk->inbox, take(desk), INBOX_FETCHED);

    const char *answer = APR_ARRAY_IDX(desk->answers, 0, char *);
    assert_null(strstr(answer, "query"));
    assert_null(strstr(answer, "error"));
    end_desk(desk);
}

static void test_messages_get_no_answer(void **state)
{
    desk_t *desk = make_desk(*state);
    for (inbox_outcome_t outcome = INBOX_FETCHED; outcome <= INBOX_FAILED; outcome++) {
        give(desk, message(desk, "from='a@b.example/c' id='1'", X_OOB));
        inbox_finish(desk->inbox, take(desk), outcome);
    }
    assert_int_equal(desk->answers->nelts, 0);
    end_desk(desk);
}

static void test_an_iq_for_another_scheme_is_refused_at_once(void **state)
{
    static const char *const parts[] = {"type=\"error\"", "id=\"7\"", "<not-acceptable ",
                                        "javascript:alert(1)", NULL};
    desk_t *desk = make_desk(*state);
    give(desk, iq(desk, "from='a@b.example/c' type='set' id='7'", IQ_OOB("javascript:alert(1)")));

    assert_null(inbox_take(desk->inbox));
    expect_answer(desk, parts);
    end_desk(desk);
}

static void test_what_is_repeated_is_escaped(void **state)
{
    static const char *const parts[] = {"https://b.example/?a&amp;b&lt;/url&gt;", NULL};
    desk_t *desk = make_desk(*state);
    give(desk, iq(desk, "from='a@b.example/c' type='set' id='7'",
                  IQ_OOB("https://b.example/?a&amp;b&lt;/url&gt;")));
    inbox_finish(desk->inbox, take(desk), INBOX_FAILED);
    expect_answer(desk, parts);
    end_desk(desk);
}

/* ---- floods ---- */

static int count_waiting(desk_t *desk)
{
    incoming_t *incoming;
    int count = 0;
    while ((incoming = inbox_take(desk->inbox)) != NULL) {
        count += incoming->files->nelts;
        inbox_finish(desk->inbox, incoming, INBOX_FETCHED);
    }
    return count;
}

static void flood(desk_t *desk, const char *name, int count)
{
    for (int i = 0; i < count; i++) {
        give(desk, message(desk, apr_psprintf(desk->pool, "from='%s/%d'", name, i), X_OOB));
    }
}

static void test_one_sender_does_not_fill_the_inbox(void **state)
{
    desk_t *desk = make_desk(*state);
    flood(desk, "eve@evil.example", 1000);
    assert_int_equal(inbox_count_dropped(desk->inbox), 1000 - INBOX_FILES_OF_SENDER_MAX);
    assert_int_equal(inbox_count_dropped(desk->inbox), 0);

    flood(desk, "alice@example.org", 1);
    assert_int_equal(inbox_count_dropped(desk->inbox), 0);
    assert_int_equal(count_waiting(desk), INBOX_FILES_OF_SENDER_MAX + 1);

    flood(desk, "eve@evil.example", 1);
    assert_int_equal(count_waiting(desk), 1);
    end_desk(desk);
}

static void test_components_count_as_one_sender(void **state)
{
    desk_t *desk = make_desk(*state);
    for (int i = 0; i < INBOX_FILES_MAX; i++) {
        give(desk, message(desk, apr_psprintf(*state, "from='d%d.example'", i), X_OOB));
    }
    assert_int_equal(count_waiting(desk), INBOX_FILES_OF_SENDER_MAX);
    end_desk(desk);
}

static void test_many_senders_do_not_fill_the_memory(void **state)
{
    desk_t *desk = make_desk(*state);
    for (int i = 0; i < 1000; i++) {
        flood(desk, apr_psprintf(*state, "e%d@evil.example", i), 1);
    }
    assert_int_equal(inbox_count_dropped(desk->inbox), 1000 - INBOX_FILES_MAX);
    assert_int_equal(count_waiting(desk), INBOX_FILES_MAX);
    end_desk(desk);
}

static void test_files_are_counted_not_messages(void **state)
{
    desk_t *desk = make_desk(*state);
    const char *three =
        SFS("https://b.example/1") SFS("https://b.example/2") SFS("https://b.example/3");
    for (int i = 0; i < 20; i++) {
        give(desk, message(desk, "from='a@b.example/c'", three));
    }
    assert_int_equal(inbox_count_dropped(desk->inbox), 60 - INBOX_FILES_OF_SENDER_MAX);
    assert_int_equal(count_waiting(desk), INBOX_FILES_OF_SENDER_MAX);
    end_desk(desk);
}

static void test_an_iq_that_finds_no_room_is_told_so(void **state)
{
    static const char *const parts[] = {"type=\"error\"",        "id=\"late\"",
                                        "to=\"a@b.example/c\"",  "type=\"wait\"",
                                        "<resource-constraint ", NULL};
    desk_t *desk = make_desk(*state);
    flood(desk, "a@b.example", INBOX_FILES_OF_SENDER_MAX);
    give(desk, iq(desk, "from='a@b.example/c' type='set' id='late'", IQ_OOB(URL)));

    expect_answer(desk, parts);
    assert_int_equal(inbox_count_dropped(desk->inbox), 1);
    end_desk(desk);
}

/* ---- offers ---- */

#define OFFER(sid)                                                                       \
    "<iq xmlns='jabber:client' type='set' id='" sid "' from='a@b.example/c'>"            \
    "<jingle xmlns='urn:xmpp:jingle:1' action='session-initiate' sid='" sid "'>"         \
    "<content name='f'><description xmlns='urn:xmpp:jingle:apps:file-transfer:5'><file>" \
    "<size>12</size><hash xmlns='urn:xmpp:hashes:2' algo='sha-256'>"                     \
    "qUiQTy8PR5uPgZdpSzAYSw0u0cHNKh7A+4XSmaGSpEc=</hash></file></description>"           \
    "<transport xmlns='x'/></content></jingle></iq>"

/** Offers a file to the inbox of the desk. */
static void offer(desk_t *desk, jingle_t *jingle, const char *xml)
{
    xmpp_stanza_t *stanza = xmpp_stanza_new_from_string(desk->ctx, xml);
    assert_non_null(stanza);
    assert_int_equal(jingle_listen(jingle, stanza), 1);
    xmpp_stanza_release(stanza);
}

static jingle_t *make_jingle(desk_t *desk)
{
    jingle_t *jingle = jingle_make(desk->ctx, keep_answer, desk, desk->pool);
    jingle_take_offers(jingle, "x", inbox_offer, desk->inbox);
    return jingle;
}

static void test_an_offer_ends_as_it_was_dealt_with(void **state)
{
    static const char *const words[] = {[INBOX_FETCHED] = "<success",
                                        [INBOX_REFUSED] = "<decline",
                                        [INBOX_FAILED] = "<failed-transport"};
    for (inbox_outcome_t outcome = INBOX_FETCHED; outcome <= INBOX_FAILED; outcome++) {
        const char *const parts[] = {"session-terminate", words[outcome], "a@b.example/c", NULL};
        desk_t *desk = make_desk(*state);
        offer(desk, make_jingle(desk), OFFER("s"));
        incoming_t *incoming = take(desk);
        assert_string_equal(incoming->sender, "a@b.example");
        assert_string_equal(incoming->offer->sid, "s");
        assert_int_equal(strncmp(url_of(incoming), "jingle:", strlen("jingle:")), 0);
        assert_int_equal(APR_ARRAY_IDX(incoming->files, 0, shared_file_t *)->size_bytes, 12);
        desk->answers->nelts = 0;
        inbox_finish(desk->inbox, incoming, outcome);
        expect_answer(desk, parts);
        end_desk(desk);
    }
}

static void test_an_offer_that_finds_no_room_is_told_so(void **state)
{
    static const char *const parts[] = {"<resource-constraint ", "id=\"s\"", NULL};
    desk_t *desk = make_desk(*state);
    flood(desk, "a@b.example", INBOX_FILES_OF_SENDER_MAX);
    offer(desk, make_jingle(desk), OFFER("s"));
    expect_answer(desk, parts);
    assert_int_equal(inbox_count_dropped(desk->inbox), 1);
    assert_int_equal(count_waiting(desk), INBOX_FILES_OF_SENDER_MAX);
    end_desk(desk);
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_which_stanzas_are_taken),
    JF_TEST(test_who_has_sent_it),
    JF_TEST(test_copies_are_believed_to_the_own_server_alone),
    JF_TEST(test_without_a_sender_it_is_our_own),
    JF_TEST(test_when_it_was_sent),
    JF_TEST(test_first_come_first_served),
    JF_TEST(test_files_of_one_message_stay_together),
    JF_TEST(test_answers),
    JF_TEST(test_a_result_is_empty),
    JF_TEST(test_messages_get_no_answer),
    JF_TEST(test_an_iq_for_another_scheme_is_refused_at_once),
    JF_TEST(test_what_is_repeated_is_escaped),
    JF_TEST(test_one_sender_does_not_fill_the_inbox),
    JF_TEST(test_components_count_as_one_sender),
    JF_TEST(test_many_senders_do_not_fill_the_memory),
    JF_TEST(test_files_are_counted_not_messages),
    JF_TEST(test_an_iq_that_finds_no_room_is_told_so),
    JF_TEST(test_an_offer_ends_as_it_was_dealt_with),
    JF_TEST(test_an_offer_that_finds_no_room_is_told_so),
};

JF_TEST_MAIN(tests)
