/**
 * Counters for Prometheus (OpenMetrics 1.0), at GET /metrics.
 */
#ifndef SERVICE_METRICS_H
#define SERVICE_METRICS_H

#include <event2/event.h>

#include "relay_address.h"
#include "relay_streams.h"

typedef struct service_figures_t {
    const relay_counts_t *streams;
    apr_uint64_t forbidden; /**< questions of those who may not use the service */
    int is_connected;       /**< to the Jabber server */
} service_figures_t;

/** Writes all of them as text in @a pool. */
const char *service_metrics_text(const service_figures_t *figures, apr_pool_t *pool);

typedef struct service_metrics_t service_metrics_t;
typedef service_figures_t service_figures_fn(void *baton);

/**
 * Begins to serve them.
 * @param address set to the port that was taken, if any free one was wanted.
 * @param ask, baton outlive it.
 * @return JF_ERR_IO
 */
jf_err_t *service_metrics_open(service_metrics_t **metrics, relay_address_t *address,
                               struct event_base *base, service_figures_fn *ask, void *baton,
                               apr_pool_t *pool);

void service_metrics_close(service_metrics_t *metrics);

#endif
