#include "t_fixture.h"

#include <string.h>

#include <apr_strings.h>

#include "jf_token.h"

#define LATER_US (JF_NOW_US + 1000)

/* Settles a new content at @a path; what is replaced is in @a replaced. */
static jf_file_t replace(const char **replaced, int *created, jf_fixture_t *fixture,
                         const char *path, apr_int64_t size_bytes, apr_time_t now_us)
{
    jf_reserve_t reserve = jf_fixture_reserve(path, size_bytes, fixture->pool);
    jf_settle_t settle = jf_fixture_settle(reserve.object, size_bytes, fixture->pool);
    apr_int64_t promised_bytes;
    jf_file_t file;
    jf_test_ok(jf_ledger_reserve(&promised_bytes, fixture->ledger, &reserve, now_us, fixture->pool),
               path);
    jf_test_ok(
        jf_ledger_settle(&file, replaced, created, fixture->ledger, &settle, now_us, fixture->pool),
        path);
    return file;
}

static jf_err_t *by_token(jf_fixture_t *fixture, const char *token, apr_time_t now_us)
{
    jf_file_t file;
    return jf_ledger_file_by_token(&file, fixture->ledger, token, now_us, fixture->pool);
}

static jf_err_t *by_path(jf_fixture_t *fixture, const char *path, apr_time_t now_us)
{
    jf_file_t file;
    return jf_ledger_file_by_path(&file, fixture->ledger, JF_ALICE, path, now_us, fixture->pool);
}

static jf_err_t *remove_path(jf_fixture_t *fixture, const char *path, jf_precondition_t condition,
                             apr_time_t now_us)
{
    const char *object;
    return jf_ledger_file_remove(&object, fixture->ledger, JF_ALICE, path, &condition, now_us,
                                 fixture->pool);
}

/* ---- rows ---- */

static void test_file_comes_back_as_it_went_in(void **state)
{
    jf_fixture_t *fixture = *state;
    apr_pool_t *pool = fixture->pool;
    const unsigned char *sha256 = (const unsigned char *)jf_fixture_bytes(3, 32, pool);
    jf_reserve_t reserve = jf_fixture_reserve("a/\xC3\xBC 'x\".txt", 5, pool);
    jf_settle_t settle = jf_fixture_settle(reserve.object, 5, pool);
    settle.sha256 = sha256;
    settle.expires_us = LATER_US;
    settle.media_type = "text/plain; charset=\"utf-8\"";
    apr_int64_t promised_bytes;
    jf_file_t file, found;
    const char *replaced = "x";
    int created = 0;
    jf_test_ok(jf_ledger_reserve(&promised_bytes, fixture->ledger, &reserve, JF_NOW_US, pool),
               "reserve");
    jf_test_ok(
        jf_ledger_settle(&file, &replaced, &created, fixture->ledger, &settle, JF_NOW_US, pool),
        "settle");
    assert_null(replaced);
    assert_int_equal(created, 1);
    assert_string_equal(file.path, reserve.path);
    assert_string_equal(file.token, settle.token);
    assert_string_equal(file.jid, JF_ALICE);
    assert_int_equal(file.created_us, JF_NOW_US);
    assert_int_equal(file.expires_us, LATER_US);

    jf_test_ok(jf_ledger_file_by_token(&found, fixture->ledger, settle.token, JF_NOW_US, pool),
               "token");
    jf_fixture_expect_same(&found, &file);
    assert_memory_equal(found.sha256, sha256, 32);
    jf_test_ok(
        jf_ledger_file_by_path(&found, fixture->ledger, JF_ALICE, reserve.path, JF_NOW_US, pool),
        "path");
    jf_fixture_expect_same(&found, &file);
    assert_memory_equal(found.sha256, sha256, 32);
}

static void test_unknown_names_are_not_found(void **state)
{
    jf_fixture_t *fixture = *state;
    static const char *const paths[] = {"", "A", "a ", "a/", "b", "a%00", "*", "_"};
    jf_file_t file = jf_fixture_row(fixture, "a", 5, JF_NEVER);
    for (size_t i = 0; i < JF_TEST_COUNT(paths); i++) {
        jf_test_refused(by_path(fixture, paths[i], JF_NOW_US), JF_ERR_NOT_FOUND, paths[i]);
        jf_test_refused(remove_path(fixture, paths[i], (jf_precondition_t){0}, JF_NOW_US),
                        JF_ERR_NOT_FOUND, paths[i]);
    }
    const char *tokens[] = {"", "x", apr_pstrndup(fixture->pool, file.token, 21),
                            apr_pstrcat(fixture->pool, file.token, "A", NULL), file.object};
    for (size_t i = 0; i < JF_TEST_COUNT(tokens); i++) {
        jf_test_refused(by_token(fixture, tokens[i], JF_NOW_US), JF_ERR_NOT_FOUND, tokens[i]);
    }
    jf_test_refused(
        jf_ledger_file_by_path(&file, fixture->ledger, JF_BOB, "a", JF_NOW_US, fixture->pool),
        JF_ERR_NOT_FOUND, "bob");
}

static void test_link_survives_a_replacement_of_the_content(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_file_t old = jf_fixture_row(fixture, "a", 5, JF_NEVER);
    const char *replaced;
    int created = -1;
    jf_file_t file = replace(&replaced, &created, fixture, "a", 9, LATER_US);
    assert_int_equal(created, 0);
    assert_string_equal(replaced, old.object);
    assert_string_equal(file.token, old.token);
    assert_string_not_equal(file.object, old.object);

    jf_file_t found;
    jf_test_ok(jf_ledger_file_by_token(&found, fixture->ledger, old.token, LATER_US, fixture->pool),
               "the link");
    jf_fixture_expect_same(&found, &file);
    jf_fixture_expect(fixture, 9, 0, 1);
}

/* ---- expiry ---- */

static void test_expired_file_is_not_there(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_file_t file = jf_fixture_row(fixture, "a", 5, LATER_US);
    apr_array_header_t *files;
    static const struct {
        apr_time_t now_us;
        int is_there;
    } moments[] = {{JF_NOW_US, 1}, {LATER_US - 1, 1}, {LATER_US, 0}, {LATER_US + 1, 0}};

    for (size_t i = 0; i < JF_TEST_COUNT(moments); i++) {
        apr_time_t now_us = moments[i].now_us;
        assert_int_equal(!by_path(fixture, "a", now_us), moments[i].is_there);
        assert_int_equal(!by_token(fixture, file.token, now_us), moments[i].is_there);
        jf_test_ok(jf_ledger_file_list(&files, fixture->ledger, JF_ALICE, "", "", 10, now_us,
                                       fixture->pool),
                   "list");
        assert_int_equal(files->nelts, moments[i].is_there);
    }
    jf_test_refused(remove_path(fixture, "a", (jf_precondition_t){0}, LATER_US), JF_ERR_NOT_FOUND,
                    "remove");
    jf_test_refused(remove_path(fixture, "a", jf_fixture_if_any(), LATER_US), JF_ERR_PRECONDITION,
                    "remove if it is there");
    jf_fixture_expect(fixture, 5, 0, 1);
}

static void test_link_does_not_survive_expiry(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_file_t old = jf_fixture_row(fixture, "a", 5, LATER_US);
    const char *replaced;
    int created = -1;
    jf_file_t file = replace(&replaced, &created, fixture, "a", 9, LATER_US);
    assert_int_equal(created, 1);
    assert_string_equal(replaced, old.object);
    assert_string_not_equal(file.token, old.token);
    jf_test_refused(by_token(fixture, old.token, LATER_US), JF_ERR_NOT_FOUND, "the old link");
    jf_test_refused(by_token(fixture, old.token, JF_NOW_US), JF_ERR_NOT_FOUND, "with a slow clock");
    jf_test_ok(by_token(fixture, file.token, LATER_US), "the new link");
    jf_fixture_expect(fixture, 9, 0, 1);
}

static void test_expired_files_go_in_batches(void **state)
{
    jf_fixture_t *fixture = *state;
    static const int batches[] = {3, 3, 1, 0};
    for (int i = 0; i < 7; i++) {
        jf_fixture_row(fixture, apr_psprintf(fixture->pool, "old%d", i), 5, LATER_US - i);
    }
    jf_fixture_row(fixture, "young", 6, LATER_US + 1);
    jf_fixture_row(fixture, "forever", 7, JF_NEVER);
    for (size_t i = 0; i < JF_TEST_COUNT(batches); i++) {
        apr_array_header_t *objects;
        jf_test_ok(jf_ledger_file_expire(&objects, fixture->ledger, 3, LATER_US, fixture->pool),
                   "expire");
        assert_int_equal(objects->nelts, batches[i]);
        for (int j = 0; j < objects->nelts; j++) {
            int is_known = -1;
            jf_test_ok(jf_ledger_object_is_known(&is_known, fixture->ledger,
                                                 APR_ARRAY_IDX(objects, j, const char *),
                                                 fixture->pool),
                       "known");
            assert_int_equal(is_known, 0);
        }
    }
    jf_fixture_expect(fixture, 13, 0, 2);
}

/* ---- lists ---- */

/* The paths of a list, each followed by a bar. */
static const char *list(jf_fixture_t *fixture, const char *prefix, const char *after, int limit)
{
    apr_array_header_t *files;
    jf_test_ok(jf_ledger_file_list(&files, fixture->ledger, JF_ALICE, prefix, after, limit,
                                   JF_NOW_US, fixture->pool),
               prefix);
    const char *paths = "";
    for (int i = 0; i < files->nelts; i++) {
        const jf_file_t *file = &APR_ARRAY_IDX(files, i, jf_file_t);
        assert_string_equal(file->jid, JF_ALICE);
        paths = apr_pstrcat(fixture->pool, paths, file->path, "|", NULL);
    }
    return paths;
}

static void test_list_is_bytewise_by_prefix_and_page(void **state)
{
    jf_fixture_t *fixture = *state;
    static const char *const paths[] = {"b",   "a/b", "a",    "a.c",          "a/",  "a/a/c",
                                        "a0x", "%",   "a%_x", "\xC3\xBF.txt", "Ab0", "\x7F"};
    static const struct {
        const char *prefix;
        const char *after;
        int limit;
        const char *expected;
    } cases[] = {
        {"", "", 99, "%|Ab0|a|a%_x|a.c|a/|a/a/c|a/b|a0x|b|\x7F|\xC3\xBF.txt|"},
        {"", "", 0, ""},
        {"", "", 3, "%|Ab0|a|"},
        {"", "a", 3, "a%_x|a.c|a/|"},
        {"", "a/", 2, "a/a/c|a/b|"},
        {"", "a/a", 1, "a/a/c|"},
        {"", "\xC3\xBF.txt", 9, ""},
        {"a", "", 99, "a|a%_x|a.c|a/|a/a/c|a/b|a0x|"},
        {"a/", "", 99, "a/|a/a/c|a/b|"},
        {"a/", "a/", 99, "a/a/c|a/b|"},
        {"a/", "a/a/c", 99, "a/b|"},
        {"a/", "b", 99, ""},
        {"a/", "%", 99, "a/|a/a/c|a/b|"},
        {"%", "", 99, "%|"},
        {"a%", "", 99, "a%_x|"},
        {"a_", "", 99, ""},
        {"\x7F", "", 99, "\x7F|"},
        {"\xC3\xBF", "", 99, "\xC3\xBF.txt|"},
        {"c", "", 99, ""},
    };
    for (size_t i = 0; i < JF_TEST_COUNT(paths); i++) {
        jf_fixture_row(fixture, paths[i], 1, JF_NEVER);
    }
    const char *replaced;
    int created;
    replace(&replaced, &created, fixture, "b", 2, JF_NOW_US);
    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        assert_string_equal(list(fixture, cases[i].prefix, cases[i].after, cases[i].limit),
                            cases[i].expected);
    }
}

static void test_each_goes_through_all_areas_and_expired_files(void **state)
{
    jf_fixture_t *fixture = *state;
    apr_pool_t *pool = fixture->pool;
    for (int i = 0; i < 5; i++) {
        jf_fixture_row(fixture, apr_psprintf(pool, "%d", i), 1, i % 2 ? JF_NEVER : JF_NOW_US - 1);
    }
    jf_reserve_t of_bob = jf_fixture_reserve("x", 1, pool);
    jf_settle_t settle = jf_fixture_settle(of_bob.object, 1, pool);
    of_bob.jid = JF_BOB;
    apr_int64_t promised_bytes;
    jf_file_t file;
    const char *replaced;
    int created;
    jf_test_ok(jf_ledger_reserve(&promised_bytes, fixture->ledger, &of_bob, JF_NOW_US, pool), "b");
    jf_test_ok(
        jf_ledger_settle(&file, &replaced, &created, fixture->ledger, &settle, JF_NOW_US, pool),
        "b");

    const char *after = "";
    int count = 0, of_bob_count = 0;
    apr_array_header_t *page;
    do {
        jf_test_ok(jf_ledger_file_each(&page, fixture->ledger, after, 4, pool), after);
        for (int i = 0; i < page->nelts; i++) {
            const jf_file_t *each = &APR_ARRAY_IDX(page, i, jf_file_t);
            assert_true(strcmp(each->object, after) > 0);
            after = each->object;
            of_bob_count += strcmp(each->jid, JF_BOB) == 0;
            count++;
        }
    } while (page->nelts > 0);
    assert_int_equal(count, 6);
    assert_int_equal(of_bob_count, 1);
}

/* ---- removal ---- */

static void test_removal_judges_its_precondition(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_file_t file = jf_fixture_row(fixture, "a", 5, JF_NEVER);
    jf_precondition_t any = jf_fixture_if_any();
    const char *object = "untouched";
    jf_test_refused(remove_path(fixture, "a", jf_fixture_if_none(), JF_NOW_US), JF_ERR_PRECONDITION,
                    "none");
    jf_fixture_expect(fixture, 5, 0, 1);
    jf_test_ok(jf_ledger_file_remove(&object, fixture->ledger, JF_ALICE, "a", &any, JF_NOW_US,
                                     fixture->pool),
               "any");
    assert_string_equal(object, file.object);
    jf_fixture_expect(fixture, 0, 0, 0);
    jf_test_refused(remove_path(fixture, "a", any, JF_NOW_US), JF_ERR_PRECONDITION, "gone");
    jf_test_refused(remove_path(fixture, "a", jf_fixture_if_none(), JF_NOW_US), JF_ERR_NOT_FOUND,
                    "gone");
}

static void test_forgotten_object_takes_its_file_along(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_file_t file = jf_fixture_row(fixture, "a", 5, JF_NEVER);
    jf_fixture_row(fixture, "b", 6, JF_NEVER);
    jf_test_ok(jf_ledger_file_forget(fixture->ledger, "no such object", fixture->pool), "unknown");
    jf_test_ok(jf_ledger_file_forget(fixture->ledger, file.object, fixture->pool), "a");
    jf_test_ok(jf_ledger_file_forget(fixture->ledger, file.object, fixture->pool), "a again");
    jf_test_refused(by_token(fixture, file.token, JF_NOW_US), JF_ERR_NOT_FOUND, "a");
    jf_fixture_expect(fixture, 6, 0, 1);
}

static void test_object_is_known_from_promise_to_removal(void **state)
{
    jf_fixture_t *fixture = *state;
    apr_pool_t *pool = fixture->pool;
    jf_reserve_t reserve = jf_fixture_reserve("a", 5, pool);
    jf_settle_t settle = jf_fixture_settle(reserve.object, 5, pool);
    apr_int64_t promised_bytes;
    jf_file_t file;
    const char *replaced;
    int created, is_known = -1;
    jf_test_ok(jf_ledger_object_is_known(&is_known, fixture->ledger, reserve.object, pool), "0");
    assert_int_equal(is_known, 0);
    jf_test_ok(jf_ledger_reserve(&promised_bytes, fixture->ledger, &reserve, JF_NOW_US, pool), "1");
    jf_test_ok(jf_ledger_object_is_known(&is_known, fixture->ledger, reserve.object, pool), "1");
    assert_int_equal(is_known, 1);
    jf_test_ok(
        jf_ledger_settle(&file, &replaced, &created, fixture->ledger, &settle, JF_NOW_US, pool),
        "2");
    jf_test_ok(jf_ledger_object_is_known(&is_known, fixture->ledger, reserve.object, pool), "2");
    assert_int_equal(is_known, 1);
    jf_test_ok(remove_path(fixture, "a", (jf_precondition_t){0}, JF_NOW_US), "3");
    jf_test_ok(jf_ledger_object_is_known(&is_known, fixture->ledger, reserve.object, pool), "3");
    assert_int_equal(is_known, 0);
}

static const struct CMUnitTest tests[] = {
    JF_FIXTURE_TEST(test_file_comes_back_as_it_went_in),
    JF_FIXTURE_TEST(test_unknown_names_are_not_found),
    JF_FIXTURE_TEST(test_link_survives_a_replacement_of_the_content),
    JF_FIXTURE_TEST(test_expired_file_is_not_there),
    JF_FIXTURE_TEST(test_link_does_not_survive_expiry),
    JF_FIXTURE_TEST(test_expired_files_go_in_batches),
    JF_FIXTURE_TEST(test_list_is_bytewise_by_prefix_and_page),
    JF_FIXTURE_TEST(test_each_goes_through_all_areas_and_expired_files),
    JF_FIXTURE_TEST(test_removal_judges_its_precondition),
    JF_FIXTURE_TEST(test_forgotten_object_takes_its_file_along),
    JF_FIXTURE_TEST(test_object_is_known_from_promise_to_removal),
};

JF_TEST_MAIN(tests)
