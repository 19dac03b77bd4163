/**
 * What became of streams, as lines of the log.
 */
#ifndef SERVICE_REPORT_H
#define SERVICE_REPORT_H

#include "relay_streams.h"

/** Logs a stream that has ended. */
void service_report_ended(const relay_report_t *report);

/** Logs a hash that was named and never activated. */
void service_report_lost(const unsigned char *hash, relay_loss_t loss);

/** Logs an activation that a limit has refused. @param user a bare JID. */
void service_report_refused(const char *user, relay_activation_t outcome);

#endif
