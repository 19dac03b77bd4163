/**
 * Areas, what was counted for them, and what their ledger has of it.
 */
#ifndef T_COUNTED_H
#define T_COUNTED_H

#include <sys/types.h>

#include "t_crowd.h"

#include "jf_traffic_private.h"

#define SECOND_US APR_USEC_PER_SEC
/** When whatever was used at JF_NOW_US is idle. */
#define IDLE_US (JF_NOW_US + JF_TRAFFIC_IDLE_US)

/** The smallest table there can be, with few entries in its list and few processes. */
#define SMALL_ACCOUNTS JF_TRAFFIC_WINDOW
#define SMALL_LISTINGS 16
#define SMALL_PROCESSES 4

/** Puts a table of this size in the place of the fixture's, which is closed before and after. */
void jf_counted_resize(jf_fixture_t *fixture, const jf_traffic_size_t *size);

/** Opens the fixture and its table. */
jf_err_t *jf_counted_open(jf_fixture_t *fixture);

/* Setups of tests: with the table of the full size, with a small one, with a small one closed. */
int jf_counted_make(void **state);
int jf_counted_make_small(void **state);
int jf_counted_make_small_closed(void **state);

#define JF_COUNTED_TEST(function) \
    cmocka_unit_test_setup_teardown(function, jf_counted_make, jf_fixture_remove)
#define JF_SMALL_TEST(function) \
    cmocka_unit_test_setup_teardown(function, jf_counted_make_small, jf_fixture_remove)
#define JF_SMALL_CLOSED_TEST(function) \
    cmocka_unit_test_setup_teardown(function, jf_counted_make_small_closed, jf_fixture_remove)

/** Makes @a count areas, whose ids are 1 and so on. The fixture is closed before and after. */
void jf_counted_make_areas(jf_fixture_t *fixture, int count);

/** The path of STORE/traffic. */
const char *jf_counted_path(const jf_fixture_t *fixture);

/** Counts one charged download. */
void jf_counted_add(jf_fixture_t *fixture, const jf_traffic_key_t *key, apr_int64_t sent_bytes,
                    apr_time_t now_us);

jf_traffic_flush_t jf_counted_flush(jf_fixture_t *fixture, apr_time_t now_us);

/** What the ledger has of an area, of all days together. */
apr_int64_t jf_counted_sent(jf_fixture_t *fixture, apr_int64_t area_id);
jf_traffic_amount_t jf_counted_sums(jf_fixture_t *fixture, apr_int64_t area_id);

/** What jf_traffic_charged says. */
apr_int64_t jf_counted_charged(jf_fixture_t *fixture, const jf_traffic_key_t *key,
                               apr_time_t now_us);

/** What the ledger has of a key in the period of @a now_us. */
apr_int64_t jf_counted_ledger_charged(jf_fixture_t *fixture, const jf_traffic_key_t *key,
                                      apr_time_t now_us);

/** The account of a key, or NULL. */
jf_account_t *jf_counted_account(jf_fixture_t *fixture, const jf_traffic_key_t *key);

/** Its word in the table of keys, or NULL. */
apr_uint64_t *jf_counted_word(jf_fixture_t *fixture, const jf_traffic_key_t *key);

/** Fails unless no transfer holds anything of the account, and none is listed. */
void jf_counted_expect_nothing_held(jf_fixture_t *fixture, const jf_traffic_key_t *key);

/* ---- other processes ---- */

/** Memory of so many bytes, all 0, that later children have, too. */
void *jf_counted_share(size_t bytes);

/** The small table with room for many processes and areas, for a fixture that is closed. */
void jf_counted_make_crowded(jf_fixture_t *fixture, int areas);

/** Runs @a work in a child that has opened the fixture's files; it returns the child's number. */
pid_t jf_counted_start(const jf_fixture_t *fixture,
                       void (*work)(jf_traffic_t *traffic, void *baton), void *baton);

/** Waits for a child that ends by itself. */
void jf_counted_expect_end(pid_t pid);

/** Kills a child that is still there. */
void jf_counted_kill(pid_t pid);

#endif
