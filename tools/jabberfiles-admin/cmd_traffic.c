/* traffic: the history of an area, day by day. */

#include <string.h>

#include <apr_strings.h>

#include "admin_command.h"
#include "admin_output.h"
#include "tool_table.h"
#include "admin_traffic.h"
#include "jf_area.h"
#include "jf_ascii.h"
#include "jf_units.h"
#include "tool_text.h"

/* ---- the command line ---- */

static jf_err_t *parse_limit(int *limit, const char *text, apr_pool_t *pool)
{
    *limit = JF_TRAFFIC_DAYS_KEPT;
    if (!text) {
        return NULL;
    }
    apr_int64_t number = 0;
    const char *digit = text;
    for (; jf_ascii_is_digit(*digit) && number <= JF_TRAFFIC_DAYS_KEPT; digit++) {
        number = number * 10 + (*digit - '0');
    }
    if (*digit || number < 1 || number > JF_TRAFFIC_DAYS_KEPT) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                           "--limit is a number of days from 1 to %d, for so many are kept",
                           JF_TRAFFIC_DAYS_KEPT);
    }
    *limit = (int)number;
    return NULL;
}

/* ---- output ---- */

static const char *date_of(apr_time_t day_us, apr_pool_t *pool)
{
    const char *time = jf_units_format_time(day_us, pool);
    return apr_pstrmemdup(pool, time, strcspn(time, "T"));
}

static const char *decimal(apr_int64_t number, apr_pool_t *pool)
{
    return apr_psprintf(pool, "%" APR_INT64_T_FMT, number);
}

static const char *rounded(apr_int64_t bytes, apr_pool_t *pool)
{
    return jf_units_format_bytes(admin_traffic_shown(bytes), pool);
}

static void print_json(const char *jid, const apr_array_header_t *days, apr_pool_t *pool)
{
    json_t *list = json_array();
    for (int i = 0; i < days->nelts; i++) {
        const jf_traffic_day_t *day = &APR_ARRAY_IDX(days, i, jf_traffic_day_t);
        json_array_append_new(
            list, json_pack("{s:s, s:I, s:I, s:I, s:I}", "day", date_of(day->day_us, pool),
                            "sent_bytes", (json_int_t)day->sent_bytes, "received_bytes",
                            (json_int_t)day->received_bytes, "downloads",
                            (json_int_t)day->downloads, "uploads", (json_int_t)day->uploads));
    }
    admin_output_print_json(
        json_pack("{s:o, s:o}", "area", tool_text_json(jid, pool), "days", list));
}

static void print_table(const apr_array_header_t *days, apr_pool_t *pool)
{
    static const char *const heads[] = {"DAY",        ">SENT",    ">RECEIVED",
                                        ">DOWNLOADS", ">UPLOADS", NULL};
    tool_table_t *table = tool_table_make(heads, pool);
    for (int i = 0; i < days->nelts; i++) {
        const jf_traffic_day_t *day = &APR_ARRAY_IDX(days, i, jf_traffic_day_t);
        const char *const cells[] = {
            date_of(day->day_us, pool),         rounded(day->sent_bytes, pool),
            rounded(day->received_bytes, pool), decimal(day->downloads, pool),
            decimal(day->uploads, pool),
        };
        tool_table_add(table, cells);
    }
    tool_table_print(table);
}

jf_err_t *cmd_traffic(admin_t *admin)
{
    const char *jid;
    jf_area_t area;
    apr_array_header_t *days;
    int limit;
    JF_TRY(jf_area_prepare(&jid, admin->options->arguments[0], admin->pool));
    JF_TRY(parse_limit(&limit, admin->options->limit, admin->pool));
    JF_TRY(jf_ledger_area_get(&area, admin->service->ledger, jid, admin->pool));
    JF_TRY(jf_ledger_traffic_days(&days, admin->service->ledger, area.id, limit, admin->pool));
    if (admin->options->is_json) {
        print_json(jid, days, admin->pool);
    } else {
        print_table(days, admin->pool);
    }
    return NULL;
}
