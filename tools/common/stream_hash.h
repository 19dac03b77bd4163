/**
 * The name of a SOCKS5 bytestream, which its relay and both of its ends derive from what they know.
 */
#ifndef STREAM_HASH_H
#define STREAM_HASH_H

#define STREAM_HASH_BYTES 20

/**
 * SHA-1 of sid, requester and target, one after the other (XEP-0065 section 5.3.2).
 * @param hash room for STREAM_HASH_BYTES. @param requester @param target full JIDs, as they are
 * written in the stanzas.
 * @return 0 if there is no SHA-1 here
 */
int stream_hash(unsigned char *hash, const char *sid, const char *requester, const char *target);

#endif
