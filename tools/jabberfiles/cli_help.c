#include "cli_help.h"

#include <stdio.h>
#include <string.h>

/* Where explanations stand. */
#define COMMAND_COLUMNS 26
#define OPTION_COLUMNS 29

/* The text that explains what was just printed, @a width columns wide: beside it, or below it if it
 * is too long. */
static void print_entry(int width, int columns, const char *text)
{
    if (width >= columns - 1) {
        putchar('\n');
        width = 0;
    }
    printf("%*s%s\n", columns - width, "", text);
}

static void print_option(const cli_option_t *option)
{
    int width = option->letter ? printf("  -%c, --%s", option->letter, option->name)
                               : printf("      --%s", option->name);
    if (option->argument) {
        width += printf(" %s", option->argument);
    }
    print_entry(width, OPTION_COLUMNS, option->summary);
}

static void print_common_options(void)
{
    printf("\nOptions of all commands:\n");
    for (const cli_option_t *option = cli_options; option->name; option++) {
        if (option->groups == 0) {
            print_option(option);
        }
    }
}

static void print_command_help(const cli_command_t *command)
{
    printf("Usage: jabberfiles %s [OPTION]...%s%s\n\n%s\n", command->name,
           command->arguments[0] ? " " : "", command->arguments, command->summary);
    if (command->groups) {
        printf("\nOptions:\n");
    }
    for (const cli_option_t *option = cli_options; option->name; option++) {
        if (option->groups & command->groups) {
            print_option(option);
        }
    }
    print_common_options();
    printf("\nMore: man jabberfiles\n");
}

static void print_commands(void)
{
    printf("\nCommands:\n");
    for (const cli_command_t *command = cli_commands; command->name; command++) {
        print_entry(
            printf("  %s%s%s", command->name, command->arguments[0] ? " " : "", command->arguments),
            COMMAND_COLUMNS, command->summary);
    }
}

/* The begin of each: the man page has the rest. */
static void print_exit_codes(void)
{
    printf("\nExit codes:\n");
    for (const cli_text_t *code = cli_exit_codes; code->term; code++) {
        int length = (int)strcspn(code->text, ":.;(");
        length -= length > 0 && code->text[length - 1] == ' ';
        printf("%5s  %.*s\n", code->term, length, code->text);
    }
}

void cli_help_print(const cli_command_t *command)
{
    if (command) {
        print_command_help(command);
        return;
    }
    printf("Usage: jabberfiles COMMAND [OPTION]... [ARGUMENT]...\n\n"
           "Sends files to Jabber users by links, and receives them.\n"
           "Begin with: jabberfiles login\n");
    print_commands();
    print_common_options();
    printf("\nThe options of a command: jabberfiles COMMAND --help\n");
    print_exit_codes();
    printf("\nMore: man jabberfiles\n");
}
