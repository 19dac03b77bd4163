#include "admin_options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "admin_command.h"

#define STORE_VARIABLE "JABBERFILES_STORE"
#define DATABASE_VARIABLE "JABBERFILES_DATABASE"

/* What getopt_long returns for an option: beyond all characters, so that it takes none of them for
 * a short option. */
enum {
    CODE_LAYOUT = 256,
    CODE_DOMAIN,
    CODE_AREA,
    CODE_EXPIRE,
    CODE_DRY_RUN,
    CODE_LIMIT,
    CODE_REPAIR,
    CODE_DEEP,
    CODE_YES,
    CODE_STORE,
    CODE_DATABASE,
    CODE_JSON,
    CODE_VERSION,
};
#define CODE_HELP 'h'

/* Where explanations stand in the help. */
#define COMMAND_COLUMNS 36
#define OPTION_COLUMNS 25

typedef struct option_help_t {
    const char *name;
    const char *argument; /* NULL: takes none */
    int code;
    unsigned bit; /* ADMIN_OPT_*, or 0 for an option of all commands */
    const char *text;
} option_help_t;

static const option_help_t option_table[] = {
    {"layout", "LAYOUT", CODE_LAYOUT, ADMIN_OPT_LAYOUT,
     "how the files lie below DIR: ejabberd (DIR/USER/RANDOM/NAME)\n"
     "                         or filer (DIR/RANDOM/NAME)"},
    {"domain", "DOMAIN", CODE_DOMAIN, ADMIN_OPT_DOMAIN,
     "whose users the USERs are, if these are no hashes"},
    {"area", "JID", CODE_AREA, ADMIN_OPT_AREA,
     "where files go that name no user (default: slots:import)"},
    {"expire", "DURATION", CODE_EXPIRE, ADMIN_OPT_EXPIRE,
     "files go at this age, as in JabberFilesExpire"},
    {"dry-run", NULL, CODE_DRY_RUN, ADMIN_OPT_DRY_RUN, "import nothing, only say what would be"},
    {"limit", "N", CODE_LIMIT, ADMIN_OPT_LIMIT, "show the last N days with traffic"},
    {"repair", NULL, CODE_REPAIR, ADMIN_OPT_REPAIR, "mend what can be mended"},
    {"deep", NULL, CODE_DEEP, ADMIN_OPT_DEEP, "read all files and compare their SHA-256"},
    {"yes", NULL, CODE_YES, ADMIN_OPT_YES, "do not ask"},
    {"store", "DIR", CODE_STORE, 0,
     "the store (default: $" STORE_VARIABLE " or\n"
     "                         " ADMIN_STATE_DIR ")"},
    {"database", "PATH", CODE_DATABASE, 0,
     "the ledger (default: $" DATABASE_VARIABLE " or\n"
     "                         ledger.db in the store)"},
    {"json", NULL, CODE_JSON, 0, "print one JSON document, errors too"},
    {"help", NULL, CODE_HELP, 0, "print this help"},
    {"version", NULL, CODE_VERSION, 0, "print the version"},
};
#define OPTION_COUNT (sizeof(option_table) / sizeof(option_table[0]))

/* ---- parsing ---- */

static void make_long_options(struct option *long_options)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        long_options[i] = (struct option){
            .name = option_table[i].name,
            .has_arg = option_table[i].argument ? required_argument : no_argument,
            .val = option_table[i].code,
        };
    }
    long_options[OPTION_COUNT] = (struct option){0};
}

static const option_help_t *find_option(int code)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (option_table[i].code == code) {
            return &option_table[i];
        }
    }
    return NULL;
}

static void take_option(admin_options_t *options, const option_help_t *option)
{
    options->given |= option->bit;
    switch (option->code) {
    case CODE_LAYOUT:
        options->layout = optarg;
        break;
    case CODE_DOMAIN:
        options->domain = optarg;
        break;
    case CODE_AREA:
        options->area = optarg;
        break;
    case CODE_EXPIRE:
        options->expire = optarg;
        break;
    case CODE_LIMIT:
        options->limit = optarg;
        break;
    case CODE_STORE:
        options->store = optarg;
        break;
    case CODE_DATABASE:
        options->database = optarg;
        break;
    case CODE_JSON:
        options->is_json = 1;
        break;
    case CODE_HELP:
        options->wants_help = 1;
        break;
    case CODE_VERSION:
        options->wants_version = 1;
        break;
    default:
        break;
    }
}

static jf_err_t *refuse_option(int code, const char *word, apr_pool_t *pool)
{
    const option_help_t *option = find_option(optopt);
    if (code == ':') {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool, "the option --%s needs a value",
                           option->name);
    }
    if (option) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool, "the option --%s takes no value",
                           option->name);
    }
    if (optopt) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool, "there is no option -%c", optopt);
    }
    return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool, "there is no option %s", word);
}

/* Goes on after an error: a --json that follows still decides how the error is told. */
static jf_err_t *parse_options(admin_options_t *options, int argc, char **argv, apr_pool_t *pool)
{
    struct option long_options[OPTION_COUNT + 1];
    jf_err_t *err = NULL;
    int code;
    make_long_options(long_options);
    opterr = 0;
    while ((code = getopt_long(argc, argv, ":h", long_options, NULL)) != -1) {
        const option_help_t *option = find_option(code);
        if (option) {
            take_option(options, option);
        } else if (!err) {
            err = refuse_option(code, argv[optind - 1], pool);
        }
    }
    return err;
}

static const char *from_environment(const char *variable, const char *otherwise)
{
    const char *value = getenv(variable);
    return value && value[0] ? value : otherwise;
}

static void take_defaults(admin_options_t *options, apr_pool_t *pool)
{
    if (!options->store) {
        options->store = from_environment(STORE_VARIABLE, ADMIN_STATE_DIR);
    }
    if (!options->database) {
        options->database = from_environment(DATABASE_VARIABLE,
                                             apr_pstrcat(pool, options->store, "/ledger.db", NULL));
    }
}

static jf_err_t *check_options(const admin_options_t *options, apr_pool_t *pool)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        unsigned bit = option_table[i].bit;
        if (options->given & bit & ~options->command->options) {
            return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                               "%s does not know the option --%s", options->command->name,
                               option_table[i].name);
        }
    }
    return NULL;
}

static jf_err_t *check_arguments(const admin_options_t *options, int given, apr_pool_t *pool)
{
    int most = admin_command_argument_count(options->command);
    int least = most - admin_command_optional_count(options->command);
    if (given >= least && given <= most) {
        return NULL;
    }
    return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                       "%s arguments; the usage is: jabberfiles-admin %s %s",
                       given < least ? "too few" : "too many", options->command->name,
                       options->command->arguments);
}

static jf_err_t *parse_command(admin_options_t *options, int argc, char **argv, apr_pool_t *pool)
{
    if (argc == 0) {
        return options->wants_help || options->wants_version
                   ? NULL
                   : jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool, "a command is needed");
    }
    options->command = admin_command_find(argv[0]);
    if (!options->command) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool, "there is no command \"%s\"",
                           argv[0]);
    }
    options->arguments = (const char *const *)argv + 1;
    JF_TRY(check_options(options, pool));
    return options->wants_help ? NULL : check_arguments(options, argc - 1, pool);
}

jf_err_t *admin_options_parse(admin_options_t *options, int argc, char **argv, apr_pool_t *pool)
{
    *options = (admin_options_t){0};
    JF_TRY(parse_options(options, argc, argv, pool));
    take_defaults(options, pool);
    return parse_command(options, argc - optind, argv + optind, pool);
}

/* ---- help ---- */

/* The text that explains what was just printed, @a width columns wide: beside it, or below it if it
 * is too long. */
static void print_entry(int width, int columns, const char *text)
{
    if (width >= columns) {
        putchar('\n');
        width = 0;
    }
    printf("%*s%s\n", columns - width, "", text);
}

static void print_options(const admin_command_t *command)
{
    unsigned known = command ? command->options : ~0u;
    printf("\nOptions:\n");
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const option_help_t *option = &option_table[i];
        if (option->bit && !(option->bit & known)) {
            continue;
        }
        print_entry(printf("  --%s%s%s", option->name, option->argument ? " " : "",
                           option->argument ? option->argument : ""),
                    OPTION_COLUMNS, option->text);
    }
}

void admin_options_print_help(const admin_command_t *command)
{
    if (command) {
        printf("Usage: jabberfiles-admin [OPTION]... %s%s%s\n\n%s\n", command->name,
               command->arguments[0] ? " " : "", command->arguments, command->summary);
    } else {
        printf("Usage: jabberfiles-admin [OPTION]... COMMAND [ARGUMENT]...\n\n"
               "Looks after the file areas of jabberfiles, while httpd runs or not.\n"
               "JID is a bare Jabber ID, or the name of an area without one, as \"areas\" shows "
               "it.\n\n"
               "Commands:\n");
        for (const admin_command_t *each = admin_commands; each->name; each++) {
            print_entry(printf("  %s %s", each->name, each->arguments), COMMAND_COLUMNS,
                        each->summary);
        }
    }
    print_options(command);
    printf("\nExit codes: 0 done; 1 failed, or fsck left something wrong; 2 wrong usage;\n"
           "3 no such area or file.\n");
}
