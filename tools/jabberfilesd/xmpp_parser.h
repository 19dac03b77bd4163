/**
 * Elements of an XML stream (RFC 6120 section 4) while they arrive, from a peer that is not
 * trusted.
 *
 * What XMPP forbids (DTDs, entities, processing instructions, comments; RFC 6120 section 11.1) is
 * an error, and so is everything that is larger than a login has any use for.
 */
#ifndef XMPP_PARSER_H
#define XMPP_PARSER_H

#include <apr_tables.h>

#include "jf_err.h"

/** Limits of one stream, in bytes, and of one element. */
#define XMPP_PARSER_STREAM_BYTES_MAX 65536
#define XMPP_PARSER_NODES_MAX 512
#define XMPP_PARSER_DEPTH_MAX 8
#define XMPP_PARSER_NAME_BYTES_MAX 256

typedef struct xmpp_element_t {
    const char *ns;   /**< namespace, "" if none */
    const char *name; /**< local name */
    char *text;       /**< character data directly in it, "" if none */
    apr_size_t text_length;
    apr_size_t text_size;         /**< room for it, the parser's business */
    apr_array_header_t *children; /**< of xmpp_element_t * */
} xmpp_element_t;

typedef struct xmpp_parser_t xmpp_parser_t;

/** Makes a parser for one stream; freed with @a pool. @return JF_ERR_IO if memory is short. */
jf_err_t *xmpp_parser_create(xmpp_parser_t **parser, apr_pool_t *pool);

/**
 * Gives it bytes, when xmpp_parser_next has nothing more to return.
 * @return JF_ERR_INVALID, with a text for the log, for what is not allowed.
 */
jf_err_t *xmpp_parser_feed(xmpp_parser_t *parser, const void *bytes, apr_size_t length);

/**
 * The next complete child of the stream's root.
 * @param element set to it, or to NULL if more bytes are needed; lives as long as the parser.
 * @return as xmpp_parser_feed.
 */
jf_err_t *xmpp_parser_next(const xmpp_element_t **element, xmpp_parser_t *parser);

/** 1 if bytes came after the element that was returned last. */
int xmpp_parser_has_rest(const xmpp_parser_t *parser);

/** 1 if @a element is not NULL and has this namespace and name. */
int xmpp_element_is(const xmpp_element_t *element, const char *ns, const char *name);

/** The first child with this namespace and name, or NULL. */
const xmpp_element_t *xmpp_element_child(const xmpp_element_t *element, const char *ns,
                                         const char *name);

/** What a failure or a stream error says: the name of its child in @a ns that is no <text/>. */
const char *xmpp_element_condition(const xmpp_element_t *failure, const char *ns);

#endif
