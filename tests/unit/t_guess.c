#include "t_guesser.h"

#include <apr_strings.h>

#define PENDING_SECS 15

/* ---- limits ---- */

static void test_an_address_has_as_many_attempts_as_its_limit(void **state)
{
    static const apr_uint32_t limits[] = {1, 2, 3, 7, 10, 49, 100, 1000};

    for (size_t i = 0; i < JF_TEST_COUNT(limits); i++) {
        jf_guesser_t guesser = jf_guesser_make(1024, 0, limits[i], *state);
        assert_int_equal(jf_guesser_count_allowed(&guesser, JF_TARGET, JF_HOME, 2000), limits[i]);
        assert_int_equal(jf_guesser_count_allowed(&guesser, "bob@example.org", JF_HOME, 2000), 0);
        assert_int_equal(jf_guesser_count_allowed(&guesser, JF_TARGET, JF_AWAY, 2000), limits[i]);
    }
}

static void test_a_jid_has_as_many_attempts_as_its_limit(void **state)
{
    static const apr_uint32_t limits[] = {1, 2, 3, 7, 10, 49, 100, 1000};

    for (size_t i = 0; i < JF_TEST_COUNT(limits); i++) {
        jf_guesser_t guesser = jf_guesser_make(1024, limits[i], 0, *state);
        assert_int_equal(jf_guesser_count_allowed(&guesser, JF_TARGET, JF_HOME, 2000), limits[i]);
        assert_int_equal(jf_guesser_count_allowed(&guesser, "bob@example.org", JF_HOME, 2000),
                         limits[i]);
    }
}

static void test_no_limit(void **state)
{
    jf_guesser_t guesser = jf_guesser_make(1024, 0, 0, *state);

    assert_int_equal(jf_guesser_count_allowed(&guesser, JF_TARGET, JF_HOME, 2000), 2000);
}

static void test_the_wait_is_exact(void **state)
{
    static const jf_guess_limits_t limits[] = {
        {5, 0, JF_GUESSER_PERIOD_US},
        {0, 5, JF_GUESSER_PERIOD_US},
        {7, 9, JF_GUESSER_PERIOD_US},
        {9, 7, JF_GUESSER_PERIOD_US},
        {1, 1, JF_GUESSER_PERIOD_US},
        {3, 3, 1000},
        {2, 5, 10},
        {4, 3, 10},
        {60, 30, 3600},
        {1, 1, 1},
        {0, 1, 7},
        {1, 0, 7},
        {1, 1, 86400},

        {0, 2000, 2000},
    };

    for (size_t i = 0; i < JF_TEST_COUNT(limits); i++) {
        jf_guesser_t guesser = jf_guesser_make(1024, 0, 0, *state);
        guesser.limits = limits[i];
        while (jf_guesser_fail(&guesser, JF_TARGET, JF_HOME) == 0) {
        }
        apr_interval_time_t wait_us = jf_guesser_fail(&guesser, JF_TARGET, JF_HOME);
        assert_true(wait_us > 0 && wait_us <= limits[i].period_us);
        guesser.now_us += wait_us - 1;
        assert_int_equal(jf_guesser_fail(&guesser, JF_TARGET, JF_HOME), 1);
        guesser.now_us += 1;
        assert_int_equal(jf_guesser_fail(&guesser, JF_TARGET, JF_HOME), 0);
        assert_true(jf_guesser_fail(&guesser, JF_TARGET, JF_HOME) > 0);
    }
}

static void test_attempts_are_regained_one_by_one(void **state)
{
    jf_guesser_t guesser = jf_guesser_make(1024, 0, 6, *state);

    assert_int_equal(jf_guesser_count_allowed(&guesser, JF_TARGET, JF_HOME, 20), 6);
    assert_int_equal(jf_guesser_fail(&guesser, JF_TARGET, JF_HOME), apr_time_from_sec(10));
    guesser.now_us += apr_time_from_sec(10);
    assert_int_equal(jf_guesser_count_allowed(&guesser, JF_TARGET, JF_HOME, 20), 1);
    guesser.now_us += apr_time_from_sec(35);
    assert_int_equal(jf_guesser_count_allowed(&guesser, JF_TARGET, JF_HOME, 20), 3);
    guesser.now_us += apr_time_from_sec(5);
    assert_int_equal(jf_guesser_count_allowed(&guesser, JF_TARGET, JF_HOME, 20), 1);
    guesser.now_us += 100 * JF_GUESSER_PERIOD_US;
    assert_int_equal(jf_guesser_count_allowed(&guesser, JF_TARGET, JF_HOME, 20), 6);
}

static void test_a_denied_attempt_costs_nothing(void **state)
{
    jf_guesser_t guesser = jf_guesser_make(1024, 5, 3, *state);

    assert_int_equal(jf_guesser_count_allowed(&guesser, JF_TARGET, JF_HOME, 20), 3);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(jf_guesser_fail(&guesser, JF_TARGET, JF_HOME), apr_time_from_sec(20));
        assert_int_equal(jf_guesser_fail(&guesser, "bob@example.org", JF_HOME),
                         apr_time_from_sec(20));
    }
    assert_int_equal(jf_guesser_count_allowed(&guesser, JF_TARGET, JF_AWAY, 20), 2);
    assert_int_equal(jf_guesser_count_allowed(&guesser, "bob@example.org", "203.0.113.5", 20), 3);
}

/* ---- a JID under attack ---- */

static void test_another_address_has_one_attempt_during_a_block(void **state)
{
    jf_guesser_t guesser = jf_guesser_make(1024, 5, 100, *state);

    assert_int_equal(jf_guesser_count_allowed(&guesser, JF_TARGET, JF_HOME, 20), 5);
    assert_int_equal(jf_guesser_fail(&guesser, JF_TARGET, JF_HOME), apr_time_from_sec(12));
    /* The owner logs in as often as they like, */
    for (int i = 0; i < 50; i++) {
        assert_int_equal(jf_guesser_attempt(&guesser, JF_TARGET, JF_AWAY, JF_GUESS_RIGHT), 0);
    }
    /* but has one guess only, */
    assert_int_equal(jf_guesser_fail(&guesser, JF_TARGET, JF_AWAY), 0);
    assert_int_equal(jf_guesser_fail(&guesser, JF_TARGET, JF_AWAY), apr_time_from_sec(24));
    assert_int_equal(jf_guesser_attempt(&guesser, JF_TARGET, JF_AWAY, JF_GUESS_RIGHT),
                     apr_time_from_sec(24));
    /* and others are not concerned. */
    assert_int_equal(jf_guesser_count_allowed(&guesser, "bob@example.org", JF_HOME, 20), 5);
}

static void test_a_hundred_addresses_have_one_attempt_each(void **state)
{
    jf_guesser_t guesser = jf_guesser_make(65536, 5, 100, *state);

    assert_int_equal(jf_guesser_count_allowed(&guesser, JF_TARGET, JF_HOME, 20), 5);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(
            jf_guesser_count_allowed(&guesser, JF_TARGET, jf_guesser_address(i, *state), 20), 1);
    }
}

/* However large the debt of the JID has become, an address waits for its own to be worked off. */
static void test_an_address_regains_its_attempt_during_a_block(void **state)
{
    jf_guesser_t guesser = jf_guesser_make(65536, 1, 100, *state);

    for (int i = 0; i < 100; i++) {
        assert_int_equal(jf_guesser_fail(&guesser, JF_TARGET, jf_guesser_address(i, *state)), 0);
    }
    assert_int_equal(jf_guesser_fail(&guesser, JF_TARGET, jf_guesser_address(0, *state)),
                     JF_GUESSER_PERIOD_US);
    guesser.now_us += JF_GUESSER_PERIOD_US - 1;
    assert_int_equal(jf_guesser_fail(&guesser, JF_TARGET, jf_guesser_address(0, *state)), 1);
    guesser.now_us += 1;
    assert_int_equal(jf_guesser_fail(&guesser, JF_TARGET, jf_guesser_address(0, *state)), 0);
    assert_int_equal(jf_guesser_fail(&guesser, JF_TARGET, jf_guesser_address(0, *state)),
                     JF_GUESSER_PERIOD_US);
}

static void test_a_debt_is_at_most_two_periods(void **state)
{
    jf_guesser_t guesser = jf_guesser_make(65536, 4, 100, *state);

    for (int i = 0; i < 100; i++) {
        assert_int_equal(jf_guesser_fail(&guesser, JF_TARGET, jf_guesser_address(i, *state)), 0);
    }
    /* One address that has a debt of its own for longer than that. */
    guesser.now_us += apr_time_from_sec(30);
    assert_int_equal(jf_guesser_fail(&guesser, JF_TARGET, JF_HOME), 0);
    guesser.now_us += apr_time_from_sec(30);
    assert_int_equal(jf_guesser_fail(&guesser, JF_TARGET, JF_HOME), apr_time_from_sec(30));
    guesser.now_us += apr_time_from_sec(30);
    assert_int_equal(jf_guesser_fail(&guesser, JF_TARGET, JF_HOME), 0);
    guesser.now_us += 2 * JF_GUESSER_PERIOD_US;
    assert_int_equal(jf_guesser_count_allowed(&guesser, JF_TARGET, JF_HOME, 20), 4);
}

static void test_an_address_that_is_used_up_has_no_way_in(void **state)
{
    jf_guesser_t guesser = jf_guesser_make(1024, 2, 3, *state);

    for (int i = 0; i < 3; i++) {
        assert_int_equal(jf_guesser_fail(&guesser, jf_guesser_jid(i, *state), JF_AWAY), 0);
    }
    assert_int_equal(jf_guesser_count_allowed(&guesser, JF_TARGET, JF_HOME, 20), 2);
    assert_int_equal(jf_guesser_fail(&guesser, JF_TARGET, JF_AWAY), apr_time_from_sec(20));
}

/* ---- how attempts end ---- */

static void test_a_right_password_costs_nothing(void **state)
{
    jf_guesser_t guesser = jf_guesser_make(1024, 3, 3, *state);

    for (int i = 0; i < 50; i++) {
        assert_int_equal(jf_guesser_attempt(&guesser, JF_TARGET, JF_HOME, JF_GUESS_RIGHT), 0);
    }
    assert_int_equal(jf_guesser_count_allowed(&guesser, JF_TARGET, JF_HOME, 20), 3);
}

static void test_a_right_password_does_not_forgive_wrong_ones(void **state)
{
    jf_guesser_t guesser = jf_guesser_make(1024, 3, 3, *state);

    assert_int_equal(jf_guesser_fail(&guesser, JF_TARGET, JF_HOME), 0);
    assert_int_equal(jf_guesser_fail(&guesser, JF_TARGET, JF_HOME), 0);
    assert_int_equal(jf_guesser_attempt(&guesser, JF_TARGET, JF_HOME, JF_GUESS_RIGHT), 0);
    assert_int_equal(jf_guesser_count_allowed(&guesser, JF_TARGET, JF_HOME, 20), 1);
}

static void test_what_nobody_could_check_costs_nothing(void **state)
{
    jf_guesser_t guesser = jf_guesser_make(1024, 3, 3, *state);

    for (int i = 0; i < 50; i++) {
        assert_int_equal(jf_guesser_attempt(&guesser, JF_TARGET, JF_HOME, JF_GUESS_UNKNOWN), 0);
    }
    assert_int_equal(jf_guesser_count_allowed(&guesser, JF_TARGET, JF_HOME, 20), 3);
}

static void test_a_lost_attempt_counts_as_wrong(void **state)
{
    jf_guesser_t guesser = jf_guesser_make(1024, 3, 3, *state);
    jf_guess_t guess;

    assert_int_equal(jf_guesser_begin(&guess, &guesser, JF_TARGET, JF_HOME, "lost"), 0);
    assert_int_equal(jf_guesser_begin(&guess, &guesser, JF_TARGET, JF_HOME, "lost too"), 0);
    assert_int_equal(jf_guesser_count_allowed(&guesser, JF_TARGET, JF_HOME, 20), 1);
}

static void test_parallel_guesses_count_before_they_are_checked(void **state)
{
    jf_guesser_t guesser = jf_guesser_make(1024, 10, 0, *state);
    jf_guess_t guesses[10];
    jf_guess_t denied;

    for (int i = 0; i < 10; i++) {
        const char *password = apr_psprintf(*state, "pencil %d", i);
        assert_int_equal(jf_guesser_begin(&guesses[i], &guesser, JF_TARGET, JF_HOME, password), 0);
    }
    assert_true(jf_guesser_begin(&denied, &guesser, JF_TARGET, JF_HOME, "pen") > 0);
    for (int i = 0; i < 10; i++) {
        jf_guesser_end(&guesses[i], &guesser, i < 4 ? JF_GUESS_WRONG : JF_GUESS_RIGHT);
    }
    assert_int_equal(jf_guesser_count_allowed(&guesser, JF_TARGET, JF_HOME, 20), 6);
}

/* Right passwords of many users at once are no debt of their address; wrong ones are, all of them.
 */
static void test_an_address_is_charged_for_what_was_wrong(void **state)
{
    jf_guesser_t guesser = jf_guesser_make(1024, 0, 10, *state);
    jf_guess_t guesses[30];

    for (int i = 0; i < 30; i++) {
        assert_int_equal(
            jf_guesser_begin(&guesses[i], &guesser, jf_guesser_jid(i, *state), JF_HOME, "pencil"),
            0);
    }
    for (int i = 0; i < 15; i++) {
        assert_int_equal(jf_guesser_end(&guesses[i], &guesser, JF_GUESS_RIGHT), 0);
    }
    for (int i = 15; i < 30; i++) {
        apr_interval_time_t wait_us = jf_guesser_end(&guesses[i], &guesser, JF_GUESS_WRONG);
        assert_int_equal(wait_us > 0, i >= 25);
    }
    guesser.now_us += JF_GUESSER_PERIOD_US / 2;
    assert_int_equal(jf_guesser_count_allowed(&guesser, JF_TARGET, JF_HOME, 20), 0);
    guesser.now_us += JF_GUESSER_PERIOD_US / 10;
    assert_int_equal(jf_guesser_count_allowed(&guesser, JF_TARGET, JF_HOME, 20), 1);
}

/* ---- the same password at the same time ---- */

static void test_the_same_password_is_no_other_guess(void **state)
{
    jf_guesser_t guesser = jf_guesser_make(1024, 2, 2, *state);
    jf_guess_t guesses[20];

    for (int i = 0; i < 20; i++) {
        assert_int_equal(jf_guesser_begin(&guesses[i], &guesser, JF_TARGET, JF_HOME, "pencil"), 0);
    }
    for (int i = 0; i < 20; i++) {
        jf_guesser_end(&guesses[i], &guesser, JF_GUESS_RIGHT);
    }
    assert_int_equal(jf_guesser_count_allowed(&guesser, JF_TARGET, JF_HOME, 20), 2);
}

/* They come and go in any order; only the one that was charged ends the time without charges. */
static void test_who_was_let_through_leaves_the_door_open(void **state)
{
    jf_guesser_t guesser = jf_guesser_make(1024, 2, 0, *state);
    jf_guess_t charged;
    jf_guess_t guess;

    assert_int_equal(jf_guesser_begin(&charged, &guesser, JF_TARGET, JF_HOME, "pencil"), 0);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(jf_guesser_begin(&guess, &guesser, JF_TARGET, JF_HOME, "pencil"), 0);
        assert_false(guess.is_charged);
        jf_guesser_end(&guess, &guesser, JF_GUESS_RIGHT);
    }
    jf_guesser_end(&charged, &guesser, JF_GUESS_RIGHT);
    assert_int_equal(jf_guesser_count_allowed(&guesser, JF_TARGET, JF_HOME, 20), 2);
}

/* Also when there is no limit for JIDs, and so no debt of JID and address. */
static void test_the_same_password_without_a_limit_for_jids(void **state)
{
    jf_guesser_t guesser = jf_guesser_make(1024, 0, 2, *state);
    jf_guess_t guesses[20];

    for (int i = 0; i < 20; i++) {
        assert_int_equal(jf_guesser_begin(&guesses[i], &guesser, JF_TARGET, JF_HOME, "pencil"), 0);
    }
    assert_int_equal(jf_guesser_count_allowed(&guesser, JF_TARGET, JF_HOME, 20), 2);
}

static void test_the_same_password_elsewhere_is_another_guess(void **state)
{
    static const struct {
        const char *jid;
        const char *address;
        const char *password;
    } cases[] = {
        {JF_TARGET, JF_HOME, "Pencil"},           {JF_TARGET, JF_HOME, ""},
        {JF_TARGET, JF_HOME, "pencil "},          {JF_TARGET, JF_AWAY, "pencil"},
        {"alice@example.com", JF_HOME, "pencil"},
    };

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        jf_guesser_t guesser = jf_guesser_make(1024, 1, 1, *state);
        jf_guess_t first;
        jf_guess_t second;
        assert_int_equal(jf_guesser_begin(&first, &guesser, JF_TARGET, JF_HOME, "pencil"), 0);
        if (jf_guesser_begin(&second, &guesser, cases[i].jid, cases[i].address,
                             cases[i].password) == 0) {
            assert_true(second.is_charged);
        }
    }
}

static void test_the_same_wrong_password_is_charged_in_the_end(void **state)
{
    jf_guesser_t guesser = jf_guesser_make(1024, 5, 5, *state);
    jf_guess_t guesses[3];

    for (int i = 0; i < 3; i++) {
        assert_int_equal(jf_guesser_begin(&guesses[i], &guesser, JF_TARGET, JF_HOME, "pencil"), 0);
    }
    for (int i = 0; i < 3; i++) {
        jf_guesser_end(&guesses[i], &guesser, JF_GUESS_WRONG);
    }
    assert_int_equal(jf_guesser_count_allowed(&guesser, JF_TARGET, JF_HOME, 20), 2);
}

static void test_a_checked_password_is_another_guess(void **state)
{
    static const jf_guess_outcome_t outcomes[] = {JF_GUESS_RIGHT, JF_GUESS_WRONG, JF_GUESS_UNKNOWN};

    for (size_t i = 0; i < JF_TEST_COUNT(outcomes); i++) {
        jf_guesser_t guesser = jf_guesser_make(1024, 5, 5, *state);
        jf_guess_t guess;
        assert_int_equal(jf_guesser_begin(&guess, &guesser, JF_TARGET, JF_HOME, "pencil"), 0);
        jf_guesser_end(&guess, &guesser, outcomes[i]);
        assert_int_equal(jf_guesser_begin(&guess, &guesser, JF_TARGET, JF_HOME, "pencil"), 0);
        assert_true(guess.is_charged);
    }
}

static void test_the_end_of_one_guess_leaves_another_going_on(void **state)
{
    jf_guesser_t guesser = jf_guesser_make(1024, 2, 2, *state);
    jf_guess_t first;
    jf_guess_t second;
    jf_guess_t third;

    assert_int_equal(jf_guesser_begin(&first, &guesser, JF_TARGET, JF_HOME, "typo"), 0);
    assert_int_equal(jf_guesser_begin(&second, &guesser, JF_TARGET, JF_HOME, "pencil"), 0);
    jf_guesser_end(&first, &guesser, JF_GUESS_WRONG);
    assert_int_equal(jf_guesser_begin(&third, &guesser, JF_TARGET, JF_HOME, "pencil"), 0);
    assert_false(third.is_charged);
}

static void test_a_lost_attempt_is_forgotten(void **state)
{
    jf_guesser_t guesser = jf_guesser_make(1024, 5, 5, *state);
    jf_guess_t guess;

    assert_int_equal(jf_guesser_begin(&guess, &guesser, JF_TARGET, JF_HOME, "pencil"), 0);
    guesser.now_us += apr_time_from_sec(PENDING_SECS) - 1;
    assert_int_equal(jf_guesser_begin(&guess, &guesser, JF_TARGET, JF_HOME, "pencil"), 0);
    assert_false(guess.is_charged);
    guesser.now_us += 1;
    assert_int_equal(jf_guesser_begin(&guess, &guesser, JF_TARGET, JF_HOME, "pencil"), 0);
    assert_true(guess.is_charged);
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_an_address_has_as_many_attempts_as_its_limit),
    JF_TEST(test_a_jid_has_as_many_attempts_as_its_limit),
    JF_TEST(test_no_limit),
    JF_TEST(test_the_wait_is_exact),
    JF_TEST(test_attempts_are_regained_one_by_one),
    JF_TEST(test_a_denied_attempt_costs_nothing),
    JF_TEST(test_another_address_has_one_attempt_during_a_block),
    JF_TEST(test_a_hundred_addresses_have_one_attempt_each),
    JF_TEST(test_an_address_regains_its_attempt_during_a_block),
    JF_TEST(test_a_debt_is_at_most_two_periods),
    JF_TEST(test_an_address_that_is_used_up_has_no_way_in),
    JF_TEST(test_a_right_password_costs_nothing),
    JF_TEST(test_a_right_password_does_not_forgive_wrong_ones),
    JF_TEST(test_what_nobody_could_check_costs_nothing),
    JF_TEST(test_a_lost_attempt_counts_as_wrong),
    JF_TEST(test_parallel_guesses_count_before_they_are_checked),
    JF_TEST(test_an_address_is_charged_for_what_was_wrong),
    JF_TEST(test_the_same_password_is_no_other_guess),
    JF_TEST(test_who_was_let_through_leaves_the_door_open),
    JF_TEST(test_the_same_password_without_a_limit_for_jids),
    JF_TEST(test_the_same_password_elsewhere_is_another_guess),
    JF_TEST(test_the_same_wrong_password_is_charged_in_the_end),
    JF_TEST(test_a_checked_password_is_another_guess),
    JF_TEST(test_the_end_of_one_guess_leaves_another_going_on),
    JF_TEST(test_a_lost_attempt_is_forgotten),
};

JF_TEST_MAIN(tests)
