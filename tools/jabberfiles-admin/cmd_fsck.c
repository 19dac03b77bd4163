/* fsck: rows against objects against sums. */

#include <apr_strings.h>

#include "admin_command.h"
#include "admin_output.h"
#include "fsck.h"
#include "tool_text.h"

const char *fsck_kind_name(finding_kind_t kind)
{
    static const char *const names[] = {
        [FINDING_LEDGER] = "ledger", [FINDING_LOST] = "lost",       [FINDING_DAMAGED] = "damaged",
        [FINDING_ORPHAN] = "orphan", [FINDING_FOREIGN] = "foreign",
    };
    return names[kind];
}

finding_t *fsck_add(fsck_t *fsck, finding_kind_t kind, const char *message)
{
    finding_t *finding = apr_array_push(fsck->findings);
    *finding = (finding_t){
        .kind = kind,
        .message = apr_pstrdup(fsck->admin->pool, message),
    };
    return finding;
}

jf_err_t *fsck_look_at_ledger(fsck_t *fsck)
{
    apr_array_header_t *sentences;
    JF_TRY(jf_ledger_check(&sentences, fsck->admin->service->ledger, fsck->admin->pool));
    for (int i = 0; i < sentences->nelts; i++) {
        fsck_add(fsck, FINDING_LEDGER, APR_ARRAY_IDX(sentences, i, const char *));
    }
    return NULL;
}

static int count_left(const fsck_t *fsck)
{
    int left = 0;
    for (int i = 0; i < fsck->findings->nelts; i++) {
        left += !APR_ARRAY_IDX(fsck->findings, i, finding_t).is_repaired;
    }
    return left;
}

/* ---- reporting ---- */

static json_t *json_or_null(const char *text, apr_pool_t *pool)
{
    return text ? tool_text_json(text, pool) : json_null();
}

static json_t *json_finding(const finding_t *finding, apr_pool_t *pool)
{
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:b}", "kind", fsck_kind_name(finding->kind),
                     "area", json_or_null(finding->jid, pool), "path",
                     json_or_null(finding->path, pool), "object",
                     json_or_null(finding->object, pool), "message",
                     tool_text_json(finding->message, pool), "repaired", finding->is_repaired);
}

static void report_json(const fsck_t *fsck)
{
    json_t *findings = json_array();
    for (int i = 0; i < fsck->findings->nelts; i++) {
        json_array_append_new(findings, json_finding(&APR_ARRAY_IDX(fsck->findings, i, finding_t),
                                                     fsck->admin->pool));
    }
    admin_output_print_json(json_pack("{s:I, s:I, s:o}", "files", (json_int_t)fsck->files,
                                      "objects", (json_int_t)fsck->objects, "findings", findings));
}

static void report_finding(const admin_t *admin, const finding_t *finding)
{
    const char *subject =
        finding->path ? apr_psprintf(admin->pool, "%s %s: ", finding->jid, finding->path) : "";
    admin_output_say(admin, "%-7s  %s%s%s", fsck_kind_name(finding->kind), subject,
                     finding->message, finding->is_repaired ? " (repaired)" : "");
}

static void report_text(const fsck_t *fsck)
{
    const admin_t *admin = fsck->admin;
    for (int i = 0; i < fsck->findings->nelts; i++) {
        report_finding(admin, &APR_ARRAY_IDX(fsck->findings, i, finding_t));
    }
    admin_output_say(
        admin, "%" APR_INT64_T_FMT " files, %" APR_INT64_T_FMT " objects: %d findings, %d repaired",
        fsck->files, fsck->objects, fsck->findings->nelts,
        fsck->findings->nelts - count_left(fsck));
}

jf_err_t *cmd_fsck(admin_t *admin)
{
    fsck_t fsck = {
        .admin = admin,
        .findings = apr_array_make(admin->pool, 16, sizeof(finding_t)),
    };
    JF_TRY(fsck_look_at_ledger(&fsck));
    JF_TRY(fsck_look_at_files(&fsck));
    JF_TRY(fsck_look_at_store(&fsck));
    jf_err_t *err = NULL;
    if (admin->options->given & ADMIN_OPT_REPAIR) {
        err = fsck_repair(&fsck);
    }
    if (admin->options->is_json) {
        report_json(&fsck);
    } else {
        report_text(&fsck);
    }
    admin->exit_code = count_left(&fsck) > 0 ? ADMIN_FAILED : ADMIN_OK;
    return err;
}
