/*
 * The file STORE/traffic: what is made when it is missing, foreign or no file at all.
 */
#include "t_counted.h"
#include "t_fault.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_strings.h>

static const jf_traffic_key_t monthly = {1, JF_PERIOD_MONTH};

/* What jf_service_create does, at JF_NOW_US. */
static jf_err_t *create(const jf_fixture_t *fixture)
{
    jf_ledger_t *ledger;
    JF_TRY(jf_ledger_open(&ledger, fixture->database, JF_DURABILITY_FULL, fixture->pool));
    jf_err_t *err = jf_traffic_create(fixture->directory, ledger, JF_NOW_US, fixture->pool);
    jf_ledger_close(ledger);
    return err;
}

static void reopen(jf_fixture_t *fixture)
{
    jf_fixture_close(fixture);
    jf_test_ok(create(fixture), "create");
    jf_test_ok(jf_counted_open(fixture), "open");
}

static void test_file_is_private_and_has_all_its_room(void **state)
{
    jf_fixture_t *fixture = *state;
    struct stat st;
    assert_int_equal(stat(jf_counted_path(fixture), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_true(st.st_size > 1 << 20);
    assert_true(st.st_blocks * 512 >= st.st_size);
    reopen(fixture);
    struct stat again;
    assert_int_equal(stat(jf_counted_path(fixture), &again), 0);
    assert_int_equal(again.st_ino, st.st_ino);
}

static void test_next_start_brings_the_rest_into_the_ledger(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_counted_make_areas(fixture, 1);
    jf_counted_add(fixture, &monthly, 5, JF_NOW_US);
    jf_counted_flush(fixture, JF_NOW_US);
    jf_counted_add(fixture, &monthly, 30, JF_NOW_US);
    jf_fixture_close(fixture);
    assert_int_equal(jf_counted_sent(fixture, 1), 5);
    reopen(fixture);
    assert_int_equal(jf_counted_sent(fixture, 1), 35);
    assert_int_equal(jf_counted_charged(fixture, &monthly, JF_NOW_US), 35);
    reopen(fixture);
    assert_int_equal(jf_counted_sent(fixture, 1), 35);
}

/* Others use the file while httpd is restarted: theirs is left alone. */
static void test_start_does_not_disturb_others(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_transfer_t transfer;
    jf_transfer_request_t request = {monthly, JF_TRANSFER_DOWNLOAD, 10, 1000, 1, 1};
    jf_counted_make_areas(fixture, 1);
    jf_test_ok(
        jf_transfer_begin(&transfer, fixture->service->traffic, &request, JF_NOW_US, fixture->pool),
        "begin");
    jf_transfer_progress(&transfer, 4, JF_NOW_US);
    jf_test_ok(create(fixture), "create");
    assert_int_equal(jf_counted_sent(fixture, 1), 4);
    assert_int_equal(jf_account_promised(jf_counted_account(fixture, &monthly)), 6);
    assert_int_equal(jf_traffic_active(fixture->service->traffic, fixture->pool)->nelts, 1);
    jf_transfer_settle(&transfer, 10, 1, JF_NOW_US);
    jf_transfer_end(&transfer);
    jf_counted_flush(fixture, JF_NOW_US);
    assert_int_equal(jf_counted_sent(fixture, 1), 10);
}

static void test_without_the_file_the_ledger_knows_the_charge(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_counted_make_areas(fixture, 1);
    jf_counted_add(fixture, &monthly, 5, JF_NOW_US);
    jf_counted_flush(fixture, JF_NOW_US);
    assert_int_equal(unlink(jf_counted_path(fixture)), 0);
    reopen(fixture);
    assert_int_equal(jf_counted_charged(fixture, &monthly, JF_NOW_US), 5);
    jf_counted_add(fixture, &monthly, 30, JF_NOW_US);
    assert_int_equal(jf_counted_charged(fixture, &monthly, JF_NOW_US), 35);
    jf_counted_flush(fixture, JF_NOW_US);
    assert_int_equal(jf_counted_sent(fixture, 1), 35);

    /* A process that is started without jf_service_create makes it, too. */
    jf_fixture_close(fixture);
    assert_int_equal(unlink(jf_counted_path(fixture)), 0);
    jf_test_ok(jf_counted_open(fixture), "open");
    jf_counted_add(fixture, &monthly, 100, JF_NOW_US);
    jf_counted_flush(fixture, JF_NOW_US);
    assert_int_equal(jf_counted_ledger_charged(fixture, &monthly, JF_NOW_US), 135);
}

static void patch(const char *path, apr_off_t offset, const void *bytes, size_t length)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, length, offset), length);
    close(fd);
}

static void truncate_to(const char *path, apr_off_t length)
{
    assert_int_equal(truncate(path, length), 0);
}

/* Makes one of many files that are not ours. @return 0 after the last */
static int spoil(const char *path, int way)
{
    static const jf_traffic_size_t absurd = {0x80000000U, 0xfffffff0U, 0xffffffffU};
    static const jf_traffic_size_t odd = {33, 15, 0};
    static const apr_uint32_t number = 99;
    jf_traffic_header_t *header = NULL;
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    switch (way) {
    case 0:
        patch(path, (char *)&header->magic - (char *)header, "J", 1);
        break;
    case 1:
        patch(path, (char *)&header->version - (char *)header, &number, 4);
        break;
    case 2:
        patch(path, (char *)&header->account_size - (char *)header, &number, 4);
        break;
    case 3:
        patch(path, (char *)&header->listing_size - (char *)header, &number, 4);
        break;
    case 4:
        patch(path, (char *)&header->size - (char *)header, &absurd, sizeof(absurd));
        break;
    case 5:
        patch(path, (char *)&header->size - (char *)header, &odd, sizeof(odd));
        break;
    case 6:
        patch(path, (char *)&header->ledger_id - (char *)header, "another", 7);
        break;
    case 7:
        patch(path, (char *)&header->boot_id - (char *)header, "another", 7);
        break;
    case 8:
        truncate_to(path, 0);
        break;
    case 9:
        truncate_to(path, 100);
        break;
    case 10:
        truncate_to(path, 5000);
        break;
    case 11:
        truncate_to(path, st.st_size - 1);
        break;
    case 12:
        truncate_to(path, st.st_size + 1);
        break;
    default:
        return 0;
    }
    return 1;
}

static void test_foreign_files_are_replaced(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_counted_make_areas(fixture, 1);
    for (int way = 0;; way++) {
        jf_counted_add(fixture, &monthly, 1, JF_NOW_US);
        jf_counted_flush(fixture, JF_NOW_US);
        jf_counted_add(fixture, &monthly, 1000, JF_NOW_US);
        jf_fixture_close(fixture);
        if (!spoil(jf_counted_path(fixture), way)) {
            assert_int_equal(way, 13);
            break;
        }
        reopen(fixture);
        assert_int_equal(jf_counted_sent(fixture, 1), way + 1);
        assert_int_equal(jf_counted_charged(fixture, &monthly, JF_NOW_US), way + 1);
    }
}

/* The same for a process that comes later; only of the system's run it knows nothing. */
static void test_foreign_files_are_not_mapped(void **state)
{
    jf_fixture_t *fixture = *state;
    static const jf_traffic_size_t small = {SMALL_ACCOUNTS, SMALL_LISTINGS, SMALL_PROCESSES};
    for (int way = 0; way < 13; way++) {
        jf_fixture_close(fixture);
        jf_counted_resize(fixture, &small);
        spoil(jf_counted_path(fixture), way);
        jf_test_ok(jf_counted_open(fixture), "open");
        assert_int_equal(fixture->service->traffic->map.size.accounts,
                         way == 7 ? SMALL_ACCOUNTS : 16384);
    }
}

typedef void make_t(const char *path, const char *target);

static void make_directory(const char *path, const char *target)
{
    (void)target;
    assert_int_equal(mkdir(path, 0700), 0);
}

static void make_fifo(const char *path, const char *target)
{
    (void)target;
    assert_int_equal(mkfifo(path, 0600), 0);
}

static void make_link(const char *path, const char *target)
{
    assert_int_equal(rename(path, target), 0);
    assert_int_equal(symlink(target, path), 0);
}

static void make_dead_link(const char *path, const char *target)
{
    (void)target;
    assert_int_equal(symlink("nowhere", path), 0);
}

static void test_what_is_no_file_is_refused(void **state)
{
    jf_fixture_t *fixture = *state;
    apr_pool_t *pool;
    const char *path = jf_counted_path(fixture);
    const char *target = apr_pstrcat(fixture->pool, path, ".moved", NULL);
    static make_t *const ways[] = {make_link, make_dead_link, make_directory, make_fifo};
    int descriptors = jf_fault_count_descriptors();
    for (size_t i = 0; i < JF_TEST_COUNT(ways); i++) {
        jf_service_t *service;
        apr_pool_create(&pool, fixture->pool);
        ways[i](path, target);
        jf_test_refused(jf_service_create(fixture->directory, fixture->database, pool), JF_ERR_IO,
                        "create");
        jf_test_ok(jf_service_open(&service, fixture->directory, fixture->database,
                                   JF_DURABILITY_FULL, pool),
                   "open");
        jf_test_refused(jf_service_open_traffic(service, fixture->directory, pool), JF_ERR_IO,
                        "open");
        jf_service_close(service);
        assert_int_equal(remove(path), 0);
        assert_false(jf_fixture_exists(apr_pstrcat(pool, fixture->directory, "/nowhere", NULL)));
        apr_pool_destroy(pool);
    }
    assert_true(jf_fixture_exists(target));
    assert_int_equal(jf_fault_count_descriptors(), descriptors);
}

static int create_on_small_disk(void *baton)
{
    jf_fixture_t *fixture = baton;
    struct rlimit limit = {1 << 20, 1 << 20};
    signal(SIGXFSZ, SIG_IGN);
    return setrlimit(RLIMIT_FSIZE, &limit) == 0 && create(fixture) ? 0 : 1;
}

static void test_half_a_file_is_never_there(void **state)
{
    jf_fixture_t *fixture = *state;
    const char *path = jf_counted_path(fixture);
    const char *unfinished = apr_pstrcat(fixture->pool, path, ".new", NULL);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(jf_crowd_child(create_on_small_disk, fixture), 0);
    assert_false(jf_fixture_exists(path));
    assert_false(jf_fixture_exists(unfinished));

    /* One that somebody has left in the middle of it is in nobody's way. */
    assert_int_equal(symlink("nowhere", unfinished), 0);
    jf_test_ok(jf_service_create(fixture->directory, fixture->database, fixture->pool), "create");
    jf_test_ok(jf_counted_open(fixture), "open");
    assert_false(jf_fixture_exists(unfinished));
}

static int create_and_count(void *baton, int number)
{
    jf_fixture_t *fixture = baton;
    static const jf_traffic_amount_t amount = {.sent_bytes = 1};
    (void)number;
    if (create(fixture) || jf_counted_open(fixture)) {
        return 1;
    }
    return jf_traffic_count(fixture->service->traffic, &monthly, &amount, JF_NOW_US, fixture->pool)
               ? 2
               : 0;
}

static void test_many_that_create_have_one_file(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_counted_make_areas(fixture, 1);
    for (int i = 1; i <= 5; i++) {
        assert_int_equal(unlink(jf_counted_path(fixture)), 0);
        assert_int_equal(jf_crowd_children(8, create_and_count, fixture), 8);
        jf_test_ok(jf_counted_open(fixture), "open");
        jf_counted_flush(fixture, JF_NOW_US);
        assert_int_equal(jf_counted_sent(fixture, 1), 8 * i);
        jf_fixture_close(fixture);
    }
}

static const struct CMUnitTest tests[] = {
    JF_FIXTURE_CLOSED_TEST(test_file_is_private_and_has_all_its_room),
    JF_COUNTED_TEST(test_next_start_brings_the_rest_into_the_ledger),
    JF_COUNTED_TEST(test_start_does_not_disturb_others),
    JF_COUNTED_TEST(test_without_the_file_the_ledger_knows_the_charge),
    JF_COUNTED_TEST(test_foreign_files_are_replaced),
    JF_COUNTED_TEST(test_foreign_files_are_not_mapped),
    JF_FIXTURE_CLOSED_TEST(test_what_is_no_file_is_refused),
    JF_FIXTURE_CLOSED_TEST(test_half_a_file_is_never_there),
    JF_FIXTURE_CLOSED_TEST(test_many_that_create_have_one_file),
};

JF_TEST_MAIN(tests)
