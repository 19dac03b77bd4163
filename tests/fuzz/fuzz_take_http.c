/*
 * The input is what somebody sends to the server that waits for one upload of ten bytes. PATH in it
 * is the right path; what stands before and after a line that is just "&" comes at two different
 * times.
 */
#include "fuzz.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <apr_strings.h>

#include "take_http.h"

#define SIZE_BYTES 10
#define TURNS 4

typedef struct sink_t {
    apr_int64_t bytes;
} sink_t;

static jf_err_t *count(void *baton, const char *data, size_t size)
{
    sink_t *sink = baton;
    FUZZ_CHECK(data && size > 0);
    sink->bytes += (apr_int64_t)size;
    return NULL;
}

/** The input with the right path in it, which is another one each time. */
static const char *put_path_in(const char *text, const char *path, apr_pool_t *pool)
{
    const char *place = strstr(text, "PATH");
    return place ? apr_pstrcat(pool, apr_pstrmemdup(pool, text, (apr_size_t)(place - text)), path,
                               place + strlen("PATH"), NULL)
                 : text;
}

static void turn(take_http_t *take, int fd)
{
    char answer[1024];
    for (int i = 0; i < TURNS; i++) {
        take_http_turn(take, 0);
        while (recv(fd, answer, sizeof(answer), 0) > 0) {
        }
    }
}

static void say(take_http_t *take, int fd, const char *text, size_t length)
{
    if (length > 0) {
        send(fd, text, length, MSG_NOSIGNAL);
    }
    turn(take, fd);
}

/** Only what was announced counts as complete, and nothing beyond it is ever handed on. */
static void check(const take_http_t *take, const sink_t *sink)
{
    take_state_t state = take_http_state(take);
    FUZZ_CHECK(sink->bytes <= SIZE_BYTES && sink->bytes == take_http_bytes(take));
    FUZZ_CHECK(state != TAKE_COMPLETE || sink->bytes == SIZE_BYTES);
    FUZZ_CHECK(state != TAKE_WAITING || sink->bytes == 0);
    FUZZ_CHECK((state == TAKE_FAILED) == (take_http_error(take) != NULL));
}

void fuzz_one(const char *text, apr_pool_t *pool)
{
    sink_t written = {0};
    const take_sink_t sink = {count, &written};
    const serve_place_t options = {.silence_s = TAKE_SILENCE_S};
    const struct sockaddr_in nowhere = {.sin_family = AF_INET};
    take_http_t *take = NULL;
    int fds[2];
    FUZZ_CHECK(!take_http_open(&take, &options, SIZE_BYTES, &sink, pool));
    FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
    FUZZ_CHECK(take_http_adopt(take, fds[0], (const struct sockaddr *)&nowhere, sizeof(nowhere)));
    text = put_path_in(text, take_http_url(take), pool);
    const char *second = strstr(text, "\n&\n");
    size_t first_length = second ? (size_t)(second - text) : strlen(text);
    say(take, fds[1], text, first_length);
    check(take, &written);
    if (second) {
        say(take, fds[1], second + strlen("\n&\n"), strlen(second + strlen("\n&\n")));
        check(take, &written);
    }
    close(fds[1]);
    for (int i = 0; i < TURNS; i++) {
        take_http_turn(take, 0);
    }
    FUZZ_CHECK(take_http_state(take) != TAKE_COMING);
    check(take, &written);
    take_http_close(take);
}
