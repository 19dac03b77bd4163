#include "admin_command.h"

#include <string.h>

const admin_command_t admin_commands[] = {
    {"areas", "", "list all areas", 0, 0, cmd_areas},
    {"usage", "JID", "show what an area uses and may use", 0, 0, cmd_usage},
    {"quota", "JID SIZE|unlimited|default", "set the disk quota of an area", 0, 0, cmd_quota},
    {"transfer-quota", "JID SIZE|unlimited|default [PERIOD]",
     "set the transfer quota, per day, week, month or duration", 0, 0, cmd_transfer_quota},
    {"traffic", "JID", "show what was sent and received, day by day", ADMIN_OPT_LIMIT, 0,
     cmd_traffic},
    {"ls", "JID", "list the files of an area", 0, 0, cmd_ls},
    {"rm", "JID PATH", "remove a file and its link", 0, 0, cmd_rm},
    {"remove-area", "JID", "remove an area with all files and links", ADMIN_OPT_YES, 0,
     cmd_remove_area},
    {"export", "JID DIR", "copy all files of an area below a directory", 0, 0, cmd_export},
    {"import", "DIR", "take over the files of another upload server",
     ADMIN_OPT_LAYOUT | ADMIN_OPT_DOMAIN | ADMIN_OPT_AREA | ADMIN_OPT_EXPIRE | ADMIN_OPT_DRY_RUN, 1,
     cmd_import},
    {"fsck", "", "compare the ledger with the store", ADMIN_OPT_REPAIR | ADMIN_OPT_DEEP, 0,
     cmd_fsck},
    {"backup", "FILE", "copy the ledger into a new file", 0, 0, cmd_backup},
    {NULL, NULL, NULL, 0, 0, NULL},
};

const admin_command_t *admin_command_find(const char *name)
{
    const admin_command_t *command = admin_commands;
    while (command->name && strcmp(command->name, name) != 0) {
        command++;
    }
    return command->name ? command : NULL;
}

int admin_command_argument_count(const admin_command_t *command)
{
    int count = command->arguments[0] != '\0';
    for (const char *c = command->arguments; *c; c++) {
        count += *c == ' ';
    }
    return count;
}

int admin_command_optional_count(const admin_command_t *command)
{
    int count = 0;
    for (const char *c = command->arguments; *c; c++) {
        count += *c == '[';
    }
    return count;
}
