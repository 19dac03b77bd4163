/**
 * The name of an area: a bare JID, or what stands for uploads whose user is not known in clear.
 *
 * The other forms come from slots that carry no JID: "sha1:HEX" for the hash of a JID that nobody
 * has been seen with yet, "node:NAME" for a localpart that may belong to more than one user, and
 * "slots:NAME" for everything that came with one slot secret. None of them has an "@", so no URL
 * leads there and nobody can log in as one.
 */
#ifndef JF_AREA_H
#define JF_AREA_H

#include "jf_err.h"

/** Length of a SHA-1 in lower-case hex. */
#define JF_AREA_SHA1_CHARS 40

/**
 * Prepares the name of an area that a person typed: a bare JID (jf_jid.h), or one of the other
 * forms.
 * @return JF_ERR_INVALID
 */
jf_err_t *jf_area_prepare(const char **name, const char *text, apr_pool_t *pool);

/** The SHA-1 of a prepared JID in lower-case hex, as ejabberd puts it into upload URLs. */
const char *jf_area_sha1(const char *jid, apr_pool_t *pool);

/** The hash in the name of an area "sha1:HEX", NULL for every other name; points into @a name. */
const char *jf_area_hash(const char *name);

/** 1 if the name of an area is a bare JID. */
int jf_area_is_jid(const char *name);

/**
 * The area that the first segment of an ejabberd URL stands for: "sha1:HEX"; the JID if the segment
 * is a localpart that cannot be anybody else's; else "node:NAME".
 * @param domain the only domain that is served, or NULL if there are several. ejabberd writes "_"
 * for many characters, so a localpart with one is never taken for a JID.
 */
const char *jf_area_of_ejabberd(const char *segment, const char *domain, apr_pool_t *pool);

/** "slots:NAME", where NAME is the last part of the path of a secret's file without its ending. */
const char *jf_area_of_secret(const char *file, apr_pool_t *pool);

#endif
