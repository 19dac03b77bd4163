#include "jf_traffic_private.h"

/* ---- dead processes ---- */

int jf_traffic_bury_owner(const jf_traffic_map_t *map, apr_uint32_t owner)
{
    int buried = 0;
    for (apr_uint32_t i = 0; i < map->size.listings; i++) {
        if (jf_get(&map->owners[i]) == owner) {
            jf_listing_free(map, &map->listings[i]);
            buried++;
        }
    }
    return buried;
}

static int bury_dead(jf_traffic_t *traffic, apr_pool_t *pool)
{
    const jf_traffic_map_t *map = &traffic->map;
    char *is_known = apr_pcalloc(pool, map->size.processes + 1);
    int buried = 0;
    for (apr_uint32_t i = 0; i < map->size.listings; i++) {
        apr_uint32_t owner = jf_get(&map->owners[i]);
        if (owner == 0 || owner > map->size.processes || is_known[owner]) {
            continue;
        }
        is_known[owner] = 1;
        if (jf_traffic_lock_dead(traffic, owner)) {
            buried += jf_traffic_bury_owner(map, owner);
            jf_traffic_unlock_dead(traffic, owner);
        }
    }
    return buried;
}

/* ---- all of them ---- */

/* By account, 1 if the list names it: those need no second look. */
static const char *mark_listed(const jf_traffic_map_t *map, apr_pool_t *pool)
{
    char *listed = apr_pcalloc(pool, map->size.accounts + 1);
    for (apr_uint32_t i = 0; i < map->size.listings; i++) {
        apr_uint32_t place = jf_get(&map->listings[i].account);
        if (jf_get(&map->owners[i]) && place) {
            listed[place - 1] = 1;
        }
    }
    return listed;
}

int jf_traffic_bury(jf_traffic_t *traffic, apr_pool_t *pool)
{
    int buried = bury_dead(traffic, pool);
    const char *listed = mark_listed(&traffic->map, pool);
    for (apr_uint32_t i = 0; i < traffic->map.size.accounts; i++) {
        if (!listed[i] && jf_get(&traffic->map.keys[i])) {
            jf_account_clear_if_abandoned(&traffic->map, i);
        }
    }
    return buried;
}

void jf_traffic_bury_all(const jf_traffic_map_t *map)
{
    for (apr_uint32_t i = 0; i < map->size.listings; i++) {
        if (jf_get(&map->owners[i])) {
            jf_listing_free(map, &map->listings[i]);
        }
    }
    for (apr_uint32_t i = 0; i < map->size.accounts; i++) {
        jf_account_t *account = &map->accounts[i];
        jf_set(&account->transfers, 0);
        jf_set(&account->sharers, 0);
        jf_set(&account->promise, 0);
        jf_set(&account->unlisted, 0);
        jf_set(&account->pins, 0);
    }
}
