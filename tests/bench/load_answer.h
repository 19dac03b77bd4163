#ifndef LOAD_ANSWER_H
#define LOAD_ANSWER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The answer to one HTTP/1.1 request, as far as it has come. Of its content nothing is kept. */

#define ANSWER_HEAD_BYTES 8192
#define ANSWER_END_BYTES 7

typedef struct {
    char head[ANSWER_HEAD_BYTES + 1];
    size_t head_bytes; /* what came until the head was complete, early content too */
    int status;        /* 0: the head is not complete */
    int closes;        /* the server ends the connection after it */
    int is_chunked;
    int64_t left_bytes; /* of the content; -1: unknown */
    char end[ANSWER_END_BYTES];
} answer_t;

/* Forgets the answer before. */
void answer_reset(answer_t *answer);

/* Receives once from a connection that does not block; returns what recv does. */
ssize_t answer_receive(answer_t *answer, int fd);

/* Whether all of it has come. */
int answer_is_complete(const answer_t *answer);

/* Whether it is complete when the connection ends. */
int answer_ends_with_connection(const answer_t *answer);

#endif
