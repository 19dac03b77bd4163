/*
 * What all kinds of slots have in common: kinds, where a token is looked for, which one counts, and
 * where the file goes.
 */
#include "t_signer.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <apr_strings.h>

#include "jf_names.h"

#define KEY "secret string"
#define NOW_US apr_time_from_sec(1735689700)
#define RANDOM_CHARS 16
#define MAC "0c2f71011835a95aa24c2efc689bc12d8da68ad8d444cbf02e5d9bc778e7594d"

static jf_err_t *verify_with(jf_slot_grant_t *grant, const jf_slot_secret_t *secrets, size_t count,
                             const jf_slot_request_t *request, apr_pool_t *pool)
{
    return jf_slot_verify(grant, jf_signer_secrets(secrets, count, pool), request, NOW_US, pool);
}

/* ---- kinds ---- */

static void test_kind_names(void **state)
{
    static const struct {
        const char *text;
        jf_slot_kind_t kind;
    } cases[] = {
        {"jwt", JF_SLOT_JWT},
        {"v2", JF_SLOT_V2},
        {"token", JF_SLOT_TOKEN},
        {"v1", JF_SLOT_V1},
    };

    assert_int_equal(JF_TEST_COUNT(cases), JF_SLOT_KINDS);
    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        jf_slot_kind_t kind = JF_SLOT_KINDS;
        jf_test_ok(jf_slot_kind_parse(&kind, cases[i].text, *state), cases[i].text);
        assert_int_equal(kind, cases[i].kind);
    }
}

static void test_other_kinds_are_refused(void **state)
{
    static const char *const texts[] = {"",    "v",   "v3", "V1",    "JWT",   "Token",
                                        "v1 ", " v1", "1",  "hs256", "v1,v2", "tokens"};

    for (size_t i = 0; i < JF_TEST_COUNT(texts); i++) {
        jf_slot_kind_t kind = JF_SLOT_KINDS;
        jf_test_refused(jf_slot_kind_parse(&kind, texts[i], *state), JF_ERR_INVALID, texts[i]);
        assert_int_equal(kind, JF_SLOT_KINDS);
    }
}

static void test_kinds_among_secrets(void **state)
{
    static const jf_slot_secret_t secrets[] = {
        JF_SIGNER_SECRET(JF_SLOT_TOKEN, KEY),
        JF_SIGNER_SECRET(JF_SLOT_JWT, KEY),
        JF_SIGNER_SECRET(JF_SLOT_TOKEN, KEY),
    };
    const apr_array_header_t *none = jf_signer_secrets(NULL, 0, *state);
    const apr_array_header_t *some = jf_signer_secrets(secrets, JF_TEST_COUNT(secrets), *state);

    for (int i = 0; i < JF_SLOT_KINDS; i++) {
        jf_slot_kind_t kind = (jf_slot_kind_t)i;
        assert_int_equal(jf_slot_has_kind(none, kind), 0);
        assert_int_equal(jf_slot_has_kind(some, kind),
                         kind == JF_SLOT_TOKEN || kind == JF_SLOT_JWT);
    }
}

/* ---- where a token is looked for ---- */

static void test_other_parameters_do_not_matter(void **state)
{
    static const char *const frames[][2] = {
        {"v=", ""},      {"&v=", "&"},   {"x=y&v=", "&z"},      {"v2=x&token=y&v=", ""},
        {"vv=x&v=", ""}, {"V=x&v=", ""}, {"%76=x&v=", "&v%3d"}, {"=v&v=", "&=v"},
    };
    const jf_slot_secret_t secret = JF_SIGNER_SECRET(JF_SLOT_V1, KEY);
    const char *mac = jf_signer_v1(KEY, "t/n.jpg", 5, *state);

    for (size_t i = 0; i < JF_TEST_COUNT(frames); i++) {
        jf_slot_grant_t grant = {0};
        jf_slot_request_t request = {.token = "t", .leaf = "n.jpg", .length_bytes = 5};
        request.query = apr_pstrcat(*state, frames[i][0], mac, frames[i][1], NULL);
        jf_test_ok(verify_with(&grant, &secret, 1, &request, *state), request.query);
    }
}

static void test_no_token(void **state)
{
    static const char *const queries[] = {
        NULL,  "",    "&",      "&&",      "x",    "V=" MAC, "%76=" MAC,
        "x=v", "x;v", "v2" MAC, "v1=" MAC, " v=x", "v =x",   "jwt=x",
    };
    static const jf_slot_secret_t secrets[] = {
        JF_SIGNER_SECRET(JF_SLOT_V1, KEY),
        JF_SIGNER_SECRET(JF_SLOT_V2, KEY),
        JF_SIGNER_SECRET(JF_SLOT_TOKEN, KEY),
    };

    for (size_t i = 0; i < JF_TEST_COUNT(queries); i++) {
        jf_slot_grant_t grant = {0};
        jf_slot_request_t request = {.token = "t", .leaf = "n", .query = queries[i]};
        jf_test_refused(verify_with(&grant, secrets, JF_TEST_COUNT(secrets), &request, *state),
                        JF_ERR_NO_TOKEN, queries[i] ? queries[i] : "(none)");
    }
}

static void test_no_secret(void **state)
{
    jf_slot_grant_t grant = {0};
    jf_slot_request_t request = {.token = "t", .leaf = "n", .query = "v=" MAC "&token=" MAC};
    const jf_slot_secret_t secret = JF_SIGNER_SECRET(JF_SLOT_V2, KEY);
    request.authorization = "Bearer x";

    jf_test_refused(verify_with(&grant, NULL, 0, &request, *state), JF_ERR_NO_TOKEN, request.query);
    jf_test_refused(verify_with(&grant, &secret, 1, &request, *state), JF_ERR_NO_TOKEN,
                    request.query);
}

static void test_tokens_in_a_query(void **state)
{
    static const struct {
        const char *query;
        int has_token;
    } cases[] = {
        {"v=" MAC, 1},   {"v2=", 1},   {"token", 1}, {"a=b&v=x&c", 1}, {"&&v2", 1},
        {NULL, 0},       {"", 0},      {"x=v", 0},   {"vv=x", 0},      {"V=x", 0},
        {"tokens=x", 0}, {"%76=x", 0}, {"jwt=x", 0}, {"x;v=y", 0},     {"Bearer=x", 0},
    };

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        assert_int_equal(jf_slot_is_in_query(cases[i].query, *state), cases[i].has_token);
    }
}

/* ---- several tokens, several secrets ---- */

typedef struct precedence_t {
    const char *kinds;  /**< those with a secret: "j" jwt, "2" v2, "t" token, "1" v1 */
    const char *right;  /**< those with a right token */
    const char *wrong;  /**< those with a wrong token */
    jf_err_code_t code; /**< 0: accepted */
} precedence_t;

static const precedence_t precedences[] = {
    {"j2t1", "j2t1", "", 0},
    {"j2t1", "1", "", 0},
    {"j2t1", "", "", JF_ERR_NO_TOKEN},
    {"j2t1", "2t1", "j", JF_ERR_FORBIDDEN},
    {"j2t1", "j", "2t1", 0},
    {"j2t1", "t1", "2", JF_ERR_FORBIDDEN},
    {"j2t1", "2", "t1", 0},
    {"j2t1", "1", "t", JF_ERR_FORBIDDEN},
    {"j2t1", "t", "1", 0},
    {"1", "1", "j2t", 0}, /* tokens of kinds without a secret do not count */
    {"t1", "t", "j21", 0},
    {"1", "j2t", "", JF_ERR_NO_TOKEN},
    {"1", "j2t", "1", JF_ERR_FORBIDDEN},
    {"j", "2t1", "", JF_ERR_NO_TOKEN},
    {"j", "j", "2t1", 0},
    {"", "j2t1", "", JF_ERR_NO_TOKEN},
};

static void add_token(jf_slot_request_t *request, char kind, const char *key, apr_pool_t *pool)
{
    const char *payload = "{\"sub\":\"romeo@montague.tld\",\"slot\":\"t\",\"filename\":\"n\","
                          "\"filesize\":5,\"filetype\":\"image/png\",\"exp\":1735689900}";
    if (kind == 'j') {
        request->authorization = apr_pstrcat(
            pool, "Bearer ", jf_signer_jwt(key, JF_SIGNER_JWT_HEADER, payload, pool), NULL);
    } else if (kind == '1') {
        jf_signer_add(request, "v", jf_signer_v1(key, "t/n", 5, pool), pool);
    } else {
        jf_signer_add(request, kind == '2' ? "v2" : "token",
                      jf_signer_v2(key, "t/n", 5, "image/png", pool), pool);
    }
}

static void test_precedence(void **state)
{
    static const jf_slot_secret_t all[] = {
        JF_SIGNER_SECRET(JF_SLOT_V1, KEY),
        JF_SIGNER_SECRET(JF_SLOT_TOKEN, KEY),
        JF_SIGNER_SECRET(JF_SLOT_V2, KEY),
        JF_SIGNER_SECRET(JF_SLOT_JWT, KEY),
    };
    static const char letters[] = "1t2j"; /* as in "all" */
    apr_pool_t *pool = *state;

    for (size_t i = 0; i < JF_TEST_COUNT(precedences); i++) {
        const precedence_t *row = &precedences[i];
        jf_slot_request_t request = {.token = "t", .leaf = "n", .length_bytes = 5};
        apr_array_header_t *secrets = jf_signer_secrets(NULL, 0, pool);
        request.content_type = "image/png";
        for (int j = 0; letters[j]; j++) {
            if (strchr(row->kinds, letters[j])) {
                APR_ARRAY_PUSH(secrets, const jf_slot_secret_t *) = &all[j];
            }
            if (strchr(row->right, letters[j])) {
                add_token(&request, letters[j], KEY, pool);
            }
            if (strchr(row->wrong, letters[j])) {
                add_token(&request, letters[j], "another secret", pool);
            }
        }
        jf_slot_grant_t grant = {0};
        const char *input = apr_psprintf(pool, "case %d", (int)i);
        jf_err_t *err = jf_slot_verify(&grant, secrets, &request, NOW_US, pool);
        if (row->code == 0) {
            jf_test_ok(err, input);
        } else {
            jf_signer_refused(err, row->code, input, &request, secrets);
        }
    }
}

static void test_each_secret_is_tried_and_has_its_area(void **state)
{
    static const jf_slot_secret_t secrets[] = {
        {JF_SLOT_V1, "a", NULL, "slots:a"},    {JF_SLOT_V2, "b", NULL, "slots:b"},
        {JF_SLOT_V1, "c", NULL, "slots:c"},    {JF_SLOT_V2, "d", NULL, "slots:d"},
        {JF_SLOT_TOKEN, "e", NULL, "slots:e"}, {JF_SLOT_V1, "a", NULL, "slots:twice"},
    };
    static const struct {
        const char *key;
        const char *area_v1; /* NULL: refused */
        const char *area_v2;
    } cases[] = {
        {"a", "slots:a", NULL}, {"b", NULL, "slots:b"}, {"c", "slots:c", NULL},
        {"d", NULL, "slots:d"}, {"e", NULL, NULL},      {"f", NULL, NULL},
    };

    for (size_t i = 0; i < 2 * JF_TEST_COUNT(cases); i++) {
        jf_slot_grant_t grant = {0};
        jf_slot_request_t request = {.token = "t", .leaf = "n", .content_type = "a/b"};
        const char *key = cases[i / 2].key;
        const char *area = i % 2 ? cases[i / 2].area_v2 : cases[i / 2].area_v1;
        jf_signer_add(&request, i % 2 ? "v2" : "v",
                      i % 2 ? jf_signer_v2(key, "t/n", 0, "a/b", *state)
                            : jf_signer_v1(key, "t/n", 0, *state),
                      *state);
        jf_err_t *err = verify_with(&grant, secrets, JF_TEST_COUNT(secrets), &request, *state);
        if (area) {
            jf_test_ok(err, key);
            assert_string_equal(grant.area, area);
        } else {
            jf_test_refused(err, JF_ERR_FORBIDDEN, key);
        }
    }
}

/* ---- types ---- */

static void test_types_that_fit(void **state)
{
    static const struct {
        const char *granted;
        const char *sent;
        int fits;
    } cases[] = {
        {"image/png", NULL, 1},
        {"image/png", "", 1},
        {"image/png", "image/png", 1},
        {"image/png", "IMAGE/PNG", 1},
        {"image/png", "image/png; a=b", 1},
        {"image/png; a=b", "image/png", 1},
        {"image/png;a=b", "image/png ; a=c", 1},
        {"image/png", "application/octet-stream", 1},
        {"image/png", "Application/Octet-Stream;x=y", 1},
        {"image/png", "no type", 1}, /* as it would be stored */
        {"application/octet-stream", NULL, 1},
        {"application/octet-stream", "image/png", 1},
        {"image/png", "image/gif", 0},
        {"image/png", "image/pngx", 0},
        {"image/png", "image/pn", 0},
        {"image/png", "text/html", 0},
    };

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        if (jf_slot_type_fits(cases[i].granted, cases[i].sent, *state) != cases[i].fits) {
            fail_msg("\"%s\" for \"%s\"", cases[i].sent, cases[i].granted);
        }
    }
}

/* ---- where the file goes ---- */

static void test_paths(void **state)
{
    static const struct {
        apr_time_t time_us;
        const char *leaf;
        const char *begin;
    } cases[] = {
        {apr_time_from_sec(1795357815), "a b.jpg", "chat/2026-11-22/143015-"},
        {apr_time_from_sec(1795357815) + 999999, "x", "chat/2026-11-22/143015-"},
        {0, "\u00FC", "chat/1970-01-01/000000-"},
        {apr_time_from_sec(1709251199), ".htaccess", "chat/2024-02-29/235959-"},
        {apr_time_from_sec(1709251200), "-", "chat/2024-03-01/000000-"},
    };

    assert_int_equal(setenv("TZ", "XYZ-9", 1), 0); /* far from UTC */
    tzset();
    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        const char *path = NULL;
        size_t length = strlen(cases[i].begin);
        jf_test_ok(jf_slot_path(&path, cases[i].leaf, cases[i].time_us, *state), cases[i].leaf);
        jf_test_ok(jf_names_check_path(path, *state), path);
        assert_int_equal(strncmp(path, cases[i].begin, length), 0);
        assert_int_equal(strspn(path + length, "0123456789abcdef"), RANDOM_CHARS);
        assert_int_equal(path[length + RANDOM_CHARS], '/');
        assert_string_equal(path + length + RANDOM_CHARS + 1, cases[i].leaf);
    }
}

static void test_files_of_one_name_do_not_meet(void **state)
{
    const char *first = NULL;
    const char *second = NULL;

    jf_test_ok(jf_slot_path(&first, "x", NOW_US, *state), "first");
    jf_test_ok(jf_slot_path(&second, "x", NOW_US, *state), "second");
    assert_string_not_equal(first, second);
}

static void test_the_longest_name_fits_into_a_path(void **state)
{
    const char *path = NULL;
    const char *leaf = jf_test_repeat("", 'a', JF_NAME_SEGMENT_BYTES_MAX, "", *state);

    jf_test_ok(jf_slot_path(&path, leaf, NOW_US, *state), leaf);
    jf_test_ok(jf_names_check_path(path, *state), path);
    assert_string_equal(jf_names_leaf(path), leaf);
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_kind_names),
    JF_TEST(test_other_kinds_are_refused),
    JF_TEST(test_kinds_among_secrets),
    JF_TEST(test_other_parameters_do_not_matter),
    JF_TEST(test_no_token),
    JF_TEST(test_no_secret),
    JF_TEST(test_tokens_in_a_query),
    JF_TEST(test_precedence),
    JF_TEST(test_each_secret_is_tried_and_has_its_area),
    JF_TEST(test_types_that_fit),
    JF_TEST(test_paths),
    JF_TEST(test_files_of_one_name_do_not_meet),
    JF_TEST(test_the_longest_name_fits_into_a_path),
};

JF_TEST_MAIN(tests)
