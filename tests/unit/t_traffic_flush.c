/*
 * Bringing what was counted into the ledger: once, whoever dies when.
 */
#include "t_counted.h"

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <apr_strings.h>
#include <sqlite3.h>

static const jf_traffic_key_t monthly = {1, JF_PERIOD_MONTH};
static const jf_traffic_key_t daily = {1, JF_PERIOD_DAY};

static apr_int64_t ledger_number(jf_fixture_t *fixture)
{
    apr_int64_t number = -1;
    jf_test_ok(jf_ledger_traffic_number(&number, fixture->ledger, fixture->pool), "number");
    return number;
}

static jf_traffic_map_t *map_of(jf_fixture_t *fixture)
{
    return &fixture->service->traffic->map;
}

/* ---- batches ----------------------------------------------------------------------------------
 */

static void test_nothing_new_is_no_batch(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_counted_make_areas(fixture, 1);
    apr_int64_t number = ledger_number(fixture);
    assert_int_equal(jf_counted_flush(fixture, JF_NOW_US).accounts, 0);
    assert_int_equal(ledger_number(fixture), number);
    jf_counted_add(fixture, &monthly, 5, JF_NOW_US);
    assert_int_equal(jf_counted_flush(fixture, JF_NOW_US).accounts, 1);
    assert_true(ledger_number(fixture) > number);
    number = ledger_number(fixture);
    assert_int_equal(jf_counted_flush(fixture, JF_NOW_US).accounts, 0);
    assert_int_equal(ledger_number(fixture), number);
}

static void test_day_is_that_of_the_flush(void **state)
{
    jf_fixture_t *fixture = *state;
    apr_array_header_t *days;
    jf_counted_make_areas(fixture, 1);
    for (int i = 0; i < 3; i++) {
        jf_counted_add(fixture, &monthly, i + 1, JF_NOW_US);
        jf_counted_flush(fixture, JF_NOW_US + i * 24 * 3600 * SECOND_US);
    }
    jf_test_ok(jf_ledger_traffic_days(&days, fixture->ledger, 1, 10, fixture->pool), "days");
    assert_int_equal(days->nelts, 3);
    assert_int_equal(APR_ARRAY_IDX(days, 0, jf_traffic_day_t).sent_bytes, 3);
    assert_int_equal(APR_ARRAY_IDX(days, 2, jf_traffic_day_t).sent_bytes, 1);
}

static void test_failed_batch_is_written_the_next_time(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_traffic_flush_t result;
    jf_counted_make_areas(fixture, 1);
    jf_counted_add(fixture, &monthly, 5, JF_NOW_US);
    jf_ledger_stop(fixture->ledger);
    for (int i = 0; i < 3; i++) {
        jf_test_refused(
            jf_traffic_flush(&result, fixture->service->traffic, IDLE_US, fixture->pool),
            JF_ERR_UNAVAILABLE, "flush");
        assert_int_equal(result.freed_accounts, 0);
        jf_counted_add(fixture, &monthly, 100, JF_NOW_US);
    }
    assert_int_equal(jf_counted_sent(fixture, 1), 0);
    jf_fixture_close(fixture);
    jf_test_ok(jf_counted_open(fixture), "open");
    jf_counted_flush(fixture, JF_NOW_US);
    assert_int_equal(jf_counted_sent(fixture, 1), 305);
    assert_int_equal(jf_counted_ledger_charged(fixture, &monthly, JF_NOW_US), 305);
}

static void test_area_that_is_gone_takes_its_traffic_along(void **state)
{
    jf_fixture_t *fixture = *state;
    apr_array_header_t *objects;
    jf_traffic_key_t second = {2, JF_PERIOD_MONTH};
    jf_counted_make_areas(fixture, 2);
    jf_counted_add(fixture, &monthly, 5, JF_NOW_US);
    jf_counted_add(fixture, &second, 7, JF_NOW_US);
    jf_test_ok(jf_ledger_area_remove(&objects, fixture->ledger, "1@example.org", fixture->pool),
               "area");
    jf_counted_flush(fixture, JF_NOW_US);
    assert_int_equal(jf_counted_sent(fixture, 1), 0);
    assert_int_equal(jf_counted_sent(fixture, 2), 7);
    assert_int_equal(jf_counted_flush(fixture, JF_NOW_US).accounts, 0);
}

/* The ledger comes from a backup, or is ahead of the file because another file was in use. */
static void test_ledger_with_another_number(void **state)
{
    jf_fixture_t *fixture = *state;
    apr_int64_t sent_bytes = 0;
    sqlite3 *stranger = jf_crowd_stranger(fixture);
    static const char *const numbers[] = {"traffic_batch + 1000", "traffic_batch - 500", "0"};
    jf_counted_make_areas(fixture, 1);
    for (size_t i = 0; i < JF_TEST_COUNT(numbers); i++) {
        jf_counted_add(fixture, &monthly, 5, JF_NOW_US);
        jf_counted_flush(fixture, JF_NOW_US);
        jf_counted_add(fixture, &monthly, 100, JF_NOW_US);
        jf_crowd_exec(stranger, apr_psprintf(fixture->pool, "UPDATE ledger SET traffic_batch = %s",
                                             numbers[i]));
        apr_int64_t number = ledger_number(fixture);
        jf_counted_flush(fixture, JF_NOW_US);
        sent_bytes += 105;
        assert_int_equal(jf_counted_sent(fixture, 1), sent_bytes);
        assert_true(ledger_number(fixture) > number);
    }
    sqlite3_close(stranger);
}

/* ---- a flush that dies ------------------------------------------------------------------------
 */

static int calls_until_death;

/* Is told of each lock, before it is taken or given back. */
static void (*on_lock)(const struct flock *lock);

static void maybe_die(void)
{
    if (calls_until_death && --calls_until_death == 0) {
        raise(SIGKILL);
    }
}

/* These take the place of the C library's: locks and writes, ours and SQLite's, are what divides a
 * flush into steps. */
static int lock_or_die(int fd, int command, va_list arguments)
{
    void *argument = va_arg(arguments, void *);
    if (on_lock && command == F_OFD_SETLKW) {
        on_lock(argument);
    }
    int result = (int)syscall(SYS_fcntl, fd, command, argument);
    maybe_die();
    return result;
}

int fcntl(int fd, int cmd, ...)
{
    va_list arguments;
    va_start(arguments, cmd);
    int result = lock_or_die(fd, cmd, arguments);
    va_end(arguments);
    return result;
}

int fcntl64(int fd, int cmd, ...)
{
    va_list arguments;
    va_start(arguments, cmd);
    int result = lock_or_die(fd, cmd, arguments);
    va_end(arguments);
    return result;
}

ssize_t pwrite64(int fd, const void *buf, size_t n, off64_t offset)
{
    ssize_t written = syscall(SYS_pwrite64, fd, buf, n, offset);
    maybe_die();
    return written;
}

typedef struct death_t {
    jf_fixture_t *fixture;
    int calls;
} death_t;

#define PER_DEATH 1000

static int count_and_flush(void *baton)
{
    const death_t *death = baton;
    jf_fixture_t *fixture = death->fixture;
    static const jf_traffic_amount_t amount = {
        .sent_bytes = PER_DEATH, .charged_bytes = PER_DEATH, .downloads = 1};
    jf_traffic_flush_t result;
    if (jf_counted_open(fixture)) {
        return 1;
    }
    jf_traffic_t *traffic = fixture->service->traffic;
    if (jf_traffic_count(traffic, &monthly, &amount, JF_NOW_US, fixture->pool) ||
        jf_traffic_count(traffic, &daily, &amount, JF_NOW_US, fixture->pool)) {
        return 2;
    }
    calls_until_death = death->calls;
    return jf_traffic_flush(&result, traffic, IDLE_US, fixture->pool) ? 3 : 0;
}

/* Each time one more step is done before it dies, until it does not. */
static void test_flush_that_is_killed_at_each_step(void **state)
{
    death_t death = {.fixture = *state};
    jf_fixture_t *fixture = death.fixture;
    int status;
    jf_counted_make_areas(fixture, 1);
    do {
        death.calls++;
        status = jf_crowd_child(count_and_flush, &death);
        jf_test_ok(jf_counted_open(fixture), "open");
        jf_counted_flush(fixture, JF_NOW_US);
        assert_int_equal(jf_counted_sent(fixture, 1), 2 * PER_DEATH * death.calls);
        assert_int_equal(jf_counted_sums(fixture, 1).downloads, 2 * death.calls);
        assert_int_equal(jf_counted_charged(fixture, &monthly, JF_NOW_US), PER_DEATH * death.calls);
        assert_int_equal(jf_counted_ledger_charged(fixture, &daily, JF_NOW_US),
                         PER_DEATH * death.calls);
        jf_fixture_close(fixture);
    } while (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_int_equal(status, 0);
    assert_in_range(death.calls, 10, 1000);
}

static jf_traffic_entry_t staged_entry(jf_account_t *account, apr_uint64_t word)
{
    memcpy(account->staged, account->counted, sizeof(account->staged));
    return (jf_traffic_entry_t){
        .area_id = jf_key_area(word),
        .sent_bytes = account->staged[JF_COUNT_SENT] - account->written[JF_COUNT_SENT],
        .downloads = account->staged[JF_COUNT_DOWNLOADS] - account->written[JF_COUNT_DOWNLOADS],
        .period = jf_key_period(word),
        .period_start_us = account->period_start_us,
        .charged_bytes = account->staged[JF_COUNT_CHARGED] - account->charged_base,
    };
}

/* The steps between two calls to the system: the ledger has the batch, and so many accounts know
 * it. */
static void die_after_commit(jf_fixture_t *fixture, int accounts_that_know)
{
    jf_traffic_map_t *map = map_of(fixture);
    apr_array_header_t *entries = apr_array_make(fixture->pool, 2, sizeof(jf_traffic_entry_t));
    jf_traffic_batch_t batch = {ledger_number(fixture) + 1, JF_NOW_US, entries};
    map->header->batch_number = batch.number;
    for (apr_uint32_t i = 0; i < map->size.accounts; i++) {
        jf_account_t *account = &map->accounts[i];
        if (!map->keys[i]) {
            continue;
        }
        APR_ARRAY_PUSH(entries, jf_traffic_entry_t) = staged_entry(account, map->keys[i]);
        if (accounts_that_know-- > 0) {
            memcpy(account->written, account->staged, sizeof(account->written));
        }
    }
    jf_test_ok(jf_ledger_traffic_write(fixture->ledger, &batch, fixture->pool), "batch");
}

static void test_flush_that_is_killed_after_its_commit(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_counted_make_areas(fixture, 1);
    for (int known = 0; known <= 2; known++) {
        jf_counted_add(fixture, &monthly, 5, JF_NOW_US);
        jf_counted_add(fixture, &daily, 5, JF_NOW_US);
        die_after_commit(fixture, known);
        jf_counted_add(fixture, &monthly, 300, JF_NOW_US);
        jf_counted_flush(fixture, JF_NOW_US);
        assert_int_equal(jf_counted_sent(fixture, 1), 310 * (known + 1));
        assert_int_equal(jf_counted_sums(fixture, 1).downloads, 3 * (known + 1));
        assert_int_equal(jf_counted_ledger_charged(fixture, &monthly, JF_NOW_US),
                         305 * (known + 1));
    }
}

/* Dies when it writes into the header. */
static int flush_without_header(void *baton)
{
    jf_fixture_t *fixture = baton;
    jf_traffic_flush_t result;
    signal(SIGSEGV, SIG_DFL);
    if (jf_counted_open(fixture) ||
        mprotect(map_of(fixture)->header, sizeof(jf_traffic_header_t), PROT_READ) != 0) {
        return 1;
    }
    return jf_traffic_flush(&result, fixture->service->traffic, JF_NOW_US, fixture->pool) ? 2 : 0;
}

/* Nothing is staged before the header has the number for it: the last number is one that the ledger
 * has, and what is staged would be taken for written. */
static void test_flush_that_is_killed_before_it_has_a_number(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_counted_make_areas(fixture, 1);
    jf_counted_add(fixture, &monthly, 5, JF_NOW_US);
    jf_counted_flush(fixture, JF_NOW_US);
    jf_counted_add(fixture, &monthly, 70, JF_NOW_US);
    jf_fixture_close(fixture);
    int status = jf_crowd_child(flush_without_header, fixture);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    jf_test_ok(jf_counted_open(fixture), "open");
    jf_counted_flush(fixture, JF_NOW_US);
    assert_int_equal(jf_counted_sent(fixture, 1), 75);
}

/* The number is known before anything is staged under it: staged and not written is not lost. */
static void test_flush_that_is_killed_while_it_stages(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_counted_make_areas(fixture, 1);
    jf_counted_add(fixture, &monthly, 5, JF_NOW_US);
    jf_counted_flush(fixture, JF_NOW_US);
    jf_counted_add(fixture, &monthly, 70, JF_NOW_US);
    jf_account_t *account = jf_counted_account(fixture, &monthly);
    map_of(fixture)->header->batch_number++;
    memcpy(account->staged, account->counted, sizeof(account->staged));
    jf_counted_flush(fixture, JF_NOW_US);
    assert_int_equal(jf_counted_sent(fixture, 1), 75);
}

/* ---- freeing ----------------------------------------------------------------------------------
 */

static const apr_uint64_t *watched;
static apr_uint64_t word_at_lock;

static void look_at_word(const struct flock *lock)
{
    if (lock->l_start == JF_LOCK_ACCOUNTS) {
        word_at_lock = *watched;
    }
}

/* Whoever makes an account has the lock; so must be who frees one, from the mark on. */
static void test_accounts_are_freed_under_the_lock(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_counted_make_areas(fixture, 1);
    jf_counted_add(fixture, &monthly, 5, JF_NOW_US);
    watched = jf_counted_word(fixture, &monthly);
    apr_uint64_t word = *watched;
    on_lock = look_at_word;
    assert_int_equal(jf_counted_flush(fixture, IDLE_US).freed_accounts, 1);
    on_lock = NULL;
    assert_true(word_at_lock == word);
    assert_true(*watched == 0);
}

static const struct CMUnitTest tests[] = {
    JF_COUNTED_TEST(test_nothing_new_is_no_batch),
    JF_COUNTED_TEST(test_day_is_that_of_the_flush),
    JF_COUNTED_TEST(test_failed_batch_is_written_the_next_time),
    JF_COUNTED_TEST(test_area_that_is_gone_takes_its_traffic_along),
    JF_COUNTED_TEST(test_ledger_with_another_number),
    JF_SMALL_CLOSED_TEST(test_flush_that_is_killed_at_each_step),
    JF_SMALL_TEST(test_flush_that_is_killed_after_its_commit),
    JF_SMALL_TEST(test_flush_that_is_killed_before_it_has_a_number),
    JF_SMALL_TEST(test_flush_that_is_killed_while_it_stages),
    JF_SMALL_TEST(test_accounts_are_freed_under_the_lock),
};

JF_TEST_MAIN(tests)
