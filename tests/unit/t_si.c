/* Offers by stream initiation and the bytestreams for them, as they are written, read and
 * answered. */
#include "jf_test.h"

#include <string.h>

#include <apr_strings.h>

#include "bytestream_stanza.h"
#include "si.h"
#include "t_stanza.h"

#define ALICE "alice@example.org/cli"
#define BOB "bob@example.org/desk"
#define SHA256 "qUiQTy8PR5uPgZdpSzAYSw0u0cHNKh7A+4XSmaGSpEc="

#define OFFERS_MAX 4

/* A place for offers, and what was done with it. */
typedef struct fixture_t {
    si_t *si;
    si_offer_t *offer;  /* the newest */
    const char *answer; /* the newest, as XML; NULL if there was none since the last step */
    int has_no_room;
    si_offer_t *offers[OFFERS_MAX]; /* that have not been forgotten */
    int offer_count;
    apr_pool_t *pool;
} fixture_t;

static const char *text_of(xmpp_stanza_t *stanza, apr_pool_t *pool)
{
    char *text = NULL;
    size_t length = 0;
    assert_int_equal(xmpp_stanza_to_text(stanza, &text, &length), XMPP_EOK);
    const char *copy = apr_pstrmemdup(pool, text, length);
    xmpp_free(xmpp_stanza_get_context(stanza), text);
    return copy;
}

static void note_answer(void *baton, xmpp_stanza_t *stanza)
{
    fixture_t *fixture = baton;
    fixture->answer = text_of(stanza, fixture->pool);
    xmpp_stanza_release(stanza);
}

static int note_offer(void *baton, si_offer_t *offer)
{
    fixture_t *fixture = baton;
    if (fixture->has_no_room || fixture->offer_count == OFFERS_MAX) {
        return 0;
    }
    fixture->offer = offer;
    fixture->offers[fixture->offer_count++] = offer;
    return 1;
}

static apr_status_t end_offers(void *baton)
{
    const fixture_t *fixture = baton;
    for (int i = 0; i < fixture->offer_count; i++) {
        si_end(fixture->offers[i], SI_FAILED);
        si_forget(fixture->offers[i]);
    }
    return APR_SUCCESS;
}

/* The offers that a test leaves end with @a pool. */
static fixture_t *make_fixture(apr_pool_t *pool)
{
    fixture_t *fixture = apr_pcalloc(pool, sizeof(*fixture));
    fixture->pool = pool;
    fixture->si = si_make(t_stanza_context(pool), note_answer, fixture, note_offer, fixture, pool);
    apr_pool_pre_cleanup_register(pool, fixture, end_offers);
    return fixture;
}

/* Ends an offer for good. */
static void finish(fixture_t *fixture, si_offer_t *offer, si_answer_t answer)
{
    fixture->answer = NULL;
    si_end(offer, answer);
    si_forget(offer);
    fixture->offer_count = 0;
}

/* An iq of type set with this in it arrives. @return whether it was taken */
static int arrive(fixture_t *fixture, const char *from, const char *inner)
{
    fixture->answer = NULL;
    const char *text =
        apr_psprintf(fixture->pool, "<iq type='set' id='i1' from='%s'>%s</iq>", from, inner);
    return si_listen(fixture->si, t_stanza_read(text, fixture->pool));
}

static void need(const char *text, const char *part)
{
    if (!text || !strstr(text, part)) {
        fail_msg("no %s in %s", part, text ? text : "nothing");
    }
}

static const char *offer_text(const char *sid, const char *file, const char *method,
                              apr_pool_t *pool)
{
    return apr_psprintf(
        pool,
        "<si xmlns='" SI_NS "' id='%s' profile='" SI_FILE_NS "'><file xmlns='" SI_FILE_NS "' %s/>"
        "<feature xmlns='http://jabber.org/protocol/feature-neg'><x xmlns='jabber:x:data'>"
        "<field var='stream-method'><option><value>urn:x</value></option>"
        "<option><value>%s</value></option></field></x></feature></si>",
        sid, file, method);
}

static const char *good_offer(const char *sid, apr_pool_t *pool)
{
    return offer_text(sid, "name='a.txt' size='12'", BYTESTREAM_NS, pool);
}

#define HOSTS(sid)                                    \
    "<query xmlns='" BYTESTREAM_NS "' sid='" sid "'>" \
    "<streamhost jid='relay.example.org' host='192.0.2.7' port='7777'/></query>"

/* ---- stanzas ---- */

static void test_an_offer_that_was_written_is_read(void **state)
{
    const shared_file_t file = {.name = "dir/a & b.txt",
                                .size_bytes = 12,
                                .media_type = "text/plain",
                                .description = "for <you>",
                                .date_us = apr_time_from_sec(1795341600),
                                .sha256 = t_stanza_digest(SHA256, *state)};
    xmpp_stanza_t *iq = si_stanza_offer(t_stanza_context(*state), BOB, "i1", "s1", &file, *state);
    const char *text = text_of(iq, *state);
    xmpp_stanza_release(iq);
    need(text, "mime-type=\"text/plain\"");
    si_request_t request = {.sid = NULL};
    assert_int_equal(si_stanza_read(&request, t_stanza_read(text, *state), *state), SI_TAKEN);
    assert_string_equal(request.sid, "s1");
    assert_string_equal(request.file->name, "a & b.txt");
    assert_string_equal(request.file->description, "for <you>");
    assert_int_equal(request.file->size_bytes, 12);
    assert_int_equal(request.file->date_us, file.date_us);
    assert_memory_equal(request.file->sha256, file.sha256, JF_SHA256_BYTES);
    assert_null(request.md5);
}

static void test_md5_is_read(void **state)
{
    static const unsigned char md5[SI_MD5_BYTES] = {0x0f, 0xf0, [15] = 0xab};
    fixture_t *fixture = make_fixture(*state);
    arrive(fixture, ALICE,
           offer_text("s1", "name='a' size='0' hash='0FF000000000000000000000000000ab'",
                      BYTESTREAM_NS, *state));
    assert_memory_equal(fixture->offer->md5, md5, sizeof(md5));
    assert_int_equal(fixture->offer->file->size_bytes, 0);
    arrive(fixture, ALICE,
           offer_text("s2", "name='a' size='0' hash='zzf000000000000000000000000000ab'",
                      BYTESTREAM_NS, *state));
    assert_null(fixture->offer->md5);
}

static void test_hosts_are_read(void **state)
{
    static const char text[] =
        "<query xmlns='" BYTESTREAM_NS "'><streamhost jid='a' host='192.0.2.1'/>"
        "<streamhost jid='b' host='x y' port='1'/><streamhost jid='c' host='' port='1'/>"
        "<streamhost jid='d' host='h' port='0'/><streamhost jid='e' host='h' port='65536'/>"
        "<streamhost jid='f' host='h' port='1x'/><streamhost host='h' port='1'/>"
        "<other jid='g' host='h' port='1'/><streamhost jid='i' host='2001:db8::1' port='65535'/>"
        "</query>";
    const apr_array_header_t *hosts = bytestream_stanza_hosts(t_stanza_read(text, *state), *state);
    assert_int_equal(hosts->nelts, 2);
    const bytestream_host_t *first = &APR_ARRAY_IDX(hosts, 0, bytestream_host_t);
    const bytestream_host_t *last = &APR_ARRAY_IDX(hosts, 1, bytestream_host_t);
    assert_string_equal(first->host, "192.0.2.1");
    assert_int_equal(first->port, 1080);
    assert_string_equal(last->jid, "i");
    assert_string_equal(last->host, "2001:db8::1");
    assert_int_equal(last->port, 65535);
}

static void test_no_more_than_some_hosts(void **state)
{
    const char *text = "<query xmlns='" BYTESTREAM_NS "'>";
    for (int i = 0; i < BYTESTREAM_HOSTS_MAX + 3; i++) {
        text = apr_psprintf(*state, "%s<streamhost jid='%d' host='h' port='1'/>", text, i);
    }
    text = apr_pstrcat(*state, text, "</query>", NULL);
    assert_int_equal(bytestream_stanza_hosts(t_stanza_read(text, *state), *state)->nelts,
                     BYTESTREAM_HOSTS_MAX);
}

static void test_what_the_target_uses(void **state)
{
    static const char result[] = "<iq type='result'><query xmlns='" BYTESTREAM_NS
                                 "'><streamhost-used jid='r'/></query></iq>";
    static const char set[] =
        "<iq type='set'><query xmlns='" BYTESTREAM_NS "'><streamhost-used jid='r'/></query></iq>";
    assert_string_equal(bytestream_stanza_used(t_stanza_read(result, *state)), "r");
    assert_null(bytestream_stanza_used(t_stanza_read(set, *state)));
    assert_null(bytestream_stanza_used(t_stanza_read("<iq type='result'/>", *state)));
}

/* ---- offers ---- */

static void test_an_offer_is_accepted_and_streamed(void **state)
{
    fixture_t *fixture = make_fixture(*state);
    assert_true(arrive(fixture, ALICE, good_offer("s1", *state)));
    assert_null(fixture->answer);
    si_accept(fixture->offer);
    assert_true(si_stanza_is_accepted(t_stanza_read(fixture->answer, *state), *state));
    assert_true(arrive(fixture, ALICE, HOSTS("s1")));
    assert_null(fixture->answer);
    assert_int_equal(fixture->offer->state, SI_OFFERED);
    assert_int_equal(fixture->offer->hosts->nelts, 1);
    si_use_host(fixture->offer, "relay.example.org");
    assert_string_equal(bytestream_stanza_used(t_stanza_read(fixture->answer, *state)),
                        "relay.example.org");
    finish(fixture, fixture->offer, SI_FAILED);
    assert_null(fixture->answer);
}

static void test_streams_are_for_accepted_offers_of_the_same_sender(void **state)
{
    fixture_t *fixture = make_fixture(*state);
    arrive(fixture, ALICE, good_offer("s1", *state));
    assert_true(arrive(fixture, ALICE, HOSTS("s1")));
    need(fixture->answer, "not-acceptable");
    si_accept(fixture->offer);
    arrive(fixture, "alice@example.org/other", HOSTS("s1"));
    need(fixture->answer, "not-acceptable");
    arrive(fixture, ALICE, HOSTS("s2"));
    need(fixture->answer, "not-acceptable");
    arrive(fixture, ALICE, "<query xmlns='" BYTESTREAM_NS "'/>");
    need(fixture->answer, "bad-request");
    arrive(fixture, ALICE, "<query xmlns='" BYTESTREAM_NS "' sid='s1'/>");
    need(fixture->answer, "bad-request");
    arrive(fixture, ALICE, HOSTS("s1"));
    arrive(fixture, ALICE, HOSTS("s1"));
    need(fixture->answer, "not-acceptable");
    finish(fixture, fixture->offer, SI_FAILED);
    need(fixture->answer, "item-not-found");
}

static void check_end(apr_pool_t *pool, si_answer_t answer, const char *condition)
{
    fixture_t *fixture = make_fixture(pool);
    arrive(fixture, ALICE, good_offer("s1", pool));
    finish(fixture, fixture->offer, answer);
    need(fixture->answer, condition);
    need(fixture->answer, "to=\"" ALICE "\"");
    assert_true(arrive(fixture, ALICE, HOSTS("s1")));
    need(fixture->answer, "not-acceptable");
}

static void test_offers_end(void **state)
{
    check_end(*state, SI_DECLINED, "<forbidden");
    check_end(*state, SI_FAILED, "<internal-server-error");
    check_end(*state, SI_NO_ROOM, "<resource-constraint");
}

static void check_refused(fixture_t *fixture, const char *offer, const char *condition)
{
    fixture->offer = NULL;
    assert_true(arrive(fixture, ALICE, offer));
    assert_null(fixture->offer);
    need(fixture->answer, condition);
}

static void test_offers_that_are_refused(void **state)
{
    fixture_t *fixture = make_fixture(*state);
    check_refused(fixture, offer_text("s1", "name='a' size='1'", "urn:y", *state),
                  "<no-valid-streams");
    check_refused(fixture, "<si xmlns='" SI_NS "' id='s1' profile='urn:x'/>", "<bad-profile");
    check_refused(fixture, "<si xmlns='" SI_NS "' id='s1' profile='" SI_FILE_NS "'/>",
                  "<bad-request");
    check_refused(fixture, good_offer("", *state), "<bad-request");
    check_refused(fixture, offer_text("s1", "name='a'", BYTESTREAM_NS, *state), "<bad-request");
    check_refused(fixture, offer_text("s1", "size='1'", BYTESTREAM_NS, *state), "<bad-request");
    fixture->has_no_room = 1;
    check_refused(fixture, good_offer("s1", *state), "<resource-constraint");
}

static void test_a_sid_is_used_once_at_a_time(void **state)
{
    fixture_t *fixture = make_fixture(*state);
    arrive(fixture, ALICE, good_offer("s1", *state));
    const si_offer_t *first = fixture->offer;
    arrive(fixture, ALICE, good_offer("s1", *state));
    need(fixture->answer, "<bad-request");
    assert_ptr_equal(fixture->offer, first);
    arrive(fixture, BOB, good_offer("s1", *state));
    assert_ptr_not_equal(fixture->offer, first);
}

static void test_a_sender_who_goes(void **state)
{
    fixture_t *fixture = make_fixture(*state);
    arrive(fixture, ALICE, good_offer("s1", *state));
    assert_false(si_listen(fixture->si,
                           t_stanza_read("<presence from='" BOB "' type='unavailable'/>", *state)));
    assert_false(fixture->offer->is_gone);
    assert_false(si_listen(
        fixture->si, t_stanza_read("<presence from='" ALICE "' type='unavailable'/>", *state)));
    assert_true(fixture->offer->is_gone);
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_an_offer_that_was_written_is_read),
    JF_TEST(test_md5_is_read),
    JF_TEST(test_hosts_are_read),
    JF_TEST(test_no_more_than_some_hosts),
    JF_TEST(test_what_the_target_uses),
    JF_TEST(test_an_offer_is_accepted_and_streamed),
    JF_TEST(test_streams_are_for_accepted_offers_of_the_same_sender),
    JF_TEST(test_offers_end),
    JF_TEST(test_offers_that_are_refused),
    JF_TEST(test_a_sid_is_used_once_at_a_time),
    JF_TEST(test_a_sender_who_goes),
};

JF_TEST_MAIN(tests)
