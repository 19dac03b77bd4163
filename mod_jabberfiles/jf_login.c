#include "jf_login.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <apr_strings.h>

#include "jf_ascii.h"
#include "jf_base64.h"
#include "jf_secret.h"

#define QUESTION "LOGIN "
/* Foreign servers have their words in it. */
#define REASON_BYTES_MAX 500

/* httpd's parent looks once a second whether it has to start the helper again. */
#define RETRY_US apr_time_from_msec(1500)
#define RETRY_STEP_US apr_time_from_msec(10)
/* It takes a connection at once, unless it hangs. */
static const struct timeval patience = {2, 0};

static const char *const words[] = {
    [JF_LOGIN_ACCEPTED] = "accepted",
    [JF_LOGIN_REFUSED] = "refused",
    [JF_LOGIN_UNAVAILABLE] = "unavailable",
};

/* ---- the lines ---- */

char *jf_login_format_question(const char *jid, const char *password, apr_pool_t *pool)
{
    char *secret =
        jf_secret_wipe_with(pool, (char *)jf_base64_encode(password, strlen(password), pool));
    return jf_secret_wipe_with(pool,
                               apr_pstrcat(pool, QUESTION, jf_base64_encode(jid, strlen(jid), pool),
                                           " ", secret, "\n", NULL));
}

/* The bytes must be a string: a NUL in them would hide what follows. */
static jf_err_t *decode(char **string, const char *text, apr_size_t length, apr_pool_t *pool)
{
    apr_size_t count;
    JF_TRY(jf_base64_decode(string, &count, text, length, pool));
    jf_secret_wipe_with(pool, *string);
    return strlen(*string) == count
               ? NULL
               : jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool, "a NUL in a question");
}

jf_err_t *jf_login_parse_question(const char **jid, const char **password, const char *line,
                                  apr_pool_t *pool)
{
    char *name;
    char *secret;
    const char *rest = line + strlen(QUESTION);
    const char *space = strncmp(line, QUESTION, strlen(QUESTION)) == 0 ? strchr(rest, ' ') : NULL;
    if (!space) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool, "not a question");
    }
    JF_TRY(decode(&name, rest, (apr_size_t)(space - rest), pool));
    JF_TRY(decode(&secret, space + 1, strlen(space + 1), pool));
    *jid = name;
    *password = secret;
    return NULL;
}

const char *jf_login_format_answer(const jf_login_answer_t *answer, apr_pool_t *pool)
{
    char *reason = apr_pstrndup(pool, answer->reason, REASON_BYTES_MAX);
    for (char *c = reason; *c; c++) {
        *c = jf_ascii_is_printable(*c) ? *c : '?';
    }
    return apr_pstrcat(pool, words[answer->verdict], *reason ? " " : "", reason, "\n", NULL);
}

jf_err_t *jf_login_parse_answer(jf_login_answer_t *answer, const char *line, apr_pool_t *pool)
{
    apr_size_t length = strcspn(line, " ");
    for (int verdict = JF_LOGIN_ACCEPTED; verdict <= JF_LOGIN_UNAVAILABLE; verdict++) {
        if (strlen(words[verdict]) == length && strncmp(line, words[verdict], length) == 0) {
            answer->verdict = (jf_login_verdict_t)verdict;
            answer->reason = apr_pstrdup(pool, line[length] ? line + length + 1 : "");
            return NULL;
        }
    }
    return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool, "not an answer");
}

/* ---- asking ---- */

static jf_err_t *unavailable(jf_login_answer_t *answer, const char *reason)
{
    answer->verdict = JF_LOGIN_UNAVAILABLE;
    answer->reason = reason;
    return NULL;
}

static int connect_once(int fd, const struct sockaddr_un *address)
{
    int result;
    do {
        result = connect(fd, (const struct sockaddr *)address, sizeof(*address));
    } while (result != 0 && errno == EINTR);
    return result;
}

/* 0, or why not: ENOENT and ECONNREFUSED if there is no helper. */
static int connect_to(int fd, const struct sockaddr_un *address)
{
    apr_time_t give_up = apr_time_now() + RETRY_US;
    while (connect_once(fd, address) != 0) {
        int is_gone = errno == ENOENT || errno == ECONNREFUSED;
        if (!is_gone || apr_time_now() > give_up) {
            return errno;
        }
        apr_sleep(RETRY_STEP_US);
    }
    return 0;
}

static int send_all(int fd, const char *text, size_t length)
{
    while (length > 0) {
        ssize_t sent = send(fd, text, length, MSG_NOSIGNAL);
        if (sent < 0 && errno != EINTR) {
            return errno;
        }
        if (sent > 0) {
            text += sent;
            length -= (size_t)sent;
        }
    }
    return 0;
}

/* 1 if there is something to read (or the end), 0 if the time is over. */
static int wait_for_bytes(int fd, apr_time_t deadline)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    for (;;) {
        apr_interval_time_t left_us = deadline - apr_time_now();
        if (left_us <= 0) {
            return 0;
        }
        int ready = poll(&poll_fd, 1, (int)apr_time_as_msec(left_us) + 1);
        if (ready != 0 && !(ready < 0 && errno == EINTR)) {
            return 1;
        }
    }
}

/* Reads the line into @a line and ends it where the newline was; 0 if there is no whole line. */
static int read_line(char *line, size_t size, int fd, apr_time_t deadline)
{
    size_t length = 0;
    while (length < size && wait_for_bytes(fd, deadline)) {
        ssize_t got = recv(fd, line + length, size - length, 0);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return 0;
        }
        char *newline = memchr(line + length, '\n', (size_t)got);
        if (newline) {
            *newline = '\0';
            return line + strlen(line) == newline; /* a NUL before it would hide the rest */
        }
        length += (size_t)got;
    }
    return 0;
}

static jf_err_t *converse(jf_login_answer_t *answer, int fd, const struct sockaddr_un *address,
                          const char *question, apr_pool_t *pool)
{
    char line[JF_LOGIN_LINE_BYTES_MAX];
    apr_time_t deadline = apr_time_now() + JF_LOGIN_DEADLINE_US + JF_LOGIN_GRACE_US;
    int problem = connect_to(fd, address);
    if (problem == ENOENT || problem == ECONNREFUSED) {
        return unavailable(answer, "jabberfilesd does not run");
    }
    if (problem == EAGAIN) {
        return unavailable(answer, "jabberfilesd does not accept connections");
    }
    if (problem != 0) {
        return jf_err_from_system(problem, pool, "cannot connect to %s", address->sun_path);
    }
    if (send_all(fd, question, strlen(question)) != 0) {
        return unavailable(answer, "jabberfilesd went away");
    }
    if (!read_line(line, sizeof(line), fd, deadline)) {
        return unavailable(answer, apr_time_now() < deadline ? "jabberfilesd went away"
                                                             : "jabberfilesd did not answer");
    }
    return jf_login_parse_answer(answer, line, pool)
               ? unavailable(answer, "jabberfilesd said something that is no answer")
               : NULL;
}

jf_err_t *jf_login_ask(jf_login_answer_t *answer, const char *socket_path, const char *jid,
                       const char *password, apr_pool_t *pool)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(socket_path) >= sizeof(address.sun_path)) {
        return jf_err_make(JF_ERR_IO, APR_SUCCESS, pool, "the path %s is too long for a socket",
                           socket_path);
    }
    memcpy(address.sun_path, socket_path, strlen(socket_path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return jf_err_from_system(errno, pool, "cannot make a socket");
    }
    /* While its backlog is full, connecting would wait without end; so would sending. */
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    const char *question = jf_login_format_question(jid, password, pool);
    jf_err_t *err = converse(answer, fd, &address, question, pool);
    close(fd);
    return err;
}
