/**
 * One transfer: a client's GET, the foreign side, and the way of the bytes from there to here.
 *
 * Nothing is read before there is room for it: while the client does not take what it has, the
 * foreign side waits.
 */
#ifndef GET_TRANSFER_H
#define GET_TRANSFER_H

#include "get_offer.h"
#include "get_source.h"

typedef struct get_transfer_config_t {
    const get_offer_t *offer;
    get_source_config_t source;          /**< its size is the offer's */
    apr_interval_time_t ttl_us;          /**< until somebody comes, or JF_NEVER */
    apr_interval_time_t idle_timeout_us; /**< how long the client may take nothing, or JF_NEVER */
} get_transfer_config_t;

typedef struct get_transfer_t get_transfer_t;

/**
 * Offers the file. When it is over, the loop of @a base ends.
 * @param base has EV_FEATURE_EARLY_CLOSE and EV_FEATURE_ET.
 * @param pool when it goes, all connections end.
 * @return JF_ERR_IO
 */
jf_err_t *get_transfer_create(get_transfer_t **transfer, const get_transfer_config_t *config,
                              struct event_base *base, apr_pool_t *pool);

/** Serves a connection of somebody who may want the file; owns it from now on. */
void get_transfer_take(get_transfer_t *transfer, int fd);

/** Ends it; a client that waits for its answer gets 503, one in the middle a broken connection. */
void get_transfer_stop(get_transfer_t *transfer);

/** GET_UNDECIDED until it is over. */
get_outcome_t get_transfer_outcome(const get_transfer_t *transfer);

/** 1 from the moment that the foreign side was contacted. */
int get_transfer_has_begun(const get_transfer_t *transfer);

/** What happened, as a line for the log without its end, in @a pool. */
const char *get_transfer_report(const get_transfer_t *transfer, apr_pool_t *pool);

#endif
