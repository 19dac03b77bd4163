#include "mod_jabberfiles_private.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ap_mpm.h>
#include <apr_strings.h>
#include <mpm_common.h>
#include <unixd.h>

/*
 * httpd's parent starts jabberfilesd and watches it, as mod_cgid does with its daemon. Each start
 * has a pool of its own: when the helper dies, or httpd reads its configuration anew, the pool
 * goes, and with it socket and process. A helper that still has logins to finish does so in a copy
 * of itself.
 */

/* What the helper finds open. */
#define CONFIG_FD 0
#define LISTENER_FD 3

/* So many connections wait while the helper is busy with others. */
#define BACKLOG 511

/* A helper that dies young that many times in a row is given time, up to a minute between tries. */
#define QUICK_RESTARTS 3
#define YOUNG_US apr_time_from_sec(30)
#define WAIT_FIRST_US apr_time_from_sec(5)
#define WAIT_MOST_US apr_time_from_sec(60)

/* How long httpd waits for it to end. */
#define STOP_STEPS 300
#define STOP_STEP_US apr_time_from_msec(10)

typedef struct instance_t {
    apr_pool_t *pool;
    apr_proc_t process; /* pid 0 once it is known to be dead */
    apr_time_t started_at;
    int lifeline; /* our end of its standard input; it ends when this is closed */
} instance_t;

/* Of the parent; children know the socket's path. */
static struct {
    apr_pool_t *pconf;
    server_rec *main;
    pid_t parent;
    const char *program;
    const char *config;
    const char *socket_path; /* NULL: nobody needs the helper */
    instance_t *instance;    /* NULL: it does not run */
    int young_deaths;
    apr_time_t retry_at;
} helper;

const char *jfm_daemon_socket(void)
{
    return helper.socket_path;
}

/* ---- its socket ---- */

/* Closed to everybody but httpd's user from the moment it exists. */
static jf_err_t *bind_socket(int fd, const char *path, apr_pool_t *pool)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(address.sun_path)) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                           "%s is too long for the path of a socket; see DefaultRuntimeDir", path);
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    mode_t mask = umask(0177);
    int result = bind(fd, (struct sockaddr *)&address, sizeof(address));
    int problem = errno;
    umask(mask);
    if (result != 0) {
        return jf_err_from_system(problem, pool, "cannot make the socket %s", path);
    }
    if ((geteuid() == 0 && lchown(path, ap_unixd_config.user_id, ap_unixd_config.group_id) != 0) ||
        listen(fd, BACKLOG) != 0) {
        return jf_err_from_system(errno, pool, "cannot use the socket %s", path);
    }
    return NULL;
}

static jf_err_t *make_listener(int *listener, apr_pool_t *pool)
{
    unlink(helper.socket_path);
    *listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (*listener < 0) {
        return jf_err_from_system(errno, pool, "cannot make a socket");
    }
    jf_err_t *err = bind_socket(*listener, helper.socket_path, pool);
    if (err) {
        close(*listener);
    }
    return err;
}

/* ---- its end ---- */

static void stop_process(instance_t *instance)
{
    int status;
    kill(instance->process.pid, SIGTERM);
    for (int i = 0; i < STOP_STEPS; i++) {
        if (waitpid(instance->process.pid, &status, WNOHANG) != 0) {
            return;
        }
        apr_sleep(STOP_STEP_US);
    }
    kill(instance->process.pid, SIGKILL);
    waitpid(instance->process.pid, &status, 0);
}

static apr_status_t end_instance(void *data)
{
    instance_t *instance = data;
    if (instance->lifeline >= 0) {
        close(instance->lifeline);
    }
    /* A child of httpd may run this on its way out; process and socket are not its business. */
    if (getpid() == helper.parent) {
        unlink(helper.socket_path);
        if (instance->process.pid > 0) {
            stop_process(instance);
        }
        helper.instance = NULL;
    }
    return APR_SUCCESS;
}

/* ---- its start ---- */

/* Until it can handle the signal: when httpd restarts, it may have been asked before it has begun.
 */
static void block_sigterm(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
}

/* In the new process. Everything but these descriptors is httpd's: logs, listeners, its scoreboard.
 */
static void become_helper(int config, int listener, apr_pool_t *pool)
{
    const char *arguments[] = {"jabberfilesd", NULL};
    block_sigterm();
    /* Away from 0 to 3 first: one may be where the other has to go. */
    config = fcntl(config, F_DUPFD, LISTENER_FD + 1);
    listener = fcntl(listener, F_DUPFD, LISTENER_FD + 1);
    int null = open("/dev/null", O_WRONLY);
    setsid();
    if (config < 0 || listener < 0 || null < 0 || dup2(config, CONFIG_FD) < 0 ||
        dup2(null, STDOUT_FILENO) < 0 || dup2(listener, LISTENER_FD) < 0 || chdir("/") != 0) {
        _exit(EXIT_FAILURE);
    }
    closefrom(LISTENER_FD + 1);
    if (geteuid() == 0 && ap_run_drop_privileges(pool, helper.main) != 0) {
        _exit(EXIT_FAILURE);
    }
    execv(helper.program, (char *const *)arguments);
    _exit(EXIT_FAILURE);
}

static jf_err_t *tell_config(int fd, apr_pool_t *pool)
{
    const char *rest = helper.config;
    while (*rest) {
        ssize_t sent = send(fd, rest, strlen(rest), MSG_NOSIGNAL);
        if (sent < 0 && errno != EINTR) {
            return jf_err_from_system(errno, pool, "cannot talk to %s", helper.program);
        }
        rest += sent > 0 ? sent : 0;
    }
    return NULL;
}

static jf_err_t *fork_helper(instance_t *instance, int config, int listener)
{
    pid_t pid = fork();
    if (pid < 0) {
        return jf_err_from_system(errno, instance->pool, "cannot start %s", helper.program);
    }
    if (pid == 0) {
        become_helper(config, listener, instance->pool);
    }
    instance->process.pid = pid;
    return NULL;
}

static void on_child_event(int reason, void *data, int status);

static jf_err_t *start_in(apr_pool_t *pool)
{
    int ends[2];
    int listener;
    instance_t *instance = apr_pcalloc(pool, sizeof(*instance));
    instance->pool = pool;
    instance->started_at = apr_time_now();
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        return jf_err_from_system(errno, pool, "cannot make a pair of sockets");
    }
    instance->lifeline = ends[0];
    apr_pool_cleanup_register(pool, instance, end_instance, apr_pool_cleanup_null);
    jf_err_t *err = make_listener(&listener, pool);
    if (!err) {
        err = fork_helper(instance, ends[1], listener);
        close(listener);
    }
    close(ends[1]);
    if (err) {
        return err;
    }
    helper.instance = instance;
    apr_proc_other_child_register(&instance->process, on_child_event, instance, NULL, pool);
    return tell_config(instance->lifeline, pool);
}

static jf_err_t *start(void)
{
    apr_pool_t *pool;
    apr_pool_create(&pool, helper.pconf);
    apr_pool_tag(pool, "jabberfilesd");
    jf_err_t *err = start_in(pool);
    if (err) {
        err = jf_err_copy(err, helper.pconf);
        apr_pool_destroy(pool);
    }
    return err;
}

/* ---- watching it ---- */

static int is_httpd_stopping(void)
{
    int state;
    return ap_mpm_query(AP_MPMQ_MPM_STATE, &state) != APR_SUCCESS || state == AP_MPMQ_STOPPING;
}

/* 0 for at once. */
static apr_interval_time_t time_to_wait(void)
{
    if (helper.young_deaths <= QUICK_RESTARTS) {
        return 0;
    }
    apr_interval_time_t wait_us = WAIT_FIRST_US;
    for (int i = QUICK_RESTARTS + 1; i < helper.young_deaths && wait_us < WAIT_MOST_US; i++) {
        wait_us *= 2;
    }
    return wait_us < WAIT_MOST_US ? wait_us : WAIT_MOST_US;
}

static void start_again(void)
{
    jf_err_t *err = start();
    if (err) {
        helper.young_deaths++;
        helper.retry_at = apr_time_now() + time_to_wait();
        ap_log_error(APLOG_MARK, APLOG_ERR, err->status, helper.main,
                     JFLOGNO(0072) "jabberfilesd: %s", err->text);
    }
}

static void take_death(instance_t *instance, int status)
{
    int is_young = apr_time_now() - instance->started_at < YOUNG_US;
    helper.young_deaths = is_young ? helper.young_deaths + 1 : 0;
    apr_interval_time_t wait_us = time_to_wait();
    /* httpd tells one number for both and not which it is. */
    ap_log_error(APLOG_MARK, APLOG_ERR, 0, helper.main,
                 JFLOGNO(0073) "jabberfilesd (pid %" APR_PID_T_FMT ") died, exit status or signal "
                               "%d; starting it again in %" APR_TIME_T_FMT " s",
                 instance->process.pid, status, apr_time_sec(wait_us));
    instance->process.pid = 0;
    helper.retry_at = apr_time_now() + wait_us;
    apr_pool_destroy(instance->pool);
    if (wait_us == 0) {
        start_again();
    }
}

/* Called by httpd's parent when one of its processes has ended, and when the registration does. */
static void on_child_event(int reason, void *data, int status)
{
    instance_t *instance = data;
    if (reason != APR_OC_REASON_DEATH) {
        return;
    }
    apr_proc_other_child_unregister(instance);
    if (is_httpd_stopping()) {
        instance->process.pid = 0;
    } else {
        take_death(instance, status);
    }
}

/* Every ten seconds or so. */
int jfm_daemon_monitor(apr_pool_t *pool, server_rec *main)
{
    (void)pool;
    (void)main;
    if (helper.socket_path && !helper.instance && getpid() == helper.parent &&
        apr_time_now() >= helper.retry_at && !is_httpd_stopping()) {
        start_again();
    }
    return DECLINED;
}

/* ---- the beginning ---- */

static jf_err_t *check_program(apr_pool_t *pool)
{
    struct stat info;
    int problem = 0;
    if (stat(helper.program, &info) != 0 || access(helper.program, X_OK) != 0) {
        problem = errno;
    } else if (!S_ISREG(info.st_mode)) {
        problem = EISDIR;
    }
    return problem ? jf_err_from_system(problem, pool, "JabberFilesDaemon %s", helper.program)
                   : NULL;
}

/* The helper lives as long as httpd's parent does, not as long as some child is left. */
void jfm_daemon_child_init(void)
{
    if (helper.instance && getpid() != helper.parent) {
        close(helper.instance->lifeline);
        helper.instance->lifeline = -1;
    }
}

jf_err_t *jfm_daemon_start(apr_pool_t *pconf, server_rec *main)
{
    memset(&helper, 0, sizeof(helper));
    helper.pconf = pconf;
    helper.main = main;
    helper.parent = getpid();
    helper.program = jfm_daemon_path(jfm_server_config(main));
    if (!jfm_daemon_is_needed(pconf)) {
        return NULL;
    }
    JF_TRY(check_program(pconf));
    JF_TRY(jfm_daemon_config(&helper.config, main, pconf));
    helper.socket_path = ap_runtime_dir_relative(
        pconf, apr_psprintf(pconf, "jabberfilesd.%" APR_PID_T_FMT ".sock", helper.parent));
    return start();
}
