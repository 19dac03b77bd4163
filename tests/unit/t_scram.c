#include "jf_test.h"

#include <string.h>

#include <apr_hash.h>
#include <apr_strings.h>

#include "xmpp_scram.h"

/** A whole attempt, as it has to be. */
typedef struct vector_t {
    const char *mechanism;
    const char *user;
    const char *password;
    const char *nonce;
    const char *first;
    const char *server_first;
    const char *final;
    const char *server_final;
} vector_t;

#define LONG_PASSWORD_PART "p\u00E4sswort p\u00E4sswort p\u00E4sswort p\u00E4sswort p\u00E4sswort "
#define LONG_PASSWORD LONG_PASSWORD_PART LONG_PASSWORD_PART LONG_PASSWORD_PART LONG_PASSWORD_PART

static const vector_t vectors[] = {
    /* RFC 5802 section 5 */
    {"SCRAM-SHA-1", "user", "pencil", "fyko+d2lbbFgONRv9qkxdawL",
     "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
     "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
     "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
     "v=rmF9pqV8S7suAoZWja4dJRkFsKQ="},
    /* RFC 7677 section 3 */
    {"SCRAM-SHA-256", "user", "pencil", "rOprNGfwEbeRWgbNEkqO", "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
     "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
     "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
     "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
     "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="},
    /* From here on computed by Python's hashlib and hmac. */
    {"SCRAM-SHA-512", "user", "pencil", "rOprNGfwEbeRWgbNEkqO", "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
     "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
     "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
     "p=gMGXRcevScNtxZ6/8lQYpGtnsNAc3mGcmNomv+xnoOMw+3R2xNJdMNnzMlTN8PPC6wdp6dybEmDYXYTxwnYPJQ==",
     "v=ZQnYEgWQMFmmsM8aQMF0nDDCy/AgCzkwk8CmMZYcMg0vSVlKDanekLtifDSeVGT4+5ZxXnJq199RVG2rR7N7Zw=="},
    {"SCRAM-SHA-1", "alice", "correct horse", "fyk0nonce", "n,,n=alice,r=fyk0nonce",
     "r=fyk0nonceSRV9,s=c2FsdHNhbHRzYWx0,i=4096",
     "c=biws,r=fyk0nonceSRV9,p=0HADGGgDz0soIvNiZb0RFg5AV5U=", "v=+CTc4N14XYhZrHEG0AxgDXPwa6c="},
    {"SCRAM-SHA-256", "alice", "correct horse", "fyk0nonce", "n,,n=alice,r=fyk0nonce",
     "r=fyk0nonceSRV9,s=c2FsdHNhbHRzYWx0,i=4096",
     "c=biws,r=fyk0nonceSRV9,p=N8fsSj8mINY/mr9+LKtCJZKz0kh82MDOeAfJGohdD/Y=",
     "v=6Oiso6LzeFx6ZGbB6gL7TPhYPcvxvSqjaNrapI0hFq8="},
    {"SCRAM-SHA-512", "alice", "correct horse", "fyk0nonce", "n,,n=alice,r=fyk0nonce",
     "r=fyk0nonceSRV9,s=c2FsdHNhbHRzYWx0,i=4096",
     "c=biws,r=fyk0nonceSRV9,"
     "p=Yd4d587UtGXdpsohS8/meOJX1attFlmir3C19JrGdgAv0B662Ogqjyq6X1wv29lUlPM78llIP84SUpNwe3BqEQ==",
     "v=dlj5gXVn/eMC8irhsYHHuUnocP50zdj48Ejh0AW6Wn4LszPdPrAYlQSjYVtWtYKYHtg/NhDBn1JnMnoYg9oCcA=="},
    /* a password longer than a block of the hash, the shortest salt */
    {"SCRAM-SHA-1", "b\u00FCrger", LONG_PASSWORD, "abc", "n,,n=b\u00FCrger,r=abc",
     "r=abcd,s=AA==,i=4097",
     "c=biws,r=abcd,p=rC17RL0wuZmBrXDMlquHVR2Ovd4=", "v=5Z6e1uf4vk5b2xxnYu/V6/0ytOs="},
    {"SCRAM-SHA-256", "b\u00FCrger", LONG_PASSWORD, "abc", "n,,n=b\u00FCrger,r=abc",
     "r=abcd,s=AA==,i=4097", "c=biws,r=abcd,p=Rxq96EPDDOEI5vnMf2slBnQ6veZ7iCH0n6Cwv2E5u/8=",
     "v=mCGVPBqBmw3OEIKLxSSfqX6kEWPpCSWcTX5Fg0HzSQY="},
    {"SCRAM-SHA-512", "a=b,c", LONG_PASSWORD, "abc", "n,,n=a=3Db=2Cc,r=abc", "r=abcd,s=//4=,i=5000",
     "c=biws,r=abcd,p=+ig4FRIqR+IMhTVkOdpf9ewL0clO57nZHiHcy5ot78juidP+"
     "7EwFULCDEp4rxzxBzyefXpbf1fVTLRu+xd4+Ng==",
     "v=QAstK37JELJp3BiOloFtxe0RW0JMRysS0lRRbXFk3DqAI1Eh9ZDUvh8LkvSGbM8CRy7P/W6lXLtXhgSfblKpfA=="},
    /* with extensions, which are ignored but signed */
    {"SCRAM-SHA-256", "alice", "correct horse", "fyk0nonce", "n,,n=alice,r=fyk0nonce",
     "r=fyk0nonceSRV9,s=c2FsdHNhbHRzYWx0,i=4096,x=1,Y=a=b",
     "c=biws,r=fyk0nonceSRV9,p=n/odDTIDyBPkZfrlo0IqLoz9LdwlXrccZR3fpvz6uT0=",
     "v=9JwUDI5U+o6xp4atMbs0TB81knt5BDTO3BQG7pI0+XI="},
};

static xmpp_scram_t *create(const vector_t *vector, apr_pool_t *pool)
{
    xmpp_scram_t *scram = NULL;
    jf_test_ok(xmpp_scram_create(&scram, vector->mechanism, vector->user, vector->password,
                                 vector->nonce, pool),
               vector->mechanism);
    return scram;
}

static jf_err_t *challenge(xmpp_scram_t *scram, const char *text)
{
    return xmpp_scram_challenge(scram, text, strlen(text));
}

static jf_err_t *verify(xmpp_scram_t *scram, const char *text)
{
    return xmpp_scram_verify(scram, text, strlen(text));
}

/** @return how many slices it took. */
static int work(xmpp_scram_t *scram, apr_uint32_t rounds)
{
    int slices = 0;
    int is_done = 0;
    while (!is_done) {
        jf_test_ok(xmpp_scram_work(&is_done, scram, rounds), "a slice of work");
        slices++;
    }
    return slices;
}

/** An attempt that waits for the server's last message. */
static xmpp_scram_t *finish(const vector_t *vector, apr_pool_t *pool)
{
    const char *final;
    xmpp_scram_t *scram = create(vector, pool);
    jf_test_ok(challenge(scram, vector->server_first), vector->server_first);
    work(scram, XMPP_SCRAM_ITERATIONS_MAX);
    jf_test_ok(xmpp_scram_final(&final, scram), vector->server_first);
    assert_string_equal(final, vector->final);
    return scram;
}

/* ---- what has to work ---- */

static void test_vectors(void **state)
{
    for (size_t i = 0; i < JF_TEST_COUNT(vectors); i++) {
        xmpp_scram_t *scram = finish(&vectors[i], *state);
        assert_string_equal(xmpp_scram_first(scram), vectors[i].first);
        jf_test_ok(verify(scram, vectors[i].server_final), vectors[i].server_final);
    }
}

static void test_slices_make_no_difference(void **state)
{
    static const struct {
        apr_uint32_t rounds;
        int slices;
    } cases[] = {{1, 4096}, {7, 586}, {4095, 2}, {4096, 1}, {1000000, 1}, {APR_UINT32_MAX, 1}};

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        for (size_t v = 0; v < 3; v++) {
            const char *final;
            xmpp_scram_t *scram = create(&vectors[v], *state);
            jf_test_ok(challenge(scram, vectors[v].server_first), "a challenge");
            assert_int_equal(work(scram, cases[i].rounds), cases[i].slices);
            jf_test_ok(xmpp_scram_final(&final, scram), "the end of the work");
            assert_string_equal(final, vectors[v].final);
        }
    }
}

static void test_no_rounds_are_no_work(void **state)
{
    int is_done = -1;
    xmpp_scram_t *scram = create(&vectors[0], *state);

    jf_test_ok(challenge(scram, vectors[0].server_first), "a challenge");
    jf_test_ok(xmpp_scram_work(&is_done, scram, 0), "no work");
    assert_int_equal(is_done, 0);
    assert_int_equal(work(scram, 4096), 1);
}

static void test_the_longest_salt(void **state)
{
    const vector_t vector = {
        .mechanism = "SCRAM-SHA-256",
        .user = "alice",
        .password = "correct horse",
        .nonce = "abc",
        .server_first = jf_test_repeat("r=abcd,s=", 'A', 1366, "==,i=4096", *state),
        .final = "c=biws,r=abcd,p=8PyD7im12Fccha2I3RBGRpPANzjx1PcTfwij8ii2yi8=",
    };

    jf_test_ok(verify(finish(&vector, *state), "v=/ZSWAN564pEq63x6XJXrOfeL8xYG9ZUljaLgth2Y3kA="),
               "1024 bytes");
}

static void test_mechanisms(void **state)
{
    static const struct {
        const char *name;
        int is_known;
    } cases[] = {
        {"SCRAM-SHA-1", 1},
        {"SCRAM-SHA-256", 1},
        {"SCRAM-SHA-512", 1},
        {"SCRAM-SHA-1-PLUS", 0},
        {"SCRAM-SHA-256-PLUS", 0},
        {"SCRAM-SHA-384", 0},
        {"SCRAM-SHA-", 0},
        {"SCRAM-SHA-25", 0},
        {"SCRAM-SHA-2567", 0},
        {"scram-sha-1", 0},
        {"PLAIN", 0},
        {"DIGEST-MD5", 0},
        {"SCRAM-SHA-1\n", 0},
        {"", 0},
    };

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        xmpp_scram_t *scram = NULL;
        assert_int_equal(xmpp_scram_is_mechanism(cases[i].name), cases[i].is_known);
        jf_err_t *err = xmpp_scram_create(&scram, cases[i].name, "alice", "x", NULL, *state);
        if (cases[i].is_known) {
            jf_test_ok(err, cases[i].name);
        } else {
            jf_test_refused(err, JF_ERR_INVALID, cases[i].name);
        }
    }
}

static void test_names_are_escaped(void **state)
{
    static const struct {
        const char *user;
        const char *first;
    } cases[] = {
        {"alice", "n,,n=alice,r=x"},
        {"=", "n,,n==3D,r=x"},
        {",", "n,,n==2C,r=x"},
        {"a,,b==", "n,,n=a=2C=2Cb=3D=3D,r=x"},
        {"=2C", "n,,n==3D2C,r=x"},
        {"=3D", "n,,n==3D3D,r=x"},
        {"\u00FC,\U0001F600=", "n,,n=\u00FC=2C\U0001F600=3D,r=x"},
        {"", "n,,n=,r=x"},
    };

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        xmpp_scram_t *scram = NULL;
        jf_test_ok(xmpp_scram_create(&scram, "SCRAM-SHA-1", cases[i].user, "x", "x", *state),
                   cases[i].user);
        assert_string_equal(xmpp_scram_first(scram), cases[i].first);
    }
}

static void test_nonces_are_random(void **state)
{
    apr_hash_t *seen = apr_hash_make(*state);

    for (int i = 0; i < 500; i++) {
        xmpp_scram_t *scram = NULL;
        jf_test_ok(xmpp_scram_create(&scram, "SCRAM-SHA-1", "alice", "x", NULL, *state), "random");
        const char *first = xmpp_scram_first(scram);
        assert_int_equal(strncmp(first, "n,,n=alice,r=", 13), 0);
        assert_true(strlen(first + 13) >= 22 && !strchr(first + 13, ','));
        assert_null(apr_hash_get(seen, first, APR_HASH_KEY_STRING));
        apr_hash_set(seen, first, APR_HASH_KEY_STRING, first);
    }
}

static void test_another_password_does_not_verify(void **state)
{
    for (size_t i = 0; i < JF_TEST_COUNT(vectors); i++) {
        const char *final;
        vector_t vector = vectors[i];
        vector.password = apr_pstrcat(*state, vector.password, "x", NULL);
        xmpp_scram_t *scram = create(&vector, *state);
        jf_test_ok(challenge(scram, vector.server_first), vector.server_first);
        work(scram, 5000);
        jf_test_ok(xmpp_scram_final(&final, scram), vector.server_first);
        assert_string_not_equal(final, vector.final);
        jf_test_refused(verify(scram, vector.server_final), JF_ERR_INVALID, vector.server_final);
    }
}

/* Valgrind and AddressSanitizer see what is left; here it must do no harm. */
static void test_an_attempt_can_be_given_up(void **state)
{
    int is_done;
    (void)state;

    for (int steps = 0; steps < 3; steps++) {
        apr_pool_t *pool;
        assert_int_equal(apr_pool_create(&pool, NULL), APR_SUCCESS);
        xmpp_scram_t *scram = create(&vectors[0], pool);
        if (steps > 0) {
            jf_test_ok(challenge(scram, vectors[0].server_first), "a challenge");
        }
        if (steps > 1) {
            jf_test_ok(xmpp_scram_work(&is_done, scram, 100), "some work");
        }
        apr_pool_destroy(pool);
    }
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_vectors),
    JF_TEST(test_slices_make_no_difference),
    JF_TEST(test_no_rounds_are_no_work),
    JF_TEST(test_the_longest_salt),
    JF_TEST(test_mechanisms),
    JF_TEST(test_names_are_escaped),
    JF_TEST(test_nonces_are_random),
    JF_TEST(test_another_password_does_not_verify),
    JF_TEST(test_an_attempt_can_be_given_up),
};

JF_TEST_MAIN(tests)
