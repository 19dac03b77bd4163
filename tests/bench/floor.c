/* The least that a server of files can do on this machine, to measure others against:
 *
 *     floor PORT DIRECTORY none|full
 *
 * PUT writes a file beside its place and renames it, GET sends it: no login, no quota, no log, no
 * limits. With "full" an answer promises what JabberFilesDurability full does: file and directory
 * are synced. A thread for each connection; it is no server for anybody but the benchmark. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUFFER_BYTES (256 << 10)
#define PATH_BYTES 1024
#define STACK_BYTES (64 << 10)

static const char created[] = "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n";
static const char failed[] = "HTTP/1.1 500 Failed\r\nContent-Length: 0\r\n\r\n";

static int directory_fd;
static int is_synced;
static atomic_uint upload_count;

static int write_all(int fd, const char *data, size_t size_bytes)
{
    while (size_bytes) {
        ssize_t written = write(fd, data, size_bytes);
        if (written <= 0) {
            return 0;
        }
        data += written;
        size_bytes -= (size_t)written;
    }
    return 1;
}

static int sync_directory(const char *path)
{
    int fd = openat(directory_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int is_done = fd >= 0 && fsync(fd) == 0;
    close(fd);
    return is_done;
}

/* Writes what has come and what is still to come; 0 if that fails. */
static int receive(int connection, int file, char *buffer, size_t early_bytes, int64_t size_bytes)
{
    int is_written = write_all(file, buffer, early_bytes);
    for (int64_t left = size_bytes - (int64_t)early_bytes; is_written && left > 0;) {
        ssize_t came =
            recv(connection, buffer, left < BUFFER_BYTES ? (size_t)left : BUFFER_BYTES, 0);
        is_written = came > 0 && write_all(file, buffer, (size_t)came);
        left -= came;
    }
    return is_written;
}

static int put(int connection, const char *path, char *buffer, size_t early_bytes,
               int64_t size_bytes)
{
    char folder[PATH_BYTES];
    char beside[PATH_BYTES + 32];
    snprintf(folder, sizeof(folder), "%s", path);
    char *slash = strrchr(folder, '/');
    if (slash) {
        *slash = '\0';
    }
    snprintf(beside, sizeof(beside), "%s/.%u", slash ? folder : ".",
             atomic_fetch_add(&upload_count, 1));
    int file = openat(directory_fd, beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0) {
        return 0;
    }
    int is_done = receive(connection, file, buffer, early_bytes, size_bytes) &&
                  (!is_synced || fsync(file) == 0);
    close(file);
    is_done = is_done && renameat(directory_fd, beside, directory_fd, path) == 0;
    return is_done && (!is_synced || sync_directory(slash ? folder : "."));
}

static int get(int connection, const char *path)
{
    int file = openat(directory_fd, path, O_RDONLY | O_CLOEXEC);
    struct stat st = {0};
    if (file < 0 || fstat(file, &st) != 0) {
        return 0;
    }
    char head[128];
    int head_bytes = snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %lld\r\n\r\n",
                              (long long)st.st_size);
    int is_sent = send(connection, head, (size_t)head_bytes, MSG_NOSIGNAL | MSG_MORE) == head_bytes;
    for (off_t offset = 0; is_sent && offset < st.st_size;) {
        is_sent = sendfile(connection, file, &offset, (size_t)(st.st_size - offset)) > 0;
    }
    close(file);
    return is_sent;
}

/* Answers the request whose head ends at `end`; 0 if the connection is of no more use. */
static int answer(int connection, char *buffer, size_t have_bytes, char *end)
{
    char path[PATH_BYTES];
    *end = '\0';
    if (sscanf(buffer, "%*s /%1023s", path) != 1) {
        return 0;
    }
    if (strncmp(buffer, "PUT ", 4) != 0) {
        return get(connection, path);
    }
    const char *length = strcasestr(buffer, "\r\nContent-Length:");
    int64_t size_bytes = length ? strtoll(length + strlen("\r\nContent-Length:"), NULL, 10) : 0;
    char *content = end + 4;
    size_t early_bytes = have_bytes - (size_t)(content - buffer);
    memmove(buffer, content, early_bytes);
    int is_done = put(connection, path, buffer, early_bytes, size_bytes);
    return is_done ? send(connection, created, sizeof(created) - 1, MSG_NOSIGNAL) > 0
                   : (send(connection, failed, sizeof(failed) - 1, MSG_NOSIGNAL), 0);
}

static void *serve(void *data)
{
    int connection = *(int *)data;
    free(data);
    char *buffer = malloc(BUFFER_BYTES + 1);
    size_t have_bytes = 0;
    int is_open = buffer != NULL;
    while (is_open) {
        ssize_t came = recv(connection, buffer + have_bytes, BUFFER_BYTES - have_bytes, 0);
        have_bytes += came > 0 ? (size_t)came : 0;
        buffer[have_bytes] = '\0';
        char *end = strstr(buffer, "\r\n\r\n");
        is_open = came > 0;
        if (is_open && end) {
            is_open = answer(connection, buffer, have_bytes, end);
            have_bytes = 0;
        }
    }
    free(buffer);
    close(connection);
    return NULL;
}

static int listen_at(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(fd, 1024) != 0) {
        perror("floor");
        exit(1);
    }
    return fd;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fputs("usage: floor PORT DIRECTORY none|full\n", stderr);
        return 2;
    }
    directory_fd = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    is_synced = strcmp(argv[3], "full") == 0;
    int listener = listen_at((int)strtol(argv[1], NULL, 10));
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    for (;;) {
        int *connection = malloc(sizeof(*connection));
        if (!connection) {
            return 1;
        }
        *connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        int on = 1;
        setsockopt(*connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        pthread_t thread;
        if (*connection < 0 || pthread_create(&thread, &attributes, serve, connection) != 0) {
            perror("floor");
            free(connection);
            return 1;
        }
    }
}
