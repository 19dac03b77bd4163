/* areas: everybody at a glance. */

#include <apr_strings.h>

#include "admin_area.h"
#include "admin_command.h"
#include "admin_output.h"
#include "tool_table.h"
#include "admin_text.h"
#include "jf_units.h"

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
    json_array_append_new(baton, admin_area_json(area, pool));
}

static void add_row(void *baton, const jf_area_t *area, apr_pool_t *pool)
{
    const char *const cells[] = {
        area->jid,
        apr_psprintf(pool, "%" APR_INT64_T_FMT, area->file_count),
        jf_units_format_bytes(area->used_bytes, pool),
        jf_units_format_bytes(area->reserved_bytes, pool),
        admin_text_quota(area, pool),
        jf_units_format_time(area->created_us, pool),
    };
    tool_table_add(baton, cells);
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
    tool_table_t *table = tool_table_make(heads, admin->pool);
    JF_TRY(each_area(admin, add_row, table));
    tool_table_print(table);
    return NULL;
}
