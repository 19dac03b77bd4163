#include "mod_jabberfiles_private.h"

#include <ap_mpm.h>
#include <apr_thread_cond.h>
#include <apr_thread_mutex.h>

/*
 * A login that is not in the cache holds its thread until the Jabber server has spoken. When that
 * server hangs, such threads must not be all that a child has: links and cached users need none of
 * it. So a quarter of the threads never waits for logins. Those above the limit wait for their turn
 * as long as turns come, and not at all when nothing has moved for a second.
 */
#define STALLED_US apr_time_from_sec(1)
#define LOOK_AGAIN_US apr_time_from_msec(100)

static struct {
    apr_thread_mutex_t *mutex; /* NULL: the child has none, and no limit */
    apr_thread_cond_t *freed;
    int free_count;
    apr_time_t moved_at; /* when the last login got its verdict, or the last place was taken */
} places;

jf_err_t *jfm_waiting_child_init(apr_pool_t *pchild)
{
    int threads;
    if (ap_mpm_query(AP_MPMQ_MAX_THREADS, &threads) != APR_SUCCESS || threads < 1) {
        threads = 1;
    }
    places.free_count = threads > 1 ? threads * 3 / 4 : 1;
    apr_status_t status = apr_thread_mutex_create(&places.mutex, APR_THREAD_MUTEX_DEFAULT, pchild);
    if (status == APR_SUCCESS) {
        status = apr_thread_cond_create(&places.freed, pchild);
    }
    if (status != APR_SUCCESS) {
        places.mutex = NULL;
        return jf_err_from_system(status, pchild, "cannot limit the threads that wait for logins");
    }
    return NULL;
}

int jfm_waiting_begin(void)
{
    if (!places.mutex) {
        return 1;
    }
    apr_thread_mutex_lock(places.mutex);
    while (places.free_count == 0 && apr_time_now() - places.moved_at < STALLED_US) {
        apr_thread_cond_timedwait(places.freed, places.mutex, LOOK_AGAIN_US);
    }
    int has_place = places.free_count > 0;
    if (has_place && --places.free_count == 0) {
        places.moved_at = apr_time_now();
    }
    apr_thread_mutex_unlock(places.mutex);
    return has_place;
}

void jfm_waiting_end(int has_verdict)
{
    if (!places.mutex) {
        return;
    }
    apr_thread_mutex_lock(places.mutex);
    places.free_count++;
    if (has_verdict) {
        places.moved_at = apr_time_now();
    }
    apr_thread_cond_signal(places.freed);
    apr_thread_mutex_unlock(places.mutex);
}
