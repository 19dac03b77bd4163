/**
 * What <transport/> of XEP-0370 says: where a file is to be put.
 */
#ifndef JINGLE_HTTP_H
#define JINGLE_HTTP_H

#include <apr_tables.h>

#include "xmpp_stanza.h"

#define JINGLE_HTTP_UPLOAD_NS "urn:xmpp:jingle:transports:http:upload:0"

/** More candidates are not looked at. */
#define JINGLE_HTTP_CANDIDATES_MAX 4

typedef struct jingle_candidate_t {
    const char *url;            /**< in the characters of RFC 3986, http or https */
    const apr_table_t *headers; /**< for the request; only names that put_fields.h allows, no
                                   control characters in the values */
} jingle_candidate_t;

/**
 * Reads the candidates, an array of jingle_candidate_t in the order in which they stand there. One
 * with an unfit URL or a control character in a field is left out: whoever writes that means harm.
 */
apr_array_header_t *jingle_http_read(xmpp_stanza_t *transport, apr_pool_t *pool);

/** Adds a candidate without fields. */
void jingle_http_add_candidate(xmpp_ctx_t *ctx, xmpp_stanza_t *transport, const char *url,
                               apr_pool_t *pool);

/** Says that the upload is over. */
void jingle_http_add_completed(xmpp_ctx_t *ctx, xmpp_stanza_t *transport);

/** 1 if it says so. */
int jingle_http_is_completed(xmpp_stanza_t *transport);

#endif
