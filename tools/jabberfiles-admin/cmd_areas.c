/* areas, usage, quota: what is told about an area, and the one thing that can be set. */

#include <string.h>

#include <apr_strings.h>

#include "admin_command.h"
#include "admin_output.h"
#include "admin_table.h"
#include "admin_text.h"
#include "jf_area.h"
#include "jf_units.h"

static const char *quota_kind(const jf_area_t *area)
{
    switch (area->quota_bytes) {
    case JF_QUOTA_DEFAULT:
        return "default";
    case JF_UNLIMITED:
        return "unlimited";
    default:
        return "limited";
    }
}

static json_t *json_area(const jf_area_t *area, apr_pool_t *pool)
{
    json_t *quota_bytes = area->quota_bytes >= 0 ? json_integer(area->quota_bytes) : json_null();
    return json_pack(
        "{s:o, s:I, s:I, s:I, s:s, s:o, s:o}", "area", admin_output_json_text(area->jid, pool),
        "file_count", (json_int_t)area->file_count, "used_bytes", (json_int_t)area->used_bytes,
        "reserved_bytes", (json_int_t)area->reserved_bytes, "quota", quota_kind(area),
        "quota_bytes", quota_bytes, "created", admin_output_json_time(area->created_us, pool));
}

static const char *decimal(apr_int64_t number, apr_pool_t *pool)
{
    return apr_psprintf(pool, "%" APR_INT64_T_FMT, number);
}

/* ---- areas ---- */

typedef void visit_area_t(void *baton, const jf_area_t *area, apr_pool_t *pool);

static jf_err_t *each_area(admin_t *admin, visit_area_t *visit, void *baton)
{
    const char *after = "";
    apr_array_header_t *areas;
    do {
        JF_TRY(jf_ledger_area_list(&areas, admin->service->ledger, after, ADMIN_PAGE_ROWS,
                                   admin->pool));
        for (int i = 0; i < areas->nelts; i++) {
            const jf_area_t *area = &APR_ARRAY_IDX(areas, i, jf_area_t);
            visit(baton, area, admin->pool);
            after = area->jid;
        }
    } while (areas->nelts == ADMIN_PAGE_ROWS);
    return NULL;
}

static void add_json(void *baton, const jf_area_t *area, apr_pool_t *pool)
{
    json_array_append_new(baton, json_area(area, pool));
}

static void add_row(void *baton, const jf_area_t *area, apr_pool_t *pool)
{
    const char *const cells[] = {
        area->jid,
        decimal(area->file_count, pool),
        jf_units_format_bytes(area->used_bytes, pool),
        jf_units_format_bytes(area->reserved_bytes, pool),
        admin_text_quota(area, pool),
        jf_units_format_time(area->created_us, pool),
    };
    admin_table_add(baton, cells);
}

jf_err_t *cmd_areas(admin_t *admin)
{
    static const char *const heads[] = {"AREA",   ">FILES",  ">USED", ">RESERVED",
                                        ">QUOTA", "CREATED", NULL};
    if (admin->options->is_json) {
        json_t *areas = json_array();
        jf_err_t *err = each_area(admin, add_json, areas);
        if (err) {
            json_decref(areas);
            return err;
        }
        admin_output_print_json(json_pack("{s:o}", "areas", areas));
        return NULL;
    }
    admin_table_t *table = admin_table_make(heads, admin->pool);
    JF_TRY(each_area(admin, add_row, table));
    admin_table_print(table);
    return NULL;
}

/* ---- usage ---- */

static void print_area(admin_t *admin, const jf_area_t *area)
{
    apr_pool_t *pool = admin->pool;
    if (admin->options->is_json) {
        admin_output_print_json(json_area(area, pool));
        return;
    }
    admin_output_say(admin, "area      %s", area->jid);
    admin_output_say(admin, "used      %s", admin_text_exact_bytes(area->used_bytes, pool));
    admin_output_say(admin, "files     %s", decimal(area->file_count, pool));
    admin_output_say(admin, "reserved  %s", admin_text_exact_bytes(area->reserved_bytes, pool));
    admin_output_say(admin, "quota     %s",
                     area->quota_bytes == JF_QUOTA_DEFAULT
                         ? "default (JabberFilesQuota of the configuration)"
                         : admin_text_exact_bytes(area->quota_bytes, pool));
    admin_output_say(admin, "created   %s", jf_units_format_time(area->created_us, pool));
}

static jf_err_t *print_area_of(admin_t *admin, const char *jid)
{
    jf_area_t area;
    JF_TRY(jf_ledger_area_get(&area, admin->service->ledger, jid, admin->pool));
    print_area(admin, &area);
    return NULL;
}

jf_err_t *cmd_usage(admin_t *admin)
{
    const char *jid;
    JF_TRY(jf_area_prepare(&jid, admin->options->arguments[0], admin->pool));
    return print_area_of(admin, jid);
}

/* ---- quota ---- */

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
    return print_area_of(admin, jid);
}
