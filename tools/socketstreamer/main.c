/*
 * socketstreamer: relays files between two Jabber clients that cannot reach each other (XEP-0065).
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include <apr_general.h>

#include "get.h"
#include "jf_version.h"
#include "service_config.h"
#include "service_daemon.h"
#include "tool_stdio.h"

/* As the manual and the unit of systemd have it, whatever the prefix. */
#define DEFAULT_CONFIG "/etc/jabberfiles/socketstreamer.conf"

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

/** What does something else than the relay. */
static const struct {
    const char *name;
    int (*run)(int argc, const char *const *argv);
} commands[] = {
    {"get", get_main},
};

typedef struct options_t {
    const char *config_path;
    int is_check;
} options_t;

static const char usage_text[] =
    "usage: socketstreamer [--config FILE] [--check]\n"
    "       socketstreamer get --from HOST:PORT --name NAME [OPTION...]\n"
    "\n"
    "  --config FILE  the configuration (default: " DEFAULT_CONFIG ")\n"
    "  --check        only say whether the configuration is right\n"
    "  --help         print this help\n"
    "  --version      print the version\n"
    "\n"
    "See socketstreamer(8) and socketstreamer-get(1).\n";

static int complain(const char *text, int exit_code)
{
    fprintf(stderr, "socketstreamer: %s\n", text);
    return exit_code;
}

static int print(const char *text, apr_pool_t *pool)
{
    fputs(text, stdout);
    jf_err_t *err = tool_stdio_flush(pool);
    return err ? complain(err->text, EXIT_FAILED) : EXIT_OK;
}

static int is_wrong_config(const jf_err_t *err)
{
    return err->code == JF_ERR_INVALID || err->code == JF_ERR_FORBIDDEN ||
           err->code == JF_ERR_NOT_FOUND;
}

static int serve(const options_t *options, apr_pool_t *pool)
{
    service_config_t *config = NULL;
    jf_err_t *err = options->is_check ? service_config_read(&config, options->config_path, pool)
                                      : service_daemon_run(options->config_path, pool);
    return err ? complain(err->text, is_wrong_config(err) ? EXIT_USAGE : EXIT_FAILED) : EXIT_OK;
}

static int run_daemon(int argc, char **argv, apr_pool_t *pool)
{
    static const struct option long_options[] = {
        {"config", required_argument, NULL, 'c'},
        {"check", no_argument, NULL, 'k'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'v'},
        {NULL, 0, NULL, 0},
    };
    options_t options = {.config_path = DEFAULT_CONFIG};
    int code;
    while ((code = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        switch (code) {
        case 'c':
            options.config_path = optarg;
            break;
        case 'k':
            options.is_check = 1;
            break;
        case 'h':
            return print(usage_text, pool);
        case 'v':
            return print("socketstreamer " JF_VERSION "\n", pool);
        default: /* getopt_long has said what is wrong */
            return EXIT_USAGE;
        }
    }
    return optind < argc ? complain("there is an argument too many; see --help", EXIT_USAGE)
                         : serve(&options, pool);
}

static int run(int argc, char **argv, apr_pool_t *pool)
{
    for (size_t i = 0; argc > 1 && i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(argv[1], commands[i].name) == 0) {
            return commands[i].run(argc - 1, (const char *const *)argv + 1);
        }
    }
    return run_daemon(argc, argv, pool);
}

int main(int argc, char **argv)
{
    apr_pool_t *pool;
    if (!tool_stdio_open() || apr_initialize() != APR_SUCCESS ||
        apr_pool_create(&pool, NULL) != APR_SUCCESS) {
        return EXIT_FAILED;
    }
    int exit_code = run(argc, argv, pool);
    apr_pool_destroy(pool);
    apr_terminate();
    return exit_code;
}
