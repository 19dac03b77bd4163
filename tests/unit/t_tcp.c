#include "t_tcp.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "jf_test.h"

#define ROOM_BYTES 65536
#define WAIT_SECS 20

static int make_listener(struct sockaddr_in *address)
{
    const int room_bytes = ROOM_BYTES;
    socklen_t length = sizeof(*address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    *address = (struct sockaddr_in){.sin_family = AF_INET};
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(listener >= 0);
    setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &room_bytes, sizeof(room_bytes));
    setsockopt(listener, SOL_SOCKET, SO_SNDBUF, &room_bytes, sizeof(room_bytes));
    assert_int_equal(bind(listener, (struct sockaddr *)address, sizeof(*address)), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)address, &length), 0);
    return listener;
}

t_tcp_t t_tcp_connect(void)
{
    const int room_bytes = ROOM_BYTES;
    const struct timeval wait = {WAIT_SECS, 0};
    struct sockaddr_in address;
    int listener = make_listener(&address);
    t_tcp_t tcp = {.far = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    assert_true(tcp.far >= 0);
    setsockopt(tcp.far, SOL_SOCKET, SO_RCVBUF, &room_bytes, sizeof(room_bytes));
    setsockopt(tcp.far, SOL_SOCKET, SO_SNDBUF, &room_bytes, sizeof(room_bytes));
    setsockopt(tcp.far, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    assert_int_equal(connect(tcp.far, (struct sockaddr *)&address, sizeof(address)), 0);
    tcp.near = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    assert_true(tcp.near >= 0);
    close(listener);
    return tcp;
}

size_t t_tcp_read(int fd, char *bytes, size_t length)
{
    size_t done = 0;
    while (done < length) {
        ssize_t count = recv(fd, bytes + done, length - done, 0);
        if (count < 0) {
            fail_msg("after %zu of %zu bytes: error %d", done, length, errno);
        }
        if (count == 0) {
            break;
        }
        done += (size_t)count;
    }
    return done;
}

int t_tcp_is_reset(int fd)
{
    char byte;
    return recv(fd, &byte, 1, 0) < 0 && errno == ECONNRESET;
}
