/**
 * What the files of bytestream.h share.
 */
#ifndef BYTESTREAM_PRIVATE_H
#define BYTESTREAM_PRIVATE_H

#include "bytestream.h"

struct bytestream_t {
    int fd;
    client_t *client;
    bytestream_end_t *find_end; /**< or NULL */
    void *find_end_baton;
    apr_time_t deadline_us; /**< or 0: not limited yet */
    apr_time_t moved_us;    /**< when bytes went or came last */
    apr_time_t idled_us;
    apr_pool_t *pool;
};

/** Idles if it is time for that. @return client_interrupted; as bytestream_send_file for what ends
 * it */
jf_err_t *bytestream_breathe(bytestream_t *stream);

/**
 * Waits, idly, until the socket is ready for @a events (poll(2)) or @a until_us.
 * @param is_ready 0 if the time was over first.
 * @return as bytestream_breathe
 */
jf_err_t *bytestream_wait(int *is_ready, bytestream_t *stream, short events, apr_time_t until_us);

#endif
