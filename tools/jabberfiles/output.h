/**
 * What goes to standard output and standard error, as text or as JSON.
 *
 * Results go to standard output: as lines of text, or with --json as one JSON object a line, whose
 * member "type" says what it tells. Notes go to standard error, and neither with --quiet nor with
 * --json. All text is made visible (tool_text_visible) before it reaches a terminal.
 */
#ifndef OUTPUT_H
#define OUTPUT_H

#include <jansson.h>

#include "client.h"

/** A line of result on standard output; nothing with --json. */
void output_result(const client_t *client, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/** A result for programs: with --json one line on standard output, else nothing. Frees @a object.
 */
void output_json(const client_t *client, json_t *object);

/** A line for people on standard error: what goes on. Nothing with --quiet or --json. */
void output_note(const client_t *client, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/** A line on standard error that is told also with --quiet: what went wrong, although the command
 * goes on. With --json an object of type "warning". */
void output_warn(const client_t *client, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/** Tells an error on standard error: "jabberfiles: TEXT", or as {"type":"error",…}. */
void output_error(const jf_err_t *err, const options_t *options, apr_pool_t *pool);

#endif
