#include "t_streams.h"

#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "jf_test.h"
#include "jf_units.h"
#include "t_tcp.h"

#define WAIT_US apr_time_from_sec(20)

const unsigned char t_streams_hash_a[RELAY_HASH_BYTES] = {0x97, 0x2b, 0x7b, 0xf4, 0x72, 0x91, 0xca,
                                                          0x60, 0x95, 0x17, 0xf6, 0x7f, 0x86, 0xb5,
                                                          0x08, 0x10, 0x86, 0x05, 0x2d, 0xad};
const unsigned char t_streams_hash_b[RELAY_HASH_BYTES] = {0x26, 0xf2, 0xc0, 0x47, 0xbd, 0x26, 0xcf,
                                                          0x4c, 0x66, 0x6e, 0xf6, 0x9a, 0x11, 0xf4,
                                                          0xe9, 0x01, 0xa9, 0xee, 0x33, 0x38};

static void on_ended(void *baton, const relay_report_t *report)
{
    t_streams_t *rig = baton;
    assert_string_equal(report->jids[RELAY_REQUESTER], T_STREAMS_ALICE "/a");
    assert_string_equal(report->jids[RELAY_TARGET], "bob@example.org/b");
    rig->report = *report;
    rig->ended++;
}

static void on_lost(void *baton, const unsigned char *hash, relay_loss_t loss)
{
    t_streams_t *rig = baton;
    assert_memory_equal(hash, t_streams_hash_a, RELAY_HASH_BYTES);
    rig->lost++;
    rig->loss = loss;
}

static void on_drained(void *baton)
{
    t_streams_t *rig = baton;
    rig->drained++;
}

void t_streams_set_up(t_streams_t *rig)
{
    *rig = (t_streams_t){.base = event_base_new(),
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

void t_streams_tear_down(t_streams_t *rig)
{
    relay_streams_destroy(rig->streams);
    event_base_free(rig->base);
}

const relay_counts_t *t_streams_counts(const t_streams_t *rig)
{
    return relay_streams_counts(rig->streams);
}

void t_streams_wait_for(t_streams_t *rig, const int *count, int value)
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

int t_streams_enter(const t_streams_t *rig)
{
    t_tcp_t tcp = t_tcp_connect();
    relay_streams_take(rig->streams, tcp.near);
    return tcp.far;
}

void t_streams_say(int fd, const char *bytes, size_t length)
{
    assert_int_equal(send(fd, bytes, length, 0), length);
}

void t_streams_name(int fd, const char *hex)
{
    t_streams_say(fd, "\5\1\0\5\1\0\3\x28", 8);
    t_streams_say(fd, hex, RELAY_HASH_CHARS);
    t_streams_say(fd, "\0\0", 2);
}

int t_streams_answer(int fd)
{
    char answer[2 + RELAY_SOCKS5_ANSWER_BYTES_MAX] = "";
    assert_int_equal(t_tcp_read(fd, answer, sizeof(answer)), sizeof(answer));
    assert_memory_equal(answer, "\5\0\5", 3);
    return answer[3];
}

int t_streams_join(t_streams_t *rig, const char *hex)
{
    int fd = t_streams_enter(rig);
    t_streams_name(fd, hex);
    t_streams_wait_for(rig, &t_streams_counts(rig)->unmatched, 0);
    assert_int_equal(t_streams_answer(fd), RELAY_SOCKS5_GRANTED);
    return fd;
}

relay_activation_t t_streams_activate(const t_streams_t *rig, const unsigned char *hash,
                                      const char *user)
{
    static const char *const jids[] = {
        [RELAY_TARGET] = "bob@example.org/b", [RELAY_REQUESTER] = T_STREAMS_ALICE "/a"};
    return relay_streams_activate(rig->streams, hash, jids, user);
}

void t_streams_open(t_streams_t *rig, int *fds, const char *hex, const unsigned char *hash)
{
    fds[RELAY_TARGET] = t_streams_join(rig, hex);
    fds[RELAY_REQUESTER] = t_streams_join(rig, hex);
    assert_int_equal(t_streams_activate(rig, hash, T_STREAMS_ALICE), RELAY_ACTIVATED);
}

void t_streams_close(const int *fds)
{
    close(fds[0]);
    close(fds[1]);
}

void t_streams_expect(t_streams_t *rig, int fd, const char *expected)
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
