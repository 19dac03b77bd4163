#include "xmpp_watchdog.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <apr_signal.h>
#include <apr_thread_cond.h>
#include <apr_thread_mutex.h>
#include <apr_thread_proc.h>

#include "client.h"

/** How soon an interruption by the user is noticed. */
#define LOOK_US (apr_time_from_sec(1) / 5)

struct xmpp_watchdog_t {
    apr_pool_t *pool; /**< its own: pools do not know threads */
    apr_thread_t *thread;
    apr_thread_mutex_t *mutex;
    apr_thread_cond_t *stopped;
    apr_time_t deadline_us;

    /* guarded by mutex */
    int fd;
    int is_stopped;
    int is_overdue;
};

/** Breaks off at the deadline, and again for a socket that comes later; until it is stopped. */
static void *APR_THREAD_FUNC watch(apr_thread_t *thread, void *baton)
{
    xmpp_watchdog_t *dog = baton;
    (void)thread;
    apr_setup_signal_thread(); /* signals are the other thread's business */
    apr_thread_mutex_lock(dog->mutex);
    while (!dog->is_stopped) {
        int is_overdue = apr_time_now() >= dog->deadline_us;
        if (dog->fd >= 0 && (is_overdue || client_is_interrupted())) {
            shutdown(dog->fd, SHUT_RDWR);
            dog->is_overdue = is_overdue;
        }
        apr_thread_cond_timedwait(dog->stopped, dog->mutex, LOOK_US);
    }
    apr_thread_mutex_unlock(dog->mutex);
    return NULL;
}

static apr_status_t begin(xmpp_watchdog_t *dog)
{
    apr_status_t status = apr_thread_mutex_create(&dog->mutex, APR_THREAD_MUTEX_DEFAULT, dog->pool);
    if (status == APR_SUCCESS) {
        status = apr_thread_cond_create(&dog->stopped, dog->pool);
    }
    if (status == APR_SUCCESS) {
        status = apr_thread_create(&dog->thread, NULL, watch, dog, dog->pool);
    }
    return status;
}

jf_err_t *xmpp_watchdog_start(xmpp_watchdog_t **watchdog, apr_time_t deadline_us, apr_pool_t *pool)
{
    *watchdog = NULL;
    xmpp_watchdog_t *dog = apr_pcalloc(pool, sizeof(*dog));
    dog->deadline_us = deadline_us;
    dog->fd = -1;
    apr_pool_create_unmanaged_ex(&dog->pool, NULL, NULL);
    apr_status_t status = begin(dog);
    if (status != APR_SUCCESS) {
        apr_pool_destroy(dog->pool);
        return jf_err_from_system(status, pool, "cannot start a thread");
    }
    *watchdog = dog;
    return NULL;
}

static void close_socket(xmpp_watchdog_t *dog)
{
    if (dog->fd >= 0) {
        close(dog->fd);
    }
    dog->fd = -1;
}

int xmpp_watchdog_set_socket(xmpp_watchdog_t *watchdog, int fd)
{
    apr_thread_mutex_lock(watchdog->mutex);
    close_socket(watchdog);
    /* The number of a descriptor that libstrophe closes may soon be something else. */
    watchdog->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    int is_set = watchdog->fd >= 0;
    apr_thread_mutex_unlock(watchdog->mutex);
    return is_set;
}

int xmpp_watchdog_stop(xmpp_watchdog_t *watchdog)
{
    apr_status_t ended = APR_SUCCESS;
    apr_thread_mutex_lock(watchdog->mutex);
    watchdog->is_stopped = 1;
    apr_thread_cond_signal(watchdog->stopped);
    apr_thread_mutex_unlock(watchdog->mutex);
    apr_thread_join(&ended, watchdog->thread);
    close_socket(watchdog);
    int is_overdue = watchdog->is_overdue;
    apr_pool_destroy(watchdog->pool);
    return is_overdue;
}
