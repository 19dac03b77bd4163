/**
 * A Jabber domain whose users may have an area, and how its server is reached: the arguments of
 * JabberFilesDomain, which httpd and jabberfilesd read by the same rules.
 */
#ifndef JF_DOMAIN_H
#define JF_DOMAIN_H

#include "jf_err.h"

typedef enum {
    JF_TLS_ANY,      /**< nothing said: whatever SRV offers, else STARTTLS */
    JF_TLS_STARTTLS, /**< RFC 6120 section 5 */
    JF_TLS_DIRECT,   /**< TLS from the first byte (XEP-0368) */
    JF_TLS_OFF       /**< none: loopback addresses only */
} jf_tls_mode_t;

typedef struct jf_domain_t {
    const char *name;         /**< prepared domainpart */
    const char *connect_host; /**< name or address without brackets; NULL: ask DNS */
    unsigned short connect_port;
    jf_tls_mode_t tls;
    const char *ca_file; /**< PEM, beside the system's CAs; NULL: none */
} jf_domain_t;

/** Makes a domain without settings. @return as jf_jid_prepare_domain. */
jf_err_t *jf_domain_create(jf_domain_t **domain, const char *name, apr_pool_t *pool);

/**
 * Sets "connect", "tls" or "ca".
 * @param value copied into @a pool; a path for ca is taken as it is.
 * @return JF_ERR_INVALID, saying what would be right.
 */
jf_err_t *jf_domain_set(jf_domain_t *domain, const char *option, const char *value,
                        apr_pool_t *pool);

/**
 * Checks what can be wrong only with all settings together.
 * @return JF_ERR_INVALID for tls=off without connect= to a loopback address.
 */
jf_err_t *jf_domain_check(const jf_domain_t *domain, apr_pool_t *pool);

/** What @a option is set to, as jf_domain_set takes it, or NULL if it is not set. */
const char *jf_domain_get(const jf_domain_t *domain, const char *option, apr_pool_t *pool);

/** 1 if both have the same name and settings. */
int jf_domain_is_same(const jf_domain_t *a, const jf_domain_t *b);

#endif
