/**
 * --help, made from cli_table.
 */
#ifndef CLI_HELP_H
#define CLI_HELP_H

#include "cli_table.h"

/** Prints the help of a command, or of the tool if @a command is NULL, to standard output. */
void cli_help_print(const cli_command_t *command);

#endif
