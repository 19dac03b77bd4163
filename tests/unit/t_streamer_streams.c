#include "jf_test.h"

#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "jf_units.h"
#include "relay_streams.h"
#include "t_tcp.h"

#define WAIT_US apr_time_from_sec(20)
#define HEX_A "972b7bf47291ca609517f67f86b5081086052dad"
#define HEX_B "26f2c047bd26cf4c666ef69a11f4e901a9ee3338"
#define ALICE "alice@example.org"

static const unsigned char hash_a[RELAY_HASH_BYTES] = {0x97, 0x2b, 0x7b, 0xf4, 0x72, 0x91, 0xca,
                                                       0x60, 0x95, 0x17, 0xf6, 0x7f, 0x86, 0xb5,
                                                       0x08, 0x10, 0x86, 0x05, 0x2d, 0xad};
static const unsigned char hash_b[RELAY_HASH_BYTES] = {0x26, 0xf2, 0xc0, 0x47, 0xbd, 0x26, 0xcf,
                                                       0x4c, 0x66, 0x6e, 0xf6, 0x9a, 0x11, 0xf4,
                                                       0xe9, 0x01, 0xa9, 0xee, 0x33, 0x38};

/** Streams with an observer that remembers. */
typedef struct rig_t {
    struct event_base *base;
    relay_streams_t *streams;
    relay_limits_t limits;
    relay_report_t report; /* the last one; its JIDs are not kept */
    int ended;
    int lost;
    relay_loss_t loss;
    int drained;
} rig_t;

static void on_ended(void *baton, const relay_report_t *report)
{
    rig_t *rig = baton;
    assert_string_equal(report->jids[RELAY_REQUESTER], ALICE "/a");
    assert_string_equal(report->jids[RELAY_TARGET], "bob@example.org/b");
    rig->report = *report;
    rig->ended++;
}

static void on_lost(void *baton, const unsigned char *hash, relay_loss_t loss)
{
    rig_t *rig = baton;
    assert_memory_equal(hash, hash_a, RELAY_HASH_BYTES);
    rig->lost++;
    rig->loss = loss;
}

static void on_drained(void *baton)
{
    rig_t *rig = baton;
    rig->drained++;
}

static void set_up(rig_t *rig)
{
    *rig = (rig_t){.base = event_base_new(),
                   .limits = {
                       .streams = 10,
                       .streams_per_jid = 10,
                       .stream_bytes = JF_UNLIMITED,
                       .day_bytes = JF_UNLIMITED,
                       .rate_bytes_per_s = JF_UNLIMITED,
                       .activation_us = JF_NEVER,
                       .idle_us = JF_NEVER,
                       .total_us = JF_NEVER,
                   }};
    const relay_observer_t observer = {rig, on_ended, on_lost, on_drained};
    assert_non_null(rig->base);
    rig->streams = relay_streams_create(rig->base, &rig->limits, &observer);
    signal(SIGPIPE, SIG_IGN);
}

static void tear_down(rig_t *rig)
{
    relay_streams_destroy(rig->streams);
    event_base_free(rig->base);
}

static const relay_counts_t *counts(const rig_t *rig)
{
    return relay_streams_counts(rig->streams);
}

/** Lets the loop run until a count is what it should be. */
static void wait_for(rig_t *rig, const int *count, int value)
{
    apr_time_t deadline_us = relay_now_us() + WAIT_US;
    while (*count != value) {
        const struct timeval soon = {0, 10000};
        event_base_loopexit(rig->base, &soon);
        event_base_loop(rig->base, EVLOOP_ONCE);
        if (relay_now_us() > deadline_us) {
            fail_msg("it is %d and not %d", *count, value);
        }
    }
}

/* ---- peers ---- */

/** Connects without saying anything. @return the far end. */
static int enter(const rig_t *rig)
{
    t_tcp_t tcp = t_tcp_connect();
    relay_streams_take(rig->streams, tcp.near);
    return tcp.far;
}

static void say(int fd, const char *bytes, size_t length)
{
    assert_int_equal(send(fd, bytes, length, 0), length);
}

/** Says which stream, all at once. */
static void name(int fd, const char *hex)
{
    say(fd, "\5\1\0\5\1\0\3\x28", 8);
    say(fd, hex, RELAY_HASH_CHARS);
    say(fd, "\0\0", 2);
}

/** Reads the two answers. @return the code of the second one. */
static int answer_of(int fd)
{
    char answer[2 + RELAY_SOCKS5_ANSWER_BYTES_MAX] = "";
    assert_int_equal(t_tcp_read(fd, answer, sizeof(answer)), sizeof(answer));
    assert_memory_equal(answer, "\5\0\5", 3);
    return answer[3];
}

/** A peer whose request was granted; it is one of a pair if @a waiting stays as it was. */
static int join(rig_t *rig, const char *hex, int unmatched_before)
{
    int fd = enter(rig);
    name(fd, hex);
    wait_for(rig, &counts(rig)->unmatched, unmatched_before);
    assert_int_equal(answer_of(fd), RELAY_SOCKS5_GRANTED);
    return fd;
}

static relay_activation_t activate(const rig_t *rig, const unsigned char *hash, const char *user)
{
    static const char *const jids[] = {
        [RELAY_TARGET] = "bob@example.org/b", [RELAY_REQUESTER] = ALICE "/a"};
    return relay_streams_activate(rig->streams, hash, jids, user);
}

/** A pair that is relayed: [RELAY_TARGET] and [RELAY_REQUESTER]. */
static void open_stream(rig_t *rig, int *fds, const char *hex, const unsigned char *hash)
{
    fds[RELAY_TARGET] = join(rig, hex, 0);
    fds[RELAY_REQUESTER] = join(rig, hex, 0);
    assert_int_equal(activate(rig, hash, ALICE), RELAY_ACTIVATED);
}

static void close_both(const int *fds)
{
    close(fds[0]);
    close(fds[1]);
}

/** Lets the loop run until these bytes have arrived. */
static void expect_bytes(rig_t *rig, int fd, const char *expected)
{
    char arrived[100];
    size_t length = strlen(expected);
    size_t got = 0;
    apr_time_t deadline_us = relay_now_us() + WAIT_US;
    while (got < length) {
        const struct timeval soon = {0, 1000};
        event_base_loopexit(rig->base, &soon);
        event_base_loop(rig->base, EVLOOP_ONCE);
        ssize_t count = recv(fd, arrived + got, length - got, MSG_DONTWAIT);
        got += count > 0 ? (size_t)count : 0;
        assert_true(relay_now_us() < deadline_us);
    }
    assert_memory_equal(arrived, expected, length);
}

/* ---- finding each other ---- */

static void test_two_that_name_a_hash_are_a_stream(void **state)
{
    rig_t rig;
    int fds[RELAY_SIDES];
    (void)state;
    set_up(&rig);
    assert_int_equal(activate(&rig, hash_a, ALICE), RELAY_UNKNOWN);
    fds[RELAY_TARGET] = join(&rig, HEX_A, 0);
    assert_int_equal(activate(&rig, hash_a, ALICE), RELAY_ONE_PARTY);
    fds[RELAY_REQUESTER] = join(&rig, HEX_A, 0);
    assert_int_equal(counts(&rig)->waiting, 1);
    assert_int_equal(activate(&rig, hash_b, ALICE), RELAY_UNKNOWN);
    assert_int_equal(activate(&rig, hash_a, ALICE), RELAY_ACTIVATED);
    assert_int_equal(activate(&rig, hash_a, ALICE), RELAY_IS_ACTIVE);
    assert_int_equal(counts(&rig)->waiting, 0);
    assert_int_equal(counts(&rig)->active, 1);

    say(fds[RELAY_REQUESTER], "content", 7);
    expect_bytes(&rig, fds[RELAY_TARGET], "content");
    say(fds[RELAY_TARGET], "yes", 3);
    expect_bytes(&rig, fds[RELAY_REQUESTER], "yes");
    close(fds[RELAY_REQUESTER]);
    expect_bytes(&rig, fds[RELAY_TARGET], "");
    close(fds[RELAY_TARGET]);
    wait_for(&rig, &rig.ended, 1);
    assert_int_equal(rig.report.cause, RELAY_FINISHED);
    assert_int_equal(rig.report.side, RELAY_REQUESTER);
    assert_int_equal(rig.report.bytes_to[RELAY_TARGET], 7);
    assert_int_equal(rig.report.bytes_to[RELAY_REQUESTER], 3);
    assert_int_equal(rig.report.number, 1);
    assert_int_equal(counts(&rig)->connections, 0);
    assert_int_equal(counts(&rig)->bytes, 10);
    assert_int_equal(activate(&rig, hash_a, ALICE), RELAY_UNKNOWN);
    tear_down(&rig);
}

static void test_early_bytes_are_dropped(void **state)
{
    rig_t rig;
    int fds[RELAY_SIDES];
    (void)state;
    set_up(&rig);
    fds[RELAY_TARGET] = join(&rig, HEX_A, 0);
    fds[RELAY_REQUESTER] = enter(&rig);
    name(fds[RELAY_REQUESTER], HEX_A);
    say(fds[RELAY_REQUESTER], "too early", 9);
    wait_for(&rig, &counts(&rig)->unmatched, 0);
    assert_int_equal(answer_of(fds[RELAY_REQUESTER]), RELAY_SOCKS5_GRANTED);
    say(fds[RELAY_TARGET], "me too", 6);
    assert_int_equal(activate(&rig, hash_a, ALICE), RELAY_ACTIVATED);
    say(fds[RELAY_REQUESTER], "content", 7);
    expect_bytes(&rig, fds[RELAY_TARGET], "content");
    assert_int_equal(counts(&rig)->bytes, 7);
    close_both(fds);
    tear_down(&rig);
}

static void test_a_third_one_disturbs_nobody(void **state)
{
    rig_t rig;
    int fds[RELAY_SIDES];
    (void)state;
    set_up(&rig);
    fds[RELAY_TARGET] = join(&rig, HEX_A, 0);
    fds[RELAY_REQUESTER] = join(&rig, HEX_A, 0);
    int third = enter(&rig);
    name(third, HEX_A);
    wait_for(&rig, &counts(&rig)->connections, 2);
    assert_int_equal(answer_of(third), RELAY_SOCKS5_NOT_ALLOWED);
    assert_int_equal(counts(&rig)->refused[RELAY_REFUSED_THIRD], 1);
    assert_int_equal(activate(&rig, hash_a, ALICE), RELAY_ACTIVATED);
    int fourth = enter(&rig);
    name(fourth, HEX_A);
    wait_for(&rig, &counts(&rig)->connections, 2);
    assert_int_equal(answer_of(fourth), RELAY_SOCKS5_NOT_ALLOWED);
    say(fds[RELAY_REQUESTER], "content", 7);
    expect_bytes(&rig, fds[RELAY_TARGET], "content");
    close_both(fds);
    close(third);
    close(fourth);
    tear_down(&rig);
}

static void test_who_leaves_makes_room(void **state)
{
    rig_t rig;
    int fds[RELAY_SIDES];
    (void)state;
    set_up(&rig);
    int first = join(&rig, HEX_A, 0);
    fds[RELAY_TARGET] = join(&rig, HEX_A, 0);
    close(first);
    wait_for(&rig, &counts(&rig)->connections, 1);
    assert_int_equal(activate(&rig, hash_a, ALICE), RELAY_ONE_PARTY);
    fds[RELAY_REQUESTER] = join(&rig, HEX_A, 0);
    assert_int_equal(activate(&rig, hash_a, ALICE), RELAY_ACTIVATED);
    say(fds[RELAY_REQUESTER], "content", 7);
    expect_bytes(&rig, fds[RELAY_TARGET], "content");
    assert_int_equal(rig.lost, 0);
    close_both(fds);
    tear_down(&rig);
}

static void test_who_has_left_is_noticed_at_the_activation(void **state)
{
    rig_t rig;
    int fds[RELAY_SIDES];
    (void)state;
    set_up(&rig);
    for (int gone = 0; gone < RELAY_SIDES; gone++) {
        fds[RELAY_TARGET] = join(&rig, HEX_A, 0);
        fds[RELAY_REQUESTER] = join(&rig, HEX_A, 0);
        say(fds[gone], "bytes before the end", 20);
        close(fds[gone]);
        assert_int_equal(activate(&rig, hash_a, ALICE), RELAY_ONE_PARTY);
        close(fds[1 - gone]);
        wait_for(&rig, &rig.lost, gone + 1);
        assert_int_equal(rig.loss, RELAY_LEFT);
    }
    assert_int_equal(counts(&rig)->waiting, 0);
    tear_down(&rig);
}

static void test_other_protocols(void **state)
{
    rig_t rig;
    char answer[2];
    (void)state;
    set_up(&rig);
    int fd = enter(&rig);
    say(fd, "GET / HTTP/1.1\r\n\r\n", 18);
    wait_for(&rig, &counts(&rig)->connections, 0);
    assert_int_equal(t_tcp_read(fd, answer, 2), 2);
    assert_memory_equal(answer, "\5\xff", 2);
    assert_int_equal(counts(&rig)->refused[RELAY_REFUSED_SOCKS], 1);
    assert_int_equal(rig.lost, 0);
    close(fd);
    tear_down(&rig);
}

/* ---- breaks ---- */

static void test_a_break_is_passed_on_as_a_break(void **state)
{
    rig_t rig;
    int fds[RELAY_SIDES];
    const struct linger hard = {.l_onoff = 1};
    (void)state;
    set_up(&rig);
    open_stream(&rig, fds, HEX_A, hash_a);
    say(fds[RELAY_REQUESTER], "half", 4);
    expect_bytes(&rig, fds[RELAY_TARGET], "half");
    setsockopt(fds[RELAY_REQUESTER], SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    close(fds[RELAY_REQUESTER]);
    wait_for(&rig, &rig.ended, 1);
    assert_int_equal(rig.report.cause, RELAY_BROKEN);
    assert_int_equal(rig.report.side, RELAY_REQUESTER);
    assert_true(t_tcp_is_reset(fds[RELAY_TARGET]));
    close(fds[RELAY_TARGET]);
    tear_down(&rig);
}

/* ---- limits of numbers ---- */

static void test_as_many_streams_as_may_be(void **state)
{
    rig_t rig;
    (void)state;
    set_up(&rig);
    rig.limits.streams = 1;
    relay_streams_set_limits(rig.streams, &rig.limits);
    int first = join(&rig, HEX_A, 0);
    int other = enter(&rig);
    name(other, HEX_B);
    wait_for(&rig, &counts(&rig)->connections, 1);
    assert_int_equal(answer_of(other), RELAY_SOCKS5_FAILURE);
    int second = join(&rig, HEX_A, 0);
    int third = enter(&rig);
    char byte;
    assert_int_equal(t_tcp_read(third, &byte, 1), 0);
    assert_int_equal(counts(&rig)->refused[RELAY_REFUSED_STREAMS], 2);
    assert_int_equal(activate(&rig, hash_a, ALICE), RELAY_ACTIVATED);
    close(first);
    close(second);
    close(third);
    close(other);
    tear_down(&rig);
}

static void test_streams_of_one_user(void **state)
{
    rig_t rig;
    int first[RELAY_SIDES];
    int second[RELAY_SIDES];
    (void)state;
    set_up(&rig);
    rig.limits.streams_per_jid = 1;
    relay_streams_set_limits(rig.streams, &rig.limits);
    open_stream(&rig, first, HEX_A, hash_a);
    second[RELAY_TARGET] = join(&rig, HEX_B, 0);
    second[RELAY_REQUESTER] = join(&rig, HEX_B, 0);
    assert_int_equal(activate(&rig, hash_b, ALICE), RELAY_OVER_STREAMS);
    assert_int_equal(counts(&rig)->refused[RELAY_REFUSED_PER_JID], 1);
    close_both(first);
    wait_for(&rig, &rig.ended, 1);
    assert_int_equal(activate(&rig, hash_b, ALICE), RELAY_ACTIVATED);
    close_both(second);
    wait_for(&rig, &rig.ended, 2);

    /* Another user is another matter. */
    open_stream(&rig, first, HEX_A, hash_a);
    second[RELAY_TARGET] = join(&rig, HEX_B, 0);
    second[RELAY_REQUESTER] = join(&rig, HEX_B, 0);
    assert_int_equal(activate(&rig, hash_b, "carol@example.org"), RELAY_ACTIVATED);
    close_both(first);
    close_both(second);
    tear_down(&rig);
}

/* ---- limits of bytes ---- */

static void test_bytes_of_a_stream(void **state)
{
    rig_t rig;
    int fds[RELAY_SIDES];
    (void)state;
    set_up(&rig);
    rig.limits.stream_bytes = 10;
    relay_streams_set_limits(rig.streams, &rig.limits);
    open_stream(&rig, fds, HEX_A, hash_a);
    say(fds[RELAY_TARGET], "abc", 3);
    expect_bytes(&rig, fds[RELAY_REQUESTER], "abc");
    say(fds[RELAY_REQUESTER], "01234567", 8);
    expect_bytes(&rig, fds[RELAY_TARGET], "0123456");
    wait_for(&rig, &rig.ended, 1);
    assert_int_equal(rig.report.cause, RELAY_STREAM_BYTES);
    assert_int_equal(rig.report.bytes_to[RELAY_TARGET], 7);
    assert_int_equal(counts(&rig)->ended[RELAY_STREAM_BYTES], 1);
    close_both(fds);
    tear_down(&rig);
}

static void test_bytes_of_a_day(void **state)
{
    rig_t rig;
    int fds[RELAY_SIDES];
    (void)state;
    set_up(&rig);
    rig.limits.day_bytes = 10;
    relay_streams_set_limits(rig.streams, &rig.limits);
    open_stream(&rig, fds, HEX_A, hash_a);
    say(fds[RELAY_REQUESTER], "01234", 5);
    expect_bytes(&rig, fds[RELAY_TARGET], "01234");
    close_both(fds);
    wait_for(&rig, &rig.ended, 1);
    assert_int_equal(rig.report.cause, RELAY_FINISHED);

    open_stream(&rig, fds, HEX_A, hash_a);
    say(fds[RELAY_REQUESTER], "567890", 6);
    expect_bytes(&rig, fds[RELAY_TARGET], "56789");
    wait_for(&rig, &rig.ended, 2);
    assert_int_equal(rig.report.cause, RELAY_DAY_BYTES);
    close_both(fds);

    fds[RELAY_TARGET] = join(&rig, HEX_A, 0);
    fds[RELAY_REQUESTER] = join(&rig, HEX_A, 0);
    assert_int_equal(activate(&rig, hash_a, ALICE), RELAY_OVER_DAY_BYTES);
    assert_int_equal(activate(&rig, hash_a, "carol@example.org"), RELAY_ACTIVATED);
    close_both(fds);
    tear_down(&rig);
}

/* ---- limits of time ---- */

static void test_patience_ends(void **state)
{
    rig_t rig;
    char byte;
    (void)state;
    set_up(&rig);
    rig.limits.activation_us = 1;
    relay_streams_set_limits(rig.streams, &rig.limits);
    int silent = enter(&rig);
    int named = enter(&rig);
    name(named, HEX_A);
    wait_for(&rig, &counts(&rig)->connections, 0);
    assert_int_equal(t_tcp_read(silent, &byte, 1), 0);
    assert_int_equal(rig.lost, 1);
    assert_int_equal(rig.loss, RELAY_TOO_LATE);
    assert_int_equal(counts(&rig)->refused[RELAY_REFUSED_UNACTIVATED], 2);
    close(silent);
    close(named);
    tear_down(&rig);
}

static void check_time(relay_cause_t cause)
{
    rig_t rig;
    int fds[RELAY_SIDES];
    set_up(&rig);
    open_stream(&rig, fds, HEX_A, hash_a);
    rig.limits.idle_us = cause == RELAY_IDLE ? 1 : JF_NEVER;
    rig.limits.total_us = cause == RELAY_TOTAL_TIME ? 1 : JF_NEVER;
    relay_streams_set_limits(rig.streams, &rig.limits);
    wait_for(&rig, &rig.ended, 1);
    assert_int_equal(rig.report.cause, cause);
    close_both(fds);
    tear_down(&rig);
}

static void test_time_limits_hold_for_active_streams(void **state)
{
    (void)state;
    check_time(RELAY_IDLE);
    check_time(RELAY_TOTAL_TIME);
}

/* ---- the end ---- */

static void test_draining(void **state)
{
    rig_t rig;
    int fds[RELAY_SIDES];
    char byte;
    (void)state;
    set_up(&rig);
    open_stream(&rig, fds, HEX_B, hash_b);
    int waiting = join(&rig, HEX_A, 0);
    relay_streams_drain(rig.streams);
    assert_int_equal(t_tcp_read(waiting, &byte, 1), 0);
    assert_int_equal(rig.loss, RELAY_SHUT);
    assert_int_equal(rig.drained, 0);
    int late = enter(&rig);
    assert_int_equal(t_tcp_read(late, &byte, 1), 0);
    say(fds[RELAY_REQUESTER], "content", 7);
    expect_bytes(&rig, fds[RELAY_TARGET], "content");
    relay_streams_end_all(rig.streams);
    assert_int_equal(rig.report.cause, RELAY_DRAINED);
    assert_int_equal(rig.drained, 1);
    close_both(fds);
    close(waiting);
    close(late);
    tear_down(&rig);
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_two_that_name_a_hash_are_a_stream),
    JF_TEST(test_early_bytes_are_dropped),
    JF_TEST(test_a_third_one_disturbs_nobody),
    JF_TEST(test_who_leaves_makes_room),
    JF_TEST(test_who_has_left_is_noticed_at_the_activation),
    JF_TEST(test_other_protocols),
    JF_TEST(test_a_break_is_passed_on_as_a_break),
    JF_TEST(test_as_many_streams_as_may_be),
    JF_TEST(test_streams_of_one_user),
    JF_TEST(test_bytes_of_a_stream),
    JF_TEST(test_bytes_of_a_day),
    JF_TEST(test_patience_ends),
    JF_TEST(test_time_limits_hold_for_active_streams),
    JF_TEST(test_draining),
};

JF_TEST_MAIN(tests)
