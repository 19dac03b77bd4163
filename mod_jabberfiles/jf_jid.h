/**
 * Bare JIDs in their prepared form (RFC 7622), the identity of an area.
 *
 * Prepared means: localpart by the PRECIS profile UsernameCaseMapped (RFC 8265: width-mapped,
 * lower case, NFC), domainpart as lower-case U-labels (IDNA2008) without a trailing dot, or an IP
 * address in its canonical form. Two JIDs
 * are the same user if and only if their prepared forms are equal byte for byte.
 */
#ifndef JF_JID_H
#define JF_JID_H

#include "jf_err.h"

/** Longest localpart and domainpart, in bytes after preparation (RFC 7622 section 3). */
#define JF_JID_PART_BYTES_MAX 1023

/**
 * Prepares a bare JID: localpart@domainpart, no resource.
 * @param text UTF-8, already percent-decoded; anything may be in it.
 * @param jid set to the prepared JID in @a pool.
 * @return JF_ERR_INVALID for a missing part, a resource, a character or length that RFC 7622
 * forbids.
 */
jf_err_t *jf_jid_prepare(const char **jid, const char *text, apr_pool_t *pool);

/**
 * Prepares a domainpart: IDNA2008 name, dotted IPv4 or bracketed IPv6 literal (RFC 5952 form).
 * @param domain set to the prepared form in @a pool.
 * @return JF_ERR_INVALID if it is none of these.
 */
jf_err_t *jf_jid_prepare_domain(const char **domain, const char *text, apr_pool_t *pool);

/** The domainpart of a prepared JID; points into @a jid. */
const char *jf_jid_domain(const char *jid);

#endif
