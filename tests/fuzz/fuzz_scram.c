/*
 * The input is what a server says: its first message, a newline, its last one.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "xmpp_scram.h"

#define NONCE "fyk0nonce"
#define PROOF_CHARS 28 /* 20 bytes in base64 */

/** A copy on the heap of its exact size, which is no string: reads beyond its end show. */
static char *copy_exactly(const char *text, size_t length)
{
    char *copy = malloc(length > 0 ? length : 1);
    FUZZ_CHECK(copy);
    memcpy(copy, text, length);
    return copy;
}

static jf_err_t *challenge(xmpp_scram_t *scram, const char *text, size_t length)
{
    char *copy = copy_exactly(text, length);
    jf_err_t *err = xmpp_scram_challenge(scram, copy, length);
    free(copy);
    fuzz_check_refusal(err);
    return err;
}

static jf_err_t *verify(xmpp_scram_t *scram, const char *text, size_t length)
{
    char *copy = copy_exactly(text, length);
    jf_err_t *err = xmpp_scram_verify(scram, copy, length);
    free(copy);
    fuzz_check_refusal(err);
    return err;
}

/** A challenge that is accepted has the parts in their order, and goes on from our nonce. */
static void check_accepted(const char *message)
{
    const char *salt = strstr(message, ",s=");
    const char *iterations = strstr(message, ",i=");
    FUZZ_CHECK(strncmp(message, "r=" NONCE, strlen("r=" NONCE)) == 0);
    FUZZ_CHECK(salt && iterations && salt < iterations);
    FUZZ_CHECK(strcspn(message, ",") == (size_t)(salt - message));
    FUZZ_CHECK(salt - message > (long)strlen("r=" NONCE));
    unsigned long count = strtoul(iterations + 3, NULL, 10);
    FUZZ_CHECK(count >= XMPP_SCRAM_ITERATIONS_MIN && count <= XMPP_SCRAM_ITERATIONS_MAX);
}

/** Our answer has the server's nonce and nothing else of the server's. */
static void check_answer(const char *answer, const char *message, apr_pool_t *pool)
{
    const char *nonce = apr_pstrmemdup(pool, message, strcspn(message, ","));
    const char *bare = apr_pstrcat(pool, "c=biws,", nonce, ",p=", NULL);
    FUZZ_CHECK(fuzz_is_printable(answer));
    FUZZ_CHECK(strncmp(answer, bare, strlen(bare)) == 0);
    FUZZ_CHECK(strlen(answer) == strlen(bare) + PROOF_CHARS);
}

/** What is accepted is a signature; and one that differs in its first character is not. */
static void check_end(xmpp_scram_t *scram, xmpp_scram_t *again, const char *text, apr_pool_t *pool)
{
    if (verify(scram, text, strlen(text))) {
        return;
    }
    FUZZ_CHECK(strncmp(text, "v=", 2) == 0 && strcspn(text, ",") == 2 + PROOF_CHARS);
    char *other = apr_pstrdup(pool, text);
    other[2] = other[2] == 'A' ? 'B' : 'A';
    FUZZ_CHECK(verify(again, other, strlen(other)));
}

/** @return 1 if the attempt has come to its end, which takes a server that asks for few rounds. */
static int come_to_end(const char **answer, xmpp_scram_t *scram)
{
    int is_done = -1;
    FUZZ_CHECK(!xmpp_scram_work(&is_done, scram, XMPP_SCRAM_ITERATIONS_MIN));
    jf_err_t *err = xmpp_scram_final(answer, scram);
    fuzz_check_refusal(err);
    FUZZ_CHECK(is_done == !err);
    return is_done;
}

static xmpp_scram_t *create(apr_pool_t *pool)
{
    xmpp_scram_t *scram;
    FUZZ_CHECK(!xmpp_scram_create(&scram, "SCRAM-SHA-1", "alice", "correct horse", NONCE, pool));
    return scram;
}

void fuzz_one(const char *text, apr_pool_t *pool)
{
    size_t length = strcspn(text, "\n");
    const char *message = apr_pstrmemdup(pool, text, length);
    const char *last = text[length] ? text + length + 1 : "";
    const char *answer;
    xmpp_scram_t *scram = create(pool);
    xmpp_scram_t *again = create(pool);

    FUZZ_CHECK(verify(create(pool), last, strlen(last)));
    if (challenge(scram, message, length)) {
        FUZZ_CHECK(verify(scram, last, strlen(last)));
        return;
    }
    check_accepted(message);
    FUZZ_CHECK(!challenge(again, message, length));
    if (come_to_end(&answer, scram) && come_to_end(&answer, again)) {
        check_answer(answer, message, pool);
        check_end(scram, again, last, pool);
    }
}
