#include "jf_traffic_private.h"

/* ---- one account ---- */

static int has_news(const jf_account_t *account)
{
    for (int kind = 0; kind < JF_COUNT_KINDS; kind++) {
        if (jf_get(&account->counted[kind]) != jf_get(&account->written[kind])) {
            return 1;
        }
    }
    return 0;
}

static void stage(jf_account_t *account)
{
    for (int kind = 0; kind < JF_COUNT_KINDS; kind++) {
        jf_set(&account->staged[kind], jf_get(&account->counted[kind]));
    }
}

static apr_int64_t staged(const jf_account_t *account, jf_count_t kind)
{
    return jf_get(&account->staged[kind]) - jf_get(&account->written[kind]);
}

static int has_staged(const jf_account_t *account)
{
    for (int kind = 0; kind < JF_COUNT_KINDS; kind++) {
        if (staged(account, (jf_count_t)kind)) {
            return 1;
        }
    }
    return 0;
}

/* If a new period begins meanwhile, the start that is read first is the old one's or the base is
 * the new one's, too; the ledger does not let an old period replace a new one. */
static jf_traffic_entry_t entry_of(const jf_account_t *account, apr_uint64_t key)
{
    jf_traffic_entry_t entry = {
        .area_id = jf_key_area(key),
        .sent_bytes = staged(account, JF_COUNT_SENT),
        .received_bytes = staged(account, JF_COUNT_RECEIVED),
        .downloads = staged(account, JF_COUNT_DOWNLOADS),
        .uploads = staged(account, JF_COUNT_UPLOADS),
        .period = jf_key_period(key),
        .period_start_us = jf_get(&account->period_start_us),
    };
    entry.charged_bytes =
        jf_get(&account->staged[JF_COUNT_CHARGED]) - jf_get(&account->charged_base);
    if (entry.charged_bytes < 0) {
        entry.charged_bytes = 0;
    }
    return entry;
}

/* ---- all accounts; only a flush frees any, so a key that is there stays ---- */

static int any_has_news(const jf_traffic_map_t *map)
{
    for (apr_uint32_t i = 0; i < map->size.accounts; i++) {
        if (jf_get(&map->keys[i]) && has_news(&map->accounts[i])) {
            return 1;
        }
    }
    return 0;
}

static apr_array_header_t *stage_all(const jf_traffic_map_t *map, apr_pool_t *pool)
{
    apr_array_header_t *entries = apr_array_make(pool, 64, sizeof(jf_traffic_entry_t));
    for (apr_uint32_t i = 0; i < map->size.accounts; i++) {
        apr_uint64_t key = jf_get(&map->keys[i]);
        if (!key) {
            continue;
        }
        stage(&map->accounts[i]);
        if (has_staged(&map->accounts[i])) {
            APR_ARRAY_PUSH(entries, jf_traffic_entry_t) = entry_of(&map->accounts[i], key);
        }
    }
    return entries;
}

static void settle_all(const jf_traffic_map_t *map)
{
    for (apr_uint32_t i = 0; i < map->size.accounts; i++) {
        jf_account_t *account = &map->accounts[i];
        for (int kind = 0; jf_get(&map->keys[i]) && kind < JF_COUNT_KINDS; kind++) {
            jf_set(&account->written[kind], jf_get(&account->staged[kind]));
        }
    }
}

/* ---- a batch ---- */

/* The number goes into the header before anything is staged under it. */
static jf_err_t *write_batch(int *accounts, const jf_traffic_t *traffic, apr_time_t now_us,
                             apr_pool_t *pool)
{
    const jf_traffic_map_t *map = &traffic->map;
    apr_int64_t last, number = jf_get(&map->header->batch_number);
    JF_TRY(jf_ledger_traffic_number(&last, traffic->ledger, pool));
    if (last == number) {
        settle_all(map);
    }
    number = (last > number ? last : number) + 1;
    jf_set(&map->header->batch_number, number);

    jf_traffic_batch_t batch = {number, now_us, stage_all(map, pool)};
    if (batch.entries->nelts) {
        JF_TRY(jf_ledger_traffic_write(traffic->ledger, &batch, pool));
        settle_all(map);
    }
    *accounts = batch.entries->nelts;
    return NULL;
}

static jf_err_t *flush(jf_traffic_flush_t *result, jf_traffic_t *traffic, apr_time_t now_us,
                       apr_pool_t *pool)
{
    jf_err_t *err = NULL;
    result->dead_transfers = jf_traffic_bury(traffic, pool);
    if (any_has_news(&traffic->map)) {
        err = write_batch(&result->accounts, traffic, now_us, pool);
    }
    return jf_err_first(err, jf_traffic_evict(&result->freed_accounts, traffic, now_us, pool));
}

jf_err_t *jf_traffic_flush(jf_traffic_flush_t *result, jf_traffic_t *traffic, apr_time_t now_us,
                           apr_pool_t *pool)
{
    *result = (jf_traffic_flush_t){0};
    JF_TRY(jf_traffic_lock(traffic, JF_LOCK_FLUSH, pool));
    jf_err_t *err = flush(result, traffic, now_us, pool);
    jf_traffic_unlock(traffic, JF_LOCK_FLUSH);
    return err;
}
