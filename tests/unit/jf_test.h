/**
 * What every unit test shares: cmocka, a pool of its own for each test, checks of errors.
 *
 * A test is a cmocka function whose state points to its pool:
 *
 *     static void test_token_is_22_characters(void **state)
 *     {
 *         apr_pool_t *pool = *state;
 *         ...
 *     }
 *
 *     static const struct CMUnitTest tests[] = {JF_TEST(test_token_is_22_characters)};
 *     JF_TEST_MAIN(tests)
 */
#ifndef JF_TEST_H
#define JF_TEST_H

/* cmocka.h wants these four before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "jf_err.h"

/** Number of elements of an array. */
#define JF_TEST_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/** A test with a pool of its own. */
#define JF_TEST(function) \
    cmocka_unit_test_setup_teardown(function, jf_test_make_pool, jf_test_destroy_pool)

/** The main function of a file of tests. */
#define JF_TEST_MAIN(tests)                                              \
    int main(void)                                                       \
    {                                                                    \
        jf_test_init();                                                  \
        return cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL); \
    }

void jf_test_init(void);
int jf_test_make_pool(void **state);
int jf_test_destroy_pool(void **state);

/** Fails the test with the error's text if there is one; @a input says for which case. */
void jf_test_ok(const jf_err_t *err, const char *input);

/**
 * Fails the test unless @a err has @a code and a text that people can read: one line of ASCII,
 * printable, not empty.
 */
void jf_test_refused(const jf_err_t *err, jf_err_code_t code, const char *input);

/** "head", then @a c repeated @a count times, then "tail"; in @a pool. */
const char *jf_test_repeat(const char *head, char c, size_t count, const char *tail,
                           apr_pool_t *pool);

/** The next of a row of numbers below @a below that is the same in each run, by the seed that
 * @a random has at first. */
int jf_test_draw(uint32_t *random, uint32_t below);

#endif
