/**
 * Who may use the service: domains and bare JIDs that are allowed or denied.
 */
#ifndef SERVICE_ACL_H
#define SERVICE_ACL_H

#include <apr_tables.h>

#include "jf_err.h"

/** Everybody, as a word of a list. */
#define SERVICE_ACL_ALL "*"

typedef struct service_acl_t {
    apr_array_header_t *allowed; /**< of const char *: prepared JIDs, domains, SERVICE_ACL_ALL */
    apr_array_header_t *denied;  /**< likewise; these win */
} service_acl_t;

/** Makes an empty one, which allows nobody. */
service_acl_t *service_acl_create(apr_pool_t *pool);

/**
 * Adds a word to one of the lists: a domain, a bare JID, or "*".
 * @return JF_ERR_INVALID, saying what would be right.
 */
jf_err_t *service_acl_add(apr_array_header_t *list, const char *word, apr_pool_t *pool);

/**
 * Prepares the JID that a stanza comes from, which may have a resource, or no localpart.
 * @param bare set to the part without the resource, in @a pool.
 * @param resource set to what follows, "/" included, or "".
 * @return JF_ERR_INVALID if it is no JID.
 */
jf_err_t *service_acl_prepare(const char **bare, const char **resource, const char *jid,
                              apr_pool_t *pool);

/** 1 if @a bare, as of service_acl_prepare, may use the service. */
int service_acl_allows(const service_acl_t *acl, const char *bare);

#endif
