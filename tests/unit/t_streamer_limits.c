#include "jf_test.h"

#include <unistd.h>

#include "jf_units.h"
#include "t_streams.h"
#include "t_tcp.h"

/* ---- limits of numbers ---- */

static void test_as_many_streams_as_may_be(void **state)
{
    t_streams_t rig;
    (void)state;
    t_streams_set_up(&rig);
    rig.limits.streams = 1;
    relay_streams_set_limits(rig.streams, &rig.limits);
    int first = t_streams_join(&rig, T_STREAMS_HEX_A);
    int other = t_streams_enter(&rig);
    t_streams_name(other, T_STREAMS_HEX_B);
    t_streams_wait_for(&rig, &t_streams_counts(&rig)->connections, 1);
    assert_int_equal(t_streams_answer(other), RELAY_SOCKS5_FAILURE);
    int second = t_streams_join(&rig, T_STREAMS_HEX_A);
    int third = t_streams_enter(&rig);
    char byte;
    assert_int_equal(t_tcp_read(third, &byte, 1), 0);
    assert_int_equal(t_streams_counts(&rig)->refused[RELAY_REFUSED_STREAMS], 2);
    assert_int_equal(t_streams_activate(&rig, t_streams_hash_a, T_STREAMS_ALICE), RELAY_ACTIVATED);
    close(first);
    close(second);
    close(third);
    close(other);
    t_streams_tear_down(&rig);
}

static void test_streams_of_one_user(void **state)
{
    t_streams_t rig;
    int first[RELAY_SIDES];
    int second[RELAY_SIDES];
    (void)state;
    t_streams_set_up(&rig);
    rig.limits.streams_per_jid = 1;
    relay_streams_set_limits(rig.streams, &rig.limits);
    t_streams_open(&rig, first, T_STREAMS_HEX_A, t_streams_hash_a);
    second[RELAY_TARGET] = t_streams_join(&rig, T_STREAMS_HEX_B);
    second[RELAY_REQUESTER] = t_streams_join(&rig, T_STREAMS_HEX_B);
    assert_int_equal(t_streams_activate(&rig, t_streams_hash_b, T_STREAMS_ALICE),
                     RELAY_OVER_STREAMS);
    assert_int_equal(t_streams_counts(&rig)->refused[RELAY_REFUSED_PER_JID], 1);
    t_streams_close(first);
    t_streams_wait_for(&rig, &rig.ended, 1);
    assert_int_equal(t_streams_activate(&rig, t_streams_hash_b, T_STREAMS_ALICE), RELAY_ACTIVATED);
    t_streams_close(second);
    t_streams_wait_for(&rig, &rig.ended, 2);

    /* Another user is another matter. */
    t_streams_open(&rig, first, T_STREAMS_HEX_A, t_streams_hash_a);
    second[RELAY_TARGET] = t_streams_join(&rig, T_STREAMS_HEX_B);
    second[RELAY_REQUESTER] = t_streams_join(&rig, T_STREAMS_HEX_B);
    assert_int_equal(t_streams_activate(&rig, t_streams_hash_b, "carol@example.org"),
                     RELAY_ACTIVATED);
    t_streams_close(first);
    t_streams_close(second);
    t_streams_tear_down(&rig);
}

/* ---- limits of bytes ---- */

static void test_bytes_of_a_stream(void **state)
{
    t_streams_t rig;
    int fds[RELAY_SIDES];
    (void)state;
    t_streams_set_up(&rig);
    rig.limits.stream_bytes = 10;
    relay_streams_set_limits(rig.streams, &rig.limits);
    t_streams_open(&rig, fds, T_STREAMS_HEX_A, t_streams_hash_a);
    t_streams_say(fds[RELAY_TARGET], "abc", 3);
    t_streams_expect(&rig, fds[RELAY_REQUESTER], "abc");
    t_streams_say(fds[RELAY_REQUESTER], "01234567", 8);
    t_streams_expect(&rig, fds[RELAY_TARGET], "0123456");
    t_streams_wait_for(&rig, &rig.ended, 1);
    assert_int_equal(rig.report.cause, RELAY_STREAM_BYTES);
    assert_int_equal(rig.report.bytes_to[RELAY_TARGET], 7);
    assert_int_equal(t_streams_counts(&rig)->ended[RELAY_STREAM_BYTES], 1);
    t_streams_close(fds);
    t_streams_tear_down(&rig);
}

static void test_bytes_of_a_day(void **state)
{
    t_streams_t rig;
    int fds[RELAY_SIDES];
    (void)state;
    t_streams_set_up(&rig);
    rig.limits.day_bytes = 10;
    relay_streams_set_limits(rig.streams, &rig.limits);
    t_streams_open(&rig, fds, T_STREAMS_HEX_A, t_streams_hash_a);
    t_streams_say(fds[RELAY_REQUESTER], "01234", 5);
    t_streams_expect(&rig, fds[RELAY_TARGET], "01234");
    t_streams_close(fds);
    t_streams_wait_for(&rig, &rig.ended, 1);
    assert_int_equal(rig.report.cause, RELAY_FINISHED);

    t_streams_open(&rig, fds, T_STREAMS_HEX_A, t_streams_hash_a);
    t_streams_say(fds[RELAY_REQUESTER], "567890", 6);
    t_streams_expect(&rig, fds[RELAY_TARGET], "56789");
    t_streams_wait_for(&rig, &rig.ended, 2);
    assert_int_equal(rig.report.cause, RELAY_DAY_BYTES);
    t_streams_close(fds);

    fds[RELAY_TARGET] = t_streams_join(&rig, T_STREAMS_HEX_A);
    fds[RELAY_REQUESTER] = t_streams_join(&rig, T_STREAMS_HEX_A);
    assert_int_equal(t_streams_activate(&rig, t_streams_hash_a, T_STREAMS_ALICE),
                     RELAY_OVER_DAY_BYTES);
    assert_int_equal(t_streams_activate(&rig, t_streams_hash_a, "carol@example.org"),
                     RELAY_ACTIVATED);
    t_streams_close(fds);
    t_streams_tear_down(&rig);
}

/* ---- limits of time ---- */

static void test_patience_ends(void **state)
{
    t_streams_t rig;
    char byte;
    (void)state;
    t_streams_set_up(&rig);
    rig.limits.activation_us = 1;
    relay_streams_set_limits(rig.streams, &rig.limits);
    int silent = t_streams_enter(&rig);
    int named = t_streams_enter(&rig);
    t_streams_name(named, T_STREAMS_HEX_A);
    t_streams_wait_for(&rig, &t_streams_counts(&rig)->connections, 0);
    assert_int_equal(t_tcp_read(silent, &byte, 1), 0);
    assert_int_equal(rig.lost, 1);
    assert_int_equal(rig.loss, RELAY_TOO_LATE);
    assert_int_equal(t_streams_counts(&rig)->refused[RELAY_REFUSED_UNACTIVATED], 2);
    close(silent);
    close(named);
    t_streams_tear_down(&rig);
}

static void check_time(relay_cause_t cause)
{
    t_streams_t rig;
    int fds[RELAY_SIDES];
    t_streams_set_up(&rig);
    t_streams_open(&rig, fds, T_STREAMS_HEX_A, t_streams_hash_a);
    rig.limits.idle_us = cause == RELAY_IDLE ? 1 : JF_NEVER;
    rig.limits.total_us = cause == RELAY_TOTAL_TIME ? 1 : JF_NEVER;
    relay_streams_set_limits(rig.streams, &rig.limits);
    t_streams_wait_for(&rig, &rig.ended, 1);
    assert_int_equal(rig.report.cause, cause);
    t_streams_close(fds);
    t_streams_tear_down(&rig);
}

static void test_time_limits_hold_for_active_streams(void **state)
{
    (void)state;
    check_time(RELAY_IDLE);
    check_time(RELAY_TOTAL_TIME);
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_as_many_streams_as_may_be),
    JF_TEST(test_streams_of_one_user),
    JF_TEST(test_bytes_of_a_stream),
    JF_TEST(test_bytes_of_a_day),
    JF_TEST(test_patience_ends),
    JF_TEST(test_time_limits_hold_for_active_streams),
};

JF_TEST_MAIN(tests)
