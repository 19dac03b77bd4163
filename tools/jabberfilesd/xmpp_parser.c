#include "xmpp_parser.h"

#include <limits.h>
#include <string.h>

#include <apr_strings.h>
#include <expat.h>

#define NS_STREAM "http://etherx.jabber.org/streams"
/* Expat puts it between namespace and name; it cannot be in either. */
#define SEPARATOR '\n'

struct xmpp_parser_t {
    apr_pool_t *pool;
    XML_Parser expat;
    jf_err_t *err;
    int depth; /* of the open element; the root is 1 */
    int node_count;
    XML_Index fed_bytes;
    XML_Index end_byte;                          /* behind the last complete element */
    xmpp_element_t *open[XMPP_PARSER_DEPTH_MAX]; /* by depth; [0] and [1] are not used */
    xmpp_element_t *complete;
};

static void refuse(xmpp_parser_t *parser, const char *why)
{
    if (!parser->err) {
        parser->err = jf_err_make(JF_ERR_INVALID, APR_SUCCESS, parser->pool, "%s", why);
    }
    XML_StopParser(parser->expat, XML_FALSE);
}

/* ---- elements ---- */

static xmpp_element_t *make_element(const char *expanded, apr_pool_t *pool)
{
    const char *separator = strchr(expanded, SEPARATOR);
    xmpp_element_t *element = apr_pcalloc(pool, sizeof(*element));
    element->ns =
        separator ? apr_pstrmemdup(pool, expanded, (apr_size_t)(separator - expanded)) : "";
    element->name = apr_pstrdup(pool, separator ? separator + 1 : expanded);
    element->text = apr_pstrdup(pool, "");
    element->children = apr_array_make(pool, 0, sizeof(xmpp_element_t *));
    return element;
}

static void open_element(xmpp_parser_t *parser, const char *expanded)
{
    if (parser->depth >= XMPP_PARSER_DEPTH_MAX) {
        refuse(parser, "elements nested too deeply");
        return;
    }
    if (++parser->node_count > XMPP_PARSER_NODES_MAX) {
        refuse(parser, "too many elements");
        return;
    }
    xmpp_element_t *element = make_element(expanded, parser->pool);
    if (parser->depth > 1) {
        APR_ARRAY_PUSH(parser->open[parser->depth - 1]->children, xmpp_element_t *) = element;
    }
    parser->open[parser->depth] = element;
}

static void XMLCALL start_element(void *data, const XML_Char *expanded, const XML_Char **attributes)
{
    xmpp_parser_t *parser = data;
    (void)attributes;
    /* A long namespace, declared once, would be copied with every element. */
    if (strlen(expanded) > XMPP_PARSER_NAME_BYTES_MAX) {
        refuse(parser, "the name of an element is too long");
    } else if (parser->depth > 0) {
        open_element(parser, expanded);
    } else if (strcmp(expanded, NS_STREAM "\nstream") != 0) {
        refuse(parser, "not an XMPP stream");
    }
    parser->depth++;
}

static void XMLCALL end_element(void *data, const XML_Char *expanded)
{
    xmpp_parser_t *parser = data;
    (void)expanded;
    parser->depth--;
    if (parser->depth == 1) {
        parser->complete = parser->open[1];
        parser->end_byte =
            XML_GetCurrentByteIndex(parser->expat) + XML_GetCurrentByteCount(parser->expat);
        parser->node_count = 0;
        XML_StopParser(parser->expat, XML_TRUE);
    } else if (parser->depth == 0) {
        refuse(parser, "the server closed the stream");
    }
}

/* Text comes in many small pieces: the room for it doubles. */
static void make_room(xmpp_element_t *element, apr_size_t size, apr_pool_t *pool)
{
    if (size <= element->text_size) {
        return;
    }
    apr_size_t doubled = element->text_size * 2;
    apr_size_t room = size > doubled ? size : doubled;
    char *text = apr_palloc(pool, room);
    memcpy(text, element->text, element->text_length + 1);
    element->text = text;
    element->text_size = room;
}

static void XMLCALL add_text(void *data, const XML_Char *text, int length)
{
    xmpp_parser_t *parser = data;
    if (parser->depth < 2 || parser->err) {
        return; /* white space between elements keeps connections alive */
    }
    xmpp_element_t *element = parser->open[parser->depth - 1];
    apr_size_t count = (apr_size_t)length;
    make_room(element, element->text_length + count + 1, parser->pool);
    memcpy(element->text + element->text_length, text, count);
    element->text_length += count;
    element->text[element->text_length] = '\0';
}

/* ---- what XMPP forbids ---- */

static void XMLCALL refuse_doctype(void *data, const XML_Char *name, const XML_Char *system_id,
                                   const XML_Char *public_id, int has_internal_subset)
{
    (void)name;
    (void)system_id;
    (void)public_id;
    (void)has_internal_subset;
    refuse(data, "a document type declaration, which XMPP forbids");
}

static void XMLCALL refuse_instruction(void *data, const XML_Char *target, const XML_Char *text)
{
    (void)target;
    (void)text;
    refuse(data, "a processing instruction, which XMPP forbids");
}

static void XMLCALL refuse_comment(void *data, const XML_Char *text)
{
    (void)text;
    refuse(data, "a comment, which XMPP forbids");
}

/* ---- life ---- */

static apr_status_t free_expat(void *data)
{
    xmpp_parser_t *parser = data;
    XML_ParserFree(parser->expat);
    return APR_SUCCESS;
}

jf_err_t *xmpp_parser_create(xmpp_parser_t **parser_out, apr_pool_t *pool)
{
    xmpp_parser_t *parser = apr_pcalloc(pool, sizeof(*parser));
    parser->pool = pool;
    parser->expat = XML_ParserCreateNS("UTF-8", SEPARATOR);
    if (!parser->expat) {
        return jf_err_make(JF_ERR_IO, APR_ENOMEM, pool, "cannot make an XML parser");
    }
    apr_pool_cleanup_register(pool, parser, free_expat, apr_pool_cleanup_null);
    /* Newer versions wait for more bytes before they look at a token again. Here no more come: the
     * server waits for our answer. The limit of a stream bounds what looking again costs. */
    XML_SetReparseDeferralEnabled(parser->expat, XML_FALSE);
    XML_SetUserData(parser->expat, parser);
    XML_SetElementHandler(parser->expat, start_element, end_element);
    XML_SetCharacterDataHandler(parser->expat, add_text);
    XML_SetStartDoctypeDeclHandler(parser->expat, refuse_doctype);
    XML_SetProcessingInstructionHandler(parser->expat, refuse_instruction);
    XML_SetCommentHandler(parser->expat, refuse_comment);
    *parser_out = parser;
    return NULL;
}

/* ---- parsing ---- */

static jf_err_t *result(xmpp_parser_t *parser, enum XML_Status status)
{
    if (!parser->err && status == XML_STATUS_ERROR) {
        parser->err = jf_err_make(JF_ERR_INVALID, APR_SUCCESS, parser->pool, "not XML: %s",
                                  XML_ErrorString(XML_GetErrorCode(parser->expat)));
    }
    return parser->err;
}

jf_err_t *xmpp_parser_feed(xmpp_parser_t *parser, const void *bytes, apr_size_t length)
{
    if (parser->err) {
        return parser->err;
    }
    if (length > XMPP_PARSER_STREAM_BYTES_MAX ||
        parser->fed_bytes + (XML_Index)length > XMPP_PARSER_STREAM_BYTES_MAX) {
        parser->err = jf_err_make(JF_ERR_INVALID, APR_SUCCESS, parser->pool,
                                  "more than %d bytes before the login was decided",
                                  XMPP_PARSER_STREAM_BYTES_MAX);
        return parser->err;
    }
    parser->fed_bytes += (XML_Index)length;
    return result(parser, XML_Parse(parser->expat, bytes, (int)length, 0));
}

static int is_suspended(const xmpp_parser_t *parser)
{
    XML_ParsingStatus status;
    XML_GetParsingStatus(parser->expat, &status);
    return status.parsing == XML_SUSPENDED;
}

jf_err_t *xmpp_parser_next(const xmpp_element_t **element, xmpp_parser_t *parser)
{
    *element = NULL;
    /* It stops behind each element. The first time, the feeding has found the element. */
    if (!parser->complete && !parser->err && is_suspended(parser)) {
        JF_TRY(result(parser, XML_ResumeParser(parser->expat)));
    }
    if (parser->err) {
        return parser->err;
    }
    *element = parser->complete;
    parser->complete = NULL;
    return NULL;
}

int xmpp_parser_has_rest(const xmpp_parser_t *parser)
{
    return parser->fed_bytes > parser->end_byte;
}

/* ---- looking at elements ---- */

int xmpp_element_is(const xmpp_element_t *element, const char *ns, const char *name)
{
    return element && strcmp(element->ns, ns) == 0 && strcmp(element->name, name) == 0;
}

const xmpp_element_t *xmpp_element_child(const xmpp_element_t *element, const char *ns,
                                         const char *name)
{
    for (int i = 0; i < element->children->nelts; i++) {
        const xmpp_element_t *child = APR_ARRAY_IDX(element->children, i, xmpp_element_t *);
        if (xmpp_element_is(child, ns, name)) {
            return child;
        }
    }
    return NULL;
}

const char *xmpp_element_condition(const xmpp_element_t *failure, const char *ns)
{
    for (int i = 0; i < failure->children->nelts; i++) {
        const xmpp_element_t *child = APR_ARRAY_IDX(failure->children, i, xmpp_element_t *);
        if (strcmp(child->ns, ns) == 0 && strcmp(child->name, "text") != 0) {
            return child->name;
        }
    }
    return "no reason";
}
