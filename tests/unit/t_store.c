#include "t_fault.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_strings.h>

#define GATHER 65536
#define MEBIBYTE (1 << 20)

static jf_store_t *store_of(jf_fixture_t *fixture)
{
    return fixture->service->store;
}

/* ---- what goes in comes out ---- */

/* Writes @a length bytes in pieces of these lengths, again and again, and compares. */
static void check_pieces(jf_fixture_t *fixture, apr_size_t length, const apr_size_t *pieces,
                         size_t piece_count)
{
    apr_pool_t *pool;
    apr_pool_create(&pool, fixture->pool);
    const char *name = jf_fixture_new_name(pool);
    const char *data = jf_fixture_bytes((unsigned)length, length, pool);
    jf_object_t *object = jf_fixture_new_object(fixture, name, pool);
    apr_size_t written = 0;
    for (size_t i = 0; written < length; i++) {
        apr_size_t piece = pieces[i % piece_count];
        piece = piece < length - written ? piece : length - written;
        jf_test_ok(jf_store_write(object, data + written, piece), name);
        written += piece;
    }
    jf_test_ok(jf_store_finish(object), name);
    jf_store_keep(object);
    jf_file_t file = {.path = name, .object = name, .size_bytes = (apr_int64_t)length};
    jf_fixture_expect_content(fixture, &file, data, length);
    apr_pool_destroy(pool);
    assert_true(jf_fixture_exists(jf_fixture_object_path(fixture, name)));
}

static void test_every_length_in_every_piece(void **state)
{
    static const apr_size_t lengths[] = {0,          1,           GATHER - 1,   GATHER,
                                         GATHER + 1, 2 * GATHER,  MEBIBYTE - 1, MEBIBYTE,
                                         100000,     MEBIBYTE + 1};
    static const apr_size_t pieces[][3] = {
        {MEBIBYTE + 1, 0, MEBIBYTE}, {GATHER, GATHER, GATHER}, {GATHER - 1, 1, GATHER},
        {GATHER - 1, 2, GATHER - 1}, {1, GATHER, 1},           {1, GATHER - 1, 1},
        {GATHER + 1, 1, GATHER},     {8000, 8000, 8000},       {30000, 0, 40000},
        {GATHER / 2, GATHER / 2, 1}, {4096, 65537, 1},         {333, 1, 70000},
    };
    for (size_t i = 0; i < JF_TEST_COUNT(lengths); i++) {
        for (size_t j = 0; j < JF_TEST_COUNT(pieces); j++) {
            check_pieces(*state, lengths[i], pieces[j], 3);
        }
    }
}

static void test_single_bytes_are_gathered(void **state)
{
    static const apr_size_t one[] = {1};
    check_pieces(*state, GATHER + 1, one, 1);
}

static void test_durable_store_keeps_the_same_bytes(void **state)
{
    jf_fixture_t *fixture = *state;
    static const apr_size_t pieces[] = {GATHER - 1, 2, GATHER};
    jf_test_ok(jf_fixture_open(fixture, JF_DURABILITY_FULL), "open");
    check_pieces(fixture, 3 * GATHER, pieces, 3);
}

/* ---- life of an object ---- */

static void test_object_is_for_its_owner_only(void **state)
{
    jf_fixture_t *fixture = *state;
    const char *name = jf_fixture_new_name(fixture->pool);
    struct stat st;
    mode_t mask = umask(0);
    jf_object_t *object = jf_fixture_new_object(fixture, name, fixture->pool);
    umask(mask);
    assert_int_equal(stat(jf_fixture_object_path(fixture, name), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    jf_store_discard(object);
}

static void test_object_goes_with_its_pool_unless_kept(void **state)
{
    jf_fixture_t *fixture = *state;
    int descriptors = jf_fault_count_descriptors();
    for (int kept = 0; kept <= 1; kept++) {
        for (int finished = 0; finished <= 1; finished++) {
            apr_pool_t *pool;
            apr_pool_create(&pool, fixture->pool);
            const char *name = jf_fixture_new_name(fixture->pool);
            jf_object_t *object = jf_fixture_new_object(fixture, name, pool);
            jf_test_ok(jf_store_write(object, "x", 1), name);
            if (finished) {
                jf_test_ok(jf_store_finish(object), name);
            }
            if (kept && finished) {
                jf_store_keep(object);
            }
            apr_pool_destroy(pool);
            assert_int_equal(jf_fixture_exists(jf_fixture_object_path(fixture, name)),
                             kept && finished);
        }
    }
    assert_int_equal(jf_fault_count_descriptors(), descriptors);
}

static void test_discard_may_come_twice_and_too_late(void **state)
{
    jf_fixture_t *fixture = *state;
    const char *first = jf_fixture_new_name(fixture->pool),
               *second = jf_fixture_new_name(fixture->pool);
    jf_object_t *discarded = jf_fixture_new_object(fixture, first, fixture->pool);
    jf_object_t *kept = jf_fixture_new_object(fixture, second, fixture->pool);
    jf_store_discard(discarded);
    jf_store_discard(discarded);
    assert_false(jf_fixture_exists(jf_fixture_object_path(fixture, first)));
    jf_test_ok(jf_store_finish(kept), "finish");
    jf_store_keep(kept);
    jf_store_discard(kept);
    assert_true(jf_fixture_exists(jf_fixture_object_path(fixture, second)));
}

static void test_name_that_is_taken_is_refused(void **state)
{
    jf_fixture_t *fixture = *state;
    const char *name = jf_fixture_new_name(fixture->pool);
    jf_object_t *object = jf_fixture_new_object(fixture, name, fixture->pool), *second;
    apr_pool_t *pool;
    apr_pool_create(&pool, fixture->pool);
    jf_test_refused(jf_store_new_object(&second, store_of(fixture), name, pool), JF_ERR_IO, name);
    apr_pool_destroy(pool);
    assert_true(jf_fixture_exists(jf_fixture_object_path(fixture, name)));
    jf_store_discard(object);
}

static void test_removal_is_done_once(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_file_t file = jf_fixture_put(fixture, "a", "x", 1);
    int fd;
    jf_test_ok(jf_store_remove(store_of(fixture), file.object, fixture->pool), "first");
    jf_test_ok(jf_store_remove(store_of(fixture), file.object, fixture->pool), "again");
    jf_test_refused(jf_store_check(store_of(fixture), file.object, 1, fixture->pool), JF_ERR_IO,
                    "check");
    jf_test_refused(jf_store_open_object(&fd, store_of(fixture), file.object, fixture->pool),
                    JF_ERR_IO, "open");
}

static void test_check_wants_the_exact_size(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_file_t file = jf_fixture_put(fixture, "a", "123", 3);
    static const apr_int64_t sizes[] = {-1, 0, 2, 4, INT64_MAX};
    jf_test_ok(jf_store_check(store_of(fixture), file.object, 3, fixture->pool), "3");
    for (size_t i = 0; i < JF_TEST_COUNT(sizes); i++) {
        jf_test_refused(jf_store_check(store_of(fixture), file.object, sizes[i], fixture->pool),
                        JF_ERR_IO, "another size");
    }
}

static void test_object_is_loaded_whole_or_not_at_all(void **state)
{
    static const apr_size_t wrong[] = {0, 2, 4, 4096};
    jf_fixture_t *fixture = *state;
    jf_file_t file = jf_fixture_put(fixture, "a", "123", 3);
    jf_file_t empty = jf_fixture_put(fixture, "b", "", 0);
    char content[4096] = "";
    jf_test_ok(jf_store_load(content, store_of(fixture), file.object, 3, fixture->pool), "3");
    assert_string_equal(content, "123");
    jf_test_ok(jf_store_load(content, store_of(fixture), empty.object, 0, fixture->pool), "0");
    for (size_t i = 0; i < JF_TEST_COUNT(wrong); i++) {
        jf_test_refused(
            jf_store_load(content, store_of(fixture), file.object, wrong[i], fixture->pool),
            JF_ERR_IO, "another size");
    }
    jf_test_ok(jf_store_remove(store_of(fixture), file.object, fixture->pool), "remove");
    jf_test_refused(jf_store_load(content, store_of(fixture), file.object, 3, fixture->pool),
                    JF_ERR_IO, "gone");
}

/* ---- the store itself ---- */

static void test_store_is_created_once_and_mended(void **state)
{
    jf_fixture_t *fixture = *state;
    apr_pool_t *pool = fixture->pool;
    const char *lost = apr_pstrcat(pool, fixture->directory, "/objects/7f", NULL);
    struct stat st;
    assert_int_equal(rmdir(lost), 0);
    jf_test_ok(jf_store_create(fixture->directory, pool), "again");
    assert_int_equal(stat(lost, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
}

static void test_missing_directory_is_an_error(void **state)
{
    jf_fixture_t *fixture = *state;
    const char *absent = apr_pstrcat(fixture->pool, fixture->directory, "/absent", NULL);
    jf_store_t *store;
    jf_test_refused(jf_store_create(absent, fixture->pool), JF_ERR_IO, "create");
    jf_test_refused(jf_store_open(&store, absent, 0, fixture->pool), JF_ERR_IO, "open");
    jf_test_refused(jf_store_open(&store, fixture->database, 0, fixture->pool), JF_ERR_IO, "file");
}

static void test_open_stores_leave_no_descriptor(void **state)
{
    jf_fixture_t *fixture = *state;
    int descriptors = jf_fault_count_descriptors();
    for (int i = 0; i < 10; i++) {
        apr_pool_t *pool;
        jf_store_t *store;
        apr_pool_create(&pool, fixture->pool);
        jf_test_ok(jf_store_open(&store, fixture->directory, 1, pool), "open");
        apr_pool_destroy(pool);
    }
    assert_int_equal(jf_fault_count_descriptors(), descriptors);
}

/* ---- the ledger that it belongs to -------------------------------------------------------------
 */

static void test_store_remembers_its_ledger(void **state)
{
    jf_fixture_t *fixture = *state;
    apr_pool_t *pool = fixture->pool;
    const char *directory = apr_pstrcat(pool, fixture->directory, "/objects", NULL);
    const char *note = apr_pstrcat(pool, directory, "/ledger-id", NULL);
    const char *id = "00000000000000000000000000000001";
    const char *other = "00000000000000000000000000000002";
    struct stat st;
    for (int i = 0; i < 2; i++) {
        jf_test_ok(jf_store_bind(directory, id, pool), "first");
        jf_test_ok(jf_store_bind(directory, id, pool), "again");
        jf_test_refused(jf_store_bind(directory, other, pool), JF_ERR_UNAVAILABLE, "another");
        assert_int_equal(stat(note, &st), 0);
        assert_int_equal(st.st_mode & 077, 0);
        assert_int_equal(truncate(note, 0), 0); /* as after a crash in the first moment */
    }
    assert_int_equal(remove(note), 0);
    assert_int_equal(symlink("elsewhere", note), 0);
    assert_non_null(jf_store_bind(directory, id, pool));
    assert_false(jf_fixture_exists(apr_pstrcat(pool, directory, "/elsewhere", NULL)));
}

static const struct CMUnitTest tests[] = {
    JF_FIXTURE_TEST(test_every_length_in_every_piece),
    JF_FIXTURE_TEST(test_single_bytes_are_gathered),
    JF_FIXTURE_CLOSED_TEST(test_durable_store_keeps_the_same_bytes),
    JF_FIXTURE_TEST(test_object_is_for_its_owner_only),
    JF_FIXTURE_TEST(test_object_goes_with_its_pool_unless_kept),
    JF_FIXTURE_TEST(test_discard_may_come_twice_and_too_late),
    JF_FIXTURE_TEST(test_name_that_is_taken_is_refused),
    JF_FIXTURE_TEST(test_removal_is_done_once),
    JF_FIXTURE_TEST(test_check_wants_the_exact_size),
    JF_FIXTURE_TEST(test_object_is_loaded_whole_or_not_at_all),
    JF_FIXTURE_CLOSED_TEST(test_store_is_created_once_and_mended),
    JF_FIXTURE_CLOSED_TEST(test_missing_directory_is_an_error),
    JF_FIXTURE_CLOSED_TEST(test_open_stores_leave_no_descriptor),
    JF_FIXTURE_CLOSED_TEST(test_store_remembers_its_ledger),
};

JF_TEST_MAIN(tests)
