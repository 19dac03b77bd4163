/**
 * The connection of the client that the file goes to, as far as the HTTP library does not look
 * after it: that the client goes away while there is nothing to send; that what was sent has
 * arrived; and a break that nobody can take for an end.
 *
 * It has a descriptor of its own. One thread, the one of the event loop.
 */
#ifndef GET_CLIENT_H
#define GET_CLIENT_H

#include <apr_pools.h>
#include <apr_time.h>
#include <event2/event.h>

typedef struct get_client_t get_client_t;

/** @param has_all 1 if all that was sent has arrived, 0 if the client is gone. */
typedef void get_client_news_fn(void *baton, int has_all);

/**
 * @param fd the connection's; a copy of it is closed with @a pool.
 * @param base has EV_FEATURE_EARLY_CLOSE and EV_FEATURE_ET.
 * @param idle_timeout_us how long nothing may arrive, or JF_NEVER.
 * @return NULL if there is no descriptor left.
 */
get_client_t *get_client_create(int fd, struct event_base *base,
                                apr_interval_time_t idle_timeout_us, get_client_news_fn *news,
                                void *baton, apr_pool_t *pool);

/** "192.0.2.1:1234", where the client or its proxy is; lives as long as the client. */
const char *get_client_address(const get_client_t *client);

/** Begins or ends to look whether the client goes away; news only of that. */
void get_client_watch(get_client_t *client, int is_on);

/** Waits until all that was sent has arrived. News will come. */
void get_client_drain(get_client_t *client);

/** Breaks the connection: the client gets a reset, and no end of anything. */
void get_client_break(get_client_t *client);

#endif
