/**
 * Limits the guessing of passwords, in memory that all processes share.
 *
 * Three things have limits: the JID, the client's address, and the pair of both. Each may fail so
 * many times at once and regains one attempt after each period / limit (GCRA, a leaky bucket).
 *
 * JID and pair are charged before the password is checked and refunded if it was right or could not
 * be checked, so parallel guesses at a JID, in any number of processes, cannot exceed its limit. An
 * address is charged when a password was wrong: behind one address a whole company may log in at
 * once. Parallel guesses at many JIDs from one address are checked, then, but those above the limit
 * are debts that have to be worked off before the next one.
 *
 * Whoever guesses at a JID must not be able to lock its owner out: when the JID's limit is used up,
 * an address that has not lately failed for this JID still has one attempt. An address whose own
 * limit is used up has none.
 *
 * The same password for the same JID from the same address that is being checked already is not
 * another guess: it is let through without a charge (a client opens many connections at once). If
 * it turns out wrong, it is charged then.
 *
 * Plain arithmetic: no lock and no I/O. Everybody who shares the memory must call begin and end
 * under one lock, which is not held while the password is checked. Names and passwords are kept as
 * keyed hashes of 64 bits only, passwords only while they are checked.
 */
#ifndef JF_GUESS_H
#define JF_GUESS_H

#include <apr_time.h>

#include "jf_err.h"

typedef struct jf_guess_limits_t {
    apr_uint32_t per_jid;     /**< wrong attempts per period, 0: unlimited */
    apr_uint32_t per_address; /**< the same for a client address */
    apr_interval_time_t period_us;
} jf_guess_limits_t;

/** Lives in the shared memory. */
typedef struct jf_guess_table_t jf_guess_table_t;

/** One attempt, in the caller's own memory; not to be looked into. */
typedef struct jf_guess_t {
    apr_uint64_t keys[3];
    apr_uint64_t password;
    jf_guess_limits_t limits;
    int is_charged;
} jf_guess_t;

typedef enum {
    JF_GUESS_RIGHT,  /**< the password was right */
    JF_GUESS_WRONG,  /**< it was wrong, or there is no such user */
    JF_GUESS_UNKNOWN /**< nobody could say */
} jf_guess_outcome_t;

/** Bytes of memory for a table with room for @a entries counters or some more. */
apr_size_t jf_guess_size_bytes(apr_uint32_t entries);

/**
 * Makes an empty table in @a memory of jf_guess_size_bytes(@a entries), with a random key of its
 * own. Once, before other processes know of it.
 * @return JF_ERR_IO if there are no random bytes.
 */
jf_err_t *jf_guess_create(jf_guess_table_t **table, void *memory, apr_uint32_t entries,
                          apr_pool_t *pool);

/**
 * Fills in @a guess; may be called without the lock. IPv6 addresses count by their /64 network,
 * IPv4 addresses and IPv4-mapped ones by the address.
 * @param jid the prepared JID; @param address as text. Anything may be in @a password.
 * @return JF_ERR_IO if libcrypto fails.
 */
jf_err_t *jf_guess_prepare(jf_guess_t *guess, const jf_guess_table_t *table,
                           const jf_guess_limits_t *limits, const char *jid, const char *address,
                           const char *password, apr_pool_t *pool);

/**
 * May this attempt be made? Charges it if so.
 * @return 0: yes, and jf_guess_end must follow; else microseconds until it is worth trying again,
 * nothing was charged and jf_guess_end must not be called.
 */
apr_interval_time_t jf_guess_begin(jf_guess_t *guess, jf_guess_table_t *table, apr_time_t now_us);

/**
 * Reports how the attempt ended. For the JID, one never reported (its process died) was wrong.
 * @return 0, or, if it was wrong and the address had no attempt left by then, microseconds until it
 * is worth trying again.
 */
apr_interval_time_t jf_guess_end(jf_guess_t *guess, jf_guess_table_t *table,
                                 jf_guess_outcome_t outcome, apr_time_t now_us);

#endif
