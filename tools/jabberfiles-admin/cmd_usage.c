/* usage, quota, transfer-quota: one area, and what can be set for it. Setting shows the area, too.
 */

#include <string.h>

#include "admin_area.h"
#include "admin_command.h"
#include "jf_area.h"
#include "jf_units.h"

jf_err_t *cmd_usage(admin_t *admin)
{
    const char *jid;
    JF_TRY(jf_area_prepare(&jid, admin->options->arguments[0], admin->pool));
    return admin_area_print(admin, jid);
}

static jf_err_t *parse_quota(apr_int64_t *quota_bytes, const char *text, apr_pool_t *pool)
{
    if (strcmp(text, "default") == 0) {
        *quota_bytes = JF_QUOTA_DEFAULT;
        return NULL;
    }
    return jf_units_parse_bytes(quota_bytes, text, pool);
}

jf_err_t *cmd_quota(admin_t *admin)
{
    const char *jid;
    apr_int64_t quota_bytes;
    JF_TRY(jf_area_prepare(&jid, admin->options->arguments[0], admin->pool));
    JF_TRY(parse_quota(&quota_bytes, admin->options->arguments[1], admin->pool));
    JF_TRY(jf_ledger_area_set_quota(admin->service->ledger, jid, quota_bytes, admin->now_us,
                                    admin->pool));
    return admin_area_print(admin, jid);
}

/* Without a period it is the configuration's, also if another one was set before. */
jf_err_t *cmd_transfer_quota(admin_t *admin)
{
    const char *jid;
    const char *period = admin->options->arguments[2];
    jf_transfer_limit_t transfer = {.period = JF_PERIOD_DEFAULT};
    JF_TRY(jf_area_prepare(&jid, admin->options->arguments[0], admin->pool));
    JF_TRY(parse_quota(&transfer.quota_bytes, admin->options->arguments[1], admin->pool));
    if (period) {
        JF_TRY(jf_period_parse(&transfer.period, period, admin->pool));
    }
    JF_TRY(jf_ledger_area_set_transfer(admin->service->ledger, jid, &transfer, admin->now_us,
                                       admin->pool));
    return admin_area_print(admin, jid);
}
