#include "get_timer.h"

#include "jf_units.h"

void get_timer_start(struct event *timer, apr_interval_time_t duration_us)
{
    if (duration_us == JF_NEVER) {
        event_del(timer);
        return;
    }
    const struct timeval duration = {
        .tv_sec = apr_time_sec(duration_us),
        .tv_usec = apr_time_usec(duration_us),
    };
    event_add(timer, &duration);
}
