/*
 * The kinds of tokens that are MACs. The vectors were made by the Jabber servers themselves and
 * stand here as these write them.
 */
#include "t_signer.h"

#include <string.h>

#include <apr_strings.h>

#include "jf_media.h"
#include "jf_names.h"
#include "jf_units.h"

#define KEY "secret string"
#define EJABBERD_KEY "it-is-secret"
#define FILER_KEY "mysecret"
#define NOW_US apr_time_from_sec(1735689700)

/* Segments of the vectors' paths. */
#define R "4fe2d90d-12c5-4b7c-8d1a-5a2f6e0a9b11"
#define USER "43feddb25776a343c69835c7e79dc2c7f59598a6"
#define N "5K3nQmW8vYpLr2TzXcB7JdHs9FgA4eUo1NiZtVq6"

#define WRONG_MAC "0000000000000000000000000000000000000000000000000000000000000000"

static jf_err_t *verify(jf_slot_grant_t *grant, jf_slot_kind_t kind, const char *key,
                        const jf_slot_request_t *request, apr_pool_t *pool)
{
    const jf_slot_secret_t secret = JF_SIGNER_SECRET(kind, key);
    return jf_slot_verify(grant, jf_signer_secrets(&secret, 1, pool), request, NOW_US, pool);
}

static void refuse(jf_slot_kind_t kind, const char *key, const jf_slot_request_t *request,
                   const char *input, apr_pool_t *pool)
{
    const jf_slot_secret_t secret = JF_SIGNER_SECRET(kind, key);
    const apr_array_header_t *secrets = jf_signer_secrets(&secret, 1, pool);
    jf_slot_grant_t grant = {.area = "untouched"};
    jf_signer_refused(jf_slot_verify(&grant, secrets, request, NOW_US, pool), JF_ERR_FORBIDDEN,
                      input, request, secrets);
    assert_string_equal(grant.area, "untouched");
}

/* ---- vectors ---- */

typedef struct vector_t {
    jf_slot_kind_t kind;
    const char *key;
    const char *url;
    apr_int64_t size_bytes;
    const char *content_type;
    const char *area;
    const char *media_type;
} vector_t;

#define PROSODY_V1(url, size_bytes)                                                \
    {                                                                              \
        JF_SLOT_V1, KEY, url, size_bytes, "image/png", JF_SIGNER_AREA, "image/png" \
    }
#define PROSODY_V2(url, size_bytes, type)                            \
    {                                                                \
        JF_SLOT_V2, KEY, url, size_bytes, type, JF_SIGNER_AREA, type \
    }
#define EJABBERD(url, size_bytes)                                                                 \
    {                                                                                             \
        JF_SLOT_V1, EJABBERD_KEY, url, size_bytes, NULL, "sha1:" USER, "application/octet-stream" \
    }
#define FILER(kind, query, area)                                                                   \
    {                                                                                              \
        kind, FILER_KEY, "thomas/abc/catmetal.jpg?" query, 23026, "image/jpeg", area, "image/jpeg" \
    }
#define FILER_V2_MAC "7318cd44d4c40731e3b2ff869f553ab2326eae631868e7b8054db20d4aee1c06"

static const vector_t vectors[] = {
    PROSODY_V1(R "/bar.jpg?v=0c2f71011835a95aa24c2efc689bc12d8da68ad8d444cbf02e5d9bc778e7594d",
               1048576),
    PROSODY_V1(R "/my%20file%2b100%25.txt"
                 "?v=535c4efaa6d1da7962edbf552ec3b64420b7e21aac0b36e1c8ae7bb0057328c0",
               5),
    PROSODY_V1(R "/tr%c3%a8s%20cool.jpg"
                 "?v=75d06470ff191d705275dcba5c5ddbdd00f8be2d84466011a808fbd6282e4b08",
               23456),
    PROSODY_V1(R "/a%3fb%23c%26d%3de.txt"
                 "?v=cdb55cd7ce0c9117594b4dac5a8ce6de59618d9998cff79e2723837df13d661b",
               0),
    PROSODY_V1(R "/back%5cslash~tilde%27quote%22.txt"
                 "?v=9ee928891628759cbb3fcec5e85d7594a0d15c7305266d2369b2b37eb8486e7a",
               7),
    PROSODY_V2(R "/bar.jpg?v2=42d07a502e85fb8c959837f4779e4e5da47ae26e74e332f13f78f8d3e5cfb08b",
               1048576, "image/jpeg"),
    PROSODY_V2(R "/bar.jpg?v2=8fbfb45e3a1caf9cca1a2ec1f1b758e786243dc53f8eac02942de58902737e01",
               1048576, "application/octet-stream"),
    PROSODY_V2(R "/my%20file%2b100%25.txt"
                 "?v2=aca2b827758e04399e1f61513aa9968e4de98d9670e5b102d0260cd479050e68",
               5, "text/plain; charset=utf-8"),
    PROSODY_V2(R "/tr%c3%a8s%20cool.jpg"
                 "?v2=10f7ab47362a8cdef5d61323b5afcc0dec4dc66738abf6bfb174b6ad986147f2",
               23456, "image/jpeg"),
    PROSODY_V1("foo/bar.jpg?v=e6df55a04516617d6a86ad6ca23879819591085a1a8c0041f4da06824f5d2db7",
               1048576),
    PROSODY_V2("foo/bar.jpg?v2=a19d27add075aa60035e27c05e794f13079ba48c508852b3d7160a6bec0f85ab",
               1048576, "image/jpeg"),
    FILER(JF_SLOT_V1, "v=7b8879e2d1c733b423a70cde30cecc3a3c64a03f790d1b5bcbb2a6aca52b477e",
          "node:thomas"),
    FILER(JF_SLOT_V2, "v2=" FILER_V2_MAC, JF_SIGNER_AREA),
    FILER(JF_SLOT_TOKEN, "token=" FILER_V2_MAC, JF_SIGNER_AREA),
    EJABBERD(USER "/" N
                  "/bar.jpg?v=1c9f4a56ba2a9accf5b57cd8c301daf8d266a299348f818319f0ef5ea4ad05bd",
             1048576),
    EJABBERD(USER "/" N "/my_file_100_.txt"
                  "?v=e13a99558142be50b8441417f769ee3e80507fbd8c18234597e367e3e6d94e06",
             5),
    EJABBERD(USER "/" N "/tr%C3%A8s_cool.jpg"
                  "?v=c040e5217a93e55a04111ed7731438190abe74bfb6632bb3f0c065342128c284",
             23456),
    EJABBERD(USER "/" N "/tr\u00E8s_cool.jpg" /* since 25.08 */
                  "?v=c040e5217a93e55a04111ed7731438190abe74bfb6632bb3f0c065342128c284",
             23456),
    EJABBERD(USER "/" N "/%E6%97%A5%E6%9C%AC%E8%AA%9E_%E5%86%99%E7%9C%9F.png"
                  "?v=79b77c7943cbc2c709048f815f8386067cb44c1b286df8b83c324c1561bce41a",
             1),
    EJABBERD(USER "/" N "/.._.._etc_passwd"
                  "?v=bfb2f36a1995ca100daa5fca4ef9c8d2c07cfb0e2fb44f37a32920f34b159fcb",
             1),
    {JF_SLOT_TOKEN, KEY,
     "AbC123/bar.jpg?token=d86efea4194a94cc8877b86d83120841c6e072cdc232ee65035591406e725269",
     1048576, "image/jpeg", JF_SIGNER_AREA, "image/jpeg"},
    {JF_SLOT_V1, "secret",
     "8f3c/photo.jpg?v=49bb61c182d4e8b18361f1de0c37158de4c9b1fa175d3bd2fbc92acd8148a025", 23456,
     "image/jpeg", JF_SIGNER_AREA, "image/jpeg"},
    {JF_SLOT_V2, "secret",
     "8f3c/photo.jpg?v2=3be3811166ec29e0dd3ef9f758d710322620379c016ba93948b76a082dd0d9d4", 23456,
     "image/jpeg", JF_SIGNER_AREA, "image/jpeg"},
};

static jf_slot_request_t request_of(const vector_t *vector, apr_pool_t *pool)
{
    return jf_signer_request(vector->url, vector->size_bytes, vector->content_type, pool);
}

static void test_vectors(void **state)
{
    for (size_t i = 0; i < JF_TEST_COUNT(vectors); i++) {
        const vector_t *vector = &vectors[i];
        jf_slot_grant_t grant = {0};
        jf_slot_request_t request = request_of(vector, *state);
        jf_test_ok(verify(&grant, vector->kind, vector->key, &request, *state), vector->url);
        assert_string_equal(grant.area, vector->area);
        assert_string_equal(grant.media_type, vector->media_type);
        assert_int_equal(grant.expires_us, JF_NEVER);
        assert_int_equal(grant.valid_until_us, JF_NEVER);
    }
}

/* Both are signed by the real servers. */
static void test_signed_ways_upwards_are_no_names(void **state)
{
    static const char *const urls[] = {
        R "/..?v=d52624a78fdf1dca44b148dafd4b9713b1a3e5194bb4d0074d545d86b0c5fd5e",
        USER "/" N "/..?v=d034912ac4cb4075eee12a7fa78ac06bc5c2c135fb06ae0afede2cc5057764be",
    };

    for (size_t i = 0; i < JF_TEST_COUNT(urls); i++) {
        jf_name_t name;
        const char *path = apr_pstrmemdup(*state, urls[i], strcspn(urls[i], "?"));
        path = apr_pstrcat(*state, "/", path, NULL);
        jf_test_refused(jf_names_parse(&name, path, *state), JF_ERR_INVALID, path);
    }
}

static void test_the_encoded_path_is_not_what_is_signed(void **state)
{
    const char *url = R "/my%20file%2b100%25.txt"
                        "?v=4a17a4e58cc16ef745f4a130e5c26e40bb998fbd7cf4bbfce4c7b7b890f61f2c";
    jf_slot_request_t request = jf_signer_request(url, 5, "text/plain", *state);

    refuse(JF_SLOT_V1, KEY, &request, url, *state);
}

/* ---- everything is signed ---- */

static void refuse_other_paths(const vector_t *vector, apr_pool_t *pool)
{
    const jf_slot_request_t right = request_of(vector, pool);
    const char *other_leaves[] = {
        apr_pstrcat(pool, right.leaf, "x", NULL),
        apr_pstrcat(pool, " ", right.leaf, NULL),
        right.leaf + 1,
        "",
        "..",
        right.token,
    };
    const char *other_tokens[] = {
        apr_pstrcat(pool, right.token, "x", NULL),
        apr_pstrcat(pool, "a/", right.token, NULL),
        apr_pstrcat(pool, right.token, "/", NULL),
        right.token + 1,
        "",
    };

    for (size_t i = 0; i < JF_TEST_COUNT(other_leaves); i++) {
        jf_slot_request_t request = right;
        request.leaf = other_leaves[i];
        refuse(vector->kind, vector->key, &request, other_leaves[i], pool);
    }
    for (size_t i = 0; i < JF_TEST_COUNT(other_tokens); i++) {
        jf_slot_request_t request = right;
        request.token = other_tokens[i];
        refuse(vector->kind, vector->key, &request, other_tokens[i], pool);
    }
}

static void refuse_other_sizes(const vector_t *vector, apr_pool_t *pool)
{
    const apr_int64_t sizes[] = {
        vector->size_bytes + 1, vector->size_bytes - 1, vector->size_bytes * 10 + 1,
        APR_INT64_MAX,          APR_INT64_MIN,          -1,
    };

    for (size_t i = 0; i < JF_TEST_COUNT(sizes); i++) {
        jf_slot_request_t request = request_of(vector, pool);
        request.length_bytes = sizes[i];
        refuse(vector->kind, vector->key, &request, vector->url, pool);
    }
}

static void refuse_other_secrets(const vector_t *vector, apr_pool_t *pool)
{
    const char *const keys[] = {"", "x", KEY " ", "Secret string", KEY "\n", "it-is-secre"};
    jf_slot_request_t request = request_of(vector, pool);

    for (size_t i = 0; i < JF_TEST_COUNT(keys); i++) {
        refuse(vector->kind, keys[i], &request, keys[i], pool);
    }
}

static void test_a_token_is_for_one_path_size_and_secret(void **state)
{
    for (size_t i = 0; i < JF_TEST_COUNT(vectors); i++) {
        refuse_other_paths(&vectors[i], *state);
        refuse_other_sizes(&vectors[i], *state);
        refuse_other_secrets(&vectors[i], *state);
    }
}

/* The size is the number, written as numbers are. */
static void test_other_writings_of_the_size_are_not_signed(void **state)
{
    static const char *const sizes[] = {"+5",  "05",  "5 ", " 5", "5.0",
                                        "5e0", "0x5", "-5", "",   "5\n"};

    for (size_t i = 0; i < JF_TEST_COUNT(sizes); i++) {
        const char *message = apr_pstrcat(*state, "t/n ", sizes[i], NULL);
        const char *mac = jf_signer_mac(KEY, message, strlen(message), *state);
        jf_slot_request_t request =
            jf_signer_request(apr_pstrcat(*state, "t/n?v=", mac, NULL), 5, NULL, *state);
        refuse(JF_SLOT_V1, KEY, &request, sizes[i], *state);
    }
}

/* Prosody signs negative sizes, and a chunked upload has a size that says "unknown". */
static void test_negative_sizes_are_refused_although_signed(void **state)
{
    static const apr_int64_t sizes[] = {-1, -5, APR_INT64_MIN};

    for (size_t i = 0; i < JF_TEST_COUNT(sizes); i++) {
        const char *mac = jf_signer_v1(KEY, "t/n", sizes[i], *state);
        const char *url = apr_pstrcat(*state, "t/n?v=", mac, NULL);
        jf_slot_request_t request = jf_signer_request(url, sizes[i], NULL, *state);
        refuse(JF_SLOT_V1, KEY, &request, url, *state);
    }
}

/* ---- the form of a token ---- */

static void test_wrong_forms_are_refused(void **state)
{
    apr_pool_t *pool = *state;
    const char *mac = jf_signer_v1(KEY, "t/n.jpg", 5, pool);
    char *upper = apr_pstrdup(pool, mac);
    for (char *c = upper; *c; c++) {
        *c = *c >= 'a' && *c <= 'f' ? (char)(*c - 'a' + 'A') : *c;
    }
    assert_string_not_equal(upper, mac);
    const char *queries[] = {
        "v",
        "v=",
        "v==",
        "v&",
        "v=" WRONG_MAC,
        apr_pstrcat(pool, "v=", upper, NULL),
        apr_pstrcat(pool, "v=", apr_pstrmemdup(pool, mac, 63), NULL),
        apr_pstrcat(pool, "v=", mac + 1, NULL),
        apr_pstrcat(pool, "v=", mac, "0", NULL),
        apr_pstrcat(pool, "v=0", mac, NULL),
        apr_pstrcat(pool, "v=", mac, " ", NULL),
        apr_pstrcat(pool, "v= ", mac, NULL),
        apr_pstrcat(pool, "v=", mac, ";", NULL),
        apr_pstrcat(pool, "v=", mac, "\n", NULL),
        apr_pstrcat(pool, "v==", mac, NULL),
        apr_pstrcat(pool, "v=0x", mac, NULL),
        apr_pstrcat(pool, "v=\"", mac, "\"", NULL),
        apr_pstrcat(pool, "v=", mac, mac, NULL),
        apr_psprintf(pool, "v=%%%02x%s", mac[0], mac + 1),
        apr_pstrcat(pool, "v=", mac, "&v=", mac, NULL),
        apr_pstrcat(pool, "v=", mac, "&v=", NULL),
        apr_pstrcat(pool, "v=", mac, "&v", NULL),
        apr_pstrcat(pool, "v&v=", mac, NULL),
        apr_pstrcat(pool, "v=" WRONG_MAC "&v=", mac, NULL),
        apr_pstrcat(pool, "v=", mac, "&x&v=" WRONG_MAC, NULL),
        jf_test_repeat("v=", 'a', 1000000, "", pool),
    };

    for (size_t i = 0; i < JF_TEST_COUNT(queries); i++) {
        jf_slot_request_t request = {
            .token = "t", .leaf = "n.jpg", .length_bytes = 5, .query = queries[i]};
        refuse(JF_SLOT_V1, KEY, &request, queries[i], pool);
    }
}

/* ---- types ---- */

static void test_types_that_may_have_been_signed(void **state)
{
    static const struct {
        const char *leaf;
        const char *sent;
        const char *signed_type;
        const char *stored; /* NULL: refused */
    } cases[] = {
        {"a.jpg", "image/jpeg", "image/jpeg", "image/jpeg"},
        {"a.jpg", "image/jpeg; q=1", "image/jpeg", "image/jpeg"},
        {"a.txt", "text/plain ; charset=utf-8", "text/plain", "text/plain"},
        {"a.odd", "image/jpeg; q=1", "image/jpeg", "image/jpeg"},
        {"a.odd", "image/jpeg \t; q=1", "image/jpeg", "image/jpeg"},
        {"a.txt", "text/plain; charset=utf-8", "text/plain; charset=utf-8",
         "text/plain; charset=utf-8"},
        {"a.JPG", NULL, "image/jpeg", "image/jpeg"},
        {"a.jpg", "", "image/jpeg", "image/jpeg"},
        {"a.jpg", "", "", JF_MEDIA_UNKNOWN},
        {"a.jpg", "text/html", "image/jpeg", "image/jpeg"}, /* what is signed is stored */
        {"a.jpg", NULL, JF_MEDIA_UNKNOWN, JF_MEDIA_UNKNOWN},
        {"a.jpg", "image/jpeg", JF_MEDIA_UNKNOWN, JF_MEDIA_UNKNOWN},
        {"a.jpg", JF_MEDIA_UNKNOWN, "image/jpeg", "image/jpeg"},
        {"a.odd", "odd", "odd", JF_MEDIA_UNKNOWN},
        {"a.odd", "Odd/TYPE", "Odd/TYPE", "odd/type"},
        {"a.odd", "x/y\r\nX-Evil: z", "x/y\r\nX-Evil: z", JF_MEDIA_UNKNOWN},
        {"a.jpg", "image/png", "image/gif", NULL},
        {"a.odd", NULL, "image/png", NULL},
        {"a.odd", "image/png", "image/PNG", NULL},
        {"a.txt", "text/plain", "text/plain; charset=utf-8", NULL},
        {"a.jpg", "image/jpeg", "", NULL},
    };

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        jf_slot_grant_t grant = {0};
        jf_slot_request_t request = {.token = "t", .leaf = cases[i].leaf, .length_bytes = 7};
        const char *path = apr_pstrcat(*state, "t/", cases[i].leaf, NULL);
        request.content_type = cases[i].sent;
        jf_signer_add(&request, "v2", jf_signer_v2(KEY, path, 7, cases[i].signed_type, *state),
                      *state);
        jf_err_t *err = verify(&grant, JF_SLOT_V2, KEY, &request, *state);
        if (cases[i].stored) {
            jf_test_ok(err, cases[i].signed_type);
            assert_string_equal(grant.media_type, cases[i].stored);
        } else {
            jf_test_refused(err, JF_ERR_FORBIDDEN, cases[i].signed_type);
        }
    }
}

static void test_v1_stores_what_is_sent(void **state)
{
    static const struct {
        const char *sent;
        const char *stored;
    } cases[] = {
        {"Image/PNG", "image/png"},
        {"text/plain; charset=utf-8", "text/plain; charset=utf-8"},
        {"x/y\nX-Evil: z", JF_MEDIA_UNKNOWN},
        {"", JF_MEDIA_UNKNOWN},
        {NULL, JF_MEDIA_UNKNOWN},
    };

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        jf_slot_grant_t grant = {0};
        jf_slot_request_t request = {.token = "t", .leaf = "a.jpg"};
        request.content_type = cases[i].sent;
        jf_signer_add(&request, "v", jf_signer_v1(KEY, "t/a.jpg", 0, *state), *state);
        jf_test_ok(verify(&grant, JF_SLOT_V1, KEY, &request, *state), request.query);
        assert_string_equal(grant.media_type, cases[i].stored);
    }
}

/* ---- areas ---- */

static void test_areas(void **state)
{
    static const struct {
        jf_slot_kind_t kind;
        const char *token;
        const char *domain;
        const char *area;
    } cases[] = {
        {JF_SLOT_V1, "t", "montague.tld", JF_SIGNER_AREA},
        {JF_SLOT_V1, USER, "montague.tld", JF_SIGNER_AREA},
        {JF_SLOT_V1, USER "/" N, "montague.tld", "sha1:" USER},
        {JF_SLOT_V1, "romeo/" N, "montague.tld", "romeo@montague.tld"},
        {JF_SLOT_V1, "romeo/" N, NULL, "node:romeo"},
        {JF_SLOT_V1, "ro_meo/" N, "montague.tld", "node:ro_meo"},
        {JF_SLOT_V1, "romeo/juliet@capulet.example", "montague.tld", "romeo@montague.tld"},
        {JF_SLOT_V2, "romeo/" N, "montague.tld", JF_SIGNER_AREA},
        {JF_SLOT_TOKEN, "romeo/" N, "montague.tld", JF_SIGNER_AREA},
    };

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        jf_slot_grant_t grant = {0};
        jf_slot_request_t request = {.token = cases[i].token, .leaf = "n", .content_type = "a/b"};
        const char *path = apr_pstrcat(*state, cases[i].token, "/n", NULL);
        request.domain = cases[i].domain;
        if (cases[i].kind == JF_SLOT_V1) {
            jf_signer_add(&request, "v", jf_signer_v1(KEY, path, 0, *state), *state);
        } else {
            jf_signer_add(&request, cases[i].kind == JF_SLOT_V2 ? "v2" : "token",
                          jf_signer_v2(KEY, path, 0, "a/b", *state), *state);
        }
        jf_test_ok(verify(&grant, cases[i].kind, KEY, &request, *state), path);
        assert_string_equal(grant.area, cases[i].area);
    }
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_vectors),
    JF_TEST(test_signed_ways_upwards_are_no_names),
    JF_TEST(test_the_encoded_path_is_not_what_is_signed),
    JF_TEST(test_a_token_is_for_one_path_size_and_secret),
    JF_TEST(test_other_writings_of_the_size_are_not_signed),
    JF_TEST(test_negative_sizes_are_refused_although_signed),
    JF_TEST(test_wrong_forms_are_refused),
    JF_TEST(test_types_that_may_have_been_signed),
    JF_TEST(test_v1_stores_what_is_sent),
    JF_TEST(test_areas),
};

JF_TEST_MAIN(tests)
