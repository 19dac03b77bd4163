#include "jf_guess.h"

#include <string.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>

#include "jf_token.h"

/** A key has its place in one set, where it is in any of so many entries. */
#define WAYS 4

/** How long an attempt that is not reported is taken for one that goes on. */
#define PENDING_US apr_time_from_sec(15)

/* No sum of a time and a few periods below these overflows. */
#define TIME_MAX_US (APR_INT64_C(1) << 61)
#define PERIOD_MAX_US (APR_INT64_C(1) << 56)

/* Of the 64 bits of a key these are no hash: an empty entry has neither. */
#define KEY_IN_USE (APR_UINT64_C(1) << 63)
#define KEY_IS_PAIR (APR_UINT64_C(1) << 62)

/** What is charged; the index into jf_guess_t.keys. */
typedef enum {
    COUNTER_JID,
    COUNTER_ADDRESS,
    COUNTER_PAIR,
} counter_t;

typedef struct entry_t {
    apr_uint64_t key;              /* 0: empty */
    apr_time_t tat_us;             /* "theoretical arrival time": all charges are worked off then */
    apr_uint64_t pending_password; /* of a pair: it is being checked; 0: none is */
    apr_time_t pending_until_us;
} entry_t;

struct jf_guess_table_t {
    char secret[JF_TOKEN_HEX_CHARS];
    apr_interval_time_t longest_period_us; /* of those that were charged by */
    apr_size_t set_count;                  /* a power of two */
    entry_t entries[];
};

static apr_int64_t smaller(apr_int64_t a, apr_int64_t b)
{
    return a < b ? a : b;
}

static apr_int64_t larger(apr_int64_t a, apr_int64_t b)
{
    return a > b ? a : b;
}

/* ---- the table ---- */

static apr_size_t set_count_for(apr_uint32_t entries)
{
    apr_size_t wanted = entries / WAYS + (entries % WAYS > 0);
    apr_size_t count = 1;
    while (count < wanted) {
        count *= 2;
    }
    return count;
}

apr_size_t jf_guess_size_bytes(apr_uint32_t entries)
{
    return sizeof(jf_guess_table_t) + set_count_for(entries) * WAYS * sizeof(entry_t);
}

jf_err_t *jf_guess_create(jf_guess_table_t **table_out, void *memory, apr_uint32_t entries,
                          apr_pool_t *pool)
{
    const char *secret;
    JF_TRY(jf_token_hex(&secret, pool));
    jf_guess_table_t *table = memory;
    memset(table, 0, jf_guess_size_bytes(entries));
    memcpy(table->secret, secret, sizeof(table->secret));
    table->set_count = set_count_for(entries);
    *table_out = table;
    return NULL;
}

static entry_t *set_of(jf_guess_table_t *table, apr_uint64_t key)
{
    return table->entries + (apr_size_t)(key & (table->set_count - 1)) * WAYS;
}

/** NULL if there is none. */
static entry_t *find(jf_guess_table_t *table, apr_uint64_t key)
{
    entry_t *set = set_of(table, key);
    for (int i = 0; i < WAYS; i++) {
        if (set[i].key == key) {
            return &set[i];
        }
    }
    return NULL;
}

/**
 * What is lost with an entry. A flood of guesses must not wash away the counters that limit it: the
 * one that is nearest to its limit stays longest, and a pair, which limits nothing by itself, goes
 * before. A debt that is too large is from before the clock went back, and would stay for good.
 */
static apr_interval_time_t worth(const entry_t *entry, apr_time_t now_us,
                                 apr_interval_time_t debt_max_us)
{
    apr_interval_time_t debt_us = entry->tat_us - now_us;
    if (debt_us <= 0 || debt_us > debt_max_us) {
        return entry->pending_password != 0;
    }
    return entry->key & KEY_IS_PAIR ? debt_us : debt_us + debt_max_us;
}

static entry_t *find_least(const jf_guess_table_t *table, entry_t *set, apr_time_t now_us)
{
    apr_interval_time_t debt_max_us = 2 * table->longest_period_us;
    entry_t *least = &set[0];
    for (int i = 1; i < WAYS; i++) {
        if (worth(&set[i], now_us, debt_max_us) < worth(least, now_us, debt_max_us)) {
            least = &set[i];
        }
    }
    return least;
}

/** Finds an entry or makes one. Entries found before may be gone after it. */
static entry_t *claim(jf_guess_table_t *table, apr_uint64_t key, apr_time_t now_us)
{
    entry_t *entry = find(table, key);
    if (!entry) {
        entry = find_least(table, set_of(table, key), now_us);
        *entry = (entry_t){.key = key, .tat_us = now_us};
    }
    return entry;
}

/* ---- preparing ---- */

/**
 * Makes a key of some bits of an HMAC.
 * @param kind keeps equal texts of different meaning apart.
 * @return 0 if libcrypto fails.
 */
static int hash(apr_uint64_t *key, EVP_MAC_CTX *hmac, char kind, const char *first,
                const char *second)
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    size_t mac_bytes;
    if (!EVP_MAC_init(hmac, NULL, 0, NULL) ||
        !EVP_MAC_update(hmac, (const unsigned char *)&kind, sizeof(kind)) ||
        !EVP_MAC_update(hmac, (const unsigned char *)first, strlen(first) + 1) ||
        !EVP_MAC_update(hmac, (const unsigned char *)second, strlen(second)) ||
        !EVP_MAC_final(hmac, mac, &mac_bytes, sizeof(mac))) {
        return 0;
    }
    memcpy(key, mac, sizeof(*key));
    *key = (*key & ~KEY_IS_PAIR) | KEY_IN_USE;
    return 1;
}

static int start_hmac(EVP_MAC_CTX *hmac, const jf_guess_table_t *table)
{
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_MAC_init(hmac, (const unsigned char *)table->secret, sizeof(table->secret), params);
}

/** Who has one IPv6 address has its network. */
static const char *network_of(const char *address, char buffer[INET6_ADDRSTRLEN])
{
    struct in6_addr ip;
    if (inet_pton(AF_INET6, address, &ip) != 1) {
        return address;
    }
    if (IN6_IS_ADDR_V4MAPPED(&ip)) {
        return inet_ntop(AF_INET, &ip.s6_addr[12], buffer, INET6_ADDRSTRLEN);
    }
    memset(&ip.s6_addr[8], 0, 8);
    return inet_ntop(AF_INET6, &ip, buffer, INET6_ADDRSTRLEN);
}

static int hash_all(jf_guess_t *guess, EVP_MAC_CTX *hmac, const char *jid, const char *address,
                    const char *password)
{
    char buffer[INET6_ADDRSTRLEN];
    const char *network = network_of(address, buffer);
    if (!hash(&guess->keys[COUNTER_JID], hmac, 'j', jid, "") ||
        !hash(&guess->keys[COUNTER_ADDRESS], hmac, 'a', network, "") ||
        !hash(&guess->keys[COUNTER_PAIR], hmac, 'p', jid, network) ||
        !hash(&guess->password, hmac, 'w', password, "")) {
        return 0;
    }
    guess->keys[COUNTER_PAIR] |= KEY_IS_PAIR;
    return 1;
}

jf_err_t *jf_guess_prepare(jf_guess_t *guess, const jf_guess_table_t *table,
                           const jf_guess_limits_t *limits, const char *jid, const char *address,
                           const char *password, apr_pool_t *pool)
{
    guess->limits = *limits;
    guess->limits.period_us = larger(1, smaller(limits->period_us, PERIOD_MAX_US));
    guess->is_charged = 0;
    EVP_MAC *algorithm = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *hmac = algorithm ? EVP_MAC_CTX_new(algorithm) : NULL;
    int is_hashed =
        hmac && start_hmac(hmac, table) && hash_all(guess, hmac, jid, address, password);
    EVP_MAC_CTX_free(hmac);
    EVP_MAC_free(algorithm);
    return is_hashed
               ? NULL
               : jf_err_make(JF_ERR_IO, APR_EGENERAL, pool, "HMAC with SHA-256 cannot be computed");
}

/* ---- counting ---- */

/** How many attempts one counter lets fail at once, 0: it does not count. */
static apr_uint32_t limit_of(const jf_guess_t *guess, counter_t counter)
{
    switch (counter) {
    case COUNTER_JID:
        return guess->limits.per_jid;
    case COUNTER_ADDRESS:
        return guess->limits.per_address;
    case COUNTER_PAIR:
    default:
        return guess->limits.per_jid > 0;
    }
}

/** What one attempt costs: the time in which it is regained; 0 if it is not counted. */
static apr_interval_time_t cost_of(const jf_guess_t *guess, counter_t counter)
{
    apr_uint32_t limit = limit_of(guess, counter);
    return limit > 0 ? larger(1, guess->limits.period_us / limit) : 0;
}

/** No debt is larger than two periods, not even after the clock went back. */
static apr_time_t farthest_tat(const jf_guess_t *guess, apr_time_t now_us)
{
    return now_us + 2 * guess->limits.period_us;
}

/** How long until one more attempt is allowed. */
static apr_interval_time_t wait_for(const jf_guess_t *guess, counter_t counter,
                                    jf_guess_table_t *table, apr_time_t now_us)
{
    apr_uint32_t limit = limit_of(guess, counter);
    entry_t *entry = find(table, guess->keys[counter]);
    if (limit == 0 || !entry) {
        return 0;
    }
    entry->tat_us = smaller(entry->tat_us, farthest_tat(guess, now_us));
    apr_interval_time_t room_us = cost_of(guess, counter) * (limit - 1);
    return larger(0, entry->tat_us - now_us - room_us);
}

static void charge(const jf_guess_t *guess, counter_t counter, jf_guess_table_t *table,
                   apr_time_t now_us)
{
    apr_interval_time_t cost_us = cost_of(guess, counter);
    if (cost_us > 0) {
        entry_t *entry = claim(table, guess->keys[counter], now_us);
        entry->tat_us =
            smaller(larger(entry->tat_us, now_us) + cost_us, farthest_tat(guess, now_us));
    }
}

static void charge_jid(const jf_guess_t *guess, jf_guess_table_t *table, apr_time_t now_us)
{
    table->longest_period_us = larger(table->longest_period_us, guess->limits.period_us);
    charge(guess, COUNTER_JID, table, now_us);
    charge(guess, COUNTER_PAIR, table, now_us);
}

static void refund(const jf_guess_t *guess, counter_t counter, jf_guess_table_t *table)
{
    entry_t *entry = find(table, guess->keys[counter]);
    if (entry) {
        entry->tat_us = larger(0, entry->tat_us - cost_of(guess, counter));
    }
}

/* ---- the passwords that are being checked ---- */

static int is_pending(const jf_guess_t *guess, jf_guess_table_t *table, apr_time_t now_us)
{
    const entry_t *pair = find(table, guess->keys[COUNTER_PAIR]);
    return pair && pair->pending_password == guess->password && pair->pending_until_us > now_us &&
           pair->pending_until_us <= now_us + PENDING_US;
}

static void set_pending(const jf_guess_t *guess, jf_guess_table_t *table, apr_time_t now_us)
{
    entry_t *pair = claim(table, guess->keys[COUNTER_PAIR], now_us);
    pair->pending_password = guess->password;
    pair->pending_until_us = now_us + PENDING_US;
}

/** Only ours: the entry may have another attempt's by now. */
static void clear_pending(const jf_guess_t *guess, jf_guess_table_t *table)
{
    entry_t *pair = find(table, guess->keys[COUNTER_PAIR]);
    if (pair && pair->pending_password == guess->password) {
        pair->pending_password = 0;
    }
}

/* ---- an attempt ---- */

static apr_time_t within_bounds(apr_time_t now_us)
{
    return larger(0, smaller(now_us, TIME_MAX_US));
}

apr_interval_time_t jf_guess_begin(jf_guess_t *guess, jf_guess_table_t *table, apr_time_t now_us)
{
    now_us = within_bounds(now_us);
    if (is_pending(guess, table, now_us)) {
        guess->is_charged = 0;
        return 0;
    }
    /* An address that has not failed for this JID has its attempt while others use up the JID's. */
    apr_interval_time_t jid_wait_us = smaller(wait_for(guess, COUNTER_JID, table, now_us),
                                              wait_for(guess, COUNTER_PAIR, table, now_us));
    apr_interval_time_t wait_us =
        larger(jid_wait_us, wait_for(guess, COUNTER_ADDRESS, table, now_us));
    if (wait_us > 0) {
        return wait_us;
    }
    charge_jid(guess, table, now_us);
    set_pending(guess, table, now_us);
    guess->is_charged = 1;
    return 0;
}

apr_interval_time_t jf_guess_end(jf_guess_t *guess, jf_guess_table_t *table,
                                 jf_guess_outcome_t outcome, apr_time_t now_us)
{
    apr_interval_time_t wait_us = 0;
    now_us = within_bounds(now_us);
    if (outcome == JF_GUESS_WRONG) {
        wait_us = wait_for(guess, COUNTER_ADDRESS, table, now_us);
        charge(guess, COUNTER_ADDRESS, table, now_us);
        if (!guess->is_charged) {
            charge_jid(guess, table, now_us);
        }
    } else if (guess->is_charged) {
        refund(guess, COUNTER_JID, table);
        refund(guess, COUNTER_PAIR, table);
    }
    if (guess->is_charged) {
        clear_pending(guess, table);
    }
    return wait_us;
}
