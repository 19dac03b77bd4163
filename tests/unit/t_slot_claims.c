/*
 * JSON Web Tokens that are signed as they should be, and what they say.
 */
#include "t_signer.h"

#include <string.h>

#include <apr_strings.h>

#include "jf_media.h"
#include "jf_units.h"

static jf_slot_request_t request_with_claim(const char *name, const char *value, apr_pool_t *pool)
{
    const char *payload = jf_signer_payload(name, value, pool);
    return jf_signer_bearer(jf_signer_jwt(JF_SIGNER_JWT_KEY, JF_SIGNER_JWT_HEADER, payload, pool),
                            pool);
}

static void test_other_headers_are_refused(void **state)
{
    static const char *const headers[] = {
        "{\"alg\":\"none\",\"typ\":\"JWT\"}",
        "{\"alg\":\"hs256\",\"typ\":\"JWT\"}",
        "{\"alg\":\"HS384\",\"typ\":\"JWT\"}",
        "{\"alg\":\"RS256\",\"typ\":\"JWT\"}",
        "{\"alg\":\"HS256 \",\"typ\":\"JWT\"}",
        "{\"alg\":\"HS256\\u0000\",\"typ\":\"JWT\"}",
        "{\"alg\":\"\",\"typ\":\"JWT\"}",
        "{\"alg\":null,\"typ\":\"JWT\"}",
        "{\"alg\":true}",
        "{\"alg\":256}",
        "{\"alg\":[\"HS256\"]}",
        "{\"alg\":{\"alg\":\"HS256\"}}",
        "{\"Alg\":\"HS256\"}",
        "{\"alg\":\"HS256\",\"alg\":\"HS256\"}",
        "{\"alg\":\"none\",\"alg\":\"HS256\"}",
        "{\"alg\":\"HS256\",\"typ\":\"jwt\"}",
        "{\"alg\":\"HS256\",\"typ\":\"JWE\"}",
        "{\"alg\":\"HS256\",\"typ\":null}",
        "{\"alg\":\"HS256\",\"typ\":1}",
        "{\"alg\":\"HS256\",\"typ\":\"JWT\",\"crit\":[\"exp\"]}",
        "{\"alg\":\"HS256\",\"kid\":\"1\"}",
        "{\"typ\":\"JWT\"}",
        "{}",
        "",
        "[]",
        "\"HS256\"",
        "HS256",
        "{\"alg\":\"HS256\"",
        "{\"alg\":\"HS256\"}}",
        "{\"alg\":\"HS256\"}x",
        "{\"alg\":\"HS256\",}",
        "{'alg':'HS256'}",
        "\xEF\xBB\xBF{\"alg\":\"HS256\"}",
    };
    const char *payload = jf_signer_payload(NULL, NULL, *state);

    for (size_t i = 0; i < JF_TEST_COUNT(headers); i++) {
        jf_signer_refuse_token(jf_signer_jwt(JF_SIGNER_JWT_KEY, headers[i], payload, *state),
                               *state);
    }
}

typedef struct claim_t {
    const char *name;
    const char *value; /**< JSON, or NULL: left out */
} claim_t;

static const claim_t wrong_claims[] = {
    {"exp", NULL},
    {"exp", "\"1735689900\""},
    {"exp", "1735689900.0"},
    {"exp", "1.7356899e9"},
    {"exp", "1e99"},
    {"exp", "1735689700"}, /* now */
    {"exp", "1735689699"},
    {"exp", "0"},
    {"exp", "-1"},
    {"exp", "-1735689900"},
    {"exp", "9223372036855"},  /* more microseconds than there are */
    {"exp", "18448479763509"}, /* would be a time to come, if too many were forgotten */
    {"exp", "-18445008383910"},
    {"exp", "9223372036854775807"},
    {"exp", "-9223372036854775808"},
    {"exp", "9223372036854775808"},
    {"exp", "null"},
    {"exp", "true"},
    {"exp", "[1735689900]"},
    {"exp", "{}"},
    {"filesize", NULL},
    {"filesize", "7168.0"},
    {"filesize", "1.5"},
    {"filesize", "7.168e3"},
    {"filesize", "\"7168\""},
    {"filesize", "-1"},
    {"filesize", "-7168"},
    {"filesize", "null"},
    {"filesize", "true"},
    {"filesize", "07168"},
    {"filesize", "+7168"},
    {"filesize", "0x1C00"},
    {"filesize", "18446744073709558784"}, /* 2^64 + 7168 */
    {"slot", NULL},
    {"slot", "\"\""},
    {"slot", "\"" JF_SIGNER_SLOT "x\""},
    {"slot", "\"" JF_SIGNER_SLOT "\\u0000\""},
    {"slot", "\"" JF_SIGNER_SLOT "\\u0000x\""},
    {"slot", "\"" JF_SIGNER_SLOT "/\""},
    {"slot", "null"},
    {"slot", "[\"" JF_SIGNER_SLOT "\"]"},
    {"filename", NULL},
    {"filename", "\"\""},
    {"filename", "\"" JF_SIGNER_LEAF " \""},
    {"filename", "\"" JF_SIGNER_LEAF "\\u0000\""},
    {"filename", "\"" JF_SIGNER_LEAF "\\u0000.html\""},
    {"filename", "\"" JF_SIGNER_SLOT "/" JF_SIGNER_LEAF "\""},
    {"filename", "\"picture%2Epng\""},
    {"filename", "1"},
    {"sub", NULL},
    {"sub", "\"\""},
    {"sub", "null"},
    {"sub", "1"},
    {"sub", "\"romeo\""},
    {"sub", "\"montague.tld\""},
    {"sub", "\"@montague.tld\""},
    {"sub", "\"romeo@\""},
    {"sub", "\"romeo@montague.tld/orchard\""},
    {"sub", "\"ro meo@montague.tld\""},
    {"sub", "\"romeo@montague.tld\\u0000\""},
    {"sub", "\"romeo@montague.tld\\u0000.example\""},
    {"sub", "\"sha1:43feddb25776a343c69835c7e79dc2c7f59598a6\""},
    {"sub", "\"slots:prosody\""},
    {"filetype", "null"},
    {"filetype", "1"},
    {"filetype", "[\"image/png\"]"},
    {"filetype", "\"image/png\\u0000\""},
    {"filetype", "\"image/gif\""}, /* the upload is announced as image/png */
    {"filetype", "\"text/html\""},
    {"expires", "null"},
    {"expires", "\"1736294400\""},
    {"expires", "1736294400.0"},
    {"expires", "1735689700"},
    {"expires", "0"},
    {"expires", "-1"},
    {"expires", "9223372036855"},
    {"expires", "18448479763509"},
    {"expires", "-18445008383910"},
    {"expires", "18446744073709551616"},
    {"exp\":1735689900,\"exp", "1735689900"}, /* more than once */
    {"slot\":\"x\",\"slot", "\"" JF_SIGNER_SLOT "\""},
    {"x\":1,\"x", "1"},
    {"x", "{\"y\":1,\"y\":1}"},
    {"x", "\"\\u0000\""},
    {"x", "\"\xFF\""},
    {"x", "01"},
    {"x", ""},
    {"x", "1,"},
    {"x", "1}{\"y\":1"},
    {"x", "1} "
          "x"},
};

static void test_wrong_claims_are_refused(void **state)
{
    for (size_t i = 0; i < JF_TEST_COUNT(wrong_claims); i++) {
        const claim_t *claim = &wrong_claims[i];
        jf_slot_request_t request = request_with_claim(claim->name, claim->value, *state);
        jf_signer_refuse_jwt(&request, JF_SIGNER_NOW_US, JF_ERR_FORBIDDEN,
                             jf_signer_payload(claim->name, claim->value, *state), *state);
    }
}

/* Also where nothing is sent that could contradict. */
static void test_a_type_is_a_string(void **state)
{
    static const char *const values[] = {"null", "1", "[\"image/png\"]", "{}", "true"};

    for (size_t i = 0; i < JF_TEST_COUNT(values); i++) {
        jf_slot_request_t request = request_with_claim("filetype", values[i], *state);
        request.content_type = NULL;
        jf_signer_refuse_jwt(&request, JF_SIGNER_NOW_US, JF_ERR_FORBIDDEN, values[i], *state);
    }
}

static void test_a_slot_is_one_segment(void **state)
{
    static const char *const slots[] = {"x/y", "/", "x/", "/x"};

    for (size_t i = 0; i < JF_TEST_COUNT(slots); i++) {
        const char *value = apr_pstrcat(*state, "\"", slots[i], "\"", NULL);
        jf_slot_request_t request = request_with_claim("slot", value, *state);
        request.token = slots[i];
        jf_signer_refuse_jwt(&request, JF_SIGNER_NOW_US, JF_ERR_FORBIDDEN, value, *state);
    }
}

static void test_payloads_that_are_no_objects(void **state)
{
    static const char *const payloads[] = {
        "",      "{}", "[]", "null", "1", "\"x\"", "{", "}", "x", "[{}]", "{\"exp\":1735689900}",
        "{} {}",
    };

    for (size_t i = 0; i < JF_TEST_COUNT(payloads); i++) {
        jf_signer_refuse_token(
            jf_signer_jwt(JF_SIGNER_JWT_KEY, JF_SIGNER_JWT_HEADER, payloads[i], *state), *state);
    }
    jf_signer_refuse_token(jf_signer_jwt(JF_SIGNER_JWT_KEY, JF_SIGNER_JWT_HEADER,
                                         jf_test_repeat("", '[', 5000, "", *state), *state),
                           *state);
}

static void test_right_claims(void **state)
{
    static const struct {
        claim_t claim;
        const char *area;
        const char *media_type;
        apr_time_t expires_us;
    } cases[] = {
        {{"x", NULL}, "romeo@montague.tld", "image/png", JF_NEVER},
        {{"filetype", "\"image/png\""}, "romeo@montague.tld", "image/png", JF_NEVER},
        {{"filetype", "\"Image/PNG; a=b\""}, "romeo@montague.tld", "image/png; a=b", JF_NEVER},
        {{"sub", "\"ROMEO@Montague.TLD\""}, "romeo@montague.tld", "image/png", JF_NEVER},
        {{"sub", "\"r\\u00f6meo@montague.tld\""}, "r\u00F6meo@montague.tld", "image/png", JF_NEVER},
        {{"expires", "1735689701"},
         "romeo@montague.tld",
         "image/png",
         apr_time_from_sec(1735689701)},
        {{"expires", "9223372036854"},
         "romeo@montague.tld",
         "image/png",
         apr_time_from_sec(9223372036854)},
        {{"exp", "1735689900"}, "romeo@montague.tld", "image/png", JF_NEVER},
        {{"filetype", NULL}, "romeo@montague.tld", JF_MEDIA_UNKNOWN, JF_NEVER},
        {{"filetype", "\"\""}, "romeo@montague.tld", JF_MEDIA_UNKNOWN, JF_NEVER},
        {{"filetype", "\"image/png\\nX-Evil: y\""},
         "romeo@montague.tld",
         JF_MEDIA_UNKNOWN,
         JF_NEVER},
        {{"aud", "[\"x\",{\"y\":null}]"}, "romeo@montague.tld", "image/png", JF_NEVER},
    };

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        const claim_t *claim = &cases[i].claim;
        jf_slot_grant_t grant = {0};
        jf_slot_request_t request = request_with_claim(claim->name, claim->value, *state);
        jf_test_ok(jf_signer_verify_jwt(&grant, &request, JF_SIGNER_NOW_US, *state), claim->name);
        assert_string_equal(grant.area, cases[i].area);
        assert_string_equal(grant.media_type, cases[i].media_type);
        assert_int_equal(grant.expires_us, cases[i].expires_us);
        assert_int_equal(grant.valid_until_us, JF_SIGNER_UNTIL_US);
    }
}

static void test_an_empty_file(void **state)
{
    jf_slot_grant_t grant = {0};
    jf_slot_request_t request = request_with_claim("filesize", "0", *state);

    jf_signer_refuse_jwt(&request, JF_SIGNER_NOW_US, JF_ERR_INVALID, "7168 bytes", *state);
    request.length_bytes = 0;
    jf_test_ok(jf_signer_verify_jwt(&grant, &request, JF_SIGNER_NOW_US, *state), "no bytes");
}

static void test_types_that_are_sent(void **state)
{
    static const struct {
        const char *claim;
        const char *sent;
        int is_accepted;
    } cases[] = {
        {"\"image/png\"", NULL, 1},
        {"\"image/png\"", "", 1},
        {"\"image/png\"", "image/png", 1},
        {"\"image/png\"", "IMAGE/PNG", 1},
        {"\"image/png\"", "image/png; a=b", 1},
        {"\"image/png\"", "application/octet-stream", 1},
        {"\"image/png\"", "Application/Octet-Stream;x=y", 1},
        {"\"text/plain; charset=utf-8\"", "text/plain", 1},
        {"\"text/plain;charset=utf-8\"", "text/plain ; charset=latin1", 1},
        {NULL, "application/octet-stream", 1},
        {NULL, "image/png", 1},
        {"\"image/png\"", "image/gif", 0},
        {"\"image/png\"", "image/pngx", 0},
        {"\"image/png\"", "image/pn", 0},
        {"\"image/png\"", "text/html", 0},
        {"\"application/octet-stream\"", "text/html", 1}, /* and is not stored as such */
    };

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        const char *input = apr_psprintf(*state, "case %d", (int)i);
        jf_slot_grant_t grant = {0};
        jf_slot_request_t request = request_with_claim("filetype", cases[i].claim, *state);
        request.content_type = cases[i].sent;
        if (cases[i].is_accepted) {
            jf_test_ok(jf_signer_verify_jwt(&grant, &request, JF_SIGNER_NOW_US, *state), input);
        } else {
            jf_signer_refuse_jwt(&request, JF_SIGNER_NOW_US, JF_ERR_FORBIDDEN, input, *state);
        }
    }
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_other_headers_are_refused),
    JF_TEST(test_wrong_claims_are_refused),
    JF_TEST(test_a_type_is_a_string),
    JF_TEST(test_a_slot_is_one_segment),
    JF_TEST(test_payloads_that_are_no_objects),
    JF_TEST(test_right_claims),
    JF_TEST(test_an_empty_file),
    JF_TEST(test_types_that_are_sent),
};

JF_TEST_MAIN(tests)
