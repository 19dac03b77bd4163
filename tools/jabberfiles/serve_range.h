/**
 * The Range field of a request (RFC 9110 section 14): which part of a file is asked for.
 */
#ifndef SERVE_RANGE_H
#define SERVE_RANGE_H

#include <apr.h>

typedef enum {
    SERVE_RANGE_WHOLE,  /**< all of it: no range, or one that may be ignored */
    SERVE_RANGE_PART,   /**< 206 */
    SERVE_RANGE_BEYOND, /**< 416: nothing of the file lies in it */
} serve_range_kind_t;

typedef struct serve_range_t {
    serve_range_kind_t kind;
    apr_int64_t begin_bytes; /**< of WHOLE 0 … */
    apr_int64_t count_bytes; /**< … and the size; of BEYOND both 0 */
} serve_range_t;

/**
 * Reads a Range field. Several ranges, other units, and what is none are ignored, as the RFC
 * allows: then the whole file is the answer.
 * @param field or NULL.
 */
serve_range_t serve_range_parse(const char *field, apr_int64_t size_bytes);

#endif
