#include "cli_options.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "cli_nearest.h"
#include "cli_table.h"
#include "jf_units.h"

/* What getopt_long returns for the first option: beyond all characters. */
#define CODE_FIRST 256

/* What parsing needs to know beside the options themselves. */
typedef struct parser_t {
    options_t *options;
    int count; /* of cli_options */
    struct option *long_options;
    char *short_options;
    char *is_given; /* for each of cli_options */
    apr_pool_t *pool;
} parser_t;

static int count_options(void)
{
    int count = 0;
    while (cli_options[count].name) {
        count++;
    }
    return count;
}

/* ":" at the begin: getopt tells a missing value apart from an unknown option. */
static void make_tables(parser_t *parser)
{
    char *letter = parser->short_options =
        apr_pcalloc(parser->pool, 2 * (apr_size_t)parser->count + 2);
    *letter++ = ':';
    parser->long_options =
        apr_pcalloc(parser->pool, ((apr_size_t)parser->count + 1) * sizeof(struct option));
    for (int i = 0; i < parser->count; i++) {
        const cli_option_t *option = &cli_options[i];
        parser->long_options[i] = (struct option){
            .name = option->name,
            .has_arg = option->value == CLI_NONE ? no_argument : required_argument,
            .val = CODE_FIRST + i,
        };
        if (option->letter) {
            *letter++ = option->letter;
            if (option->value != CLI_NONE) {
                *letter++ = ':';
            }
        }
    }
}

/* @param code what getopt_long returned, or left in optopt. */
static const cli_option_t *find_option(const parser_t *parser, int code)
{
    for (int i = 0; i < parser->count; i++) {
        if (code == CODE_FIRST + i || (code != 0 && code == cli_options[i].letter)) {
            return &cli_options[i];
        }
    }
    return NULL;
}

/* ---- options ---- */

static jf_err_t *refuse_long_option(const char *word, apr_pool_t *pool)
{
    cli_nearest_t nearest = cli_nearest_make(word + strspn(word, "-"));
    for (const cli_option_t *option = cli_options; option->name; option++) {
        cli_nearest_try(&nearest, option->name, pool);
    }
    if (nearest.best) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                           "there is no option %s; do you mean --%s?", word, nearest.best);
    }
    return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                       "there is no option %s; \"jabberfiles --help\" lists all", word);
}

static jf_err_t *refuse_option(const parser_t *parser, int code, const char *word)
{
    const cli_option_t *option = find_option(parser, optopt);
    if (option && code == ':') {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, parser->pool,
                           "the option --%s needs a value: --%s %s", option->name, option->name,
                           option->argument);
    }
    if (option) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, parser->pool,
                           "the option --%s takes no value", option->name);
    }
    if (optopt) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, parser->pool,
                           "there is no option -%c; \"jabberfiles --help\" lists all", optopt);
    }
    return refuse_long_option(apr_pstrmemdup(parser->pool, word, strcspn(word, "=")), parser->pool);
}

static jf_err_t *take_option(const parser_t *parser, const cli_option_t *option)
{
    parser->is_given[option - cli_options] = 1;
    jf_err_t *err = option->take(parser->options, optarg, parser->pool);
    return err ? jf_err_make(err->code, err->status, parser->pool, "--%s: %s", option->name,
                             err->text)
               : NULL;
}

/* Goes on after an error: a --json that follows still decides how the error is told. */
static jf_err_t *parse_options(parser_t *parser, int argc, char **argv)
{
    jf_err_t *err = NULL;
    int code;
    opterr = 0;
    optind = 0; /* from the beginning, also when called again */
    while ((code = getopt_long(argc, argv, parser->short_options, parser->long_options, NULL)) !=
           -1) {
        const cli_option_t *option = find_option(parser, code);
        err = jf_err_first(err, option && code != ':' && code != '?'
                                    ? take_option(parser, option)
                                    : refuse_option(parser, code, argv[optind - 1]));
    }
    return err;
}

/* ---- the command ---- */

static const char *usage_of(const cli_command_t *command, apr_pool_t *pool)
{
    return apr_pstrcat(pool, "jabberfiles ", command->name, " [OPTION]...",
                       command->arguments[0] ? " " : "", command->arguments, NULL);
}

/* "get, receive": those that know the option. */
static const char *knowing_commands(const cli_option_t *option, apr_pool_t *pool)
{
    const char *names = "";
    for (const cli_command_t *command = cli_commands; command->name; command++) {
        if (cli_command_knows(command, option)) {
            names = apr_pstrcat(pool, names, names[0] ? ", " : "", command->name, NULL);
        }
    }
    return names;
}

static jf_err_t *check_options(const parser_t *parser)
{
    const cli_command_t *command = parser->options->command;
    for (int i = 0; i < parser->count; i++) {
        if (parser->is_given[i] && !cli_command_knows(command, &cli_options[i])) {
            return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, parser->pool,
                               "%s does not know the option --%s, which is one of %s",
                               command->name, cli_options[i].name,
                               knowing_commands(&cli_options[i], parser->pool));
        }
    }
    return NULL;
}

static jf_err_t *check_arguments(const options_t *options, apr_pool_t *pool)
{
    const cli_command_t *command = options->command;
    int is_few = options->argument_count < command->least_arguments;
    int is_many = command->most_arguments >= 0 && options->argument_count > command->most_arguments;
    return is_few || is_many ? jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                                           "too %s arguments; the usage is: %s",
                                           is_few ? "few" : "many", usage_of(command, pool))
                             : NULL;
}

static jf_err_t *refuse_command(const char *name, apr_pool_t *pool)
{
    cli_nearest_t nearest = cli_nearest_make(name);
    for (const cli_command_t *command = cli_commands; command->name; command++) {
        cli_nearest_try(&nearest, command->name, pool);
    }
    if (nearest.best) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                           "there is no command \"%s\"; do you mean \"%s\"?", name, nearest.best);
    }
    return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                       "there is no command \"%s\"; \"jabberfiles --help\" lists all", name);
}

static jf_err_t *parse_command(const parser_t *parser, int argc, char **argv)
{
    options_t *options = parser->options;
    if (argc == 0) {
        return options->wants_help || options->wants_version
                   ? NULL
                   : jf_err_make(JF_ERR_INVALID, APR_SUCCESS, parser->pool,
                                 "a command is needed; \"jabberfiles --help\" lists all");
    }
    options->command = cli_command_find(argv[0]);
    if (!options->command) {
        return refuse_command(argv[0], parser->pool);
    }
    options->arguments = (const char *const *)argv + 1;
    options->argument_count = argc - 1;
    if (options->wants_help || options->wants_version) {
        return NULL;
    }
    JF_TRY(check_options(parser));
    return check_arguments(options, parser->pool);
}

jf_err_t *cli_options_parse(options_t *options, int argc, char **argv, apr_pool_t *pool)
{
    parser_t parser = {.options = options, .count = count_options(), .pool = pool};
    *options = (options_t){
        .expire_us = JF_NEVER,
        .directory = ".",
        .max_size_bytes = JF_UNLIMITED,
        .max_time_us = JF_NEVER,
        .auto_from = apr_array_make(pool, 0, sizeof(const char *)),
    };
    parser.is_given = apr_pcalloc(pool, (apr_size_t)parser.count);
    make_tables(&parser);
    JF_TRY(parse_options(&parser, argc, argv));
    return parse_command(&parser, argc - optind, argv + optind);
}
