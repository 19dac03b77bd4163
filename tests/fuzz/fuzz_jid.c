#include "fuzz.h"

#include <string.h>

#include <apr_strings.h>

#include "jf_ascii.h"
#include "jf_jid.h"

static void check_domain(const char *text, apr_pool_t *pool)
{
    const char *domain;
    jf_err_t *err = jf_jid_prepare_domain(&domain, text, pool);
    fuzz_check_refusal(err);
    if (err) {
        return;
    }
    const char *again;
    FUZZ_CHECK(!jf_jid_prepare_domain(&again, domain, pool));
    FUZZ_CHECK(strcmp(again, domain) == 0);
    FUZZ_CHECK(fuzz_is_clean_utf8(domain));
    FUZZ_CHECK(domain[0] != '\0' && !strpbrk(domain, " @/%\\\"'"));
    FUZZ_CHECK(strlen(domain) <= JF_JID_PART_BYTES_MAX);
}

/** ASCII capitals make no difference. */
static void check_capitals(const char *jid, apr_pool_t *pool)
{
    char *capitals = apr_pstrdup(pool, jid);
    for (char *c = capitals; *c; c++) {
        if (jf_ascii_is_lower(*c)) {
            *c = (char)(*c - 'a' + 'A');
        }
    }
    const char *again;
    FUZZ_CHECK(!jf_jid_prepare(&again, capitals, pool));
    FUZZ_CHECK(strcmp(again, jid) == 0);
}

void fuzz_one(const char *text, apr_pool_t *pool)
{
    check_domain(text, pool);

    const char *jid;
    jf_err_t *err = jf_jid_prepare(&jid, text, pool);
    fuzz_check_refusal(err);
    if (err) {
        return;
    }
    const char *again;
    FUZZ_CHECK(!jf_jid_prepare(&again, jid, pool));
    FUZZ_CHECK(strcmp(again, jid) == 0);
    FUZZ_CHECK(fuzz_is_clean_utf8(jid));
    FUZZ_CHECK(!strpbrk(jid, " \"&'/<>"));

    const char *domain = jf_jid_domain(jid);
    size_t local_bytes = (size_t)(domain - jid) - 1;
    FUZZ_CHECK(local_bytes >= 1 && local_bytes <= JF_JID_PART_BYTES_MAX);
    FUZZ_CHECK(!strchr(domain, '@'));
    FUZZ_CHECK(!memchr(jid, ':', local_bytes));
    check_domain(domain, pool);
    check_capitals(jid, pool);
}
