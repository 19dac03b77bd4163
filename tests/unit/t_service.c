#include "t_fault.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_strings.h>

static const jf_precondition_t always = {0};

/* A directory where the bytes of @a file were: something that jf_store_remove cannot remove. */
static void make_unremovable(jf_fixture_t *fixture, const jf_file_t *file)
{
    assert_int_equal(remove(jf_fixture_object_path(fixture, file->object)), 0);
    assert_int_equal(mkdir(jf_fixture_object_path(fixture, file->object), 0700), 0);
}

/* ---- opening -----------------------------------------------------------------------------------
 */

static void test_creating_again_keeps_the_files(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_file_t file = jf_fixture_put(fixture, "a", "content", 7);
    jf_fixture_close(fixture);
    jf_test_ok(jf_service_create(fixture->directory, fixture->database, fixture->pool), "again");
    jf_test_ok(jf_fixture_open(fixture, JF_DURABILITY_FULL), "open");
    jf_fixture_expect_content(fixture, &file, "content", 7);
    jf_fixture_expect(fixture, 7, 0, 1);
}

static void test_process_is_alive_from_its_first_upload_until_it_closes(void **state)
{
    jf_fixture_t *fixture = *state;
    const char *alive_directory = apr_pstrcat(fixture->pool, fixture->directory, "/alive", NULL);
    const char *name, *again;
    int descriptors = jf_fault_count_descriptors();
    int is_alive = -1;
    jf_test_ok(jf_fixture_open(fixture, JF_DURABILITY_FULL), "open");
    jf_test_ok(jf_service_instance(&name, fixture->service, fixture->pool), "instance");
    jf_test_ok(jf_service_instance(&again, fixture->service, fixture->pool), "instance");
    assert_string_equal(name, again);
    name = apr_pstrdup(fixture->pool, name);
    jf_test_ok(jf_alive_check(&is_alive, alive_directory, name, fixture->pool), name);
    assert_int_equal(is_alive, 1);
    jf_fixture_close(fixture);
    jf_test_ok(jf_alive_check(&is_alive, alive_directory, name, fixture->pool), name);
    assert_int_equal(is_alive, 0);
    assert_int_equal(jf_fault_count_descriptors(), descriptors);
}

static void test_store_that_is_not_there(void **state)
{
    jf_fixture_t *fixture = *state;
    apr_pool_t *pool;
    jf_service_t *service;
    apr_pool_create(&pool, fixture->pool);
    const char *absent = apr_pstrcat(pool, fixture->directory, "/absent", NULL);
    int descriptors = jf_fault_count_descriptors();
    jf_test_refused(jf_service_open(&service, absent, fixture->database, JF_DURABILITY_FULL, pool),
                    JF_ERR_IO, "open");
    jf_test_refused(jf_service_create(absent, fixture->database, pool), JF_ERR_IO, "create");
    apr_pool_destroy(pool);
    assert_int_equal(jf_fault_count_descriptors(), descriptors);
}

/* A disk that was full at the start must not stop downloads, nor uploads once there is room. What
 * gets no promise needs no mark. */
static void test_process_that_cannot_be_alive_yet_still_serves(void **state)
{
    jf_fixture_t *fixture = *state;
    const char *alive = apr_pstrcat(fixture->pool, fixture->directory, "/alive", NULL);
    jf_upload_request_t request = jf_fixture_request("a", 1);
    jf_upload_t *upload;
    jf_file_t file;
    int created;
    request.needs_area = 1;
    assert_int_equal(rmdir(alive), 0);
    jf_test_ok(jf_fixture_open(fixture, JF_DURABILITY_FULL), "open");
    jf_test_refused(jf_upload_begin(&upload, fixture->service, &request, JF_NOW_US, fixture->pool),
                    JF_ERR_IO, "an upload");
    jf_test_refused(
        jf_ledger_file_by_path(&file, fixture->ledger, JF_ALICE, "a", JF_NOW_US, fixture->pool),
        JF_ERR_NOT_FOUND, "a download");
    file = jf_fixture_put(fixture, "small", "x", 1);
    jf_fixture_expect_content(fixture, &file, "x", 1);
    assert_int_equal(mkdir(alive, 0700), 0);
    jf_test_ok(jf_upload_begin(&upload, fixture->service, &request, JF_NOW_US, fixture->pool), "a");
    jf_test_ok(jf_upload_write(upload, "y", 1), "a");
    jf_test_ok(jf_upload_finish(&file, &created, upload, JF_NOW_US), "a");
    jf_fixture_expect_content(fixture, &file, "y", 1);
}

/* A store that was swept by the ledger of another would lose everything. */
static void test_store_belongs_to_one_ledger(void **state)
{
    jf_fixture_t *fixture = *state;
    apr_pool_t *pool = fixture->pool;
    const char *other = apr_pstrcat(pool, fixture->directory, "/other.db", NULL);
    const char *copy = apr_pstrcat(pool, fixture->directory, "/copy.db", NULL);
    jf_test_refused(jf_service_create(fixture->directory, other, pool), JF_ERR_UNAVAILABLE,
                    "a new ledger");
    jf_test_ok(jf_service_create(fixture->directory, fixture->database, pool), "its own");
    jf_test_ok(jf_fixture_open(fixture, JF_DURABILITY_FULL), "open");
    jf_test_ok(jf_ledger_backup(fixture->ledger, copy, pool), "backup");
    jf_test_ok(jf_service_create(fixture->directory, copy, pool), "its own, from a backup");
}

/* A thread that outlives the pool may still ask the ledger. */
static void test_ledger_outlives_the_pool(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_fixture_row(fixture, "a", 5, JF_NEVER);
    jf_service_t service = *fixture->service;
    apr_pool_destroy(fixture->service_pool);
    fixture->service = NULL;
    jf_fixture_expect(fixture, 5, 0, 1);
    jf_service_close(&service);
}

/* ---- removing ----------------------------------------------------------------------------------
 */

static void test_removed_file_leaves_neither_row_nor_bytes(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_precondition_t none = jf_fixture_if_none();
    jf_file_t file = jf_fixture_put(fixture, "a", "content", 7);
    jf_test_refused(
        jf_service_remove_file(fixture->service, JF_ALICE, "a", &none, JF_NOW_US, fixture->pool),
        JF_ERR_PRECONDITION, "a condition");
    jf_test_refused(
        jf_service_remove_file(fixture->service, JF_BOB, "a", &always, JF_NOW_US, fixture->pool),
        JF_ERR_NOT_FOUND, "bob");
    jf_fixture_expect_content(fixture, &file, "content", 7);

    jf_test_ok(
        jf_service_remove_file(fixture->service, JF_ALICE, "a", &always, JF_NOW_US, fixture->pool),
        "a");
    assert_false(jf_fixture_exists(jf_fixture_object_path(fixture, file.object)));
    jf_fixture_expect(fixture, 0, 0, 0);
    jf_test_refused(
        jf_service_remove_file(fixture->service, JF_ALICE, "a", &always, JF_NOW_US, fixture->pool),
        JF_ERR_NOT_FOUND, "again");
}

/* The file is gone for everybody; what is left of it is the sweep's business, not the user's. */
static void test_removal_succeeds_when_only_the_bytes_stay(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_file_t file = jf_fixture_put(fixture, "a", "content", 7);
    make_unremovable(fixture, &file);
    jf_test_ok(
        jf_service_remove_file(fixture->service, JF_ALICE, "a", &always, JF_NOW_US, fixture->pool),
        "bytes that cannot be removed");
    jf_fixture_expect(fixture, 0, 0, 0);
}

/* While there are uploads in flight, with a promise or without. */
static void remove_area_of_alice(jf_fixture_t *fixture, int is_promised)
{
    jf_upload_request_t request = jf_fixture_request("c", 100);
    jf_upload_request_t of_bob = jf_fixture_request("a", 3);
    jf_upload_t *upload, *upload_of_bob;
    jf_file_t file;
    jf_area_t area;
    int created;
    request.needs_area = of_bob.needs_area = is_promised;
    jf_test_ok(jf_upload_begin(&upload, fixture->service, &request, JF_NOW_US, fixture->pool), "c");
    jf_test_ok(jf_upload_write(upload, "half", 4), "c");
    of_bob.jid = JF_BOB;
    jf_test_ok(jf_upload_begin(&upload_of_bob, fixture->service, &of_bob, JF_NOW_US, fixture->pool),
               "bob");
    jf_test_ok(jf_upload_write(upload_of_bob, "bob", 3), "bob");
    jf_fixture_put(fixture, "a", "first", 5);
    jf_fixture_put(fixture, "b", "second", 6);

    jf_test_ok(jf_service_remove_area(fixture->service, JF_ALICE, fixture->pool), "alice");
    jf_test_refused(jf_ledger_area_get(&area, fixture->ledger, JF_ALICE, fixture->pool),
                    JF_ERR_NOT_FOUND, "alice");
    jf_upload_abort(upload);
    assert_int_equal(jf_fixture_count_objects(fixture), is_promised);
    jf_test_ok(jf_upload_finish(&file, &created, upload_of_bob, JF_NOW_US), "bob");
    jf_fixture_expect_content(fixture, &file, "bob", 3);
    jf_test_refused(jf_service_remove_area(fixture->service, JF_ALICE, fixture->pool),
                    JF_ERR_NOT_FOUND, "again");
}

static void test_removed_area_leaves_nothing(void **state)
{
    jf_fixture_t *fixture = *state;
    for (int is_promised = 0; is_promised <= 1; is_promised++) {
        remove_area_of_alice(fixture, is_promised);
        jf_test_ok(jf_service_remove_area(fixture->service, JF_BOB, fixture->pool), "bob");
        assert_int_equal(jf_fixture_count_objects(fixture), 0);
    }
}

static void test_all_objects_are_tried(void **state)
{
    jf_fixture_t *fixture = *state;
    apr_array_header_t *objects = apr_array_make(fixture->pool, 4, sizeof(const char *));
    for (int i = 0; i < 4; i++) {
        jf_file_t file = jf_fixture_put(fixture, apr_psprintf(fixture->pool, "%d", i), "x", 1);
        APR_ARRAY_PUSH(objects, const char *) = file.object;
        if (i == 1) {
            make_unremovable(fixture, &file);
        }
    }
    jf_test_refused(jf_service_remove_objects(fixture->service, objects, fixture->pool), JF_ERR_IO,
                    "one of them is a directory");
    assert_int_equal(jf_fixture_count_objects(fixture), 1);
}

static const struct CMUnitTest tests[] = {
    JF_FIXTURE_TEST(test_creating_again_keeps_the_files),
    JF_FIXTURE_CLOSED_TEST(test_process_is_alive_from_its_first_upload_until_it_closes),
    JF_FIXTURE_CLOSED_TEST(test_store_that_is_not_there),
    JF_FIXTURE_CLOSED_TEST(test_process_that_cannot_be_alive_yet_still_serves),
    JF_FIXTURE_CLOSED_TEST(test_store_belongs_to_one_ledger),
    JF_FIXTURE_TEST(test_ledger_outlives_the_pool),
    JF_FIXTURE_TEST(test_removed_file_leaves_neither_row_nor_bytes),
    JF_FIXTURE_TEST(test_removal_succeeds_when_only_the_bytes_stay),
    JF_FIXTURE_TEST(test_removed_area_leaves_nothing),
    JF_FIXTURE_TEST(test_all_objects_are_tried),
};

JF_TEST_MAIN(tests)
