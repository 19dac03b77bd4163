/**
 * What the kernel knows of a TCP connection and httpd does not: how far the bytes have got, and how
 * fast they may go.
 *
 * For Linux; elsewhere nothing is known and nothing is paced. Any thread may call these, for any
 * descriptor that stays open meanwhile.
 */
#ifndef JF_SOCKET_H
#define JF_SOCKET_H

#include <apr.h>

typedef struct jf_socket_progress_t {
    apr_int64_t written_bytes; /**< since the connection began, given to the kernel */
    apr_int64_t sent_bytes;    /**< of these on the wire, repeated ones counted once */
} jf_socket_progress_t;

/**
 * Tells how far a connection is, also after the client has reset it.
 * @return 0 if that cannot be told: no TCP, or not on this system.
 */
int jf_socket_progress(jf_socket_progress_t *progress, int fd);

/**
 * Lets the kernel send at most @a bytes_per_s, or JF_UNLIMITED (jf_units.h). It also keeps little
 * unsent in the kernel while there is a limit, so that a change shows at once and many slow
 * downloads cost little memory.
 * @return 0 if that is not possible.
 */
int jf_socket_pace(int fd, apr_int64_t bytes_per_s);

/** 1 if jf_socket_pace works on this system. */
int jf_socket_can_pace(void);

/** A second descriptor of the same connection or file, closed in programs that are executed; -1. */
int jf_socket_share(int fd);

#endif
