/**
 * The one table of commands. It drives parsing, help and usage errors.
 */
#ifndef ADMIN_COMMAND_H
#define ADMIN_COMMAND_H

#include "admin.h"

typedef struct admin_command_t {
    const char *name;
    const char *arguments; /**< as help shows them, "" for none; one word each, the last
                              in brackets if it may be missing */
    const char *summary;
    unsigned options; /**< ADMIN_OPT_* that this command knows beside those of all commands */
    int is_as_owner;  /**< 1: what it creates must belong to the owner of the store */
    admin_run_t *run;
} admin_command_t;

/** All commands; ends with a NULL name. */
extern const admin_command_t admin_commands[];

/** The command of this name, or NULL. */
const admin_command_t *admin_command_find(const char *name);

/** How many arguments a command takes at most. */
int admin_command_argument_count(const admin_command_t *command);

/** How many of them may be missing. */
int admin_command_optional_count(const admin_command_t *command);

admin_run_t cmd_areas;
admin_run_t cmd_usage;
admin_run_t cmd_quota;
admin_run_t cmd_transfer_quota;
admin_run_t cmd_traffic;
admin_run_t cmd_ls;
admin_run_t cmd_rm;
admin_run_t cmd_remove_area;
admin_run_t cmd_export;
admin_run_t cmd_fsck;
admin_run_t cmd_backup;
admin_run_t cmd_import;

#endif
