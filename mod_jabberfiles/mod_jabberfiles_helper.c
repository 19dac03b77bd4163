#include "mod_jabberfiles_private.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mpm_common.h>

/* The parent of httpd is root: nothing in a store is for it to touch. */

/* The first byte is the error code, the rest its text; nothing at all means success. */
static void tell(int fd, const jf_err_t *err)
{
    char code = (char)err->code;
    if (write(fd, &code, 1) == 1) {
        (void)!write(fd, err->text, strlen(err->text));
    }
}

static void run_helper(jfm_work_t *work, const jfm_server_config_t *config, server_rec *server,
                       int fd, apr_pool_t *pool)
{
    jf_err_t *err = NULL;
    if (geteuid() == 0 && ap_run_drop_privileges(pool, server) != 0) {
        err = jf_err_make(JF_ERR_IO, APR_SUCCESS, pool, "cannot become the user of httpd");
    }
    if (!err) {
        err = work(config, pool);
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

jf_err_t *jfm_help(jfm_work_t *work, const jfm_server_config_t *config, server_rec *server,
                   apr_pool_t *pool)
{
    int ends[2];
    int status;
    if (pipe(ends) != 0) {
        return jf_err_from_system(errno, pool, "cannot make a pipe");
    }
    pid_t helper = fork();
    if (helper == 0) {
        close(ends[0]);
        run_helper(work, config, server, ends[1], pool);
    }
    int fork_errno = errno;
    close(ends[1]);
    if (helper < 0) {
        close(ends[0]);
        return jf_err_from_system(fork_errno, pool, "cannot start a helper process");
    }
    jf_err_t *err = hear(ends[0], pool);
    close(ends[0]);
    while (waitpid(helper, &status, 0) < 0 && errno == EINTR) {
        /* httpd's own signals must not make us leave a zombie. */
    }
    if (!err && !(WIFEXITED(status) && WEXITSTATUS(status) == 0)) {
        err = jf_err_make(JF_ERR_IO, APR_SUCCESS, pool, "the helper process died");
    }
    return err;
}
