/**
 * How names, times and sizes are written for people and programs.
 */
#ifndef ADMIN_TEXT_H
#define ADMIN_TEXT_H

#include <apr_time.h>

#include "jf_ledger.h"

/**
 * Makes every byte of a name visible that a terminal would obey or hide: control characters and
 * bidirectional overrides become \u{…}, bytes that are no UTF-8 \x…, a backslash is doubled.
 */
const char *admin_text_visible(const char *text, apr_pool_t *pool);

/** How many columns a visible text takes in a terminal. */
int admin_text_width(const char *visible);

/** "1.5 MiB (1572864 bytes)"; small sizes without the second form. */
const char *admin_text_exact_bytes(apr_int64_t bytes, apr_pool_t *pool);

/** "month" or "3600 seconds". */
const char *admin_text_period(jf_period_t period, apr_pool_t *pool);

/** The quota of an area: a size, "unlimited" or "default". */
const char *admin_text_quota(const jf_area_t *area, apr_pool_t *pool);

/** Lower-case hexadecimal of a SHA-256. */
const char *admin_text_sha256(const unsigned char *sha256, apr_pool_t *pool);

#endif
