/**
 * TCP connections within this machine, for tests.
 */
#ifndef T_TCP_H
#define T_TCP_H

#include <stddef.h>

typedef struct t_tcp_t {
    int near; /**< the end that was connected to, non-blocking: the one under test */
    int far;  /**< the end of the test, blocking, with a time limit for reading */
} t_tcp_t;

/** A connection, for which the kernel has little room. */
t_tcp_t t_tcp_connect(void);

/** Reads as many bytes; less, if the end comes before. @return how many. */
size_t t_tcp_read(int fd, char *bytes, size_t length);

/** 1 if the other side has been reset. */
int t_tcp_is_reset(int fd);

#endif
