/*
 * The write-ahead log is copied into the database beside the writers, and stays short.
 */
#include "t_crowd.h"
#include "t_fault.h"

#include <fcntl.h>

#include <apr_atomic.h>
#include <apr_file_io.h>
#include <apr_proc_mutex.h>
#include <apr_strings.h>
#include <sqlite3.h>

#include "jf_ledger_checkpoint.h"
#include "jf_sqlite.h"

#define FEW_WRITES 100
#define THREADS 8
#define READ_QUOTA "SELECT quota_bytes FROM area"

static const char *log_of(const jf_fixture_t *fixture)
{
    return apr_pstrcat(fixture->pool, fixture->database, "-wal", NULL);
}

static apr_off_t log_bytes(const jf_fixture_t *fixture)
{
    apr_finfo_t facts;
    assert_int_equal(apr_stat(&facts, log_of(fixture), APR_FINFO_SIZE, fixture->pool), APR_SUCCESS);
    return facts.size;
}

/** @return 0 if they cannot be read. */
static int read_bytes(void *bytes, const char *path, apr_off_t from, apr_size_t count,
                      apr_pool_t *pool)
{
    apr_file_t *file;
    if (apr_file_open(&file, path, APR_FOPEN_READ, 0, pool) != APR_SUCCESS) {
        return 0;
    }
    int is_read = apr_file_seek(file, APR_SET, &from) == APR_SUCCESS &&
                  apr_file_read_full(file, bytes, count, NULL) == APR_SUCCESS;
    apr_file_close(file);
    return is_read;
}

/** How often the log has been begun: the "checkpoint sequence number" of its header. For threads,
 * too. @return -1 if it cannot be read. */
static apr_int64_t log_number_of(const char *path, apr_pool_t *pool)
{
    unsigned char number[4];
    return read_bytes(number, path, 12, sizeof(number), pool)
               ? (apr_int64_t)number[0] << 24 | number[1] << 16 | number[2] << 8 | number[3]
               : -1;
}

static apr_int64_t log_number(const jf_fixture_t *fixture)
{
    apr_int64_t number = log_number_of(log_of(fixture), fixture->pool);
    assert_true(number >= 0);
    return number;
}

/** How much of the log is in use: "mxFrame" of its index. */
static apr_uint32_t log_pages(const jf_fixture_t *fixture)
{
    const char *index = apr_pstrcat(fixture->pool, fixture->database, "-shm", NULL);
    apr_uint32_t pages = 0;
    assert_true(read_bytes(&pages, index, 16, sizeof(pages), fixture->pool));
    return pages;
}

static void set_quota(jf_fixture_t *fixture, apr_int64_t quota_bytes)
{
    jf_test_ok(
        jf_ledger_area_set_quota(fixture->ledger, JF_ALICE, quota_bytes, JF_NOW_US, fixture->pool),
        "a write");
}

/** What the database says without its log. */
static apr_int64_t quota_in_database(const jf_fixture_t *fixture)
{
    const char *copy = apr_pstrcat(fixture->pool, fixture->database, "-copy", NULL);
    sqlite3 *reader;
    assert_int_equal(
        apr_file_copy(fixture->database, copy, APR_FPROT_FILE_SOURCE_PERMS, fixture->pool),
        APR_SUCCESS);
    assert_int_equal(sqlite3_open(copy, &reader), SQLITE_OK);
    apr_int64_t quota_bytes = jf_crowd_number(
        reader, "SELECT coalesce((SELECT quota_bytes FROM area WHERE jid = '" JF_ALICE "'), -9)");
    sqlite3_close(reader);
    return quota_bytes;
}

/** Somebody writes so many pages in one go, and does not look after the log. */
static void write_pages(jf_fixture_t *fixture, int pages)
{
    sqlite3 *stranger = jf_crowd_stranger(fixture);
    /* The ledger has to be open: whoever closes it last copies the log. */
    set_quota(fixture, JF_UNLIMITED);
    jf_crowd_exec(stranger, "PRAGMA wal_autocheckpoint = 0;"
                            "CREATE TABLE IF NOT EXISTS ballast (content BLOB);"
                            "DELETE FROM ballast");
    jf_crowd_exec(
        stranger,
        apr_psprintf(fixture->pool, "INSERT INTO ballast VALUES (zeroblob(%d * 4096))", pages));
    sqlite3_close(stranger);
}

/** The last one to write is the ledger. */
static void write_until_long(jf_fixture_t *fixture)
{
    write_pages(fixture, JF_LOG_LONG_PAGES);
    set_quota(fixture, JF_QUOTA_DEFAULT);
    assert_true(log_pages(fixture) > JF_LOG_LONG_PAGES);
}

static void checkpoint(jf_fixture_t *fixture, apr_time_t now_us)
{
    jf_test_ok(jf_ledger_checkpoint(fixture->ledger, now_us, fixture->pool), "a checkpoint");
}

static void test_short_log_is_left_alone(void **state)
{
    jf_fixture_t *fixture = *state;
    for (int i = 0; i < FEW_WRITES; i++) {
        set_quota(fixture, i);
    }
    checkpoint(fixture, JF_NOW_US);
    assert_int_equal(quota_in_database(fixture), -9);
}

static void test_long_log_is_copied_and_begun_anew(void **state)
{
    jf_fixture_t *fixture = *state;
    write_until_long(fixture);
    set_quota(fixture, 4711);
    assert_int_not_equal(quota_in_database(fixture), 4711);
    checkpoint(fixture, JF_NOW_US);
    assert_int_equal(quota_in_database(fixture), 4711);

    apr_off_t before_bytes = log_bytes(fixture);
    apr_int64_t number = log_number(fixture);
    for (int i = 0; i < FEW_WRITES; i++) {
        set_quota(fixture, i);
    }
    assert_int_equal(log_number(fixture), number + 1);
    assert_int_equal(log_bytes(fixture), before_bytes);
    assert_int_equal(jf_fixture_area(fixture, JF_ALICE).quota_bytes, FEW_WRITES - 1);
    /* And there is nothing to do now. */
    checkpoint(fixture, JF_NOW_US);
    assert_int_equal(quota_in_database(fixture), 4711);
}

static void test_ending_process_leaves_the_log(void **state)
{
    jf_fixture_t *fixture = *state;
    write_until_long(fixture);
    set_quota(fixture, 4711);
    jf_ledger_stop(fixture->ledger);
    checkpoint(fixture, JF_NOW_US);
    assert_int_not_equal(quota_in_database(fixture), 4711);
}

/* ---- others who are in the ledger ---- */

static sqlite3 *begin_to_read(const jf_fixture_t *fixture)
{
    sqlite3 *reader = jf_crowd_stranger(fixture);
    jf_crowd_exec(reader, "BEGIN");
    assert_int_equal(jf_crowd_number(reader, READ_QUOTA), 4711);
    return reader;
}

static void expect_log_waits_for(sqlite3 *reader, jf_fixture_t *fixture)
{
    apr_int64_t number = log_number(fixture);
    apr_time_t begin_us = apr_time_now();
    checkpoint(fixture, JF_NOW_US);
    assert_in_range(apr_time_now() - begin_us, 0, JF_SQLITE_BUSY_US - 1);
    set_quota(fixture, 1);
    assert_int_equal(log_number(fixture), number);
    assert_int_equal(jf_crowd_number(reader, READ_QUOTA), 4711);

    jf_crowd_exec(reader, "COMMIT");
    sqlite3_close(reader);
    checkpoint(fixture, JF_NOW_US);
    set_quota(fixture, 2);
    assert_int_equal(log_number(fixture), number + 1);
}

static void test_reader_is_waited_for_by_nobody(void **state)
{
    jf_fixture_t *fixture = *state;
    set_quota(fixture, 4711);
    sqlite3 *reader = begin_to_read(fixture);
    write_until_long(fixture);
    expect_log_waits_for(reader, fixture);
}

/* All is copied, but the log cannot begin anew while somebody reads its end. */
static void test_reader_of_the_end_delays_the_beginning(void **state)
{
    jf_fixture_t *fixture = *state;
    write_until_long(fixture);
    set_quota(fixture, 4711);
    expect_log_waits_for(begin_to_read(fixture), fixture);
}

static void test_foreign_writer_is_no_error(void **state)
{
    jf_fixture_t *fixture = *state;
    sqlite3 *writer = jf_crowd_stranger(fixture);
    write_until_long(fixture);
    set_quota(fixture, 4711);
    jf_crowd_exec(writer, "BEGIN IMMEDIATE");
    checkpoint(fixture, JF_NOW_US);
    /* What is committed is copied all the same. */
    assert_int_equal(quota_in_database(fixture), 4711);
    sqlite3_close(writer);
}

typedef struct holder_t {
    apr_proc_mutex_t *turn;
    jf_fixture_t *fixture;
    volatile apr_uint32_t is_held;
    volatile apr_uint32_t is_done;
    apr_interval_time_t took_us;
} holder_t;

static void hold_or_copy(void *baton, int number, apr_pool_t *pool)
{
    holder_t *holder = baton;
    if (number == 0) {
        apr_proc_mutex_lock(holder->turn);
        apr_atomic_set32(&holder->is_held, 1);
        while (!apr_atomic_read32(&holder->is_done)) {
            apr_sleep(1000);
        }
        apr_proc_mutex_unlock(holder->turn);
        return;
    }
    while (!apr_atomic_read32(&holder->is_held)) {
        apr_sleep(1000);
    }
    apr_time_t begin_us = apr_time_now();
    jf_err_t *err = jf_ledger_checkpoint(holder->fixture->ledger, JF_NOW_US, pool);
    holder->took_us = err ? -1 : apr_time_now() - begin_us;
    apr_atomic_set32(&holder->is_done, 1);
}

static void test_turn_is_waited_for_and_given_back(void **state)
{
    holder_t holder = {.fixture = *state};
    apr_pool_t *pool = holder.fixture->pool;
    assert_int_equal(apr_proc_mutex_create(&holder.turn, NULL, APR_LOCK_PROC_PTHREAD, pool),
                     APR_SUCCESS);
    write_until_long(holder.fixture);
    set_quota(holder.fixture, 4711);
    jf_ledger_take_turns(holder.fixture->ledger, holder.turn);
    jf_crowd_threads(2, hold_or_copy, &holder);
    assert_in_range(holder.took_us, apr_time_from_msec(900), apr_time_from_sec(10));
    assert_int_equal(quota_in_database(holder.fixture), 4711);

    write_until_long(holder.fixture);
    checkpoint(holder.fixture, JF_NOW_US);
    assert_int_equal(apr_proc_mutex_trylock(holder.turn), APR_SUCCESS);
    assert_int_equal(apr_proc_mutex_unlock(holder.turn), APR_SUCCESS);
}

typedef struct traffic_t {
    jf_fixture_t *fixture;
    const char *log;
    apr_int64_t number; /* of the log at first */
    apr_time_t end_us;
    volatile apr_uint32_t is_anew;
    volatile apr_uint32_t written;
    volatile apr_uint32_t wrong;
} traffic_t;

static void write_files(traffic_t *traffic, int number, apr_pool_t *pool)
{
    for (int i = 0; !apr_atomic_read32(&traffic->is_anew) && apr_time_now() < traffic->end_us;
         i++) {
        jf_add_t add = jf_fixture_add(apr_psprintf(pool, "%d-%d", number, i), 1, pool);
        jf_file_t file;
        const char *replaced;
        int created;
        if (jf_ledger_add(&file, &replaced, &created, traffic->fixture->ledger, &add, JF_NOW_US,
                          pool)) {
            apr_atomic_inc32(&traffic->wrong);
        }
        apr_atomic_inc32(&traffic->written);
    }
}

static void copy_until_anew(traffic_t *traffic, apr_pool_t *pool)
{
    while (log_number_of(traffic->log, pool) == traffic->number &&
           apr_time_now() < traffic->end_us) {
        if (jf_ledger_checkpoint(traffic->fixture->ledger, JF_NOW_US, pool)) {
            apr_atomic_inc32(&traffic->wrong);
        }
        apr_sleep(1000);
    }
    apr_atomic_set32(&traffic->is_anew, 1);
}

static void write_or_copy(void *baton, int number, apr_pool_t *pool)
{
    if (number > 0) {
        write_files(baton, number, pool);
    } else {
        copy_until_anew(baton, pool);
    }
}

static void test_log_is_begun_anew_while_others_write(void **state)
{
    jf_fixture_t *fixture = *state;
    traffic_t traffic = {.fixture = fixture, .end_us = apr_time_now() + apr_time_from_sec(60)};
    write_until_long(fixture);
    traffic.log = log_of(fixture);
    traffic.number = log_number(fixture);
    jf_crowd_threads(1 + THREADS, write_or_copy, &traffic);
    assert_int_equal(traffic.wrong, 0);
    assert_true(traffic.written > 0);
    assert_true(log_number(fixture) > traffic.number);
    jf_fixture_expect(fixture, traffic.written, 0, traffic.written);
}

/* ---- nobody looks after it, or nobody can ---- */

static void test_forgotten_log_is_bounded(void **state)
{
    jf_fixture_t *fixture = *state;
    write_pages(fixture, 4 * JF_LOG_LONG_PAGES - FEW_WRITES);
    apr_int64_t number = log_number(fixture);
    for (int i = 0; log_number(fixture) == number; i++) {
        assert_in_range(i, 0, 2 * FEW_WRITES);
        set_quota(fixture, i);
    }
    assert_in_range(log_pages(fixture), 1, FEW_WRITES);
    /* What a burst has left is cut off. */
    assert_in_range(log_bytes(fixture), 0, 64 * 1024 * 1024);
}

/** A checkpoint of a database with this in its place, when there is something to copy. */
static jf_err_t *checkpoint_into(jf_fixture_t *fixture, const char *substitute, int flags)
{
    jf_fault_t fault;
    write_until_long(fixture);
    checkpoint(fixture, JF_NOW_US); /* what is opened for it, is open now */
    write_until_long(fixture);
    set_quota(fixture, 4711);
    jf_fault_begin(&fault, fixture->database, substitute, flags);
    jf_err_t *err = jf_ledger_checkpoint(fixture->ledger, JF_NOW_US, fixture->pool);
    jf_fault_end(&fault);
    return err;
}

static void test_failure_is_told_and_tried_again_later(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_test_refused(checkpoint_into(fixture, "/dev/full", O_RDWR), JF_ERR_DISK_FULL, "a full disk");
    checkpoint(fixture, JF_NOW_US + JF_CHECKPOINT_RETRY_US - 1);
    assert_int_not_equal(quota_in_database(fixture), 4711);
    assert_int_equal(jf_fixture_area(fixture, JF_ALICE).quota_bytes, 4711);
    checkpoint(fixture, JF_NOW_US + JF_CHECKPOINT_RETRY_US);
    assert_int_equal(quota_in_database(fixture), 4711);
}

static void test_clock_that_goes_back_does_not_end_it(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_test_refused(checkpoint_into(fixture, fixture->database, O_RDONLY), JF_ERR_UNAVAILABLE,
                    "a database that cannot be written");
    checkpoint(fixture, JF_NOW_US - apr_time_from_sec(3600));
    assert_int_equal(quota_in_database(fixture), 4711);
}

static const struct CMUnitTest tests[] = {
    JF_FIXTURE_TEST(test_short_log_is_left_alone),
    JF_FIXTURE_TEST(test_long_log_is_copied_and_begun_anew),
    JF_FIXTURE_TEST(test_ending_process_leaves_the_log),
    JF_FIXTURE_TEST(test_reader_is_waited_for_by_nobody),
    JF_FIXTURE_TEST(test_reader_of_the_end_delays_the_beginning),
    JF_FIXTURE_TEST(test_foreign_writer_is_no_error),
    JF_FIXTURE_TEST(test_turn_is_waited_for_and_given_back),
    JF_FIXTURE_TEST(test_log_is_begun_anew_while_others_write),
    JF_FIXTURE_TEST(test_forgotten_log_is_bounded),
    JF_FIXTURE_TEST(test_failure_is_told_and_tried_again_later),
    JF_FIXTURE_TEST(test_clock_that_goes_back_does_not_end_it),
};

JF_TEST_MAIN(tests)
