#include "mod_jabberfiles_private.h"

#include <string.h>

#include <apr_hash.h>
#include <apr_strings.h>

#include "jf_area.h"
#include "jf_secret.h"

#define SECRET_BYTES_MAX 4096

/* Of the configuration that is read: area "slots:NAME" to the file that it is named after. */
static apr_hash_t *area_files;

void jfm_slot_secrets_pre_config(apr_pool_t *pconf)
{
    area_files = apr_hash_make(pconf);
}

/* ---- reading a secret ---- */

static const char *complain(const cmd_parms *cmd, const char *file, const char *what)
{
    return apr_pstrcat(cmd->pool, cmd->cmd->name, ": ", file, " ", what, NULL);
}

static const char *check_file(const cmd_parms *cmd, const char *name, apr_file_t *file,
                              apr_size_t *length)
{
    apr_finfo_t info;
    if (apr_file_info_get(&info, APR_FINFO_TYPE | APR_FINFO_SIZE | APR_FINFO_PROT, file) !=
            APR_SUCCESS ||
        info.filetype != APR_REG) {
        return complain(cmd, name, "is no file");
    }
    if (info.protection & (APR_FPROT_WREAD | APR_FPROT_WWRITE | APR_FPROT_WEXECUTE)) {
        return complain(cmd, name, "is open to everybody; chmod o= it");
    }
    if (info.size > SECRET_BYTES_MAX) {
        return complain(cmd, name, "is longer than 4096 bytes");
    }
    *length = (apr_size_t)info.size;
    return NULL;
}

static apr_size_t without_newline(const char *text, apr_size_t length)
{
    length -= length > 0 && text[length - 1] == '\n';
    length -= length > 0 && text[length - 1] == '\r';
    return length;
}

static const char *read_open_file(const cmd_parms *cmd, char **secret, const char *name,
                                  apr_file_t *file)
{
    char text[SECRET_BYTES_MAX];
    apr_size_t length = 0;
    const char *problem = check_file(cmd, name, file, &length);
    if (problem) {
        return problem;
    }
    if (length > 0 && apr_file_read_full(file, text, length, NULL) != APR_SUCCESS) {
        return complain(cmd, name, "cannot be read");
    }
    length = without_newline(text, length);
    if (length == 0 || memchr(text, '\0', length)) {
        return complain(cmd, name, length ? "has a NUL in it" : "is empty");
    }
    *secret = jf_secret_wipe_with(cmd->pool, apr_pstrmemdup(cmd->pool, text, length));
    return NULL;
}

static const char *read_secret(const cmd_parms *cmd, const char **secret, const char **path,
                               const char *argument)
{
    apr_file_t *file;
    char *text = NULL;
    *path = ap_server_root_relative(cmd->pool, argument);
    if (!*path) {
        return complain(cmd, argument, "is no path");
    }
    /* Not blocking: a FIFO must not hold the start of httpd. */
    apr_status_t status = apr_file_open(&file, *path, APR_FOPEN_READ | APR_FOPEN_NONBLOCK,
                                        APR_FPROT_OS_DEFAULT, cmd->temp_pool);
    if (status != APR_SUCCESS) {
        char reason[120];
        return complain(cmd, *path,
                        apr_pstrcat(cmd->temp_pool, "cannot be opened: ",
                                    apr_strerror(status, reason, sizeof(reason)), NULL));
    }
    const char *problem = read_open_file(cmd, &text, *path, file);
    apr_file_close(file);
    *secret = text;
    return problem;
}

/* ---- the directive ---- */

/* The name of a file names an area, so it must not stand for two secrets. */
static const char *name_area(const cmd_parms *cmd, jf_slot_secret_t *secret, const char *path)
{
    secret->area = jf_area_of_secret(path, cmd->pool);
    const char *other = apr_hash_get(area_files, secret->area, APR_HASH_KEY_STRING);
    if (other && strcmp(other, path) != 0) {
        return complain(cmd, path,
                        apr_pstrcat(cmd->temp_pool, "and ", other,
                                    " would name the same area; give one another name", NULL));
    }
    apr_hash_set(area_files, secret->area, APR_HASH_KEY_STRING, path);
    return NULL;
}

static const char *set_delete_secret(const cmd_parms *cmd, jf_slot_secret_t *secret,
                                     const char *option)
{
    static const char prefix[] = "delete=";
    const char *path;
    if (!option) {
        return NULL;
    }
    if (strncmp(option, prefix, sizeof(prefix) - 1) != 0 || secret->kind != JF_SLOT_TOKEN) {
        return apr_pstrcat(cmd->pool, cmd->cmd->name,
                           ": takes KIND FILE, and delete=FILE after "
                           "the kind token; not \"",
                           option, "\"", NULL);
    }
    return read_secret(cmd, &secret->delete_key, &path, option + sizeof(prefix) - 1);
}

const char *jfm_add_slot_secret(cmd_parms *cmd, void *dir, const char *kind, const char *file,
                                const char *option)
{
    jfm_dir_config_t *config = dir;
    jf_slot_secret_t *secret = apr_pcalloc(cmd->pool, sizeof(*secret));
    const char *path;
    const char *problem =
        jfm_directive_message(cmd, jf_slot_kind_parse(&secret->kind, kind, cmd->pool));
    problem = problem ? problem : read_secret(cmd, &secret->key, &path, file);
    problem = problem ? problem : set_delete_secret(cmd, secret, option);
    if (!problem && secret->kind != JF_SLOT_JWT) {
        problem = name_area(cmd, secret, path);
    }
    if (problem) {
        return problem;
    }
    if (!config->slot_secrets) {
        config->slot_secrets = apr_array_make(cmd->pool, 2, sizeof(jf_slot_secret_t *));
    }
    APR_ARRAY_PUSH(config->slot_secrets, jf_slot_secret_t *) = secret;
    jfm_slot_tokens_come_below(jfm_directive_base(cmd));
    return NULL;
}
