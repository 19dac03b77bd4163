#include "t_guesser.h"

#define FLOOD 500
#define STRANGERS 10

/* ---- addresses ---- */

static void test_addresses_of_one_network_count_together(void **state)
{
    static const struct {
        const char *first;
        const char *second;
        int are_one;
    } cases[] = {
        {"2001:db8::1", "2001:db8::2", 1},
        {"2001:db8::1", "2001:DB8:0:0:ffff:ffff:ffff:ffff", 1},
        {"2001:db8::1", "2001:db8:0:1::1", 0},
        {"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::", 1},
        {"2001:db8:1:2:3:4:5:6", "2001:db8:1:3:3:4:5:6", 0},
        {"::ffff:192.0.2.1", "192.0.2.1", 1},
        {"::ffff:c000:201", "192.0.2.1", 1},
        {"::ffff:192.0.2.1", "::ffff:192.0.2.2", 0},
        {"192.0.2.1", "192.0.2.2", 0},
        {"::1", "127.0.0.1", 0},
        {"fe80::1%eth0", "fe80::2%eth0", 0},
        {"", "unknown", 0},
        {"not an address", "not an address", 1},
    };

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        jf_guesser_t guesser = jf_guesser_make(1024, 0, 1, *state);
        assert_int_equal(jf_guesser_fail(&guesser, JF_TARGET, cases[i].first), 0);
        if ((jf_guesser_fail(&guesser, JF_TARGET, cases[i].second) > 0) != cases[i].are_one) {
            fail_msg("%s and %s", cases[i].first, cases[i].second);
        }
    }
}

static void test_a_jid_and_an_address_of_one_text_are_two(void **state)
{
    jf_guesser_t guesser = jf_guesser_make(1024, 1, 1, *state);

    assert_int_equal(jf_guesser_fail(&guesser, JF_HOME, JF_AWAY), 0);
    assert_int_equal(jf_guesser_fail(&guesser, JF_AWAY, JF_HOME), 0);
}

static void test_a_jid_and_an_address_do_not_run_together(void **state)
{
    jf_guesser_t guesser = jf_guesser_make(1024, 5, 5, *state);
    jf_guess_t guess;

    assert_int_equal(jf_guesser_begin(&guess, &guesser, "ab", "c", "pencil"), 0);
    assert_int_equal(jf_guesser_begin(&guess, &guesser, "a", "bc", "pencil"), 0);
    assert_true(guess.is_charged);
}

static void test_tables_have_keys_of_their_own(void **state)
{
    jf_guesser_t first = jf_guesser_make(1024, 1, 1, *state);
    jf_guesser_t second = jf_guesser_make(1024, 1, 1, *state);
    jf_guess_t here;
    jf_guess_t there;

    jf_guesser_begin(&here, &first, JF_TARGET, JF_HOME, "pencil");
    jf_guesser_begin(&there, &second, JF_TARGET, JF_HOME, "pencil");
    assert_memory_not_equal(here.keys, there.keys, sizeof(here.keys));
    assert_true(here.password != there.password);
}

/* ---- the clock ---- */

static void test_a_clock_that_goes_back_locks_nobody_out(void **state)
{
    static const apr_interval_time_t steps_us[] = {
        1,
        JF_GUESSER_PERIOD_US / 2,
        JF_GUESSER_PERIOD_US,
        10 * JF_GUESSER_PERIOD_US,
        apr_time_from_sec(86400 * 365),
        JF_GUESSER_START_US - 1,
        JF_GUESSER_START_US,
        2 * JF_GUESSER_START_US,
        APR_INT64_MAX,
    };

    for (size_t i = 0; i < JF_TEST_COUNT(steps_us); i++) {
        jf_guesser_t guesser = jf_guesser_make(1024, 3, 3, *state);
        assert_int_equal(jf_guesser_count_allowed(&guesser, JF_TARGET, JF_HOME, 20), 3);
        guesser.now_us -= steps_us[i];
        apr_interval_time_t wait_us = jf_guesser_fail(&guesser, JF_TARGET, JF_HOME);
        assert_true(wait_us >= apr_time_from_sec(20) && wait_us < 2 * JF_GUESSER_PERIOD_US);
        guesser.now_us = (guesser.now_us < 0 ? 0 : guesser.now_us) + wait_us;
        assert_int_equal(jf_guesser_fail(&guesser, JF_TARGET, JF_HOME), 0);
        guesser.now_us += 2 * JF_GUESSER_PERIOD_US;
        assert_int_equal(jf_guesser_count_allowed(&guesser, JF_TARGET, JF_HOME, 20), 3);
    }
}

static void test_a_pending_password_does_not_outlive_a_clock_that_goes_back(void **state)
{
    jf_guesser_t guesser = jf_guesser_make(1024, 5, 5, *state);
    jf_guess_t guess;

    assert_int_equal(jf_guesser_begin(&guess, &guesser, JF_TARGET, JF_HOME, "pencil"), 0);
    guesser.now_us -= 100 * JF_GUESSER_PERIOD_US;
    apr_interval_time_t wait_us = jf_guesser_begin(&guess, &guesser, JF_TARGET, JF_HOME, "pencil");
    assert_true(wait_us > 0);
    guesser.now_us += wait_us;
    assert_int_equal(jf_guesser_begin(&guess, &guesser, JF_TARGET, JF_HOME, "pencil"), 0);
    assert_true(guess.is_charged);
}

/* Undefined behaviour would show under UBSan. */
static void test_extremes_are_no_trouble(void **state)
{
    static const apr_time_t times_us[] = {APR_INT64_MIN,       -1,           0, 1,
                                          JF_GUESSER_START_US, APR_INT64_MAX};
    static const apr_interval_time_t periods_us[] = {APR_INT64_MIN,        -1,           0, 1,
                                                     JF_GUESSER_PERIOD_US, APR_INT64_MAX};
    static const apr_uint32_t limits[] = {0, 1, 2, 1000, APR_UINT32_MAX};
    jf_guesser_t guesser = jf_guesser_make(16, 1, 1, *state);

    for (size_t t = 0; t < JF_TEST_COUNT(times_us); t++) {
        for (size_t p = 0; p < JF_TEST_COUNT(periods_us); p++) {
            for (size_t l = 0; l < JF_TEST_COUNT(limits); l++) {
                guesser.now_us = times_us[t];
                guesser.limits = (jf_guess_limits_t){limits[l], limits[l], periods_us[p]};
                assert_true(jf_guesser_fail(&guesser, JF_TARGET, JF_HOME) >= 0);
                assert_true(jf_guesser_attempt(&guesser, JF_TARGET, JF_HOME, JF_GUESS_RIGHT) >= 0);
                assert_true(jf_guesser_fail(&guesser, JF_TARGET, JF_AWAY) >= 0);
            }
        }
    }
}

/* ---- a full table ---- */

static void test_a_table_has_room_for_what_was_asked(void **state)
{
    apr_size_t last_bytes = 0;
    (void)state;

    for (apr_uint32_t entries = 0; entries < 100; entries++) {
        apr_size_t bytes = jf_guess_size_bytes(entries);
        assert_true(bytes >= last_bytes && bytes > entries * sizeof(apr_uint64_t));
        last_bytes = bytes;
    }
    assert_true(jf_guess_size_bytes(APR_UINT32_MAX) > jf_guess_size_bytes(APR_UINT32_MAX / 2));
}

/** One wrong attempt each for many JIDs from many addresses. */
static void crowd_out(jf_guesser_t *guesser)
{
    for (int i = 0; i < FLOOD; i++) {
        guesser->now_us += 1;
        assert_int_equal(jf_guesser_fail(guesser, jf_guesser_jid(i, guesser->pool),
                                         jf_guesser_address(i, guesser->pool)),
                         0);
    }
}

static void test_in_a_full_table_the_largest_debt_stays(void **state)
{
    static const apr_uint32_t sizes[] = {0, 1, 2, 3, 4};

    for (size_t i = 0; i < JF_TEST_COUNT(sizes); i++) {
        jf_guesser_t guesser = jf_guesser_make(sizes[i], 0, 10, *state);
        assert_int_equal(jf_guesser_count_allowed(&guesser, JF_TARGET, JF_HOME, 20), 10);
        crowd_out(&guesser);
        assert_int_equal(jf_guesser_count_allowed(&guesser, JF_TARGET, JF_HOME, 20), 0);
        assert_int_equal(
            jf_guesser_count_allowed(&guesser, JF_TARGET, jf_guesser_address(0, *state), 20), 10);
    }
}

/* The pair has no debt without a limit for JIDs, but is not taken for an empty place. */
static void test_a_password_that_is_checked_stays_while_there_is_room(void **state)
{
    jf_guesser_t guesser = jf_guesser_make(4, 0, 5, *state);
    jf_guess_t guess;

    assert_int_equal(jf_guesser_begin(&guess, &guesser, JF_TARGET, JF_HOME, "pencil"), 0);
    assert_int_equal(jf_guesser_begin(&guess, &guesser, JF_TARGET, JF_AWAY, "pencil"), 0);
    assert_int_equal(jf_guesser_begin(&guess, &guesser, JF_TARGET, JF_HOME, "pencil"), 0);
    assert_false(guess.is_charged);
}

/**
 * How many addresses that have not failed before have just one attempt at the target. In a full
 * table it is not all of them: where pair and address share a set, the pair gives way.
 */
static int addresses_with_one_attempt(jf_guesser_t *guesser)
{
    int count = 0;
    for (int i = 0; i < STRANGERS; i++) {
        const char *address = jf_guesser_address(FLOOD + i, guesser->pool);
        count += jf_guesser_count_allowed(guesser, JF_TARGET, address, 20) == 1;
    }
    return count;
}

/* As many wrong attempts as they like, from as many addresses: what is used up stays so. */
static void test_a_flood_does_not_wash_away_a_limit(void **state)
{
    jf_guesser_t guesser = jf_guesser_make(128, 5, 10, *state);

    assert_int_equal(jf_guesser_count_allowed(&guesser, JF_TARGET, JF_HOME, 20), 5);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(jf_guesser_fail(&guesser, jf_guesser_jid(i / 5, guesser.pool), JF_AWAY),
                         0);
    }
    crowd_out(&guesser);
    assert_int_equal(jf_guesser_fail(&guesser, JF_TARGET, JF_AWAY), apr_time_from_sec(6) - FLOOD);
    assert_true(addresses_with_one_attempt(&guesser) > STRANGERS / 2);
}

static void test_a_full_table_gives_way_after_the_clock_went_back(void **state)
{
    jf_guesser_t guesser = jf_guesser_make(4, 0, 10, *state);

    for (int i = 0; i < 4; i++) {
        jf_guesser_count_allowed(&guesser, JF_TARGET, jf_guesser_address(i, *state), 20);
    }
    guesser.now_us -= 100 * JF_GUESSER_PERIOD_US;
    assert_int_equal(jf_guesser_count_allowed(&guesser, JF_TARGET, JF_HOME, 20), 10);
    crowd_out(&guesser);
    assert_int_equal(jf_guesser_count_allowed(&guesser, JF_TARGET, JF_HOME, 20), 0);
}

static void test_an_attempt_that_was_crowded_out_ends_quietly(void **state)
{
    jf_guesser_t guesser = jf_guesser_make(4, 3, 3, *state);
    jf_guess_t guess;

    assert_int_equal(jf_guesser_begin(&guess, &guesser, JF_TARGET, JF_HOME, "pencil"), 0);
    crowd_out(&guesser);
    jf_guesser_end(&guess, &guesser, JF_GUESS_RIGHT);
    assert_int_equal(jf_guesser_count_allowed(&guesser, JF_TARGET, JF_HOME, 20), 3);
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_addresses_of_one_network_count_together),
    JF_TEST(test_a_jid_and_an_address_of_one_text_are_two),
    JF_TEST(test_a_jid_and_an_address_do_not_run_together),
    JF_TEST(test_tables_have_keys_of_their_own),
    JF_TEST(test_a_clock_that_goes_back_locks_nobody_out),
    JF_TEST(test_a_pending_password_does_not_outlive_a_clock_that_goes_back),
    JF_TEST(test_extremes_are_no_trouble),
    JF_TEST(test_a_table_has_room_for_what_was_asked),
    JF_TEST(test_in_a_full_table_the_largest_debt_stays),
    JF_TEST(test_a_password_that_is_checked_stays_while_there_is_room),
    JF_TEST(test_a_flood_does_not_wash_away_a_limit),
    JF_TEST(test_a_full_table_gives_way_after_the_clock_went_back),
    JF_TEST(test_an_attempt_that_was_crowded_out_ends_quietly),
};

JF_TEST_MAIN(tests)
