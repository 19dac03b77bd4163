/* The least that a relay can do on this machine, to measure others against:
 *
 *     relay_floor PORT
 *
 * It answers the SOCKS5 of bytestreams (XEP-0065) and connects the two ends of a name as soon as
 * both are there: no activation, no limits, no counters, no log. For each direction a thread moves
 * pages by splice(2); it is no proxy for anybody but the benchmark. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define REQUEST_BYTES 47
#define PIPE_BYTES (1 << 20)
#define STACK_BYTES (64 << 10)

typedef struct {
    int from_fd;
    int to_fd;
} direction_t;

typedef struct waiting {
    struct waiting *next;
    int fd;
    char request[REQUEST_BYTES];
} waiting_t;

static pthread_attr_t thread_attributes;
static waiting_t *first_waiting;

static void *relay(void *data)
{
    direction_t direction = *(direction_t *)data;
    free(data);
    int pipe_fds[2];
    if (pipe2(pipe_fds, O_CLOEXEC) != 0) {
        perror("relay_floor");
        return NULL;
    }
    fcntl(pipe_fds[1], F_SETPIPE_SZ, PIPE_BYTES);
    ssize_t held = 0;
    while ((held = splice(direction.from_fd, NULL, pipe_fds[1], NULL, PIPE_BYTES, SPLICE_F_MOVE)) >
           0) {
        while (held > 0) {
            ssize_t moved =
                splice(pipe_fds[0], NULL, direction.to_fd, NULL, (size_t)held, SPLICE_F_MOVE);
            held = moved > 0 ? held - moved : -1;
        }
    }
    shutdown(direction.to_fd, SHUT_RDWR);
    shutdown(direction.from_fd, SHUT_RDWR);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    return NULL;
}

static void start(int from_fd, int to_fd)
{
    pthread_t thread;
    direction_t *direction = malloc(sizeof(*direction));
    if (direction) {
        *direction = (direction_t){from_fd, to_fd};
    }
    if (!direction || pthread_create(&thread, &thread_attributes, relay, direction) != 0) {
        fputs("relay_floor: no thread\n", stderr);
        exit(1);
    }
}

static int shake_hands(int fd, char *request)
{
    char greeting[3];
    if (recv(fd, greeting, sizeof(greeting), MSG_WAITALL) != sizeof(greeting) ||
        send(fd, "\5\0", 2, MSG_NOSIGNAL) != 2 ||
        recv(fd, request, REQUEST_BYTES, MSG_WAITALL) != REQUEST_BYTES) {
        return 0;
    }
    char answer[REQUEST_BYTES];
    memcpy(answer, request, REQUEST_BYTES);
    answer[1] = 0;
    return send(fd, answer, REQUEST_BYTES, MSG_NOSIGNAL) == REQUEST_BYTES;
}

/* Connects it with the one that waits for it, or keeps it. */
static void match(int fd, const char *request)
{
    for (waiting_t **place = &first_waiting; *place; place = &(*place)->next) {
        waiting_t *other = *place;
        if (memcmp(other->request, request, REQUEST_BYTES) == 0) {
            *place = other->next;
            start(fd, other->fd);
            start(other->fd, fd);
            free(other);
            return;
        }
    }
    waiting_t *added = malloc(sizeof(*added));
    if (!added) {
        exit(1);
    }
    added->next = first_waiting;
    added->fd = fd;
    memcpy(added->request, request, REQUEST_BYTES);
    first_waiting = added;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fputs("usage: relay_floor PORT\n", stderr);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_port = htons((uint16_t)strtol(argv[1], NULL, 10));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(listener, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(listener, 1024) != 0) {
        perror("relay_floor");
        return 1;
    }
    pthread_attr_init(&thread_attributes);
    pthread_attr_setdetachstate(&thread_attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&thread_attributes, STACK_BYTES);
    for (;;) {
        char request[REQUEST_BYTES];
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0) {
            perror("relay_floor");
            return 1;
        }
        if (shake_hands(fd, request)) {
            match(fd, request);
        } else {
            close(fd);
        }
    }
}
