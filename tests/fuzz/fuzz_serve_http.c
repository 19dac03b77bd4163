/*
 * The input is what a client sends on a connection to the server of one file. "@" stands for the
 * path of the file, which nobody could guess.
 */
#include "fuzz.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <apr_strings.h>

#include "serve_http.h"

#define CONTENT "0123456789abcdefghijklmnopqrstuvwxyz"
#define ANSWER_BYTES (64 << 10)
/* So often nothing may come before the server has nothing more to say. */
#define QUIET_ROUNDS 3

static apr_status_t close_file(void *baton)
{
    fclose(baton);
    return APR_SUCCESS;
}

/* Not by source_file_open: a nameless file has no path. */
static source_file_t *make_source(apr_pool_t *pool)
{
    FILE *file = tmpfile();
    FUZZ_CHECK(file);
    apr_pool_cleanup_register(pool, file, close_file, apr_pool_cleanup_null);
    source_file_t *source = apr_pcalloc(pool, sizeof(*source));
    *source = (source_file_t){.path = "a.txt",
                              .name = "a.txt",
                              .media_type = "text/plain",
                              .size_bytes = sizeof(CONTENT) - 1,
                              .has_digest = 1};
    source->fd = fileno(file);
    FUZZ_CHECK(write(source->fd, CONTENT, sizeof(CONTENT) - 1) == sizeof(CONTENT) - 1);
    return source;
}

/* The input with the path in it. */
static const char *expand(const char *text, const char *path, apr_pool_t *pool)
{
    const char *rest = text;
    const char *expanded = "";
    for (const char *at = strchr(rest, '@'); at; at = strchr(rest, '@')) {
        expanded = apr_pstrcat(pool, expanded, apr_pstrmemdup(pool, rest, (size_t)(at - rest)),
                               path, NULL);
        rest = at + 1;
    }
    return apr_pstrcat(pool, expanded, rest, NULL);
}

static int connect_to(serve_http_t *server)
{
    int ends[2];
    const struct sockaddr_in from = {.sin_family = AF_INET,
                                     .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    FUZZ_CHECK(serve_http_adopt(server, ends[1], (const struct sockaddr *)&from, sizeof(from)));
    return ends[0];
}

/* Runs the server and takes what it says. @return 0 once it has closed the connection */
static int take(serve_http_t *server, int fd, char *answer, size_t *length, int *has_come)
{
    FUZZ_CHECK(!serve_http_run(server, apr_time_from_msec(1)));
    ssize_t count = read(fd, answer + *length, ANSWER_BYTES - 1 - *length);
    *has_come = count > 0;
    *length += count > 0 ? (size_t)count : 0;
    return count > 0 || (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK));
}

static void talk(serve_http_t *server, const char *said, char *answer)
{
    int fd = connect_to(server);
    size_t length = 0;
    int quiet_rounds = 0;
    int has_come = 0;
    size_t said_bytes = strlen(said);
    ssize_t written = send(fd, said, said_bytes, MSG_NOSIGNAL);
    FUZZ_CHECK(written == (ssize_t)said_bytes);
    while (quiet_rounds < QUIET_ROUNDS && length < ANSWER_BYTES - 1 &&
           take(server, fd, answer, &length, &has_come)) {
        quiet_rounds = has_come ? 0 : quiet_rounds + 1;
    }
    answer[length] = '\0';
    close(fd);
}

/* 1 if @a part stands in the head of a first answer. */
static int head_has(const char *answer, const char *part)
{
    const char *end = strstr(answer, "\r\n\r\n");
    const char *found = strstr(answer, part);
    return found && end && found < end;
}

static void check_answer(const serve_http_t *server, const char *said, const char *answer)
{
    /* Without the path nothing of the content comes. */
    if (!strstr(said, "@")) {
        FUZZ_CHECK(!strstr(answer, "0123"));
        FUZZ_CHECK(serve_http_sent_bytes(server) == 0);
    }
    FUZZ_CHECK(serve_http_reached_bytes(server) <= (apr_int64_t)sizeof(CONTENT) - 1);
    if (answer[0] == '\0') {
        return;
    }
    FUZZ_CHECK(strncmp(answer, "HTTP/1.", 7) == 0);
    if (strncmp(answer + 8, " 200", 4) == 0 || strncmp(answer + 8, " 206", 4) == 0) {
        FUZZ_CHECK(head_has(answer, "X-Content-Type-Options: nosniff"));
        FUZZ_CHECK(head_has(answer, "Content-Disposition: attachment"));
    }
}

void fuzz_one(const char *text, apr_pool_t *pool)
{
    static char answer[ANSWER_BYTES];
    serve_http_t *server = NULL;
    const serve_place_t alone = {.silence_s = SERVE_SILENCE_S};
    FUZZ_CHECK(!serve_http_open(&server, &alone, make_source(pool), pool));
    talk(server, expand(text, serve_http_url(server), pool), answer);
    check_answer(server, text, answer);
}
