#include "admin_text.h"

#include <apr_strings.h>

#include "jf_ascii.h"
#include "jf_units.h"

const char *admin_text_period(jf_period_t period, apr_pool_t *pool)
{
    const char *text = jf_period_format(period, pool);
    return jf_ascii_is_digit(*text) ? apr_pstrcat(pool, text, " seconds", NULL) : text;
}

const char *admin_text_quota(const jf_area_t *area, apr_pool_t *pool)
{
    return area->quota_bytes == JF_QUOTA_DEFAULT ? "default"
                                                 : jf_units_format_bytes(area->quota_bytes, pool);
}
