/*
 * What a server may send that does not know the password, or wants to do harm.
 */
#include "jf_test.h"

#include <string.h>

#include "xmpp_scram.h"

/* One attempt that would succeed; t_scram.c has it, too. */
#define NONCE "fyk0nonce"
#define SERVER_FIRST "r=fyk0nonceSRV9,s=c2FsdHNhbHRzYWx0,i=4096"
#define SERVER_FINAL "v=+CTc4N14XYhZrHEG0AxgDXPwa6c="

static xmpp_scram_t *create(apr_pool_t *pool)
{
    xmpp_scram_t *scram = NULL;
    jf_test_ok(xmpp_scram_create(&scram, "SCRAM-SHA-1", "alice", "correct horse", NONCE, pool),
               NONCE);
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

static void work(xmpp_scram_t *scram)
{
    int is_done = 0;
    jf_test_ok(xmpp_scram_work(&is_done, scram, XMPP_SCRAM_ITERATIONS_MAX), "the work");
    assert_true(is_done);
}

/** An attempt that waits for the server's last message. */
static xmpp_scram_t *finish(apr_pool_t *pool)
{
    const char *final;
    xmpp_scram_t *scram = create(pool);
    jf_test_ok(challenge(scram, SERVER_FIRST), SERVER_FIRST);
    work(scram);
    jf_test_ok(xmpp_scram_final(&final, scram), "the proof");
    return scram;
}

/* ---- a hostile challenge ---- */

static void refuse_challenge(const char *text, apr_size_t length, apr_pool_t *pool)
{
    int is_done;
    const char *final;
    xmpp_scram_t *scram = create(pool);
    jf_test_refused(xmpp_scram_challenge(scram, text, length), JF_ERR_INVALID, text);
    /* Nothing goes on from there. */
    jf_test_refused(xmpp_scram_work(&is_done, scram, 1), JF_ERR_INVALID, text);
    jf_test_refused(xmpp_scram_final(&final, scram), JF_ERR_INVALID, text);
    jf_test_refused(verify(scram, SERVER_FINAL), JF_ERR_INVALID, text);
    jf_test_refused(challenge(scram, SERVER_FIRST), JF_ERR_INVALID, text);
}

static void test_wrong_challenges_are_refused(void **state)
{
    static const char *const texts[] = {
        "",
        ",",
        "=",
        "r",
        "r=",
        "garbage",
        /* attributes that are missing, empty, in another order, or not separated */
        "r=fyk0nonceSRV9",
        "r=fyk0nonceSRV9,",
        "r=fyk0nonceSRV9,s=c2FsdA==",
        "r=fyk0nonceSRV9,i=4096",
        "s=c2FsdA==,i=4096",
        "r=fyk0nonceSRV9,s=c2FsdA==,",
        "r=fyk0nonceSRV9,s=c2FsdA==,i=",
        "r=fyk0nonceSRV9,s=,i=4096",
        "r=,s=c2FsdA==,i=4096",
        "s=c2FsdA==,r=fyk0nonceSRV9,i=4096",
        "r=fyk0nonceSRV9,i=4096,s=c2FsdA==",
        "r=fyk0nonceSRV9,,s=c2FsdA==,i=4096",
        ",r=fyk0nonceSRV9,s=c2FsdA==,i=4096",
        "r=fyk0nonceSRV9;s=c2FsdA==;i=4096",
        "R=fyk0nonceSRV9,S=c2FsdA==,I=4096",
        "x=1,r=fyk0nonceSRV9,s=c2FsdA==,i=4096",
        "e=unknown-user",
        " r=fyk0nonceSRV9,s=c2FsdA==,i=4096",
        /* the nonce */
        "r=fyk0nonce,s=c2FsdA==,i=4096",
        "r=fyk0nonc,s=c2FsdA==,i=4096",
        "r=fyk0noncX,s=c2FsdA==,i=4096",
        "r=Fyk0nonceSRV9,s=c2FsdA==,i=4096",
        "r=SRV9fyk0nonce,s=c2FsdA==,i=4096",
        "r=fyk0nonce SRV9,s=c2FsdA==,i=4096",
        "r=fyk0nonceSRV9\n,s=c2FsdA==,i=4096",
        "r=fyk0nonce\x7F,s=c2FsdA==,i=4096",
        "r=fyk0nonce\u00FC,s=c2FsdA==,i=4096",
        /* the salt */
        "r=fyk0nonceSRV9,s=c2FsdA,i=4096",
        "r=fyk0nonceSRV9,s=c2FsdA=,i=4096",
        "r=fyk0nonceSRV9,s=c2FsdA===,i=4096",
        "r=fyk0nonceSRV9,s=c2FsdB==,i=4096",
        "r=fyk0nonceSRV9,s=c2F=dA==,i=4096",
        "r=fyk0nonceSRV9,s=====,i=4096",
        "r=fyk0nonceSRV9,s=A===,i=4096",
        "r=fyk0nonceSRV9,s=c2Fs dA==,i=4096",
        "r=fyk0nonceSRV9,s= c2FsdA=,i=4096",
        "r=fyk0nonceSRV9,s=c2FsdA==\n,i=4096",
        "r=fyk0nonceSRV9,s=c2Fs\n   ,i=4096",
        "r=fyk0nonceSRV9,s=c2F-dA==,i=4096",
        "r=fyk0nonceSRV9,s=c2F\xFFzA==,i=4096",
        /* the iterations */
        "r=fyk0nonceSRV9,s=c2FsdA==,i=0",
        "r=fyk0nonceSRV9,s=c2FsdA==,i=1",
        "r=fyk0nonceSRV9,s=c2FsdA==,i=4095",
        "r=fyk0nonceSRV9,s=c2FsdA==,i=1000001",
        "r=fyk0nonceSRV9,s=c2FsdA==,i=1000000000",
        "r=fyk0nonceSRV9,s=c2FsdA==,i=4294971392",           /* 2^32 + 4096 */
        "r=fyk0nonceSRV9,s=c2FsdA==,i=18446744073709555712", /* 2^64 + 4096 */
        "r=fyk0nonceSRV9,s=c2FsdA==,i=99999999999999999999999999999999999999",
        "r=fyk0nonceSRV9,s=c2FsdA==,i=04096",
        "r=fyk0nonceSRV9,s=c2FsdA==,i=+4096",
        "r=fyk0nonceSRV9,s=c2FsdA==,i=-4096",
        "r=fyk0nonceSRV9,s=c2FsdA==,i= 4096",
        "r=fyk0nonceSRV9,s=c2FsdA==,i=4096 ",
        "r=fyk0nonceSRV9,s=c2FsdA==,i=4096\n",
        "r=fyk0nonceSRV9,s=c2FsdA==,i=0x1000",
        "r=fyk0nonceSRV9,s=c2FsdA==,i=4096.0",
        "r=fyk0nonceSRV9,s=c2FsdA==,i=5e3",
        /* extensions */
        "m=1,r=fyk0nonceSRV9,s=c2FsdA==,i=4096",
        "m=,r=fyk0nonceSRV9,s=c2FsdA==,i=4096",
        "r=fyk0nonceSRV9,s=c2FsdA==,i=4096,m=1",
        "r=fyk0nonceSRV9,s=c2FsdA==,i=4096,x=1,m=1",
        "r=fyk0nonceSRV9,s=c2FsdA==,i=4096,",
        "r=fyk0nonceSRV9,s=c2FsdA==,i=4096,,x=1",
        "r=fyk0nonceSRV9,s=c2FsdA==,i=4096,x=1,",
        "r=fyk0nonceSRV9,s=c2FsdA==,i=4096,x",
        "r=fyk0nonceSRV9,s=c2FsdA==,i=4096,x=",
        "r=fyk0nonceSRV9,s=c2FsdA==,i=4096,1=x",
        "r=fyk0nonceSRV9,s=c2FsdA==,i=4096,xy=z",
    };

    for (size_t i = 0; i < JF_TEST_COUNT(texts); i++) {
        refuse_challenge(texts[i], strlen(texts[i]), *state);
    }
}

static void test_an_extension_is_told(void **state)
{
    static const char text[] = "m=1,r=fyk0nonceSRV9,s=c2FsdA==,i=4096";
    jf_err_t *err = challenge(create(*state), text);

    jf_test_refused(err, JF_ERR_INVALID, text);
    assert_non_null(strstr(err->text, "extension"));
}

static void test_a_nul_is_refused(void **state)
{
    static const char inside[] = "r=fyk0nonceSRV9,s=c2FsdA==,i=4096\0,x=1";
    static const char behind[] = "r=fyk0nonceSRV9,s=c2FsdA==,i=4096";

    refuse_challenge(inside, sizeof(inside) - 1, *state);
    refuse_challenge(behind, sizeof(behind), *state);
    refuse_challenge("", 1, *state);
}

static void test_what_is_too_long_is_refused(void **state)
{
    static const char head[] = "r=fyk0nonceSRV9,s=c2FsdA==,i=4096,x=";
    const char *longest = jf_test_repeat(head, 'x', 8192 - strlen(head), "", *state);
    const char *longer = jf_test_repeat(head, 'x', 8193 - strlen(head), "", *state);
    const char *salt = jf_test_repeat("r=fyk0nonceSRV9,s=", 'A', 1367, "=,i=4096", *state);

    jf_test_ok(challenge(create(*state), longest), "8192 bytes");
    refuse_challenge(longer, strlen(longer), *state);
    refuse_challenge(salt, strlen(salt), *state);
}

static void test_the_limits_of_iterations(void **state)
{
    jf_test_ok(challenge(create(*state), "r=fyk0nonceSRV9,s=AA==,i=4096"), "fewest");
    jf_test_ok(challenge(create(*state), "r=fyk0nonceSRV9,s=AA==,i=1000000"), "most");
}

/** A string of the exact size on the heap, so that reads beyond its end show. */
static void test_a_message_needs_no_end(void **state)
{
    static const char text[] = "r=fyk0nonceSRV9,s=c2FsdHNhbHRzYWx0,i=4096";
    char *exact = test_malloc(strlen(text));
    memcpy(exact, text, strlen(text));

    jf_test_ok(xmpp_scram_challenge(create(*state), exact, strlen(text)), text);
    test_free(exact);
}

/* ---- a hostile end ---- */

static void test_wrong_ends_are_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "v",
        "v=",
        "v=,",
        "=",
        "garbage",
        "v=+CTc4N14XYhZrHEG0AxgDXPwa6c",
        "v=+CTc4N14XYhZrHEG0AxgDXPwa6c==",
        "v=+CTc4N14XYhZrHEG0AxgDXPwa6d=",
        "v=+CTc4N14XYhZrHEG0AxgDXPwa6g=",
        "v=-CTc4N14XYhZrHEG0AxgDXPwa6c=",
        "v=+CTc4N14XYhZrHEG0AxgDXPwa6c=,",
        "v=+CTc4N14XYhZrHEG0AxgDXPwa6c=,m=1",
        "v=+CTc4N14XYhZrHEG0AxgDXPwa6c=,x",
        "v=+CTc4N14XYhZrHEG0AxgDXPwa6c=\n",
        " v=+CTc4N14XYhZrHEG0AxgDXPwa6c=",
        "V=+CTc4N14XYhZrHEG0AxgDXPwa6c=",
        "x=1,v=+CTc4N14XYhZrHEG0AxgDXPwa6c=",
        "v=AAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "v=+CTc4N14XYhZrHEG0AxgDXPwa6cA",
        "v=+CTc4N14XYhZrHEG0AxgDXPwaw==",
        "v=+Q==",
        /* our own proof, and the signature for SHA-256 */
        "v=0HADGGgDz0soIvNiZb0RFg5AV5U=",
        "v=6Oiso6LzeFx6ZGbB6gL7TPhYPcvxvSqjaNrapI0hFq8=",
        "e=invalid-proof",
        "e=other-error,v=+CTc4N14XYhZrHEG0AxgDXPwa6c=",
        "e=\x1B[31m\nunknown-user",
        "e=",
    };

    for (size_t i = 0; i < JF_TEST_COUNT(texts); i++) {
        xmpp_scram_t *scram = finish(*state);
        jf_test_refused(verify(scram, texts[i]), JF_ERR_INVALID, texts[i]);
        jf_test_refused(verify(scram, SERVER_FINAL), JF_ERR_INVALID, texts[i]);
    }
}

static void test_the_length_of_the_end_counts(void **state)
{
    const char *text = SERVER_FINAL;
    const char *longer = jf_test_repeat(text, 'x', 1, "", *state);

    jf_test_ok(xmpp_scram_verify(finish(*state), longer, strlen(text)), text);
    jf_test_refused(xmpp_scram_verify(finish(*state), text, strlen(text) - 1), JF_ERR_INVALID,
                    text);
    jf_test_refused(xmpp_scram_verify(finish(*state), text, strlen(text) + 1), JF_ERR_INVALID,
                    text);
    jf_test_refused(xmpp_scram_verify(finish(*state), text, 0), JF_ERR_INVALID, text);
}

static void test_extensions_of_the_end_are_ignored(void **state)
{
    jf_test_ok(verify(finish(*state), "v=+CTc4N14XYhZrHEG0AxgDXPwa6c=,x=1"), "x=1");
}

static void test_the_error_of_the_server_is_told(void **state)
{
    jf_err_t *err = verify(finish(*state), "e=invalid-proof");

    jf_test_refused(err, JF_ERR_INVALID, "e=invalid-proof");
    assert_non_null(strstr(err->text, "invalid-proof"));
}

/* ---- steps out of turn ---- */

static void test_nothing_can_be_left_out(void **state)
{
    int is_done;
    const char *final;

    jf_test_refused(xmpp_scram_work(&is_done, create(*state), 1), JF_ERR_INVALID, "work");
    jf_test_refused(xmpp_scram_final(&final, create(*state)), JF_ERR_INVALID, "final");
    jf_test_refused(verify(create(*state), SERVER_FINAL), JF_ERR_INVALID, "verify");

    xmpp_scram_t *scram = create(*state);
    jf_test_ok(challenge(scram, SERVER_FIRST), "a challenge");
    jf_test_ok(xmpp_scram_work(&is_done, scram, 4095), "not enough work");
    assert_int_equal(is_done, 0);
    jf_test_refused(xmpp_scram_final(&final, scram), JF_ERR_INVALID, "final");

    scram = create(*state);
    jf_test_ok(challenge(scram, SERVER_FIRST), "a challenge");
    work(scram);
    jf_test_refused(verify(scram, SERVER_FINAL), JF_ERR_INVALID, "verify");
}

static void test_nothing_is_done_twice(void **state)
{
    xmpp_scram_t *scram = create(*state);
    jf_test_ok(challenge(scram, SERVER_FIRST), "a challenge");
    jf_test_refused(challenge(scram, SERVER_FIRST), JF_ERR_INVALID, "another challenge");

    scram = finish(*state);
    jf_test_ok(verify(scram, SERVER_FINAL), "the end");
    jf_test_refused(verify(scram, SERVER_FINAL), JF_ERR_INVALID, "another end");
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_wrong_challenges_are_refused),
    JF_TEST(test_an_extension_is_told),
    JF_TEST(test_a_nul_is_refused),
    JF_TEST(test_what_is_too_long_is_refused),
    JF_TEST(test_the_limits_of_iterations),
    JF_TEST(test_a_message_needs_no_end),
    JF_TEST(test_wrong_ends_are_refused),
    JF_TEST(test_the_length_of_the_end_counts),
    JF_TEST(test_extensions_of_the_end_are_ignored),
    JF_TEST(test_the_error_of_the_server_is_told),
    JF_TEST(test_nothing_can_be_left_out),
    JF_TEST(test_nothing_is_done_twice),
};

JF_TEST_MAIN(tests)
