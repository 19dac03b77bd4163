/* backup: a copy of the ledger while it is in use. */

#include <errno.h>
#include <sys/stat.h>

#include "admin_command.h"
#include "admin_output.h"
#include "tool_text.h"

jf_err_t *cmd_backup(admin_t *admin)
{
    const char *path = admin->options->arguments[0];
    struct stat st;
    JF_TRY(jf_ledger_backup(admin->service->ledger, path, admin->pool));
    if (stat(path, &st) != 0) {
        return jf_err_from_system(errno, admin->pool, "cannot find %s", path);
    }
    if (admin->options->is_json) {
        admin_output_print_json(json_pack("{s:o, s:I}", "backup", tool_text_json(path, admin->pool),
                                          "size_bytes", (json_int_t)st.st_size));
    } else {
        admin_output_say(admin, "copied the ledger to %s, %s", path,
                         tool_text_exact_bytes(st.st_size, admin->pool));
    }
    return NULL;
}
