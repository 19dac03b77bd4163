/**
 * Timers of libevent, set in APR's microseconds.
 */
#ifndef XMPP_TIMER_H
#define XMPP_TIMER_H

#include <apr_time.h>
#include <event2/event.h>

/** Has @a timer fire in @a us microseconds; one that runs begins anew. */
static inline void xmpp_timer_set(struct event *timer, apr_interval_time_t us)
{
    struct timeval time = {(time_t)apr_time_sec(us), (suseconds_t)apr_time_usec(us)};
    evtimer_add(timer, &time);
}

#endif
