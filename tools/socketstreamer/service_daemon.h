/**
 * The daemon: puts configuration, sockets, streams, component and counters together, and lives
 * until it is told to end.
 */
#ifndef SERVICE_DAEMON_H
#define SERVICE_DAEMON_H

#include "jf_err.h"

/**
 * Runs until SIGTERM or SIGINT. SIGHUP reads the configuration anew.
 * @return an error if it cannot begin; afterwards what goes wrong is logged.
 */
jf_err_t *service_daemon_run(const char *config_path, apr_pool_t *pool);

#endif
