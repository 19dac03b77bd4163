/**
 * Timers of libevent with durations of the library.
 */
#ifndef GET_TIMER_H
#define GET_TIMER_H

#include <apr_time.h>
#include <event2/event.h>

/** (Re)starts a timer; JF_NEVER stops it. */
void get_timer_start(struct event *timer, apr_interval_time_t duration_us);

#endif
