/* The server of one file, over connections that a test holds the other end of. */
#include "jf_test.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <apr_strings.h>

#include "serve_http.h"
#include "t_directory.h"

#define ANSWER_BYTES 8192
#define RUN_US apr_time_from_msec(20)
/* Long enough for any machine; nothing waits for it unless the test fails. */
#define PATIENCE_US apr_time_from_sec(20)

static const options_t quiet = {.is_quiet = 1};

static source_file_t *make_source(const char *name, const char *content, apr_pool_t *pool)
{
    client_t *client = apr_pcalloc(pool, sizeof(*client));
    *client = (client_t){.pool = pool, .options = &quiet};
    const char *path = apr_pstrcat(pool, t_directory_make(pool), "/", name, NULL);
    int fd = open(path, O_CREAT | O_WRONLY | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, strlen(content)), strlen(content));
    assert_int_equal(close(fd), 0);
    source_file_t *source = NULL;
    jf_test_ok(source_file_open(&source, client, path, pool), path);
    return source;
}

static serve_http_t *make_server(const source_file_t *source, unsigned silence_s, apr_pool_t *pool)
{
    serve_http_t *server = NULL;
    const serve_place_t options = {.silence_s = silence_s};
    jf_test_ok(serve_http_open(&server, &options, source, pool), "open");
    return server;
}

/* A connection from 127.0.0.HOST. @return the client's end, which does not block */
static int connect_from(serve_http_t *server, unsigned char host)
{
    int ends[2];
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000000U | host)};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    serve_http_adopt(server, ends[1], (const struct sockaddr *)&from, sizeof(from));
    return ends[0];
}

static void say(int fd, const char *text)
{
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

/* All that comes until the server closes the connection. */
static const char *read_to_end(serve_http_t *server, int fd, apr_pool_t *pool)
{
    char *answer = apr_pcalloc(pool, ANSWER_BYTES);
    size_t length = 0;
    apr_time_t end_us = apr_time_now() + PATIENCE_US;
    for (;;) {
        serve_http_run(server, RUN_US);
        ssize_t count = read(fd, answer + length, ANSWER_BYTES - 1 - length);
        if (count == 0) {
            close(fd);
            return answer;
        }
        length += count > 0 ? (size_t)count : 0;
        assert_true(apr_time_now() < end_us);
    }
}

static const char *ask(serve_http_t *server, unsigned char host, const char *method,
                       const char *more, apr_pool_t *pool)
{
    int fd = connect_from(server, host);
    say(fd, apr_psprintf(pool, "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n", method,
                         serve_http_url(server), more));
    return read_to_end(server, fd, pool);
}

static void expect(const char *answer, const char *status, const char *part)
{
    if (strncmp(answer, "HTTP/1.1 ", 9) != 0 || strncmp(answer + 9, status, 3) != 0 ||
        !strstr(answer, part)) {
        fail_msg("not %s with \"%s\": %s", status, part, answer);
    }
}

static void test_a_name_is_escaped_and_found(void **state)
{
    serve_http_t *server = make_server(make_source("\xc3\xa4 100%25 #?.txt", "hello", *state),
                                       SERVE_SILENCE_S, *state);
    assert_non_null(strstr(serve_http_url(server), "/%C3%A4%20100%2525%20%23%3F.txt"));
    expect(ask(server, 1, "GET", "", *state), "200", "\r\n\r\nhello");
    assert_int_equal(serve_http_sent_bytes(server), 5);
    assert_int_equal(serve_http_reached_bytes(server), 5);
}

static void test_no_two_links_are_the_same(void **state)
{
    const source_file_t *source = make_source("a", "x", *state);
    assert_string_not_equal(serve_http_url(make_server(source, SERVE_SILENCE_S, *state)),
                            serve_http_url(make_server(source, SERVE_SILENCE_S, *state)));
}

static void test_how_far_it_is(void **state)
{
    serve_http_t *server =
        make_server(make_source("a", "0123456789", *state), SERVE_SILENCE_S, *state);
    expect(ask(server, 1, "HEAD", "", *state), "200", "Content-Length: 10");
    assert_int_equal(serve_http_sent_bytes(server), 0);
    expect(ask(server, 1, "GET", "Range: bytes=2-5\r\n", *state), "206", "\r\n\r\n2345");
    assert_int_equal(serve_http_reached_bytes(server), 6);
    expect(ask(server, 1, "GET", "Range: bytes=0-1\r\n", *state), "206", "\r\n\r\n01");
    assert_int_equal(serve_http_reached_bytes(server), 6);
    assert_int_equal(serve_http_sent_bytes(server), 6);
}

/* Who guesses wrongly is no receiver. */
static void test_the_first_who_knows_the_path_is_the_receiver(void **state)
{
    serve_http_t *server = make_server(make_source("a", "x", *state), SERVE_SILENCE_S, *state);
    int fd = connect_from(server, 9);
    say(fd, "GET /guess/a HTTP/1.0\r\n\r\n");
    expect(read_to_end(server, fd, *state), "404", "Content-Length: 0");
    expect(ask(server, 9, "PUT", "", *state), "405", "Allow: GET, HEAD");
    expect(ask(server, 2, "GET", "", *state), "200", "\r\n\r\nx");
    expect(ask(server, 9, "GET", "", *state), "403", "Content-Length: 0");
    expect(ask(server, 2, "GET", "", *state), "200", "\r\n\r\nx");
}

static void test_a_body_is_not_read(void **state)
{
    serve_http_t *server = make_server(make_source("a", "x", *state), SERVE_SILENCE_S, *state);
    expect(ask(server, 1, "GET", "Content-Length: 99999999999\r\n", *state), "200", "\r\n\r\nx");
    expect(ask(server, 1, "PUT", "Content-Length: 99999999999\r\n", *state), "405", "");
}

static void test_who_says_nothing_is_dropped(void **state)
{
    serve_http_t *server = make_server(make_source("a", "x", *state), 1, *state);
    int silent = connect_from(server, 1);
    int half = connect_from(server, 1);
    say(half, "GET /");
    assert_string_equal(read_to_end(server, silent, *state), "");
    read_to_end(server, half, *state);
    expect(ask(server, 1, "GET", "", *state), "200", "\r\n\r\nx");
}

static void test_one_address_has_few_connections(void **state)
{
    serve_http_t *server = make_server(make_source("a", "x", *state), SERVE_SILENCE_S, *state);
    int crowd[SERVE_CONNECTIONS_OF_ONE_MAX];
    for (int i = 0; i < SERVE_CONNECTIONS_OF_ONE_MAX; i++) {
        crowd[i] = connect_from(server, 1);
    }
    assert_string_equal(read_to_end(server, connect_from(server, 1), *state), "");
    expect(ask(server, 2, "GET", "", *state), "200", "\r\n\r\nx");
    for (int i = 0; i < SERVE_CONNECTIONS_OF_ONE_MAX; i++) {
        close(crowd[i]);
    }
}

/* The answer breaks off, also for those who ask later. */
static void test_a_file_that_changes(void **state)
{
    source_file_t *source = make_source("a", "0123456789", *state);
    serve_http_t *server = make_server(source, SERVE_SILENCE_S, *state);
    assert_int_equal(truncate(source->path, 5), 0);
    const char *answer = ask(server, 1, "GET", "", *state);
    assert_null(strstr(answer, "01234"));
    jf_err_t *err = serve_http_run(server, RUN_US);
    assert_non_null(err);
    assert_int_equal(err->code, JF_ERR_IO);
    assert_non_null(strstr(err->text, "has changed"));
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_a_name_is_escaped_and_found),
    JF_TEST(test_no_two_links_are_the_same),
    JF_TEST(test_how_far_it_is),
    JF_TEST(test_the_first_who_knows_the_path_is_the_receiver),
    JF_TEST(test_a_body_is_not_read),
    JF_TEST(test_who_says_nothing_is_dropped),
    JF_TEST(test_one_address_has_few_connections),
    JF_TEST(test_a_file_that_changes),
};

JF_TEST_MAIN(tests)
