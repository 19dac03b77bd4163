/* Announcements as they are written. */
#include "jf_test.h"

#include <string.h>

#include <apr_strings.h>
#include <strophe.h>

#include "announcement.h"
#include "t_stanza.h"

#define URL "https://files.example.org/u/7f3c/hello.txt"
#define SHA256 "qUiQTy8PR5uPgZdpSzAYSw0u0cHNKh7A+4XSmaGSpEc="
#define SHA3_256 "qACaelKNh3eMNW2jpV2WRxnoGGZqBOT5YMniQ5418Tg="

static shared_file_t full_file(apr_pool_t *pool)
{
    return (shared_file_t){
        .url = URL,
        .name = "hello.txt",
        .media_type = "text/plain",
        .description = "A greeting",
        .size_bytes = 12,
        .date_us = apr_time_from_sec(1795341600),
        .sha256 = t_stanza_digest(SHA256, pool),
        .sha3_256 = t_stanza_digest(SHA3_256, pool),
    };
}

/** The text of a stanza, which is released. */
static const char *wire(xmpp_ctx_t *ctx, xmpp_stanza_t *stanza, apr_pool_t *pool)
{
    char *text;
    size_t length;
    assert_int_equal(xmpp_stanza_to_text(stanza, &text, &length), XMPP_EOK);
    const char *copy = apr_pstrmemdup(pool, text, length);
    xmpp_free(ctx, text);
    xmpp_stanza_release(stanza);
    return copy;
}

/** The message as it goes over the wire, in @a pool. */
static const char *build(const shared_file_t *file, int wants_sims, apr_pool_t *pool)
{
    xmpp_ctx_t *ctx = t_stanza_context(pool);
    return wire(ctx, announcement_build(ctx, file, "chat", "bob@example.org", "m7", wants_sims),
                pool);
}

/** Fails unless all parts are there, in this order. Attributes have no order of their own, so a
 * part must not have two. */
static void need_parts(const char *text, const char *const *parts)
{
    const char *rest = text;
    for (; *parts; parts++) {
        const char *found = strstr(rest, *parts);
        if (!found) {
            fail_msg("no %s in %s", *parts, rest);
            return;
        }
        rest = found + strlen(*parts);
    }
}

static void forbid(const char *text, const char *part)
{
    if (strstr(text, part)) {
        fail_msg("%s in %s", part, text);
    }
}

static int count(const char *text, const char *part)
{
    int number = 0;
    for (const char *found = text; (found = strstr(found, part)); found++) {
        number++;
    }
    return number;
}

static void test_an_announcement_serves_all_clients(void **state)
{
    static const char *const parts[] = {
        "<body>" URL "</body>",
        "<x xmlns=\"jabber:x:oob\"><url>" URL "</url></x>",
        "<file-sharing ",
        "<file xmlns=\"urn:xmpp:file:metadata:0\">",
        "<media-type>text/plain</media-type>",
        "<name>hello.txt</name>",
        "<size>12</size>",
        "<date>2026-11-22T10:00:00.000Z</date>",
        "<desc>A greeting</desc>",
        "<hash ",
        ">" SHA256 "</hash>",
        "<hash ",
        ">" SHA3_256 "</hash>",
        "</file><sources><url-data ",
        "/></sources></file-sharing>",
        "<fallback ",
        "><body/></fallback>",
        "<origin-id ",
        "/></message>",
        NULL,
    };
    static const char *const attributes[] = {
        "to=\"bob@example.org\"",
        "type=\"chat\"",
        "xmlns=\"urn:xmpp:sfs:0\"",
        "disposition=\"inline\"",
        "algo=\"sha-256\"",
        "algo=\"sha3-256\"",
        "xmlns=\"urn:xmpp:fallback:0\"",
        "for=\"urn:xmpp:sfs:0\"",
        "xmlns=\"urn:xmpp:sid:0\"",
        "xmlns=\"http://jabber.org/protocol/url-data\"",
        "target=\"" URL "\"",
    };
    shared_file_t file = full_file(*state);
    const char *text = build(&file, 0, *state);

    need_parts(text, parts);
    for (size_t i = 0; i < JF_TEST_COUNT(attributes); i++) {
        assert_int_equal(count(text, attributes[i]), 1);
    }
    assert_int_equal(count(text, "id=\"m7\""), 2);
    assert_int_equal(count(text, "<desc>"), 1);
    forbid(text, "urn:xmpp:sims:1");
}

static void test_what_is_not_known_is_not_told(void **state)
{
    static const char *const absent[] = {"<name", "<media-type", "<size",
                                         "<date", "<desc",       "<hash"};
    shared_file_t file = {.url = URL, .size_bytes = -1};
    const char *text = build(&file, 1, *state);

    for (size_t i = 0; i < JF_TEST_COUNT(absent); i++) {
        forbid(text, absent[i]);
    }
    assert_int_equal(count(text, "target=\"" URL "\""), 1);
    assert_int_equal(count(text, "disposition=\"attachment\""), 1);
    forbid(text, "urn:xmpp:sims:1");
}

static void test_the_directory_of_a_file_is_not_told(void **state)
{
    shared_file_t file = full_file(*state);
    file.name = "/home/alice/secret plans/hello.txt";
    const char *text = build(&file, 1, *state);

    forbid(text, "alice");
    assert_int_equal(count(text, "<name>hello.txt</name>"), 2);
}

static void test_what_is_shown_at_once(void **state)
{
    static const struct {
        const char *media_type;
        const char *disposition;
    } cases[] = {
        {"image/jpeg", "inline"},
        {"Image/HEIC", "inline"},
        {"audio/ogg; codecs=opus", "inline"},
        {"video/mp4", "inline"},
        {"text/plain; charset=utf-8", "inline"},
        {"text/html", "attachment"},
        {"text/html; charset=utf-8", "attachment"},
        {"image/svg+xml", "attachment"},
        {"application/pdf", "attachment"},
        {"application/octet-stream", "attachment"},
        {"", "attachment"},
    };

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        shared_file_t file = full_file(*state);
        file.media_type = cases[i].media_type;
        const char *attribute = apr_psprintf(*state, "disposition=\"%s\"", cases[i].disposition);
        assert_int_equal(count(build(&file, 0, *state), attribute), 1);
        file.is_attachment = 1;
        assert_int_equal(count(build(&file, 0, *state), "disposition=\"attachment\""), 1);
    }
}

static void test_sims_says_the_same(void **state)
{
    static const char *const parts[] = {
        "<reference ",
        "<media-sharing xmlns=\"urn:xmpp:sims:1\">",
        "<file xmlns=\"urn:xmpp:jingle:apps:file-transfer:5\">",
        "<media-type>text/plain</media-type>",
        "<name>hello.txt</name>",
        "<size>12</size>",
        "<desc>A greeting</desc>",
        ">" SHA256 "</hash>",
        "</file><sources><reference ",
        "/></sources></media-sharing></reference>",
        NULL,
    };
    shared_file_t file = full_file(*state);
    const char *text = build(&file, 1, *state);

    need_parts(text, parts);
    assert_int_equal(count(text, "begin=\"0\""), 1);
    assert_int_equal(count(text, "end=\"42\""), 1);
    assert_int_equal(count(text, "uri=\"" URL "\""), 1);
    assert_int_equal(count(text, "type=\"data\""), 2);
}

static void test_sims_has_a_description_even_if_there_is_none(void **state)
{
    shared_file_t file = full_file(*state);
    file.description = NULL;
    assert_int_equal(count(build(&file, 1, *state), "<desc"), 1);
}

static void test_texts_cannot_break_the_stream(void **state)
{
    shared_file_t file = full_file(*state);
    file.name = "</name>\x01\xFF.txt";
    file.description = "a\x1B[31m & <b>";
    const char *text = build(&file, 0, *state);

    assert_int_equal(count(text, "<name>name&gt;??.txt</name>"), 1);
    assert_int_equal(count(text, "<desc>a?[31m &amp; &lt;b&gt;</desc>"), 1);
}

static shared_file_t *parse_one(const char *text, apr_pool_t *pool)
{
    apr_array_header_t *files = announcement_parse(t_stanza_read(text, pool), pool);
    assert_int_equal(files->nelts, 1);
    return APR_ARRAY_IDX(files, 0, shared_file_t *);
}

static void test_what_was_written_is_read(void **state)
{
    for (int wants_sims = 0; wants_sims < 2; wants_sims++) {
        for (int is_attachment = 0; is_attachment < 2; is_attachment++) {
            shared_file_t file = full_file(*state);
            file.is_attachment = is_attachment;
            shared_file_t *read = parse_one(build(&file, wants_sims, *state), *state);
            assert_string_equal(read->url, URL);
            assert_string_equal(read->name, "hello.txt");
            assert_string_equal(read->media_type, "text/plain");
            assert_string_equal(read->description, "A greeting");
            assert_int_equal(read->size_bytes, 12);
            assert_int_equal(read->date_us, file.date_us);
            assert_memory_equal(read->sha256, file.sha256, JF_SHA256_BYTES);
            assert_memory_equal(read->sha3_256, file.sha3_256, 32);
            assert_int_equal(read->is_attachment, is_attachment);
        }
    }
}

/* Clients of XEP-0066 read url and desc, ours what is told of the file as well. */
static void test_a_request_is_read(void **state)
{
    const shared_file_t file = full_file(*state);
    xmpp_ctx_t *ctx = t_stanza_context(*state);
    xmpp_stanza_t *built =
        announcement_build_request(ctx, &file, "bob@example.org/desk", "r1", "for <you>");
    xmpp_stanza_t *iq = t_stanza_read(wire(ctx, built, *state), *state);
    xmpp_stanza_t *query = xmpp_stanza_get_child_by_name_and_ns(iq, "query", "jabber:iq:oob");
    assert_string_equal(xmpp_stanza_get_type(iq), "set");
    assert_string_equal(xmpp_stanza_get_to(iq), "bob@example.org/desk");
    assert_string_equal(xmpp_stanza_get_id(iq), "r1");
    assert_string_equal(xmpp_stanza_child_text(query, "url", "jabber:iq:oob", *state), URL);
    assert_string_equal(xmpp_stanza_child_text(query, "desc", "jabber:iq:oob", *state),
                        "for <you>");
    const apr_array_header_t *files = announcement_parse(iq, *state);
    assert_int_equal(files->nelts, 1);
    const shared_file_t *read = APR_ARRAY_IDX(files, 0, shared_file_t *);
    assert_string_equal(read->url, URL);
    assert_string_equal(read->name, "hello.txt");
    assert_string_equal(read->description, "for <you>");
    assert_int_equal(read->size_bytes, 12);
    assert_memory_equal(read->sha256, file.sha256, JF_SHA256_BYTES);
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_an_announcement_serves_all_clients),
    JF_TEST(test_what_is_not_known_is_not_told),
    JF_TEST(test_the_directory_of_a_file_is_not_told),
    JF_TEST(test_what_is_shown_at_once),
    JF_TEST(test_sims_says_the_same),
    JF_TEST(test_sims_has_a_description_even_if_there_is_none),
    JF_TEST(test_texts_cannot_break_the_stream),
    JF_TEST(test_what_was_written_is_read),
    JF_TEST(test_a_request_is_read),
};

JF_TEST_MAIN(tests)
