/*
 * jabberfilesd: asks Jabber servers whether passwords are right, for mod_jabberfiles.
 *
 * A process of its own because such a login waits for a foreign server, and libraries that do so
 * belong in an event loop and not in a thread of httpd. httpd's parent starts it with the listening
 * socket as descriptor 3 and the configuration at standard input, which stays open: its end says
 * that httpd is gone.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <apr_general.h>
#include <event2/event.h>

#include "daemon_clients.h"
#include "daemon_config.h"
#include "daemon_logins.h"
#include "xmpp_resolve.h"

#define CONFIG_FD 0
#define LISTENER_FD 3

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

typedef struct daemon_t {
    struct event_base *base;
    daemon_clients_t *clients;
    struct event *stop_events[3];
    int is_stopping;
} daemon_t;

/* ---- the process ---- */

/* Passwords pass through this memory: it goes into no core file and no debugger. */
static void protect_memory(void)
{
    const struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

/* Each login needs one descriptor for httpd and one for the Jabber server. */
static void allow_many_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static void set_process_up(void)
{
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    protect_memory();
    allow_many_descriptors();
}

/* ---- the end ---- */

static void leave_loop(void *baton)
{
    daemon_t *daemon = baton;
    event_base_loopbreak(daemon->base);
}

/* httpd waits for this process to end; who waits for an answer gets it from a copy of it. */
static void carry_on_in_background(daemon_t *daemon)
{
    pid_t copy = fork();
    if (copy > 0) {
        _exit(EXIT_OK);
    }
    if (copy == 0) {
        protect_memory();
        event_reinit(daemon->base);
    }
}

static void stop(evutil_socket_t fd, short what, void *data)
{
    daemon_t *daemon = data;
    char byte;
    if ((what & EV_READ) && read(fd, &byte, 1) > 0) {
        return; /* nothing is said here after the configuration */
    }
    if (daemon->is_stopping) {
        return;
    }
    daemon->is_stopping = 1;
    /* Who has connected has asked, as far as httpd is concerned. */
    daemon_clients_accept(daemon->clients);
    if (daemon_clients_count(daemon->clients) > 0) {
        carry_on_in_background(daemon);
    }
    event_del(daemon->stop_events[0]); /* the end of standard input stays readable */
    daemon_clients_finish(daemon->clients, leave_loop, daemon);
}

/* httpd has blocked it for the time before there was a handler. */
static void unblock_sigterm(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static void listen_for_stop(daemon_t *daemon)
{
    daemon->stop_events[0] = event_new(daemon->base, CONFIG_FD, EV_READ | EV_PERSIST, stop, daemon);
    daemon->stop_events[1] = evsignal_new(daemon->base, SIGTERM, stop, daemon);
    daemon->stop_events[2] = evsignal_new(daemon->base, SIGINT, stop, daemon);
    for (int i = 0; i < 3; i++) {
        event_add(daemon->stop_events[i], NULL);
    }
    unblock_sigterm();
}

/* ---- running ---- */

static jf_err_t *run(apr_pool_t *pool)
{
    daemon_t daemon = {0};
    daemon_config_t *config;
    JF_TRY(xmpp_resolve_init(pool));
    JF_TRY(daemon_config_read(&config, CONFIG_FD, pool));
    daemon.base = event_base_new();
    if (!daemon.base) {
        return jf_err_make(JF_ERR_IO, APR_ENOMEM, pool, "cannot make an event loop");
    }
    daemon_logins_t *logins = daemon_logins_create(config, daemon.base, pool);
    JF_TRY(daemon_clients_create(&daemon.clients, LISTENER_FD, daemon.base, logins, pool));
    listen_for_stop(&daemon);
    event_base_dispatch(daemon.base);
    return NULL;
}

static void complain(const char *text)
{
    fprintf(stderr, "jabberfilesd: %s\n", text);
}

int main(int argc, char **argv)
{
    apr_pool_t *pool;
    (void)argv;
    if (argc > 1 || fcntl(LISTENER_FD, F_GETFD) < 0) {
        complain("this program is started by httpd; see JabberFilesDaemon");
        return EXIT_USAGE;
    }
    set_process_up();
    if (apr_initialize() != APR_SUCCESS || apr_pool_create(&pool, NULL) != APR_SUCCESS) {
        complain("cannot initialize APR");
        return EXIT_FAILED;
    }
    jf_err_t *err = run(pool);
    if (err) {
        complain(err->text);
        apr_terminate();
    }
    return err ? EXIT_FAILED : EXIT_OK;
}
