/* remove-area: a person leaves. */

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "admin_command.h"
#include "admin_output.h"
#include "jf_area.h"
#include "tool_text.h"

#define ANSWER_BYTES_MAX 16

static jf_err_t *ask(const jf_area_t *area, apr_pool_t *pool)
{
    char answer[ANSWER_BYTES_MAX];
    fprintf(stderr,
            "This removes the area of %s with %" APR_INT64_T_FMT " files, %s.\n"
            "Their links end. There is no way back. Type \"yes\" to go on: ",
            tool_text_visible(area->jid, pool), area->file_count,
            tool_text_exact_bytes(area->used_bytes, pool));
    if (fgets(answer, sizeof(answer), stdin) && strcmp(answer, "yes\n") == 0) {
        return NULL;
    }
    return jf_err_make(JF_ERR_PRECONDITION, APR_SUCCESS, pool, "nothing was removed");
}

static jf_err_t *confirm(const admin_t *admin, const jf_area_t *area)
{
    if (admin->options->given & ADMIN_OPT_YES) {
        return NULL;
    }
    if (!isatty(STDIN_FILENO)) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, admin->pool,
                           "there is no terminal to ask on: give --yes to remove the area");
    }
    return ask(area, admin->pool);
}

static void report(const admin_t *admin, const jf_area_t *area)
{
    if (admin->options->is_json) {
        admin_output_print_json(json_pack("{s:o, s:I, s:I, s:b}", "area",
                                          tool_text_json(area->jid, admin->pool), "file_count",
                                          (json_int_t)area->file_count, "used_bytes",
                                          (json_int_t)area->used_bytes, "removed", 1));
        return;
    }
    admin_output_say(admin, "removed the area of %s with %" APR_INT64_T_FMT " files, %s", area->jid,
                     area->file_count, tool_text_exact_bytes(area->used_bytes, admin->pool));
}

jf_err_t *cmd_remove_area(admin_t *admin)
{
    const char *jid;
    jf_area_t area;
    JF_TRY(jf_area_prepare(&jid, admin->options->arguments[0], admin->pool));
    JF_TRY(jf_ledger_area_get(&area, admin->service->ledger, jid, admin->pool));
    JF_TRY(confirm(admin, &area));
    JF_TRY(jf_service_remove_area(admin->service, jid, admin->pool));
    report(admin, &area);
    return NULL;
}
