/* Where a foreign link may lead once a person has agreed to one private address. The server is
 * ours, served whenever the client idles. */
#include "jf_test.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <apr_strings.h>

#include "http.h"
#include "serve_http.h"
#include "t_directory.h"

typedef struct place_t {
    client_t client;
    options_t options;
    account_t account;
    http_t *http;
    serve_http_t *server;
} place_t;

static void serve(void *baton)
{
    place_t *place = baton;
    serve_http_run(place->server, apr_time_from_msec(1));
}

static source_file_t *make_source(client_t *client, apr_pool_t *pool)
{
    const char *path = apr_pstrcat(pool, t_directory_make(pool), "/a.txt", NULL);
    int fd = open(path, O_CREAT | O_WRONLY | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "hello", 5), 5);
    close(fd);
    source_file_t *source = NULL;
    jf_test_ok(source_file_open(&source, client, path, pool), path);
    return source;
}

static place_t *make_place(apr_pool_t *pool)
{
    static const serve_place_t here = {"127.0.0.1", 0, SERVE_SILENCE_S};
    place_t *place = apr_pcalloc(pool, sizeof(*place));
    place->options.is_quiet = 1;
    place->client =
        (client_t){.pool = pool, .options = &place->options, .account = &place->account};
    source_file_t *source = make_source(&place->client, pool);
    jf_test_ok(serve_http_open(&place->server, &here, source, pool), "server");
    place->client.idle = serve;
    place->client.idle_baton = place;
    jf_test_ok(http_open(&place->http, &place->client, pool), "client");
    return place;
}

/* @param agreed or NULL */
static jf_err_t *fetch(http_answer_t **answer, place_t *place, const char *agreed, apr_pool_t *pool)
{
    const http_request_t request = {.method = "GET",
                                    .url = serve_http_url(place->server),
                                    .trust = HTTP_FOREIGN,
                                    .agreed_address = agreed};
    return http_call(answer, place->http, &request, pool);
}

static void refuse(place_t *place, const char *agreed, apr_pool_t *pool)
{
    http_answer_t *answer = NULL;
    jf_err_t *err = fetch(&answer, place, agreed, pool);
    jf_test_refused(err, JF_ERR_FORBIDDEN, agreed ? agreed : "nothing agreed");
    assert_non_null(strstr(err->text, "private address 127.0.0.1"));
}

static void test_what_is_agreed_is_allowed_and_nothing_else(void **state)
{
    place_t *place = make_place(*state);
    http_answer_t *answer = NULL;
    refuse(place, NULL, *state);
    refuse(place, "127.0.0.2", *state);
    refuse(place, "::ffff:127.0.0.1", *state);
    assert_int_equal(serve_http_sent_bytes(place->server), 0);
    jf_test_ok(fetch(&answer, place, "127.0.0.1", *state), "agreed");
    assert_int_equal(answer->status, 200);
    assert_string_equal(answer->body, "hello");
}

/* Or else somebody else's link would travel on the connection that is still open. */
static void test_it_was_agreed_for_one_file(void **state)
{
    place_t *place = make_place(*state);
    http_answer_t *answer = NULL;
    jf_test_ok(fetch(&answer, place, "127.0.0.1", *state), "agreed");
    refuse(place, NULL, *state);
    assert_int_equal(serve_http_sent_bytes(place->server), 5);
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_what_is_agreed_is_allowed_and_nothing_else),
    JF_TEST(test_it_was_agreed_for_one_file),
};

JF_TEST_MAIN(tests)
