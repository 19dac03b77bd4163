#include "mod_jabberfiles_private.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <time.h>

/*
 * A thread of our own for what has to be done ten times a second. Those of mod_watchdog end when a
 * child is told to end gracefully, and its downloads may go on for hours.
 */
#define TICK_NS 100000000L
#define SECOND_NS 1000000000L

static struct {
    pthread_t thread;
    sem_t stop; /* may be posted in a signal handler, where prefork ends its children */
} ticker;

/* @return 1 if it is time to stop */
static int nap(void)
{
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_nsec += TICK_NS;
    end.tv_sec += end.tv_nsec / SECOND_NS;
    end.tv_nsec %= SECOND_NS;
    int result;
    do {
        result = sem_timedwait(&ticker.stop, &end);
    } while (result != 0 && errno == EINTR);
    return result == 0;
}

static void *tick_until_the_end(void *unused)
{
    (void)unused;
    while (!nap()) {
        jfm_wire_tick(apr_time_now());
    }
    return NULL;
}

/* The module's code goes away with the process's pools, so its thread must have gone before. It
 * waits for no lock, so it is not long. */
static apr_status_t stop(void *data)
{
    (void)data;
    sem_post(&ticker.stop);
    pthread_join(ticker.thread, NULL);
    return APR_SUCCESS;
}

/* Signals are for httpd's own threads. */
static int start(void)
{
    sigset_t all, before;
    sigfillset(&all);
    if (sem_init(&ticker.stop, 0, 0) != 0) {
        return errno;
    }
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&ticker.thread, NULL, tick_until_the_end, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

jf_err_t *jfm_ticker_child_init(apr_pool_t *pchild)
{
    int error = start();
    if (error) {
        return jf_err_from_system(error, pchild, "cannot start a thread to follow downloads");
    }
    apr_pool_pre_cleanup_register(pchild, NULL, stop);
    return NULL;
}
