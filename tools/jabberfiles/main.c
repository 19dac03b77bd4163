#include <locale.h>
#include <stdio.h>

#include <apr_general.h>

#include "cli_help.h"
#include "cli_table.h"
#include "client.h"
#include "jf_version.h"
#include "output.h"
#include "tool_stdio.h"

static jf_err_t *serve(client_t *client)
{
    const options_t *options = client->options;
    jf_err_t *err = NULL;
    if (options->wants_help) {
        cli_help_print(options->command);
    } else if (options->wants_version) {
        puts("jabberfiles " JF_VERSION);
    } else {
        err = account_load(&client->account, options, client->pool);
        if (!err) {
            err = options->command->run(client);
        }
    }
    jf_err_t *flush_err = tool_stdio_flush(client->pool);
    return err ? err : flush_err;
}

int main(int argc, char **argv)
{
    apr_pool_t *pool;
    options_t options;
    if (!tool_stdio_open() || apr_initialize() != APR_SUCCESS) {
        return CLIENT_FAILED;
    }
    /* libcurl reads the host names of links in the character set of the locale. */
    setlocale(LC_CTYPE, "");
    apr_pool_create(&pool, NULL);
    client_catch_signals();
    client_t client = {.pool = pool, .options = &options};
    jf_err_t *err = cli_options_parse(&options, argc, argv, pool);
    if (!err) {
        err = serve(&client);
    }
    int exit_code = (int)client.exit_code;
    if (err) {
        exit_code = client_exit_code(err);
        output_error(err, &options, pool);
    }
    apr_pool_destroy(pool);
    apr_terminate();
    return exit_code;
}
