/**
 * What became of each recipient, told to the user.
 */
#ifndef DELIVER_REPORT_H
#define DELIVER_REPORT_H

#include "client.h"
#include "xmpp_deliver.h"

/**
 * Prints a line for each recipient, and sets client->exit_code: CLIENT_DONE if all are told,
 * CLIENT_PARTLY if some are, CLIENT_REFUSED if nobody is, or CLIENT_UNAVAILABLE if that is because
 * the connection was lost.
 * @param deliveries array of delivery_t *.
 */
void deliver_report(client_t *client, const apr_array_header_t *deliveries);

#endif
