/**
 * Sizes and durations as people write them: "500M", "1.5G", "unlimited"; "90", "7d", "never".
 *
 * The one parser of both, for directives and tools alike. Pure functions, usable in any thread.
 */
#ifndef JF_UNITS_H
#define JF_UNITS_H

#include <apr_time.h>

#include "jf_err.h"

/** A limit that is none, in bytes. */
#define JF_UNLIMITED (-1)
/** A duration that does not end, in microseconds. */
#define JF_NEVER (-1)

/**
 * Parses a size: bytes, or a number with K, M, G or T (either case), powers of 1024, or "unlimited"
 * (any case). A number with a unit may have a decimal fraction; it is exact and rounded down.
 * @param bytes set to 0 or more, or JF_UNLIMITED.
 * @return JF_ERR_INVALID whose text says what is accepted.
 */
jf_err_t *jf_units_parse_bytes(apr_int64_t *bytes, const char *text, apr_pool_t *pool);

/**
 * Parses a duration: seconds, or a whole number with m, h, d or w (lower case: an M could be a
 * month), or "never" (any case).
 * @param duration_us set to more than 0, or JF_NEVER. Zero is refused: nothing lives for no time.
 * @return JF_ERR_INVALID whose text says what is accepted.
 */
jf_err_t *jf_units_parse_duration(apr_interval_time_t *duration_us, const char *text,
                                  apr_pool_t *pool);

/** Writes @a bytes for people, "1.5 GiB" or "unlimited", into @a pool. */
const char *jf_units_format_bytes(apr_int64_t bytes, apr_pool_t *pool);

/** Writes a time for programs and people (RFC 3339, UTC, milliseconds) into @a pool. */
const char *jf_units_format_time(apr_time_t time_us, apr_pool_t *pool);

#endif
