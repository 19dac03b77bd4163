#include "mod_jabberfiles_private.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include <unixd.h>

/*
 * httpd's parent runs as root, its children do not. What root creates, children could not write;
 * and what children own, root should not touch, for they might have planted links there. So root
 * makes the store's own directory at most, and a helper process creates all the rest. If that can
 * work with store and ledger, so can every child.
 */

static jf_err_t *make_store_directory(const char *directory, apr_pool_t *pool)
{
    if (mkdir(directory, 0700) != 0) {
        return errno == EEXIST
                   ? NULL
                   : jf_err_from_system(
                         errno, pool, "cannot create the directory JabberFilesStore %s", directory);
    }
    if (geteuid() == 0 &&
        lchown(directory, ap_unixd_config.user_id, ap_unixd_config.group_id) != 0) {
        return jf_err_from_system(errno, pool, "cannot give %s to the user of httpd", directory);
    }
    return NULL;
}

static jf_err_t *create(const jfm_server_config_t *config, apr_pool_t *pool)
{
    return jf_service_create(config->store, config->database, pool);
}

jf_err_t *jfm_setup(const jfm_server_config_t *config, server_rec *server, apr_pool_t *pool)
{
    JF_TRY(make_store_directory(config->store, pool));
    return jfm_help(create, config, server, pool);
}
