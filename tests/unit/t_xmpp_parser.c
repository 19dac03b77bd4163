#include "jf_test.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <apr_strings.h>

#include "xmpp_parser.h"

#define NS_STREAM "http://etherx.jabber.org/streams"
#define NS_SASL "urn:ietf:params:xml:ns:xmpp-sasl"
/* As much as fits into a stream with its header and some tags. */
#define ALMOST_ALL_BYTES (XMPP_PARSER_STREAM_BYTES_MAX - 1000)
#define HEADER "<stream:stream xmlns='jabber:client' xmlns:stream='" NS_STREAM "'>"

/* Rows of tables: what a server sends after its header, and the elements in it. */
typedef struct mapping_t {
    const char *xml;
    const char *elements;
} mapping_t;

static xmpp_parser_t *create(apr_pool_t *pool)
{
    xmpp_parser_t *parser = NULL;
    jf_test_ok(xmpp_parser_create(&parser, pool), "a parser");
    return parser;
}

/** From a copy that has no byte more: AddressSanitizer and valgrind see reads beyond its end. */
static jf_err_t *feed(xmpp_parser_t *parser, const char *bytes, apr_size_t length)
{
    char *copy = malloc(length > 0 ? length : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, length);
    jf_err_t *err = xmpp_parser_feed(parser, copy, length);
    free(copy);
    return err;
}

static xmpp_parser_t *begin(apr_pool_t *pool)
{
    const xmpp_element_t *element;
    xmpp_parser_t *parser = create(pool);
    jf_test_ok(feed(parser, HEADER, strlen(HEADER)), HEADER);
    jf_test_ok(xmpp_parser_next(&element, parser), HEADER);
    assert_null(element);
    return parser;
}

/** An element as a line: {namespace}name[text](children). */
static const char *show(const xmpp_element_t *element, apr_pool_t *pool)
{
    const char *children = "";
    assert_int_equal(strlen(element->text), element->text_length);
    for (int i = 0; i < element->children->nelts; i++) {
        const xmpp_element_t *child = APR_ARRAY_IDX(element->children, i, xmpp_element_t *);
        children = apr_pstrcat(pool, children, show(child, pool), NULL);
    }
    return apr_pstrcat(pool, "{", element->ns, "}", element->name, "[", element->text, "](",
                       children, ")", NULL);
}

/** Feeds @a length bytes and adds what comes out of them to @a lines. */
static jf_err_t *take(const char **lines, xmpp_parser_t *parser, const char *bytes,
                      apr_size_t length, apr_pool_t *pool)
{
    const xmpp_element_t *element;
    JF_TRY(feed(parser, bytes, length));
    for (;;) {
        JF_TRY(xmpp_parser_next(&element, parser));
        if (!element) {
            return NULL;
        }
        *lines = apr_pstrcat(pool, *lines, show(element, pool), NULL);
    }
}

/** As take, with the text in pieces of @a size bytes. */
static jf_err_t *take_pieces(const char **lines, const char *text, apr_size_t size,
                             apr_pool_t *pool)
{
    xmpp_parser_t *parser = create(pool);
    apr_size_t length = strlen(text);
    for (apr_size_t at = 0; at < length; at += size) {
        apr_size_t count = length - at < size ? length - at : size;
        JF_TRY(take(lines, parser, text + at, count, pool));
    }
    return NULL;
}

/* ---- elements ---- */

static const mapping_t good[] = {
    {"", ""},
    {" \r\n\t ", ""},
    {"text between elements", ""},
    {"<a/>", "{jabber:client}a[]()"},
    {"<a></a>", "{jabber:client}a[]()"},
    {"<a b='c' d=\"e\"\n/>", "{jabber:client}a[]()"},
    {"<a/><b/> <c/>\n", "{jabber:client}a[](){jabber:client}b[](){jabber:client}c[]()"},
    {"<a xmlns=''/>", "{}a[]()"},
    {"<x:a xmlns:x='urn:x'><x:b/><c/></x:a>", "{urn:x}a[]({urn:x}b[](){jabber:client}c[]())"},
    {"<a xmlns='urn:x'><b/><c xmlns='urn:y'><d/></c><e/></a>",
     "{urn:x}a[]({urn:x}b[](){urn:y}c[]({urn:y}d[]()){urn:x}e[]())"},
    {"<a>text</a>", "{jabber:client}a[text]()"},
    {"<a> \n x </a>", "{jabber:client}a[ \n x ]()"},
    {"<a>x<b>y</b>z<c/></a>", "{jabber:client}a[xz]({jabber:client}b[y](){jabber:client}c[]())"},
    {"<a>&lt;&gt;&amp;&quot;&apos;&#65;&#x42;</a>", "{jabber:client}a[<>&\"'AB]()"},
    {"<a>x<![CDATA[<b/>&amp;]]>y</a>", "{jabber:client}a[x<b/>&amp;y]()"},
    {"<a>\u00FC\u20AC\U0001F600</a>", "{jabber:client}a[\u00FC\u20AC\U0001F600]()"},
    {"<\u00FC/>", "{jabber:client}\u00FC[]()"},
    {"<a>x\r\ny\rz</a>", "{jabber:client}a[x\ny\nz]()"},
    {"<stream:error><host-gone xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>",
     "{" NS_STREAM "}error[]({urn:ietf:params:xml:ns:xmpp-streams}host-gone[]())"},
    {"<success xmlns='" NS_SASL "'>dj1YWVo=</success>", "{" NS_SASL "}success[dj1YWVo=]()"},
    {"<stream:features><mechanisms xmlns='" NS_SASL "'><mechanism>PLAIN</mechanism>"
     "<mechanism>SCRAM-SHA-1</mechanism></mechanisms></stream:features>",
     "{" NS_STREAM "}features[]({" NS_SASL "}mechanisms[]({" NS_SASL "}mechanism[PLAIN](){" NS_SASL
     "}mechanism[SCRAM-SHA-1]()))"},
};

static void test_elements_in_pieces_of_any_size(void **state)
{
    for (size_t i = 0; i < JF_TEST_COUNT(good); i++) {
        const char *text = apr_pstrcat(*state, "<?xml version='1.0'?>", HEADER, good[i].xml, NULL);
        for (apr_size_t size = strlen(text); size > 0; size--) {
            const char *lines = "";
            jf_test_ok(take_pieces(&lines, text, size, *state), text);
            assert_string_equal(lines, good[i].elements);
        }
    }
}

/* The peer says nothing more until it has an answer. */
static void test_an_element_comes_with_its_last_byte(void **state)
{
    static const char *const elements[] = {"<a/>", "<a></a>", "<a b='c'/>",
                                           "<success xmlns='" NS_SASL "'>dj1YWVo=</success >",
                                           "<stream:features><a><b>x</b></a></stream:features>"};

    for (size_t i = 0; i < JF_TEST_COUNT(elements); i++) {
        apr_size_t length = strlen(elements[i]);
        for (apr_size_t split = 0; split < length; split++) {
            const char *lines = "";
            xmpp_parser_t *parser = begin(*state);
            jf_test_ok(take(&lines, parser, elements[i], split, *state), elements[i]);
            assert_string_equal(lines, "");
            jf_test_ok(take(&lines, parser, elements[i] + split, length - split, *state),
                       elements[i]);
            assert_string_not_equal(lines, "");
        }
    }
}

static void test_headers_of_real_servers(void **state)
{
    static const char *const headers[] = {
        HEADER,
        "<?xml version='1.0'?>" HEADER,
        "<?xml version='1.0' encoding='UTF-8'?>\n" HEADER,
        "<?xml version='1.0'?><stream:stream id='2345' version='1.0' xml:lang='en' "
        "xmlns:stream='" NS_STREAM "' from='example.org' xmlns='jabber:client'>",
        "<x:stream xmlns:x='" NS_STREAM "' xmlns='jabber:client'>",
        "<stream xmlns='" NS_STREAM "'>",
        "\xEF\xBB\xBF" HEADER,
    };

    for (size_t i = 0; i < JF_TEST_COUNT(headers); i++) {
        const char *lines = "";
        const char *text = apr_pstrcat(*state, headers[i], "<a xmlns='urn:x'/>", NULL);
        jf_test_ok(take_pieces(&lines, text, strlen(text), *state), text);
        assert_string_equal(lines, "{urn:x}a[]()");
    }
}

static void test_nothing_is_fed(void **state)
{
    const xmpp_element_t *element;
    xmpp_parser_t *parser = create(*state);

    jf_test_ok(xmpp_parser_next(&element, parser), "no bytes yet");
    assert_null(element);
    jf_test_ok(xmpp_parser_feed(parser, "", 0), "no bytes");
    jf_test_ok(xmpp_parser_next(&element, parser), "no bytes");
    assert_null(element);
}

static void test_two_elements_in_one_chunk(void **state)
{
    static const char text[] = "<a/><b>x</b><c";
    const xmpp_element_t *first;
    const xmpp_element_t *second;
    const xmpp_element_t *none;
    xmpp_parser_t *parser = begin(*state);

    jf_test_ok(feed(parser, text, strlen(text)), text);
    jf_test_ok(xmpp_parser_next(&first, parser), text);
    jf_test_ok(xmpp_parser_next(&second, parser), text);
    jf_test_ok(xmpp_parser_next(&none, parser), text);
    assert_null(none);
    jf_test_ok(feed(parser, "/>", 2), text);
    jf_test_ok(xmpp_parser_next(&none, parser), text);
    assert_string_equal(show(none, *state), "{jabber:client}c[]()");
    assert_string_equal(show(first, *state), "{jabber:client}a[]()"); /* they live on */
    assert_string_equal(show(second, *state), "{jabber:client}b[x]()");
}

static void test_rest(void **state)
{
    static const struct {
        const char *xml;
        int has_rest;
    } cases[] = {
        {"<a/>", 0},          {"<a></a>", 0},     {"<a>x</a >", 0},    {"<a b='c'/>", 0},
        {"<a/> ", 1},         {"<a></a>\n", 1},   {"<a/><b/>", 1},     {"<a></a><", 1},
        {"<a>\u00FC</a>", 0}, {"<a/>\xFF", 1},    {"<a>&amp;</a>", 0}, {"<a/></stream:stream>", 1},
        {" <a/>", 0},         {"<a>\r\n</a>", 0},
    };

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        const xmpp_element_t *element;
        xmpp_parser_t *parser = begin(*state);
        jf_test_ok(feed(parser, cases[i].xml, strlen(cases[i].xml)), cases[i].xml);
        jf_test_ok(xmpp_parser_next(&element, parser), cases[i].xml);
        assert_non_null(element);
        assert_int_equal(xmpp_parser_has_rest(parser), cases[i].has_rest);
    }
}

static void test_rest_after_each_of_several(void **state)
{
    const xmpp_element_t *element;
    xmpp_parser_t *parser = begin(*state);

    jf_test_ok(feed(parser, "<a/><b>x</b>", 12), "two");
    for (int left = 2; left >= 0; left--) {
        jf_test_ok(xmpp_parser_next(&element, parser), "one of them");
        assert_int_equal(xmpp_parser_has_rest(parser), left == 2);
    }
    jf_test_ok(feed(parser, " ", 1), "a space");
    assert_true(xmpp_parser_has_rest(parser));
}

static void test_looking_at_elements(void **state)
{
    static const char text[] = "<a><b xmlns='urn:x'>1</b><b>2</b><b>3</b><c/></a>";
    const xmpp_element_t *a;
    xmpp_parser_t *parser = begin(*state);
    jf_test_ok(feed(parser, text, strlen(text)), text);
    jf_test_ok(xmpp_parser_next(&a, parser), text);

    assert_true(xmpp_element_is(a, "jabber:client", "a"));
    assert_false(xmpp_element_is(a, "jabber:client", "A"));
    assert_false(xmpp_element_is(a, "jabber:client", ""));
    assert_false(xmpp_element_is(a, "jabber:server", "a"));
    assert_false(xmpp_element_is(a, "", "a"));
    assert_false(xmpp_element_is(NULL, "jabber:client", "a"));
    assert_string_equal(xmpp_element_child(a, "jabber:client", "b")->text, "2");
    assert_string_equal(xmpp_element_child(a, "urn:x", "b")->text, "1");
    assert_null(xmpp_element_child(a, "urn:x", "c"));
    assert_null(xmpp_element_child(a, "jabber:client", "d"));
    assert_null(xmpp_element_child(xmpp_element_child(a, "urn:x", "b"), "urn:x", "b"));
}

/* ---- what is refused ---- */

/** Fails unless the stream is refused, after @a elements, in one piece and byte by byte. */
static void refuse(const char *text, const char *elements, apr_pool_t *pool)
{
    const char *lines = "";
    jf_test_refused(take_pieces(&lines, text, strlen(text), pool), JF_ERR_INVALID, text);
    assert_string_equal(lines, elements);
    lines = "";
    jf_test_refused(take_pieces(&lines, text, 1, pool), JF_ERR_INVALID, text);
    assert_string_equal(lines, elements);
}

static void test_not_a_stream(void **state)
{
    static const char *const texts[] = {
        "HTTP/1.1 400 Bad Request\r\n\r\n",
        "220 mail.example.org ESMTP\r\n",
        "\x15\x03\x01 \x02",
        "SSH-2.0-OpenSSH_9.2\r\n",
        "<a>",
        "<stream>",
        "hello\r\n",
        "<stream xmlns='jabber:client'>",
        "<error xmlns='" NS_STREAM "'>",
        "<stream:features xmlns:stream='" NS_STREAM "'>",
        "<streams xmlns='" NS_STREAM "'>",
        "<Stream xmlns='" NS_STREAM "'>",
        "<stream xmlns='" NS_STREAM "/'>",
        "<stream xmlns='HTTP://etherx.jabber.org/streams'>",
        "<!-- -->" HEADER,
        "\n<?xml version='1.0'?>" HEADER,
        "<?xml version='1.0'?><?xml version='1.0'?>" HEADER,
        "<!DOCTYPE stream>" HEADER,
        "<?x?>" HEADER,
        "<?xml version='1.1'?>" HEADER "<a></b>",
        "<stream xmlns='http://etherx.jabber.org/streams&#10;stream'>"};

    for (size_t i = 0; i < JF_TEST_COUNT(texts); i++) {
        refuse(texts[i], "", *state);
    }
}

static void test_what_xmpp_forbids(void **state)
{
    static const char *const texts[] = {"<!-- x -->",      "<a><!-- x --></a>",     "<?x?>",
                                        "<a><?x y?></a>",  "<?xml version='1.0'?>", "<!DOCTYPE a>",
                                        "<!ENTITY a 'b'>", "<a><!DOCTYPE a></a>",   "<a>&nbsp;</a>",
                                        "<a>&x;</a>",      "<a b='&x;'/>",          "<a>&x;</a >"};

    for (size_t i = 0; i < JF_TEST_COUNT(texts); i++) {
        refuse(apr_pstrcat(*state, HEADER, texts[i], NULL), "", *state);
    }
}

static void test_document_types(void **state)
{
    static const char *const types[] = {
        "<!DOCTYPE a>",
        "<!DOCTYPE a []>",
        "<!DOCTYPE a SYSTEM 'file:///etc/passwd'>",
        "<!DOCTYPE a PUBLIC 'x' 'http://localhost/'>",
        "<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>",
        "<!DOCTYPE a [<!ENTITY % x SYSTEM 'http://localhost/'> %x;]>",
        "<!DOCTYPE a [<!ENTITY x 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'>"
        "<!ENTITY y '&x;&x;&x;&x;&x;&x;&x;&x;&x;&x;&x;&x;&x;&x;&x;&x;'>"
        "<!ENTITY z '&y;&y;&y;&y;&y;&y;&y;&y;&y;&y;&y;&y;&y;&y;&y;&y;'>"
        "<!ENTITY w '&z;&z;&z;&z;&z;&z;&z;&z;&z;&z;&z;&z;&z;&z;&z;&z;'>]>",
        "<!DOCTYPE a [<!ATTLIST a b CDATA 'c'>]>"};

    for (size_t i = 0; i < JF_TEST_COUNT(types); i++) {
        refuse(apr_pstrcat(*state, types[i], HEADER "<a>&w;&w;&w;</a>", NULL), "", *state);
        refuse(apr_pstrcat(*state, "<?xml version='1.0'?>", types[i], HEADER, NULL), "", *state);
    }
}

static void test_what_is_no_xml(void **state)
{
    static const char *const texts[] = {"<a></b>",
                                        "</a>",
                                        "<a b>",
                                        "<a b='1' b='2'>",
                                        "<x:a/>",
                                        "<a x:b='c'/>",
                                        "<a b='<'>",
                                        "<>",
                                        "<a>]]></a>",
                                        "<a>\x01</a>",
                                        "<a>\x1B[31m</a>",
                                        "<a>&#0;</a>",
                                        "<a>&#xD800;</a>",
                                        "<a>&#x110000;</a>",
                                        "<a>&lt</a>",
                                        "<a>\xFF</a>",
                                        "<a>\xC3(</a>",
                                        "<a>\xC0\xAF</a>",
                                        "<a>\xED\xA0\x80</a>",
                                        "<a>\xF4\x90\x80\x80</a>",
                                        "<a xmlns:x=''/>",
                                        "<a xmlns:xml='urn:x'/>",
                                        "<xmlns:a/>",
                                        "<a:b:c/>",
                                        "<1/>",
                                        "&;"};

    for (size_t i = 0; i < JF_TEST_COUNT(texts); i++) {
        refuse(apr_pstrcat(*state, HEADER, texts[i], NULL), "", *state);
    }
    refuse(HEADER "<a xmlns='http://www.w3.org/2000/xmlns/'/>", "", *state);
    refuse(HEADER "<a xmlns='urn:x&#10;y'/>", "", *state);
}

/* Whatever the server says that its encoding is, UTF-8 it has to be. */
static void test_encodings(void **state)
{
    static const char *const names[] = {"ISO-8859-1", "US-ASCII", "UTF-16", "EBCDIC"};

    for (size_t i = 0; i < JF_TEST_COUNT(names); i++) {
        const char *lines = "";
        const char *header =
            apr_pstrcat(*state, "<?xml version='1.0' encoding='", names[i], "'?>" HEADER, NULL);
        refuse(apr_pstrcat(*state, header, "<a>\xFC</a>", NULL), "", *state);
        jf_test_ok(
            take_pieces(&lines, apr_pstrcat(*state, header, "<a>\u00FC</a>", NULL), 20000, *state),
            names[i]);
        assert_string_equal(lines, "{jabber:client}a[\u00FC]()");
    }
}

static void test_nul_bytes(void **state)
{
    const char *lines = "";

    jf_test_refused(take(&lines, begin(*state), "<a>\0</a>", 8, *state), JF_ERR_INVALID, "text");
    jf_test_refused(take(&lines, begin(*state), "<a\0/>", 5, *state), JF_ERR_INVALID, "a name");
    jf_test_refused(take(&lines, begin(*state), "\0\0<", 3, *state), JF_ERR_INVALID, "between");
    assert_string_equal(lines, "");
}

static void test_the_end_of_the_stream(void **state)
{
    refuse(HEADER "</stream:stream>", "", *state);
    refuse(HEADER "<a/></stream:stream>", "{jabber:client}a[]()", *state);
    refuse(HEADER "<a/></stream:stream><b/>", "{jabber:client}a[]()", *state);
    refuse("<stream xmlns='" NS_STREAM "'/>", "", *state);
}

/* ---- after an error ---- */

static void test_an_error_stays(void **state)
{
    const char *long_name = jf_test_repeat("<a/><", 'x', XMPP_PARSER_NAME_BYTES_MAX, "/>", *state);
    const char *const texts[] = {"<a/><!-- --><b/>", "<a/></stream:stream>", "<a/></b><c/>",
                                 "<a/><?x?>", long_name};

    for (size_t i = 0; i < JF_TEST_COUNT(texts); i++) {
        const char *lines = "";
        xmpp_parser_t *parser = begin(*state);
        jf_err_t *err = take(&lines, parser, texts[i], strlen(texts[i]), *state);
        jf_test_refused(err, JF_ERR_INVALID, texts[i]);
        assert_string_equal(lines, "{jabber:client}a[]()");
        for (int again = 0; again < 3; again++) {
            const xmpp_element_t *element = NULL;
            assert_ptr_equal(xmpp_parser_next(&element, parser), err);
            assert_null(element);
            assert_ptr_equal(xmpp_parser_feed(parser, "<d/>", 4), err);
        }
    }
}

/* ---- limits ---- */

/** An element with elements in it, @a depth in all. */
static const char *nested(int depth, apr_pool_t *pool)
{
    const char *text = "";
    for (int i = 0; i < depth; i++) {
        text = apr_pstrcat(pool, "<a>", text, "</a>", NULL);
    }
    return text;
}

/** An element with so many children. */
static const char *crowded(int count, apr_pool_t *pool)
{
    apr_size_t size = (apr_size_t)count * 4 + 8;
    char *text = apr_palloc(pool, size);
    char *end = apr_cpystrn(text, "<x>", size);
    for (int i = 0; i < count; i++) {
        end = apr_cpystrn(end, "<a/>", size - (apr_size_t)(end - text));
    }
    apr_cpystrn(end, "</x>", size - (apr_size_t)(end - text));
    return text;
}

static void take_well(const char *xml, apr_pool_t *pool)
{
    const char *lines = "";
    const char *text = apr_pstrcat(pool, HEADER, xml, NULL);
    jf_test_ok(take_pieces(&lines, text, strlen(text), pool), text);
    assert_string_not_equal(lines, "");
}

/* The root is one. */
static void test_depth(void **state)
{
    take_well(nested(XMPP_PARSER_DEPTH_MAX - 1, *state), *state);
    take_well("<a><b/><b/><b/><b/><b/><b/><b/><b/><b/><b/><b/></a>", *state);
    refuse(apr_pstrcat(*state, HEADER, nested(XMPP_PARSER_DEPTH_MAX, *state), NULL), "", *state);
    refuse(apr_pstrcat(*state, HEADER, nested(1000, *state), NULL), "", *state);
    /* an empty element ends although the parser was stopped at its start */
    refuse(HEADER "<a><a><a><a><a><a><a><a/>", "", *state);
}

static void test_number_of_elements(void **state)
{
    const char *most = crowded(XMPP_PARSER_NODES_MAX - 1, *state);

    take_well(most, *state);
    take_well(apr_pstrcat(*state, most, most, "<a/>", NULL), *state);
    refuse(apr_pstrcat(*state, HEADER, crowded(XMPP_PARSER_NODES_MAX, *state), NULL), "", *state);
    refuse(apr_pstrcat(*state, HEADER, crowded(ALMOST_ALL_BYTES / 4, *state), NULL), "", *state);
}

static void test_length_of_names(void **state)
{
    const int left = XMPP_PARSER_NAME_BYTES_MAX - (int)strlen("jabber:client") - 1;
    const char *many =
        jf_test_repeat("<a xmlns='urn:", 'x', XMPP_PARSER_NAME_BYTES_MAX, "'/>", *state);

    take_well(jf_test_repeat("<", 'x', left, "/>", *state), *state);
    refuse(jf_test_repeat(HEADER "<", 'x', left + 1, "/>", *state), "", *state);
    refuse(jf_test_repeat(HEADER "<", 'x', ALMOST_ALL_BYTES, "/>", *state), "", *state);
    refuse(apr_pstrcat(*state, HEADER, many, NULL), "", *state);
    refuse(jf_test_repeat(HEADER "<a><", 'x', 1000, "/></a>", *state), "", *state);
    refuse(jf_test_repeat("<", 'x', 1000, ">", *state), "", *state);
    /* what is not kept may be long */
    take_well(jf_test_repeat("<a b='", 'x', 10000, "'/>", *state), *state);
    take_well(jf_test_repeat("<a ", 'x', 10000, "=''/>", *state), *state);
    take_well(jf_test_repeat("<a>", 'x', ALMOST_ALL_BYTES, "</a>", *state), *state);
}

static void test_bytes_of_a_stream(void **state)
{
    const xmpp_element_t *element;
    const char *spaces = jf_test_repeat("", ' ', XMPP_PARSER_STREAM_BYTES_MAX + 1, "", *state);
    apr_size_t left = XMPP_PARSER_STREAM_BYTES_MAX - strlen(HEADER);

    xmpp_parser_t *parser = begin(*state);
    jf_test_ok(feed(parser, spaces, left), "just as much as may be");
    jf_test_ok(xmpp_parser_feed(parser, "", 0), "nothing");
    jf_test_refused(feed(parser, " ", 1), JF_ERR_INVALID, "one more");
    jf_test_refused(xmpp_parser_next(&element, parser), JF_ERR_INVALID, "one more");
    jf_test_refused(feed(begin(*state), spaces, left + 1), JF_ERR_INVALID, "one too many");
    jf_test_refused(feed(create(*state), spaces, XMPP_PARSER_STREAM_BYTES_MAX + 1), JF_ERR_INVALID,
                    "at once");
    jf_test_refused(xmpp_parser_feed(begin(*state), spaces, ~(apr_size_t)0), JF_ERR_INVALID,
                    "more than there is");
}

/* ---- memory ---- */

static long most_memory_kib(void)
{
    struct rusage usage;
    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
    return usage.ru_maxrss;
}

/* Expat hands out each newline alone. A copy of what is there for each would be hundreds of MB. */
static void test_text_in_many_pieces(void **state)
{
    const char *newlines = jf_test_repeat("<a>", '\n', ALMOST_ALL_BYTES, "</a>", *state);
    const xmpp_element_t *element;
    long before_kib = most_memory_kib();

    xmpp_parser_t *parser = begin(*state);
    jf_test_ok(feed(parser, newlines, strlen(newlines)), "newlines");
    jf_test_ok(xmpp_parser_next(&element, parser), "newlines");
    assert_int_equal(element->text_length, ALMOST_ALL_BYTES);
    assert_true(most_memory_kib() - before_kib < 32 * 1024);
}

/* The worst that a stream can do: elements as small as they can be, their namespace as long. */
static void test_memory_of_many_elements(void **state)
{
    const char *header = jf_test_repeat("<stream:stream xmlns:stream='" NS_STREAM "' xmlns='", 'x',
                                        XMPP_PARSER_NAME_BYTES_MAX - 2, "'>", *state);
    const xmpp_element_t *element;
    long before_kib = most_memory_kib();

    xmpp_parser_t *parser = create(*state);
    jf_test_ok(feed(parser, header, strlen(header)), header);
    for (int i = 0; i < ALMOST_ALL_BYTES / 4; i++) {
        jf_test_ok(feed(parser, "<a/>", 4), "an element");
        jf_test_ok(xmpp_parser_next(&element, parser), "an element");
        jf_test_ok(xmpp_parser_next(&element, parser), "no more");
    }
    assert_true(most_memory_kib() - before_kib < 32 * 1024);
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_elements_in_pieces_of_any_size),
    JF_TEST(test_an_element_comes_with_its_last_byte),
    JF_TEST(test_headers_of_real_servers),
    JF_TEST(test_nothing_is_fed),
    JF_TEST(test_two_elements_in_one_chunk),
    JF_TEST(test_rest),
    JF_TEST(test_rest_after_each_of_several),
    JF_TEST(test_looking_at_elements),
    JF_TEST(test_not_a_stream),
    JF_TEST(test_what_xmpp_forbids),
    JF_TEST(test_document_types),
    JF_TEST(test_what_is_no_xml),
    JF_TEST(test_encodings),
    JF_TEST(test_nul_bytes),
    JF_TEST(test_the_end_of_the_stream),
    JF_TEST(test_an_error_stays),
    JF_TEST(test_depth),
    JF_TEST(test_number_of_elements),
    JF_TEST(test_length_of_names),
    JF_TEST(test_bytes_of_a_stream),
    JF_TEST(test_text_in_many_pieces),
    JF_TEST(test_memory_of_many_elements),
};

JF_TEST_MAIN(tests)
