#include "get_options.h"

#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <apr_strings.h>

#include "get_source.h"
#include "jf_units.h"
#include "tool_text.h"

/* What getopt_long returns for the first option: beyond all characters. */
#define FIRST_CODE 256

/** Puts the value of an option, which is in the pool, into its member of get_options_t. */
typedef jf_err_t *take_fn(void *member, const char *value, apr_pool_t *pool);

/* ---- values ---- */

static jf_err_t *take_text(void *member, const char *value, apr_pool_t *pool)
{
    (void)pool;
    *(const char **)member = value;
    return NULL;
}

static jf_err_t *take_duration(void *member, const char *value, apr_pool_t *pool)
{
    return jf_units_parse_duration(member, value, pool);
}

static jf_err_t *take_flag(void *member, const char *value, apr_pool_t *pool)
{
    (void)value;
    (void)pool;
    *(int *)member = 1;
    return NULL;
}

static jf_err_t *take_size(void *member, const char *value, apr_pool_t *pool)
{
    apr_int64_t *size_bytes = member;
    JF_TRY(jf_units_parse_bytes(size_bytes, value, pool));
    if (*size_bytes == JF_UNLIMITED) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                           "a file is not unlimited; without --size its end is where it ends");
    }
    return NULL;
}

static jf_err_t *take_url_base(void *member, const char *value, apr_pool_t *pool)
{
    size_t length = strlen(value);
    int is_http = strncmp(value, "http://", 7) == 0 || strncmp(value, "https://", 8) == 0;
    int is_host = is_http && !strchr("/?#", *(strstr(value, "://") + 3));
    /* All that is left goes into a URL as it is: what a URL may be made of, and no more. */
    if (!is_host || strspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                  "-._~:/[]@!$&'()*+,;=%") != length) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                           "\"%s\" is no base of a URL; write https://files.example.org/irc",
                           tool_text_visible(value, pool));
    }
    while (length > 0 && value[length - 1] == '/') {
        length--;
    }
    *(const char **)member = apr_pstrmemdup(pool, value, length);
    return NULL;
}

/* ---- the options ---- */

typedef struct option_row_t {
    const char *name;
    const char *argument; /* NULL: takes none */
    take_fn *take;
    size_t member; /* where it is in get_options_t */
    const char *text;
} option_row_t;

#define MEMBER(name) offsetof(get_options_t, name)

static const option_row_t rows[] = {
    {"from", "HOST:PORT", take_text, MEMBER(from), "where the foreign side gives the file"},
    {"name", "NAME", take_text, MEMBER(name), "the file's name"},
    {"size", "SIZE", take_size, MEMBER(size_bytes), "its size, if the foreign side has told it"},
    {"type", "TYPE", take_text, MEMBER(type), "its media type (default: what the name tells)"},
    {"dcc", NULL, take_flag, MEMBER(speaks_dcc), "acknowledge as DCC SEND of IRC wants it"},
    {"listen", "ADDRESS:PORT", take_text, MEMBER(listen),
     "where the Jabber client comes to (default: 127.0.0.1:0)"},
    {"url-base", "URL", take_url_base, MEMBER(url_base),
     "what the URL begins with behind a reverse proxy"},
    {"ttl", "DURATION", take_duration, MEMBER(ttl_us),
     "how long to wait for somebody to come (default: 1h)"},
    {"connect-timeout", "DURATION", take_duration, MEMBER(connect_timeout_us),
     "for a connection to the foreign side (default: 30)"},
    {"idle-timeout", "DURATION", take_duration, MEMBER(idle_timeout_us),
     "how long either side may do nothing (default: 60)"},
    {"help", NULL, take_flag, MEMBER(wants_help), "print this help"},
};
#define ROW_COUNT (sizeof(rows) / sizeof(rows[0]))

static void make_long_options(struct option *long_options)
{
    for (size_t i = 0; i < ROW_COUNT; i++) {
        long_options[i] = (struct option){
            .name = rows[i].name,
            .has_arg = rows[i].argument ? required_argument : no_argument,
            .val = FIRST_CODE + (int)i,
        };
    }
    long_options[ROW_COUNT] = (struct option){0};
}

static jf_err_t *invalid(const char *what, const char *word, apr_pool_t *pool)
{
    return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool, "%s %s; see socketstreamer get --help",
                       what, tool_text_visible(word, pool));
}

static jf_err_t *refuse_option(int code, const char *word, apr_pool_t *pool)
{
    return invalid(code == ':'            ? "a value is missing behind"
                   : optopt >= FIRST_CODE ? "no value belongs to"
                                          : "there is no option",
                   word, pool);
}

/* Says which option has the wrong value. */
static jf_err_t *take(get_options_t *options, const option_row_t *row, apr_pool_t *pool)
{
    jf_err_t *err =
        row->take((char *)options + row->member, optarg ? apr_pstrdup(pool, optarg) : NULL, pool);
    if (err) {
        return jf_err_make(err->code, err->status, pool, "--%s: %s", row->name, err->text);
    }
    return NULL;
}

static jf_err_t *parse(get_options_t *options, int argc, char **argv, apr_pool_t *pool)
{
    struct option long_options[ROW_COUNT + 1];
    int code;
    make_long_options(long_options);
    opterr = 0;
    optind = 0; /* begin anew */
    while ((code = getopt_long(argc, argv, ":", long_options, NULL)) != -1) {
        if (code < FIRST_CODE) {
            return refuse_option(code, argv[optind - 1], pool);
        }
        JF_TRY(take(options, &rows[code - FIRST_CODE], pool));
    }
    if (optind < argc) {
        return invalid("nothing is known about", argv[optind], pool);
    }
    return NULL;
}

jf_err_t *get_options_parse(get_options_t *options, int argc, const char *const *argv,
                            apr_pool_t *pool)
{
    /* getopt_long changes the order of the words. */
    char **words = apr_pcalloc(pool, ((apr_size_t)argc + 1) * sizeof(*words));
    for (int i = 0; i < argc; i++) {
        words[i] = apr_pstrdup(pool, argv[i]);
    }
    *options = (get_options_t){
        .listen = "127.0.0.1:0",
        .size_bytes = GET_SIZE_UNKNOWN,
        .ttl_us = apr_time_from_sec(3600),
        .connect_timeout_us = apr_time_from_sec(30),
        .idle_timeout_us = apr_time_from_sec(60),
    };
    JF_TRY(parse(options, argc, words, pool));
    if (!options->wants_help && !(options->from && options->name)) {
        return invalid("there must be a value for", options->from ? "--name" : "--from", pool);
    }
    return NULL;
}

/* ---- help ---- */

void get_options_print_help(void)
{
    printf("usage: socketstreamer get --from HOST:PORT --name NAME [OPTION...]\n\n"
           "Prints a URL, waits for one GET, and gives it a file that comes from a foreign "
           "network.\n\n");
    for (size_t i = 0; i < ROW_COUNT; i++) {
        char option[40];
        snprintf(option, sizeof(option), "--%s%s%s", rows[i].name, rows[i].argument ? " " : "",
                 rows[i].argument ? rows[i].argument : "");
        printf("  %-28s %s\n", option, rows[i].text);
    }
}
