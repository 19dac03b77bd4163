/**
 * What the requesters of streams use: how many streams each has, and how many bytes it has moved on
 * this day.
 *
 * Users are kept as long as there is something to remember: until the last stream is over and the
 * day, too. For one thread.
 */
#ifndef RELAY_USERS_H
#define RELAY_USERS_H

#include <sys/queue.h>

#include <apr_time.h>

typedef struct relay_user_t {
    TAILQ_ENTRY(relay_user_t) link; /**< of all users */
    char *jid;                      /**< bare and prepared */
    int streams;                    /**< active ones; whoever makes and ends them counts */
    apr_int64_t day_bytes;          /**< both directions, in streams that have ended or not */
} relay_user_t;

typedef struct relay_users_t relay_users_t;

relay_users_t *relay_users_create(void);

/** Forgets everybody; nobody may have a stream. */
void relay_users_destroy(relay_users_t *users);

/** The user with this JID, who comes into being if need be. */
relay_user_t *relay_users_get(relay_users_t *users, const char *jid);

/** Forgets a user of whom there is nothing to remember. */
void relay_users_forget(relay_users_t *users, relay_user_t *user);

/** Tells the time; when a new day (UTC) has begun, all have moved nothing on it. */
void relay_users_tell_time(relay_users_t *users, apr_time_t now_us);

#endif
