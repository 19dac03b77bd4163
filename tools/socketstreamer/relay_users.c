#include "relay_users.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "jf_period.h"
#include "relay_memory.h"

struct relay_users_t {
    TAILQ_HEAD(relay_user_ring, relay_user_t) all;
    /* tsearch(3), a balanced tree: whatever names strangers choose, it does not become slow. */
    void *by_jid;
    apr_time_t day_end_us;
};

static int compare_jids(const void *a, const void *b)
{
    const relay_user_t *left = a;
    const relay_user_t *right = b;
    return strcmp(left->jid, right->jid);
}

relay_users_t *relay_users_create(void)
{
    relay_users_t *users = relay_memory_get(sizeof(*users));
    TAILQ_INIT(&users->all);
    return users;
}

static void remove_user(relay_users_t *users, relay_user_t *user)
{
    tdelete(user, &users->by_jid, compare_jids);
    TAILQ_REMOVE(&users->all, user, link);
    free(user->jid);
    free(user);
}

void relay_users_destroy(relay_users_t *users)
{
    while (!TAILQ_EMPTY(&users->all)) {
        remove_user(users, TAILQ_FIRST(&users->all));
    }
    free(users);
}

static relay_user_t *add_user(relay_users_t *users, const char *jid)
{
    relay_user_t *user = relay_memory_get(sizeof(*user));
    user->jid = relay_memory_copy(jid);
    if (!tsearch(user, &users->by_jid, compare_jids)) {
        abort();
    }
    TAILQ_INSERT_TAIL(&users->all, user, link);
    return user;
}

relay_user_t *relay_users_get(relay_users_t *users, const char *jid)
{
    const relay_user_t wanted = {.jid = (char *)jid};
    relay_user_t **found = tfind(&wanted, &users->by_jid, compare_jids);
    return found ? *found : add_user(users, jid);
}

void relay_users_forget(relay_users_t *users, relay_user_t *user)
{
    if (user->streams == 0 && user->day_bytes == 0) {
        remove_user(users, user);
    }
}

void relay_users_tell_time(relay_users_t *users, apr_time_t now_us)
{
    if (now_us < users->day_end_us) {
        return;
    }
    users->day_end_us = jf_period_end(JF_PERIOD_DAY, now_us);
    relay_user_t *user = TAILQ_FIRST(&users->all);
    while (user) {
        relay_user_t *next = TAILQ_NEXT(user, link);
        user->day_bytes = 0;
        relay_users_forget(users, user);
        user = next;
    }
}
