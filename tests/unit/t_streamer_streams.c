#include "jf_test.h"

#include <sys/socket.h>
#include <unistd.h>

#include "t_streams.h"
#include "t_tcp.h"

/* ---- finding each other ---- */

static void test_two_that_name_a_hash_are_a_stream(void **state)
{
    t_streams_t rig;
    int fds[RELAY_SIDES];
    (void)state;
    t_streams_set_up(&rig);
    assert_int_equal(t_streams_activate(&rig, t_streams_hash_a, T_STREAMS_ALICE), RELAY_UNKNOWN);
    fds[RELAY_TARGET] = t_streams_join(&rig, T_STREAMS_HEX_A);
    assert_int_equal(t_streams_activate(&rig, t_streams_hash_a, T_STREAMS_ALICE), RELAY_ONE_PARTY);
    fds[RELAY_REQUESTER] = t_streams_join(&rig, T_STREAMS_HEX_A);
    assert_int_equal(t_streams_counts(&rig)->waiting, 1);
    assert_int_equal(t_streams_activate(&rig, t_streams_hash_b, T_STREAMS_ALICE), RELAY_UNKNOWN);
    assert_int_equal(t_streams_activate(&rig, t_streams_hash_a, T_STREAMS_ALICE), RELAY_ACTIVATED);
    assert_int_equal(t_streams_activate(&rig, t_streams_hash_a, T_STREAMS_ALICE), RELAY_IS_ACTIVE);
    assert_int_equal(t_streams_counts(&rig)->waiting, 0);
    assert_int_equal(t_streams_counts(&rig)->active, 1);

    t_streams_say(fds[RELAY_REQUESTER], "content", 7);
    t_streams_expect(&rig, fds[RELAY_TARGET], "content");
    t_streams_say(fds[RELAY_TARGET], "yes", 3);
    t_streams_expect(&rig, fds[RELAY_REQUESTER], "yes");
    close(fds[RELAY_REQUESTER]);
    t_streams_expect(&rig, fds[RELAY_TARGET], "");
    close(fds[RELAY_TARGET]);
    t_streams_wait_for(&rig, &rig.ended, 1);
    assert_int_equal(rig.report.cause, RELAY_FINISHED);
    assert_int_equal(rig.report.side, RELAY_REQUESTER);
    assert_int_equal(rig.report.bytes_to[RELAY_TARGET], 7);
    assert_int_equal(rig.report.bytes_to[RELAY_REQUESTER], 3);
    assert_int_equal(rig.report.number, 1);
    assert_int_equal(t_streams_counts(&rig)->connections, 0);
    assert_int_equal(t_streams_counts(&rig)->bytes, 10);
    assert_int_equal(t_streams_activate(&rig, t_streams_hash_a, T_STREAMS_ALICE), RELAY_UNKNOWN);
    t_streams_tear_down(&rig);
}

static void test_early_bytes_are_dropped(void **state)
{
    t_streams_t rig;
    int fds[RELAY_SIDES];
    (void)state;
    t_streams_set_up(&rig);
    fds[RELAY_TARGET] = t_streams_join(&rig, T_STREAMS_HEX_A);
    fds[RELAY_REQUESTER] = t_streams_enter(&rig);
    t_streams_name(fds[RELAY_REQUESTER], T_STREAMS_HEX_A);
    t_streams_say(fds[RELAY_REQUESTER], "too early", 9);
    t_streams_wait_for(&rig, &t_streams_counts(&rig)->unmatched, 0);
    assert_int_equal(t_streams_answer(fds[RELAY_REQUESTER]), RELAY_SOCKS5_GRANTED);
    t_streams_say(fds[RELAY_TARGET], "me too", 6);
    assert_int_equal(t_streams_activate(&rig, t_streams_hash_a, T_STREAMS_ALICE), RELAY_ACTIVATED);
    t_streams_say(fds[RELAY_REQUESTER], "content", 7);
    t_streams_expect(&rig, fds[RELAY_TARGET], "content");
    assert_int_equal(t_streams_counts(&rig)->bytes, 7);
    t_streams_close(fds);
    t_streams_tear_down(&rig);
}

static void test_a_third_one_disturbs_nobody(void **state)
{
    t_streams_t rig;
    int fds[RELAY_SIDES];
    (void)state;
    t_streams_set_up(&rig);
    fds[RELAY_TARGET] = t_streams_join(&rig, T_STREAMS_HEX_A);
    fds[RELAY_REQUESTER] = t_streams_join(&rig, T_STREAMS_HEX_A);
    int third = t_streams_enter(&rig);
    t_streams_name(third, T_STREAMS_HEX_A);
    t_streams_wait_for(&rig, &t_streams_counts(&rig)->connections, 2);
    assert_int_equal(t_streams_answer(third), RELAY_SOCKS5_NOT_ALLOWED);
    assert_int_equal(t_streams_counts(&rig)->refused[RELAY_REFUSED_THIRD], 1);
    assert_int_equal(t_streams_activate(&rig, t_streams_hash_a, T_STREAMS_ALICE), RELAY_ACTIVATED);
    int fourth = t_streams_enter(&rig);
    t_streams_name(fourth, T_STREAMS_HEX_A);
    t_streams_wait_for(&rig, &t_streams_counts(&rig)->connections, 2);
    assert_int_equal(t_streams_answer(fourth), RELAY_SOCKS5_NOT_ALLOWED);
    t_streams_say(fds[RELAY_REQUESTER], "content", 7);
    t_streams_expect(&rig, fds[RELAY_TARGET], "content");
    t_streams_close(fds);
    close(third);
    close(fourth);
    t_streams_tear_down(&rig);
}

static void test_who_leaves_makes_room(void **state)
{
    t_streams_t rig;
    int fds[RELAY_SIDES];
    (void)state;
    t_streams_set_up(&rig);
    int first = t_streams_join(&rig, T_STREAMS_HEX_A);
    fds[RELAY_TARGET] = t_streams_join(&rig, T_STREAMS_HEX_A);
    close(first);
    t_streams_wait_for(&rig, &t_streams_counts(&rig)->connections, 1);
    assert_int_equal(t_streams_activate(&rig, t_streams_hash_a, T_STREAMS_ALICE), RELAY_ONE_PARTY);
    fds[RELAY_REQUESTER] = t_streams_join(&rig, T_STREAMS_HEX_A);
    assert_int_equal(t_streams_activate(&rig, t_streams_hash_a, T_STREAMS_ALICE), RELAY_ACTIVATED);
    t_streams_say(fds[RELAY_REQUESTER], "content", 7);
    t_streams_expect(&rig, fds[RELAY_TARGET], "content");
    assert_int_equal(rig.lost, 0);
    t_streams_close(fds);
    t_streams_tear_down(&rig);
}

static void test_who_has_left_is_noticed_at_the_activation(void **state)
{
    t_streams_t rig;
    int fds[RELAY_SIDES];
    (void)state;
    t_streams_set_up(&rig);
    for (int gone = 0; gone < RELAY_SIDES; gone++) {
        fds[RELAY_TARGET] = t_streams_join(&rig, T_STREAMS_HEX_A);
        fds[RELAY_REQUESTER] = t_streams_join(&rig, T_STREAMS_HEX_A);
        t_streams_say(fds[gone], "bytes before the end", 20);
        close(fds[gone]);
        assert_int_equal(t_streams_activate(&rig, t_streams_hash_a, T_STREAMS_ALICE),
                         RELAY_ONE_PARTY);
        close(fds[1 - gone]);
        t_streams_wait_for(&rig, &rig.lost, gone + 1);
        assert_int_equal(rig.loss, RELAY_LEFT);
    }
    assert_int_equal(t_streams_counts(&rig)->waiting, 0);
    t_streams_tear_down(&rig);
}

static void test_other_protocols(void **state)
{
    t_streams_t rig;
    char answer[2];
    (void)state;
    t_streams_set_up(&rig);
    int fd = t_streams_enter(&rig);
    t_streams_say(fd, "GET / HTTP/1.1\r\n\r\n", 18);
    t_streams_wait_for(&rig, &t_streams_counts(&rig)->connections, 0);
    assert_int_equal(t_tcp_read(fd, answer, 2), 2);
    assert_memory_equal(answer, "\5\xff", 2);
    assert_int_equal(t_streams_counts(&rig)->refused[RELAY_REFUSED_SOCKS], 1);
    assert_int_equal(rig.lost, 0);
    close(fd);
    t_streams_tear_down(&rig);
}

/* ---- breaks ---- */

static void test_a_break_is_passed_on_as_a_break(void **state)
{
    t_streams_t rig;
    int fds[RELAY_SIDES];
    const struct linger hard = {.l_onoff = 1};
    (void)state;
    t_streams_set_up(&rig);
    t_streams_open(&rig, fds, T_STREAMS_HEX_A, t_streams_hash_a);
    t_streams_say(fds[RELAY_REQUESTER], "half", 4);
    t_streams_expect(&rig, fds[RELAY_TARGET], "half");
    setsockopt(fds[RELAY_REQUESTER], SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    close(fds[RELAY_REQUESTER]);
    t_streams_wait_for(&rig, &rig.ended, 1);
    assert_int_equal(rig.report.cause, RELAY_BROKEN);
    assert_int_equal(rig.report.side, RELAY_REQUESTER);
    assert_true(t_tcp_is_reset(fds[RELAY_TARGET]));
    close(fds[RELAY_TARGET]);
    t_streams_tear_down(&rig);
}

/* ---- the end ---- */

static void test_draining(void **state)
{
    t_streams_t rig;
    int fds[RELAY_SIDES];
    char byte;
    (void)state;
    t_streams_set_up(&rig);
    t_streams_open(&rig, fds, T_STREAMS_HEX_B, t_streams_hash_b);
    int waiting = t_streams_join(&rig, T_STREAMS_HEX_A);
    relay_streams_drain(rig.streams);
    assert_int_equal(t_tcp_read(waiting, &byte, 1), 0);
    assert_int_equal(rig.loss, RELAY_SHUT);
    assert_int_equal(rig.drained, 0);
    int late = t_streams_enter(&rig);
    assert_int_equal(t_tcp_read(late, &byte, 1), 0);
    t_streams_say(fds[RELAY_REQUESTER], "content", 7);
    t_streams_expect(&rig, fds[RELAY_TARGET], "content");
    relay_streams_end_all(rig.streams);
    assert_int_equal(rig.report.cause, RELAY_DRAINED);
    assert_int_equal(rig.drained, 1);
    t_streams_close(fds);
    close(waiting);
    close(late);
    t_streams_tear_down(&rig);
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_two_that_name_a_hash_are_a_stream),
    JF_TEST(test_early_bytes_are_dropped),
    JF_TEST(test_a_third_one_disturbs_nobody),
    JF_TEST(test_who_leaves_makes_room),
    JF_TEST(test_who_has_left_is_noticed_at_the_activation),
    JF_TEST(test_other_protocols),
    JF_TEST(test_a_break_is_passed_on_as_a_break),
    JF_TEST(test_draining),
};

JF_TEST_MAIN(tests)
