/**
 * The command line of `socketstreamer get`.
 */
#ifndef GET_OPTIONS_H
#define GET_OPTIONS_H

#include <apr_time.h>

#include "jf_err.h"

typedef struct get_options_t {
    const char *from;           /**< HOST:PORT of the foreign side, as given */
    const char *name;           /**< of the file, as given */
    const char *type;           /**< media type as given, or NULL */
    const char *listen;         /**< ADDRESS:PORT, as given */
    const char *url_base;       /**< without a slash at its end, or NULL */
    apr_int64_t size_bytes;     /**< or GET_SIZE_UNKNOWN */
    apr_interval_time_t ttl_us; /**< this and the next two: or JF_NEVER */
    apr_interval_time_t connect_timeout_us;
    apr_interval_time_t idle_timeout_us;
    int speaks_dcc;
    int wants_help; /**< then nothing else is sure */
} get_options_t;

/**
 * Reads the command line.
 * @param argv begins with the word "get".
 * @param options filled in; its strings live in @a pool.
 * @return JF_ERR_INVALID, whose text says what would be right
 */
jf_err_t *get_options_parse(get_options_t *options, int argc, const char *const *argv,
                            apr_pool_t *pool);

/** Prints the help on standard output. */
void get_options_print_help(void);

#endif
