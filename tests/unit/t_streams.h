/**
 * Streams of socketstreamer with clients on real connections, for tests. All are streams from
 * alice@example.org/a to bob@example.org/b.
 */
#ifndef T_STREAMS_H
#define T_STREAMS_H

#include "relay_streams.h"

/** The user whom alice's streams count for. */
#define T_STREAMS_ALICE "alice@example.org"

/** Two hashes, as clients say them. */
#define T_STREAMS_HEX_A "972b7bf47291ca609517f67f86b5081086052dad"
#define T_STREAMS_HEX_B "26f2c047bd26cf4c666ef69a11f4e901a9ee3338"

extern const unsigned char t_streams_hash_a[RELAY_HASH_BYTES];
extern const unsigned char t_streams_hash_b[RELAY_HASH_BYTES];

/** Streams with an observer that remembers. */
typedef struct t_streams_t {
    struct event_base *base;
    relay_streams_t *streams;
    relay_limits_t limits;
    relay_report_t report; /**< the last one; its JIDs are not kept */
    int ended;
    int lost;
    relay_loss_t loss;
    int drained;
} t_streams_t;

/** Makes them, with few limits. */
void t_streams_set_up(t_streams_t *rig);

void t_streams_tear_down(t_streams_t *rig);

const relay_counts_t *t_streams_counts(const t_streams_t *rig);

/** Lets the loop run until a count is what it should be. */
void t_streams_wait_for(t_streams_t *rig, const int *count, int value);

/** Connects without saying anything. @return the far end. */
int t_streams_enter(const t_streams_t *rig);

void t_streams_say(int fd, const char *bytes, size_t length);

/** Says which stream, all at once. */
void t_streams_name(int fd, const char *hex);

/** Reads the two answers of SOCKS5. @return the code of the second one. */
int t_streams_answer(int fd);

/** Connects and names a hash, which is granted; nobody may be unmatched. @return the far end. */
int t_streams_join(t_streams_t *rig, const char *hex);

relay_activation_t t_streams_activate(const t_streams_t *rig, const unsigned char *hash,
                                      const char *user);

/** A pair that is relayed: fds[RELAY_TARGET] and fds[RELAY_REQUESTER]. */
void t_streams_open(t_streams_t *rig, int *fds, const char *hex, const unsigned char *hash);

void t_streams_close(const int *fds);

/** Lets the loop run until these bytes have arrived. */
void t_streams_expect(t_streams_t *rig, int fd, const char *expected);

#endif
