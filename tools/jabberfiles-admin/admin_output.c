#include "admin_output.h"

#include <stdarg.h>
#include <stdio.h>

#include <apr_strings.h>

#include "jf_units.h"
#include "tool_text.h"

static void write_json(FILE *file, json_t *document)
{
    json_dumpf(document, file, JSON_INDENT(2));
    fputc('\n', file);
    json_decref(document);
}

void admin_output_print_json(json_t *document)
{
    write_json(stdout, document);
}

void admin_output_say(const admin_t *admin, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    const char *line = apr_pvsprintf(admin->pool, fmt, args);
    va_end(args);
    puts(tool_text_visible(line, admin->pool));
}

void admin_output_complain(apr_pool_t *pool, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    const char *line = apr_pvsprintf(pool, fmt, args);
    va_end(args);
    fprintf(stderr, "jabberfiles-admin: %s\n", tool_text_visible(line, pool));
}

typedef struct error_kind_t {
    const char *name;
    admin_exit_t exit_code;
} error_kind_t;

static error_kind_t kind_of(jf_err_code_t code)
{
    switch (code) {
    case JF_ERR_INVALID:
        return (error_kind_t){"usage", ADMIN_USAGE};
    case JF_ERR_NOT_FOUND:
        return (error_kind_t){"not_found", ADMIN_NOT_FOUND};
    case JF_ERR_PRECONDITION:
        return (error_kind_t){"refused", ADMIN_FAILED};
    case JF_ERR_DIGEST:
        return (error_kind_t){"digest", ADMIN_FAILED};
    case JF_ERR_DISK_FULL:
        return (error_kind_t){"disk_full", ADMIN_FAILED};
    case JF_ERR_BUSY:
        return (error_kind_t){"busy", ADMIN_FAILED};
    case JF_ERR_UNAVAILABLE:
        return (error_kind_t){"ledger", ADMIN_FAILED};
    default:
        return (error_kind_t){"io", ADMIN_FAILED};
    }
}

admin_exit_t admin_output_error(const jf_err_t *err, const admin_options_t *options,
                                apr_pool_t *pool)
{
    error_kind_t kind = kind_of(err->code);
    if (options->is_json) {
        write_json(stderr, json_pack("{s:{s:s, s:o}}", "error", "code", kind.name, "message",
                                     tool_text_json(err->text, pool)));
        return kind.exit_code;
    }
    admin_output_complain(pool, "%s", err->text);
    if (kind.exit_code == ADMIN_USAGE) {
        fputs("Try \"jabberfiles-admin --help\".\n", stderr);
    }
    return kind.exit_code;
}
