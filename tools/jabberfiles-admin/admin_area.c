#include "admin_area.h"

#include <apr_strings.h>

#include "admin_output.h"
#include "admin_text.h"
#include "admin_traffic.h"
#include "jf_units.h"

/* ---- for programs ---- */

static const char *quota_kind(apr_int64_t quota_bytes)
{
    switch (quota_bytes) {
    case JF_QUOTA_DEFAULT:
        return "default";
    case JF_UNLIMITED:
        return "unlimited";
    default:
        return "limited";
    }
}

static json_t *json_quota(apr_int64_t quota_bytes)
{
    return quota_bytes >= 0 ? json_integer(quota_bytes) : json_null();
}

json_t *admin_area_json(const jf_area_t *area, apr_pool_t *pool)
{
    return json_pack("{s:o, s:I, s:I, s:I, s:s, s:o, s:s, s:o, s:o}", "area",
                     tool_text_json(area->jid, pool), "file_count", (json_int_t)area->file_count,
                     "used_bytes", (json_int_t)area->used_bytes, "reserved_bytes",
                     (json_int_t)area->reserved_bytes, "quota", quota_kind(area->quota_bytes),
                     "quota_bytes", json_quota(area->quota_bytes), "transfer_quota",
                     quota_kind(area->transfer.quota_bytes), "transfer_quota_bytes",
                     json_quota(area->transfer.quota_bytes), "created",
                     tool_text_json_time(area->created_us, pool));
}

static json_t *json_period(const admin_traffic_t *traffic, apr_pool_t *pool)
{
    if (traffic->period == JF_PERIOD_DEFAULT) {
        return json_pack("{s:n, s:n, s:n}", "transfer_period", "period_start", "period_end");
    }
    return json_pack("{s:s, s:o, s:o}", "transfer_period", jf_period_format(traffic->period, pool),
                     "period_start", tool_text_json_time(traffic->start_us, pool), "period_end",
                     tool_text_json_time(traffic->end_us, pool));
}

static json_t *json_traffic(const admin_traffic_t *traffic)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "transferred_bytes",
                     (json_int_t)traffic->charged_bytes, "today_sent_bytes",
                     (json_int_t)traffic->today.sent_bytes, "today_received_bytes",
                     (json_int_t)traffic->today.received_bytes, "sent_bytes",
                     (json_int_t)traffic->all.sent_bytes, "received_bytes",
                     (json_int_t)traffic->all.received_bytes, "downloads",
                     (json_int_t)traffic->all.downloads, "uploads",
                     (json_int_t)traffic->all.uploads);
}

static void add_members(json_t *document, json_t *members)
{
    json_object_update(document, members);
    json_decref(members);
}

static void print_json(const jf_area_t *area, const admin_traffic_t *traffic, apr_pool_t *pool)
{
    json_t *document = admin_area_json(area, pool);
    add_members(document, json_traffic(traffic));
    add_members(document, json_period(traffic, pool));
    admin_output_print_json(document);
}

/* ---- for people ---- */

static const char *quota_text(apr_int64_t quota_bytes, const char *directive, apr_pool_t *pool)
{
    return quota_bytes == JF_QUOTA_DEFAULT
               ? apr_pstrcat(pool, "default (", directive, " of the configuration)", NULL)
               : tool_text_exact_bytes(quota_bytes, pool);
}

static const char *period_text(const admin_traffic_t *traffic, apr_pool_t *pool)
{
    return traffic->period == JF_PERIOD_DEFAULT
               ? "default (JabberFilesTransferQuota of the configuration)"
               : apr_psprintf(pool, "%s, %s to %s", admin_text_period(traffic->period, pool),
                              jf_units_format_time(traffic->start_us, pool),
                              jf_units_format_time(traffic->end_us, pool));
}

static void say_area(const admin_t *admin, const jf_area_t *area)
{
    apr_pool_t *pool = admin->pool;
    admin_output_say(admin, "area             %s", area->jid);
    admin_output_say(admin, "used             %s", tool_text_exact_bytes(area->used_bytes, pool));
    admin_output_say(admin, "files            %" APR_INT64_T_FMT, area->file_count);
    admin_output_say(admin, "reserved         %s",
                     tool_text_exact_bytes(area->reserved_bytes, pool));
    admin_output_say(admin, "quota            %s",
                     quota_text(area->quota_bytes, "JabberFilesQuota", pool));
    admin_output_say(admin, "created          %s", jf_units_format_time(area->created_us, pool));
}

static const char *bytes_text(apr_int64_t bytes, apr_pool_t *pool)
{
    return tool_text_exact_bytes(admin_traffic_shown(bytes), pool);
}

static void say_traffic(const admin_t *admin, const jf_area_t *area, const admin_traffic_t *traffic)
{
    apr_pool_t *pool = admin->pool;
    const jf_traffic_day_t *today = &traffic->today;
    const jf_traffic_day_t *all = &traffic->all;
    admin_output_say(admin, "transferred      %s", bytes_text(traffic->charged_bytes, pool));
    admin_output_say(admin, "transfer quota   %s",
                     quota_text(area->transfer.quota_bytes, "JabberFilesTransferQuota", pool));
    admin_output_say(admin, "period           %s", period_text(traffic, pool));
    admin_output_say(admin, "sent today       %s", bytes_text(today->sent_bytes, pool));
    admin_output_say(admin, "received today   %s", bytes_text(today->received_bytes, pool));
    admin_output_say(admin, "sent in all      %s, %" APR_INT64_T_FMT " downloads",
                     bytes_text(all->sent_bytes, pool), all->downloads);
    admin_output_say(admin, "received in all  %s, %" APR_INT64_T_FMT " uploads",
                     bytes_text(all->received_bytes, pool), all->uploads);
}

jf_err_t *admin_area_print(admin_t *admin, const char *jid)
{
    jf_area_t area;
    admin_traffic_t traffic;
    JF_TRY(jf_ledger_area_get(&area, admin->service->ledger, jid, admin->pool));
    JF_TRY(admin_traffic_read(&traffic, admin, &area));
    if (admin->options->is_json) {
        print_json(&area, &traffic, admin->pool);
    } else {
        say_area(admin, &area);
        say_traffic(admin, &area, &traffic);
    }
    return NULL;
}
