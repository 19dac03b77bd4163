#include "jf_test.h"

#include <string.h>

#include <apr_escape.h>
#include <apr_strings.h>

#include "jf_media.h"

static void test_media_types_are_stored(void **state)
{
    static const struct {
        const char *content_type;
        const char *stored;
    } cases[] = {
        {"image/png", "image/png"},
        {"IMAGE/PNG", "image/png"},
        {"Image/SVG+XML", "image/svg+xml"},
        {"  image/png\t ", "image/png"},
        {"text/plain; charset=UTF-8", "text/plain; charset=UTF-8"},
        {"TEXT/Plain;Charset=\"UTF-8\"", "text/plain;Charset=\"UTF-8\""},
        {"text/plain ; a=b ;c=d", "text/plain ; a=b ;c=d"},
        {"text/plain; a=\"x; y=\\\"z\\\\\"", "text/plain; a=\"x; y=\\\"z\\\\\""},
        {"text/plain; a=\"\"", "text/plain; a=\"\""},
        {"text/plain;", "text/plain;"},
        {"text/plain;;a=b", "text/plain;;a=b"},
        {"text/plain; a='b'*%", "text/plain; a='b'*%"},
        {"application/vnd.oasis.opendocument.text", "application/vnd.oasis.opendocument.text"},
        {"application/x-7z-compressed", "application/x-7z-compressed"},
        {"x/y", "x/y"},
        {"1/2", "1/2"},
        {"application/octet-stream", JF_MEDIA_UNKNOWN},
    };

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        assert_string_equal(jf_media_to_store(cases[i].content_type, *state), cases[i].stored);
    }
    assert_string_equal(jf_media_to_store(NULL, *state), JF_MEDIA_UNKNOWN);
}

/* What a client may say that is no media type, or no header that could be sent. */
static const char *const wrong_types[] = {
    "",
    " ",
    "/",
    "image",
    "image/",
    "/png",
    "image//png",
    "image/png/x",
    "image png",
    "image /png",
    "image/ png",
    "image/png x",
    "image/png, text/html",
    "image/png,text/html",
    "*/*",
    "image/*",
    "-x/y",
    "x/.y",
    "im age/png",
    "image/p(n)g",
    "image/png; a",
    "image/png; a=",
    "image/png; =b",
    "image/png; a = b",
    "image/png; a=b c",
    "image/png; a=\"b",
    "image/png; a=\"b\\",
    "image/png; a=\"b\"c",
    "image/png; a=b\"c\"",
    "image/png; a=(b)",
    "image/png a=b",
    "\"image/png\"",
    "image/png\r\nX-Evil: y",
    "image/png\nX-Evil: y",
    "image/png; a=\"\r\nX-Evil: y\"",
    "image/png; a=\"\t\"",
    "image/png\x01",
    "image/png\x7F",
    "image/png\x80",
    "image/\xC3\xBC",
    "image/png; a=\"\xC3\xBC\"",
    "\uFF49mage/png",
    "image/png\x1B[2J",
    "<script>/x",
    "text/html<script>",
};

static void test_wrong_types_are_stored_as_unknown(void **state)
{
    for (size_t i = 0; i < JF_TEST_COUNT(wrong_types); i++) {
        const char *stored = jf_media_to_store(wrong_types[i], *state);
        if (strcmp(stored, JF_MEDIA_UNKNOWN) != 0) {
            fail_msg("\"%s\" is stored as \"%s\"", wrong_types[i], stored);
        }
    }
}

static void test_wrong_types_in_the_ledger_are_harmless(void **state)
{
    for (size_t i = 0; i < JF_TEST_COUNT(wrong_types); i++) {
        assert_string_equal(jf_media_to_serve(wrong_types[i], *state), JF_MEDIA_UNKNOWN);
        if (jf_media_is_inline(wrong_types[i], NULL)) {
            fail_msg("\"%s\" is inline", wrong_types[i]);
        }
    }
}

static void test_longest_type(void **state)
{
    const char *longest = jf_test_repeat("image/png; a=", 'x', 242, "", *state);
    const char *longer = jf_test_repeat("image/png; a=", 'x', 243, "", *state);
    const char *longest_name = jf_test_repeat("image/", 'x', 249, "", *state);
    const char *huge = jf_test_repeat("image/", 'x', 1000000, "", *state);

    assert_int_equal(strlen(longest), 255);
    assert_string_equal(jf_media_to_store(longest, *state), longest);
    assert_string_equal(jf_media_to_store(longest_name, *state), longest_name);
    assert_string_equal(jf_media_to_store(longer, *state), JF_MEDIA_UNKNOWN);
    assert_string_equal(jf_media_to_store(huge, *state), JF_MEDIA_UNKNOWN);
}

static const char *const active_types[] = {
    "text/html",
    "TEXT/HTML",
    "application/xhtml+xml",
    "image/svg+xml",
    "IMAGE/SVG+XML",
    "application/atom+xml",
    "application/rdf+xml",
    "x/y+XML",
    "text/xml",
    "application/xml",
    "application/xml-dtd",
    "text/xml-external-parsed-entity",
    "text/xsl",
    "text/javascript",
    "text/javascript1.5",
    "application/javascript",
    "application/x-javascript",
    "text/ecmascript",
    "application/ecmascript",
    "text/jscript",
    "text/livescript",
    "text/css",
    "application/json",
    "multipart/mixed",
    "multipart/x-mixed-replace",
    "multipart/related",
    "message/rfc822",
    "message/global",
    "application/x-shockwave-flash",
    "text/vtt",
    "application/wasm",
    "text/cache-manifest",
};

static const char *const passive_types[] = {
    "text/plain",
    "image/png",
    "image/jpeg",
    "application/pdf",
    "application/zip",
    "text/csv",
    "text/htmlx",
    "text/cssx",
    "xml",
    "image/svg",
    "image/x+xmlx",
    "application/jsonx",
    "+xm",
    "",
    JF_MEDIA_UNKNOWN,
};

static void test_types_by_name(void **state)
{
    static const struct {
        const char *leaf;
        const char *media_type;
    } cases[] = {
        {"a.jpg", "image/jpeg"},
        {"a.jpeg", "image/jpeg"},
        {"a.JPG", "image/jpeg"},
        {"a.JpEg", "image/jpeg"},
        {"a.png.gif", "image/gif"},
        {"\u00FC \u20AC.webp", "image/webp"},
        {".png", "image/png"},
        {"a.mp4", "video/mp4"},
        {"a.m4a", "audio/mp4"},
        {"a.opus", "audio/ogg"},
        {"a.txt", "text/plain"},
        {"a.7z", "application/x-7z-compressed"},
        {"", NULL},
        {"a", NULL},
        {"jpg", NULL},
        {"a.", NULL},
        {".", NULL},
        {"a.jpg.", NULL},
        {"a.jpg ", NULL},
        {"a.jpgx", NULL},
        {"a.jp", NULL},
        {"a.\uFF4Apg", NULL},
        {"a.exe", NULL},
        {"a.html", NULL},
    };
    (void)state;

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        const char *media_type = jf_media_by_name(cases[i].leaf);
        if (!cases[i].media_type) {
            assert_null(media_type);
        } else {
            assert_non_null(media_type);
            assert_string_equal(media_type, cases[i].media_type);
        }
    }
}

static const char *const chat_endings[] = {
    "jpg", "jpeg", "png",  "gif",  "webp", "avif", "heic", "bmp", "svg",
    "mp4", "m4v",  "mov",  "webm", "mkv",  "3gp",  "mp3",  "m4a", "aac",
    "ogg", "oga",  "opus", "ogv",  "flac", "wav",  "pdf",  "txt", "zip",
};

static void test_types_by_name_are_stored_as_they_are(void **state)
{
    for (size_t i = 0; i < JF_TEST_COUNT(chat_endings); i++) {
        const char *media_type = jf_media_by_name(apr_pstrcat(*state, "a.", chat_endings[i], NULL));
        assert_non_null(media_type);
        assert_string_equal(jf_media_to_store(media_type, *state), media_type);
    }
}

static void test_active_types(void **state)
{
    (void)state;
    for (size_t i = 0; i < JF_TEST_COUNT(active_types); i++) {
        if (!jf_media_is_active(active_types[i])) {
            fail_msg("\"%s\" is not active", active_types[i]);
        }
    }
    for (size_t i = 0; i < JF_TEST_COUNT(passive_types); i++) {
        if (jf_media_is_active(passive_types[i])) {
            fail_msg("\"%s\" is active", passive_types[i]);
        }
    }
}

static void test_active_types_are_never_allowed_inline(void **state)
{
    for (size_t i = 0; i < JF_TEST_COUNT(active_types); i++) {
        const char *essence = "untouched";
        jf_test_refused(jf_media_parse_inline(&essence, active_types[i], *state), JF_ERR_INVALID,
                        active_types[i]);
        assert_string_equal(essence, "untouched");
        if (jf_media_is_inline(active_types[i], NULL)) {
            fail_msg("\"%s\" is inline", active_types[i]);
        }
    }
}

static void test_allow_list_takes_exact_types_only(void **state)
{
    static const struct {
        const char *text;
        const char *essence;
    } cases[] = {
        {"image/png", "image/png"},
        {"Application/PDF", "application/pdf"},
        {"text/csv", "text/csv"},
    };
    static const char *const wrong[] = {"image/png; a=b", "image/png;", " image/png", "image/png "};

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        const char *essence = NULL;
        jf_test_ok(jf_media_parse_inline(&essence, cases[i].text, *state), cases[i].text);
        assert_string_equal(essence, cases[i].essence);
    }
    for (size_t i = 0; i < JF_TEST_COUNT(wrong); i++) {
        const char *essence;
        jf_test_refused(jf_media_parse_inline(&essence, wrong[i], *state), JF_ERR_INVALID,
                        wrong[i]);
    }
    for (size_t i = 0; i < JF_TEST_COUNT(wrong_types); i++) {
        const char *essence;
        jf_test_refused(jf_media_parse_inline(&essence, wrong_types[i], *state), JF_ERR_INVALID,
                        wrong_types[i]);
    }
}

static void test_built_in_list_is_safe_and_inline(void **state)
{
    size_t count = 0;
    for (const char *const *type = jf_media_inline_default; *type; type++, count++) {
        const char *essence;
        jf_test_ok(jf_media_parse_inline(&essence, *type, *state), *type);
        assert_string_equal(essence, *type);
        assert_true(jf_media_is_inline(*type, NULL));
    }
    assert_int_equal(count, 13);
}

static void test_inline_by_the_built_in_list(void **state)
{
    static const struct {
        const char *type;
        int is_inline;
    } cases[] = {
        {"image/png", 1},
        {"image/jpeg", 1},
        {"video/mp4", 1},
        {"audio/ogg", 1},
        {"text/plain", 1},
        {"IMAGE/PNG", 1},
        {"text/plain; charset=iso-8859-1", 1},
        {"image/png; a=b", 1},
        {"application/pdf", 0},
        {"image/svg+xml; charset=x", 0},
        {"image/pngx", 0},
        {"image/pn", 0},
        {"ximage/png", 0},
        {"image/png\r\nX: y", 0},
        {JF_MEDIA_UNKNOWN, 0},
        {"", 0},
    };
    (void)state;

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        if (jf_media_is_inline(cases[i].type, NULL) != cases[i].is_inline) {
            fail_msg("\"%s\": %d was expected", cases[i].type, cases[i].is_inline);
        }
    }
}

static void test_inline_by_the_operators_list(void **state)
{
    apr_array_header_t *allowed = apr_array_make(*state, 2, sizeof(const char *));
    assert_false(jf_media_is_inline("image/png", allowed));
    APR_ARRAY_PUSH(allowed, const char *) = "application/pdf";
    APR_ARRAY_PUSH(allowed, const char *) = "text/csv";

    assert_true(jf_media_is_inline("application/pdf", allowed));
    assert_true(jf_media_is_inline("text/csv; header=present", allowed));
    assert_false(jf_media_is_inline("image/png", allowed));
    assert_false(jf_media_is_inline("text/plain", allowed));
}

static void test_served_type(void **state)
{
    static const struct {
        const char *stored;
        const char *served;
    } cases[] = {
        {"image/png", "image/png"},
        {"text/plain", "text/plain; charset=utf-8"},
        {"TEXT/PLAIN", "text/plain; charset=utf-8"},
        {"text/plain; format=flowed", "text/plain; format=flowed; charset=utf-8"},
        {"text/plain; charset=iso-8859-1", "text/plain; charset=iso-8859-1"},
        {"text/plain;CHARSET=\"x\"", "text/plain;CHARSET=\"x\""},
        {"text/plain; a=\"; charset=x\"", "text/plain; a=\"; charset=x\"; charset=utf-8"},
        {"text/plain; xcharset=y", "text/plain; xcharset=y; charset=utf-8"},
        {"text/plain; chars=y", "text/plain; chars=y; charset=utf-8"},
        {"text/html", "text/html"},
        {"text/csv", "text/csv"},
    };

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        assert_string_equal(jf_media_to_serve(cases[i].stored, *state), cases[i].served);
    }
}

static void test_disposition(void **state)
{
    static const struct {
        int is_inline;
        const char *leaf;
        const char *value;
    } cases[] = {
        {0, "report.pdf", "attachment; filename=\"report.pdf\"; filename*=UTF-8''report.pdf"},
        {1, "a.png", "inline; filename=\"a.png\"; filename*=UTF-8''a.png"},
        {0, "\u00DCbersicht \u20AC.pdf",
         "attachment; filename=\"_bersicht _.pdf\"; "
         "filename*=UTF-8''%C3%9Cbersicht%20%E2%82%AC.pdf"},
        {0, "\U0001F600", "attachment; filename=\"_\"; filename*=UTF-8''%F0%9F%98%80"},
        {0, "a\"b\\c%41d", "attachment; filename=\"a_b_c_41d\"; filename*=UTF-8''a%22b%5Cc%2541d"},
        {0, "x; y=z", "attachment; filename=\"x; y=z\"; filename*=UTF-8''x%3B%20y%3Dz"},
        {0, "'*(),", "attachment; filename=\"'*(),\"; filename*=UTF-8''%27%2A%28%29%2C"},
        {0, "a\r\nb", "attachment; filename=\"a__b\"; filename*=UTF-8''a%0D%0Ab"},
        {0, "a\x7F", "attachment; filename=\"a_\"; filename*=UTF-8''a%7F"},
    };

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        assert_string_equal(jf_media_disposition(cases[i].is_inline, cases[i].leaf, *state),
                            cases[i].value);
    }
}

static void test_exact_name_comes_back_from_disposition(void **state)
{
    static const char *const leaves[] = {
        "a b",   "100%", "\"", "\\",      "\u00FC\u20AC\U0001F600",
        "..\\x", "'",    ";",  "u\u0308", "~!#$&+^`|",
    };

    for (size_t i = 0; i < JF_TEST_COUNT(leaves); i++) {
        const char *value = jf_media_disposition(0, leaves[i], *state);
        const char *encoded = strstr(value, "UTF-8''") + strlen("UTF-8''");
        assert_string_equal(apr_punescape_url(*state, encoded, "", "", 0), leaves[i]);
    }
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_media_types_are_stored),
    JF_TEST(test_wrong_types_are_stored_as_unknown),
    JF_TEST(test_wrong_types_in_the_ledger_are_harmless),
    JF_TEST(test_longest_type),
    JF_TEST(test_types_by_name),
    JF_TEST(test_types_by_name_are_stored_as_they_are),
    JF_TEST(test_active_types),
    JF_TEST(test_active_types_are_never_allowed_inline),
    JF_TEST(test_allow_list_takes_exact_types_only),
    JF_TEST(test_built_in_list_is_safe_and_inline),
    JF_TEST(test_inline_by_the_built_in_list),
    JF_TEST(test_inline_by_the_operators_list),
    JF_TEST(test_served_type),
    JF_TEST(test_disposition),
    JF_TEST(test_exact_name_comes_back_from_disposition),
};

JF_TEST_MAIN(tests)
