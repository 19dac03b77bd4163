#include "jf_traffic_private.h"

/* ---- one account ---- */

static int is_unused(const jf_account_t *account)
{
    return jf_get(&account->pins) == 0 && !jf_account_is_held(account);
}

static int is_written(const jf_account_t *account)
{
    for (int kind = 0; kind < JF_COUNT_KINDS; kind++) {
        if (jf_get(&account->counted[kind]) != jf_get(&account->written[kind])) {
            return 0;
        }
    }
    return 1;
}

static int is_idle(const jf_account_t *account, apr_time_t now_us, apr_time_t idle_us)
{
    return now_us - jf_get(&account->last_used_us) >= idle_us;
}

/* Nobody counts for a minute. If an account has a pin and was not used for so long, the thread that
 * has pinned it was killed. */
static void pull_forgotten_pins(jf_account_t *account, apr_time_t now_us)
{
    apr_time_t since_us = jf_get(&account->pinned_since_us);
    if (jf_get(&account->pins) == 0 || !is_idle(account, now_us, JF_TRAFFIC_IDLE_US)) {
        if (since_us) {
            jf_set(&account->pinned_since_us, 0);
        }
    } else if (since_us == 0) {
        jf_set(&account->pinned_since_us, now_us);
    } else if (now_us - since_us >= JF_TRAFFIC_IDLE_US) {
        jf_set(&account->pins, 0);
    }
}

/* Marks first and looks then, see jf_account_pin. With the lock, so nobody makes the same account
 * in another place meanwhile. @return 1 if it is free now */
static int try_free(const jf_traffic_map_t *map, apr_uint32_t place)
{
    jf_account_t *account = &map->accounts[place];
    apr_uint64_t key = jf_get(&map->keys[place]) & ~JF_KEY_FREEING;
    apr_uint64_t unmarked = key;
    jf_set_if(&map->keys[place], &unmarked, key | JF_KEY_FREEING);
    if (!is_unused(account) || !is_written(account)) {
        jf_set(&map->keys[place], key);
        return 0;
    }
    for (int kind = 0; kind < JF_COUNT_KINDS; kind++) {
        jf_set(&account->staged[kind], jf_get(&account->written[kind]));
    }
    jf_set(&map->keys[place], 0);
    return 1;
}

/* ---- all ---- */

static int is_candidate(const jf_traffic_map_t *map, apr_uint32_t place, apr_time_t now_us,
                        apr_time_t idle_us)
{
    apr_uint64_t key = jf_get(&map->keys[place]);
    const jf_account_t *account = &map->accounts[place];
    return key && ((key & JF_KEY_FREEING) || (is_idle(account, now_us, idle_us) &&
                                              is_unused(account) && is_written(account)));
}

static apr_time_t idle_limit(const jf_traffic_map_t *map)
{
    apr_uint32_t used = 0;
    for (apr_uint32_t i = 0; i < map->size.accounts; i++) {
        used += jf_get(&map->keys[i]) != 0;
    }
    return used > map->size.accounts / 4 * 3 ? JF_TRAFFIC_IDLE_CROWDED_US : JF_TRAFFIC_IDLE_US;
}

jf_err_t *jf_traffic_evict(int *freed, jf_traffic_t *traffic, apr_time_t now_us, apr_pool_t *pool)
{
    const jf_traffic_map_t *map = &traffic->map;
    apr_time_t idle_us = idle_limit(map);
    int is_locked = 0;
    for (apr_uint32_t i = 0; i < map->size.accounts; i++) {
        if (!jf_get(&map->keys[i])) {
            continue;
        }
        pull_forgotten_pins(&map->accounts[i], now_us);
        if (!is_candidate(map, i, now_us, idle_us)) {
            continue;
        }
        if (!is_locked) {
            JF_TRY(jf_traffic_lock(traffic, JF_LOCK_ACCOUNTS, pool));
            is_locked = 1;
        }
        *freed += try_free(map, i);
    }
    if (is_locked) {
        jf_traffic_unlock(traffic, JF_LOCK_ACCOUNTS);
    }
    return NULL;
}
