#include "t_secret.h"

#include <string.h>

#include <apr_strings.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "jf_base64.h"
#include "xmpp_sasl.h"

#define USER "alice"
#define PASSWORD "correct horse"
#define ITERATIONS 4096

/* ---- a server ---- */

/** The server's side of SCRAM (RFC 5802 section 3), which says what tests want it to say. */
typedef struct server_t {
    apr_pool_t *pool;
    const EVP_MD *digest;
    const char *password; /**< what it takes for the user's */
    int iterations;
    const char *client_first_bare;
    const char *first;
    const char *nonce;
} server_t;

typedef struct hash_t {
    unsigned char bytes[EVP_MAX_MD_SIZE];
} hash_t;

static server_t *make_server(const char *mechanism, const char *password, apr_pool_t *pool)
{
    server_t *server = apr_pcalloc(pool, sizeof(*server));
    server->pool = pool;
    server->digest = strcmp(mechanism, "SCRAM-SHA-1") == 0     ? EVP_sha1()
                     : strcmp(mechanism, "SCRAM-SHA-256") == 0 ? EVP_sha256()
                                                               : EVP_sha512();
    server->password = password;
    server->iterations = ITERATIONS;
    return server;
}

static hash_t hmac(const server_t *server, const hash_t *key, const char *text)
{
    hash_t result;
    assert_non_null(HMAC(server->digest, key->bytes, EVP_MD_get_size(server->digest),
                         (const unsigned char *)text, strlen(text), result.bytes, NULL));
    return result;
}

static hash_t salted_password(const server_t *server)
{
    hash_t result;
    assert_int_equal(PKCS5_PBKDF2_HMAC(server->password, -1, (const unsigned char *)"salty", 5,
                                       server->iterations, server->digest,
                                       EVP_MD_get_size(server->digest), result.bytes),
                     1);
    return result;
}

static const char *encode_text(const char *text, apr_pool_t *pool)
{
    return jf_base64_encode(text, strlen(text), pool);
}

static const char *decode_text(const char *text, apr_pool_t *pool)
{
    char *message = NULL;
    apr_size_t length = 0;
    jf_test_ok(jf_base64_decode(&message, &length, text, strlen(text), pool), text);
    assert_int_equal(strlen(message), length);
    return message;
}

/** The answer to the initial response. */
static const char *say_first(server_t *server, const char *initial)
{
    static const char head[] = "n,,n=" USER ",r=";
    const char *message = decode_text(initial, server->pool);
    assert_int_equal(strncmp(message, head, strlen(head)), 0);
    server->client_first_bare = message + strlen("n,,");
    server->nonce = apr_pstrcat(server->pool, message + strlen(head), "SRV", NULL);
    server->first = apr_psprintf(server->pool, "r=%s,s=%s,i=%d", server->nonce,
                                 jf_base64_encode("salty", 5, server->pool), server->iterations);
    return encode_text(server->first, server->pool);
}

static const char *auth_message(const server_t *server)
{
    return apr_pstrcat(server->pool, server->client_first_bare, ",", server->first,
                       ",c=biws,r=", server->nonce, NULL);
}

/** What the client has to say if it knows the same password. */
static const char *expected_response(const server_t *server)
{
    size_t length = (size_t)EVP_MD_get_size(server->digest);
    hash_t salted = salted_password(server);
    hash_t client_key = hmac(server, &salted, "Client Key");
    hash_t stored_key;
    assert_int_equal(
        EVP_Digest(client_key.bytes, length, stored_key.bytes, NULL, server->digest, NULL), 1);
    hash_t proof = hmac(server, &stored_key, auth_message(server));
    for (size_t i = 0; i < length; i++) {
        proof.bytes[i] ^= client_key.bytes[i];
    }
    return encode_text(apr_pstrcat(server->pool, "c=biws,r=", server->nonce, ",p=",
                                   jf_base64_encode(proof.bytes, length, server->pool), NULL),
                       server->pool);
}

/** The server's proof. */
static const char *say_last(const server_t *server)
{
    hash_t salted = salted_password(server);
    hash_t server_key = hmac(server, &salted, "Server Key");
    hash_t signature = hmac(server, &server_key, auth_message(server));
    const char *text = jf_base64_encode(signature.bytes,
                                        (apr_size_t)EVP_MD_get_size(server->digest), server->pool);
    return encode_text(apr_pstrcat(server->pool, "v=", text, NULL), server->pool);
}

/* ---- a client ---- */

/** @param offered names with spaces between them. */
static jf_err_t *choose(xmpp_sasl_t **sasl, const char *offered, int is_verified, apr_pool_t *pool)
{
    apr_array_header_t *names = apr_array_make(pool, 2, sizeof(const char *));
    char *last;
    char *name = apr_strtok(apr_pstrdup(pool, offered), " ", &last);
    for (; name; name = apr_strtok(NULL, " ", &last)) {
        APR_ARRAY_PUSH(names, const char *) = name;
    }
    return xmpp_sasl_create(sasl, names, is_verified, USER, PASSWORD, pool);
}

static xmpp_sasl_t *create(const char *offered, apr_pool_t *pool)
{
    xmpp_sasl_t *sasl = NULL;
    jf_test_ok(choose(&sasl, offered, 1, pool), offered);
    return sasl;
}

static jf_err_t *challenge(xmpp_sasl_t *sasl, const char *text)
{
    return xmpp_sasl_challenge(sasl, text, strlen(text));
}

static jf_err_t *success(xmpp_sasl_t *sasl, const char *text)
{
    return xmpp_sasl_success(sasl, text, strlen(text));
}

/** @return the response; @a slices, if not NULL, is set to how often it took. */
static const char *work(int *slices, xmpp_sasl_t *sasl)
{
    const char *response = NULL;
    int count = 0;
    while (!response) {
        jf_test_ok(xmpp_sasl_work(&response, sasl), "a slice of work");
        count++;
    }
    if (slices) {
        *slices = count;
    }
    return response;
}

/** A client that has sent its response and waits for the proof of @a server. */
static xmpp_sasl_t *come_to_proof(server_t **made, const char *mechanism, apr_pool_t *pool)
{
    server_t *server = make_server(mechanism, PASSWORD, pool);
    xmpp_sasl_t *sasl = create(mechanism, pool);
    jf_test_ok(challenge(sasl, say_first(server, xmpp_sasl_initial(sasl))), mechanism);
    assert_string_equal(work(NULL, sasl), expected_response(server));
    *made = server;
    return sasl;
}

/* ---- the choice ---- */

static void test_choice(void **state)
{
    static const struct {
        const char *offered;
        const char *verified;
        const char *unverified;
    } cases[] = {
        {"PLAIN", "PLAIN", NULL},
        {"SCRAM-SHA-1", "SCRAM-SHA-1", "SCRAM-SHA-1"},
        {"PLAIN SCRAM-SHA-1", "SCRAM-SHA-1", "SCRAM-SHA-1"},
        {"SCRAM-SHA-1 SCRAM-SHA-256 SCRAM-SHA-512 PLAIN", "SCRAM-SHA-512", "SCRAM-SHA-512"},
        {"SCRAM-SHA-1 SCRAM-SHA-256", "SCRAM-SHA-256", "SCRAM-SHA-256"},
        {"SCRAM-SHA-1-PLUS PLAIN SCRAM-SHA-1", "SCRAM-SHA-1", "SCRAM-SHA-1"},
        {"EXTERNAL DIGEST-MD5 CRAM-MD5 ANONYMOUS PLAIN", "PLAIN", NULL},
        {"PLAIN PLAIN PLAIN", "PLAIN", NULL},
        {"", NULL, NULL},
        {"EXTERNAL", NULL, NULL},
        {"ANONYMOUS LOGIN X-OAUTH2 DIGEST-MD5", NULL, NULL},
        {"SCRAM-SHA-512-PLUS SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS", NULL, NULL},
        {"plain scram-sha-1 Scram-Sha-256", NULL, NULL},
        {"PLAINx xPLAIN PLAIN\n SCRAM-SHA-1\t SCRAM-SHA-3-512 SCRAM-", NULL, NULL},
    };

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        for (int is_verified = 0; is_verified <= 1; is_verified++) {
            const char *expected = is_verified ? cases[i].verified : cases[i].unverified;
            xmpp_sasl_t *sasl = NULL;
            jf_err_t *err = choose(&sasl, cases[i].offered, is_verified, *state);
            if (expected) {
                jf_test_ok(err, cases[i].offered);
                assert_string_equal(xmpp_sasl_mechanism(sasl), expected);
            } else {
                assert_non_null(err);
                assert_int_equal(err->code, JF_ERR_UNAVAILABLE);
                assert_null(sasl);
            }
        }
    }
}

static void test_a_refusal_says_what_was_offered(void **state)
{
    xmpp_sasl_t *sasl = NULL;
    jf_err_t *err = choose(&sasl, "EXTERNAL PLAIN", 0, *state);

    jf_test_refused(err, JF_ERR_UNAVAILABLE, "EXTERNAL PLAIN");
    assert_non_null(strstr(err->text, "EXTERNAL"));
    assert_non_null(strstr(err->text, "PLAIN"));
}

/* An error's text is one line; this one's words are the server's. */
static void test_a_refusal_is_one_line(void **state)
{
    xmpp_sasl_t *sasl = NULL;

    jf_test_refused(choose(&sasl, "X\n[error]\r\x1B[31m", 1, *state), JF_ERR_UNAVAILABLE,
                    "control characters");
}

/* ---- PLAIN ---- */

/* RFC 4616 section 4, second example without its authorization identity, and others. */
static void test_plain_vectors(void **state)
{
    static const struct {
        const char *user;
        const char *password;
        const char *response;
    } cases[] = {
        {"tim", "tanstaaftanstaaf", "AHRpbQB0YW5zdGFhZnRhbnN0YWFm"},
        {"alice", "", "AGFsaWNlAA=="},
        {"a=b,c", "p,=\n", "AGE9YixjAHAsPQo="},
        {"b\u00FCrger", "\u20AC\U0001F600", "AGLDvHJnZXIA4oKs8J+YgA=="},
    };
    apr_array_header_t *offered = apr_array_make(*state, 1, sizeof(const char *));
    APR_ARRAY_PUSH(offered, const char *) = "PLAIN";

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        xmpp_sasl_t *sasl = NULL;
        jf_test_ok(xmpp_sasl_create(&sasl, offered, 1, cases[i].user, cases[i].password, *state),
                   cases[i].user);
        assert_string_equal(xmpp_sasl_initial(sasl), cases[i].response);
    }
}

/* The server has seen the password; the certificate is its proof. */
static void test_plain(void **state)
{
    jf_test_ok(success(create("PLAIN", *state), ""), "as usual");
    jf_test_ok(success(create("PLAIN", *state), "eA=="), "with some data");
    jf_test_refused(challenge(create("PLAIN", *state), ""), JF_ERR_INVALID, "a challenge");
    jf_test_refused(challenge(create("PLAIN", *state), "eA=="), JF_ERR_INVALID, "a challenge");
}

static void test_plain_is_wiped(void **state)
{
    jf_secret_watch_t secret = {0};
    apr_pool_t *pool = jf_secret_watched_pool(&secret, *state);

    secret.text = xmpp_sasl_initial(create("PLAIN", pool));
    secret.length = strlen(secret.text);
    apr_pool_destroy(pool);
    assert_true(secret.length > 0 && secret.is_wiped);
}

/* ---- SCRAM ---- */

static const char *const scrams[] = {"SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"};

static void test_proof_in_success(void **state)
{
    for (size_t i = 0; i < JF_TEST_COUNT(scrams); i++) {
        server_t *server;
        xmpp_sasl_t *sasl = come_to_proof(&server, scrams[i], *state);
        jf_test_ok(success(sasl, say_last(server)), scrams[i]);
    }
}

static void test_proof_in_a_challenge(void **state)
{
    for (size_t i = 0; i < JF_TEST_COUNT(scrams); i++) {
        server_t *server;
        xmpp_sasl_t *sasl = come_to_proof(&server, scrams[i], *state);
        jf_test_ok(challenge(sasl, say_last(server)), scrams[i]);
        assert_string_equal(work(NULL, sasl), "");
        jf_test_ok(success(sasl, ""), scrams[i]);
    }
}

/* The event loop has its turn between slices; not one of them is many. */
static void test_work_comes_in_slices(void **state)
{
    static const int iterations[] = {4096, 10000, 100000};
    int before = 1;

    for (size_t i = 0; i < JF_TEST_COUNT(iterations); i++) {
        int slices;
        server_t *server = make_server("SCRAM-SHA-1", PASSWORD, *state);
        xmpp_sasl_t *sasl = create("SCRAM-SHA-1", *state);
        server->iterations = iterations[i];
        jf_test_ok(challenge(sasl, say_first(server, xmpp_sasl_initial(sasl))), "a challenge");
        assert_string_equal(work(&slices, sasl), expected_response(server));
        assert_true(slices > before);
        before = slices;
        jf_test_ok(success(sasl, say_last(server)), "the proof");
    }
}

static void test_attempts_do_not_repeat(void **state)
{
    assert_string_not_equal(xmpp_sasl_initial(create("SCRAM-SHA-1", *state)),
                            xmpp_sasl_initial(create("SCRAM-SHA-1", *state)));
}

/* ---- servers that break the rules ---- */

/** Success with these texts is refused. */
static void refuse_success(xmpp_sasl_t *sasl, const char *when)
{
    static const char *const texts[] = {"",
                                        "=",
                                        "====",
                                        "dj0=",
                                        "dj1YWVo=",
                                        "x",
                                        "bg==",
                                        "\n",
                                        "ZT1vdGhlci1lcnJvcg==", /* e=other-error */
                                        "dj1ybUY5cHFWOFM3c3VBb1pXamE0ZEpSa0ZzS1E9"};

    for (size_t i = 0; i < JF_TEST_COUNT(texts); i++) {
        jf_test_refused(success(sasl, texts[i]), JF_ERR_INVALID, when);
    }
}

static void test_success_too_early(void **state)
{
    const char *response;
    server_t *server = make_server("SCRAM-SHA-1", PASSWORD, *state);
    xmpp_sasl_t *sasl = create("SCRAM-SHA-1", *state);

    refuse_success(sasl, "before the challenge");
    jf_test_ok(challenge(sasl, say_first(server, xmpp_sasl_initial(sasl))), "a challenge");
    refuse_success(sasl, "before the work");
    jf_test_refused(success(sasl, say_last(server)), JF_ERR_INVALID, "before the response");
    jf_test_ok(xmpp_sasl_work(&response, sasl), "some work");
    assert_null(response);
    refuse_success(sasl, "during the work");
    jf_test_refused(success(sasl, say_last(server)), JF_ERR_INVALID, "before the response");
}

static void test_success_without_proof(void **state)
{
    for (size_t i = 0; i < JF_TEST_COUNT(scrams); i++) {
        server_t *server;
        refuse_success(come_to_proof(&server, scrams[i], *state), scrams[i]);
    }
}

/* A server that knows everything but the password. */
static void test_wrong_proofs(void **state)
{
    for (size_t i = 0; i < JF_TEST_COUNT(scrams); i++) {
        server_t *server;
        xmpp_sasl_t *sasl = come_to_proof(&server, scrams[i], *state);
        const char *proof = strstr(decode_text(expected_response(server), *state), ",p=") + 3;
        const char *echo = encode_text(apr_pstrcat(*state, "v=", proof, NULL), *state);
        jf_test_refused(success(sasl, echo), JF_ERR_INVALID, "the client's own proof");

        sasl = come_to_proof(&server, scrams[i], *state);
        server->password = PASSWORD "x";
        jf_test_refused(success(sasl, say_last(server)), JF_ERR_INVALID, "another password");
        sasl = come_to_proof(&server, scrams[i], *state);
        server->password = PASSWORD "x";
        jf_test_refused(challenge(sasl, say_last(server)), JF_ERR_INVALID, "in a challenge");
        refuse_success(sasl, "after a wrong proof");

        sasl = come_to_proof(&server, scrams[i], *state);
        server->nonce = apr_pstrcat(*state, server->nonce, "x", NULL);
        jf_test_refused(success(sasl, say_last(server)), JF_ERR_INVALID, "another exchange");
    }
}

static void test_a_proof_is_whole(void **state)
{
    const apr_size_t whole = strlen("v=") + 28; /* in base64 again */
    server_t *server;
    xmpp_sasl_t *sasl;
    const char *last;

    for (apr_size_t length = 0; length < (whole + 2) / 3 * 4; length++) {
        sasl = come_to_proof(&server, "SCRAM-SHA-1", *state);
        last = say_last(server);
        jf_test_refused(xmpp_sasl_success(sasl, last, length), JF_ERR_INVALID, last);
    }
    sasl = come_to_proof(&server, "SCRAM-SHA-1", *state);
    last = apr_pstrcat(*state, say_last(server), "\n", NULL);
    jf_test_refused(success(sasl, last), JF_ERR_INVALID, "a newline");
    last = apr_pstrcat(*state, "\n ", say_last(server), "\n", NULL);
    jf_test_refused(success(sasl, last), JF_ERR_INVALID, "white space around it");
}

static void test_challenges_out_of_order(void **state)
{
    server_t *server = make_server("SCRAM-SHA-256", PASSWORD, *state);
    xmpp_sasl_t *sasl = create("SCRAM-SHA-256", *state);
    const char *first = say_first(server, xmpp_sasl_initial(sasl));

    jf_test_ok(challenge(sasl, first), "the first");
    jf_test_refused(challenge(sasl, first), JF_ERR_INVALID, "it again");
    jf_test_refused(challenge(sasl, say_last(server)), JF_ERR_INVALID, "the proof too early");
    sasl = come_to_proof(&server, "SCRAM-SHA-256", *state);
    jf_test_refused(challenge(sasl, encode_text(server->first, *state)), JF_ERR_INVALID,
                    "the first one in place of the proof");
    sasl = come_to_proof(&server, "SCRAM-SHA-256", *state);
    jf_test_ok(challenge(sasl, say_last(server)), "the proof");
    jf_test_refused(challenge(sasl, say_last(server)), JF_ERR_INVALID, "the proof again");
}

static void test_work_out_of_order(void **state)
{
    server_t *server;
    const char *response = "untouched";

    assert_non_null(xmpp_sasl_work(&response, create("SCRAM-SHA-1", *state)));
    assert_null(response);
    xmpp_sasl_t *sasl = come_to_proof(&server, "SCRAM-SHA-1", *state);
    assert_non_null(xmpp_sasl_work(&response, sasl));
    assert_null(response);
}

static void test_wrong_challenges(void **state)
{
    static const char *const texts[] = {
        "",
        "=",
        "x",
        "r=abc",
        "eA==",
        "e30=",
        "bm90LWEtY2hhbGxlbmdl",
        "cj14LHM9WVE9PSxpPTQwOTY=",     /* r=x,s=YQ==,i=4096: not our nonce */
        "bT14LHI9eCxzPVlRPT0saT00MDk2", /* m=x,r=x,s=YQ==,i=4096 */
        "ZT1vdGhlci1lcnJvcg==",
        "AAAAAAAAAAAA",
        "//////////8=",
        " eA==",
        "eA==\n",
    };

    for (size_t i = 0; i < JF_TEST_COUNT(texts); i++) {
        xmpp_sasl_t *sasl = create("SCRAM-SHA-1", *state);
        jf_test_refused(challenge(sasl, texts[i]), JF_ERR_INVALID, texts[i]);
        refuse_success(sasl, "after a wrong challenge");
    }
}

static void test_number_of_iterations(void **state)
{
    static const int wrong[] = {-1, 0, 1, 4095, 1000001, 2147483647};

    for (size_t i = 0; i < JF_TEST_COUNT(wrong); i++) {
        server_t *server = make_server("SCRAM-SHA-1", PASSWORD, *state);
        xmpp_sasl_t *sasl = create("SCRAM-SHA-1", *state);
        server->iterations = wrong[i];
        const char *first = say_first(server, xmpp_sasl_initial(sasl));
        jf_test_refused(challenge(sasl, first), JF_ERR_INVALID, server->first);
    }
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_choice),
    JF_TEST(test_a_refusal_says_what_was_offered),
    JF_TEST(test_a_refusal_is_one_line),
    JF_TEST(test_plain_vectors),
    JF_TEST(test_plain),
    JF_TEST(test_plain_is_wiped),
    JF_TEST(test_proof_in_success),
    JF_TEST(test_proof_in_a_challenge),
    JF_TEST(test_work_comes_in_slices),
    JF_TEST(test_attempts_do_not_repeat),
    JF_TEST(test_success_too_early),
    JF_TEST(test_success_without_proof),
    JF_TEST(test_wrong_proofs),
    JF_TEST(test_a_proof_is_whole),
    JF_TEST(test_challenges_out_of_order),
    JF_TEST(test_work_out_of_order),
    JF_TEST(test_wrong_challenges),
    JF_TEST(test_number_of_iterations),
};

JF_TEST_MAIN(tests)
