/* import: another upload server's files become files of areas, under their old links. */

#include <string.h>
#include <unistd.h>

#include "admin_command.h"
#include "admin_output.h"
#include "import.h"
#include "jf_area.h"
#include "jf_jid.h"
#include "jf_units.h"
#include "tool_text.h"

#define DEFAULT_AREA "slots:import"

/* ---- what the command line says ---- */

static jf_err_t *parse_layout(import_t *import, const admin_options_t *options, apr_pool_t *pool)
{
    const import_layout_t *layout = import_layouts;
    while (options->layout && layout->name && strcmp(layout->name, options->layout) != 0) {
        layout++;
    }
    if (!options->layout || !layout->name) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                           "import needs --layout ejabberd or --layout filer");
    }
    import->layout = layout;
    return NULL;
}

static jf_err_t *parse_area(import_t *import, const admin_options_t *options, apr_pool_t *pool)
{
    if (options->area && import->layout->has_user) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                           "--area is for --layout filer: here directories name the users");
    }
    if (options->domain && !import->layout->has_user) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                           "--domain is for --layout ejabberd: here nothing names the users");
    }
    if (options->domain) {
        JF_TRY(jf_jid_prepare_domain(&import->domain, options->domain, pool));
    }
    return jf_area_prepare(&import->area, options->area ? options->area : DEFAULT_AREA, pool);
}

static jf_err_t *parse_options(import_t *import, const admin_options_t *options, apr_pool_t *pool)
{
    import->is_dry_run = (options->given & ADMIN_OPT_DRY_RUN) != 0;
    import->expire_us = JF_NEVER;
    JF_TRY(parse_layout(import, options, pool));
    JF_TRY(parse_area(import, options, pool));
    return options->expire ? jf_units_parse_duration(&import->expire_us, options->expire, pool)
                           : NULL;
}

/* ---- every file ---- */

static void refuse(void *baton, const char *path, const char *why)
{
    import_t *import = baton;
    apr_pool_t *pool;
    apr_pool_create(&pool, import->admin->pool);
    import->admin->exit_code = ADMIN_FAILED;
    json_array_append_new(import->failures,
                          json_pack("{s:o, s:o}", "path", tool_text_json(path, pool), "message",
                                    tool_text_json(why, pool)));
    if (!import->admin->options->is_json) {
        admin_output_complain(pool, "%s: %s", path, why);
    }
    apr_pool_destroy(pool);
}

static jf_err_t *visit(void *baton, const import_file_t *file, apr_pool_t *pool)
{
    import_t *import = baton;
    jf_err_t *problem;
    apr_pool_t *own;
    apr_pool_create(&own, pool);
    jf_err_t *err = import_file(&problem, import, file, own);
    if (!err && problem && problem->code == JF_ERR_USED) {
        /* Somebody else, another import perhaps, was faster. */
        err = import_file(&problem, import, file, own);
    }
    if (!err && problem) {
        refuse(import, file->path, problem->text);
    }
    err = jf_err_copy(err, pool);
    apr_pool_destroy(own);
    return err;
}

/* ---- the whole ---- */

static void report_json(import_t *import, const char *directory)
{
    apr_pool_t *pool = import->admin->pool;
    admin_output_print_json(json_pack(
        "{s:o, s:b, s:I, s:I, s:I, s:I, s:I, s:o}", "directory", tool_text_json(directory, pool),
        "dry_run", import->is_dry_run, "file_count", (json_int_t)import->imported_count,
        "imported_bytes", (json_int_t)import->imported_bytes, "there_count",
        (json_int_t)import->there_count, "removed_count", (json_int_t)import->removed_count,
        "expired_count", (json_int_t)import->expired_count, "failures", import->failures));
}

static void report_text(const import_t *import, const char *directory)
{
    const admin_t *admin = import->admin;
    admin_output_say(admin, "%s %" APR_INT64_T_FMT " files, %s, from %s",
                     import->is_dry_run ? "would import" : "imported", import->imported_count,
                     tool_text_exact_bytes(import->imported_bytes, admin->pool), directory);
    admin_output_say(admin,
                     "%" APR_INT64_T_FMT " are there already, %" APR_INT64_T_FMT
                     " were removed since, %" APR_INT64_T_FMT " have expired, %d are refused",
                     import->there_count, import->removed_count, import->expired_count,
                     (int)json_array_size(import->failures));
}

jf_err_t *cmd_import(admin_t *admin)
{
    const char *directory = admin->options->arguments[0];
    import_t import = {.admin = admin};
    import_visitor_t visitor = {visit, refuse, &import};
    import_directory_t root;
    JF_TRY(parse_options(&import, admin->options, admin->pool));
    JF_TRY(import_open_root(&root, directory, admin->pool));
    import.failures = json_array();
    jf_err_t *err = import_walk(&root, import.layout, &visitor, admin->pool);
    close(root.fd);
    if (admin->options->is_json) {
        report_json(&import, directory);
        return err;
    }
    report_text(&import, directory);
    json_decref(import.failures);
    return err;
}
