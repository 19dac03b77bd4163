#include "jf_test.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <apr_strings.h>

#include "take_http.h"

#define TURN_US apr_time_from_msec(20)
#define PATIENCE_US apr_time_from_sec(20)
#define SIZE_BYTES 10
#define ANSWER_BYTES_MAX 1000

/** The server, and what it has written down. */
typedef struct desk_t {
    take_http_t *take;
    char got[100];
    size_t got_bytes;
    int is_full; /**< the disk */
    int fd;      /**< of the client */
    apr_pool_t *pool;
} desk_t;

static jf_err_t *write_down(void *baton, const char *data, size_t size)
{
    desk_t *desk = baton;
    if (desk->is_full) {
        return jf_err_make(JF_ERR_DISK_FULL, APR_SUCCESS, desk->pool, "the disk is full");
    }
    assert_true(desk->got_bytes + size <= sizeof(desk->got));
    memcpy(desk->got + desk->got_bytes, data, size);
    desk->got_bytes += size;
    return NULL;
}

static desk_t *make_desk(apr_int64_t size_bytes, unsigned silence_s, apr_pool_t *pool)
{
    desk_t *desk = apr_pcalloc(pool, sizeof(*desk));
    const take_sink_t sink = {write_down, desk};
    const serve_place_t options = {.silence_s = silence_s};
    desk->pool = pool;
    jf_test_ok(take_http_open(&desk->take, &options, size_bytes, &sink, pool), "open");
    return desk;
}

static void connect_to(desk_t *desk)
{
    int fds[2];
    const struct sockaddr_in nowhere = {.sin_family = AF_INET};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    assert_int_equal(
        take_http_adopt(desk->take, fds[0], (const struct sockaddr *)&nowhere, sizeof(nowhere)), 1);
    desk->fd = fds[1];
}

static void say(const desk_t *desk, const char *text)
{
    assert_int_equal(send(desk->fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static const char *put(const desk_t *desk, const char *rest)
{
    return apr_pstrcat(desk->pool, "PUT ", take_http_url(desk->take), " HTTP/1.1\r\nHost: x\r\n",
                       rest, NULL);
}

/** Turns until there is an answer, or the connection ends; the answer's status, 0 for none. */
static int wait_for_status(const desk_t *desk)
{
    char answer[ANSWER_BYTES_MAX + 1];
    apr_time_t end_us = apr_time_now() + PATIENCE_US;
    ssize_t length = -1;
    while (length < 0 && apr_time_now() < end_us) {
        take_http_turn(desk->take, TURN_US);
        length = recv(desk->fd, answer, ANSWER_BYTES_MAX, 0);
    }
    if (length < 0) {
        fail_msg("there is no answer");
    }
    answer[length > 0 ? length : 0] = '\0';
    return length > 0 ? (int)apr_atoi64(answer + strlen("HTTP/1.1 ")) : 0;
}

static void hang_up(desk_t *desk)
{
    close(desk->fd);
    apr_time_t end_us = apr_time_now() + PATIENCE_US;
    while (take_http_state(desk->take) == TAKE_COMING && apr_time_now() < end_us) {
        take_http_turn(desk->take, TURN_US);
    }
}

static void expect_state(const desk_t *desk, take_state_t state, int code)
{
    const jf_err_t *err = take_http_error(desk->take);
    assert_int_equal(take_http_state(desk->take), state);
    assert_int_equal(err ? (int)err->code : 0, code);
}

static void test_requests(void **state)
{
    static const struct {
        const char *rest;
        int status;
        take_state_t state;
        int code; /* of the error; 0: none */
    } cases[] = {
        {"Content-Length: 10\r\n\r\n0123456789", 201, TAKE_COMPLETE, 0},
        {"Content-Length: 10\r\nExpect: 100-continue\r\n\r\n0123456789", 100, TAKE_COMPLETE, 0},
        {"Transfer-Encoding: chunked\r\n\r\n4\r\n0123\r\n6\r\n456789\r\n0\r\n\r\n", 201,
         TAKE_COMPLETE, 0},
        {"Transfer-Encoding: chunked\r\n\r\n4\r\n0123\r\n0\r\n\r\n", 400, TAKE_FAILED,
         JF_ERR_INVALID},
        {"Transfer-Encoding: chunked\r\n\r\nb\r\n0123456789a\r\n0\r\n\r\n", 0, TAKE_FAILED,
         JF_ERR_INVALID},
        {"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, TAKE_FAILED, JF_ERR_INVALID},
        {"Content-Length: 11\r\n\r\n0123456789a", 413, TAKE_WAITING, 0},
        {"Content-Length: 9\r\n\r\n012345678", 400, TAKE_WAITING, 0},
        {"Content-Length: 0\r\n\r\n", 400, TAKE_WAITING, 0},
        {"\r\n", 411, TAKE_WAITING, 0},
        {"Content-Encoding: gzip\r\nContent-Length: 10\r\n\r\n0123456789", 415, TAKE_WAITING, 0},
        {"Content-Range: bytes 0-9/10\r\nContent-Length: 10\r\n\r\n0123456789", 400, TAKE_WAITING,
         0},
    };
    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        desk_t *desk = make_desk(SIZE_BYTES, TAKE_SILENCE_S, *state);
        connect_to(desk);
        say(desk, put(desk, cases[i].rest));
        int status = wait_for_status(desk);
        if (status != cases[i].status) {
            fail_msg("%d: %s", status, cases[i].rest);
        }
        hang_up(desk);
        expect_state(desk, cases[i].state, cases[i].code);
        if (cases[i].state == TAKE_COMPLETE) {
            assert_memory_equal(desk->got, "0123456789", SIZE_BYTES);
            assert_int_equal(take_http_bytes(desk->take), SIZE_BYTES);
        }
        take_http_close(desk->take);
    }
}

static void test_an_empty_file_needs_no_length(void **state)
{
    static const char *const heads[] = {"\r\n", "Content-Length: 0\r\n\r\n",
                                        "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"};
    for (size_t i = 0; i < JF_TEST_COUNT(heads); i++) {
        desk_t *desk = make_desk(0, TAKE_SILENCE_S, *state);
        connect_to(desk);
        say(desk, put(desk, heads[i]));
        assert_int_equal(wait_for_status(desk), 201);
        expect_state(desk, TAKE_COMPLETE, 0);
        hang_up(desk);
    }
}

static void test_it_may_come_byte_by_byte(void **state)
{
    desk_t *desk = make_desk(SIZE_BYTES, TAKE_SILENCE_S, *state);
    connect_to(desk);
    const char *text = put(desk, "Content-Length: 10\r\n\r\n0123456789");
    for (const char *c = text; *c; c++) {
        assert_int_equal(send(desk->fd, c, 1, MSG_NOSIGNAL), 1);
        take_http_turn(desk->take, 0);
    }
    assert_int_equal(wait_for_status(desk), 201);
    assert_memory_equal(desk->got, "0123456789", SIZE_BYTES);
    hang_up(desk);
}

static void test_who_hangs_up_has_had_the_one_upload(void **state)
{
    desk_t *desk = make_desk(SIZE_BYTES, TAKE_SILENCE_S, *state);
    connect_to(desk);
    say(desk, put(desk, "Content-Length: 10\r\n\r\n01234"));
    hang_up(desk);
    take_http_turn(desk->take, TURN_US);
    hang_up(desk);
    expect_state(desk, TAKE_FAILED, JF_ERR_UNAVAILABLE);
    connect_to(desk);
    say(desk, put(desk, "Content-Length: 10\r\n\r\n0123456789"));
    assert_int_equal(wait_for_status(desk), 409);
    hang_up(desk);
}

static void test_who_is_silent_is_dropped(void **state)
{
    desk_t *desk = make_desk(SIZE_BYTES, 1, *state);
    connect_to(desk);
    say(desk, put(desk, "Content-Length: 10\r\n\r\n01234"));
    assert_int_equal(wait_for_status(desk), 0);
    expect_state(desk, TAKE_FAILED, JF_ERR_UNAVAILABLE);
    hang_up(desk);
}

static void test_what_cannot_be_written_ends_it(void **state)
{
    desk_t *desk = make_desk(SIZE_BYTES, TAKE_SILENCE_S, *state);
    desk->is_full = 1;
    connect_to(desk);
    say(desk, put(desk, "Content-Length: 10\r\n\r\n01234"));
    assert_int_equal(wait_for_status(desk), 0);
    expect_state(desk, TAKE_FAILED, JF_ERR_DISK_FULL);
    hang_up(desk);
}

static void test_paths_are_not_guessed(void **state)
{
    desk_t *one = make_desk(1, TAKE_SILENCE_S, *state);
    desk_t *other = make_desk(1, TAKE_SILENCE_S, *state);
    assert_true(strlen(take_http_url(one->take)) > 20);
    assert_string_not_equal(take_http_url(one->take), take_http_url(other->take));
}

static void test_where_it_listens(void **state)
{
    const take_sink_t sink = {write_down, NULL};
    const serve_place_t here = {"127.0.0.1", 0, TAKE_SILENCE_S};
    const serve_place_t nowhere = {"192.0.2.1", 0, TAKE_SILENCE_S};
    take_http_t *take = NULL;
    jf_test_ok(take_http_open(&take, &here, 1, &sink, *state), "127.0.0.1");
    assert_int_equal(strncmp(take_http_url(take), "http://127.0.0.1:", 17), 0);
    take_http_close(take);
    jf_test_refused(take_http_open(&take, &nowhere, 1, &sink, *state), JF_ERR_INVALID, "192.0.2.1");
    assert_null(take);
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_requests),
    JF_TEST(test_an_empty_file_needs_no_length),
    JF_TEST(test_it_may_come_byte_by_byte),
    JF_TEST(test_who_hangs_up_has_had_the_one_upload),
    JF_TEST(test_who_is_silent_is_dropped),
    JF_TEST(test_what_cannot_be_written_ends_it),
    JF_TEST(test_paths_are_not_guessed),
    JF_TEST(test_where_it_listens),
};

JF_TEST_MAIN(tests)
