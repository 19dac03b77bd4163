/**
 * Where the foreign side is.
 */
#ifndef GET_PEER_H
#define GET_PEER_H

#include <apr_network_io.h>

#include "jf_err.h"

/**
 * Reads HOST:PORT ("[2001:db8::1]:1234" for IPv6) and looks the host up, which may take a while.
 * @param first set to the first of its addresses, in @a pool; the others hang on its next.
 * @return JF_ERR_INVALID if it is no such thing, JF_ERR_NOT_FOUND if there is no such host
 */
jf_err_t *get_peer_find(apr_sockaddr_t **first, const char *text, apr_pool_t *pool);

#endif
