#include "jf_test.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <apr_time.h>

#include "jf_units.h"
#include "relay_pump.h"
#include "t_tcp.h"

#define TURN_BYTES (64 * 1024)
#define WAIT_MS 20000
/* What the pump and the kernel may hold of a stream that its sink does not take: two sockets with
 * little room on each side, which the kernel doubles, and a pipe. */
#define UNDER_WAY_BYTES_MAX (2560 * 1024)

/** Answers to splice(2): a real one, or that this socket cannot be spliced. */
static int can_splice;

ssize_t __real_splice(int in, off64_t *in_at, int out, off64_t *out_at, size_t length,
                      unsigned flags);
ssize_t __wrap_splice(int in, off64_t *in_at, int out, off64_t *out_at, size_t length,
                      unsigned flags);

ssize_t __wrap_splice(int in, off64_t *in_at, int out, off64_t *out_at, size_t length,
                      unsigned flags)
{
    if (can_splice) {
        return __real_splice(in, in_at, out, out_at, length, flags);
    }
    errno = EINVAL;
    return -1;
}

/** A source, a pump, a sink. */
typedef struct rig_t {
    t_tcp_t source;
    t_tcp_t sink;
    relay_end_t source_end;
    relay_end_t sink_end;
    relay_pump_t pump;
    relay_pipes_t *pipes;
} rig_t;

static void set_up(rig_t *rig, int splices, int pipes)
{
    *rig = (rig_t){.source = t_tcp_connect(), .sink = t_tcp_connect()};
    can_splice = splices;
    rig->source_end = (relay_end_t){.fd = rig->source.near, .is_readable = 1, .is_writable = 1};
    rig->sink_end = (relay_end_t){.fd = rig->sink.near, .is_readable = 1, .is_writable = 1};
    rig->pipes = relay_pipes_create(pipes);
    signal(SIGPIPE, SIG_IGN);
}

static void tear_down(rig_t *rig)
{
    relay_pump_end(&rig->pump, rig->pipes);
    relay_pipes_destroy(rig->pipes);
    close(rig->source.near);
    close(rig->source.far);
    close(rig->sink.near);
    close(rig->sink.far);
}

static relay_pump_result_t run(rig_t *rig, apr_int64_t allowed_bytes)
{
    return relay_pump_run(&rig->pump, &rig->source_end, &rig->sink_end, rig->pipes, TURN_BYTES,
                          allowed_bytes);
}

static int is_ready(int fd, short event)
{
    struct pollfd wanted = {.fd = fd, .events = event};
    return poll(&wanted, 1, 0) > 0;
}

/** What edge-triggered events would say; waits a little if nothing can be done. */
static void wait_for_ends(rig_t *rig)
{
    struct pollfd wanted[] = {
        {.fd = rig->source.near, .events = rig->source_end.is_readable ? 0 : POLLIN},
        {.fd = rig->sink.near, .events = rig->sink_end.is_writable ? 0 : POLLOUT}};
    poll(wanted, 2, 10);
    rig->source_end.is_readable |= is_ready(rig->source.near, POLLIN);
    rig->sink_end.is_writable |= is_ready(rig->sink.near, POLLOUT);
}

/** Runs the pump until it says that. */
static void run_until(rig_t *rig, relay_pump_result_t wanted, apr_int64_t allowed_bytes)
{
    apr_time_t deadline_us = apr_time_now() + apr_time_from_msec(WAIT_MS);
    while (apr_time_now() < deadline_us) {
        relay_pump_result_t result = run(rig, allowed_bytes);
        if (result == wanted) {
            return;
        }
        assert_true(result == RELAY_PUMP_WAITS || result == RELAY_PUMP_MORE);
        wait_for_ends(rig);
    }
    fail_msg("it does not end");
}

/** Bytes that are not all alike. */
static char *make_content(size_t length)
{
    char *content = malloc(length);
    assert_non_null(content);
    for (size_t i = 0; i < length; i++) {
        content[i] = (char)(i * 2654435761U >> 13);
    }
    return content;
}

static void send_all(int fd, const char *bytes, size_t length)
{
    assert_int_equal(send(fd, bytes, length, 0), length);
}

/* ---- what is moved ---- */

/** Sends in pieces while the pump runs and the far end reads, then closes. */
static void check_content(int splices, int pipes)
{
    enum { LENGTH = 3 * 1000 * 1000 };
    rig_t rig;
    size_t sent = 0;
    size_t got = 0;
    char *content = make_content(LENGTH);
    char *arrived = malloc(LENGTH);
    set_up(&rig, splices, pipes);
    while (!rig.pump.is_over) {
        if (sent < LENGTH) {
            ssize_t count = send(rig.source.far, content + sent, LENGTH - sent, MSG_DONTWAIT);
            sent += count > 0 ? (size_t)count : 0;
            if (sent == LENGTH) {
                shutdown(rig.source.far, SHUT_WR);
            }
        }
        relay_pump_result_t result = run(&rig, JF_UNLIMITED);
        assert_true(result <= RELAY_PUMP_OVER);
        wait_for_ends(&rig);
        ssize_t count = recv(rig.sink.far, arrived + got, LENGTH - got, MSG_DONTWAIT);
        got += count > 0 ? (size_t)count : 0;
    }
    got += t_tcp_read(rig.sink.far, arrived + got, LENGTH - got);
    assert_int_equal(got, LENGTH);
    assert_memory_equal(arrived, content, LENGTH);
    assert_int_equal(t_tcp_read(rig.sink.far, arrived, 1), 0);
    assert_int_equal(rig.pump.taken_bytes, LENGTH);
    assert_int_equal(rig.pump.given_bytes, LENGTH);
    assert_null(rig.pump.pipe);
    assert_null(rig.pump.rest);
    tear_down(&rig);
    free(content);
    free(arrived);
}

static void test_spliced_content_is_the_same(void **state)
{
    (void)state;
    check_content(1, 10);
}

static void test_copied_content_is_the_same(void **state)
{
    (void)state;
    check_content(0, 10);
}

static void test_without_a_pipe_it_is_copied(void **state)
{
    (void)state;
    check_content(1, 0);
}

static void test_the_other_direction_stays_open_when_one_ends(void **state)
{
    rig_t rig;
    char byte = 0;
    (void)state;
    set_up(&rig, 1, 10);
    shutdown(rig.source.far, SHUT_WR);
    run_until(&rig, RELAY_PUMP_OVER, JF_UNLIMITED);
    assert_int_equal(t_tcp_read(rig.sink.far, &byte, 1), 0);
    assert_int_equal(run(&rig, JF_UNLIMITED), RELAY_PUMP_OVER);

    relay_pump_t back = {0};
    send_all(rig.sink.far, "x", 1);
    do {
        rig.sink_end.is_readable = is_ready(rig.sink.near, POLLIN);
        relay_pump_run(&back, &rig.sink_end, &rig.source_end, rig.pipes, TURN_BYTES, JF_UNLIMITED);
    } while (back.given_bytes == 0);
    assert_int_equal(t_tcp_read(rig.source.far, &byte, 1), 1);
    assert_int_equal(byte, 'x');
    tear_down(&rig);
}

/* ---- how much at once ---- */

static void check_back_pressure(int splices)
{
    rig_t rig;
    size_t sent = 0;
    char *content = make_content(1000 * 1000);
    set_up(&rig, splices, 10);
    /* Nobody reads at the sink: after a while the sender is held back. */
    for (int quiet = 0; quiet < 20; quiet++) {
        ssize_t count = send(rig.source.far, content, 100 * 1000, MSG_DONTWAIT);
        if (count > 0) {
            sent += (size_t)count;
            quiet = 0;
        }
        assert_true(sent < UNDER_WAY_BYTES_MAX);
        assert_true(run(&rig, JF_UNLIMITED) <= RELAY_PUMP_MORE);
        wait_for_ends(&rig);
    }
    assert_true(sent > 0);
    assert_true(rig.pump.taken_bytes - rig.pump.given_bytes <= 1024 * 1024);
    assert_int_equal(rig.sink_end.is_writable, 0);
    tear_down(&rig);
    free(content);
}

static void test_a_full_sink_holds_the_source_back(void **state)
{
    (void)state;
    check_back_pressure(1);
}

static void test_a_full_sink_holds_the_source_back_when_copied(void **state)
{
    (void)state;
    check_back_pressure(0);
}

static void wait_for_arrival(int fd, int bytes)
{
    int arrived = 0;
    for (int i = 0; i < WAIT_MS && arrived < bytes; i++) {
        assert_int_equal(ioctl(fd, FIONREAD, &arrived), 0);
        poll(NULL, 0, arrived < bytes);
    }
    assert_true(arrived >= bytes);
}

static void test_a_turn_ends_though_there_is_more(void **state)
{
    rig_t rig;
    char *content = make_content(TURN_BYTES);
    (void)state;
    set_up(&rig, 1, 10);
    send_all(rig.source.far, content, 20000);
    wait_for_arrival(rig.source.near, 20000);
    relay_pump_result_t result =
        relay_pump_run(&rig.pump, &rig.source_end, &rig.sink_end, rig.pipes, 1, JF_UNLIMITED);
    assert_int_equal(result, RELAY_PUMP_MORE);
    assert_int_equal(rig.source_end.is_readable, 1);
    assert_true(rig.pump.given_bytes > 0);
    run_until(&rig, RELAY_PUMP_WAITS, JF_UNLIMITED);
    assert_int_equal(rig.pump.given_bytes, 20000);
    tear_down(&rig);
    free(content);
}

static void test_an_idle_direction_holds_no_pipe(void **state)
{
    rig_t rig;
    (void)state;
    set_up(&rig, 1, 1);
    send_all(rig.source.far, "x", 1);
    wait_for_arrival(rig.source.near, 1);
    assert_int_equal(run(&rig, JF_UNLIMITED), RELAY_PUMP_WAITS);
    assert_int_equal(rig.pump.given_bytes, 1);
    relay_pipe_t *pipe = relay_pipes_take(rig.pipes);
    assert_non_null(pipe);
    assert_null(relay_pipes_take(rig.pipes));
    relay_pipes_give_back(rig.pipes, pipe, 1);
    tear_down(&rig);
}

/* ---- no more than allowed ---- */

static void check_allowance(int splices)
{
    rig_t rig;
    char arrived[1000];
    char *content = make_content(sizeof(arrived));
    set_up(&rig, splices, 10);
    send_all(rig.source.far, content, sizeof(arrived));
    wait_for_arrival(rig.source.near, sizeof(arrived));
    assert_int_equal(run(&rig, 700), RELAY_PUMP_SPENT);
    assert_int_equal(rig.pump.given_bytes, 700);
    assert_int_equal(t_tcp_read(rig.sink.far, arrived, 700), 700);
    assert_memory_equal(arrived, content, 700);
    assert_false(is_ready(rig.sink.far, POLLIN));
    tear_down(&rig);
    free(content);
}

static void test_not_a_byte_more_than_allowed(void **state)
{
    (void)state;
    check_allowance(1);
    check_allowance(0);
}

static void test_exactly_what_is_allowed_is_not_too_much(void **state)
{
    rig_t rig;
    (void)state;
    set_up(&rig, 1, 10);
    send_all(rig.source.far, "seven b", 7);
    wait_for_arrival(rig.source.near, 7);
    assert_int_equal(run(&rig, 7), RELAY_PUMP_WAITS);
    assert_int_equal(rig.pump.given_bytes, 7);
    shutdown(rig.source.far, SHUT_WR);
    run_until(&rig, RELAY_PUMP_OVER, 0);
    tear_down(&rig);
}

/* ---- breaks ---- */

static void reset(int fd)
{
    const struct linger hard = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    close(fd);
}

static void test_a_source_that_breaks(void **state)
{
    rig_t rig;
    (void)state;
    set_up(&rig, 1, 10);
    reset(rig.source.far);
    rig.source.far = -1;
    run_until(&rig, RELAY_PUMP_SOURCE_BROKEN, JF_UNLIMITED);
    assert_int_equal(errno, ECONNRESET);
    tear_down(&rig);
}

static void test_a_sink_that_breaks(void **state)
{
    rig_t rig;
    relay_pump_result_t result = RELAY_PUMP_WAITS;
    (void)state;
    set_up(&rig, 1, 10);
    reset(rig.sink.far);
    rig.sink.far = -1;
    for (int i = 0; i < 1000 && result == RELAY_PUMP_WAITS; i++) {
        send_all(rig.source.far, "x", 1);
        wait_for_ends(&rig);
        result = run(&rig, JF_UNLIMITED);
    }
    assert_int_equal(result, RELAY_PUMP_SINK_BROKEN);
    tear_down(&rig);
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_spliced_content_is_the_same),
    JF_TEST(test_copied_content_is_the_same),
    JF_TEST(test_without_a_pipe_it_is_copied),
    JF_TEST(test_the_other_direction_stays_open_when_one_ends),
    JF_TEST(test_a_full_sink_holds_the_source_back),
    JF_TEST(test_a_full_sink_holds_the_source_back_when_copied),
    JF_TEST(test_a_turn_ends_though_there_is_more),
    JF_TEST(test_an_idle_direction_holds_no_pipe),
    JF_TEST(test_not_a_byte_more_than_allowed),
    JF_TEST(test_exactly_what_is_allowed_is_not_too_much),
    JF_TEST(test_a_source_that_breaks),
    JF_TEST(test_a_sink_that_breaks),
};

JF_TEST_MAIN(tests)
