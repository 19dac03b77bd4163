#include <stdio.h>
#include <unistd.h>

#include <apr_errno.h>
#include <apr_general.h>

#include "admin_account.h"
#include "admin_command.h"
#include "admin_output.h"
#include "jf_version.h"
#include "tool_stdio.h"

/* Reads the ledger once, so that a missing or foreign one is refused before anything is written. */
static jf_err_t *open_service(admin_t *admin)
{
    const admin_options_t *options = admin->options;
    jf_totals_t totals;
    if (access(options->database, F_OK) != 0) {
        return jf_err_from_system(errno, admin->pool, "cannot find the ledger %s",
                                  options->database);
    }
    JF_TRY(jf_service_open(&admin->service, options->store, options->database, JF_DURABILITY_FULL,
                           admin->pool));
    return jf_ledger_totals(&totals, admin->service->ledger, admin->pool);
}

static jf_err_t *run_command(admin_t *admin)
{
    const admin_options_t *options = admin->options;
    jf_err_t *err = options->command->is_as_owner
                        ? admin_account_become_owner(options->store, admin->pool)
                        : NULL;
    if (!err) {
        err = open_service(admin);
    }
    if (!err) {
        err = options->command->run(admin);
    }
    if (admin->service) {
        jf_service_close(admin->service);
    }
    admin_account_restore();
    return err;
}

static jf_err_t *serve(admin_t *admin)
{
    const admin_options_t *options = admin->options;
    jf_err_t *err = NULL;
    if (options->wants_help) {
        admin_options_print_help(options->command);
    } else if (options->wants_version) {
        puts("jabberfiles-admin " JF_VERSION);
    } else {
        err = run_command(admin);
    }
    jf_err_t *flush_err = tool_stdio_flush(admin->pool);
    return err ? err : flush_err;
}

int main(int argc, char **argv)
{
    apr_pool_t *pool;
    admin_options_t options;
    if (!tool_stdio_open() || apr_initialize() != APR_SUCCESS) {
        return ADMIN_FAILED;
    }
    apr_pool_create(&pool, NULL);
    admin_t admin = {.pool = pool, .options = &options, .now_us = apr_time_now()};
    jf_err_t *err = admin_options_parse(&options, argc, argv, pool);
    if (!err) {
        err = serve(&admin);
    }
    int exit_code = err ? (int)admin_output_error(err, &options, pool) : (int)admin.exit_code;
    apr_pool_destroy(pool);
    apr_terminate();
    return exit_code;
}
