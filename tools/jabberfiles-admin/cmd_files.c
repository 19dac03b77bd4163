/* ls, rm: the files of an area. */

#include <apr_strings.h>

#include "admin_command.h"
#include "admin_files.h"
#include "admin_output.h"
#include "tool_table.h"
#include "admin_text.h"
#include "jf_area.h"
#include "jf_names.h"
#include "jf_units.h"

/* ---- ls ---- */

/* What follows BASE in the link; the base itself is httpd's to know. */
static const char *link_path(const jf_file_t *file, apr_pool_t *pool)
{
    return apr_pstrcat(pool, jf_names_escape(file->token, pool), "/",
                       jf_names_escape(jf_names_leaf(file->path), pool), NULL);
}

static json_t *json_file(const jf_file_t *file, apr_pool_t *pool)
{
    return json_pack("{s:o, s:I, s:o, s:o, s:o, s:o, s:o, s:o}", "path",
                     tool_text_json(file->path, pool), "size_bytes", (json_int_t)file->size_bytes,
                     "content_type", tool_text_json(file->media_type, pool), "created",
                     tool_text_json_time(file->created_us, pool), "expires",
                     tool_text_json_time(file->expires_us, pool), "link_path",
                     tool_text_json(link_path(file, pool), pool), "object",
                     tool_text_json(file->object, pool), "sha256",
                     tool_text_json_sha256(file->sha256, pool));
}

static void add_json(void *files, const jf_file_t *file, apr_pool_t *pool)
{
    json_array_append_new(files, json_file(file, pool));
}

static void add_row(void *table, const jf_file_t *file, apr_pool_t *pool)
{
    const char *const cells[] = {
        jf_units_format_bytes(file->size_bytes, pool),
        jf_units_format_time(file->created_us, pool),
        file->expires_us == JF_NEVER ? "never" : jf_units_format_time(file->expires_us, pool),
        file->media_type,
        file->path,
        link_path(file, pool),
    };
    tool_table_add(table, cells);
}

jf_err_t *cmd_ls(admin_t *admin)
{
    static const char *const heads[] = {">SIZE", "CREATED", "EXPIRES", "TYPE",
                                        "PATH",  "LINK",    NULL};
    const char *jid;
    jf_area_t area;
    JF_TRY(jf_area_prepare(&jid, admin->options->arguments[0], admin->pool));
    JF_TRY(jf_ledger_area_get(&area, admin->service->ledger, jid, admin->pool));
    if (admin->options->is_json) {
        json_t *files = json_array();
        jf_err_t *err = admin_files_each(admin, jid, add_json, files);
        if (err) {
            json_decref(files);
            return err;
        }
        admin_output_print_json(
            json_pack("{s:o, s:o}", "area", tool_text_json(jid, admin->pool), "files", files));
        return NULL;
    }
    tool_table_t *table = tool_table_make(heads, admin->pool);
    JF_TRY(admin_files_each(admin, jid, add_row, table));
    tool_table_print(table);
    return NULL;
}

/* ---- rm ---- */

/* The path is not checked: one that got into the ledger by other hands must be removable. */
jf_err_t *cmd_rm(admin_t *admin)
{
    const char *jid;
    const char *path = admin->options->arguments[1];
    const jf_precondition_t no_condition = {0};
    JF_TRY(jf_area_prepare(&jid, admin->options->arguments[0], admin->pool));
    JF_TRY(jf_service_remove_file(admin->service, jid, path, &no_condition, admin->now_us,
                                  admin->pool));
    if (admin->options->is_json) {
        admin_output_print_json(json_pack("{s:o, s:o, s:b}", "area",
                                          tool_text_json(jid, admin->pool), "path",
                                          tool_text_json(path, admin->pool), "removed", 1));
    } else {
        admin_output_say(admin, "removed %s of %s", path, jid);
    }
    return NULL;
}
