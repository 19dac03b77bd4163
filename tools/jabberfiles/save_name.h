/**
 * File names from the network, made safe.
 */
#ifndef SAVE_NAME_H
#define SAVE_NAME_H

#include <apr_pools.h>

/** No name is longer, so that there is room for endings like ".part.json" in any file system. */
#define SAVE_NAME_BYTES_MAX 200

/**
 * The name to save a file under: the last segment of @a name (both kinds of slashes), UTF-8 without
 * control characters, bidirectional overrides and what hides; no dot or dash at the begin, no dot
 * or space at the end; at most SAVE_NAME_BYTES_MAX bytes, the ending kept. Names that other systems
 * give to devices ("con") and the endings of downloads in progress (part_file.h) get an underscore.
 * "download" if nothing is left.
 * @param name anything, or NULL.
 */
const char *save_name_make(const char *name, apr_pool_t *pool);

/** The name in a Content-Disposition (RFC 6266; filename* over filename), or NULL. Not safe yet. */
const char *save_name_from_disposition(const char *field, apr_pool_t *pool);

/** The last segment of a URL's path, percent-decoded once, or NULL. Not safe yet. */
const char *save_name_from_url(const char *url, apr_pool_t *pool);

#endif
