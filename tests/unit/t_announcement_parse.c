/* Announcements as they are read. */
#include "jf_test.h"

#include <string.h>

#include <apr_strings.h>
#include <strophe.h>

#include "announcement.h"
#include "t_stanza.h"

#define URL "https://files.example.org/u/7f3c/hello.txt"
#define SHA256 "qUiQTy8PR5uPgZdpSzAYSw0u0cHNKh7A+4XSmaGSpEc="
#define SHA3_256 "qACaelKNh3eMNW2jpV2WRxnoGGZqBOT5YMniQ5418Tg="

static apr_array_header_t *parse(const char *text, apr_pool_t *pool)
{
    return announcement_parse(t_stanza_read(text, pool), pool);
}

static shared_file_t *parse_one(const char *text, apr_pool_t *pool)
{
    apr_array_header_t *files = parse(text, pool);
    if (files->nelts != 1) {
        fail_msg("%d files in %s", files->nelts, text);
    }
    return APR_ARRAY_IDX(files, 0, shared_file_t *);
}

static void refuse(const char *text, apr_pool_t *pool)
{
    apr_array_header_t *files = parse(text, pool);
    if (files->nelts != 0) {
        fail_msg("%d files in %s", files->nelts, text);
    }
}

#define MESSAGE(children) "<message type='chat'>" children "</message>"
#define OOB(url) "<x xmlns='jabber:x:oob'><url>" url "</url></x>"
#define SOURCES(url) \
    "<sources><url-data xmlns='http://jabber.org/protocol/url-data' target='" url "'/></sources>"
#define SFS(file, url)                                                                  \
    "<file-sharing xmlns='urn:xmpp:sfs:0'><file xmlns='urn:xmpp:file:metadata:0'>" file \
    "</file>" SOURCES(url) "</file-sharing>"
#define HASH(algo, value) "<hash xmlns='urn:xmpp:hashes:2' algo='" algo "'>" value "</hash>"
#define SIMS(file, url)                                                                           \
    "<reference xmlns='urn:xmpp:reference:0' type='data'><media-sharing xmlns='urn:xmpp:sims:1'>" \
    "<file xmlns='urn:xmpp:jingle:apps:file-transfer:5'>" file "</file><sources><reference "      \
    "xmlns='urn:xmpp:reference:0' type='data' uri='" url                                          \
    "'/></sources></media-sharing></reference>"

static void check_full(const shared_file_t *file, apr_pool_t *pool)
{
    assert_string_equal(file->url, URL);
    assert_string_equal(file->name, "hello.txt");
    assert_string_equal(file->media_type, "text/plain");
    assert_string_equal(file->description, "A greeting");
    assert_int_equal(file->size_bytes, 12);
    assert_int_equal(file->date_us, apr_time_from_sec(1795341600));
    assert_memory_equal(file->sha256, t_stanza_digest(SHA256, pool), JF_SHA256_BYTES);
    assert_memory_equal(file->sha3_256, t_stanza_digest(SHA3_256, pool), 32);
}

static void test_sims_alone(void **state)
{
    shared_file_t *file = parse_one(
        MESSAGE(SIMS("<media-type>text/plain</media-type><name>hello.txt</name><size>12</size>"
                     "<date>2026-11-22T10:00:00Z</date><desc>A greeting</desc>" HASH(
                         "sha-256", SHA256) HASH("sha3-256", SHA3_256),
                     URL)),
        *state);
    check_full(file, *state);
}

static void test_oob_alone(void **state)
{
    static const char *const texts[] = {
        MESSAGE("<body>" URL "</body>"
                "<x xmlns='jabber:x:oob'><url>" URL "</url><desc>A greeting</desc></x>"),
        "<iq type='set'><query xmlns='jabber:iq:oob'><url>" URL
        "</url><desc>A greeting</desc></query></iq>",
    };

    for (size_t i = 0; i < JF_TEST_COUNT(texts); i++) {
        shared_file_t *file = parse_one(texts[i], *state);
        assert_string_equal(file->url, URL);
        assert_string_equal(file->description, "A greeting");
        assert_null(file->name);
        assert_null(file->media_type);
        assert_null(file->sha256);
        assert_int_equal(file->size_bytes, -1);
        assert_int_equal(file->date_us, 0);
    }
}

static void test_claims_about_one_url_are_put_together(void **state)
{
    shared_file_t *file = parse_one(
        MESSAGE("<x xmlns='jabber:x:oob'><url>" URL "</url><desc>from oob</desc></x>" SIMS(
            "<name>second.txt</name><size>7</size>" HASH("sha-256", SHA256), URL)
                    SFS("<name>first.txt</name>", URL)),
        *state);

    assert_string_equal(file->name, "first.txt");
    assert_string_equal(file->description, "from oob");
    assert_int_equal(file->size_bytes, 7);
    assert_non_null(file->sha256);
}

static void test_several_files(void **state)
{
    apr_array_header_t *files = parse(MESSAGE(OOB("https://c.example/3") OOB("http://d.example/4")
                                                  SFS("<name>a</name>", "https://a.example/1")
                                                      SFS("", "https://b.example/2")),
                                      *state);
    static const char *const urls[] = {"https://a.example/1", "https://b.example/2",
                                       "https://c.example/3", "http://d.example/4"};

    assert_int_equal(files->nelts, JF_TEST_COUNT(urls));
    for (size_t i = 0; i < JF_TEST_COUNT(urls); i++) {
        assert_string_equal(APR_ARRAY_IDX(files, i, shared_file_t *)->url, urls[i]);
    }
}

static void test_no_more_than_twenty_files(void **state)
{
    apr_pool_t *pool = *state;
    const char *children = "";
    for (int i = 0; i < 50; i++) {
        children = apr_psprintf(
            pool, "%s<x xmlns='jabber:x:oob'><url>https://a.example/%d</url></x>", children, i);
    }
    const char *text = apr_pstrcat(pool, "<message>", children, "</message>", NULL);
    assert_int_equal(parse(text, pool)->nelts, 20);
}

static void test_what_tells_of_no_file(void **state)
{
    static const char *const texts[] = {
        "<message/>",
        "<message><body>" URL "</body></message>",
        "<message type='error'>" OOB(URL) "</message>",
        "<presence>" OOB(URL) "</presence>",
        "<iq type='set'>" OOB(URL) "</iq>",
        MESSAGE("<query xmlns='jabber:iq:oob'><url>" URL "</url></query>"),
        MESSAGE("<x xmlns='jabber:x:data'><url>" URL "</url></x>"),
        MESSAGE("<x><url>" URL "</url></x>"),
        MESSAGE("<x xmlns='jabber:x:oob'><url xmlns='urn:other'>" URL "</url></x>"),
        MESSAGE("<x xmlns='jabber:x:oob'/>"),
        MESSAGE("<file-sharing xmlns='urn:xmpp:sfs:0'/>"),
        MESSAGE("<file-sharing xmlns='urn:other'>" SOURCES(URL) "</file-sharing>"),
        MESSAGE("<file-sharing xmlns='urn:xmpp:sfs:0'><sources><url-data target='" URL
                "'/></sources></file-sharing>"),
        MESSAGE("<file-sharing xmlns='urn:xmpp:sfs:0'><sources>"
                "<encrypted xmlns='urn:xmpp:esfs:0'>" SOURCES(
                    URL) "</encrypted></sources></file-sharing>"),
        MESSAGE("<reference xmlns='urn:xmpp:reference:0' type='data' uri='" URL "'/>"),
    };

    for (size_t i = 0; i < JF_TEST_COUNT(texts); i++) {
        refuse(texts[i], *state);
    }
}

static void test_urls_that_are_refused(void **state)
{
    static const char *const urls[] = {
        "",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "ftp://example.org/x",
        "aesgcm://example.org/x#0123",
        "https:/example.org/x",
        "https://",
        "https:///x",
        "https://?x",
        "//example.org/x",
        "x https://example.org/x",
        " https://example.org/x",
        "https://example.org/x ",
        "https://example.org/a b",
        "https://example.org/a&#10;b",
        "https://example.org/a&#9;b",
        "https://example.org/\u00FC",
        "https://example.org/\u202Egpj.exe",
        "https://example.org/&#127;",
    };

    for (size_t i = 0; i < JF_TEST_COUNT(urls); i++) {
        refuse(apr_psprintf(*state, MESSAGE(OOB("%s")), urls[i]), *state);
        refuse(apr_psprintf(*state, MESSAGE(SFS("", "%s")), urls[i]), *state);
        refuse(apr_psprintf(*state, MESSAGE(SIMS("", "%s")), urls[i]), *state);
    }
}

static void test_the_longest_url(void **state)
{
    const char *longest = jf_test_repeat("https://example.org/", 'a', 4076, "", *state);
    assert_int_equal(strlen(longest), 4096);
    shared_file_t *file = parse_one(apr_psprintf(*state, MESSAGE(OOB("%s")), longest), *state);
    assert_string_equal(file->url, longest);
    refuse(apr_psprintf(*state, MESSAGE(OOB("%sa")), longest), *state);
}

static void test_schemes_in_capitals(void **state)
{
    parse_one(MESSAGE(OOB("HTTPS://example.org/x")), *state);
    parse_one(MESSAGE(OOB("Http://example.org/x")), *state);
}

static void test_the_first_good_source_counts(void **state)
{
    shared_file_t *file = parse_one(
        MESSAGE("<file-sharing xmlns='urn:xmpp:sfs:0'><sources>"
                "<jinglepub xmlns='urn:xmpp:jinglepub:1' id='x'/>"
                "<url-data xmlns='http://jabber.org/protocol/url-data' target='ftp://a.example/'/>"
                "<url-data xmlns='http://jabber.org/protocol/url-data'/>"
                "<url-data xmlns='http://jabber.org/protocol/url-data' target='" URL "'/>"
                "<url-data xmlns='http://jabber.org/protocol/url-data' target='https://b/'/>"
                "</sources></file-sharing>"),
        *state);
    assert_string_equal(file->url, URL);
}

static void test_sizes(void **state)
{
    static const struct {
        const char *text;
        apr_int64_t size_bytes;
    } cases[] = {
        {"0", 0},
        {"12", 12},
        {"007", 7},
        {"4611686018427387904", INT64_C(4611686018427387904)},
        {"4611686018427387905", -1},
        {"9223372036854775808", -1},
        {"99999999999999999999999999", -1},
        {"", -1},
        {"-1", -1},
        {"+1", -1},
        {" 1", -1},
        {"1 ", -1},
        {"1.5", -1},
        {"0x10", -1},
        {"1e9", -1},
    };

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        shared_file_t *file = parse_one(
            apr_psprintf(*state, MESSAGE(SFS("<size>%s</size>", URL)), cases[i].text), *state);
        if (file->size_bytes != cases[i].size_bytes) {
            fail_msg("\"%s\" is taken for %" APR_INT64_T_FMT, cases[i].text, file->size_bytes);
        }
    }
}

static void test_hashes_that_are_none(void **state)
{
    static const char *const hashes[] = {
        HASH("sha-256", ""),
        HASH("sha-256", "YWJj"),
        HASH("sha-256", SHA256 "AAAA"),
        HASH("sha-256", "\n" SHA256),
        HASH("sha-256", "qUiQTy8PR5uPgZdpSzAYSw0u0cHNKh7A+4XSmaGSpEc"),
        HASH("SHA-256", SHA256),
        HASH("sha-512", SHA256),
        "<hash xmlns='urn:xmpp:hashes:2'>" SHA256 "</hash>",
        "<hash algo='sha-256'>" SHA256 "</hash>",
    };

    for (size_t i = 0; i < JF_TEST_COUNT(hashes); i++) {
        shared_file_t *file =
            parse_one(apr_psprintf(*state, MESSAGE(SFS("%s", URL)), hashes[i]), *state);
        assert_null(file->sha256);
        assert_null(file->sha3_256);
    }
}

static void test_a_bad_hash_does_not_hide_a_good_one(void **state)
{
    shared_file_t *file =
        parse_one(MESSAGE(SFS(HASH("sha-256", "YWJj") HASH("sha-256", SHA256), URL)), *state);
    assert_memory_equal(file->sha256, t_stanza_digest(SHA256, *state), JF_SHA256_BYTES);
}

static void test_long_texts_are_left_out(void **state)
{
    const char *longest = jf_test_repeat("", 'a', 1024, "", *state);
    const char *form = MESSAGE(SFS("<name>%s</name><desc>%s</desc>", URL));
    const char *longer = apr_pstrcat(*state, longest, "a", NULL);

    shared_file_t *file = parse_one(apr_psprintf(*state, form, longest, longest), *state);
    assert_string_equal(file->name, longest);
    assert_string_equal(file->description, longest);
    file = parse_one(apr_psprintf(*state, form, longer, longer), *state);
    assert_null(file->name);
    assert_null(file->description);
}

static void test_media_types_that_are_none(void **state)
{
    static const char *const types[] = {"", "text", "text/plain\n", "a/b/c;", "\u00FC/x"};

    for (size_t i = 0; i < JF_TEST_COUNT(types); i++) {
        shared_file_t *file = parse_one(
            apr_psprintf(*state, MESSAGE(SFS("<media-type>%s</media-type>", URL)), types[i]),
            *state);
        assert_null(file->media_type);
    }
}

static void test_metadata_of_another_namespace_does_not_count(void **state)
{
    shared_file_t *file =
        parse_one(MESSAGE("<file-sharing xmlns='urn:xmpp:sfs:0'><file xmlns='urn:other'>"
                          "<name>x</name></file>" SOURCES(URL) "</file-sharing>"),
                  *state);
    assert_null(file->name);
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_sims_alone),
    JF_TEST(test_oob_alone),
    JF_TEST(test_claims_about_one_url_are_put_together),
    JF_TEST(test_several_files),
    JF_TEST(test_no_more_than_twenty_files),
    JF_TEST(test_what_tells_of_no_file),
    JF_TEST(test_urls_that_are_refused),
    JF_TEST(test_the_longest_url),
    JF_TEST(test_schemes_in_capitals),
    JF_TEST(test_the_first_good_source_counts),
    JF_TEST(test_sizes),
    JF_TEST(test_hashes_that_are_none),
    JF_TEST(test_a_bad_hash_does_not_hide_a_good_one),
    JF_TEST(test_long_texts_are_left_out),
    JF_TEST(test_media_types_that_are_none),
    JF_TEST(test_metadata_of_another_namespace_does_not_count),
};

JF_TEST_MAIN(tests)
