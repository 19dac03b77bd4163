#include "t_granter.h"

#include <sqlite3.h>

#include "jf_token.h"
#include "t_crowd.h"

const char *jf_granter_token(apr_pool_t *pool)
{
    const char *token = NULL;
    jf_test_ok(jf_token_link(&token, JF_NOW_US, pool), "a token");
    return token;
}

jf_slot_t jf_granter_slot(const char *path, apr_int64_t size_bytes, apr_pool_t *pool)
{
    return (jf_slot_t){
        .token = jf_granter_token(pool),
        .jid = JF_ALICE,
        .path = path,
        .size_bytes = size_bytes,
        .media_type = JF_MEDIA_TYPE,
        .expires_us = JF_SLOT_END_US,
    };
}

jf_slot_t jf_granter_grant(jf_fixture_t *fixture, const char *path, apr_int64_t size_bytes)
{
    jf_slot_t slot = jf_granter_slot(path, size_bytes, fixture->pool);
    jf_test_ok(jf_ledger_slot_grant(fixture->ledger, &slot, JF_UNLIMITED, JF_NOW_US, fixture->pool),
               path);
    return slot;
}

jf_err_t *jf_granter_try(jf_fixture_t *fixture, const char *path, apr_int64_t size_bytes,
                         apr_int64_t quota_bytes)
{
    jf_slot_t slot = jf_granter_slot(path, size_bytes, fixture->pool);
    return jf_ledger_slot_grant(fixture->ledger, &slot, quota_bytes, JF_NOW_US, fixture->pool);
}

jf_err_t *jf_granter_get(jf_fixture_t *fixture, const char *token, apr_time_t now_us)
{
    jf_slot_t slot;
    return jf_ledger_slot_get(&slot, fixture->ledger, token, now_us, fixture->pool);
}

int jf_granter_expire(jf_fixture_t *fixture, int limit, apr_time_t now_us)
{
    int count = -1;
    jf_test_ok(jf_ledger_slot_expire(&count, fixture->ledger, limit, now_us, fixture->pool),
               "expire");
    return count;
}

void jf_granter_expect_rows(jf_fixture_t *fixture, int open_slots, int used_tokens)
{
    static const char *const countings[] = {
        "SELECT count(*) FROM slot",
        "SELECT count(*) FROM reservation WHERE instance = ''",
        "SELECT count(*) FROM slot s JOIN reservation r ON r.object = s.object AND instance = ''",
    };
    sqlite3 *stranger = jf_crowd_stranger(fixture);
    for (size_t i = 0; i < JF_TEST_COUNT(countings); i++) {
        assert_int_equal(jf_crowd_number(stranger, countings[i]), open_slots);
    }
    assert_int_equal(jf_crowd_number(stranger, "SELECT count(*) FROM used_slot"), used_tokens);
    sqlite3_close(stranger);
}

/* ---- uploads ---- */

jf_granter_upload_t *jf_granter_upload(const char *token, const char *path, apr_int64_t size_bytes,
                                       apr_pool_t *pool)
{
    jf_granter_upload_t *upload = apr_pcalloc(pool, sizeof(*upload));
    upload->use = (jf_slot_use_t){.token = token, .expires_us = JF_NEVER, .forget_us = JF_NEVER};
    upload->reserve = jf_fixture_reserve(path, size_bytes, pool);
    upload->reserve.slot = &upload->use;
    upload->settle = jf_fixture_settle(upload->reserve.object, size_bytes, pool);
    upload->settle.token = token;
    upload->settle.slot = &upload->use;
    upload->now_us = JF_NOW_US;
    return upload;
}

jf_err_t *jf_granter_begin(jf_granter_upload_t *upload, jf_ledger_t *ledger, apr_pool_t *pool)
{
    return jf_ledger_reserve(&upload->promised_bytes, ledger, &upload->reserve, upload->now_us,
                             pool);
}

jf_err_t *jf_granter_end(jf_granter_upload_t *upload, jf_ledger_t *ledger, apr_pool_t *pool)
{
    return jf_ledger_settle(&upload->file, &upload->replaced, &upload->created, ledger,
                            &upload->settle, upload->now_us, pool);
}

jf_file_t jf_granter_put(jf_fixture_t *fixture, const char *token, const char *path,
                         apr_int64_t size_bytes)
{
    jf_granter_upload_t *upload = jf_granter_upload(token, path, size_bytes, fixture->pool);
    jf_test_ok(jf_granter_begin(upload, fixture->ledger, fixture->pool), path);
    jf_test_ok(jf_granter_end(upload, fixture->ledger, fixture->pool), path);
    return upload->file;
}
