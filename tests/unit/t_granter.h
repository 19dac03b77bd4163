/**
 * A Jabber server that grants alice slots, and the uploads that come to them, without bytes.
 */
#ifndef T_GRANTER_H
#define T_GRANTER_H

#include "t_fixture.h"

/** How long a slot lives. */
#define JF_SLOT_LIFE_US (300 * APR_USEC_PER_SEC)
#define JF_SLOT_END_US (JF_NOW_US + JF_SLOT_LIFE_US)

/** A new token, in @a pool. */
const char *jf_granter_token(apr_pool_t *pool);

/** A slot under a new token that nobody has granted yet. */
jf_slot_t jf_granter_slot(const char *path, apr_int64_t size_bytes, apr_pool_t *pool);

/** Grants such a slot, whatever the quota. */
jf_slot_t jf_granter_grant(jf_fixture_t *fixture, const char *path, apr_int64_t size_bytes);

/** As jf_granter_grant, within a quota. */
jf_err_t *jf_granter_try(jf_fixture_t *fixture, const char *path, apr_int64_t size_bytes,
                         apr_int64_t quota_bytes);

/** What jf_ledger_slot_get says about a token. */
jf_err_t *jf_granter_get(jf_fixture_t *fixture, const char *token, apr_time_t now_us);

/** Expires and forgets. @return how many went. */
int jf_granter_expire(jf_fixture_t *fixture, int limit, apr_time_t now_us);

/** Fails unless so many slots are open, each with its promise, and so many tokens are used. */
void jf_granter_expect_rows(jf_fixture_t *fixture, int open_slots, int used_tokens);

/* ---- uploads ---- */

/** Whoever makes one may still change what it asks for. Threads may begin and end one. */
typedef struct jf_granter_upload_t {
    jf_slot_use_t use; /**< for ever, and the file stays for ever */
    jf_reserve_t reserve;
    jf_settle_t settle;
    apr_time_t now_us;
    apr_int64_t promised_bytes; /**< once begun */
    jf_file_t file;             /**< once ended, as the three below */
    const char *replaced;
    int created;
} jf_granter_upload_t;

/** An upload of @a size_bytes by the slot of @a token, granted or not, without a limit. */
jf_granter_upload_t *jf_granter_upload(const char *token, const char *path, apr_int64_t size_bytes,
                                       apr_pool_t *pool);

jf_err_t *jf_granter_begin(jf_granter_upload_t *upload, jf_ledger_t *ledger, apr_pool_t *pool);
jf_err_t *jf_granter_end(jf_granter_upload_t *upload, jf_ledger_t *ledger, apr_pool_t *pool);

/** A whole upload that succeeds. */
jf_file_t jf_granter_put(jf_fixture_t *fixture, const char *token, const char *path,
                         apr_int64_t size_bytes);

#endif
