/**
 * Shared by the files of jf_traffic and by nothing else: what the mapped file looks like.
 *
 * How it stays exact without locks, and whoever is killed when:
 *
 * - Counters only grow (but for corrections), also when their account goes to another area. What is
 *   not in the ledger yet is counted - written. A flush notes staged = counted, writes the
 *   differences under a number that the header knows, and then sets written = staged. Whoever comes
 *   after a flush that died asks the ledger for the last number, and knows whether written = staged
 *   is still to be done. Each step can be repeated, so none is done by half.
 * - An account is pinned by whoever counts in it: pin, look whether it is still the right one,
 *   count, unpin. It is freed in three steps: mark its key, look whether it is pinned or in use or
 *   has something that is not written, and clear the key or take the mark back. So nobody ever
 *   counts in an account that is free or belongs to another area.
 * - What a transfer holds of its account is added there first and then noted in the list, and on
 *   the way back the note goes first. So a process that is killed in between leaves too much in the
 *   account, never too little; and an account that no entry of the list names holds nothing.
 */
#ifndef JF_TRAFFIC_PRIVATE_H
#define JF_TRAFFIC_PRIVATE_H

#include <apr_thread_mutex.h>

#include "jf_ledger_traffic.h"
#include "jf_traffic.h"

/* Processes cannot share a lock that the compiler's library would take instead. */
_Static_assert(__atomic_always_lock_free(sizeof(apr_int64_t), 0), "needs atomic 64-bit numbers");

#define jf_get(address) __atomic_load_n(address, __ATOMIC_SEQ_CST)
#define jf_set(address, value) __atomic_store_n(address, value, __ATOMIC_RELEASE)
#define jf_add(address, value) __atomic_add_fetch(address, value, __ATOMIC_SEQ_CST)
/** Sets *address to value if it is *expected; else *expected becomes what it is. */
#define jf_set_if(address, expected, value) \
    __atomic_compare_exchange_n(address, expected, value, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)

/** An account is found in so many places after the one that its key says, or not at all. */
#define JF_TRAFFIC_WINDOW 32

#define JF_TRAFFIC_IDLE_US (60 * APR_USEC_PER_SEC)
/** The same while there is little room. */
#define JF_TRAFFIC_IDLE_CROWDED_US (2 * APR_USEC_PER_SEC)

typedef enum {
    JF_COUNT_SENT,
    JF_COUNT_RECEIVED,
    JF_COUNT_DOWNLOADS,
    JF_COUNT_UPLOADS,
    JF_COUNT_CHARGED,
    JF_COUNT_KINDS
} jf_count_t;

/** Of an area and a period. All members are changed by atomic operations only. What each count
 * needs is in one line of the cache. */
typedef struct jf_account_t {
    apr_int64_t counted[JF_COUNT_KINDS]; /**< ever, in this place of the table */
    apr_time_t last_used_us;
    apr_time_t period_end_us;
    apr_int32_t pins;     /**< threads that are counting right now */
    apr_int32_t unlisted; /**< transfers that found no room in the list */

    apr_uint64_t transfers; /**< these three: see jf_traffic_hold.c */
    apr_uint64_t sharers;
    apr_uint64_t promise;
    apr_int64_t charged_base; /**< of counted[JF_COUNT_CHARGED], what is not of this period */
    apr_time_t period_start_us;
    apr_time_t pinned_since_us; /**< as the flush has first seen it; 0 if it is not */

    apr_int64_t staged[JF_COUNT_KINDS];
    apr_int64_t written[JF_COUNT_KINDS];
} __attribute__((aligned(64))) jf_account_t;

/** A transfer in the list. Its owner alone writes it, so it needs no operation but store. */
typedef struct jf_listing_t {
    apr_uint32_t serial;  /**< odd while the members below are all there */
    apr_uint32_t account; /**< its place in the table + 1, 0: none */
    apr_uint32_t holds_transfer;
    apr_uint32_t holds_share;
    apr_uint32_t direction;
    apr_uint32_t is_paced;
    apr_int64_t promised_bytes; /**< held, too */
    apr_int64_t area_id;
    apr_int64_t size_bytes;
    apr_int64_t done_bytes;
    apr_int64_t bytes_per_s;
    apr_time_t started_us;
    apr_time_t measured_us;
    apr_int64_t measured_bytes;
} __attribute__((aligned(64))) jf_listing_t;

typedef struct jf_traffic_size_t {
    apr_uint32_t accounts; /**< a power of two, not less than JF_TRAFFIC_WINDOW */
    apr_uint32_t listings; /**< a multiple of 16 */
    apr_uint32_t processes;
} jf_traffic_size_t;

#define JF_TRAFFIC_MAGIC "jabberfiles\n"
#define JF_TRAFFIC_VERSION 1
#define JF_TRAFFIC_ID_SIZE 64

/** The beginning of the file. The keys, the owners of the list's entries, the list and the accounts
 * follow, see jf_traffic_file.c. */
typedef struct jf_traffic_header_t {
    char magic[16];
    apr_uint32_t version;
    apr_uint32_t account_size;
    apr_uint32_t listing_size;
    jf_traffic_size_t size;
    char ledger_id[JF_TRAFFIC_ID_SIZE];
    char boot_id[JF_TRAFFIC_ID_SIZE];   /**< of the run of the system that it was made in */
    apr_int64_t batch_number;           /**< of the batch that was staged last */
    apr_int64_t direct[JF_COUNT_KINDS]; /**< what went to the ledger without an account */
    apr_int64_t shown[JF_COUNT_KINDS];  /**< the greatest total that anybody has seen */
} jf_traffic_header_t;

/** A key: the area's id, then this mark, then the period; 0 is none. */
#define JF_KEY_FREEING ((apr_uint64_t)1 << 24)
#define JF_KEY_AREA_SHIFT 25
#define JF_KEY_PERIOD_MASK 0xffffffU

typedef struct jf_traffic_map_t {
    jf_traffic_header_t *header;
    apr_uint64_t *keys;
    apr_uint32_t *owners; /**< of the entry of the list: index of a process + 1, 0: free */
    jf_listing_t *listings;
    jf_account_t *accounts;
    jf_traffic_size_t size;
    apr_size_t bytes;
} jf_traffic_map_t;

struct jf_traffic_t {
    apr_pool_t *pool; /* unmanaged */
    jf_ledger_t *ledger;
    const char *path;
    int fd;
    jf_traffic_map_t map;
    apr_uint32_t owner;        /* what it writes into owners; 0 if there was no index left */
    apr_uint32_t next_listing; /* where it looks for a free one */
    apr_thread_mutex_t *mutexes[2];
};

/* ---- jf_traffic_file.c: the file ---- */

/** Makes the file unless there is one that fits. */
jf_err_t *jf_traffic_file_create(const char *path, const char *directory, const char *ledger_id,
                                 const jf_traffic_size_t *size, apr_pool_t *pool);

/** Opens and maps it. @param ledger_id that it must have, or NULL */
jf_err_t *jf_traffic_file_map(int *fd, jf_traffic_map_t *map, const char *path,
                              const char *ledger_id, apr_pool_t *pool);

/* ---- jf_traffic.c: life, locks ---- */

jf_err_t *jf_traffic_create_sized(const char *directory, jf_ledger_t *ledger,
                                  const jf_traffic_size_t *size, apr_time_t now_us,
                                  apr_pool_t *pool);

typedef enum {
    JF_LOCK_ACCOUNTS, /**< making and freeing accounts, beginning a period */
    JF_LOCK_FLUSH     /**< comes first where both are needed */
} jf_traffic_lock_t;

/** Waits for a lock that excludes threads and processes; the kernel gives it back at death. */
jf_err_t *jf_traffic_lock(const jf_traffic_t *traffic, jf_traffic_lock_t which, apr_pool_t *pool);
void jf_traffic_unlock(const jf_traffic_t *traffic, jf_traffic_lock_t which);

/** Takes the lock of a process that is no more, so that nobody gets its index meanwhile. @return 0
 * if the process is alive */
int jf_traffic_lock_dead(const jf_traffic_t *traffic, apr_uint32_t owner);
void jf_traffic_unlock_dead(const jf_traffic_t *traffic, apr_uint32_t owner);

/* ---- jf_traffic_table.c: accounts ---- */

apr_int64_t jf_key_area(apr_uint64_t word);
jf_period_t jf_key_period(apr_uint64_t word);

/**
 * The account of a key, pinned, in the period of @a now_us; it is made if there is none.
 * @param account NULL if there is no room for another.
 */
jf_err_t *jf_account_pin(jf_account_t **account, jf_traffic_t *traffic, const jf_traffic_key_t *key,
                         apr_time_t now_us, apr_pool_t *pool);
void jf_account_unpin(jf_account_t *account);

/** Begins the period of @a now_us if the account is in another one. Pinned or with a transfer. */
void jf_account_enter_period(jf_traffic_t *traffic, jf_account_t *account,
                             const jf_traffic_key_t *key, apr_time_t now_us);

/** Charged in its period; never less than 0. */
apr_int64_t jf_account_charged(const jf_account_t *account);

void jf_account_add(jf_account_t *account, jf_count_t kind, apr_int64_t amount);

/* ---- jf_traffic_hold.c: what transfers hold of an account ---- */

/** Transfers that have begun and not ended. @param more less than 0 to give back, as below. */
apr_uint32_t jf_account_transfers(const jf_account_t *account);
void jf_account_hold(jf_account_t *account, int more);

/** Those of them that are paced. */
apr_uint32_t jf_account_sharers(const jf_account_t *account, jf_direction_t direction);
void jf_account_share(jf_account_t *account, jf_direction_t direction, int more);

/** Bytes that are promised to them. */
apr_int64_t jf_account_promised(const jf_account_t *account);
void jf_account_promise(jf_account_t *account, apr_int64_t more_bytes);

/**
 * Adds a promise if so far less than the quota is charged and promised.
 * @param used_bytes what was charged and promised before.
 * @return 0 if it is not added
 */
int jf_account_promise_within(jf_account_t *account, apr_int64_t *used_bytes,
                              apr_int64_t quota_bytes, apr_int64_t size_bytes);

int jf_account_is_held(const jf_account_t *account);

/** Gives back what an entry of the list holds of its account, and frees the entry. */
void jf_listing_free(const jf_traffic_map_t *map, jf_listing_t *listing);

/** Clears what is held if nobody is there who holds it. */
void jf_account_clear_if_abandoned(const jf_traffic_map_t *map, apr_uint32_t place);

/* ---- jf_traffic_evict.c: accounts that nobody needs ---- */

/** Frees what is idle. The caller has the lock JF_LOCK_FLUSH. @return number of accounts */
jf_err_t *jf_traffic_evict(int *freed, jf_traffic_t *traffic, apr_time_t now_us, apr_pool_t *pool);

/* ---- jf_traffic_dead.c: processes that are no more ---- */

/** Takes the transfers of dead processes off the list. The caller has the lock JF_LOCK_FLUSH. */
int jf_traffic_bury(jf_traffic_t *traffic, apr_pool_t *pool);

/** The same for all entries of one owner. */
int jf_traffic_bury_owner(const jf_traffic_map_t *map, apr_uint32_t owner);

/** Nobody is there: no transfer, no promise and no pin is left. */
void jf_traffic_bury_all(const jf_traffic_map_t *map);

#endif
