/* quota: how much room there is, on the disk and for downloads. */

#include <string.h>

#include <apr_strings.h>

#include "http_area.h"
#include "jf_units.h"
#include "output.h"

#define UNKNOWN (-2)

/* @return JF_UNLIMITED for null, UNKNOWN for what the server does not say */
static apr_int64_t bytes_of(const json_t *list, const char *name)
{
    const json_t *value = json_object_get(list, name);
    if (json_is_null(value)) {
        return JF_UNLIMITED;
    }
    return json_is_integer(value) && json_integer_value(value) >= 0
               ? (apr_int64_t)json_integer_value(value)
               : UNKNOWN;
}

static const char *bytes_text(apr_int64_t bytes, apr_pool_t *pool)
{
    return bytes == UNKNOWN ? "an unknown number" : jf_units_format_bytes(bytes, pool);
}

static const char *disk_text(const json_t *list, apr_pool_t *pool)
{
    apr_int64_t used_bytes = bytes_of(list, "used_bytes");
    apr_int64_t reserved_bytes = bytes_of(list, "reserved_bytes");
    apr_int64_t quota_bytes = bytes_of(list, "quota_bytes");
    const char *reserved = "";
    if (reserved_bytes > 0) {
        reserved = apr_psprintf(pool, ", %s taken by uploads in progress",
                                bytes_text(reserved_bytes, pool));
    }
    if (quota_bytes == JF_UNLIMITED) {
        return apr_psprintf(pool, "%s used%s, no limit", bytes_text(used_bytes, pool), reserved);
    }
    apr_int64_t left_bytes = quota_bytes - used_bytes - (reserved_bytes > 0 ? reserved_bytes : 0);
    return apr_psprintf(pool, "%s of %s used%s, %s left", bytes_text(used_bytes, pool),
                        bytes_text(quota_bytes, pool), reserved,
                        bytes_text(left_bytes > 0 ? left_bytes : 0, pool));
}

/* "this month", or the number of seconds that the server counts in. */
static const char *period_text(const json_t *list, apr_pool_t *pool)
{
    const char *period = json_string_value(json_object_get(list, "transfer_period"));
    if (!period) {
        return "this period";
    }
    if (strcmp(period, "day") == 0) {
        return "today";
    }
    return strspn(period, "0123456789") == strlen(period)
               ? apr_pstrcat(pool, "these ", period, " seconds", NULL)
               : apr_pstrcat(pool, "this ", period, NULL);
}

static const char *downloads_text(const json_t *list, apr_pool_t *pool)
{
    apr_int64_t done_bytes = bytes_of(list, "transferred_bytes");
    apr_int64_t quota_bytes = bytes_of(list, "transfer_quota_bytes");
    if (quota_bytes == UNKNOWN) {
        return "the server does not say";
    }
    const char *done = done_bytes == JF_UNLIMITED ? "not counted" : bytes_text(done_bytes, pool);
    if (quota_bytes == JF_UNLIMITED) {
        return apr_psprintf(pool, "%s %s, no limit", done, period_text(list, pool));
    }
    return apr_psprintf(pool, "%s of %s %s; the next period begins at %s UTC", done,
                        bytes_text(quota_bytes, pool), period_text(list, pool),
                        http_area_minute(list, "period_end", pool));
}

static json_t *quota_object(const json_t *list)
{
    static const char *const members[] = {"area",
                                          "used_bytes",
                                          "reserved_bytes",
                                          "quota_bytes",
                                          "transferred_bytes",
                                          "transfer_quota_bytes",
                                          "transfer_period",
                                          "period_start",
                                          "period_end",
                                          NULL};
    json_t *object = json_pack("{s:s}", "type", "quota");
    for (const char *const *name = members; *name; name++) {
        json_t *value = json_object_get(list, *name);
        json_object_set_new(object, *name, value ? json_incref(value) : json_null());
    }
    return object;
}

jf_err_t *cmd_quota(client_t *client)
{
    http_t *http;
    json_t *list;
    JF_TRY(http_open(&http, client, client->pool));
    JF_TRY(http_area_list(&list, http, client->pool));
    output_result(client, "disk:      %s", disk_text(list, client->pool));
    output_result(client, "downloads: %s", downloads_text(list, client->pool));
    output_json(client, quota_object(list));
    json_decref(list);
    return NULL;
}
