#include "jf_test.h"

#include <string.h>

#include <apr_strings.h>

#include "jf_version.h"
#include "service_config.h"
#include "service_stanza.h"
#include "t_stanza.h"
#include "xmpp_stanza.h"

#define FROM "alice@example.org/a"
#define IQ(type) "<iq type='" type "' id='i1' from='" FROM "' to='proxy.example.org'>"
#define NS SERVICE_BYTESTREAMS_NS
#define ACTIVATE \
    "<query xmlns='" NS "' sid='s1'><activate>bob@example.org/b</activate></query></iq>"

/** A desk that answers activations with what a test wants, and remembers the question. */
typedef struct counter_t {
    service_desk_t desk;
    relay_activation_t outcome;
    service_activation_t asked;
    int activations;
    int refusals;
    apr_pool_t *pool;
} counter_t;

static relay_activation_t activate(void *baton, const service_activation_t *activation)
{
    counter_t *counter = baton;
    counter->activations++;
    counter->asked = *activation;
    return counter->outcome;
}

static void refused(void *baton, const char *user)
{
    counter_t *counter = baton;
    counter->refusals++;
    assert_string_equal(user, "mallory@example.org");
}

static counter_t *make_counter(apr_pool_t *pool)
{
    counter_t *counter = apr_pcalloc(pool, sizeof(*counter));
    service_acl_t *acl = service_acl_create(pool);
    apr_array_header_t *hosts = apr_array_make(pool, 2, sizeof(service_host_t));
    jf_test_ok(service_acl_add(acl->allowed, "example.org", pool), "allow");
    jf_test_ok(service_acl_add(acl->denied, "mallory@example.org", pool), "deny");
    APR_ARRAY_PUSH(hosts, service_host_t) = (service_host_t){"192.0.2.1", 7777};
    APR_ARRAY_PUSH(hosts, service_host_t) = (service_host_t){"2001:db8::1", 7778};
    counter->desk = (service_desk_t){.component = "proxy.example.org",
                                     .acl = acl,
                                     .hosts = hosts,
                                     .baton = counter,
                                     .activate = activate,
                                     .refused = refused};
    counter->pool = pool;
    return counter;
}

/** The answer to a stanza, as it would be read by a client; NULL if there is none. */
static xmpp_stanza_t *ask(const counter_t *counter, const char *text)
{
    char *xml = NULL;
    size_t length = 0;
    xmpp_stanza_t *question = t_stanza_read(text, counter->pool);
    xmpp_stanza_t *answer = service_stanza_answer(&counter->desk, question, counter->pool);
    if (!answer) {
        return NULL;
    }
    assert_int_equal(xmpp_stanza_to_text(answer, &xml, &length), XMPP_EOK);
    xmpp_stanza_t *read = t_stanza_read(xml, counter->pool);
    xmpp_free(xmpp_stanza_get_context(question), xml);
    xmpp_stanza_release(answer);
    return read;
}

/** Asks, and checks all that answers have in common. */
static xmpp_stanza_t *ask_for(const counter_t *counter, const char *text, const char *type)
{
    xmpp_stanza_t *answer = ask(counter, text);
    assert_non_null(answer);
    assert_string_equal(xmpp_stanza_get_name(answer), "iq");
    assert_string_equal(xmpp_stanza_get_type(answer), type);
    assert_string_equal(xmpp_stanza_get_id(answer), "i1");
    assert_string_equal(xmpp_stanza_get_from(answer), "proxy.example.org");
    return answer;
}

static void expect_error(const counter_t *counter, const char *text, const char *type,
                         const char *condition)
{
    xmpp_stanza_t *answer = ask_for(counter, text, "error");
    xmpp_stanza_t *error = xmpp_stanza_get_child_by_name(answer, "error");
    assert_non_null(error);
    assert_string_equal(xmpp_stanza_get_type(error), type);
    assert_string_equal(xmpp_stanza_condition(answer), condition);
}

static xmpp_stanza_t *query_of(xmpp_stanza_t *answer, const char *ns)
{
    xmpp_stanza_t *query = xmpp_stanza_get_child_by_name_and_ns(answer, "query", ns);
    assert_non_null(query);
    return query;
}

/* ---- discovery ---- */

static int has_feature(xmpp_stanza_t *query, const char *feature)
{
    for (xmpp_stanza_t *child = xmpp_stanza_get_children(query); child;
         child = xmpp_stanza_get_next(child)) {
        const char *var = xmpp_stanza_get_attribute(child, "var");
        if (var && strcmp(var, feature) == 0) {
            return 1;
        }
    }
    return 0;
}

static void test_info(void **state)
{
    static const char *const features[] = {NS, XMPP_NS_DISCO_INFO, XMPP_NS_DISCO_ITEMS,
                                           "jabber:iq:version", "urn:xmpp:ping"};
    const counter_t *counter = make_counter(*state);
    xmpp_stanza_t *answer =
        ask_for(counter, IQ("get") "<query xmlns='" XMPP_NS_DISCO_INFO "'/></iq>", "result");
    assert_string_equal(xmpp_stanza_get_to(answer), FROM);
    xmpp_stanza_t *query = query_of(answer, XMPP_NS_DISCO_INFO);
    xmpp_stanza_t *identity = xmpp_stanza_get_child_by_name(query, "identity");
    assert_string_equal(xmpp_stanza_get_attribute(identity, "category"), "proxy");
    assert_string_equal(xmpp_stanza_get_attribute(identity, "type"), "bytestreams");
    for (size_t i = 0; i < JF_TEST_COUNT(features); i++) {
        assert_true(has_feature(query, features[i]));
    }
    assert_false(has_feature(query, NS "#udp"));
}

static void test_items_and_nodes(void **state)
{
    const counter_t *counter = make_counter(*state);
    xmpp_stanza_t *answer =
        ask_for(counter, IQ("get") "<query xmlns='" XMPP_NS_DISCO_ITEMS "'/></iq>", "result");
    assert_null(xmpp_stanza_get_children(query_of(answer, XMPP_NS_DISCO_ITEMS)));
    expect_error(counter, IQ("get") "<query xmlns='" XMPP_NS_DISCO_ITEMS "' node='x'/></iq>",
                 "cancel", "item-not-found");
    expect_error(counter, IQ("get") "<query xmlns='" XMPP_NS_DISCO_INFO "' node='x'/></iq>",
                 "cancel", "item-not-found");
}

static void test_version_and_ping(void **state)
{
    const counter_t *counter = make_counter(*state);
    xmpp_stanza_t *answer =
        ask_for(counter, IQ("get") "<query xmlns='jabber:iq:version'/></iq>", "result");
    xmpp_stanza_t *query = query_of(answer, "jabber:iq:version");
    assert_string_equal(xmpp_stanza_child_text(query, "name", NULL, *state), "socketstreamer");
    assert_string_equal(xmpp_stanza_child_text(query, "version", NULL, *state), JF_VERSION);
    answer = ask_for(counter, IQ("get") "<ping xmlns='urn:xmpp:ping'/></iq>", "result");
    assert_null(xmpp_stanza_get_children(answer));
}

/* ---- bytestreams ---- */

static void test_addresses(void **state)
{
    const counter_t *counter = make_counter(*state);
    xmpp_stanza_t *answer = ask_for(counter, IQ("get") "<query xmlns='" NS "'/></iq>", "result");
    xmpp_stanza_t *host = xmpp_stanza_get_children(query_of(answer, NS));
    assert_string_equal(xmpp_stanza_get_name(host), "streamhost");
    assert_string_equal(xmpp_stanza_get_attribute(host, "jid"), "proxy.example.org");
    assert_string_equal(xmpp_stanza_get_attribute(host, "host"), "192.0.2.1");
    assert_string_equal(xmpp_stanza_get_attribute(host, "port"), "7777");
    host = xmpp_stanza_get_next(host);
    assert_string_equal(xmpp_stanza_get_attribute(host, "host"), "2001:db8::1");
    assert_string_equal(xmpp_stanza_get_attribute(host, "port"), "7778");
    assert_null(xmpp_stanza_get_next(host));
}

static void test_outcomes_of_activations(void **state)
{
    static const struct {
        relay_activation_t outcome;
        const char *type;
        const char *condition;
    } cases[] = {
        {RELAY_UNKNOWN, "cancel", "item-not-found"},
        {RELAY_ONE_PARTY, "cancel", "not-allowed"},
        {RELAY_IS_ACTIVE, "cancel", "not-allowed"},
        {RELAY_OVER_STREAMS, "wait", "resource-constraint"},
        {RELAY_OVER_DAY_BYTES, "wait", "resource-constraint"},
    };
    counter_t *counter = make_counter(*state);
    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        counter->outcome = cases[i].outcome;
        expect_error(counter, IQ("set") ACTIVATE, cases[i].type, cases[i].condition);
    }
    counter->outcome = RELAY_ACTIVATED;
    xmpp_stanza_t *answer = ask_for(counter, IQ("set") ACTIVATE, "result");
    assert_null(xmpp_stanza_get_children(answer));
    assert_int_equal(counter->activations, JF_TEST_COUNT(cases) + 1);
}

static void test_what_is_activated(void **state)
{
    counter_t *counter = make_counter(*state);
    counter->outcome = RELAY_ACTIVATED;
    ask_for(counter,
            "<iq type='set' id='i1' from='Alice@Example.org/A' to='proxy.example.org'>"
            "<query xmlns='" NS "' sid='s &amp;'><activate>Room@Muc.example/Bob</activate></query>"
            "</iq>",
            "result");
    assert_string_equal(counter->asked.sid, "s &");
    assert_string_equal(counter->asked.requester, "Alice@Example.org/A");
    assert_string_equal(counter->asked.target, "Room@Muc.example/Bob");
    assert_string_equal(counter->asked.requester_prepared, "alice@example.org/A");
    assert_string_equal(counter->asked.target_prepared, "room@muc.example/Bob");
    assert_string_equal(counter->asked.user, "alice@example.org");

    ask_for(counter,
            IQ("set") "<query xmlns='" NS "' sid='s'><activate>no @ JID</activate></query></iq>",
            "result");
    assert_string_equal(counter->asked.target, "no @ JID");
    assert_null(counter->asked.target_prepared);
}

static void test_wrong_activations(void **state)
{
    static const char *const queries[] = {
        "<query xmlns='" NS "'><activate>bob@example.org/b</activate></query>",
        "<query xmlns='" NS "' sid=''><activate>bob@example.org/b</activate></query>",
        "<query xmlns='" NS "' sid='s'/>",
        "<query xmlns='" NS "' sid='s'><activate/></query>",
        "<query xmlns='" NS "' sid='s'><activate xmlns='other'>b@c/d</activate></query>",
        "<query xmlns='" NS "' sid='s'>bob@example.org/b</query>",
    };
    counter_t *counter = make_counter(*state);
    for (size_t i = 0; i < JF_TEST_COUNT(queries); i++) {
        expect_error(counter, apr_pstrcat(*state, IQ("set"), queries[i], "</iq>", NULL), "modify",
                     "bad-request");
    }
    assert_int_equal(counter->activations, 0);
}

static void test_who_may_not(void **state)
{
    counter_t *counter = make_counter(*state);
#define MALLORY(type) \
    "<iq type='" type "' id='i1' from='Mallory@example.org/x' to='proxy.example.org'>"
    expect_error(counter, MALLORY("get") "<query xmlns='" NS "'/></iq>", "auth", "forbidden");
    expect_error(counter, MALLORY("set") ACTIVATE, "auth", "forbidden");
    assert_int_equal(counter->refusals, 2);
    assert_int_equal(counter->activations, 0);
    /* What is no secret is told to everybody. */
    ask_for(counter, MALLORY("get") "<query xmlns='" XMPP_NS_DISCO_INFO "'/></iq>", "result");
}

/* ---- everything else ---- */

static void test_other_questions(void **state)
{
    static const struct {
        const char *stanza;
        const char *type;
        const char *condition;
    } cases[] = {
        {IQ("get") "<query xmlns='jabber:iq:last'/></iq>", "cancel", "service-unavailable"},
        {IQ("get") "<other xmlns='" NS "'/></iq>", "cancel", "service-unavailable"},
        {IQ("set") "<query xmlns='" XMPP_NS_DISCO_INFO "'/></iq>", "modify", "bad-request"},
        {IQ("set") "<ping xmlns='urn:xmpp:ping'/></iq>", "modify", "bad-request"},
        {IQ("get") "</iq>", "modify", "bad-request"},
        {IQ("get") "text</iq>", "modify", "bad-request"},
        {IQ("get") "<ping xmlns='urn:xmpp:ping'/><ping xmlns='urn:xmpp:ping'/></iq>", "modify",
         "bad-request"},
        {IQ("other") "<ping xmlns='urn:xmpp:ping'/></iq>", "modify", "bad-request"},
        {"<iq id='i1' from='" FROM "' to='proxy.example.org'><ping xmlns='urn:xmpp:ping'/></iq>",
         "modify", "bad-request"},
        {"<iq type='get' id='i1' from='a b@example.org' to='proxy.example.org'>"
         "<ping xmlns='urn:xmpp:ping'/></iq>",
         "modify", "jid-malformed"},
    };
    const counter_t *counter = make_counter(*state);
    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        expect_error(counter, cases[i].stanza, cases[i].type, cases[i].condition);
    }
}

static void test_users_at_the_domain_do_not_exist(void **state)
{
    static const char *const addresses[] = {"x@proxy.example.org", "proxy.example.org/x",
                                            "other.example.org"};
    const counter_t *counter = make_counter(*state);
    for (size_t i = 0; i < JF_TEST_COUNT(addresses); i++) {
        const char *text =
            apr_pstrcat(*state, "<iq type='get' id='i1' from='" FROM "' to='", addresses[i],
                        "'><query xmlns='" XMPP_NS_DISCO_INFO "'/></iq>", NULL);
        xmpp_stanza_t *answer = ask(counter, text);
        assert_string_equal(xmpp_stanza_condition(answer), "service-unavailable");
        assert_string_equal(xmpp_stanza_get_from(answer), addresses[i]);
    }
}

static void test_no_answers(void **state)
{
    static const char *const stanzas[] = {
        IQ("result") "<query xmlns='" NS "'/></iq>",
        IQ("error") "<query xmlns='" NS "'/></iq>",
        "<message from='" FROM "' to='proxy.example.org'><body>hello</body></message>",
        "<presence type='subscribe' from='" FROM "' to='proxy.example.org'/>",
        "<iq type='get' id='i1' to='proxy.example.org'><ping xmlns='urn:xmpp:ping'/></iq>",
    };
    const counter_t *counter = make_counter(*state);
    for (size_t i = 0; i < JF_TEST_COUNT(stanzas); i++) {
        assert_null(ask(counter, stanzas[i]));
    }
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_info),
    JF_TEST(test_items_and_nodes),
    JF_TEST(test_version_and_ping),
    JF_TEST(test_addresses),
    JF_TEST(test_outcomes_of_activations),
    JF_TEST(test_what_is_activated),
    JF_TEST(test_wrong_activations),
    JF_TEST(test_who_may_not),
    JF_TEST(test_other_questions),
    JF_TEST(test_users_at_the_domain_do_not_exist),
    JF_TEST(test_no_answers),
};

JF_TEST_MAIN(tests)
