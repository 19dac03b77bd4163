/*
 * What somebody else has put into the store: links, FIFOs, sockets, devices and directories where
 * objects or directories should be. Nothing is followed, opened, waited for or removed elsewhere.
 */
#include "t_fault.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include <apr_strings.h>

#define NAME "ab0123456789abcdef0123456789abcd"
#define SECRET "secret"

/* Opening a FIFO must not hang; if it does, the test dies instead of waiting for ever. */
#define PATIENCE_SECS 60

static jf_store_t *store_of(jf_fixture_t *fixture)
{
    return fixture->service->store;
}

static const char *in_store(jf_fixture_t *fixture, const char *path)
{
    return apr_pstrcat(fixture->pool, fixture->directory, "/", path, NULL);
}

static void write_secret(const char *path)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(SECRET, file) >= 0);
    fclose(file);
}

/* A directory elsewhere, which looks like the store's own and has a file of NAME. */
static const char *make_elsewhere(jf_fixture_t *fixture)
{
    const char *directory = in_store(fixture, "elsewhere");
    const char *fan_out = apr_pstrcat(fixture->pool, directory, "/ab", NULL);
    assert_int_equal(mkdir(directory, 0700), 0);
    assert_int_equal(mkdir(fan_out, 0700), 0);
    write_secret(apr_pstrcat(fixture->pool, fan_out, "/" NAME, NULL));
    return directory;
}

/* ---- in the place of an object ---- */

static void plant_link(const char *path)
{
    assert_int_equal(symlink("../../secret", path), 0);
}

static void plant_dangling_link(const char *path)
{
    assert_int_equal(symlink("../../absent", path), 0);
}

static void plant_fifo(const char *path)
{
    assert_int_equal(mkfifo(path, 0600), 0);
}

static void plant_directory(const char *path)
{
    assert_int_equal(mkdir(path, 0700), 0);
}

static void plant_socket(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    apr_cpystrn(address.sun_path, path, sizeof(address.sun_path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    close(fd);
}

/* Only root can make one, and only root is endangered by one. */
static void plant_device(const char *path)
{
    if (geteuid() == 0) {
        assert_int_equal(mknod(path, S_IFCHR | 0600, makedev(1, 5)), 0);
    } else {
        plant_fifo(path);
    }
}

static const struct {
    const char *name;
    void (*plant)(const char *path);
} plants[] = {
    {"a link", plant_link},     {"a dangling link", plant_dangling_link},
    {"a FIFO", plant_fifo},     {"a directory", plant_directory},
    {"a socket", plant_socket}, {"a device", plant_device},
};

static void check_plant(jf_fixture_t *fixture, size_t number)
{
    apr_pool_t *pool = fixture->pool;
    const char *what = plants[number].name;
    const char *path = jf_fixture_object_path(fixture, NAME);
    jf_object_t *object;
    int fd = -1;
    plants[number].plant(path);
    jf_test_refused(jf_store_new_object(&object, store_of(fixture), NAME, pool), JF_ERR_IO, what);
    jf_test_refused(jf_store_check(store_of(fixture), NAME, (apr_int64_t)strlen(SECRET), pool),
                    JF_ERR_IO, what);
    jf_test_refused(jf_store_check(store_of(fixture), NAME, 0, pool), JF_ERR_IO, what);
    jf_test_refused(jf_store_open_object(&fd, store_of(fixture), NAME, pool), JF_ERR_IO, what);
    assert_true(jf_fixture_exists(path));
    assert_int_equal(remove(path), 0);
}

static void test_what_is_planted_as_object_is_not_used(void **state)
{
    jf_fixture_t *fixture = *state;
    write_secret(in_store(fixture, "secret"));
    int descriptors = jf_fault_count_descriptors();
    alarm(PATIENCE_SECS);
    for (size_t i = 0; i < JF_TEST_COUNT(plants); i++) {
        check_plant(fixture, i);
    }
    alarm(0);
    assert_int_equal(jf_fault_count_descriptors(), descriptors);
    assert_false(jf_fixture_exists(in_store(fixture, "absent")));
}

static void test_removal_of_a_link_leaves_its_target(void **state)
{
    jf_fixture_t *fixture = *state;
    const char *path = jf_fixture_object_path(fixture, NAME);
    write_secret(in_store(fixture, "secret"));
    plant_link(path);
    jf_test_ok(jf_store_remove(store_of(fixture), NAME, fixture->pool), "a link");
    assert_false(jf_fixture_exists(path));
    assert_true(jf_fixture_exists(in_store(fixture, "secret")));
}

/* ---- in the place of a directory ---- */

static jf_err_t *count_visit(void *baton, const jf_store_entry_t *entry, apr_pool_t *pool)
{
    (void)entry;
    (void)pool;
    ++*(int *)baton;
    return NULL;
}

/* @a place is a link to a directory elsewhere that has a file of NAME. */
static void check_linked_directory(jf_fixture_t *fixture, const char *place, const char *elsewhere)
{
    apr_pool_t *pool = fixture->pool;
    const char *victim = apr_pstrcat(pool, elsewhere, "/" NAME, NULL);
    const char *other = "ab00000000000000000000000000000f";
    const char *made = apr_pstrcat(pool, elsewhere, "/", other, NULL);
    jf_object_t *object;
    int fd, visits = 0;
    jf_test_refused(jf_store_new_object(&object, store_of(fixture), other, pool), JF_ERR_IO, place);
    assert_false(jf_fixture_exists(made));
    jf_test_refused(jf_store_check(store_of(fixture), NAME, (apr_int64_t)strlen(SECRET), pool),
                    JF_ERR_IO, place);
    jf_test_refused(jf_store_open_object(&fd, store_of(fixture), NAME, pool), JF_ERR_IO, place);

    jf_err_t *walk_err = jf_store_walk(store_of(fixture), 0xab, count_visit, &visits, pool);
    jf_err_t *remove_err = jf_store_remove(store_of(fixture), NAME, pool);
    if (!jf_fixture_exists(victim)) {
        fail_msg("%s is a link: a file behind it was removed", place);
    }
    if (visits > 0) {
        fail_msg("%s is a link: the walk has followed it", place);
    }
    jf_test_refused(walk_err, JF_ERR_IO, place);
    jf_test_refused(remove_err, JF_ERR_IO, place);
}

static void test_linked_fan_out_directory_is_not_followed(void **state)
{
    jf_fixture_t *fixture = *state;
    const char *elsewhere = make_elsewhere(fixture);
    const char *target = apr_pstrcat(fixture->pool, elsewhere, "/ab", NULL);
    const char *place = in_store(fixture, "objects/ab");
    assert_int_equal(rmdir(place), 0);
    assert_int_equal(symlink(target, place), 0);
    check_linked_directory(fixture, place, target);
}

static void test_linked_objects_directory_is_not_followed(void **state)
{
    jf_fixture_t *fixture = *state;
    const char *elsewhere = make_elsewhere(fixture);
    const char *place = in_store(fixture, "objects");
    assert_int_equal(rename(place, in_store(fixture, "aside")), 0);
    assert_int_equal(symlink(elsewhere, place), 0);
    check_linked_directory(fixture, place, apr_pstrcat(fixture->pool, elsewhere, "/ab", NULL));
}

static void test_creation_refuses_what_is_no_directory(void **state)
{
    jf_fixture_t *fixture = *state;
    static const char *const places[] = {"alive", "objects/00", "objects/ff"};
    static void (*const kinds[])(const char *) = {plant_link, plant_dangling_link, plant_fifo,
                                                  write_secret};
    for (size_t i = 0; i < JF_TEST_COUNT(places); i++) {
        const char *place = in_store(fixture, places[i]);
        for (size_t j = 0; j < JF_TEST_COUNT(kinds); j++) {
            assert_int_equal(remove(place), 0);
            kinds[j](place);
            jf_test_refused(jf_store_create(fixture->directory, fixture->pool), JF_ERR_IO, place);
        }
        assert_int_equal(remove(place), 0);
        assert_int_equal(mkdir(place, 0700), 0);
    }
    assert_false(jf_fixture_exists(in_store(fixture, "absent")));
}

/* ---- walking ---- */

typedef struct seen_t {
    int objects;
    int others;
    jf_store_entry_t object;
} seen_t;

static jf_err_t *see(void *baton, const jf_store_entry_t *entry, apr_pool_t *pool)
{
    seen_t *seen = baton;
    (void)pool;
    if (entry->is_object) {
        seen->objects++;
        seen->object = *entry;
        assert_string_equal(entry->name, NAME);
    } else {
        seen->others++;
    }
    return NULL;
}

static void test_walk_tells_objects_from_others(void **state)
{
    jf_fixture_t *fixture = *state;
    static const char *const names[] = {"ab0000000000000000000000000000", "README", ".hidden",
                                        "AB0123456789ABCDEF0123456789ABCD",
                                        "ab0123456789abcdef0123456789abcd0"};
    write_secret(jf_fixture_object_path(fixture, NAME));
    for (size_t i = 0; i < JF_TEST_COUNT(names); i++) {
        write_secret(apr_pstrcat(fixture->pool, in_store(fixture, "objects/ab/"), names[i], NULL));
    }
    for (size_t i = 0; i < JF_TEST_COUNT(plants); i++) {
        plants[i].plant(apr_psprintf(fixture->pool, "%sab00000000000000000000000000000%d",
                                     in_store(fixture, "objects/ab/"), (int)i));
    }
    seen_t seen = {0};
    jf_test_ok(jf_store_walk(store_of(fixture), 0xab, see, &seen, fixture->pool), "ab");
    assert_int_equal(seen.objects, 1);
    assert_int_equal(seen.others, JF_TEST_COUNT(names) + JF_TEST_COUNT(plants));
    assert_int_equal(seen.object.size_bytes, strlen(SECRET));
    struct stat st;
    assert_int_equal(stat(jf_fixture_object_path(fixture, NAME), &st), 0);
    assert_int_equal(seen.object.modified_us / APR_USEC_PER_SEC, st.st_mtime);
}

static jf_err_t *stop(void *baton, const jf_store_entry_t *entry, apr_pool_t *pool)
{
    (void)entry;
    ++*(int *)baton;
    return jf_err_make(JF_ERR_BUSY, APR_SUCCESS, pool, "enough");
}

static void test_walk_ends_with_the_error_of_a_visit(void **state)
{
    jf_fixture_t *fixture = *state;
    int visits = 0, descriptors = jf_fault_count_descriptors();
    write_secret(in_store(fixture, "objects/ab/1"));
    write_secret(in_store(fixture, "objects/ab/2"));
    jf_test_refused(jf_store_walk(store_of(fixture), 0xab, stop, &visits, fixture->pool),
                    JF_ERR_BUSY, "ab");
    assert_int_equal(visits, 1);
    assert_int_equal(jf_fault_count_descriptors(), descriptors);
}

static const struct CMUnitTest tests[] = {
    JF_FIXTURE_TEST(test_what_is_planted_as_object_is_not_used),
    JF_FIXTURE_TEST(test_removal_of_a_link_leaves_its_target),
    JF_FIXTURE_TEST(test_linked_fan_out_directory_is_not_followed),
    JF_FIXTURE_TEST(test_linked_objects_directory_is_not_followed),
    JF_FIXTURE_TEST(test_creation_refuses_what_is_no_directory),
    JF_FIXTURE_TEST(test_walk_tells_objects_from_others),
    JF_FIXTURE_TEST(test_walk_ends_with_the_error_of_a_visit),
};

JF_TEST_MAIN(tests)
