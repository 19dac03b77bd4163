#include "account_private.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <apr_strings.h>

#include "client.h"
#include "private_file.h"
#include "prompt.h"

/* Longer is no password. */
#define PASSWORD_BYTES_MAX 4096

/* ---- a command ---- */

/* Its standard input and error are ours: it may have something to ask. Signals that we ignore would
 * stay ignored in it. */
static int spawn_shell(pid_t *pid, char *command, int output)
{
    static char shell[] = "sh";
    static char flag[] = "-c";
    char *const argv[] = {shell, flag, command, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t defaults;
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    int failure = posix_spawn(pid, "/bin/sh", &actions, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return failure;
}

/* Reads to the end, so that the command is not ended by a closed pipe; keeps what fits. */
static void read_output(int fd, char *buffer, size_t size)
{
    char rest[512] = {0};
    size_t length = 0;
    ssize_t got;
    do {
        int is_full = length == size - 1;
        got =
            read(fd, is_full ? rest : buffer + length, is_full ? sizeof(rest) : size - 1 - length);
        length += got > 0 && !is_full ? (size_t)got : 0;
    } while (got > 0 || (got < 0 && errno == EINTR && !client_is_interrupted()));
    buffer[length] = '\0';
}

static jf_err_t *judge_command(pid_t pid, apr_pool_t *pool)
{
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (client_is_interrupted()) {
        return client_interrupted(pool);
    }
    if (WIFSIGNALED(status)) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                           "the password-command was ended by signal %d", WTERMSIG(status));
    }
    if (WEXITSTATUS(status) != 0) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                           "the password-command failed with exit code %d; try it in a shell",
                           WEXITSTATUS(status));
    }
    return NULL;
}

static jf_err_t *run_command(const char **output, const char *command, apr_pool_t *pool)
{
    char *buffer = apr_pcalloc(pool, PASSWORD_BYTES_MAX + 2);
    int ends[2];
    pid_t pid = 0;
    *output = buffer;
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return jf_err_from_system(errno, pool, "cannot run the password-command");
    }
    int failure = spawn_shell(&pid, apr_pstrdup(pool, command), ends[1]);
    close(ends[1]);
    if (failure) {
        close(ends[0]);
        return jf_err_from_system(failure, pool, "cannot run the password-command");
    }
    read_output(ends[0], buffer, PASSWORD_BYTES_MAX + 2);
    close(ends[0]);
    return judge_command(pid, pool);
}

/* ---- the first line ---- */

jf_err_t *account_password_line(const char **password, const char *text, const char *place,
                                apr_pool_t *pool)
{
    size_t length = strcspn(text, "\r\n");
    *password = NULL;
    if (length == 0) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                           "there is no password in the first line of %s", place);
    }
    if (length > PASSWORD_BYTES_MAX) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                           "the first line of %s is too long for a password", place);
    }
    *password = apr_pstrmemdup(pool, text, length);
    return NULL;
}

static jf_err_t *password_from_file(const char **password, const char *path, apr_pool_t *pool)
{
    const char *text = NULL;
    jf_err_t *err = private_file_read(&text, path, pool);
    if (err && err->code == JF_ERR_NOT_FOUND) {
        return jf_err_make(JF_ERR_INVALID, err->status, pool,
                           "there is no password-file %s; make it, or run \"jabberfiles login\"",
                           path);
    }
    return err ? err : account_password_line(password, text, path, pool);
}

static jf_err_t *password_from_command(const char **password, const char *command, apr_pool_t *pool)
{
    const char *text = NULL;
    JF_TRY(run_command(&text, command, pool));
    return account_password_line(password, text, "what the password-command prints", pool);
}

static jf_err_t *ask_password(const char **password, const account_t *account)
{
    if (!prompt_is_possible()) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, account->pool,
                           "no password is known for %s: run \"jabberfiles login\", or set "
                           "JABBERFILES_PASSWORD",
                           account->jid);
    }
    JF_TRY(prompt_password(password, apr_pstrcat(account->pool, "Password of ", account->jid, NULL),
                           account->pool));
    return (*password)[0]
               ? NULL
               : jf_err_make(JF_ERR_INVALID, APR_SUCCESS, account->pool, "no password was typed");
}

jf_err_t *account_password(const char **password, account_t *account)
{
    *password = NULL;
    JF_TRY(account_need_jid(account));
    if (account->password) {
        *password = account->password;
        return NULL;
    }
    if (account->password_file) {
        JF_TRY(password_from_file(password, account->password_file, account->pool));
    } else if (account->password_command) {
        JF_TRY(password_from_command(password, account->password_command, account->pool));
    } else {
        JF_TRY(ask_password(password, account));
    }
    account->password = *password;
    return NULL;
}
