/**
 * What goes to standard output and standard error, as text or as JSON.
 */
#ifndef ADMIN_OUTPUT_H
#define ADMIN_OUTPUT_H

#include <jansson.h>

#include "admin.h"

/** Prints a document on standard output and frees it. */
void admin_output_print_json(json_t *document);

/** Prints one line on standard output; what @a fmt makes is made visible. */
void admin_output_say(const admin_t *admin, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/** Prints one line on standard error, after the program's name; what @a fmt makes is made visible.
 */
void admin_output_complain(apr_pool_t *pool, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/** Tells @a err on standard error, as text or JSON, and returns the exit code it stands for. */
admin_exit_t admin_output_error(const jf_err_t *err, const admin_options_t *options,
                                apr_pool_t *pool);

#endif
