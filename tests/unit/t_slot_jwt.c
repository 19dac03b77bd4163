#include "t_signer.h"

#include <string.h>

#include <apr_strings.h>

#define BEARER "Bearer "

/* Made by Prosody's mod_http_file_share 0.12.3. */
#define VECTOR_HEADER "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"
#define VECTOR_PAYLOAD                                                                             \
    "eyJpYXQiOjE3MzU2ODk2MDAsInN1YiI6InJvbWVvQG1vbnRhZ3VlLnRsZCIsInNsb3QiOiJSVmJLQWdXUGNyVVlBb2Rq" \
    "IiwiZXhwIjoxNzM1Njg5OTAwLCJmaWxlc2l6ZSI6NzE2OCwiZXhwaXJlcyI6MTczNjI5NDQwMCwiZmlsZW5hbWUiOiJw" \
    "aWN0dXJlLnBuZyIsImZpbGV0eXBlIjoiaW1hZ2UvcG5nIn0"
#define VECTOR_SIGNATURE "bihrmPNRpcFwiqh5mRnyMx9xoKqnsJU9tIXvpUHMKqE"
#define VECTOR VECTOR_HEADER "." VECTOR_PAYLOAD "." VECTOR_SIGNATURE
#define NONE_HEADER "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0"

/* ---- the vector ---- */

static void check_vector_grant(const jf_slot_grant_t *grant)
{
    assert_string_equal(grant->area, "romeo@montague.tld");
    assert_string_equal(grant->media_type, "image/png");
    assert_int_equal(grant->expires_us, apr_time_from_sec(1736294400));
    assert_int_equal(grant->valid_until_us, JF_SIGNER_UNTIL_US);
}

static void test_vector(void **state)
{
    jf_slot_grant_t grant = {0};
    jf_slot_request_t request = jf_signer_request(JF_SIGNER_SLOT "/" JF_SIGNER_LEAF,
                                                  JF_SIGNER_SIZE_BYTES, "image/png", *state);
    request.authorization = BEARER VECTOR;

    jf_test_ok(jf_signer_verify_jwt(&grant, &request, JF_SIGNER_NOW_US, *state), VECTOR);
    check_vector_grant(&grant);
    jf_test_ok(jf_signer_verify_jwt(&grant, &request, JF_SIGNER_UNTIL_US - 1, *state),
               "the last microsecond");
    jf_signer_refuse_jwt(&request, JF_SIGNER_UNTIL_US, JF_ERR_FORBIDDEN, "too late", *state);
    jf_signer_refuse_jwt(&request, APR_INT64_MAX, JF_ERR_FORBIDDEN, "much too late", *state);
}

static void test_vector_without_signature(void **state)
{
    static const char *const tokens[] = {
        NONE_HEADER "." VECTOR_PAYLOAD ".",
        NONE_HEADER "." VECTOR_PAYLOAD,
        NONE_HEADER "." VECTOR_PAYLOAD "." VECTOR_SIGNATURE,
        VECTOR_HEADER "." VECTOR_PAYLOAD ".",
        VECTOR_HEADER "." VECTOR_PAYLOAD,
    };

    for (size_t i = 0; i < JF_TEST_COUNT(tokens); i++) {
        jf_signer_refuse_token(tokens[i], *state);
    }
}

static void test_writings_of_the_field(void **state)
{
    static const struct {
        const char *field;
        jf_err_code_t code; /* 0: accepted */
    } cases[] = {
        {"Bearer " VECTOR, 0},
        {"bearer " VECTOR, 0},
        {"BEARER " VECTOR, 0},
        {"bEaReR    " VECTOR, 0},
        {NULL, JF_ERR_NO_TOKEN},
        {"", JF_ERR_NO_TOKEN},
        {" Bearer " VECTOR, JF_ERR_NO_TOKEN},
        {"Bearer\t" VECTOR, JF_ERR_NO_TOKEN},
        {"Bearer:" VECTOR, JF_ERR_NO_TOKEN},
        {"Bearer" VECTOR, JF_ERR_NO_TOKEN},
        {"Bearers " VECTOR, JF_ERR_NO_TOKEN},
        {"Beare " VECTOR, JF_ERR_NO_TOKEN},
        {"Basic " VECTOR, JF_ERR_NO_TOKEN},
        {"Basic cm9tZW86cm9zZWJ1ZA==", JF_ERR_NO_TOKEN},
        {VECTOR, JF_ERR_NO_TOKEN},
        {"Bearer", JF_ERR_FORBIDDEN},
        {"Bearer ", JF_ERR_FORBIDDEN},
        {"Bearer \t" VECTOR, JF_ERR_FORBIDDEN},
        {"Bearer " VECTOR " ", JF_ERR_FORBIDDEN},
        {"Bearer " VECTOR "\r\n", JF_ERR_FORBIDDEN},
        {"Bearer " VECTOR ", Bearer " VECTOR, JF_ERR_FORBIDDEN},
        {"Bearer " VECTOR " Bearer " VECTOR, JF_ERR_FORBIDDEN},
        {"Bearer \"" VECTOR "\"", JF_ERR_FORBIDDEN},
        {"Bearer token=" VECTOR, JF_ERR_FORBIDDEN},
    };

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        const char *input = cases[i].field ? cases[i].field : "(none)";
        jf_slot_grant_t grant = {0};
        jf_slot_request_t request = jf_signer_bearer("", *state);
        request.authorization = cases[i].field;
        if (cases[i].code == 0) {
            jf_test_ok(jf_signer_verify_jwt(&grant, &request, JF_SIGNER_NOW_US, *state), input);
            check_vector_grant(&grant);
        } else {
            jf_signer_refuse_jwt(&request, JF_SIGNER_NOW_US, cases[i].code, input, *state);
        }
    }
}

static void test_a_token_is_for_one_path_and_secret(void **state)
{
    static const struct {
        const char *token;
        const char *leaf;
    } paths[] = {
        {JF_SIGNER_SLOT, "picture.pn"},
        {JF_SIGNER_SLOT, "picture.png "},
        {JF_SIGNER_SLOT, "Picture.png"},
        {JF_SIGNER_SLOT, ""},
        {JF_SIGNER_SLOT "x", JF_SIGNER_LEAF},
        {"RVbKAgWPcrUYAod", JF_SIGNER_LEAF},
        {"", JF_SIGNER_LEAF},
        {JF_SIGNER_LEAF, JF_SIGNER_SLOT},
        {"x/" JF_SIGNER_SLOT, JF_SIGNER_LEAF},
        {JF_SIGNER_SLOT "/x", JF_SIGNER_LEAF},
        {JF_SIGNER_SLOT "/", JF_SIGNER_LEAF},
        {"rvbkagwpcruyaodj", JF_SIGNER_LEAF},
    };
    static const jf_slot_secret_t others[] = {
        JF_SIGNER_SECRET(JF_SLOT_JWT, "Secret string"),
        JF_SIGNER_SECRET(JF_SLOT_JWT, "secret string\n"),
        JF_SIGNER_SECRET(JF_SLOT_V1, JF_SIGNER_JWT_KEY),
    };
    jf_slot_request_t request = jf_signer_bearer(VECTOR, *state);
    jf_slot_grant_t grant = {0};

    jf_test_refused(jf_slot_verify(&grant, jf_signer_secrets(others, JF_TEST_COUNT(others), *state),
                                   &request, JF_SIGNER_NOW_US, *state),
                    JF_ERR_FORBIDDEN, "other secrets");
    for (size_t i = 0; i < JF_TEST_COUNT(paths); i++) {
        request.token = paths[i].token;
        request.leaf = paths[i].leaf;
        jf_signer_refuse_jwt(&request, JF_SIGNER_NOW_US, JF_ERR_FORBIDDEN, paths[i].leaf, *state);
    }
}

static void test_each_secret_is_tried(void **state)
{
    static const jf_slot_secret_t secrets[] = {
        JF_SIGNER_SECRET(JF_SLOT_JWT, "first"),           JF_SIGNER_SECRET(JF_SLOT_V1, "x"),
        JF_SIGNER_SECRET(JF_SLOT_JWT, JF_SIGNER_JWT_KEY), JF_SIGNER_SECRET(JF_SLOT_JWT, "third"),
        JF_SIGNER_SECRET(JF_SLOT_JWT, "fourth"),
    };
    jf_slot_request_t request = jf_signer_bearer(VECTOR, *state);
    jf_slot_grant_t grant = {0};

    jf_test_ok(jf_slot_verify(&grant, jf_signer_secrets(secrets, JF_TEST_COUNT(secrets), *state),
                              &request, JF_SIGNER_NOW_US, *state),
               VECTOR);
    check_vector_grant(&grant);
}

/* A length that differs is a mistake of the client, or of its server; it is told so. */
static void test_another_size_is_invalid(void **state)
{
    static const apr_int64_t sizes[] = {0, 1, JF_SIGNER_SIZE_BYTES - 1, JF_SIGNER_SIZE_BYTES + 1,
                                        APR_INT64_MAX};

    for (size_t i = 0; i < JF_TEST_COUNT(sizes); i++) {
        jf_slot_request_t request = jf_signer_bearer(VECTOR, *state);
        request.length_bytes = sizes[i];
        jf_signer_refuse_jwt(&request, JF_SIGNER_NOW_US, JF_ERR_INVALID, VECTOR, *state);
        jf_signer_refuse_jwt(&request, JF_SIGNER_UNTIL_US, JF_ERR_FORBIDDEN, VECTOR, *state);
    }
    jf_slot_request_t unknown = jf_signer_bearer(VECTOR, *state);
    unknown.length_bytes = -1;
    jf_signer_refuse_jwt(&unknown, JF_SIGNER_NOW_US, JF_ERR_FORBIDDEN, VECTOR, *state);
}

/* ---- base64url ---- */

static void test_other_encodings_are_refused(void **state)
{
    apr_pool_t *pool = *state;
    const char *parts[] = {
        VECTOR_HEADER "=." VECTOR_PAYLOAD,
        VECTOR_HEADER "." VECTOR_PAYLOAD "=",
        VECTOR_HEADER "==." VECTOR_PAYLOAD,
        VECTOR_HEADER " ." VECTOR_PAYLOAD,
        VECTOR_HEADER ".\n" VECTOR_PAYLOAD,
        VECTOR_HEADER "." VECTOR_PAYLOAD "A",
        VECTOR_HEADER "." VECTOR_PAYLOAD "!",
        VECTOR_HEADER "." VECTOR_PAYLOAD ".",
        "." VECTOR_HEADER "." VECTOR_PAYLOAD,
        VECTOR_HEADER ".." VECTOR_PAYLOAD,
        VECTOR_HEADER "." VECTOR_PAYLOAD "." VECTOR_PAYLOAD,
        VECTOR_PAYLOAD "." VECTOR_HEADER,
        VECTOR_HEADER,
        VECTOR_HEADER ".",
        "." VECTOR_PAYLOAD,
        ".",
        "",
        /* bits that would be lost: "In0" is the same bytes as "In1" */
        apr_pstrcat(pool, VECTOR_HEADER ".",
                    apr_pstrmemdup(pool, VECTOR_PAYLOAD, strlen(VECTOR_PAYLOAD) - 1), "1", NULL),
    };

    for (size_t i = 0; i < JF_TEST_COUNT(parts); i++) {
        jf_signer_refuse_token(jf_signer_sign(JF_SIGNER_JWT_KEY, parts[i], pool), pool);
    }
}

static void test_other_signatures_are_refused(void **state)
{
    static const char *const ends[] = {
        VECTOR_SIGNATURE "=",
        VECTOR_SIGNATURE "A",
        VECTOR_SIGNATURE ".",
        VECTOR_SIGNATURE "." VECTOR_SIGNATURE,
        "bihrmPNRpcFwiqh5mRnyMx9xoKqnsJU9tIXvpUHMKqF", /* the same bytes */
        "bihrmPNRpcFwiqh5mRnyMx9xoKqnsJU9tIXvpUHMKq",
        "BihrmPNRpcFwiqh5mRnyMx9xoKqnsJU9tIXvpUHMKqE",
        "bihrmPNRpcFwiqh5mRnyMx9xoKqnsJU9tIXvpUHMKq.",
        "6e286b98f351a5c1708aa8799919f2331f71a0aaa7b0953db485efa541cc2aa1",
    };

    for (size_t i = 0; i < JF_TEST_COUNT(ends); i++) {
        jf_signer_refuse_token(
            apr_pstrcat(*state, VECTOR_HEADER "." VECTOR_PAYLOAD ".", ends[i], NULL), *state);
    }
}

/* The alphabet of URLs, in a token that has both of its letters. */
static void test_the_alphabet_is_the_one_of_urls(void **state)
{
    const char *url_safe =
        jf_signer_jwt(JF_SIGNER_JWT_KEY, JF_SIGNER_JWT_HEADER,
                      jf_signer_payload("x", "\"???\u07FF~~~>>>\"", *state), *state);
    char *parts = apr_pstrmemdup(*state, url_safe, (apr_size_t)(strrchr(url_safe, '.') - url_safe));
    jf_slot_grant_t grant = {0};
    jf_slot_request_t request = jf_signer_bearer(url_safe, *state);

    assert_non_null(strpbrk(parts, "-_"));
    jf_test_ok(jf_signer_verify_jwt(&grant, &request, JF_SIGNER_NOW_US, *state), url_safe);
    for (char *c = parts; *c; c++) {
        *c = *c == '-' ? '+' : (*c == '_' ? '/' : *c);
    }
    request = jf_signer_bearer(jf_signer_sign(JF_SIGNER_JWT_KEY, parts, *state), *state);
    jf_signer_refuse_jwt(&request, JF_SIGNER_NOW_US, JF_ERR_FORBIDDEN, parts, *state);
}

/* ---- length ---- */

/** A token of @a length characters; not all lengths are possible. */
static const char *token_of_length(size_t length, apr_pool_t *pool)
{
    const char *value = "\"\"";
    const char *token = NULL;
    size_t count = 0;
    do {
        token = jf_signer_jwt(JF_SIGNER_JWT_KEY, JF_SIGNER_JWT_HEADER,
                              jf_signer_payload("x", value, pool), pool);
        count += count == 0 ? (length - strlen(token)) / 4 * 3 - 4 : 1;
        value = jf_test_repeat("\"", 'x', count, "\"", pool);
    } while (strlen(token) < length);
    assert_int_equal(strlen(token), length);
    return token;
}

static void test_longest_token(void **state)
{
    jf_slot_grant_t grant = {0};
    const char *longest = token_of_length(8192, *state);
    jf_slot_request_t request = jf_signer_bearer(longest, *state);

    jf_test_ok(jf_signer_verify_jwt(&grant, &request, JF_SIGNER_NOW_US, *state), longest);
    jf_signer_refuse_token(token_of_length(8193, *state), *state);
    jf_signer_refuse_token(token_of_length(1000000, *state), *state);
    jf_signer_refuse_token(jf_test_repeat("", '.', 1000000, "", *state), *state);
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_vector),
    JF_TEST(test_vector_without_signature),
    JF_TEST(test_writings_of_the_field),
    JF_TEST(test_a_token_is_for_one_path_and_secret),
    JF_TEST(test_each_secret_is_tried),
    JF_TEST(test_another_size_is_invalid),
    JF_TEST(test_other_encodings_are_refused),
    JF_TEST(test_other_signatures_are_refused),
    JF_TEST(test_the_alphabet_is_the_one_of_urls),
    JF_TEST(test_longest_token),
};

JF_TEST_MAIN(tests)
