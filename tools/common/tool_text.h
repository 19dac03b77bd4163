/**
 * How names, times and sizes are written for people and programs, by all tools.
 */
#ifndef TOOL_TEXT_H
#define TOOL_TEXT_H

#include <apr_pools.h>
#include <apr_time.h>
#include <jansson.h>

/**
 * Makes every byte of a text visible that a terminal would obey or hide: control characters and
 * bidirectional overrides become \u{…}, bytes that are no UTF-8 \x…, a backslash is doubled.
 */
const char *tool_text_visible(const char *text, apr_pool_t *pool);

/** How many columns a visible text takes in a terminal. */
int tool_text_width(const char *visible);

/** "1.5 MiB (1572864 bytes)"; small sizes without the second form. */
const char *tool_text_exact_bytes(apr_int64_t bytes, apr_pool_t *pool);

/** A JSON string; a text that is no UTF-8 is made visible first. Never NULL. */
json_t *tool_text_json(const char *text, apr_pool_t *pool);

/** A JSON string with the time in RFC 3339, or null for JF_NEVER. */
json_t *tool_text_json_time(apr_time_t time_us, apr_pool_t *pool);

/** A JSON string with the lower-case hexadecimal of a SHA-256, or null for NULL. */
json_t *tool_text_json_sha256(const unsigned char *sha256, apr_pool_t *pool);

#endif
