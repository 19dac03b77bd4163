#include "jf_traffic_private.h"

/* The clock of the machine may have been wrong, and far ahead, when the period began. */
#define CLOCK_ERROR_US (24 * APR_TIME_C(3600) * APR_USEC_PER_SEC)

/* ---- keys ---- */

/* 0 for an area whose number does not fit, which never has an account. */
static apr_uint64_t word_of(const jf_traffic_key_t *key)
{
    if (key->area_id <= 0 || key->area_id >> (64 - JF_KEY_AREA_SHIFT)) {
        return 0;
    }
    return (apr_uint64_t)key->area_id << JF_KEY_AREA_SHIFT | (key->period & JF_KEY_PERIOD_MASK);
}

apr_int64_t jf_key_area(apr_uint64_t word)
{
    return (apr_int64_t)(word >> JF_KEY_AREA_SHIFT);
}

jf_period_t jf_key_period(apr_uint64_t word)
{
    return (jf_period_t)(word & JF_KEY_PERIOD_MASK);
}

/* Multiplying mixes the low bits upwards. */
static apr_uint32_t place_of(const jf_traffic_map_t *map, apr_uint64_t word, apr_uint32_t step)
{
    apr_uint64_t mixed = word * 0x9e3779b97f4a7c15U;
    return ((apr_uint32_t)(mixed >> 32) + step) & (map->size.accounts - 1);
}

/* ---- finding ---- */

/* Those who free an account look at the pins after they have marked the key. So either they see
 * this pin, or we see the mark. */
static jf_account_t *pin_if_still(const jf_traffic_map_t *map, apr_uint32_t place,
                                  apr_uint64_t word)
{
    jf_account_t *account = &map->accounts[place];
    jf_add(&account->pins, 1);
    if (jf_get(&map->keys[place]) == word) {
        return account;
    }
    jf_account_unpin(account);
    return NULL;
}

/* Holes say nothing: what stood there may have been freed. */
static jf_account_t *find(const jf_traffic_map_t *map, apr_uint64_t word)
{
    for (apr_uint32_t step = 0; word && step < JF_TRAFFIC_WINDOW; step++) {
        apr_uint32_t place = place_of(map, word, step);
        if (jf_get(&map->keys[place]) == word) {
            return pin_if_still(map, place, word);
        }
    }
    return NULL;
}

void jf_account_unpin(jf_account_t *account)
{
    jf_add(&account->pins, -1);
}

/* ---- making: all this with the lock ---- */

/* One who was freeing it has died; for nobody else does it now. */
static void take_mark_back(const jf_traffic_map_t *map, apr_uint64_t word)
{
    for (apr_uint32_t step = 0; step < JF_TRAFFIC_WINDOW; step++) {
        apr_uint64_t marked = word | JF_KEY_FREEING;
        jf_set_if(&map->keys[place_of(map, word, step)], &marked, word);
    }
}

static jf_account_t *hole(apr_uint64_t **key, const jf_traffic_map_t *map, apr_uint64_t word)
{
    for (apr_uint32_t step = 0; word && step < JF_TRAFFIC_WINDOW; step++) {
        apr_uint32_t place = place_of(map, word, step);
        if (jf_get(&map->keys[place]) == 0) {
            *key = &map->keys[place];
            return &map->accounts[place];
        }
    }
    return NULL;
}

/* The counters go on from where they are: nothing of them is left to write. */
static jf_err_t *make(jf_account_t **account_out, const jf_traffic_t *traffic,
                      const jf_traffic_key_t *key, apr_time_t now_us, apr_pool_t *pool)
{
    apr_uint64_t word = word_of(key);
    apr_uint64_t *place = NULL;
    apr_int64_t charged_bytes;
    apr_time_t start_us = jf_period_start(key->period, now_us);
    jf_account_t *account = hole(&place, &traffic->map, word);
    if (!account) {
        return NULL;
    }
    JF_TRY(jf_ledger_traffic_charged(&charged_bytes, traffic->ledger, key->area_id, key->period,
                                     start_us, pool));
    jf_set(&account->last_used_us, now_us);
    jf_set(&account->charged_base, jf_get(&account->counted[JF_COUNT_CHARGED]) - charged_bytes);
    jf_set(&account->period_start_us, start_us);
    jf_set(&account->period_end_us, jf_period_end(key->period, now_us));
    jf_add(&account->pins, 1);
    jf_set(place, word);
    *account_out = account;
    return NULL;
}

static jf_err_t *find_or_make(jf_account_t **account, const jf_traffic_t *traffic,
                              const jf_traffic_key_t *key, apr_time_t now_us, apr_pool_t *pool)
{
    apr_uint64_t word = word_of(key);
    take_mark_back(&traffic->map, word);
    *account = find(&traffic->map, word);
    return *account ? NULL : make(account, traffic, key, now_us, pool);
}

/* ---- periods ---- */

static int is_in_period(const jf_account_t *account, apr_time_t now_us)
{
    return now_us < jf_get(&account->period_end_us) &&
           now_us >= jf_get(&account->period_start_us) - CLOCK_ERROR_US;
}

/* With the lock. Whoever dies in the middle leaves it to the next one, for the end is written last.
 * The ledger knows something of the new period if the account was freed in it, and then made again
 * by one whose clock was a little behind. */
static void begin_period(const jf_traffic_t *traffic, jf_account_t *account,
                         const jf_traffic_key_t *key, apr_time_t now_us, apr_pool_t *pool)
{
    apr_int64_t charged_bytes = 0;
    apr_time_t start_us = jf_period_start(key->period, now_us);
    if (jf_ledger_traffic_charged(&charged_bytes, traffic->ledger, key->area_id, key->period,
                                  start_us, pool)) {
        charged_bytes = 0;
    }
    jf_set(&account->charged_base, jf_get(&account->counted[JF_COUNT_CHARGED]) - charged_bytes);
    jf_set(&account->period_start_us, start_us);
    jf_set(&account->period_end_us, jf_period_end(key->period, now_us));
}

void jf_account_enter_period(jf_traffic_t *traffic, jf_account_t *account,
                             const jf_traffic_key_t *key, apr_time_t now_us)
{
    if (is_in_period(account, now_us)) {
        return;
    }
    apr_pool_t *pool;
    apr_pool_create_unmanaged_ex(&pool, NULL, NULL);
    if (!jf_traffic_lock(traffic, JF_LOCK_ACCOUNTS, pool)) {
        if (!is_in_period(account, now_us)) {
            begin_period(traffic, account, key, now_us, pool);
        }
        jf_traffic_unlock(traffic, JF_LOCK_ACCOUNTS);
    }
    apr_pool_destroy(pool);
}

apr_int64_t jf_account_charged(const jf_account_t *account)
{
    apr_int64_t base = jf_get(&account->charged_base);
    apr_int64_t charged = jf_get(&account->counted[JF_COUNT_CHARGED]) - base;
    return charged > 0 ? charged : 0;
}

/* ---- using ---- */

jf_err_t *jf_account_pin(jf_account_t **account, jf_traffic_t *traffic, const jf_traffic_key_t *key,
                         apr_time_t now_us, apr_pool_t *pool)
{
    *account = find(&traffic->map, word_of(key));
    if (!*account) {
        JF_TRY(jf_traffic_lock(traffic, JF_LOCK_ACCOUNTS, pool));
        jf_err_t *err = find_or_make(account, traffic, key, now_us, pool);
        jf_traffic_unlock(traffic, JF_LOCK_ACCOUNTS);
        JF_TRY(err);
    }
    if (*account) {
        jf_set(&(*account)->last_used_us, now_us);
        jf_account_enter_period(traffic, *account, key, now_us);
    }
    return NULL;
}

void jf_account_add(jf_account_t *account, jf_count_t kind, apr_int64_t amount)
{
    if (amount) {
        jf_add(&account->counted[kind], amount);
    }
}

/* ---- counting ---- */

static void add_all(apr_int64_t counted[JF_COUNT_KINDS], const jf_traffic_amount_t *amount)
{
    const apr_int64_t amounts[JF_COUNT_KINDS] = {
        [JF_COUNT_SENT] = amount->sent_bytes,       [JF_COUNT_RECEIVED] = amount->received_bytes,
        [JF_COUNT_DOWNLOADS] = amount->downloads,   [JF_COUNT_UPLOADS] = amount->uploads,
        [JF_COUNT_CHARGED] = amount->charged_bytes,
    };
    for (int kind = 0; kind < JF_COUNT_KINDS; kind++) {
        if (amounts[kind]) {
            jf_add(&counted[kind], amounts[kind]);
        }
    }
}

/* With the lock: while there is no account, nobody else charges this area. */
static jf_err_t *write_directly(const jf_traffic_t *traffic, const jf_traffic_key_t *key,
                                const jf_traffic_amount_t *amount, apr_time_t now_us,
                                apr_pool_t *pool)
{
    jf_traffic_entry_t entry = {
        .area_id = key->area_id,
        .sent_bytes = amount->sent_bytes,
        .received_bytes = amount->received_bytes,
        .downloads = amount->downloads,
        .uploads = amount->uploads,
        .period = key->period,
        .period_start_us = jf_period_start(key->period, now_us),
    };
    apr_array_header_t *entries = apr_array_make(pool, 1, sizeof(entry));
    jf_traffic_batch_t batch = {JF_TRAFFIC_NO_NUMBER, now_us, entries};
    JF_TRY(jf_ledger_traffic_charged(&entry.charged_bytes, traffic->ledger, key->area_id,
                                     key->period, entry.period_start_us, pool));
    entry.charged_bytes += amount->charged_bytes;
    APR_ARRAY_PUSH(entries, jf_traffic_entry_t) = entry;
    JF_TRY(jf_ledger_traffic_write(traffic->ledger, &batch, pool));
    add_all(traffic->map.header->direct, amount);
    return NULL;
}

static jf_err_t *count_without_account(jf_traffic_t *traffic, const jf_traffic_key_t *key,
                                       const jf_traffic_amount_t *amount, apr_time_t now_us,
                                       apr_pool_t *pool)
{
    jf_account_t *account = NULL;
    JF_TRY(jf_traffic_lock(traffic, JF_LOCK_ACCOUNTS, pool));
    jf_err_t *err = find_or_make(&account, traffic, key, now_us, pool);
    if (!err && !account) {
        err = write_directly(traffic, key, amount, now_us, pool);
    }
    jf_traffic_unlock(traffic, JF_LOCK_ACCOUNTS);
    if (account) {
        add_all(account->counted, amount);
        jf_account_unpin(account);
    }
    return err;
}

jf_err_t *jf_traffic_count(jf_traffic_t *traffic, const jf_traffic_key_t *key,
                           const jf_traffic_amount_t *amount, apr_time_t now_us, apr_pool_t *pool)
{
    jf_account_t *account = NULL;
    JF_TRY(jf_account_pin(&account, traffic, key, now_us, pool));
    if (!account) {
        return count_without_account(traffic, key, amount, now_us, pool);
    }
    add_all(account->counted, amount);
    jf_account_unpin(account);
    return NULL;
}

jf_err_t *jf_traffic_charged(apr_int64_t *charged_bytes, jf_traffic_t *traffic,
                             const jf_traffic_key_t *key, apr_time_t now_us, apr_pool_t *pool)
{
    jf_account_t *account = find(&traffic->map, word_of(key));
    int is_known = account && is_in_period(account, now_us);
    *charged_bytes = is_known ? jf_account_charged(account) : 0;
    if (account) {
        jf_account_unpin(account);
    }
    return is_known
               ? NULL
               : jf_ledger_traffic_charged(charged_bytes, traffic->ledger, key->area_id,
                                           key->period, jf_period_start(key->period, now_us), pool);
}
