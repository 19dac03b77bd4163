/**
 * The command line: options, command and arguments, and the help that describes them.
 */
#ifndef ADMIN_OPTIONS_H
#define ADMIN_OPTIONS_H

#include "jf_err.h"

struct admin_command_t;

/** Options that only some commands know. */
#define ADMIN_OPT_YES 1u
#define ADMIN_OPT_REPAIR 2u
#define ADMIN_OPT_DEEP 4u
#define ADMIN_OPT_LAYOUT 8u
#define ADMIN_OPT_DOMAIN 16u
#define ADMIN_OPT_AREA 32u
#define ADMIN_OPT_EXPIRE 64u
#define ADMIN_OPT_DRY_RUN 128u
#define ADMIN_OPT_LIMIT 256u

typedef struct admin_options_t {
    const char *store;    /**< directory */
    const char *database; /**< path of the ledger */
    const char *layout;   /**< this and the next four as given, or NULL */
    const char *domain;
    const char *area;
    const char *expire;
    const char *limit;
    int is_json;
    int wants_help;
    int wants_version;
    unsigned given;                        /**< ADMIN_OPT_* */
    const struct admin_command_t *command; /**< NULL only with help or version, or after an error */
    const char *const *arguments; /**< as many as the command takes; NULL for one that is missing */
} admin_options_t;

/**
 * Reads the command line and the environment.
 * @param options filled in as far as possible also when an error is returned, so that the error can
 * be reported in the form that was asked for. Its strings live in @a argv and @a pool.
 * @return JF_ERR_INVALID
 */
jf_err_t *admin_options_parse(admin_options_t *options, int argc, char **argv, apr_pool_t *pool);

/** Prints help on standard output: of one command, or of all if @a command is NULL. */
void admin_options_print_help(const struct admin_command_t *command);

#endif
