/**
 * The one source of the command line: commands, options, texts. Parsing, --help, the man page and
 * the completions of shells are made from it.
 */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include "client.h"

typedef enum {
    CLI_NONE, /**< takes no value */
    CLI_TEXT, /**< any text */
    CLI_FILE, /**< completed with file names */
    CLI_DIR,  /**< completed with directories */
} cli_value_t;

/** Whose options a command knows. */
enum {
    CLI_GROUP_UPLOAD = 1 << 0,  /**< how a file is stored */
    CLI_GROUP_TELL = 1 << 1,    /**< what recipients get */
    CLI_GROUP_LOOK = 1 << 2,    /**< where a foreign link may lead */
    CLI_GROUP_SAVE = 1 << 3,    /**< where and how files are saved */
    CLI_GROUP_GET = 1 << 4,     /**< one download */
    CLI_GROUP_RECEIVE = 1 << 5, /**< waiting for files */
    CLI_GROUP_LOGIN = 1 << 6,   /**< setting up the account */
    CLI_GROUP_ASK = 1 << 7,     /**< questions are asked */
    CLI_GROUP_DIRECT = 1 << 8,  /**< files go from machine to machine */
};

typedef struct cli_option_t {
    const char *name; /**< long name without dashes */
    char letter;      /**< short name, or 0 */
    cli_value_t value;
    const char *argument; /**< how help calls the value, or NULL */
    unsigned groups;      /**< CLI_GROUP_*: commands with one of these know it; 0: all do */
    const char *summary;  /**< a line for --help */
    const char *details;  /**< more for the man page, or NULL */
    jf_err_t *(*take)(options_t *options, const char *value, apr_pool_t *pool);
} cli_option_t;

typedef struct cli_command_t {
    const char *name;
    const char *arguments; /**< as help shows them, "FILE... JID..." */
    int least_arguments;
    int most_arguments; /**< -1: any number */
    unsigned groups;    /**< whose options it knows */
    const char *summary;
    const char *details; /**< paragraphs for the man page */
    client_run_t *run;
} cli_command_t;

typedef struct cli_text_t {
    const char *term;
    const char *text;
} cli_text_t;

/** Each ends with a member whose name or term is NULL. */
extern const cli_option_t cli_options[];
extern const cli_command_t cli_commands[];
extern const cli_text_t cli_exit_codes[];
extern const cli_text_t cli_variables[]; /**< of the environment */
extern const cli_text_t cli_files[];
extern const cli_text_t cli_config_keys[];
extern const cli_text_t cli_examples[]; /**< what it does, and the command */

/** The command of this name, or NULL. */
const cli_command_t *cli_command_find(const char *name);

/** 1 if the command knows the option. */
int cli_command_knows(const cli_command_t *command, const cli_option_t *option);

#endif
