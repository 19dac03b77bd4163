/*
 * The input is what a server says, from the header of its stream on.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "xmpp_parser.h"

/** What came out of a parser. */
typedef struct outcome_t {
    apr_array_header_t *elements; /**< of const xmpp_element_t * */
    apr_array_header_t *rests;    /**< of apr_size_t: how many bytes came after each */
    const jf_err_t *err;
} outcome_t;

/* ---- one element ---- */

/** @return how many elements there are, itself included. */
static int check_element(const xmpp_element_t *element, int depth)
{
    int count = 1;
    FUZZ_CHECK(depth < XMPP_PARSER_DEPTH_MAX);
    FUZZ_CHECK(element->name[0] != '\0' && !strpbrk(element->name, "\n:<> "));
    FUZZ_CHECK(strlen(element->ns) + strlen(element->name) <= XMPP_PARSER_NAME_BYTES_MAX);
    FUZZ_CHECK(!strchr(element->ns, '\n'));
    FUZZ_CHECK(strlen(element->text) == element->text_length);
    FUZZ_CHECK(xmpp_element_is(element, element->ns, element->name));
    for (int i = 0; i < element->children->nelts; i++) {
        const xmpp_element_t *child = APR_ARRAY_IDX(element->children, i, xmpp_element_t *);
        FUZZ_CHECK(xmpp_element_child(element, child->ns, child->name));
        count += check_element(child, depth + 1);
    }
    return count;
}

static void check_same(const xmpp_element_t *a, const xmpp_element_t *b)
{
    FUZZ_CHECK(xmpp_element_is(a, b->ns, b->name));
    FUZZ_CHECK(strcmp(a->text, b->text) == 0);
    FUZZ_CHECK(a->children->nelts == b->children->nelts);
    for (int i = 0; i < a->children->nelts; i++) {
        check_same(APR_ARRAY_IDX(a->children, i, xmpp_element_t *),
                   APR_ARRAY_IDX(b->children, i, xmpp_element_t *));
    }
}

/* ---- a stream ---- */

/** From a copy on the heap of its exact size: reads beyond its end show. */
static jf_err_t *feed(xmpp_parser_t *parser, const char *bytes, apr_size_t length)
{
    char *copy = malloc(length > 0 ? length : 1);
    FUZZ_CHECK(copy);
    memcpy(copy, bytes, length);
    jf_err_t *err = xmpp_parser_feed(parser, copy, length);
    free(copy);
    return err;
}

/** @param left how many bytes were not fed yet. */
static jf_err_t *take_elements(outcome_t *outcome, xmpp_parser_t *parser, apr_size_t left)
{
    for (;;) {
        const xmpp_element_t *element;
        JF_TRY(xmpp_parser_next(&element, parser));
        if (!element) {
            return NULL;
        }
        FUZZ_CHECK(check_element(element, 1) <= XMPP_PARSER_NODES_MAX);
        APR_ARRAY_PUSH(outcome->elements, const xmpp_element_t *) = element;
        APR_ARRAY_PUSH(outcome->rests, apr_size_t) = left + xmpp_parser_has_rest(parser);
    }
}

/** What is refused stays refused. */
static void check_end(xmpp_parser_t *parser, const jf_err_t *err)
{
    const xmpp_element_t *element;
    fuzz_check_refusal(err);
    if (err) {
        FUZZ_CHECK(xmpp_parser_feed(parser, "<a/>", 4) == err);
        FUZZ_CHECK(xmpp_parser_next(&element, parser) == err);
        FUZZ_CHECK(!element);
    }
}

/** Parses @a text in pieces of @a size bytes. */
static outcome_t parse(const char *text, apr_size_t size, apr_pool_t *pool)
{
    outcome_t outcome = {.err = NULL};
    xmpp_parser_t *parser;
    apr_size_t length = strlen(text);
    outcome.elements = apr_array_make(pool, 8, sizeof(const xmpp_element_t *));
    outcome.rests = apr_array_make(pool, 8, sizeof(apr_size_t));
    FUZZ_CHECK(!xmpp_parser_create(&parser, pool));
    for (apr_size_t at = 0; at < length && !outcome.err; at += size) {
        apr_size_t count = length - at < size ? length - at : size;
        outcome.err = feed(parser, text + at, count);
        if (!outcome.err) {
            outcome.err = take_elements(&outcome, parser, length - at - count);
        }
    }
    check_end(parser, outcome.err);
    return outcome;
}

/* ---- all of it ---- */

/** How the bytes arrive makes no difference. */
static void check_outcomes(const outcome_t *whole, const outcome_t *pieces)
{
    FUZZ_CHECK(!whole->err == !pieces->err);
    FUZZ_CHECK(whole->elements->nelts == pieces->elements->nelts);
    for (int i = 0; i < whole->elements->nelts; i++) {
        check_same(APR_ARRAY_IDX(whole->elements, i, const xmpp_element_t *),
                   APR_ARRAY_IDX(pieces->elements, i, const xmpp_element_t *));
    }
}

/** Byte by byte, an element is there with its last one; so it is known what comes after it. */
static void check_rests(const outcome_t *whole, const outcome_t *bytes)
{
    for (int i = 0; i < whole->rests->nelts; i++) {
        int has_rest = APR_ARRAY_IDX(bytes->rests, i, apr_size_t) > 0;
        FUZZ_CHECK(APR_ARRAY_IDX(whole->rests, i, apr_size_t) == (apr_size_t)has_rest);
    }
}

void fuzz_one(const char *text, apr_pool_t *pool)
{
    apr_size_t length = strlen(text);
    if (length == 0 || length > XMPP_PARSER_STREAM_BYTES_MAX) {
        return; /* the whole is refused and of its pieces only the last; t_xmpp_parser looks at it
                 */
    }
    outcome_t whole = parse(text, length, pool);
    outcome_t bytes = parse(text, 1, pool);
    outcome_t pieces = parse(text, 7, pool);
    check_outcomes(&whole, &bytes);
    check_outcomes(&whole, &pieces);
    check_rests(&whole, &bytes);
}
