#include "output.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include <apr_strings.h>

#include "cli_table.h"
#include "progress.h"
#include "tool_text.h"

/* ---- lines ---- */

static void write_line(FILE *file, const char *prefix, const char *fmt, va_list args,
                       apr_pool_t *parent)
{
    apr_pool_t *pool;
    apr_pool_create(&pool, parent);
    const char *line = tool_text_visible(apr_pvsprintf(pool, fmt, args), pool);
    progress_hide();
    fprintf(file, "%s%s\n", prefix, line);
    fflush(file);
    apr_pool_destroy(pool);
}

static void write_json(FILE *file, json_t *object)
{
    json_dumpf(object, file, JSON_COMPACT | JSON_ENSURE_ASCII);
    fputc('\n', file);
    fflush(file);
    json_decref(object);
}

void output_result(const client_t *client, const char *fmt, ...)
{
    if (client->options->is_json) {
        return;
    }
    va_list args;
    va_start(args, fmt);
    write_line(stdout, "", fmt, args, client->pool);
    va_end(args);
}

void output_json(const client_t *client, json_t *object)
{
    if (client->options->is_json) {
        write_json(stdout, object);
    } else {
        json_decref(object);
    }
}

void output_note(const client_t *client, const char *fmt, ...)
{
    if (client->options->is_json || client->options->is_quiet) {
        return;
    }
    va_list args;
    va_start(args, fmt);
    write_line(stderr, "", fmt, args, client->pool);
    va_end(args);
}

void output_warn(const client_t *client, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    if (client->options->is_json) {
        const char *text = apr_pvsprintf(client->pool, fmt, args);
        write_json(stderr, json_pack("{s:s, s:o}", "type", "warning", "message",
                                     tool_text_json(text, client->pool)));
    } else {
        write_line(stderr, "jabberfiles: ", fmt, args, client->pool);
    }
    va_end(args);
}

/* ---- errors ---- */

static const char *error_name(const jf_err_t *err)
{
    static const char *const names[] = {
        [JF_ERR_INVALID] = "invalid",
        [JF_ERR_NOT_FOUND] = "not_found",
        [JF_ERR_PRECONDITION] = "precondition",
        [JF_ERR_DIGEST] = "digest",
        [JF_ERR_TOO_LARGE] = "too_large",
        [JF_ERR_QUOTA] = "quota",
        [JF_ERR_DISK_FULL] = "disk_full",
        [JF_ERR_BUSY] = "busy",
        [JF_ERR_UNAVAILABLE] = "unavailable",
        [JF_ERR_IO] = "io",
        [JF_ERR_FORBIDDEN] = "forbidden",
        [JF_ERR_TOO_MANY] = "too_many",
        [JF_ERR_NO_VERDICT] = "no_verdict",
        [JF_ERR_NO_TOKEN] = "no_token",
        [JF_ERR_USED] = "used",
        [JF_ERR_TRANSFER_QUOTA] = "transfer_quota",
    };
    return err->status == EINTR ? "interrupted" : names[err->code];
}

static void add_fact(json_t *object, const char *name, apr_int64_t value)
{
    if (value != JF_FACT_NONE) {
        json_object_set_new(object, name, json_integer(value));
    }
}

static json_t *error_object(const jf_err_t *err, apr_pool_t *pool)
{
    json_t *object =
        json_pack("{s:s, s:s, s:i, s:o}", "type", "error", "code", error_name(err), "exit_code",
                  client_exit_code(err), "message", tool_text_json(err->text, pool));
    add_fact(object, "limit_bytes", err->limit_bytes);
    add_fact(object, "used_bytes", err->used_bytes);
    add_fact(object, "required_bytes", err->required_bytes);
    return object;
}

void output_error(const jf_err_t *err, const options_t *options, apr_pool_t *pool)
{
    if (options->is_json) {
        write_json(stderr, error_object(err, pool));
        return;
    }
    progress_hide();
    fprintf(stderr, "jabberfiles: %s\n", tool_text_visible(err->text, pool));
}
