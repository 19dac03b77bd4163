#include "jf_test.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <apr_time.h>

#include "jf_socket.h"
#include "jf_units.h"

#define WAIT_MS 10000
#define BLOCK_BYTES 50000
#define RATE_BYTES_PER_S (500 * 1024)
/* As on a real network: the loopback's own segments are so large that the first ones, which are
 * not paced, would be the whole test. */
#define SEGMENT_BYTES 1460
#define UNPACED_BYTES (64 * 1024)

/* ---- two ends of a connection on this machine ---- */

typedef struct pair_t {
    int server; /* the end that is looked at: as in httpd, the one that was connected to */
    int client;
} pair_t;

static int make_listener(struct sockaddr_in *address)
{
    socklen_t length = sizeof(*address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    *address = (struct sockaddr_in){.sin_family = AF_INET};
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(listener >= 0);
    assert_int_equal(bind(listener, (struct sockaddr *)address, sizeof(*address)), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)address, &length), 0);
    return listener;
}

static pair_t make_pair(void)
{
    struct sockaddr_in address;
    int segment_bytes = SEGMENT_BYTES;
    int listener = make_listener(&address);
    pair_t pair = {.client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    assert_true(pair.client >= 0);
    assert_int_equal(
        setsockopt(pair.client, IPPROTO_TCP, TCP_MAXSEG, &segment_bytes, sizeof(segment_bytes)), 0);
    assert_int_equal(connect(pair.client, (struct sockaddr *)&address, sizeof(address)), 0);
    pair.server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(pair.server >= 0);
    close(listener);
    return pair;
}

static void close_pair(pair_t pair)
{
    close(pair.server);
    close(pair.client);
}

static void write_all(int fd, size_t bytes)
{
    static const char block[BLOCK_BYTES];
    while (bytes > 0) {
        ssize_t taken = write(fd, block, bytes < sizeof(block) ? bytes : sizeof(block));
        assert_true(taken > 0);
        bytes -= (size_t)taken;
    }
}

static void read_all(int fd, size_t bytes)
{
    static char block[BLOCK_BYTES];
    while (bytes > 0) {
        ssize_t taken = read(fd, block, bytes < sizeof(block) ? bytes : sizeof(block));
        assert_true(taken > 0);
        bytes -= (size_t)taken;
    }
}

static jf_socket_progress_t progress_of(int fd)
{
    jf_socket_progress_t progress = {.written_bytes = -7, .sent_bytes = -7};
    assert_int_equal(jf_socket_progress(&progress, fd), 1);
    return progress;
}

/* What is on its way arrives when the kernel finds the time. */
static void expect_sent(int fd, apr_int64_t bytes)
{
    apr_time_t deadline_us = apr_time_now() + apr_time_from_msec(WAIT_MS);
    while (progress_of(fd).sent_bytes < bytes && apr_time_now() < deadline_us) {
        apr_sleep(1000);
    }
    assert_int_equal(progress_of(fd).sent_bytes, bytes);
}

/* ---- how far it is ---- */

static void test_nothing_was_written_at_first(void **state)
{
    (void)state;
    pair_t pair = make_pair();
    jf_socket_progress_t progress = progress_of(pair.server);
    assert_int_equal(progress.written_bytes, 0);
    assert_int_equal(progress.sent_bytes, 0);
    close_pair(pair);
}

static void test_what_is_written_is_counted_before_and_after_it_arrives(void **state)
{
    (void)state;
    pair_t pair = make_pair();
    for (int i = 1; i <= 20; i++) {
        write_all(pair.server, BLOCK_BYTES);
        assert_int_equal(progress_of(pair.server).written_bytes, i * BLOCK_BYTES);
        read_all(pair.client, BLOCK_BYTES);
        assert_int_equal(progress_of(pair.server).written_bytes, i * BLOCK_BYTES);
        expect_sent(pair.server, i * BLOCK_BYTES);
    }
    close_pair(pair);
}

/* Writes until no more is taken; returns how much that was. */
static apr_int64_t fill(int fd)
{
    static const char block[BLOCK_BYTES];
    apr_int64_t written_bytes = 0;
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    struct pollfd writable = {.fd = fd, .events = POLLOUT};
    while (poll(&writable, 1, 300) > 0) {
        ssize_t taken = write(fd, block, sizeof(block));
        written_bytes += taken > 0 ? taken : 0;
    }
    return written_bytes;
}

static void test_what_a_lazy_client_has_not_room_for_is_not_sent(void **state)
{
    (void)state;
    int room_bytes = 20000;
    pair_t pair = make_pair();
    (void)setsockopt(pair.client, SOL_SOCKET, SO_RCVBUF, &room_bytes, sizeof(room_bytes));
    apr_int64_t written_bytes = fill(pair.server);
    jf_socket_progress_t progress = progress_of(pair.server);
    assert_int_equal(progress.written_bytes, written_bytes);
    assert_in_range(progress.sent_bytes, 1, (uintmax_t)written_bytes - 1);
    close_pair(pair);
}

static void reset_by_client(const pair_t *pair)
{
    struct linger at_once = {.l_onoff = 1};
    struct pollfd broken = {.fd = pair->server};
    assert_int_equal(setsockopt(pair->client, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
    close(pair->client);
    assert_int_equal(poll(&broken, 1, WAIT_MS), 1);
    assert_true(broken.revents & (POLLHUP | POLLERR));
}

static void test_a_reset_connection_can_still_be_told(void **state)
{
    (void)state;
    pair_t pair = make_pair();
    apr_int64_t written_bytes = fill(pair.server);
    jf_socket_progress_t before = progress_of(pair.server);
    assert_true(before.sent_bytes < written_bytes);
    reset_by_client(&pair);
    jf_socket_progress_t after = progress_of(pair.server);
    assert_int_equal(after.written_bytes, before.written_bytes);
    /* The kernel may have tried the closed window with some bytes meanwhile. */
    assert_in_range(after.sent_bytes, (uintmax_t)before.sent_bytes, (uintmax_t)written_bytes - 1);
    close(pair.server);
}

/* ---- how fast it may go ---- */

static uint64_t rate_of(int fd)
{
    uint64_t rate = 7;
    socklen_t length = sizeof(rate);
    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &rate, &length), 0);
    assert_int_equal(length, sizeof(rate));
    return rate;
}

static int unsent_limit_of(int fd)
{
    int bytes = -7;
    socklen_t length = sizeof(bytes);
    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes, &length), 0);
    return bytes;
}

static void test_the_kernel_is_told_the_rate_and_that_it_ends(void **state)
{
    static const apr_int64_t rates[] = {1, RATE_BYTES_PER_S, APR_INT64_C(5) << 32, APR_INT64_MAX};
    (void)state;
    pair_t pair = make_pair();
    uint64_t rate_at_first = rate_of(pair.server);
    int unsent_limit_at_first = unsent_limit_of(pair.server);
    assert_int_equal(jf_socket_can_pace(), 1);
    for (size_t i = 0; i < JF_TEST_COUNT(rates); i++) {
        assert_int_equal(jf_socket_pace(pair.server, rates[i]), 1);
        assert_int_equal(rate_of(pair.server), rates[i]);
        assert_in_range(unsent_limit_of(pair.server), 1, 1024 * 1024);
    }
    assert_int_equal(jf_socket_pace(pair.server, JF_UNLIMITED), 1);
    assert_int_equal(rate_of(pair.server), rate_at_first);
    assert_int_equal(unsent_limit_of(pair.server), unsent_limit_at_first);
    close_pair(pair);
}

/* Only that it is not faster: how fast this machine could be is no matter. */
static void test_a_paced_connection_takes_its_time(void **state)
{
    (void)state;
    pair_t pair = make_pair();
    assert_int_equal(jf_socket_pace(pair.server, RATE_BYTES_PER_S), 1);
    apr_time_t begin_us = apr_time_now();
    for (int i = 0; i < 8; i++) {
        write_all(pair.server, RATE_BYTES_PER_S / 16);
        read_all(pair.client, RATE_BYTES_PER_S / 16);
    }
    apr_time_t least_us =
        APR_USEC_PER_SEC / 2 - (apr_time_t)UNPACED_BYTES * APR_USEC_PER_SEC / RATE_BYTES_PER_S;
    assert_true(apr_time_now() - begin_us > least_us);
    close_pair(pair);
}

static void test_little_lies_unsent_while_it_is_paced(void **state)
{
    (void)state;
    pair_t pair = make_pair();
    assert_int_equal(jf_socket_pace(pair.server, 1000), 1);
    (void)fill(pair.server);
    jf_socket_progress_t progress = progress_of(pair.server);
    assert_in_range(progress.written_bytes - progress.sent_bytes, 1, 256 * 1024);
    close_pair(pair);
}

/* ---- descriptors ---- */

static void test_a_second_descriptor_is_the_same_connection(void **state)
{
    (void)state;
    pair_t pair = make_pair();
    int shared = jf_socket_share(pair.server);
    assert_true(shared >= 0 && shared != pair.server);
    assert_true(fcntl(shared, F_GETFD) & FD_CLOEXEC);
    write_all(pair.server, BLOCK_BYTES);
    read_all(pair.client, BLOCK_BYTES);
    assert_int_equal(jf_socket_pace(shared, RATE_BYTES_PER_S), 1);
    assert_int_equal(rate_of(pair.server), RATE_BYTES_PER_S);
    close(pair.server);
    assert_int_equal(progress_of(shared).written_bytes, BLOCK_BYTES);
    expect_sent(shared, BLOCK_BYTES);
    pair.server = shared;
    close_pair(pair);
}

static void test_a_second_descriptor_shares_the_place_in_a_file(void **state)
{
    (void)state;
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    int shared = jf_socket_share(file);
    assert_int_equal(lseek(file, 4321, SEEK_SET), 4321);
    assert_int_equal(lseek(shared, 0, SEEK_CUR), 4321);
    close(file);
    close(shared);
}

static void expect_nothing_known(int fd)
{
    jf_socket_progress_t progress;
    assert_int_equal(jf_socket_progress(&progress, fd), 0);
}

static void test_what_is_no_tcp_connection_cannot_be_told(void **state)
{
    (void)state;
    int ends[2];
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    assert_true(file >= 0);
    expect_nothing_known(file);
    assert_int_equal(jf_socket_pace(file, RATE_BYTES_PER_S), 0);
    close(file);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    expect_nothing_known(ends[0]);
    assert_int_equal(jf_socket_pace(ends[0], RATE_BYTES_PER_S), 0);
    close(ends[0]);
    close(ends[1]);
}

static void test_a_closed_descriptor_is_nothing(void **state)
{
    (void)state;
    pair_t pair = make_pair();
    close_pair(pair);
    int closed[] = {pair.server, -1};
    for (size_t i = 0; i < JF_TEST_COUNT(closed); i++) {
        expect_nothing_known(closed[i]);
        assert_int_equal(jf_socket_pace(closed[i], RATE_BYTES_PER_S), 0);
        assert_int_equal(jf_socket_share(closed[i]), -1);
    }
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_nothing_was_written_at_first),
    JF_TEST(test_what_is_written_is_counted_before_and_after_it_arrives),
    JF_TEST(test_what_a_lazy_client_has_not_room_for_is_not_sent),
    JF_TEST(test_a_reset_connection_can_still_be_told),
    JF_TEST(test_the_kernel_is_told_the_rate_and_that_it_ends),
    JF_TEST(test_a_paced_connection_takes_its_time),
    JF_TEST(test_little_lies_unsent_while_it_is_paced),
    JF_TEST(test_a_second_descriptor_is_the_same_connection),
    JF_TEST(test_a_second_descriptor_shares_the_place_in_a_file),
    JF_TEST(test_what_is_no_tcp_connection_cannot_be_told),
    JF_TEST(test_a_closed_descriptor_is_nothing),
};

JF_TEST_MAIN(tests)
