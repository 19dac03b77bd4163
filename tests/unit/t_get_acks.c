#include "jf_test.h"

#include <sys/socket.h>
#include <unistd.h>

#include "get_acks.h"

#define ENOUGH_TO_FILL_BYTES (8 << 20)
#define TOTALS_WHILE_FULL 1000

typedef struct ends_t {
    int ours;
    int theirs;
} ends_t;

static ends_t make_ends(void)
{
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    return (ends_t){pair[0], pair[1]};
}

static void close_ends(ends_t ends)
{
    close(ends.ours);
    close(ends.theirs);
}

static void expect_ack(int fd, unsigned char a, unsigned char b, unsigned char c, unsigned char d)
{
    const unsigned char expected[] = {a, b, c, d};
    unsigned char bytes[GET_ACK_BYTES];
    assert_int_equal(recv(fd, bytes, sizeof(bytes), MSG_WAITALL), sizeof(bytes));
    assert_memory_equal(bytes, expected, sizeof(bytes));
}

static void expect_silence(int fd)
{
    char byte;
    assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
}

static void test_total_in_network_order(void **state)
{
    (void)state;
    get_acks_t acks = {0};
    ends_t ends = make_ends();
    assert_int_equal(get_acks_send(&acks, ends.ours, 1), 0);
    expect_ack(ends.theirs, 0, 0, 0, 1);
    assert_int_equal(get_acks_send(&acks, ends.ours, 0x01020304), 0);
    expect_ack(ends.theirs, 1, 2, 3, 4);
    assert_int_equal(get_acks_send(&acks, ends.ours, APR_INT64_C(0xffffffff)), 0);
    expect_ack(ends.theirs, 255, 255, 255, 255);
    close_ends(ends);
}

static void test_total_wraps(void **state)
{
    (void)state;
    get_acks_t acks = {0};
    ends_t ends = make_ends();
    get_acks_send(&acks, ends.ours, APR_INT64_C(0x100000000));
    expect_ack(ends.theirs, 0, 0, 0, 0);
    get_acks_send(&acks, ends.ours, APR_INT64_C(0x7654300000abcd));
    expect_ack(ends.theirs, 0, 0, 0xab, 0xcd);
    close_ends(ends);
}

static void test_each_total_is_told_once(void **state)
{
    (void)state;
    get_acks_t acks = {0};
    ends_t ends = make_ends();
    get_acks_send(&acks, ends.ours, 0);
    expect_silence(ends.theirs);
    get_acks_send(&acks, ends.ours, 5);
    expect_ack(ends.theirs, 0, 0, 0, 5);
    get_acks_send(&acks, ends.ours, 5);
    expect_silence(ends.theirs);
    close_ends(ends);
}

/** Fills the connection. @return how many bytes it took */
static int fill(int fd)
{
    static const char zeros[4096];
    int filled = 0;
    while (filled < ENOUGH_TO_FILL_BYTES) {
        ssize_t sent = send(fd, zeros, sizeof(zeros), MSG_DONTWAIT);
        if (sent < 0) {
            return filled;
        }
        filled += (int)sent;
    }
    fail_msg("a connection takes as much as one likes");
    return 0;
}

static void throw_away(int fd, int count)
{
    char bytes[4096];
    while (count > 0) {
        ssize_t got = recv(fd, bytes, count < 4096 ? (size_t)count : sizeof(bytes), MSG_WAITALL);
        assert_true(got > 0);
        count -= (int)got;
    }
}

static void test_newest_replaces_what_waits(void **state)
{
    (void)state;
    get_acks_t acks = {0};
    ends_t ends = make_ends();
    int filled = fill(ends.ours);
    for (int total = 1; total <= TOTALS_WHILE_FULL; total++) {
        assert_int_equal(get_acks_send(&acks, ends.ours, total), 1);
    }
    throw_away(ends.theirs, filled);
    assert_int_equal(get_acks_send(&acks, ends.ours, TOTALS_WHILE_FULL), 0);
    /* The first one was begun, so it is whole; all between are not worth telling any more. */
    expect_ack(ends.theirs, 0, 0, 0, 1);
    expect_ack(ends.theirs, 0, 0, TOTALS_WHILE_FULL >> 8, TOTALS_WHILE_FULL & 0xff);
    expect_silence(ends.theirs);
    close_ends(ends);
}

static void test_peer_that_has_gone(void **state)
{
    (void)state;
    get_acks_t acks = {0};
    ends_t ends = make_ends();
    close(ends.theirs);
    assert_int_equal(get_acks_send(&acks, ends.ours, 7), 0);
    close(ends.ours);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_total_in_network_order),
        cmocka_unit_test(test_total_wraps),
        cmocka_unit_test(test_each_total_is_told_once),
        cmocka_unit_test(test_newest_replaces_what_waits),
        cmocka_unit_test(test_peer_that_has_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
