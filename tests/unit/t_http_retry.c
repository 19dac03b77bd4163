#include "jf_test.h"

#include <apr_strings.h>

#include "http_retry.h"

/* Linked with --wrap: nobody waits here. */
static apr_interval_time_t slept_us;
static int is_interrupted;

void __wrap_client_sleep(client_t *client, apr_interval_time_t duration_us);
int __wrap_client_is_interrupted(void);

void __wrap_client_sleep(client_t *client, apr_interval_time_t duration_us)
{
    (void)client;
    slept_us = duration_us;
}

int __wrap_client_is_interrupted(void)
{
    return is_interrupted;
}

static client_t make_client(apr_pool_t *pool)
{
    static const options_t options = {.is_quiet = 1};
    slept_us = -1;
    is_interrupted = 0;
    return (client_t){.pool = pool, .options = &options};
}

static http_answer_t make_answer(int status, const char *retry_after, apr_pool_t *pool)
{
    apr_table_t *headers = apr_table_make(pool, 1);
    if (retry_after) {
        apr_table_setn(headers, "Retry-After", retry_after);
    }
    return (http_answer_t){.status = status, .headers = headers, .body = ""};
}

static const jf_err_t lost = {.code = JF_ERR_UNAVAILABLE, .text = "the connection broke"};

static void test_waits_become_longer_and_end(void **state)
{
    client_t client = make_client(*state);
    http_retry_t retry = {0};
    for (apr_interval_time_t seconds = 1; seconds <= 16; seconds *= 2) {
        assert_true(http_retry_wait(&retry, &client, NULL, &lost));
        assert_in_range(slept_us, apr_time_from_sec(seconds), apr_time_from_sec(seconds) * 5 / 4);
    }
    slept_us = -1;
    assert_false(http_retry_wait(&retry, &client, NULL, &lost));
    assert_int_equal(slept_us, -1);
}

static void test_progress_forgives(void **state)
{
    client_t client = make_client(*state);
    http_retry_t retry = {0};
    for (int i = 0; i < 20; i++) {
        assert_true(http_retry_wait(&retry, &client, NULL, &lost));
        assert_true(slept_us <= apr_time_from_sec(2));
        http_retry_reset(&retry);
    }
}

static void test_which_answers_are_worth_another_attempt(void **state)
{
    static const struct {
        int status;
        int is_worth_it;
        const char *retry_after;
    } cases[] = {
        {408, 1, NULL},  {425, 1, NULL},   {500, 1, NULL}, {502, 1, NULL}, {503, 1, NULL},
        {504, 1, NULL},  {507, 0, NULL},   {429, 0, NULL}, {429, 1, "5"},  {429, 0, "121"},
        {503, 1, "120"}, {503, 0, "121"},  {507, 0, "1"},  {400, 0, NULL}, {401, 0, NULL},
        {403, 0, "1"},   {404, 0, NULL},   {409, 0, NULL}, {413, 0, NULL}, {501, 0, NULL},
        {200, 0, NULL},  {503, 1, "soon"},
    };

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        client_t client = make_client(*state);
        http_retry_t retry = {0};
        http_answer_t answer = make_answer(cases[i].status, cases[i].retry_after, *state);
        if (http_retry_wait(&retry, &client, &answer, NULL) != cases[i].is_worth_it) {
            fail_msg("%d, Retry-After %s", cases[i].status, cases[i].retry_after);
        }
        assert_int_equal(slept_us >= 0, cases[i].is_worth_it);
    }
}

static void test_retry_after_is_obeyed_but_never_without_a_pause(void **state)
{
    static const struct {
        const char *retry_after;
        int seconds;
    } cases[] = {{"7", 7}, {"0", 1}, {"Fri, 31 Dec 1999 23:59:59 GMT", 1}};

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        client_t client = make_client(*state);
        http_retry_t retry = {0};
        http_answer_t answer = make_answer(503, cases[i].retry_after, *state);
        assert_true(http_retry_wait(&retry, &client, &answer, NULL));
        assert_int_equal(slept_us, apr_time_from_sec(cases[i].seconds));
    }
}

static void test_other_errors_are_final(void **state)
{
    static const jf_err_code_t codes[] = {JF_ERR_INVALID, JF_ERR_FORBIDDEN, JF_ERR_IO,
                                          JF_ERR_TOO_LARGE, JF_ERR_DIGEST};

    for (size_t i = 0; i < JF_TEST_COUNT(codes); i++) {
        client_t client = make_client(*state);
        http_retry_t retry = {0};
        jf_err_t err = {.code = codes[i], .text = "x"};
        assert_false(http_retry_wait(&retry, &client, NULL, &err));
    }
}

static void test_an_interrupted_user_does_not_wait(void **state)
{
    client_t client = make_client(*state);
    http_retry_t retry = {0};
    is_interrupted = 1;
    assert_false(http_retry_wait(&retry, &client, NULL, &lost));
    assert_int_equal(slept_us, -1);
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_waits_become_longer_and_end),
    JF_TEST(test_progress_forgives),
    JF_TEST(test_which_answers_are_worth_another_attempt),
    JF_TEST(test_retry_after_is_obeyed_but_never_without_a_pause),
    JF_TEST(test_other_errors_are_final),
    JF_TEST(test_an_interrupted_user_does_not_wait),
};

JF_TEST_MAIN(tests)
