#include "jf_socket.h"

#include <fcntl.h>
#include <string.h>

#include "jf_units.h"

int jf_socket_share(int fd)
{
    return fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

#ifdef __linux__

/* Not netinet/tcp.h: its tcp_info ends before what is asked for here. */
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>

/* What may lie unsent in the kernel of a paced connection. It asks for more when half of that is
 * gone, which must be long before httpd takes the client for dead (Timeout). */
#define UNSENT_SECS 2
#define UNSENT_BYTES_MIN (16 * 1024)
#define UNSENT_BYTES_MAX (128 * 1024)
#define FIELD_END(field) (offsetof(struct tcp_info, field) + sizeof(((struct tcp_info *)0)->field))

int jf_socket_progress(jf_socket_progress_t *progress, int fd)
{
    struct tcp_info info;
    socklen_t length = sizeof(info);
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0 ||
        length < FIELD_END(tcpi_bytes_retrans)) {
        return 0;
    }
    /* All of it of one moment: a second question would be answered after more acknowledgements. */
    progress->sent_bytes = (apr_int64_t)(info.tcpi_bytes_sent - info.tcpi_bytes_retrans);
    progress->written_bytes = progress->sent_bytes + info.tcpi_notsent_bytes;
    return 1;
}

int jf_socket_can_pace(void)
{
    return 1;
}

static int unsent_bytes_at(apr_int64_t bytes_per_s)
{
    if (bytes_per_s >= UNSENT_BYTES_MAX / UNSENT_SECS) {
        return UNSENT_BYTES_MAX;
    }
    int bytes = (int)bytes_per_s * UNSENT_SECS;
    return bytes > UNSENT_BYTES_MIN ? bytes : UNSENT_BYTES_MIN;
}

int jf_socket_pace(int fd, apr_int64_t bytes_per_s)
{
    int is_limited = bytes_per_s != JF_UNLIMITED;
    apr_uint64_t rate = is_limited ? (apr_uint64_t)bytes_per_s : APR_UINT64_MAX;
    int unsent_bytes = is_limited ? unsent_bytes_at(bytes_per_s) : 0; /* 0: as the system has it */
    return setsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &rate, sizeof(rate)) == 0 &&
           setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent_bytes, sizeof(unsent_bytes)) == 0;
}

#else

int jf_socket_progress(jf_socket_progress_t *progress, int fd)
{
    (void)progress;
    (void)fd;
    return 0;
}

int jf_socket_can_pace(void)
{
    return 0;
}

int jf_socket_pace(int fd, apr_int64_t bytes_per_s)
{
    (void)fd;
    (void)bytes_per_s;
    return 0;
}

#endif
