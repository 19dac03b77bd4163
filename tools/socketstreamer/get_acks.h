/**
 * The acknowledgements of DCC SEND: after each piece the receiver tells how many bytes have come in
 * all, as four bytes in network order, modulo 2^32.
 *
 * Each of them says what the ones before said and more, so when the peer does not read them, the
 * newest replaces all that wait.
 */
#ifndef GET_ACKS_H
#define GET_ACKS_H

#include <apr.h>

#define GET_ACK_BYTES 4

typedef struct get_acks_t {
    apr_int64_t told_bytes; /**< the total of the last one that was begun */
    unsigned char bytes[GET_ACK_BYTES];
    int left_bytes; /**< what of it has not been sent */
} get_acks_t;

/**
 * Sends what there is to tell, without blocking.
 * @param total_bytes what has come in all.
 * @return 1 if more is to be sent when @a fd becomes writable; 0 if all is told, or the peer
 * listens no more: what that means, reading from it tells.
 */
int get_acks_send(get_acks_t *acks, int fd, apr_int64_t total_bytes);

#endif
