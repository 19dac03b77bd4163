/* Makes HTTP/1.1 requests at a server of this machine and tells how it did:
 *
 *     load [-c CLIENTS] [-s SECONDS] [-b BODY-BYTES] [-r] PORT FILE
 *
 * FILE has the heads of the requests, each up to its empty line. CLIENTS connections have one
 * request under way each and take the next one when it is answered. Every request is made once;
 * with -r all are repeated until SECONDS are over. The result is one line of JSON.
 *
 * It must cost less than any server, for both share one machine: one thread, nothing is formatted
 * or copied, large bodies go by sendfile, and the kernel throws the content of answers away. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "load_answer.h"
#include "load_base.h"

#define PIECE_BYTES (1 << 20)
/* Every kernel has it, so that a machine's own default does not come in. */
#define CONGESTION "reno"
#define COPIED_BYTES_MAX (256 << 10)
#define PATIENCE_US (60 * 1000000LL)

typedef struct {
    char *text;
    size_t size_bytes;
} head_t;

typedef struct {
    int fd; /* -1: not connected */
    int waits_for_room;
    int is_used;     /* an answer came over this connection */
    head_t *request; /* NULL: none under way */
    int64_t begin_us;
    int64_t sent_bytes;
    answer_t answer;
} client_t;

static int port;
static int64_t body_bytes;
static int repeats;
static int poll_fd;
static int body_fd;
static char *body;
static head_t *requests;
static size_t request_count, next_request;
static int64_t deadline_us;
static size_t active;
static size_t answered, refused, reconnects;
static uint32_t *times_us;
static size_t times_room;

static void read_requests(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st = {0};
    if (fd < 0 || fstat(fd, &st) != 0) {
        die("%s: %m", path);
    }
    char *text = grow(NULL, (size_t)st.st_size + 1);
    if (read(fd, text, (size_t)st.st_size) != st.st_size) {
        die("%s cannot be read at once", path);
    }
    close(fd);
    text[st.st_size] = '\0';
    size_t room = 0;
    for (char *end; (end = strstr(text, "\r\n\r\n")); text = end + 4) {
        if (request_count == room) {
            room = room ? 2 * room : 1024;
            requests = grow(requests, room * sizeof(*requests));
        }
        requests[request_count++] = (head_t){text, (size_t)(end + 4 - text)};
    }
    if (!request_count) {
        die("%s has no request", path);
    }
}

static void make_body(void)
{
    body_fd = memfd_create("body", MFD_CLOEXEC);
    if (body_fd < 0 || ftruncate(body_fd, PIECE_BYTES) != 0) {
        die("no memory for the body: %m");
    }
    body = mmap(NULL, PIECE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, body_fd, 0);
    if (body == MAP_FAILED) {
        die("no memory for the body: %m");
    }
    memset(body, 'x', PIECE_BYTES);
}

static void open_connection(client_t *client)
{
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (client->fd < 0 || connect(client->fd, (struct sockaddr *)&server, sizeof(server)) != 0) {
        die("port %d: %m", port);
    }
    int on = 1;
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(client->fd, IPPROTO_TCP, TCP_CONGESTION, CONGESTION, strlen(CONGESTION));
    fcntl(client->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, client->fd, &event);
    client->waits_for_room = 0;
    client->is_used = 0;
}

static void close_connection(client_t *client)
{
    close(client->fd);
    client->fd = -1;
}

static void wait_for_room(client_t *client, int waits)
{
    if (client->waits_for_room != waits) {
        struct epoll_event event = {.events = EPOLLIN | (waits ? EPOLLOUT : 0), .data.ptr = client};
        epoll_ctl(poll_fd, EPOLL_CTL_MOD, client->fd, &event);
        client->waits_for_room = waits;
    }
}

/* A small body goes together with its head. */
static ssize_t send_some(client_t *client)
{
    int64_t size_bytes = (int64_t)client->request->size_bytes;
    int64_t offset = client->sent_bytes - size_bytes;
    int is_copied = body_bytes <= COPIED_BYTES_MAX;
    if (offset < 0) {
        struct iovec parts[2] = {{client->request->text + client->sent_bytes, (size_t)-offset},
                                 {body, is_copied ? (size_t)body_bytes : 0}};
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
        return sendmsg(client->fd, &message, MSG_NOSIGNAL | (is_copied ? 0 : MSG_MORE));
    }
    if (is_copied) {
        return send(client->fd, body + offset, (size_t)(body_bytes - offset), MSG_NOSIGNAL);
    }
    off_t place = offset % PIECE_BYTES;
    int64_t left = body_bytes - offset;
    return sendfile(client->fd, body_fd, &place,
                    (size_t)(left < PIECE_BYTES - place ? left : PIECE_BYTES - place));
}

/* If the server wants no more, reading will tell why. */
static void send_request(client_t *client)
{
    int64_t total_bytes = (int64_t)client->request->size_bytes + body_bytes;
    while (client->sent_bytes < total_bytes) {
        ssize_t sent = send_some(client);
        if (sent < 0) {
            wait_for_room(client, errno == EAGAIN);
            return;
        }
        client->sent_bytes += sent;
    }
    wait_for_room(client, 0);
}

static void make_request(client_t *client)
{
    if (client->fd < 0) {
        open_connection(client);
    }
    client->sent_bytes = 0;
    answer_reset(&client->answer);
    send_request(client);
}

static void begin_next(client_t *client)
{
    if (next_request == request_count && repeats) {
        next_request = 0;
    }
    client->begin_us = now_us();
    if (next_request == request_count || client->begin_us >= deadline_us) {
        client->request = NULL;
        active--;
        return;
    }
    client->request = &requests[next_request++];
    make_request(client);
}

static void finish(client_t *client)
{
    if (client->answer.status / 100 != 2 && refused++ == 0) {
        fprintf(stderr, "load: %.*s\nwas answered with\n%s\n",
                (int)strcspn(client->request->text, "\r"), client->request->text,
                client->answer.head);
    }
    if (answered == times_room) {
        times_room = times_room ? 2 * times_room : 65536;
        times_us = grow(times_us, times_room * sizeof(*times_us));
    }
    times_us[answered++] = (uint32_t)(now_us() - client->begin_us);
    client->is_used = 1;
    if (client->answer.closes ||
        client->sent_bytes < (int64_t)client->request->size_bytes + body_bytes) {
        close_connection(client);
    }
    begin_next(client);
}

/* A server may end a kept connection at any time; then whoever made a request makes it again. */
static void lose_connection(client_t *client)
{
    if (answer_ends_with_connection(&client->answer)) {
        client->answer.closes = 1;
        finish(client);
        return;
    }
    if (client->answer.head_bytes || !client->is_used) {
        die("the server has ended a connection within: %.*s",
            (int)strcspn(client->request->text, "\r"), client->request->text);
    }
    close_connection(client);
    reconnects++;
    make_request(client);
}

static void read_answer(client_t *client)
{
    for (;;) {
        ssize_t received = answer_receive(&client->answer, client->fd);
        if (received < 0 && errno == EAGAIN) {
            return;
        }
        if (received <= 0) {
            lose_connection(client);
            return;
        }
        if (answer_is_complete(&client->answer)) {
            finish(client);
            return;
        }
    }
}

static void handle(client_t *client, uint32_t events)
{
    if (!client->request) {
        close_connection(client);
        return;
    }
    if (events & EPOLLOUT) {
        send_request(client);
    }
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
        read_answer(client);
    }
}

static void run(client_t *clients, size_t count)
{
    active = count;
    for (size_t i = 0; i < count; i++) {
        begin_next(&clients[i]);
    }
    int64_t last_answer_us = now_us();
    while (active) {
        struct epoll_event events[64];
        int ready = epoll_wait(poll_fd, events, 64, 1000);
        for (int i = 0; i < ready; i++) {
            handle(events[i].data.ptr, events[i].events);
        }
        last_answer_us = ready > 0 ? now_us() : last_answer_us;
        if (now_us() - last_answer_us > PATIENCE_US) {
            die("%zu requests are not answered", active);
        }
    }
}

static int compare(const void *one, const void *other)
{
    uint32_t first = *(const uint32_t *)one;
    uint32_t second = *(const uint32_t *)other;
    return first < second ? -1 : first > second;
}

/* The time that so many hundredths of the requests did not exceed. */
static double quantile_ms(size_t hundredths)
{
    size_t index = answered * hundredths / 100;
    return times_us[index < answered ? index : answered - 1] / 1e3;
}

static void report(double seconds, double worked_seconds)
{
    qsort(times_us, answered, sizeof(*times_us), compare);
    printf("{\"requests\": %zu, \"refused\": %zu, \"reconnects\": %zu, \"seconds\": %.6f, "
           "\"cpu_seconds\": %.6f, \"p50_ms\": %.3f, \"p99_ms\": %.3f, \"max_ms\": %.3f}\n",
           answered, refused, reconnects, seconds, worked_seconds, quantile_ms(50), quantile_ms(99),
           quantile_ms(100));
}

int main(int argc, char **argv)
{
    size_t client_count = 1;
    double limit_seconds = 0;
    for (int option; (option = getopt(argc, argv, "c:s:b:r")) != -1;) {
        switch (option) {
        case 'c':
            client_count = strtoul(optarg, NULL, 10);
            break;
        case 's':
            limit_seconds = strtod(optarg, NULL);
            break;
        case 'b':
            body_bytes = strtoll(optarg, NULL, 10);
            break;
        case 'r':
            repeats = 1;
            break;
        default:
            die("usage: load [-c CLIENTS] [-s SECONDS] [-b BODY-BYTES] [-r] PORT FILE");
        }
    }
    if (argc - optind != 2 || !client_count || (repeats && limit_seconds <= 0)) {
        die("PORT and FILE are needed, and -s with -r");
    }
    port = (int)strtol(argv[optind], NULL, 10);
    read_requests(argv[optind + 1]);
    make_body();
    poll_fd = epoll_create1(EPOLL_CLOEXEC);
    client_t *clients = calloc(client_count, sizeof(*clients));
    if (!clients || poll_fd < 0) {
        die("no memory");
    }
    for (size_t i = 0; i < client_count; i++) {
        open_connection(&clients[i]);
    }
    double cpu_before = cpu_seconds();
    int64_t begin_us = now_us();
    deadline_us = limit_seconds > 0 ? begin_us + (int64_t)(limit_seconds * 1e6) : INT64_MAX;
    run(clients, client_count);
    report((double)(now_us() - begin_us) / 1e6, cpu_seconds() - cpu_before);
    free(clients);
    return 0;
}
