#include "jf_test.h"

#include <errno.h>

#include <string.h>

static void test_made_error_has_code_text_and_no_facts(void **state)
{
    jf_err_t *err = jf_err_make(JF_ERR_QUOTA, APR_SUCCESS, *state, "%s has %d bytes", "alice", 7);

    assert_int_equal(err->code, JF_ERR_QUOTA);
    assert_int_equal(err->status, APR_SUCCESS);
    assert_string_equal(err->text, "alice has 7 bytes");
    assert_int_equal(err->limit_bytes, JF_FACT_NONE);
    assert_int_equal(err->used_bytes, JF_FACT_NONE);
    assert_int_equal(err->required_bytes, JF_FACT_NONE);
}

static void test_full_disk_is_told_from_other_failures(void **state)
{
    static const struct {
        apr_status_t status;
        jf_err_code_t code;
    } cases[] = {
        {ENOSPC, JF_ERR_DISK_FULL}, {EDQUOT, JF_ERR_DISK_FULL}, {EIO, JF_ERR_IO},
        {EACCES, JF_ERR_IO},        {APR_EOF, JF_ERR_IO},
    };

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        jf_err_t *err = jf_err_from_system(cases[i].status, *state, "cannot write %s", "x");
        jf_test_refused(err, cases[i].code, "a failed write");
        assert_int_equal(err->status, cases[i].status);
        assert_int_equal(err->limit_bytes, JF_FACT_NONE);
    }
}

static void test_system_error_carries_the_cause(void **state)
{
    jf_err_t *err = jf_err_from_system(ENOENT, *state, "cannot open %s", "ledger.db");

    assert_string_equal(err->text, "cannot open ledger.db: No such file or directory");
}

static void test_copy_outlives_the_pool_of_the_original(void **state)
{
    apr_pool_t *short_lived;
    assert_int_equal(apr_pool_create(&short_lived, *state), APR_SUCCESS);
    jf_err_t *err = jf_err_make(JF_ERR_TOO_LARGE, APR_EGENERAL, short_lived, "%d is too much", 8);
    err->limit_bytes = 5;
    err->used_bytes = 6;
    err->required_bytes = 7;

    jf_err_t *copy = jf_err_copy(err, *state);
    memset((char *)err->text, 'x', strlen(err->text));
    memset(err, 0, sizeof(*err));
    apr_pool_destroy(short_lived);

    assert_int_equal(copy->code, JF_ERR_TOO_LARGE);
    assert_int_equal(copy->status, APR_EGENERAL);
    assert_string_equal(copy->text, "8 is too much");
    assert_int_equal(copy->limit_bytes, 5);
    assert_int_equal(copy->used_bytes, 6);
    assert_int_equal(copy->required_bytes, 7);
}

static void test_copy_of_no_error_is_no_error(void **state)
{
    assert_null(jf_err_copy(NULL, *state));
}

static jf_err_t *try_twice(jf_err_t *first, jf_err_t *second, int *reached)
{
    *reached = 0;
    JF_TRY(first);
    *reached = 1;
    JF_TRY(second);
    *reached = 2;
    return NULL;
}

static void test_try_hands_up_the_first_error_unchanged(void **state)
{
    jf_err_t *err = jf_err_make(JF_ERR_BUSY, APR_SUCCESS, *state, "busy");
    int reached;

    assert_ptr_equal(try_twice(err, NULL, &reached), err);
    assert_int_equal(reached, 0);
    assert_ptr_equal(try_twice(NULL, err, &reached), err);
    assert_int_equal(reached, 1);
    assert_null(try_twice(NULL, NULL, &reached));
    assert_int_equal(reached, 2);
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_made_error_has_code_text_and_no_facts),
    JF_TEST(test_full_disk_is_told_from_other_failures),
    JF_TEST(test_system_error_carries_the_cause),
    JF_TEST(test_copy_outlives_the_pool_of_the_original),
    JF_TEST(test_copy_of_no_error_is_no_error),
    JF_TEST(test_try_hands_up_the_first_error_unchanged),
};

JF_TEST_MAIN(tests)
