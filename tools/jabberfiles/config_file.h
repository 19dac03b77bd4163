/**
 * The configuration file: lines "key = value"; what begins with "#" is a comment.
 */
#ifndef CONFIG_FILE_H
#define CONFIG_FILE_H

#include <apr_tables.h>

#include "jf_err.h"

typedef enum {
    CONFIG_JID,
    CONFIG_PASSWORD,
    CONFIG_PASSWORD_FILE,
    CONFIG_PASSWORD_COMMAND,
    CONFIG_URL,
    CONFIG_CONNECT,
    CONFIG_TLS,
    CONFIG_CA,
    CONFIG_KEY_COUNT
} config_key_t;

/** How the keys are written in the file. */
extern const char *const config_key_names[CONFIG_KEY_COUNT];

typedef struct config_file_t {
    const char *path;
    int exists;                           /**< 0: there is no such file yet */
    const char *values[CONFIG_KEY_COUNT]; /**< NULL: not set */
    int line_numbers[CONFIG_KEY_COUNT];   /**< from 1 on; 0: not set */
    apr_array_header_t *lines;            /**< of const char *, as they stand in the file */
    apr_pool_t *pool;
} config_file_t;

/**
 * Where the configuration is: @a given, or "jabberfiles/config" in $XDG_CONFIG_HOME or ~/.config.
 * @return JF_ERR_INVALID if there is no home directory either
 */
jf_err_t *config_file_path(const char **path, const char *given, apr_pool_t *pool);

/**
 * Reads the file; one that is not there is empty.
 * @return JF_ERR_INVALID naming file, line and what would be right; else as private_file_read
 */
jf_err_t *config_file_read(config_file_t **config, const char *path, apr_pool_t *pool);

/** Sets a key, in its line if it has one; takes the line away if @a value is NULL. All other lines
 * stay as they are. */
void config_file_set(config_file_t *config, config_key_t key, const char *value);

/** Writes the file (private_file_write). */
jf_err_t *config_file_write(const config_file_t *config);

/** Where a key stands, for errors: "PATH:LINE: KEY"; lives as long as @a config. */
const char *config_file_place(const config_file_t *config, config_key_t key);

/** A path in the file, "~/…" and relative to the file's directory understood; NULL for NULL. */
const char *config_file_resolve(const config_file_t *config, const char *path);

#endif
