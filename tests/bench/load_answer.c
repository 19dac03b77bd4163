#define _GNU_SOURCE
#include "load_answer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define UNKNOWN (-1)

static const char chunked_end[ANSWER_END_BYTES + 1] = "\r\n0\r\n\r\n";

void answer_reset(answer_t *answer)
{
    answer->head_bytes = 0;
    answer->status = 0;
    answer->closes = 0;
    answer->is_chunked = 0;
    answer->left_bytes = UNKNOWN;
    memset(answer->end, 0, sizeof(answer->end));
}

/* Chunks are not counted: content that ends like the last one, just where a packet ends, is not to
 * be expected. */
static void keep_end(answer_t *answer, const char *content, size_t size_bytes)
{
    size_t new_bytes = size_bytes < ANSWER_END_BYTES ? size_bytes : ANSWER_END_BYTES;
    size_t kept_bytes = ANSWER_END_BYTES - new_bytes;
    memmove(answer->end, answer->end + new_bytes, kept_bytes);
    memcpy(answer->end + kept_bytes, content + size_bytes - new_bytes, new_bytes);
}

static const char *field(const answer_t *answer, const char *name)
{
    const char *found = strcasestr(answer->head, name);
    return found ? found + strlen(name) : NULL;
}

/* `end` is where the empty line begins. */
static void parse_head(answer_t *answer, char *end)
{
    const char *content = end + 4;
    size_t early_bytes = answer->head_bytes - (size_t)(content - answer->head);
    *end = '\0';
    answer->status = (int)strtol(answer->head + strlen("HTTP/1.1 "), NULL, 10);
    answer->closes = field(answer, "\r\nConnection: close") != NULL;
    answer->is_chunked = field(answer, "\r\nTransfer-Encoding: chunked") != NULL;
    const char *length = field(answer, "\r\nContent-Length:");
    if (answer->status == 204 || answer->status == 304) {
        answer->left_bytes = 0;
    } else if (length) {
        answer->left_bytes = strtoll(length, NULL, 10) - (int64_t)early_bytes;
    } else {
        keep_end(answer, content, early_bytes);
    }
}

static ssize_t receive_head(answer_t *answer, int fd)
{
    ssize_t received =
        recv(fd, answer->head + answer->head_bytes, ANSWER_HEAD_BYTES - answer->head_bytes, 0);
    if (received > 0) {
        answer->head_bytes += (size_t)received;
        answer->head[answer->head_bytes] = '\0';
        char *end = strstr(answer->head, "\r\n\r\n");
        if (end) {
            parse_head(answer, end);
        }
    }
    return received;
}

ssize_t answer_receive(answer_t *answer, int fd)
{
    static char content[64 << 10];
    ssize_t received;
    if (!answer->status) {
        return receive_head(answer, fd);
    }
    if (answer->left_bytes > 0) {
        /* The kernel throws it away without copying it. */
        received = recv(fd, NULL, (size_t)answer->left_bytes, MSG_TRUNC);
        answer->left_bytes -= received > 0 ? received : 0;
        return received;
    }
    received = recv(fd, content, sizeof(content), 0);
    if (received > 0) {
        keep_end(answer, content, (size_t)received);
    }
    return received;
}

int answer_is_complete(const answer_t *answer)
{
    return answer->status &&
           (answer->left_bytes == 0 ||
            (answer->is_chunked && memcmp(answer->end, chunked_end, ANSWER_END_BYTES) == 0));
}

int answer_ends_with_connection(const answer_t *answer)
{
    return answer->status && answer->left_bytes == UNKNOWN && !answer->is_chunked;
}
