#include "jf_traffic_private.h"

/*
 * Each of the three numbers has, above its value, how often it has changed. So whoever sets one
 * that he has read before, and finds it unchanged, knows that it was the same all the time, and not
 * only the same again.
 */

#define TRANSFERS_CHANGE ((apr_uint64_t)1 << 32)
#define TRANSFERS_MASK (TRANSFERS_CHANGE - 1)

/* The downloads, then the uploads. */
#define SHARERS_BITS 20
#define SHARERS_ONE(direction) \
    ((apr_uint64_t)1 << ((direction) == JF_TRANSFER_UPLOAD ? SHARERS_BITS : 0))
#define SHARERS_CHANGE ((apr_uint64_t)1 << (2 * SHARERS_BITS))
#define SHARERS_MASK (SHARERS_CHANGE - 1)

/* Four petabytes. */
#define PROMISE_CHANGE ((apr_uint64_t)1 << 52)
#define PROMISE_MASK (PROMISE_CHANGE - 1)

/* ---- transfers, shares ---- */

apr_uint32_t jf_account_transfers(const jf_account_t *account)
{
    return (apr_uint32_t)(jf_get(&account->transfers) & TRANSFERS_MASK);
}

void jf_account_hold(jf_account_t *account, int more)
{
    jf_add(&account->transfers, (apr_uint64_t)more + TRANSFERS_CHANGE);
}

apr_uint32_t jf_account_sharers(const jf_account_t *account, jf_direction_t direction)
{
    apr_uint64_t sharers = jf_get(&account->sharers) / SHARERS_ONE(direction);
    return (apr_uint32_t)(sharers & ((1U << SHARERS_BITS) - 1));
}

void jf_account_share(jf_account_t *account, jf_direction_t direction, int more)
{
    jf_add(&account->sharers, (apr_uint64_t)more * SHARERS_ONE(direction) + SHARERS_CHANGE);
}

/* ---- promises ---- */

apr_int64_t jf_account_promised(const jf_account_t *account)
{
    return (apr_int64_t)(jf_get(&account->promise) & PROMISE_MASK);
}

void jf_account_promise(jf_account_t *account, apr_int64_t more_bytes)
{
    jf_add(&account->promise, (apr_uint64_t)more_bytes + PROMISE_CHANGE);
}

/* Where a promise becomes a charge, the charge is added first: both together may be too much for a
 * moment, never too little. If no promise has changed between the first look and the addition, they
 * were right when the charge was read. */
int jf_account_promise_within(jf_account_t *account, apr_int64_t *used_bytes,
                              apr_int64_t quota_bytes, apr_int64_t size_bytes)
{
    apr_uint64_t promise = jf_get(&account->promise);
    do {
        *used_bytes = (apr_int64_t)(promise & PROMISE_MASK) + jf_account_charged(account);
        if (*used_bytes >= quota_bytes) {
            return 0;
        }
    } while (!jf_set_if(&account->promise, &promise,
                        promise + (apr_uint64_t)size_bytes + PROMISE_CHANGE));
    return 1;
}

/* ---- giving back ---- */

int jf_account_is_held(const jf_account_t *account)
{
    return (jf_get(&account->transfers) & TRANSFERS_MASK) ||
           (jf_get(&account->sharers) & SHARERS_MASK) || (jf_get(&account->promise) & PROMISE_MASK);
}

/* The note goes before what it is about. Nobody else writes into the entry: its owner does, or who
 * has the lock of a dead one. */
void jf_listing_free(const jf_traffic_map_t *map, jf_listing_t *listing)
{
    apr_uint32_t place = jf_get(&listing->account);
    apr_uint32_t serial = jf_get(&listing->serial);
    apr_int64_t promised_bytes = jf_get(&listing->promised_bytes);
    if (serial & 1) {
        jf_set(&listing->serial, serial + 1);
    }
    if (promised_bytes) {
        jf_set(&listing->promised_bytes, 0);
        jf_account_promise(&map->accounts[place - 1], -promised_bytes);
    }
    if (jf_get(&listing->holds_share)) {
        jf_set(&listing->holds_share, 0);
        jf_account_share(&map->accounts[place - 1], (jf_direction_t)jf_get(&listing->direction),
                         -1);
    }
    if (jf_get(&listing->holds_transfer)) {
        jf_set(&listing->holds_transfer, 0);
        jf_account_hold(&map->accounts[place - 1], -1);
    }
    jf_set(&listing->account, 0);
    jf_set(&map->owners[listing - map->listings], 0);
}

/* ---- what nobody holds any more ---- */

static int is_listed(const jf_traffic_map_t *map, apr_uint32_t place)
{
    for (apr_uint32_t i = 0; i < map->size.listings; i++) {
        if (jf_get(&map->owners[i]) && jf_get(&map->listings[i].account) == place + 1) {
            return 1;
        }
    }
    return 0;
}

static void clear_if_same(apr_uint64_t *number, apr_uint64_t seen, apr_uint64_t one_change)
{
    if (seen & (one_change - 1)) {
        jf_set_if(number, &seen, (seen & ~(one_change - 1)) + one_change);
    }
}

/* A process that was killed between the account and the list has left something. Whoever is alive
 * and holds anything is in the list all the while, or has said that he is not, before he took it.
 * So if nobody is there, what was there before we looked, and still is, belongs to nobody. */
void jf_account_clear_if_abandoned(const jf_traffic_map_t *map, apr_uint32_t place)
{
    jf_account_t *account = &map->accounts[place];
    apr_uint64_t transfers = jf_get(&account->transfers);
    apr_uint64_t sharers = jf_get(&account->sharers);
    apr_uint64_t promise = jf_get(&account->promise);
    if (!jf_account_is_held(account) || jf_get(&account->unlisted) || is_listed(map, place)) {
        return;
    }
    clear_if_same(&account->transfers, transfers, TRANSFERS_CHANGE);
    clear_if_same(&account->sharers, sharers, SHARERS_CHANGE);
    clear_if_same(&account->promise, promise, PROMISE_CHANGE);
}
