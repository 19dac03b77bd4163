/**
 * Asking for an upload slot (XEP-0363).
 */
#ifndef XMPP_SLOT_H
#define XMPP_SLOT_H

#include "http_upload.h"
#include "xmpp_disco.h"

/**
 * Asks for a slot for @a source.
 * Header fields other than Authorization, Cookie and Expires are dropped, line ends stripped; URLs
 * that are not https are refused, except to a loopback address.
 * @param expire_us asked for as the purpose "ephemeral", or JF_NEVER.
 * @return JF_ERR_TOO_LARGE and JF_ERR_QUOTA with what the server says, and when it works again;
 * JF_ERR_FORBIDDEN; JF_ERR_IO
 */
jf_err_t *xmpp_slot_request(slot_t **slot, xmpp_session_t *session, const upload_service_t *service,
                            const source_file_t *source, apr_interval_time_t expire_us,
                            apr_pool_t *pool);

#endif
