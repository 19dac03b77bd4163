/**
 * What is told about an area: its files, its quotas, what was transferred.
 */
#ifndef ADMIN_AREA_H
#define ADMIN_AREA_H

#include <jansson.h>

#include "admin.h"

/** What the area itself says, without its traffic. */
json_t *admin_area_json(const jf_area_t *area, apr_pool_t *pool);

/** Prints all that there is to tell of an area. @return JF_ERR_NOT_FOUND and what reading gives */
jf_err_t *admin_area_print(admin_t *admin, const char *jid);

#endif
