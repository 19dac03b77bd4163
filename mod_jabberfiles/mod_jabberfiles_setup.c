#include "mod_jabberfiles_private.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <apr_strings.h>
#include <mpm_common.h>
#include <unixd.h>

/*
 * httpd's parent runs as root, its children do not. What root creates, children could not write;
 * and what children own, root should not touch, for they might have planted links there. So root
 * makes the store's own directory at most, and a short-lived process with the children's user
 * creates all the rest. If that process can work with store and ledger, so can every child.
 */

/* ---- in the parent, perhaps as root ---- */

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

/* ---- the helper process ---- */

/* The first byte is the error code, the rest its text; nothing at all means success. */
static void tell(int fd, const jf_err_t *err)
{
    char code = (char)err->code;
    if (write(fd, &code, 1) == 1) {
        (void)!write(fd, err->text, strlen(err->text));
    }
}

static void run_helper(const jfm_server_config_t *config, server_rec *server, int fd,
                       apr_pool_t *pool)
{
    jf_err_t *err = NULL;
    if (geteuid() == 0 && ap_run_drop_privileges(pool, server) != 0) {
        err = jf_err_make(JF_ERR_IO, APR_SUCCESS, pool, "cannot become the user of httpd");
    }
    if (!err) {
        err = jf_service_create(config->store, config->database, pool);
    }
    if (err) {
        tell(fd, err);
    }
    /* Not exit(): the parent's cleanups and atexit handlers are not ours to run. */
    _exit(0);
}

static jf_err_t *hear(int fd, apr_pool_t *pool)
{
    char heard[4096];
    apr_size_t length = 0;
    ssize_t got;
    while (length < sizeof(heard) && (got = read(fd, heard + length, sizeof(heard) - length)) > 0) {
        length += (apr_size_t)got;
    }
    if (length == 0) {
        return NULL;
    }
    return jf_err_make((jf_err_code_t)heard[0], APR_SUCCESS, pool, "%.*s", (int)length - 1,
                       heard + 1);
}

jf_err_t *jfm_setup(const jfm_server_config_t *config, server_rec *server, apr_pool_t *pool)
{
    int ends[2];
    int status;
    JF_TRY(make_store_directory(config->store, pool));
    if (pipe(ends) != 0) {
        return jf_err_from_system(errno, pool, "cannot make a pipe");
    }
    pid_t helper = fork();
    if (helper == 0) {
        close(ends[0]);
        run_helper(config, server, ends[1], pool);
    }
    int fork_errno = errno;
    close(ends[1]);
    if (helper < 0) {
        close(ends[0]);
        return jf_err_from_system(fork_errno, pool, "cannot start a process to set the store up");
    }
    jf_err_t *err = hear(ends[0], pool);
    close(ends[0]);
    while (waitpid(helper, &status, 0) < 0 && errno == EINTR) {
        /* httpd's own signals must not make us leave a zombie. */
    }
    if (!err && !(WIFEXITED(status) && WEXITSTATUS(status) == 0)) {
        err = jf_err_make(JF_ERR_IO, APR_SUCCESS, pool, "the process that sets the store up died");
    }
    return err;
}
