/* Puts a load on a proxy for bytestreams (XEP-0065) of this machine:
 *
 *     relay_load PORT ACTIVE IDLE
 *
 * Standard input has a line for each of ACTIVE + IDLE streams, the hash of its name. Both ends of
 * all of them are connected and ask for it, the target's first. Then "joined" is said, and whoever
 * started the program has the proxy activate them. Each further line of input is a number of
 * seconds: so long the ACTIVE streams carry as much as they can from one end to the other; the
 * answer is a line of JSON. With PORT 0 the ends are connected to each other, without a proxy.
 *
 * It must cost less than any proxy, for they share one machine: nothing is copied on the way out,
 * and the kernel throws away what comes in. One thread sends, one receives. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "load_base.h"

#define HASH_CHARS 40
#define REQUEST_BYTES (5 + HASH_CHARS + 2)
#define PIECE_BYTES (1 << 20)
#define EVENTS_MAX 64
/* How long a thread may not notice that it is to stop. */
#define LOOK_MS 50
/* Windows of congestion and buffers grow meanwhile. */
#define WARM_UP_SECONDS 0.3

typedef struct {
    int near_fd; /* the requester's */
    int far_fd;  /* the target's */
    _Atomic int64_t received_bytes;
} stream_t;

static stream_t *streams;
static size_t active_count;
static int body_fd;
static atomic_int is_over;

static struct sockaddr_in loopback(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static int connect_to(int port)
{
    struct sockaddr_in address = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        die("port %d: %m", port);
    }
    return fd;
}

static void exchange(int fd, const char *question, size_t question_bytes, char *answer,
                     size_t answer_bytes)
{
    if (send(fd, question, question_bytes, MSG_NOSIGNAL) != (ssize_t)question_bytes ||
        recv(fd, answer, answer_bytes, MSG_WAITALL) != (ssize_t)answer_bytes) {
        die("the proxy has ended a connection before its stream");
    }
}

static int join(int port, const char *hash)
{
    char request[REQUEST_BYTES] = {5, 1, 0, 3, HASH_CHARS};
    char answer[REQUEST_BYTES] = {0};
    memcpy(request + 5, hash, HASH_CHARS);
    int fd = connect_to(port);
    exchange(fd, "\5\1\0", 3, answer, 2);
    if (memcmp(answer, "\5\0", 2) != 0) {
        die("the proxy wants a login");
    }
    exchange(fd, request, sizeof(request), answer, sizeof(answer));
    if (answer[0] != 5 || answer[1] != 0) {
        die("the proxy refuses a stream with %d", answer[1]);
    }
    return fd;
}

static void join_all(int port, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char line[HASH_CHARS + 2];
        if (!fgets(line, sizeof(line), stdin) || strcspn(line, "\n") != HASH_CHARS) {
            die("a hash is missing in the input");
        }
        streams[i].far_fd = join(port, line);
        streams[i].near_fd = join(port, line);
    }
}

static void connect_all_directly(size_t count)
{
    struct sockaddr_in address = loopback(0);
    socklen_t address_bytes = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(listener, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(listener, 1) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &address_bytes) != 0) {
        die("no listener: %m");
    }
    for (size_t i = 0; i < count; i++) {
        streams[i].near_fd = connect_to(ntohs(address.sin_port));
        streams[i].far_fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    }
    close(listener);
}

static void make_body(void)
{
    char *piece = grow(NULL, PIECE_BYTES);
    memset(piece, 'x', PIECE_BYTES);
    body_fd = memfd_create("body", MFD_CLOEXEC);
    if (body_fd < 0 || write(body_fd, piece, PIECE_BYTES) != PIECE_BYTES) {
        die("no memory for the content: %m");
    }
    free(piece);
}

static void send_piece(stream_t *stream)
{
    off_t offset = 0;
    if (sendfile(stream->near_fd, body_fd, &offset, PIECE_BYTES) < 0 && errno != EAGAIN) {
        die("a stream cannot be written to: %m");
    }
}

static void receive_piece(stream_t *stream)
{
    ssize_t received = recv(stream->far_fd, NULL, PIECE_BYTES, MSG_TRUNC);
    if (received == 0 || (received < 0 && errno != EAGAIN)) {
        die("a stream has ended");
    }
    stream->received_bytes += received > 0 ? received : 0;
}

static int watch(uint32_t wanted)
{
    int poll_fd = epoll_create1(EPOLL_CLOEXEC);
    for (size_t i = 0; i < active_count; i++) {
        int fd = wanted == EPOLLOUT ? streams[i].near_fd : streams[i].far_fd;
        struct epoll_event event = {.events = wanted, .data.ptr = &streams[i]};
        fcntl(fd, F_SETFL, O_NONBLOCK);
        if (epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
            die("epoll: %m");
        }
    }
    return poll_fd;
}

static void work(uint32_t wanted, void (*step)(stream_t *stream))
{
    int poll_fd = watch(wanted);
    while (!is_over) {
        struct epoll_event events[EVENTS_MAX];
        int ready = epoll_wait(poll_fd, events, EVENTS_MAX, LOOK_MS);
        for (int i = 0; i < ready; i++) {
            step(events[i].data.ptr);
        }
    }
    close(poll_fd);
}

static void *send_all(void *unused)
{
    work(EPOLLOUT, send_piece);
    return unused;
}

static void *receive_all(void *unused)
{
    work(EPOLLIN, receive_piece);
    return unused;
}

static void pause_for(double seconds)
{
    struct timespec time = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    while (nanosleep(&time, &time) != 0 && errno == EINTR) {
    }
}

static int64_t total_bytes(void)
{
    int64_t total = 0;
    for (size_t i = 0; i < active_count; i++) {
        total += streams[i].received_bytes;
    }
    return total;
}

/* "bytes" has what each stream carried in "seconds"; "moved_bytes" is all, warming up included. */
static void report(const int64_t *bytes, double seconds, int64_t moved_bytes, double worked)
{
    printf("{\"seconds\": %.6f, \"moved_bytes\": %lld, \"cpu_seconds\": %.6f, \"bytes\": [",
           seconds, (long long)moved_bytes, worked);
    for (size_t i = 0; i < active_count; i++) {
        printf("%s%lld", i ? ", " : "", (long long)bytes[i]);
    }
    puts("]}");
    fflush(stdout);
}

static void measure(double seconds)
{
    int64_t *bytes = grow(NULL, active_count * sizeof(*bytes));
    int64_t moved_before_bytes = total_bytes();
    double worked_before = cpu_seconds();
    pthread_t sender;
    pthread_t receiver;
    is_over = 0;
    if (pthread_create(&receiver, NULL, receive_all, NULL) != 0 ||
        pthread_create(&sender, NULL, send_all, NULL) != 0) {
        die("no thread");
    }
    pause_for(WARM_UP_SECONDS);
    int64_t begin_us = now_us();
    for (size_t i = 0; i < active_count; i++) {
        bytes[i] = streams[i].received_bytes;
    }
    pause_for(seconds);
    for (size_t i = 0; i < active_count; i++) {
        bytes[i] = streams[i].received_bytes - bytes[i];
    }
    double took_seconds = (double)(now_us() - begin_us) / 1e6;
    is_over = 1;
    pthread_join(sender, NULL);
    pthread_join(receiver, NULL);
    report(bytes, took_seconds, total_bytes() - moved_before_bytes, cpu_seconds() - worked_before);
    free(bytes);
}

static void allow_many_files(void)
{
    struct rlimit limit = {0};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        die("usage: relay_load PORT ACTIVE IDLE");
    }
    int port = (int)strtol(argv[1], NULL, 10);
    active_count = strtoul(argv[2], NULL, 10);
    size_t count = active_count + strtoul(argv[3], NULL, 10);
    streams = calloc(count ? count : 1, sizeof(*streams));
    if (!streams) {
        die("no memory");
    }
    allow_many_files();
    make_body();
    if (port) {
        join_all(port, count);
    } else {
        connect_all_directly(count);
    }
    puts("joined");
    fflush(stdout);
    for (char line[64]; fgets(line, sizeof(line), stdin);) {
        measure(strtod(line, NULL));
    }
    free(streams);
    return 0;
}
