/**
 * The command line of jabberfiles, parsed.
 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <apr_tables.h>
#include <apr_time.h>

#include "jf_err.h"

struct cli_command_t;

/** All values live in the pool of cli_options_parse. What was not given is NULL, 0, or as noted. */
typedef struct options_t {
    const struct cli_command_t *command; /**< NULL only with help, version, or after an error */
    const char *const *arguments;
    int argument_count;

    /* the account: over what the configuration and the environment say */
    const char *config;  /**< --config FILE */
    const char *jid;     /**< --jid JID, as given */
    const char *url;     /**< --url URL, as given */
    const char *connect; /**< --connect HOST:PORT, as given */
    int is_direct_tls;   /**< --direct-tls */
    const char *ca;      /**< --ca FILE */

    /* uploads and announcements */
    const char *name;              /**< --name NAME: what the others see */
    const char *media_type;        /**< --type TYPE */
    const char *message;           /**< --message TEXT */
    apr_interval_time_t expire_us; /**< --expires DURATION, or JF_NEVER */
    int wants_sims;                /**< --sims */
    int is_direct;                 /**< --direct */
    const char *listen;            /**< --listen ADDRESS[:PORT], as given */

    /* downloads */
    const char *output;              /**< -o, --output FILE */
    const char *directory;           /**< --directory DIR; never NULL, "." */
    int is_yes;                      /**< -y, --yes */
    int may_overwrite;               /**< --overwrite */
    int allows_private;              /**< --allow-private */
    apr_int64_t max_size_bytes;      /**< --max-size SIZE, or JF_UNLIMITED */
    apr_interval_time_t max_time_us; /**< --max-time DURATION, or JF_NEVER */
    const unsigned char *sha256;     /**< --sha256 HEX: JF_SHA256_BYTES bytes */
    const apr_array_header_t
        *auto_from;    /**< --auto-from JID, of const char *, prepared bare JIDs; never NULL */
    apr_int64_t count; /**< --count N: receive ends after so many files; 0: never */

    /* login */
    const char *password_file;    /**< --password-file FILE */
    const char *password_command; /**< --password-command COMMAND */

    /* all */
    int is_quiet; /**< -q, --quiet */
    int is_json;  /**< --json */
    int wants_help;
    int wants_version;
} options_t;

/**
 * Reads the command line.
 * @param options filled in as far as possible also when an error is returned, so that the error can
 * be reported in the form that was asked for.
 * @return JF_ERR_INVALID
 */
jf_err_t *cli_options_parse(options_t *options, int argc, char **argv, apr_pool_t *pool);

#endif
