#include "cli_docs.h"

#include <stdio.h>
#include <string.h>

#include "cli_table.h"

static int takes_files(const cli_command_t *command)
{
    return strncmp(command->arguments, "FILE", 4) == 0;
}

/* ---- bash ---- */

static void put_bash_option(const cli_option_t *option)
{
    printf(" --%s", option->name);
    if (option->letter) {
        printf(" -%c", option->letter);
    }
}

static void put_bash_options(const cli_command_t *command)
{
    for (const cli_option_t *option = cli_options; option->name; option++) {
        if (command ? cli_command_knows(command, option) : option->groups == 0) {
            put_bash_option(option);
        }
    }
}

/* "--output|-o|--ca": those that take such a value. */
static void put_bash_pattern(cli_value_t value)
{
    const char *before = "";
    for (const cli_option_t *option = cli_options; option->name; option++) {
        if (option->value == value) {
            printf("%s--%s", before, option->name);
            before = " | ";
            if (option->letter) {
                printf(" | -%c", option->letter);
            }
        }
    }
}

static void put_bash_value(cli_value_t value, const char *action)
{
    printf("    ");
    put_bash_pattern(value);
    printf(")\n        %s\n        return\n        ;;\n", action);
}

static void put_bash_commands(void)
{
    for (const cli_command_t *command = cli_commands; command->name; command++) {
        printf("    %s)\n        options='", command->name);
        put_bash_options(command);
        printf("'\n        files=%s\n        ;;\n", takes_files(command) ? "yes" : "");
    }
    printf("    *)\n        options='");
    put_bash_options(NULL);
    printf("'\n        words='");
    for (const cli_command_t *command = cli_commands; command->name; command++) {
        printf("%s%s", command == cli_commands ? "" : " ", command->name);
    }
    printf("'\n        ;;\n");
}

/* The command is the first word that is neither an option nor the value of one. */
static void put_bash_search(void)
{
    printf("    for ((i = 1; i < COMP_CWORD; i++)); do\n"
           "        case ${COMP_WORDS[i]} in\n"
           "        ");
    put_bash_pattern(CLI_TEXT);
    printf(" | ");
    put_bash_pattern(CLI_FILE);
    printf(" | ");
    put_bash_pattern(CLI_DIR);
    printf(")\n            i=$((i + 1))\n            ;;\n"
           "        -*) ;;\n"
           "        *)\n            command=${COMP_WORDS[i]}\n            break\n            ;;\n"
           "        esac\n    done\n");
}

void cli_docs_print_bash(void)
{
    printf("# shellcheck shell=bash\n"
           "# bash completion for jabberfiles; made from the tables of the command line.\n"
           "_jabberfiles() {\n"
           "    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}\n"
           "    local command='' options='' words='' files='' i\n"
           "    COMPREPLY=()\n"
           "    case $previous in\n");
    put_bash_value(CLI_FILE, "compopt -o filenames\n"
                             "        mapfile -t COMPREPLY < <(compgen -f -- \"$current\")");
    put_bash_value(CLI_DIR, "compopt -o filenames\n"
                            "        mapfile -t COMPREPLY < <(compgen -d -- \"$current\")");
    put_bash_value(CLI_TEXT, ":");
    printf("    esac\n");
    put_bash_search();
    printf("    case $command in\n");
    put_bash_commands();
    printf("    esac\n"
           "    if [[ $current == -* ]]; then\n"
           "        mapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$current\")\n"
           "    elif [[ $files ]]; then\n"
           "        compopt -o filenames\n"
           "        mapfile -t COMPREPLY < <(compgen -f -- \"$current\")\n"
           "    else\n"
           "        mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\")\n"
           "    fi\n"
           "}\n"
           "complete -F _jabberfiles jabberfiles\n");
}

/* ---- zsh ---- */

/* A text between single quotes, with what _arguments and _describe read as signs escaped. */
static void put_zsh_text(const char *text)
{
    for (; *text; text++) {
        if (*text == '\'') {
            fputs("'\\''", stdout);
        } else {
            if (strchr("[]:\\", *text)) {
                putchar('\\');
            }
            putchar(*text);
        }
    }
}

static void put_zsh_option(const cli_option_t *option)
{
    static const char *const actions[] = {
        [CLI_NONE] = "", [CLI_TEXT] = ":", [CLI_FILE] = ":_files", [CLI_DIR] = ":_directories"};
    int is_repeatable = strcmp(option->name, "auto-from") == 0;
    printf("        ");
    if (option->letter) {
        printf("'(-%c --%s)'{-%c,--%s}'[", option->letter, option->name, option->letter,
               option->name);
    } else {
        printf("'%s--%s[", is_repeatable ? "*" : "", option->name);
    }
    put_zsh_text(option->summary);
    putchar(']');
    if (option->argument) {
        putchar(':');
        put_zsh_text(option->argument);
        fputs(actions[option->value], stdout);
    }
    printf("'\n");
}

static void put_zsh_options(const cli_command_t *command)
{
    for (const cli_option_t *option = cli_options; option->name; option++) {
        if (command ? (option->groups & command->groups) != 0 : option->groups == 0) {
            put_zsh_option(option);
        }
    }
}

static void put_zsh_commands(void)
{
    printf("    local -a commands=(\n");
    for (const cli_command_t *command = cli_commands; command->name; command++) {
        printf("        '%s:", command->name);
        put_zsh_text(command->summary);
        printf("'\n");
    }
    printf("    )\n");
}

void cli_docs_print_zsh(void)
{
    printf("#compdef jabberfiles\n"
           "# zsh completion for jabberfiles; made from the tables of the command line.\n"
           "_jabberfiles() {\n"
           "    local context state state_descr line\n"
           "    typeset -A opt_args\n");
    put_zsh_commands();
    printf("    local -a common=(\n");
    put_zsh_options(NULL);
    printf("    )\n    local -a options\n"
           "    _arguments -C $common '1: :->command' '*:: :->argument' && return\n"
           "    if [[ $state == command ]]; then\n"
           "        _describe command commands\n"
           "        return\n"
           "    fi\n"
           "    options=($common)\n"
           "    case $words[1] in\n");
    for (const cli_command_t *command = cli_commands; command->name; command++) {
        printf("    %s)\n        options+=(\n", command->name);
        put_zsh_options(command);
        printf("        %s\n        )\n        ;;\n",
               takes_files(command) ? "'*:file:_files'" : "");
    }
    printf("    esac\n    _arguments $options\n}\n_jabberfiles \"$@\"\n");
}
