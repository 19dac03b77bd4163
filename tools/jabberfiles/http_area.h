/**
 * The account's own area: its list, its quota, deleting.
 */
#ifndef HTTP_AREA_H
#define HTTP_AREA_H

#include <jansson.h>

#include "http.h"

/**
 * The list of the area as the server's JSON (doc/directives.md, "What owners see").
 * @param list a new object, with all files; the caller frees it. An area that does not exist yet is
 * an empty one.
 */
jf_err_t *http_area_list(json_t **list, http_t *http, apr_pool_t *pool);

/** A time in an object of the list as people read it, "2026-11-23 05:48" (UTC), or "-". */
const char *http_area_minute(const json_t *object, const char *member, apr_pool_t *pool);

/** Deletes a file of the area. @return JF_ERR_NOT_FOUND */
jf_err_t *http_area_delete(http_t *http, const char *path, apr_pool_t *pool);

#endif
