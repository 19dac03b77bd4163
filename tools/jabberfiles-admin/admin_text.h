/**
 * How quotas of areas are written for people and programs.
 */
#ifndef ADMIN_TEXT_H
#define ADMIN_TEXT_H

#include "jf_ledger.h"
#include "tool_text.h"

/** "month" or "3600 seconds". */
const char *admin_text_period(jf_period_t period, apr_pool_t *pool);

/** The quota of an area: a size, "unlimited" or "default". */
const char *admin_text_quota(const jf_area_t *area, apr_pool_t *pool);

#endif
