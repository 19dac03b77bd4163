#include "fuzz.h"

#include <string.h>

#include <apr_strings.h>

#include "jf_digest.h"

static void check_round_trip(const unsigned char *sha256, apr_pool_t *pool)
{
    unsigned char parsed[JF_SHA256_BYTES];
    int found = 0;
    const char *field = jf_digest_format(sha256, pool);
    FUZZ_CHECK(fuzz_is_printable(field));
    FUZZ_CHECK(!jf_digest_parse(parsed, &found, field, pool));
    FUZZ_CHECK(found && memcmp(parsed, sha256, sizeof(parsed)) == 0);
}

/** In a field with one more sha-256 member at the end, that one counts. */
static void check_last_member_counts(const char *field, apr_pool_t *pool)
{
    static const unsigned char last[JF_SHA256_BYTES] = {1, 2, 3};
    unsigned char parsed[JF_SHA256_BYTES];
    int found = 0;
    const char *longer = apr_pstrcat(pool, field, ", ", jf_digest_format(last, pool), NULL);
    FUZZ_CHECK(!jf_digest_parse(parsed, &found, longer, pool));
    FUZZ_CHECK(found && memcmp(parsed, last, sizeof(parsed)) == 0);
}

void fuzz_one(const char *text, apr_pool_t *pool)
{
    unsigned char sha256[JF_SHA256_BYTES] = {0};
    int found = -1;
    jf_err_t *err = jf_digest_parse(sha256, &found, text, pool);
    fuzz_check_refusal(err);
    FUZZ_CHECK(err ? found == -1 : found == 0 || found == 1);
    if (!err && text[strspn(text, " ")] != '\0') {
        check_last_member_counts(text, pool);
    }
    if (found == 1) {
        check_round_trip(sha256, pool);
        FUZZ_CHECK(strstr(text, "sha-256=:"));
    }
    if (strlen(text) >= sizeof(sha256)) {
        check_round_trip((const unsigned char *)text, pool);
    }
}
