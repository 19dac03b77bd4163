#include "get_acks.h"

#include <errno.h>
#include <sys/socket.h>

static void begin(get_acks_t *acks, apr_int64_t total_bytes)
{
    for (int i = 0; i < GET_ACK_BYTES; i++) {
        acks->bytes[i] = (unsigned char)(total_bytes >> 8 * (GET_ACK_BYTES - 1 - i));
    }
    acks->left_bytes = GET_ACK_BYTES;
    acks->told_bytes = total_bytes;
}

int get_acks_send(get_acks_t *acks, int fd, apr_int64_t total_bytes)
{
    while (acks->left_bytes > 0 || acks->told_bytes != total_bytes) {
        if (acks->left_bytes == 0) {
            begin(acks, total_bytes);
        }
        ssize_t sent = send(fd, acks->bytes + GET_ACK_BYTES - acks->left_bytes,
                            (size_t)acks->left_bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno != EINTR) {
            return errno == EAGAIN;
        }
        acks->left_bytes -= sent > 0 ? (int)sent : 0;
    }
    return 0;
}
